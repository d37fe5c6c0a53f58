"""The catalogue for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from plait.architectures import ARCHITECTURES, LINKS
from plait.studies.page.blocks import Block, Document, Section, Table
from plait.studies.page.numbers import count

from .costs import Cost
from .entries import Entry, entries

__all__ = ["catalogue_document", "catalogue_json"]


def catalogue_document(
    costs: Mapping[str, Cost] | None = None, *, own: str | None = None
) -> Document:
    """All structures and links, and the costs of the structures where they are known.

    Args:
        costs: by the name of the structure.
        own: the structure whose settings are those of the experiment.
    """
    structures = [_shown(entry) for entry in entries(ARCHITECTURES)]
    links = [_shown(entry) for entry in entries(LINKS)]
    sections = [
        Section("structures", "Sharing structures: [model] architecture", structures),
        Section("links", "Links, over any structure: [model] links", links),
    ]
    if costs is not None:
        sections.append(Section("costs", "On these features and tasks", list(_costs(costs, own))))
    return Document("plait models", tuple(sections))


def catalogue_json(costs: Mapping[str, Cost] | None = None) -> dict[str, Any]:
    """The same as plain data."""
    form: dict[str, Any] = {
        "architectures": [asdict(entry) for entry in entries(ARCHITECTURES)],
        "links": [asdict(entry) for entry in entries(LINKS)],
    }
    if costs is not None:
        form["costs"] = {name: asdict(cost) for name, cost in costs.items()}
    return form


def _shown(entry: Entry) -> str:
    lines = [f"{entry.name}: {entry.summary}"]
    if entry.paper:
        lines += [f"    paper   {entry.paper}", f"            {entry.address}"]
    lines.append(f"    needs   {entry.needs or 'nothing'}")
    lines.append(f"    try it  {entry.when}")
    return "\n".join([*lines, ""])


def _costs(costs: Mapping[str, Cost], own: str | None) -> list[Block]:
    built = {name: cost for name, cost in costs.items() if not cost.refused}
    rows = tuple(
        (
            f"{name} (as in the file)" if name == own else name,
            count(cost.parameters),
            count(cost.multiply_adds),
        )
        for name, cost in built.items()
    )
    caption = "Without tables, towers and heads; default settings unless the file says others."
    columns = ("structure", "parameters", "multiply-adds a row")
    refused = [f"{name}: {cost.refused}" for name, cost in costs.items() if cost.refused]
    return [Table(caption, columns, rows), *refused]
