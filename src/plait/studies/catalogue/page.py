"""The catalogue for people and for programs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

from plait.architectures import ARCHITECTURES, GATES, LINKS
from plait.modules.interactions import INTERACTIONS
from plait.modules.sequences import SEQUENCE_ENCODERS
from plait.modules.terms import TERMS
from plait.studies.page.blocks import Block, Document, Section, Table
from plait.studies.page.numbers import count

from .costs import LENGTH, Cost, Costs
from .entries import Entry, Kind, entries

__all__ = ["catalogue_document", "catalogue_json"]

_PARTS: dict[str, tuple[str, Collection[Kind]]] = {
    "architectures": ("Sharing structures: [model] architecture", ARCHITECTURES),
    "gates": ("Gates, over any structure: [model] gates", GATES),
    "links": ("Links, over any structure: [model] links", LINKS),
    "interactions": ("Interactions, under any structure: [model] interaction", INTERACTIONS),
    "sequences": ("Sequence encoders: [model] sequence and sequence_of", SEQUENCE_ENCODERS),
    "terms": ("Classical models beside the network: [model] terms", TERMS),
}
"""What a file can name: the title of a section, and its classes, by the key in JSON."""


def catalogue_document(costs: Costs | None = None) -> Document:
    """All parts that a file can name, and what they cost where that is known."""
    sections = [
        Section(key, title, [_shown(entry) for entry in entries(kinds)])
        for key, (title, kinds) in _PARTS.items()
    ]
    if costs is not None:
        sections.append(Section("costs", "On these features and tasks", list(_costs(costs))))
    return Document("plait models", tuple(sections))


def catalogue_json(costs: Costs | None = None) -> dict[str, Any]:
    """The same as plain data."""
    form: dict[str, Any] = {
        key: [asdict(entry) for entry in entries(kinds)] for key, (_, kinds) in _PARTS.items()
    }
    if costs is not None:
        form["costs"] = {name: asdict(cost) for name, cost in costs.all.items()}
    return form


def _shown(entry: Entry) -> str:
    lines = [f"{entry.name}: {entry.summary}"]
    if entry.paper:
        lines += [f"    paper   {entry.paper}", f"            {entry.address}"]
    lines.append(f"    needs   {entry.needs or 'nothing'}")
    lines.append(f"    try it  {entry.when}")
    return "\n".join([*lines, ""])


def _costs(costs: Costs) -> list[Block]:
    settings = "Default settings unless the file says others."
    blocks: list[Block] = [
        *_table(
            costs.structures,
            costs.own,
            ("structure", "parameters", "multiply-adds a row", "own tables"),
            f"Without shared tables, towers and heads. {settings}",
            gives=False,
        )
    ]
    columns = ("parameters", "multiply-adds a row", "own tables", "width that it gives")
    if costs.interactions:
        told = f"Interactions; a structure above reads the width that they give. {settings}"
        blocks += _table(costs.interactions, costs.own, ("interaction", *columns), told)
    if costs.encoders:
        told = f"Encoders of all sequences, {LENGTH} values each. {settings}"
        blocks += _table(costs.encoders, costs.own, ("encoder", *columns), told)
    if costs.terms:
        told = f"Terms, without each task's weights. {settings}"
        blocks += _table(costs.terms, costs.own, ("term", *columns), told)
    return blocks


def _table(
    costs: Mapping[str, Cost],
    own: Collection[str],
    columns: tuple[str, ...],
    caption: str,
    *,
    gives: bool = True,
) -> list[Block]:
    rows = []
    for name, cost in costs.items():
        if not cost.refused:
            called = f"{name} (as in the file)" if name in own else name
            numbers = [cost.parameters, cost.multiply_adds, cost.tables]
            rows.append((called, *map(count, [*numbers, *([cost.gives] if gives else [])])))
    refused = [f"{name}: {cost.refused}" for name, cost in costs.items() if cost.refused]
    return [*([Table(caption, columns, tuple(rows))] if rows else []), *refused]
