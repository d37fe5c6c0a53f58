"""Sequence encoders: an ordered list of vectors to one vector a row."""

from __future__ import annotations

from .base import SequenceEncoder
from .bst import BST
from .din import DIN
from .gru4rec import GRU4Rec
from .padding import Padded, padded
from .pooling import MaxPooling, MeanPooling, SumPooling
from .sasrec import SASRec

__all__ = [
    "BST",
    "DIN",
    "SEQUENCE_ENCODERS",
    "GRU4Rec",
    "MaxPooling",
    "MeanPooling",
    "Padded",
    "SASRec",
    "SequenceEncoder",
    "SumPooling",
    "padded",
]

SEQUENCE_ENCODERS: tuple[type[SequenceEncoder], ...] = (
    MeanPooling,
    SumPooling,
    MaxPooling,
    DIN,
    GRU4Rec,
    SASRec,
    BST,
)
"""The sequence encoders that an experiment file can name."""
