"""Terms: classical models whose numbers are added to what the network says."""

from __future__ import annotations

from .base import TaskWeights, Term
from .fpmc import FPMC
from .ncf import NCF

__all__ = ["FPMC", "NCF", "TERMS", "TaskWeights", "Term"]

TERMS: tuple[type[Term], ...] = (NCF, FPMC)
"""The terms that an experiment file can name."""
