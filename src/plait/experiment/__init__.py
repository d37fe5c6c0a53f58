"""Whole runs: the experiment file, and what trains, judges and saves from it."""

from __future__ import annotations

from .running import Run, train
from .spec import Experiment, json_schema

__all__ = ["Experiment", "Run", "json_schema", "train"]
