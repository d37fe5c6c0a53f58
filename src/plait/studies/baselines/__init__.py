"""Simple models to compare with: what the same rows give without a multi-task network."""

from __future__ import annotations

from .choosing import BASELINES, CHEAP, BaselineName, baseline_predictions, check_baselines

__all__ = ["BASELINES", "CHEAP", "BaselineName", "baseline_predictions", "check_baselines"]
