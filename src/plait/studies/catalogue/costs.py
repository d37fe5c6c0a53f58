"""How large each part of a model would be on the features of an experiment."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from plait.architectures import ARCHITECTURES, Architecture, Encoded, Widths
from plait.data.preparing import PreparedLog, prepare
from plait.errors import ArchitectureError
from plait.experiment import Experiment
from plait.models import InteractionFactory, MultiTaskModel, SequenceFactory, TermFactory
from plait.models.entries import learnt_entries
from plait.models.late import late_term
from plait.models.own import OwnTables
from plait.modules import plain_products
from plait.modules.interactions import INTERACTIONS, Entry
from plait.modules.sequences import SEQUENCE_ENCODERS
from plait.modules.terms import TERMS
from plait.studies.profile.building import log_of

__all__ = ["LENGTH", "Cost", "Costs", "cost_of", "costs_for"]

_ROWS = 64
LENGTH = 20
"""Values of the sequences that encoders are measured on."""


@dataclass(frozen=True)
class Cost:
    """How large a part of a model is, without the shared tables, towers and heads.

    Attributes:
        parameters: its parameters.
        multiply_adds: of its forward pass, a row.
        tables: parameters of tables that it has beside the shared ones.
        gives: width of what it gives to what stands above it; 0 where that is not told.
        refused: why it cannot be built on this schema; empty where it can.
    """

    parameters: int = 0
    multiply_adds: int = 0
    tables: int = 0
    gives: int = 0
    refused: str = ""


@dataclass(frozen=True)
class Costs:
    """The costs of all parts on the features and tasks of an experiment.

    Attributes:
        structures: by the name of the sharing structure.
        interactions: by the name of the interaction.
        encoders: by the name of the sequence encoder, all sequences of the schema together, each
            of `LENGTH` values.
        terms: by the name of the classical model.
        own: the parts whose settings are those of the experiment.
    """

    structures: Mapping[str, Cost]
    interactions: Mapping[str, Cost] = field(default_factory=dict)
    encoders: Mapping[str, Cost] = field(default_factory=dict)
    terms: Mapping[str, Cost] = field(default_factory=dict)
    own: frozenset[str] = frozenset()

    @property
    def all(self) -> dict[str, Cost]:
        """Every part by its name."""
        return {**self.structures, **self.interactions, **self.encoders, **self.terms}


def cost_of(
    build: Callable[[Widths, Sequence[str]], Architecture], widths: Widths, tasks: Sequence[str]
) -> Cost:
    """Build a structure, run it on a few made rows, and count.

    Example:
        >>> from plait.architectures import SharedBottom
        >>> cost_of(partial(SharedBottom, layers=(4,)), Widths(main=8), ["click"]).parameters
        36
    """
    try:
        with torch.random.fork_rng(devices=[]):
            architecture = build(widths, tasks).eval()
    except ArchitectureError as error:
        return Cost(refused=str(error))
    encoded = _made(widths, tasks)

    def run() -> None:
        architecture.split(architecture.share(encoded))

    return _counted(architecture, run)


def costs_for(experiment: Experiment, *, cache: Path | None = None) -> Costs:
    """The costs of all parts on the features and tasks of an experiment.

    The log is read and prepared, because only its values tell how wide the features are. Each part
    has its default settings, but for those that the experiment names.

    Args:
        experiment: what was read from a file.
        cache: folder of prepared logs, shared with runs. None: a folder that is removed again.
    """
    given = experiment.arguments()
    with tempfile.TemporaryDirectory(prefix="plait-models-") as scratch:
        prepared = prepare(log_of(given), given["split"], cache=cache or Path(scratch))
    own = _own(given)
    encoders = {k: given[k] for k in ("sequence", "sequence_of") if k in given}
    bare = _model(prepared, **encoders)
    whole = bare
    if given.get("interaction") is not None:
        whole = _model(prepared, interaction=given["interaction"], **encoders)
    widths, names = whole.architecture.widths, list(whole.tasks)
    structures = {}
    for kind in ARCHITECTURES:
        cost = cost_of(own.get(kind.__name__, kind), widths, names)
        owned = "own" in kind.needs and not cost.refused
        structures[kind.__name__] = replace(cost, tables=_own_tables(bare)) if owned else cost
    return Costs(
        structures,
        {kind.__name__: _met(bare, own.get(kind.__name__, kind)) for kind in INTERACTIONS},
        {
            kind.__name__: _read(prepared, own.get(kind.__name__, kind))
            for kind in SEQUENCE_ENCODERS
        },
        {kind.__name__: _beside(bare, own.get(kind.__name__, kind)) for kind in TERMS},
        frozenset(own),
    )


def _own(given: Mapping[str, Any]) -> dict[str, Callable[..., Any]]:
    """The experiment's own parts with their settings, by name, where the file names them."""
    named = [given.get(key) for key in ("architecture", "interaction", "sequence")]
    named += given.get("terms", ())
    return {build.func.__name__: build for build in named if isinstance(build, partial)}


