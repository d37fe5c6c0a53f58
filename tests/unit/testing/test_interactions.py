"""The suites of interactions and encoders bite: each of these parts is broken in one way."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from plait.modules.interactions import DCNv2, Entry, Interacted
from plait.modules.sequences import GRU4Rec, MeanPooling, SequenceEncoder
from plait.testing import InteractionContract, SequenceEncoderContract


class _MixesRows(DCNv2):
    def forward(self, main: Tensor) -> Interacted:
        return super().forward(main - main.mean(dim=0))


class _LeavesAParameterOut(DCNv2):
    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__(entries)
        self.unused = nn.Linear(2, 2)


class _ForgetsAFeature(DCNv2):
    def forward(self, main: Tensor) -> Interacted:
        known = torch.cat([torch.zeros_like(main[:, :6]), main[:, 6:]], dim=1)
        return super().forward(known)


class _HidesItsLatePart(DCNv2):
    def forward(self, main: Tensor) -> Interacted:
        return Interacted(super().forward(main).main, main[:, :2])


class _IsSinglePrecision(DCNv2):
    def forward(self, main: Tensor) -> Interacted:
        return Interacted(super().forward(main).main.float())


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (_MixesRows, "test_rows_do_not_see_each_other"),
        (_LeavesAParameterOut, "test_gradients_reach_every_parameter_and_every_feature"),
        (_ForgetsAFeature, "test_gradients_reach_every_parameter_and_every_feature"),
        (_HidesItsLatePart, "test_widths_are_as_it_says"),
        (_IsSinglePrecision, "test_float64_stays_float64"),
    ],
)
def test_a_broken_interaction_fails(broken: type[DCNv2], test: str) -> None:
    class Suite(InteractionContract):
        def make(self, entries: Sequence[Entry]) -> DCNv2:
            return broken(entries)

    with pytest.raises(AssertionError):
        getattr(Suite(), test)()


class _CountsThePadding(MeanPooling):
    def forward(self, values: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        return values.mean(dim=1)


class _DividesByNothing(MeanPooling):
    def forward(self, values: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        return super().forward(values, mask) / mask.any(dim=1, keepdim=True)


class _EndsInThePadding(GRU4Rec):
    def forward(self, values: Tensor, mask: Tensor, target: Tensor | None = None) -> Tensor:
        return torch.as_tensor(self.gru(values)[0][:, -1])


class _PromisesATarget(MeanPooling):
    reads_target = True


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (_CountsThePadding, "test_what_stands_behind_the_last_value_changes_nothing"),
        (_EndsInThePadding, "test_what_stands_behind_the_last_value_changes_nothing"),
        (_EndsInThePadding, "test_rows_do_not_see_each_other"),
        (_DividesByNothing, "test_widths_are_as_it_says"),
        (_PromisesATarget, "test_the_target_has_a_say_where_it_is_read"),
    ],
)
def test_a_broken_encoder_fails(broken: type[SequenceEncoder], test: str) -> None:
    class Suite(SequenceEncoderContract):
        def make(self, in_features: int) -> SequenceEncoder:
            return broken(in_features)

    with pytest.raises(AssertionError):
        getattr(Suite(), test)()
