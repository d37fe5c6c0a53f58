"""The tables of an experiment file: which classes each place can name.

Everything here follows from the tuples of the rooms and from the constructors in them; a new
architecture, balancer, link or kind of task touches no line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import torch
from pydantic import Field, create_model, model_validator

from plait.architectures import ARCHITECTURES, GATES, LINKS, Widths
from plait.balancing import BALANCERS, Preferring
from plait.data.batch import Column, Layout
from plait.data.batch import Table as VectorTable
from plait.data.history import History
from plait.data.joins import Table
from plait.data.schema import FEATURE_KINDS, Schema
from plait.data.splits import ColumnSplit, RandomSplit, Split, TimeSplit, UserSplit
from plait.methods import METHODS, PENALTIES, PRETEXTS, Method, SoftLabels
from plait.models import ArchitectureFactory, InteractionFactory, SequenceFactory, TermFactory
from plait.modules.interactions import INTERACTIONS, Entry
from plait.modules.sequences import SEQUENCE_ENCODERS
from plait.modules.terms import TERMS
from plait.retrieval import Retrieval
from plait.tasks import TASK_KINDS
from plait.training import Training

from .choices import Of, OneOf, Part, Section, table_of
from .docstrings import summary
from .running import train
from .sources import SourcePath

SPLITS: dict[str, type[Split]] = {
    "time": TimeSplit,
    "user": UserSplit,
    "random": RandomSplit,
    "column": ColumnSplit,
}


class NamedPart(Section):
    """A table that becomes one object, called by the key that the table stands under."""

    def build(self, name: str) -> object:
        """The object of this name."""
        return type(self).makes(name, **self.settings())


def draw(architecture: ArchitectureFactory, tasks: Sequence[str]) -> None:
    """Build a structure for these tasks without memory, to see that it can be built."""
    widths = Widths(main=1, tokens=(1, 1), context=1, num_scenarios=1, own=1)
    with torch.device("meta"):
        architecture(widths, tasks)


class ArchitecturePart(Part):
    """A table that becomes a sharing structure once the widths of its inputs are known."""

    def build(self) -> ArchitectureFactory:
        """The architecture with its settings."""
        kind: Callable[..., Any] = type(self).makes
        return partial(kind, **self.settings())

    @model_validator(mode="after")
    def _can_be_drawn(self) -> ArchitecturePart:
        # Built once without memory, so that no wrong width comes to light after the log was read.
        # Its settings may name tasks: any that they name are taken to be all.
        tables = [value for value in self.settings().values() if isinstance(value, dict)]
        named = [task for table in tables for tasks in table.values() for task in tasks]
        draw(self.build(), tuple(dict.fromkeys(named)) or ("first", "second"))
        return self


class InteractionPart(Part):
    """A table that becomes an interaction once the features are known."""

    def build(self) -> InteractionFactory:
        """The interaction with its settings."""
        kind: Callable[..., Any] = type(self).makes
        return partial(kind, **self.settings())

    @model_validator(mode="after")
    def _can_be_drawn(self) -> InteractionPart:
        # Its settings may name features: any that they name is taken to be there.
        lists = [value for value in self.settings().values() if isinstance(value, tuple)]
        named = [entry for given in lists for entry in given if isinstance(entry, str)]
        entries = [Entry(name, 1) for name in dict.fromkeys([*named, "first", "second"])]
        with torch.device("meta"):
            self.build()([*entries, Entry("number", 1, learnt=False)])
        return self


class SequencePart(Part):
    """A table that becomes a sequence encoder once the width of the vectors is known."""

    def build(self) -> SequenceFactory:
        """The encoder with its settings."""
        kind: Callable[..., Any] = type(self).makes
        return partial(kind, **self.settings())

    @model_validator(mode="after")
    def _can_be_drawn(self) -> SequencePart:
        # Heads must divide the width of the vectors, and that is known when the log was read.
        width = max(1, int(self.settings().get("heads", 2)))
        with torch.device("meta"):
            self.build()(width)
        return self


class TermPart(Part):
    """A table that becomes a term once the features are known."""

    def build(self) -> TermFactory:
        """The term with its settings."""
        kind: Callable[..., Any] = type(self).makes
        return partial(kind, **self.settings())

    @model_validator(mode="after")
    def _can_be_drawn(self) -> TermPart:
        # A sequence that it names is taken to be there.
        named = [value for value in self.settings().values() if isinstance(value, str)]
        lists = tuple(Column(name, "item", name) for name in named[:1] or ["past"])
        layout = Layout(
            tables=(VectorTable("user", 1, 1), VectorTable("item", 1, 1)),
            ids=(Column("user", "user", "user"), Column("item", "item", "item")),
            lists=lists,
            sequences=tuple(column.name for column in lists),
            user="user",
            item="item",
        )
        with torch.device("meta"):
            self.build()(layout)
        return self


def _by_class(
    what: str,
    kinds: Iterable[type],
    base: type[Part] = Part,
    *,
    without: Iterable[str] = (),
    forms: Mapping[str, object] | None = None,
) -> OneOf:
    """A choice among classes by their names."""
    names = {kind.__name__: kind for kind in kinds}
    tables = {
        name: table_of(kind, base, tag=("name", name), without=without, forms=forms)
        for name, kind in names.items()
    }
    return OneOf(what, "name", tables)


LINK = _by_class("link", LINKS)
GATE = _by_class("gate", GATES)
ARCHITECTURE = _by_class(
    "architecture", ARCHITECTURES, ArchitecturePart, without=["widths", "tasks"]
)
INTERACTION = _by_class("interaction", INTERACTIONS, InteractionPart, without=["entries"])
SEQUENCE = _by_class("sequence encoder", SEQUENCE_ENCODERS, SequencePart, without=["in_features"])
TERM = _by_class("term", TERMS, TermPart, without=["layout"])
RULE = _by_class("balancer", [kind for kind in BALANCERS if not issubclass(kind, Preferring)])
BALANCER = _by_class("balancer", BALANCERS, forms={"rule": Annotated[Part, RULE] | None})
PENALTY = _by_class("penalty", PENALTIES)
PRETEXT = _by_class("pretext", PRETEXTS)


def _methods(kinds: Iterable[type[Method]], forms: dict[str, object]) -> OneOf:
    tables = {
        kind.kind: table_of(kind, Part, tag=("kind", kind.kind), forms=forms) for kind in kinds
    }
    return OneOf("way to learn", "kind", tables)


_FORMS: dict[str, object] = {
    "penalty": Annotated[Part, PENALTY] | None,
    "pretext": Annotated[Part, PRETEXT] | None,
}
START = _methods([kind for kind in METHODS if kind is not SoftLabels], _FORMS)
METHOD = _methods(METHODS, {**_FORMS, "start": Annotated[Part, START] | None})
SPLIT = OneOf(
    "split", "by", {name: table_of(kind, Part, tag=("by", name)) for name, kind in SPLITS.items()}
)
TASK = OneOf(
    "kind of task",
    "kind",
    {
        kind.kind: table_of(kind, NamedPart, tag=("kind", kind.kind), without=["name"])
        for kind in TASK_KINDS
    },
)

TABLE = Of(table_of(Table, NamedPart, without=["name"], forms={"source": SourcePath}))
TRAINING = Of(table_of(Training, Part))
RETRIEVAL = Of(table_of(Retrieval, Part))
HISTORY = Of(table_of(History, Part), switch=True)
ROLES = Of(table_of(Schema, Section, title="Roles", without=["features"]))

_LISTS: dict[str, Any] = {
    kind.kind: (
        tuple[Annotated[Part, Of(table_of(kind, Part), bare=True)], ...],
        Field((), description=summary(kind)),
    )
    for kind in FEATURE_KINDS
}
FEATURES = Of(create_model("Features", __base__=Section, **_LISTS))

DATA = Of(
    table_of(
        train,
        Section,
        title="Data",
        only=["log", "ratios"],
        forms={"log": SourcePath | tuple[SourcePath, ...]},
    )
)
MODEL = Of(
    table_of(
        train,
        Section,
        title="Model",
        only=[
            "architecture",
            "links",
            "gates",
            "interaction",
            "sequence",
            "sequence_of",
            "factors",
            "terms",
            "tower",
            "dropout",
            "id_dropout",
            "unknown_rate",
            "table_precision",
            "ranks",
        ],
        forms={
            "architecture": Annotated[Part, ARCHITECTURE],
            "links": tuple[Annotated[Part, LINK], ...],
            "gates": tuple[Annotated[Part, GATE], ...],
            "interaction": Annotated[Part, INTERACTION] | None,
            "sequence": Annotated[Part, SEQUENCE] | None,
            "sequence_of": dict[str, Annotated[Part, SEQUENCE]] | None,
            "terms": tuple[Annotated[Part, TERM], ...],
        },
    )
)
METRICS = Of(table_of(train, Section, title="Metrics", only=["group_by", "slices"]))
