"""Blocks that know no task: tables of vectors, dense layers, experts, gates, pooling."""

from __future__ import annotations

from .affine import affine, affine_apart, affine_each, partly_learnt, worth_parting
from .dropout import Dropout
from .engine import compiled_blocks, plain_products
from .experts import ExpertBank
from .gate_unit import GateUnit
from .gates import SoftmaxGate, logits_of, mix, mix_each
from .mlp import MLP, Activation
from .parts import PartlyLearnt, Pieces, ShortRows, whole
from .pooling import mean_pool
from .tables import ListVectors, Run, Tables

__all__ = [
    "MLP",
    "Activation",
    "Dropout",
    "ExpertBank",
    "GateUnit",
    "ListVectors",
    "PartlyLearnt",
    "Pieces",
    "Run",
    "ShortRows",
    "SoftmaxGate",
    "Tables",
    "affine",
    "affine_apart",
    "affine_each",
    "compiled_blocks",
    "logits_of",
    "mean_pool",
    "mix",
    "mix_each",
    "partly_learnt",
    "plain_products",
    "whole",
    "worth_parting",
]
