"""From task records and raw rows to labels, masks and weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from plait.errors import DataError, TaskError
from plait.tasks import Binary, Multiclass, Task

from .canonical import as_text, canonical
from .expressions import Expression, check_columns, evaluate, parse

__all__ = ["Labels", "TaskReader", "resolve_classes"]

MOST_CLASSES = 10_000


@dataclass(frozen=True)
class Labels:
    """What the tasks say of some rows.

    Attributes:
        labels: float32 `[N, T]`; 0 where not observed.
        observed: bool `[N, T]`: in the task's space, said to be observed, and not null.
        weights: float32 `[N, T]`; 0 where not observed.
        extras: float32 `[N, E]`, in the order of `TaskReader.extras`.
    """

    labels: NDArray[np.float32]
    observed: NDArray[np.bool_]
    weights: NDArray[np.float32]
    extras: NDArray[np.float32]


class TaskReader:
    """Reads every task's label, space, mask, weight and extra columns from raw rows.

    Args:
        tasks: the task records; classes of multiclass tasks resolved (`resolve_classes`).

    Raises:
        ExpressionError: an expression that is not allowed, on construction.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tuple(tasks)
        self._labels = {task.name: parse(task.label_expression) for task in tasks}
        self._spaces = {task.name: _parse_all(task.space, task.observed) for task in tasks}
        self._weights = {task.name: _parse_all(task.weight) for task in tasks}
        self._extras = {
            f"{task.name}.{name}": parse(text)
            for task in tasks
            for name, text in task.extras().items()
        }

    @property
    def extras(self) -> tuple[str, ...]:
        """Names of the extra columns, as `task.column`."""
        return tuple(self._extras)

    @property
    def columns(self) -> frozenset[str]:
        """Every raw column that some expression reads."""
        found: set[str] = set()
        for _, expression in self.expressions():
            found |= expression.columns
        return frozenset(found)

    def expressions(self) -> Iterable[tuple[str, Expression]]:
        """Every expression, with the words that say whose it is."""
        for name in self._labels:
            yield f"the label of task {name!r}", self._labels[name]
            for expression in self._spaces[name]:
                yield f"the space of task {name!r}", expression
            for expression in self._weights[name]:
                yield f"the weight of task {name!r}", expression
        for name, expression in self._extras.items():
            yield f"the column {name!r}", expression

    @property
    def serving_columns(self) -> frozenset[str]:
        """The raw columns that a prediction needs besides features."""
        return frozenset().union(*(e.columns for _, e in self._serving_extras()))

    def check(self, columns: Iterable[str]) -> None:
        """See that a table has every column that the tasks read.

        Raises:
            UnknownNameError: with the nearest name.
        """
        known = tuple(columns)
        for where, expression in self.expressions():
            check_columns(expression, known, where=where)

    def read(self, frame: pl.DataFrame) -> Labels:
        """The tasks' columns for these rows. Whether labels are of their kind, the heads say.

        Raises:
            TaskError: an unknown class, a weight that is negative or missing.
        """
        columns = [self._read_task(task, frame) for task in self.tasks]
        extras = self.read_extras(frame)
        labels = np.stack([label for label, _, _ in columns], axis=1)
        observed = np.stack([mask for _, mask, _ in columns], axis=1)
        weights = np.stack([weight for _, _, weight in columns], axis=1)
        for position, task in enumerate(self.tasks):
            if isinstance(task, Binary) and task.trials is not None:
                trials = extras[:, self.extras.index(f"{task.name}.trials")]
                _divide_by_trials(task, labels, observed, weights, trials, position)
        labels[~observed] = 0.0
        weights[~observed] = 0.0
        return Labels(labels.astype(np.float32), observed, weights.astype(np.float32), extras)

    def serving_extras(self, frame: pl.DataFrame) -> dict[str, NDArray[np.float32]]:
        """The extra columns `[N]` that a prediction needs, as `task.column`; a null becomes nan."""
        return {name: _extra(name, e, frame) for name, e in self._serving_extras()}

    def _serving_extras(self) -> list[tuple[str, Expression]]:
        named = [f"{task.name}.{name}" for task in self.tasks for name in task.serving_extras()]
        return [(name, self._extras[name]) for name in named]

    def read_extras(self, frame: pl.DataFrame) -> NDArray[np.float32]:
        """Every extra column `[N, E]`; a null becomes nan."""
        if not self._extras:
            return np.zeros((len(frame), 0), dtype=np.float32)
        return np.stack([_extra(name, e, frame) for name, e in self._extras.items()], axis=1)

    def _read_task(
        self, task: Task, frame: pl.DataFrame
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
        raw = evaluate(self._labels[task.name], frame, where=f"the label of task {task.name!r}")
        if isinstance(task, Multiclass):
            label, known = _class_indexes(task, raw, self._space(task, frame))
        else:
            label, known = _numbers(raw, f"the label of task {task.name!r}")
        observed = known & self._space(task, frame)
        return label, observed, self._weight(task, frame, observed)

    def _space(self, task: Task, frame: pl.DataFrame) -> NDArray[np.bool_]:
        inside = np.ones(len(frame), dtype=np.bool_)
        for expression in self._spaces[task.name]:
            inside &= _truths(task, expression, frame).to_numpy()
        return inside

    def _weight(
        self, task: Task, frame: pl.DataFrame, observed: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        for expression in self._weights[task.name]:
            where = f"the weight of task {task.name!r}"
            weight, known = _numbers(evaluate(expression, frame, where=where), where)
            bad = observed & (~known | ~np.isfinite(weight) | (weight < 0))
            if bad.any():
                raise TaskError(
                    f"{int(bad.sum())} rows have no usable weight for task {task.name!r} "
                    f"(`{expression.text}`), the first with {weight[bad][0]}: a finite number "
                    "of at least 0 was expected. Write `fill_null(…, 0)` to leave rows out."
                )
            return weight
        return np.ones(len(frame), dtype=np.float64)


def resolve_classes(task: Task, train: pl.LazyFrame | pl.DataFrame) -> Task:
    """A multiclass task with its classes taken from the training rows; others as they are.

    The classes are the labels of rows inside the task's space that are observed, as whole numbers
    where all are, else as text.

    Raises:
        TaskError: fewer than two classes, or more than 10,000.
    """
    if not isinstance(task, Multiclass) or task.classes is not None:
        return task
    where = f"the label of task {task.name!r}"
    values = canonical(evaluate(parse(task.label_expression), train, where=where), column=where)
    for expression in _parse_all(task.space, task.observed):
        inside = _truths(task, expression, train)
        values = values.set(~inside, None)
    classes = values.drop_nulls().unique().sort().to_list()
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise TaskError(
            f"Task {task.name!r}: the training rows hold {len(classes)} classes; between 2 and "
            f"{MOST_CLASSES} were expected. Is it a binary task, or a number?"
        )
    return replace(task, classes=tuple(classes))


def _extra(name: str, expression: Expression, frame: pl.DataFrame) -> NDArray[np.float32]:
    numbers, _ = _numbers(evaluate(expression, frame, where=f"the column {name!r}"), name)
    return numbers.astype(np.float32)


def _parse_all(*texts: str | None) -> tuple[Expression, ...]:
    return tuple(parse(text) for text in texts if text is not None)


def _numbers(values: pl.Series, where: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The values as float64, and which of them are there (not null, not nan)."""
    if values.dtype == pl.Null:
        return np.full(len(values), np.nan), np.zeros(len(values), dtype=np.bool_)
    if values.dtype != pl.Boolean and not values.dtype.is_numeric():
        example = values.drop_nulls().head(1).to_list()
        raise DataError(
            f"{where[0].upper()}{where[1:]} gives {values.dtype}, such as {example}; numbers or "
            'true and false were expected. Write a comparison such as `answer == "yes"`.'
        )
    numbers = values.cast(pl.Float64).to_numpy()
    known = ~np.isnan(numbers) & values.is_not_null().to_numpy()
    return np.where(known, numbers, 0.0 if values.dtype == pl.Boolean else numbers), known


def _truths(task: Task, expression: Expression, frame: pl.LazyFrame | pl.DataFrame) -> pl.Series:
    """Where an expression of the space holds; a null is a no."""
    values = evaluate(expression, frame, where=f"the space of task {task.name!r}")
    if values.dtype != pl.Boolean and not values.dtype.is_numeric():
        raise TaskError(
            f"The space of task {task.name!r} (`{expression.text}`) gives {values.dtype}; a "
            "comparison such as `click == 1` was expected."
        )
    return values.cast(pl.Boolean).fill_null(value=False)


def _class_indexes(
    task: Multiclass, values: pl.Series, inside: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The place of each label among the classes, and where there is a label.

    Labels and classes are compared by canonical text, so that 1, 1.0 and "1" are one class.
    """
    assert task.classes is not None
    texts = as_text(canonical(values, column=f"the label of task {task.name!r}"))
    classes = [str(entry) for entry in task.classes]
    indexes = texts.replace_strict(
        classes, list(range(len(classes))), default=None, return_dtype=pl.Int64
    )
    unseen = (indexes.is_null() & texts.is_not_null()).to_numpy() & inside
    if unseen.any():
        example = values.filter(pl.Series(unseen))[0]
        raise TaskError(
            f"Task {task.name!r}: {int(unseen.sum())} labels are none of its classes, such as "
            f"{example!r}. Known: {', '.join(classes[:20])}. Name it in `classes`, or leave such "
            "rows out with `observed`."
        )
    known = texts.is_not_null().to_numpy()
    return indexes.cast(pl.Float64).fill_null(0.0).to_numpy(writable=True), known


def _divide_by_trials(
    task: Binary,
    labels: NDArray[np.float64],
    observed: NDArray[np.bool_],
    weights: NDArray[np.float64],
    trials: NDArray[np.float32],
    position: int,
) -> None:
    tried = np.nan_to_num(trials.astype(np.float64))
    if (tried < 0).any():
        raise TaskError(
            f"Task {task.name!r}: {int((tried < 0).sum())} rows have negative trials "
            f"(`{task.trials}`); a count was expected."
        )
    observed[:, position] &= tried > 0
    labels[:, position] /= np.where(tried > 0, tried, 1.0)
    weights[:, position] *= tried
