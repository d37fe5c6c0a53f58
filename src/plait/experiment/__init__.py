"""Whole runs: the experiment file, and what trains, judges and saves from it."""

from __future__ import annotations

from .running import Run, train
from .spec import Experiment

__all__ = ["Experiment", "Run", "train"]
