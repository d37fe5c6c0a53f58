"""What every metric promises: batches, merging, weights, an empty state, repr; the field cases."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.metrics.examples import Example, binary_rows

import plait.metrics
from plait.errors import MetricInputError
from plait.metrics import (
    AUC,
    ECE,
    GAUC,
    MAE,
    MAP,
    MRR,
    NDCG,
    PCOC,
    PRAUC,
    R2,
    RMSE,
    XAUC,
    Accuracy,
    Brier,
    HitRate,
    LogLoss,
    Metric,
    MulticlassLogLoss,
    NormalisedEntropy,
    NormalisedGini,
    PoissonDeviance,
    Precision,
    QuadraticWeightedKappa,
    Recall,
    StreamingAUC,
    Value,
    accuracy,
    auc,
    brier,
    ece,
    gauc,
    hit_rate,
    log_loss,
    mae,
    mean_average_precision,
    metrics_for,
    mrr,
    multiclass_log_loss,
    ndcg,
    normalised_entropy,
    normalised_gini,
    pcoc,
    poisson_deviance,
    pr_auc,
    precision,
    quadratic_weighted_kappa,
    r2,
    recall,
    rmse,
    xauc,
)
from plait.tasks import Binary

FUNCTIONS: dict[type[Metric], Callable[..., Value]] = {
    AUC: auc,
    StreamingAUC: auc,
    GAUC: gauc,
    PRAUC: pr_auc,
    LogLoss: log_loss,
    NormalisedEntropy: normalised_entropy,
    PCOC: pcoc,
    ECE: ece,
    Brier: brier,
    Accuracy: accuracy,
    MulticlassLogLoss: multiclass_log_loss,
    QuadraticWeightedKappa: quadratic_weighted_kappa,
    RMSE: rmse,
    MAE: mae,
    R2: r2,
    PoissonDeviance: poisson_deviance,
    XAUC: xauc,
    NormalisedGini: normalised_gini,
    NDCG: ndcg,
    MRR: mrr,
    HitRate: hit_rate,
    Precision: precision,
    Recall: recall,
    MAP: mean_average_precision,
}
MANY_CLASSES = (Accuracy, MulticlassLogLoss, QuadraticWeightedKappa)
each_metric = pytest.mark.parametrize("metric_class", FUNCTIONS, ids=lambda cls: cls.__name__)


class Log:
    """Sixty rows that every metric can read, with tied scores and whole weights."""

    def __init__(self, metric_class: type[Metric]) -> None:
        generator = np.random.default_rng(0)
        self.targets = generator.integers(0, 2, 60).astype(np.float32)
        self.weights = generator.integers(0, 4, 60).astype(np.float32)
        self.groups = generator.choice(["ann", "bob", "cy", "di"], 60)
        scores = (generator.integers(1, 20, 60) / 20).astype(np.float32)
        self.predictions = (
            np.stack([1 - scores, scores], axis=1) if metric_class in MANY_CLASSES else scores
        )

    def feed(self, metric: Metric, rows: np.ndarray, *, weighted: bool = True) -> None:
        metric.update(
            self.predictions[rows],
            self.targets[rows],
            weights=self.weights[rows] if weighted else None,
            groups=self.groups[rows],
        )


ALL = np.arange(60)


def _same(one: Value, other: Value) -> bool:
    return one.value == pytest.approx(other.value, rel=1e-9) and one[1:] == other[1:]


def test_no_metric_of_the_room_is_left_out_of_this_contract() -> None:
    public = [getattr(plait.metrics, name) for name in plait.metrics.__all__]
    classes = {thing for thing in public if isinstance(thing, type) and issubclass(thing, Metric)}
    abstract = {cls for cls in classes if "Metric" in cls.__name__}
    assert classes - abstract == set(FUNCTIONS)


@each_metric
def test_it_gives_what_its_function_gives(metric_class: type[Metric]) -> None:
    log, metric = Log(metric_class), metric_class()
    log.feed(metric, ALL)
    groups = (log.groups,) if metric_class.needs_groups else ()
    expected = FUNCTIONS[metric_class](log.predictions, log.targets, *groups, weights=log.weights)
    assert expected.is_known
    assert _same(metric.compute(), expected)


@each_metric
@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(0, 60), max_size=5))
def test_any_split_and_merge_gives_the_answer_of_the_whole(
    metric_class: type[Metric], cuts: list[int]
) -> None:
    log, whole, merged = Log(metric_class), metric_class(), metric_class()
    log.feed(whole, ALL)
    for rows in np.split(ALL, sorted(cuts)):
        part = metric_class()
        for batch in np.array_split(rows, 2):
            log.feed(part, batch)
        merged.merge(part)
    assert _same(merged.compute(), whole.compute())


@each_metric
def test_merging_leaves_the_other_metric_as_it_was(metric_class: type[Metric]) -> None:
    log, one, other = Log(metric_class), metric_class(), metric_class()
    log.feed(one, ALL[:30])
    log.feed(other, ALL[30:])
    before = other.compute()
    one.merge(other)
    log.feed(one, ALL)
    assert other.compute() == before


@each_metric
def test_batches_with_and_without_weights_mix(metric_class: type[Metric]) -> None:
    log, mixed, ones = Log(metric_class), metric_class(), metric_class()
    log.feed(mixed, ALL[:30], weighted=False)
    log.weights[:30] = 1
    log.feed(mixed, ALL[30:])
    log.feed(ones, ALL)
    assert _same(mixed.compute(), ones.compute())


@each_metric
def test_an_empty_state_is_nan_with_a_reason(metric_class: type[Metric]) -> None:
    found = metric_class().compute()
    assert math.isnan(found.value)
    assert found.n == 0
    assert found.reason == "there are no rows"


@each_metric
def test_a_merge_with_an_empty_state_changes_nothing(metric_class: type[Metric]) -> None:
    log, metric = Log(metric_class), metric_class()
    log.feed(metric, ALL)
    before = metric.compute()
    metric.merge(metric_class())
    assert metric.compute() == before
    empty = metric_class()
    empty.merge(metric)
    assert empty.compute() == before


@each_metric
def test_reset_forgets_all_rows(metric_class: type[Metric]) -> None:
    log, metric = Log(metric_class), metric_class()
    log.feed(metric, ALL)
    metric.reset()
    assert metric.compute().reason == "there are no rows"
    log.feed(metric, ALL)
    again = metric_class()
    log.feed(again, ALL)
    assert metric.compute() == again.compute()


@each_metric
def test_case_83_rows_of_weight_zero_are_as_if_absent(metric_class: type[Metric]) -> None:
    log, with_absent, without = Log(metric_class), metric_class(), metric_class()
    log.feed(without, ALL[log.weights > 0])
    log.predictions[log.weights == 0] = math.nan
    log.targets[log.weights == 0] = math.nan
    log.feed(with_absent, ALL)
    assert with_absent.compute() == without.compute()


@each_metric
def test_a_prediction_that_is_not_finite_is_counted_over_all_batches(
    metric_class: type[Metric],
) -> None:
    log, metric = Log(metric_class), metric_class()
    log.predictions[[3, 50]] = math.nan
    log.feed(metric, ALL[:30], weighted=False)
    log.feed(metric, ALL[30:], weighted=False)
    found = metric.compute()
    assert math.isnan(found.value)
    assert found.reason == "2 of 60 predictions are not finite"


@each_metric
def test_wrong_shapes_are_refused_at_once(metric_class: type[Metric]) -> None:
    log, metric = Log(metric_class), metric_class()
    with pytest.raises(MetricInputError, match=r"`predictions` has shape"):
        metric.update(log.predictions, log.targets[:3], groups=log.groups)
    with pytest.raises(MetricInputError, match="`weights` must be 0 or lie between"):
        metric.update(log.predictions, log.targets, weights=-log.weights, groups=log.groups)
    assert metric.compute().n == 0


@each_metric
def test_it_is_named_and_shown_by_its_settings(metric_class: type[Metric]) -> None:
    metric = metric_class()
    assert metric.name
    assert repr(metric).startswith(f"{metric_class.__name__}(")
    log = Log(metric_class)
    log.feed(metric, ALL)
    assert repr(metric) == repr(metric_class())


@each_metric
def test_a_buffer_that_is_used_again_does_not_change_what_was_counted(
    metric_class: type[Metric],
) -> None:
    log, metric = Log(metric_class), metric_class()
    log.feed(metric, ALL)
    before = metric.compute()
    log.predictions[:] = 0.5
    log.targets[:] = 0
    assert metric.compute() == before


@each_metric
def test_an_unknown_value_is_never_the_best(metric_class: type[Metric]) -> None:
    metric = metric_class()
    assert metric.goodness(metric.compute()) == -math.inf
    better, worse = (
        (Value(0.9), Value(0.2)) if metric.higher_is_better else (Value(0.2), Value(0.9))
    )
    if metric_class is PCOC:
        better, worse = Value(0.9), Value(0.2)
    assert metric.goodness(better) > metric.goodness(worse) > -math.inf


def test_settings_are_part_of_the_repr_and_k_of_the_name() -> None:
    assert repr(NDCG(k=5, gain="exponential")) == "NDCG(k=5, gain='exponential')"
    assert NDCG(k=5).name == "ndcg@5"
    assert HitRate(k=20).name == "hit_rate@20"


@pytest.mark.parametrize(
    ("one", "other"), [(NDCG(k=5), NDCG(k=10)), (AUC(), PRAUC()), (AUC(), StreamingAUC())]
)
def test_metrics_of_other_settings_do_not_merge(one: Metric, other: Metric) -> None:
    with pytest.raises(MetricInputError, match="cannot take the rows of"):
        one.merge(other)


@pytest.mark.parametrize("metric_class", [GAUC, NDCG, MAP])
def test_a_grouped_metric_without_groups_says_so(metric_class: type[Metric]) -> None:
    metric = metric_class()
    metric.update([0.1, 0.9], [0, 1])
    found = metric.compute()
    assert math.isnan(found.value)
    assert found.reason == "no groups (users, requests) were given"


def test_groups_for_some_batches_only_are_refused() -> None:
    metric, other = GAUC(), GAUC()
    metric.update([0.1, 0.9], [0, 1], groups=["a", "a"])
    words = "got `groups` for some batches and not for others"
    with pytest.raises(MetricInputError, match=words):
        metric.update([0.1, 0.9], [0, 1])
    other.update([0.1, 0.9], [0, 1])
    with pytest.raises(MetricInputError, match=words):
        metric.merge(other)


def test_groups_of_another_length_are_refused_at_once() -> None:
    with pytest.raises(MetricInputError, match=r"`groups` has shape \(1,\) for 2 targets"):
        GAUC().update([0.1, 0.9], [0, 1], groups=["a"])


# What users of other tools reported.


def _two_tasks() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(2)
    predictions = generator.random((200, 2)).astype(np.float32)
    targets = (generator.random((200, 2)) < predictions).astype(np.float32)
    return predictions, targets


def _evaluate(
    predictions: dict[str, np.ndarray], targets: dict[str, np.ndarray]
) -> dict[str, float]:
    found = {}
    for name in predictions:
        metric = metrics_for(Binary(name))[0]
        for part in np.array_split(np.arange(200), 3):
            metric.update(predictions[name][part], targets[name][part])
        found[name] = metric.compute().value
    return found


@pytest.mark.parametrize("label", [0, 1])
def test_case_34_one_class_is_not_computable_and_never_the_best(label: int) -> None:
    for metric in metrics_for(Binary("click")):
        metric.update([0.2, 0.7, 0.4], [label] * 3, groups=[1, 1, 2])
        found = metric.compute()
        if metric.name in ("auc", "gauc", "pr_auc", "normalised_entropy") or (
            metric.name == "pcoc" and label == 0
        ):
            assert math.isnan(found.value)
            assert found.reason
            assert metric.goodness(found) == -math.inf
        else:
            assert found.is_known


def test_case_34_a_batch_of_one_class_does_no_harm() -> None:
    metric = AUC()
    metric.update([0.2, 0.7], [0, 0])
    metric.update([0.9, 0.6], [1, 1])
    assert metric.compute().value == 0.75


def test_case_35_each_task_has_the_auc_of_its_own_column() -> None:
    predictions, targets = _two_tasks()
    found = _evaluate(
        dict(zip("ab", predictions.T, strict=True)), dict(zip("ab", targets.T, strict=True))
    )
    for task, name in enumerate("ab"):
        expected = sklearn.metrics.roc_auc_score(targets[:, task], predictions[:, task])
        assert found[name] == pytest.approx(expected, abs=1e-12)


def test_case_37_swapped_labels_swap_the_metrics() -> None:
    predictions, targets = _two_tasks()
    one = {"a": predictions[:, 0], "b": predictions[:, 0]}
    straight = _evaluate(one, {"a": targets[:, 0], "b": targets[:, 1]})
    swapped = _evaluate(one, {"a": targets[:, 1], "b": targets[:, 0]})
    assert straight["a"] != straight["b"]
    assert (straight["a"], straight["b"]) == (swapped["b"], swapped["a"])


@settings(max_examples=20, deadline=None)
@given(binary_rows(), binary_rows())
def test_case_41_tasks_side_by_side_are_tasks_one_at_a_time(one: Example, other: Example) -> None:
    metrics = (AUC(), AUC())
    examples = (one, other)
    for part in range(3):  # batches of the tasks take turns
        for metric, rows in zip(metrics, examples, strict=True):
            metric.update(
                rows.predictions[part::3],
                rows.targets[part::3],
                weights=rows.weights[part::3],
            )
    for metric, rows in zip(metrics, examples, strict=True):
        alone = auc(rows.predictions, rows.targets, weights=rows.weights)
        assert metric.compute().value == pytest.approx(alone.value, abs=1e-12)


def test_case_42_masked_rows_never_change_a_grouped_auc() -> None:
    generator = np.random.default_rng(3)
    p, y, g = generator.random(80), generator.integers(0, 2, 80), generator.integers(0, 6, 80)
    mask = generator.random(80) < 0.7
    expected = gauc(p[mask], y[mask], g[mask])
    for noise in (0, 1):
        metric = GAUC()
        metric.update(p, np.where(mask, y, noise), weights=mask, groups=g)
        assert metric.compute() == expected


def test_case_43_ndcg_for_each_task_by_session() -> None:
    predictions, targets = _two_tasks()
    sessions = np.repeat(np.arange(20), 10)
    for task in range(2):
        metric = NDCG(k=5)
        metric.update(predictions[:, task], targets[:, task], groups=sessions)
        rows = [sessions == session for session in range(20)]
        expected = [
            sklearn.metrics.ndcg_score(targets[row, task][None], predictions[row, task][None], k=5)
            for row in rows
            if targets[row, task].any()
        ]
        assert metric.compute().value == pytest.approx(np.mean(expected), abs=1e-12)


def test_case_45_the_order_of_tasks_changes_no_value() -> None:
    predictions, targets = _two_tasks()
    by_name = {"a": predictions[:, 0], "b": predictions[:, 1]}
    labels = {"a": targets[:, 0], "b": targets[:, 1]}
    straight = _evaluate(by_name, labels)
    reverse = _evaluate(dict(reversed(by_name.items())), dict(reversed(labels.items())))
    assert straight == reverse


def test_case_46_groups_may_be_any_column_of_integers_or_strings() -> None:
    generator = np.random.default_rng(4)
    p, y, ids = generator.random(90), generator.integers(0, 2, 90), generator.integers(0, 7, 90)
    expected = gauc(p, y, ids)
    for column in (
        ids + 2**62,
        -ids.astype(np.int32),
        ids.astype(np.uint64),
        ids.astype(str),
        ids.astype(bytes),
        np.array([f"user {key}" for key in ids], dtype=object),
        [int(key) for key in ids],
    ):
        found = gauc(p, y, column)
        assert found.value == pytest.approx(expected.value, abs=1e-12)
        assert found[1:] == expected[1:]
