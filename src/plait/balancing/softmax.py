"""A softmax over tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping

__all__ = ["softmax"]


def softmax(logits: Mapping[str, float]) -> dict[str, float]:
    """Shares that sum to one.

    Example:
        >>> softmax({"click": 1000.0, "like": 1000.0})
        {'click': 0.5, 'like': 0.5}
    """
    highest = max(logits.values(), default=0.0)
    parts = {task: math.exp(logit - highest) for task, logit in logits.items()}
    total = sum(parts.values())
    return {task: part / total for task, part in parts.items()}
