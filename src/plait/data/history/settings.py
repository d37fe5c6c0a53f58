"""Which history features are made, and how."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from typing import Literal, get_args

from plait.data.schema import Categorical, MultiHot, Schema
from plait.errors import SchemaError, TaskError, UnknownNameError
from plait.tasks import Multiclass, Task

__all__ = ["History"]

By = Literal["user", "item", "pair"]
What = Literal["count", "recency", "rate", "residual", "expected", "spread"]


@dataclass(frozen=True)
class History:
    """Features of what users and items did before: counts, recency, rates, residuals, sequences.

    Stability: experimental.

    A training row never sees its own label. Where the schema has a time and all other rows come
    after the training rows, it sees strictly earlier training rows only; else the training rows
    are dealt into folds and a row sees the other folds. Rows of validation, test and serving see
    all training rows. Rates are smoothed: `(sum + strength × mean) / (count + strength)`, with the
    mean of all rows seen. Numbers are taken on the scale on which they are trained (`log1p` for
    amounts, counts and watch time).

    Attributes:
        by: whose past: the `user`'s, the `item`'s, that of the `pair` of both. Those whose role the
            schema lacks are left out.
        tasks: whose labels are remembered, by name. None: all but multiclass tasks.
        features: what is computed. `count` and `recency` are logarithms of 1 + x; `rate` is the
            smoothed mean of the labels; `residual` how far a user's labels lie above the means of
            the items (an item's above the means of the users); `expected` the item's rate plus
            the user's residual; `spread` the standard deviation of labels that are numbers.
        cross: features (`MultiHot` or `Categorical`) within whose values the user's residual is
            taken too, such as genres. None: every `MultiHot` of the schema.
        sequence_length: how many of the user's last items are listed, and of the last items with
            a positive label for each binary task. 0: no sequences.
        strength_user: rows that the mean of all rows counts for, beside a user's own.
        strength_item: the same for items.
        folds: number of folds, where rows have no order.
        ordered: whether training rows see strictly earlier rows. None: as said above.

    Raises:
        SchemaError: on construction, a number out of range or a choice that is not known.

    Example:
        >>> History(by=("user",), sequence_length=50).folds
        7
    """

    _: KW_ONLY
    by: tuple[By, ...] = ("user", "item", "pair")
    tasks: tuple[str, ...] | None = None
    features: tuple[What, ...] = ("count", "recency", "rate", "residual", "expected", "spread")
    cross: tuple[str, ...] | None = None
    sequence_length: int = 0
    strength_user: float = 5.0
    strength_item: float = 10.0
    folds: int = 7
    ordered: bool | None = None

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise SchemaError("History: " + "; ".join(problems) + ".")

    def remembered(self, tasks: Iterable[Task]) -> tuple[Task, ...]:
        """The tasks whose labels are remembered.

        Raises:
            UnknownNameError: a name that is no task.
            TaskError: a multiclass task was named.
        """
        known = {task.name: task for task in tasks}
        if self.tasks is None:
            return tuple(t for t in known.values() if not isinstance(t, Multiclass))
        for name in self.tasks:
            if name not in known:
                raise UnknownNameError(name, what="task", known=known, where="`history.tasks`")
            if isinstance(known[name], Multiclass):
                raise TaskError(
                    f"`history.tasks` names {name!r}, which has several classes; a history keeps "
                    "numbers. Leave it out, or add a binary task for the class that matters."
                )
        return tuple(known[name] for name in self.tasks)

    def crossed(self, schema: Schema) -> tuple[Categorical | MultiHot, ...]:
        """The features within whose values the user's residual is taken.

        Raises:
            UnknownNameError: a name that is no feature.
            SchemaError: a feature of another kind, or a schema without a user.
        """
        if self.cross is None:
            found = [f for f in schema.features if isinstance(f, MultiHot) and schema.user]
            return tuple(found) if "user" in self.by else ()
        features = [schema.feature(name) for name in self.cross]
        if features and schema.user is None:
            raise SchemaError(
                f"`history.cross` names {self.cross[0]!r}, but the schema has no `user` whose past "
                "could be split by it. Name the user's column, or drop `cross`."
            )
        for feature in features:
            if not isinstance(feature, Categorical | MultiHot):
                raise SchemaError(
                    f"`history.cross` names {feature.name!r}, a {type(feature).kind} feature; a "
                    "Categorical or MultiHot one was expected."
                )
        return tuple(f for f in features if isinstance(f, Categorical | MultiHot))

    def makes_anything(self, schema: Schema) -> bool:
        """Whether there is a feature to make: a number, or a list of items."""
        sides = {side for side in ("user", "item") if side in schema.roles}
        pairs = {"pair"} if len(sides) == 2 else set()
        numbers = bool(self.features) and not {*sides, *pairs}.isdisjoint(self.by)
        return numbers or (bool(pairs) and self.sequence_length > 0)

    def check(self, schema: Schema, tasks: Iterable[Task]) -> None:
        """See that schema and tasks have what the history names.

        Raises:
            SchemaError: no role of a user or item, nothing to make, `ordered` without a time, or
                as `crossed`.
            UnknownNameError: as `remembered` and `crossed`.
            TaskError: as `remembered`.
        """
        self.remembered(tasks)
        self.crossed(schema)
        if schema.user is None and schema.item is None:
            raise SchemaError(
                "A history needs to know whose it is, and the schema has no `user` and no `item`. "
                "Name their columns in the schema's roles, or drop the history."
            )
        if not self.makes_anything(schema):
            raise SchemaError(
                f"This history makes no feature of this schema: `by` is {self.by}, `features` is "
                f"{self.features}, `sequence_length` is {self.sequence_length}, and the roles are "
                f"{', '.join(schema.roles)}. Ask for numbers of a role that is there, or for a "
                "`sequence_length` where there are user and item; or drop the history."
            )
        if self.ordered and schema.time is None:
            raise SchemaError(
                "`history.ordered` needs the schema's `time`. Name its column, or leave `ordered` "
                "out."
            )

    def _problems(self) -> Iterable[str]:
        for name, values, choices in (("by", self.by, By), ("features", self.features, What)):
            for value in values:
                if value not in get_args(choices):
                    yield f"`{name}` takes {', '.join(get_args(choices))}, got {value!r}"
        if self.sequence_length < 0:
            yield f"`sequence_length` must not be negative, got {self.sequence_length}"
        if not (self.strength_user > 0 and self.strength_item > 0):
            yield (
                "`strength_user` and `strength_item` must be positive, got "
                f"{self.strength_user} and {self.strength_item}"
            )
        if not 2 <= self.folds <= 100:
            yield f"`folds` must lie between 2 and 100, got {self.folds}"
