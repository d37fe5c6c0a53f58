"""Numbers that are too timid or too bold: the slope that the validation rows have."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from plait.data.store import Store
from plait.heads import RegressionHead
from plait.models import MultiTaskModel

from .prediction import parameters_of

__all__ = ["straighten"]

FEWEST = 100
"""Validation rows below which no line is believed."""
CLEAR = 1.96
"""How many standard errors a slope has to lie from 1 to be believed."""


def straighten(model: MultiTaskModel, valid: Store) -> dict[str, float]:
    """Let each regression with a squared loss follow the slope of its validation rows.

    In training a row's history is made from fewer rows than later on, and so tells less; a network
    that learnt on it moves its predictions too little when they tell more. The slope of labels on
    predictions (least squares) puts that right: it is taken around the mean prediction, which
    stays. The level is not the validation rows' to set: they are few, and often of one week. Where
    the slope is not clearly different from 1, with errors that hold for unequal variances (White
    1980), nothing is done.

    Args:
        model: trained.
        valid: rows that training did not see.

    Returns:
        The slope of each task that was straightened.
    """
    names = [
        name
        for name, task in model.tasks.items()
        if task.kind == "regression" and getattr(task, "loss", None) == "squared"
    ]
    found = parameters_of(model, valid, names)
    slopes: dict[str, float] = {}
    for name, (parameters, rows) in found.items():
        head = model.head(name)
        assert isinstance(head, RegressionHead)
        head.slope.fill_(1.0)
        head.intercept.fill_(0.0)
        labels = torch.from_numpy(valid.labels(name)[rows]).to(head.slope.device)
        weights = torch.from_numpy(valid.weights(name)[rows]).double()
        wanted = head.standardised(labels).double().cpu()
        predicted = parameters.double().squeeze(-1)
        slope, error = slope_of(predicted, wanted, weights)
        if len(rows) >= FEWEST and slope > 0 and abs(slope - 1.0) > CLEAR * error:
            head.slope.fill_(slope)
            mean = (weights * predicted).sum() / weights.sum()
            head.intercept.fill_(float(mean) * (1.0 - slope))
            slopes[name] = slope
    return slopes


def slope_of(x: Tensor, y: Tensor, weights: Tensor) -> tuple[float, float]:
    """Slope of the line and its robust standard error, infinite where there is no line.

    Example:
        >>> x = torch.tensor([0.0, 1.0, 2.0, 3.0], dtype=torch.double)
        >>> slope_of(x, 2 * x + 1, torch.ones(4, dtype=torch.double))
        (2.0, 0.0)
    """
    total = weights.sum()
    mean_x, mean_y = (weights * x).sum() / total, (weights * y).sum() / total
    away = x - mean_x
    spread = (weights * away.square()).sum()
    if not spread > 0:
        return 1.0, math.inf
    slope = (weights * away * (y - mean_y)).sum() / spread
    residual = y - mean_y - slope * away
    error = (weights.square() * away.square() * residual.square()).sum().sqrt() / spread
    return float(slope), float(error)