def _model(prepared: PreparedLog, **parts: Any) -> MultiTaskModel:  # noqa: ANN401
    with torch.random.fork_rng(devices=[]):
        return MultiTaskModel(prepared.preprocessor.layout, prepared.tasks, factors=0, **parts)


def _own_tables(model: MultiTaskModel) -> int:
    """Parameters of the tables of a structure in which every task has its own."""
    one = OwnTables(model.layout, model.shared_entries, alone=())
    return len(model.tasks) * sum(storage.numel() for storage in one.parameters())


def _met(model: MultiTaskModel, build: InteractionFactory) -> Cost:
    """The cost of an interaction of the features that all tasks may read."""
    widths, learnt = model.entry_widths, learnt_entries(model.layout)
    entries = [Entry(name, widths[name], name in learnt) for name in model.shared_entries]
    try:
        with torch.random.fork_rng(devices=[]):
            interaction = build(entries).eval()
    except ArchitectureError as error:
        return Cost(refused=str(error))
    main = torch.zeros(_ROWS, interaction.in_features)
    cost = _counted(interaction, lambda: interaction(main))
    visible = {entry.name: entry.width for entry in entries}
    terms = [
        late_term(interaction, model.layout, visible, model.head(task).out_features, task=task)
        for task in model.tasks
    ]
    wide = [term.wide for term in terms if term is not None and term.wide is not None]
    tables = sum(storage.numel() for each in wide for storage in each.parameters())
    return replace(cost, tables=tables, gives=interaction.out_features)


def _read(prepared: PreparedLog, build: SequenceFactory) -> Cost:
    """The cost of an encoder of every sequence of the schema."""
    try:
        encoders = _model(prepared, sequence=build).sequences
    except ArchitectureError as error:
        return Cost(refused=str(error))
    assert encoders is not None
    encoders.eval()

    def run() -> None:
        for name in encoders.names:
            encoder = encoders.encoder(name)
            length = min(LENGTH, encoder.max_length or LENGTH)
            values = torch.zeros(_ROWS, length, encoder.in_features)
            target = values[:, 0] if encoder.reads_target else None
            encoder(values, torch.ones(_ROWS, length, dtype=torch.bool), target)

    return replace(_counted(encoders, run), gives=sum(encoders.widths.values()))


def _beside(model: MultiTaskModel, build: TermFactory) -> Cost:
    """The cost of a classical model beside the network."""
    try:
        with torch.random.fork_rng(devices=[]):
            term = build(model.layout).eval()
    except ArchitectureError as error:
        return Cost(refused=str(error))
    widths = {table.name: table.width for table in term.tables.tables}
    vectors = [torch.zeros(_ROWS, widths[name]) for name in term.names]
    cost = _counted(term, lambda: term(vectors))
    tables = sum(storage.numel() for storage in term.tables.parameters())
    return replace(
        cost, parameters=cost.parameters - tables, tables=tables, gives=term.out_features
    )


def _counted(part: nn.Module, run: Callable[[], object]) -> Cost:
    with torch.no_grad(), plain_products(), FlopCounterMode(display=False) as counter:
        run()
    return Cost(
        parameters=sum(parameter.numel() for parameter in part.parameters()),
        multiply_adds=counter.get_total_flops() // (2 * _ROWS),
    )


def _made(widths: Widths, tasks: Sequence[str]) -> Encoded:
    """Rows of zeros of everything that a structure may read."""
    return Encoded(
        torch.zeros(_ROWS, widths.main),
        tokens=None if widths.tokens is None else torch.zeros(_ROWS, *widths.tokens),
        context=None if widths.context is None else torch.zeros(_ROWS, widths.context),
        scenario=torch.zeros(_ROWS, dtype=torch.int64),
        own={task: torch.zeros(_ROWS, widths.main) for task in tasks},
    )
