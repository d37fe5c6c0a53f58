from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from plait.errors import MetricInputError
from plait.metrics import Value, auc, brier, delong_test, gauc, ndcg, paired_bootstrap


def _two_models(generator: np.random.Generator, n: int = 300) -> tuple[np.ndarray, ...]:
    targets = (generator.random(n) < 0.3).astype(np.float64)
    signal = targets + generator.normal(size=n)
    return signal + generator.normal(size=n), signal + generator.normal(size=n), targets


@pytest.mark.parametrize("scheme", ["poisson", "multinomial"])
def test_the_standard_error_is_near_that_of_delong(scheme: str) -> None:
    first, second, targets = _two_models(np.random.default_rng(0))
    found = paired_bootstrap(
        auc,
        first,
        second,
        targets,
        generator=np.random.default_rng(1),
        scheme=scheme,  # type: ignore[arg-type]  # a parametrised literal
        num_resamples=500,
    )
    expected = delong_test(first, second, targets)
    assert found.value == pytest.approx(expected.value, abs=1e-12)
    assert found.standard_error == pytest.approx(expected.standard_error, rel=0.15)
    assert found.low < found.value < found.high


def test_one_seed_gives_one_answer() -> None:
    first, second, targets = _two_models(np.random.default_rng(0))
    answers = [
        paired_bootstrap(
            brier,
            1 / (1 + np.exp(-first)),
            1 / (1 + np.exp(-second)),
            targets,
            generator=np.random.default_rng(7),
            num_resamples=50,
        )
        for _ in range(2)
    ]
    assert answers[0] == answers[1]


def test_rows_of_one_user_widen_the_interval() -> None:
    generator = np.random.default_rng(0)
    first, second, targets = _two_models(generator, n=40)
    copies = [np.repeat(part, 10) for part in (first, second, targets)]
    users = np.repeat(np.arange(40), 10)
    by_row = paired_bootstrap(auc, *copies, generator=np.random.default_rng(1), num_resamples=200)
    by_user = paired_bootstrap(
        auc, *copies, generator=np.random.default_rng(1), num_resamples=200, clusters=users
    )
    assert by_user.n == 40
    assert by_row.n == 400
    assert by_user.standard_error > 2 * by_row.standard_error


@pytest.mark.parametrize("measure", [gauc, ndcg])
def test_grouped_measures_are_resampled_by_user(measure: Callable[..., Value]) -> None:
    generator = np.random.default_rng(0)
    users = np.repeat(np.arange(60), 8)
    targets = generator.integers(0, 2, 480)
    good = targets + generator.normal(scale=0.5, size=480)
    found = paired_bootstrap(
        partial(measure, groups=users),
        good,
        generator.normal(size=480),
        targets,
        generator=generator,
        clusters=users,
        num_resamples=200,
    )
    assert 0 < found.low < found.value < found.high
    assert found.p_value < 0.05


def test_rows_of_weight_zero_change_nothing() -> None:
    first, second, targets = _two_models(np.random.default_rng(0), n=50)
    users = np.arange(50) // 2
    weights = np.where(users < 10, 0.0, 1.0)
    spoilt = np.where(weights == 0, math.nan, first)
    answers = [
        paired_bootstrap(
            auc,
            predictions,
            second,
            targets,
            weights=weights,
            clusters=users,
            generator=np.random.default_rng(3),
            num_resamples=20,
        )
        for predictions in (first, spoilt)
    ]
    assert answers[0] == answers[1]


def test_intervals_cover_what_they_promise() -> None:
    generator = np.random.default_rng(0)
    covered = []
    for _ in range(60):
        first, second, targets = _two_models(generator, n=100)
        found = paired_bootstrap(
            auc, first, second, targets, generator=generator, num_resamples=99, confidence=0.9
        )
        covered.append(found.low <= 0 <= found.high)
    assert 0.78 <= np.mean(covered) <= 0.98


def test_a_difference_that_is_not_known_says_why() -> None:
    found = paired_bootstrap(
        auc, [0.1, 0.2], [0.1, 0.2], [1, 1], generator=np.random.default_rng(0)
    )
    assert math.isnan(found.value)
    assert found.reason == "all 2 rows are positive: both classes are needed"


def test_too_few_resamples_with_both_classes_are_no_answer() -> None:
    found = paired_bootstrap(
        auc, [0.1, 0.2], [0.2, 0.1], [0, 1], generator=np.random.default_rng(0), num_resamples=100
    )
    assert found.value == 1.0
    assert math.isnan(found.low)
    assert "the measure does not exist on" in found.reason


def test_wrong_settings_are_named() -> None:
    generator = np.random.default_rng(0)
    rows = ([0.1, 0.2], [0.2, 0.1], [0, 1])
    with pytest.raises(MetricInputError, match="`scheme` is 'poisson' or 'multinomial', got 'bag'"):
        paired_bootstrap(auc, *rows, generator=generator, scheme="bag")  # type: ignore[arg-type]
    with pytest.raises(MetricInputError, match="`num_resamples` must be at least 2, got 1"):
        paired_bootstrap(auc, *rows, generator=generator, num_resamples=1)
    with pytest.raises(MetricInputError, match=r"`clusters` has shape \(1,\) for 2 targets"):
        paired_bootstrap(auc, *rows, generator=generator, clusters=[1])
    with pytest.raises(MetricInputError, match="`confidence` must lie between 0 and 1"):
        paired_bootstrap(auc, *rows, generator=generator, confidence=95)
