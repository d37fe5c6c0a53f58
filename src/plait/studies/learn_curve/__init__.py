"""Which way to learn would help a log that had fewer labels, or wrong ones."""

from __future__ import annotations

from .families import FAMILIES, Family
from .gains import CurveTask, Gain, Level
from .page import learn_curve_document
from .result import LearnCurve
from .running import Watcher, forget_learn_curve, learn_curve
from .settings import CurveSettings

__all__ = [
    "FAMILIES",
    "CurveSettings",
    "CurveTask",
    "Family",
    "Gain",
    "LearnCurve",
    "Level",
    "Watcher",
    "forget_learn_curve",
    "learn_curve",
    "learn_curve_document",
]
