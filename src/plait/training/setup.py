"""From a prepared training set to a model that is ready to be trained."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from plait.balancing import TaskFacts
from plait.data.loading import BatchLoader, Companions, NegativeSampling
from plait.data.store import Store
from plait.heads import TargetFacts
from plait.models import MultiTaskModel
from plait.tasks import Binary, Multiclass

from .objective import Expected
from .settings import Training


def fit_heads(model: MultiTaskModel, train: Store) -> None:
    """Give every head its training labels, and every last bias the base rate.

    Raises:
        TaskError: labels that are outside a task's kind, all missing, or of one class.
    """
    for name in model.tasks:
        model.head(name).fit(target_facts(train, name))
    model.start_from_base_rates()


def check_labels(model: MultiTaskModel, store: Store) -> None:
    """See that the labels of rows that are only judged are of their kind; none at all is fine.

    Raises:
        TaskError: labels that are outside a task's kind.
    """
    for name in model.tasks:
        facts = target_facts(store, name)
        if len(facts.targets):
            model.head(name).check(facts)


def target_facts(store: Store, task: str) -> TargetFacts:
    """The observed labels of a task with their weights and extra columns."""
    observed = store.observed(task)
    prefix = f"{task}."
    extras = {
        name.removeprefix(prefix): store.extra(name)[observed].astype(np.float64)
        for name in store.extras
        if name.startswith(prefix)
    }
    return TargetFacts(
        targets=store.labels(task)[observed].astype(np.float64),
        weights=store.weights(task)[observed].astype(np.float64),
        extras=extras,
    )


def labelled_rows(train: Store) -> NDArray[np.bool_]:
    """The rows on which some task has a label that counts, bool `[N]`."""
    labelled = np.zeros(train.num_rows, dtype=np.bool_)
    for name in train.tasks:
        labelled |= train.observed(name) & (train.weights(name) > 0)
    return labelled


def lacks_labels(train: Store, tasks: Iterable[str] | None = None) -> bool:
    """Whether some row has no label of one of these tasks; None: of any task of the store."""
    named = train.tasks if tasks is None else tasks
    return not all(train.observed(name).all() for name in named)


def make_loader(
    model: MultiTaskModel,
    train: Store,
    settings: Training,
    *,
    rows: Literal["labelled", "all"] = "labelled",
    companions: float = 0.0,
) -> BatchLoader:
    """The loader that the settings ask for; whole requests where a task ranks within them.

    Args:
        model: whose tasks read the labels.
        train: the training rows.
        settings: batch size, order, sampling, seed.
        rows: what an epoch goes through (`Objective.rows`). A store without any labelled row is
            gone through as a whole.
        companions: rows without any label behind each row of a batch (`Objective.companions`).
    """
    labelled = labelled_rows(train)
    chosen = None
    if rows == "labelled" and labelled.any() and not labelled.all():
        chosen = np.flatnonzero(labelled)
    behind = np.flatnonzero(~labelled & (companions > 0))
    ranks = any(task.kind == "ranking" for task in model.tasks.values())
    binary = tuple(name for name, task in model.tasks.items() if isinstance(task, Binary))
    drawn = settings.keep_negatives < 1 and binary
    return BatchLoader(
        train,
        settings.rows_per_batch(train.num_rows if chosen is None else len(chosen)),
        seed=settings.seed,
        group_by="request" if ranks else None,
        block_rows=settings.shuffle_rows,
        negatives=NegativeSampling(keep_rate=settings.keep_negatives, tasks=binary)
        if drawn
        else None,
        prefetch=batches_ahead(model, settings),
        rows=chosen,
        companions=Companions(rows=behind, per_row=companions) if len(behind) else None,
    )


def batches_ahead(model: nn.Module, settings: Training) -> int:
    """How many a loader makes in a thread beside the step.

    None where a step keeps all processors busy and no disk is waited for: there the thread takes
    more time from the step than it saves.
    """
    on_cpu = next(model.parameters()).device.type == "cpu"
    all_busy = torch.get_num_threads() >= _num_processors()
    return 0 if on_cpu and all_busy and settings.shuffle_rows is None else 1


def _num_processors() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def task_facts(model: MultiTaskModel, train: Store) -> dict[str, TaskFacts]:
    """What balancers may know of each task before training."""
    facts: dict[str, TaskFacts] = {}
    for name, task in model.tasks.items():
        found = target_facts(train, name)
        total = found.weights.sum()
        mean = float((found.targets * found.weights).sum() / total) if total > 0 else float("nan")
        entropy = None
        if isinstance(task, Binary):
            entropy = _entropy(np.array([mean, 1 - mean]))
        elif isinstance(task, Multiclass):
            counts = np.bincount(found.targets.astype(np.int64), weights=found.weights)
            entropy = _entropy(counts / total)
        share = float(train.observed(name).mean()) if train.num_rows else 0.0
        facts[name] = TaskFacts(observed=share, mean=mean, entropy=entropy)
    return facts


def expected_shares(model: MultiTaskModel, train: Store) -> dict[str, Expected]:
    """What a row of a batch is to bring of each task, among rows that have a label of some task."""
    rows = max(1, int(labelled_rows(train).sum()))
    weights, observed = {}, {}
    for name in model.tasks:  # a log may be large: one column at a time
        weight = train.weights(name) * train.observed(name)
        weights[name] = float(weight.sum(dtype=np.float64))
        observed[name] = int(np.count_nonzero(weight > 0))
    most = max(1, *observed.values())
    return {name: Expected(weights[name] / rows, observed[name] / most) for name in model.tasks}


def _entropy(rates: np.ndarray) -> float:
    positive = rates[rates > 0]
    return float(-(positive * np.log(positive)).sum())
