"""Using a trained model: predictions and judgements on raw rows."""

from __future__ import annotations

from .predictor import Predictor, load

__all__ = ["Predictor", "load"]
