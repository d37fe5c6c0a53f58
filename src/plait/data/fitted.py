"""The files of a fitted preprocessor: JSON, and one Arrow file for each vocabulary."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from plait.errors import ArtifactError

from .files import replacing
from .numeric import NumberScale
from .schema import Schema
from .vocabulary import HashBuckets, Vocabulary

__all__ = ["Fitted", "read_fitted", "write_fitted"]

VERSION = 1
FILE = "preprocessor.json"

_WAY_OUT = "Save the preprocessor again, or fit a new one."


@dataclass(frozen=True)
class Fitted:
    """What a preprocessor learnt.

    Attributes:
        schema: the features it was fitted for.
        tables: vocabulary or hashing of each table, by the feature that owns it.
        scales: scale of each numeric feature.
    """

    schema: Schema
    tables: dict[str, Vocabulary | HashBuckets]
    scales: dict[str, NumberScale]


def write_fitted(folder: Path, fitted: Fitted) -> None:
    """Write `preprocessor.json` and the vocabularies; the JSON last."""
    folder.mkdir(parents=True, exist_ok=True)
    tables: dict[str, Any] = {}
    for place, (name, table) in enumerate(fitted.tables.items()):
        if isinstance(table, HashBuckets):
            tables[name] = {"buckets": table.buckets}
            continue
        tables[name] = {"file": f"vocabulary-{place:03d}.arrow", "values": len(table.values)}
        with replacing(folder / tables[name]["file"]) as file:
            table.values.to_frame().write_ipc(file, compat_level=pl.CompatLevel.oldest())
    form = {
        "version": VERSION,
        "schema": fitted.schema.to_json(),
        "tables": tables,
        "scales": {name: scale.to_json() for name, scale in fitted.scales.items()},
    }
    with replacing(folder / FILE) as file:
        file.write(json.dumps(form, indent=1).encode())


def read_fitted(folder: Path) -> Fitted:
    """What `write_fitted` wrote.

    Raises:
        ArtifactError: a file is missing, broken or of another version.
    """
    path = folder / FILE
    form = _read_form(path)
    try:
        return Fitted(
            Schema.from_json(form["schema"]),
            {name: _read_table(folder, table) for name, table in form["tables"].items()},
            {name: NumberScale.from_json(scale) for name, scale in form["scales"].items()},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(
            path, found=f"it lacks what it should hold ({error!r})", way_out=_WAY_OUT
        ) from error


def _read_form(path: Path) -> dict[str, Any]:
    try:
        form = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ArtifactError(path, found="there is no such file", way_out=_WAY_OUT) from error
    except ValueError as error:
        raise ArtifactError(path, found=f"it is no JSON ({error})", way_out=_WAY_OUT) from error
    if not isinstance(form, dict) or form.get("version") != VERSION:
        version = form.get("version") if isinstance(form, dict) else None
        raise ArtifactError(
            path,
            found=f"it is of version {version!r}, and this plait reads version {VERSION}",
            way_out="Install the plait that wrote it, or fit a new preprocessor.",
        )
    return form


def _read_table(folder: Path, form: dict[str, Any]) -> Vocabulary | HashBuckets:
    if "buckets" in form:
        return HashBuckets(form["buckets"])
    path = folder / form["file"]
    try:
        values = pl.read_ipc(path)["value"]
    except (OSError, PolarsError) as error:
        raise ArtifactError(path, found=f"it cannot be read ({error})", way_out=_WAY_OUT) from error
    if len(values) != form["values"]:
        raise ArtifactError(
            path,
            found=f"it holds {len(values)} values instead of {form['values']}",
            way_out=_WAY_OUT,
        )
    return Vocabulary(values)
