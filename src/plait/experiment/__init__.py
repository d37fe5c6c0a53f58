"""Whole runs: the experiment file, and what trains, judges and saves from it."""

from __future__ import annotations

from .running import Run, train
from .spec import Experiment, json_schema
from .towers import TowersRun, train_towers

__all__ = ["Experiment", "Run", "TowersRun", "json_schema", "train", "train_towers"]
