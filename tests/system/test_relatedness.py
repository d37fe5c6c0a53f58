"""The experiment of MMoE's paper in small: six pairs of half-related tasks, a sixth of the steps.

`benchmarks/relatedness.py` has all of it: 24 runs, three cosines, 6,000 steps.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from benchmarks import relatedness


def test_gates_of_their_own_beat_one_bottom_of_their_size() -> None:
    found = relatedness.errors(0.5, range(6), steps=1000, models=("SharedBottom", "MMoE"))
    wins = sum(run["MMoE"] < run["SharedBottom"] for run in found.values())
    assert wins >= 5
    assert all(run["MMoE"] < 0.2 for run in found.values())  # a constant has 1


def test_runs_in_one_program_are_those_one_by_one() -> None:
    together = relatedness.errors(0.0, [3, 5], steps=10)
    for run, errors in together.items():
        alone = relatedness.errors(0.0, [run], steps=10)[run]
        assert errors == pytest.approx(alone, rel=1e-4)
