"""Contract suites: what every part of a kind must do, ready to run on a part of your own.

A suite is a class to subclass in a pytest file. Say how the part is made; the tests come with it.

    class TestMyArchitecture(ArchitectureContract):
        def make(self, tasks: Sequence[str]) -> MyArchitecture:
            return MyArchitecture(Widths(main=12), tasks, layers=(8, 4))
"""

from __future__ import annotations

from .architectures import ArchitectureContract
from .balancers import BalancerContract, GradientBalancerContract
from .examples import small_batch, small_model
from .heads import HeadCase, HeadContract
from .interactions import InteractionContract
from .links import LinkContract
from .metrics import MetricContract, MetricRows
from .objectives import ObjectiveContract
from .sequences import SequenceEncoderContract
from .stages import SURFACES, gradients_cut_at, plain_gradients

__all__ = [
    "SURFACES",
    "ArchitectureContract",
    "BalancerContract",
    "GradientBalancerContract",
    "HeadCase",
    "HeadContract",
    "InteractionContract",
    "LinkContract",
    "MetricContract",
    "MetricRows",
    "ObjectiveContract",
    "SequenceEncoderContract",
    "gradients_cut_at",
    "plain_gradients",
    "small_batch",
    "small_model",
]
