from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from tests.unit.modules.interactions import reference
from tests.unit.modules.interactions.making import MIXED, SAME, array, rows, shaken, tokens_of
from torch import nn

from plait.errors import ArchitectureError
from plait.modules.interactions import FM, DeepFM, Entry
from plait.testing import InteractionContract


class TestFM(InteractionContract):
    def make(self, entries: Sequence[Entry]) -> FM:
        return FM(entries, token_width=4)


class TestDeepFM(InteractionContract):
    def make(self, entries: Sequence[Entry]) -> DeepFM:
        return DeepFM(entries, token_width=4)


@pytest.mark.parametrize("entries", [SAME, MIXED])
def test_fm_and_deepfm_sum_over_all_pairs(entries: tuple[Entry, ...]) -> None:
    fm, deep = shaken(FM(entries, token_width=4)), shaken(DeepFM(entries, token_width=4))
    assert isinstance(fm, FM)
    deep.load_state_dict(fm.state_dict())
    main = rows(entries)
    found, both = fm(main), deep(main)
    assert torch.equal(both.main, main)
    assert torch.equal(both.late, found.main)
    for row, pairs in zip(main.numpy(), found.main, strict=True):
        expected = reference.fm(tokens_of(row, entries, fm.tokens.maps))
        np.testing.assert_allclose(array(pairs), expected, atol=1e-10, rtol=0)


def test_vectors_of_the_right_width_are_taken_as_they_are() -> None:
    assert not list(FM(SAME, token_width=4).parameters())
    maps = FM(MIXED, token_width=4).tokens.maps
    assert [isinstance(each, nn.Identity) for each in maps] == [True, False, False]


def test_a_given_vector_of_the_right_width_is_projected_all_the_same() -> None:
    (into,) = FM((Entry("text", 4, learnt=False),), token_width=4).tokens.maps
    assert isinstance(into, nn.Linear)
    assert float(into.weight.detach().abs().max()) < 0.1


@pytest.mark.parametrize("kind", [FM, DeepFM])
def test_a_token_without_width_is_refused(kind: type[FM]) -> None:
    with pytest.raises(ArchitectureError, match=r"`token_width` must be at least 1, got 0"):
        kind(SAME, token_width=0)
