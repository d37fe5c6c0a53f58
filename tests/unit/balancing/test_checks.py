"""What settings and losses must be; the sentences are tested where the rules are."""

from __future__ import annotations

import math

import pytest

from plait.balancing import Equal
from plait.balancing.checks import check_least, check_losses, check_positive
from plait.errors import ConfigurationError, TrainingError


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_what_must_be_positive(value: float) -> None:
    with pytest.raises(ConfigurationError, match=r"Equal: `rate` must be above 0, got"):
        check_positive(Equal(), rate=value)
    check_positive(Equal(), rate=1e-9)


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_what_must_not_be_negative(value: float) -> None:
    with pytest.raises(ConfigurationError, match=r"Equal: `rate` must be at least 0, got"):
        check_least(Equal(), rate=value)
    check_least(Equal(), rate=0.0)


def test_a_negative_loss_is_told_with_the_way_out() -> None:
    check_losses(Equal(), {"a": 0.0})
    with pytest.raises(
        TrainingError, match=r"that of 'a' was -1\. Take a rule that reads no ratio"
    ):
        check_losses(Equal(), {"a": -1.0})
