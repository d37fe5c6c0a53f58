"""The whole of an experiment file as one typed document, and what has to hold across its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, model_validator

from plait.balancing import TaskFacts
from plait.data.history import History
from plait.data.joins import Table
from plait.data.schema import Feature, Schema, Sequence
from plait.errors import PlaitError, UnknownNameError
from plait.tasks import Task, check_tasks

from .choices import Part, Section
from .problems import PlacedError, Problem, narrowed
from .tables import (
    BALANCER,
    DATA,
    FEATURES,
    HISTORY,
    METHOD,
    METRICS,
    MODEL,
    RETRIEVAL,
    ROLES,
    SPLIT,
    TABLE,
    TASK,
    TRAINING,
    NamedPart,
    draw,
)
from .toml_lines import KeyPath

Parts = dict[str, NamedPart]

_ANY_FACTS = TaskFacts(observed=1.0, mean=0.5, entropy=0.5)


def _each_can_be_built(parts: Parts) -> Parts:
    problems = []
    for name, part in parts.items():
        try:
            part.build(name)
        except PlaitError as error:
            given = part.model_dump(exclude_unset=True)
            problems.append(Problem(narrowed((name,), str(error), given), str(error)))
    if problems:
        raise PlacedError(problems)
    return parts


def _fit_together(parts: Parts) -> Parts:
    check_tasks(built(parts, Task))
    return parts


def _make_a_schema(section: Section) -> Section:
    Schema(features_of(section))
    return section


class Document(Section):
    """A multi-task learning experiment for plait."""

    data: Annotated[Section, DATA] = Field(description="the log: one row for each shown item")
    tables: Annotated[
        dict[str, Annotated[NamedPart, TABLE]], AfterValidator(_each_can_be_built)
    ] = Field({}, description="side tables that are joined to the log, by name")
    features: Annotated[Section, FEATURES, AfterValidator(_make_a_schema)] = Field(
        description="what the model may read, by kind; each a name, or a table of settings"
    )
    roles: Annotated[Section, ROLES] = Field(
        default_factory=ROLES.table, description="columns that say whose row it is, and when"
    )
    tasks: Annotated[
        dict[str, Annotated[NamedPart, TASK]],
        AfterValidator(_each_can_be_built),
        AfterValidator(_fit_together),
    ] = Field(description="what is predicted, by name")
    split: Annotated[Part, SPLIT] = Field(description="which rows train, validate and test")
    history: Annotated[Part | bool, HISTORY] = Field(
        default=True,
        description="what is remembered of users and items; left out: the defaults, where both "
        "roles are named; false: nothing",
    )
    model: Annotated[Section, MODEL] = Field(default_factory=MODEL.table, description="the network")
    balancing: Annotated[Part, BALANCER] | None = Field(
        None, description="from several losses to gradients; left out: equal weights"
    )
    method: Annotated[Part, METHOD] | None = Field(
        None, description="the way to learn; left out: from the labels alone"
    )
    training: Annotated[Part, TRAINING] = Field(
        default_factory=TRAINING.table, description="how long and how fast"
    )
    metrics: Annotated[Section, METRICS] = Field(
        default_factory=METRICS.table, description="how the model is judged"
    )
    retrieval: Annotated[Part, RETRIEVAL] | None = Field(
        None, description="two towers that find candidates, for `plait towers`"
    )

    def arguments(self) -> dict[str, Any]:
        """The arguments of `train` that the file gives, as objects."""
        return {
            **self.data.values(),
            **self.model.values(),
            **self.metrics.values(),
            "schema": Schema(features_of(self.features), **self.roles.settings()),
            "tasks": built(self.tasks, Task),
            "tables": built(self.tables, Table),
            "split": self.split.build(),
            "history": self.history.build() if isinstance(self.history, Part) else self.history,
            "balancer": None if self.balancing is None else self.balancing.build(),
            "method": None if self.method is None else self.method.build(),
            "training": self.training.build(),
        }

    def towers_arguments(self) -> dict[str, Any]:
        """The arguments of `train_towers` that the file gives, as objects."""
        given = self.arguments()
        shared = ("log", "ratios", "schema", "tasks", "tables", "split", "history", "training")
        retrieval = None if self.retrieval is None else self.retrieval.build()
        return {**{name: given[name] for name in shared}, "retrieval": retrieval}

    @model_validator(mode="after")
    def _names_the_same_tasks(self) -> Document:
        problems = list(_across(self.arguments()))
        if self.retrieval is not None:
            problems += _wrong_positives(self.towers_arguments())
        if problems:
            raise PlacedError(problems)
        return self


T = TypeVar("T")


def built(parts: Mapping[str, NamedPart], kind: type[T]) -> tuple[T, ...]:
    """The objects of parts that are called by their keys."""
    objects = [part.build(name) for name, part in parts.items()]
    return tuple(entry for entry in objects if isinstance(entry, kind))


def features_of(section: Section) -> tuple[Feature, ...]:
    """The features of all kinds, one kind after another."""
    return tuple(feature for features in section.values().values() for feature in features)


def _across(arguments: Mapping[str, Any]) -> Iterator[Problem]:
    """What one table says of the tasks that another one names."""
    tasks = {task.name: task for task in arguments["tasks"]}
    drawn = partial(draw, arguments["architecture"], tuple(tasks))
    yield from _refused(("model", "architecture"), drawn)
    for position, link in enumerate(arguments["links"]):
        place = ("model", "links", position)
        yield from _refused(place, partial(link.check, tasks))
        yield from _refused(place, partial(link.check_schema, arguments["schema"]))
    for name in arguments["training"].monitor or {}:
        if name not in tasks:
            problem = str(UnknownNameError(name, what="task", known=tasks))
            yield Problem(("training", "monitor", name), problem)
    yield from _unknown_sequences(arguments)
    if isinstance(arguments["history"], History):
        check = partial(arguments["history"].check, arguments["schema"], arguments["tasks"])
        yield from _refused(("history",), check)
    if arguments["balancer"] is not None:
        facts = dict.fromkeys(tasks, _ANY_FACTS)
        yield from _refused(("balancing",), partial(arguments["balancer"].prepare, facts))


def _wrong_positives(arguments: Mapping[str, Any]) -> Iterator[Problem]:
    """Towers that are to learn from what is no task, or has no positives."""
    tasks = {task.name: task for task in arguments["tasks"]}
    yield from _refused(("retrieval",), partial(arguments["retrieval"].weights_of, tasks))


def _unknown_sequences(arguments: Mapping[str, Any]) -> Iterator[Problem]:
    """Readers of what is no sequence; those of the history are known once its tasks are read."""
    known = [f.name for f in arguments["schema"].features if isinstance(f, Sequence)]
    history = arguments["history"]
    lists_items = isinstance(history, History) and history.sequence_length > 0
    read: list[tuple[KeyPath, str]]
    read = [(("sequence_of", name), name) for name in arguments["sequence_of"] or {}]
    for position, build in enumerate(arguments["terms"]):
        name = build.keywords.get("sequence")
        read += [] if name is None else [(("terms", position, "sequence"), name)]
    for place, name in read:
        of_history = name.startswith("history.")
        if name not in known and not (of_history and lists_items):
            problem = str(UnknownNameError(name, what="sequence", known=known))
            if of_history:
                problem += (
                    " A history lists past items where `history.sequence_length` says how many."
                )
            yield Problem(("model", *place), problem)


def _refused(path: KeyPath, check: Callable[[], object]) -> Iterator[Problem]:
    try:
        check()
    except PlaitError as error:
        yield Problem(path, str(error))
