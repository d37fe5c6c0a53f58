"""Cut at any surface and rejoined with unit weights: the plain gradient, for every structure."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch.testing import assert_close

from plait.architectures import ARCHITECTURES, Architecture, Chain
from plait.models import MultiTaskModel
from plait.testing import (
    SURFACES,
    gradients_cut_at,
    plain_gradients,
    small_batch,
    small_model,
)
from plait.testing.stages import Surface


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("linked", [False, True])
def test_cut_and_rejoined_is_plain(
    kind: type[Architecture], surface: Surface, *, linked: bool
) -> None:
    torch.manual_seed(0)
    model = MultiTaskModel(
        replace(small_model().layout, scenario="age.bin"),
        tuple(small_model().tasks.values()),
        architecture=partial(kind, layers=(8, 6)),
        links=[Chain(parent="click", child="like")] if linked else [],
    ).eval()
    batch = small_batch()
    plain = plain_gradients(model, batch)
    cut = gradients_cut_at(surface, model, batch)
    assert cut.keys() == plain.keys()
    for name, gradient in plain.items():
        assert_close(cut[name], gradient, msg=f"{name} at {surface}")
