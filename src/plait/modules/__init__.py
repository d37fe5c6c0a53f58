"""Blocks that know no task: tables of vectors, dense layers, experts, gates, pooling."""

from __future__ import annotations

from .experts import ExpertBank
from .gates import SoftmaxGate, mix
from .mlp import MLP, Activation
from .pooling import mean_pool
from .tables import ListVectors, Tables

__all__ = [
    "MLP",
    "Activation",
    "ExpertBank",
    "ListVectors",
    "SoftmaxGate",
    "Tables",
    "mean_pool",
    "mix",
]
