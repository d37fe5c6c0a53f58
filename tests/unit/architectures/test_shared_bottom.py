from __future__ import annotations

from collections.abc import Sequence

import torch

from plait.architectures import Encoded, SharedBottom, Widths
from plait.testing import ArchitectureContract


class TestSharedBottom(ArchitectureContract):
    def make(self, tasks: Sequence[str]) -> SharedBottom:
        return SharedBottom(Widths(main=12), tasks, layers=(9, 4), dropout=0.1)


def test_all_tasks_read_the_very_same_tensor() -> None:
    bottom = SharedBottom(Widths(main=6), ["click", "like"], layers=(5,))
    shared = bottom.share(Encoded(torch.randn(4, 6)))
    outputs = bottom.split(shared)
    assert outputs["click"] is outputs["like"] is shared.experts[0]


def test_case_59_depth_is_an_option() -> None:
    for layers in ((), (8,), (8, 4), (16, 8, 8, 2)):
        bottom = SharedBottom(Widths(main=6), ["click"], layers=layers)
        assert len(bottom.bottom.linears) == len(layers)
        assert bottom.out_features == ((6, *layers)[-1])
