"""Candidates: two towers, the vectors of users and items, and the search among them."""

from __future__ import annotations

from .artifact import TowersArtifact, read_towers, write_towers
from .exposures import Catalogue, Exposures
from .fitting import Epoch, FittedTowers, fit_towers, judged, vectors_of
from .index import ApproximateIndex, ExactIndex
from .judging import Judge, Recall
from .retriever import Candidates, Retriever, load
from .settings import Retrieval
from .sides import Sides, history_of_users, only_sides, sides_of
from .softmax import ItemFrequency, in_batch_softmax
from .towers import TwoTower

__all__ = [
    "ApproximateIndex",
    "Candidates",
    "Catalogue",
    "Epoch",
    "ExactIndex",
    "Exposures",
    "FittedTowers",
    "ItemFrequency",
    "Judge",
    "Recall",
    "Retrieval",
    "Retriever",
    "Sides",
    "TowersArtifact",
    "TwoTower",
    "fit_towers",
    "history_of_users",
    "in_batch_softmax",
    "judged",
    "load",
    "only_sides",
    "read_towers",
    "sides_of",
    "vectors_of",
    "write_towers",
]
