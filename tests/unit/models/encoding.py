"""Small forms of every interaction and sequence encoder, and what models must do with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from tests.unit.makers import gradients
from torch import Tensor
from torch.testing import assert_close

from plait.data.batch import Batch
from plait.models import InteractionFactory, MultiTaskModel, SequenceFactory
from plait.modules.interactions import (
    DLRM,
    FM,
    AutoInt,
    DCNMix,
    DeepFM,
    FinalMLP,
    Interaction,
    MaskNet,
)
from plait.modules.interactions import INTERACTIONS as INTERACTION_KINDS
from plait.modules.sequences import BST, DIN, SEQUENCE_ENCODERS, GRU4Rec, SASRec, SequenceEncoder
from plait.testing import SURFACES, gradients_cut_at, plain_gradients
from plait.testing.stages import Surface

SMALL_INTERACTIONS: dict[type[Interaction], InteractionFactory] = {
    FM: partial(FM, token_width=4),
    DeepFM: partial(DeepFM, token_width=4),
    DCNMix: partial(DCNMix, rank=3, num_experts=2),
    AutoInt: partial(AutoInt, token_width=4, head_width=3),
    MaskNet: partial(MaskNet, token_width=4, num_blocks=2, width=5),
    FinalMLP: partial(FinalMLP, layers=(6, 4), gate_width=3, dropout=0.0),
    DLRM: partial(DLRM, token_width=4, layers=(5,)),
}
INTERACTIONS = {kind.__name__: SMALL_INTERACTIONS.get(kind, kind) for kind in INTERACTION_KINDS}

SMALL_ENCODERS: dict[type[SequenceEncoder], SequenceFactory] = {
    DIN: partial(DIN, layers=(5,)),
    GRU4Rec: partial(GRU4Rec, width=3),
    SASRec: partial(SASRec, max_length=3, dropout=0.0),
    BST: partial(BST, max_length=2, dropout=0.0),
}
SEQUENCES = {kind.__name__: SMALL_ENCODERS.get(kind, kind) for kind in SEQUENCE_ENCODERS}


def shaken(model: MultiTaskModel) -> MultiTaskModel:
    """With weights that are all different and not small, as if trained."""
    torch.manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model


def check_cuts(model: MultiTaskModel, batch: Batch, surfaces: Sequence[Surface] = SURFACES) -> None:
    """At every surface: task by task, rejoined, and below it once, is one plain backward pass."""
    plain = plain_gradients(model, batch)
    for surface in surfaces:
        cut = gradients_cut_at(surface, model, batch)
        assert set(cut) == set(plain), surface
        one, other = (torch.cat([of[name].flatten() for name in plain]) for of in (cut, plain))
        if torch.allclose(one, other, rtol=1e-4, atol=1e-4):
            continue
        for name, gradient in cut.items():  # which of them it is
            largest = float(plain[name].abs().max()) if plain[name].numel() else 0.0
            near = 1e-4 + 1e-5 * largest  # sums of large numbers may end near 0
            assert_close(gradient, plain[name], rtol=1e-4, atol=near, msg=f"{name} at {surface}")


def check_gradients(model: MultiTaskModel, batch: Batch) -> None:
    """Every parameter is reached, and by numbers that are finite."""
    model.zero_grad()
    torch.stack([found.square().sum() for found in model(batch).values()]).sum().backward()
    reached = gradients(model)
    assert set(reached) == {name for name, _ in model.named_parameters()}
    assert all(gradient.isfinite().all() for gradient in reached.values())


def reads(model: MultiTaskModel, batch: Batch, change: Callable[[Batch], Batch]) -> set[str]:
    """The tasks whose parameters change when the batch does."""
    before: dict[str, Tensor] = model(batch)
    after: dict[str, Tensor] = model(change(batch))
    return {task for task in model.tasks if not torch.equal(before[task], after[task])}
