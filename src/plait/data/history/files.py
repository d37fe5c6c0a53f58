"""The files of a history: JSON, and a Parquet file for each kind of group."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray
from polars.exceptions import PolarsError

from plait.data.files import replacing
from plait.data.schema import Categorical, MultiHot, Schema
from plait.data.vocabulary import Vocabulary
from plait.errors import ArtifactError
from plait.settings import arguments
from plait.tasks import task_from_json, task_to_json

from .events import Remembered
from .formulas import Formulas
from .groups import Groups, offsets_of
from .sequences import Windows
from .settings import History
from .sums import Prior, Sums
from .tables import HistoryTables

__all__ = ["read_history", "write_history"]

VERSION = 1
FILE = "history.json"
PER_TASK = ("mass", "total", "squares", "residual")

_WAY_OUT = "Copy the whole folder again, or train anew."


def write_history(folder: Path, tables: HistoryTables) -> None:
    """Write `history.json`, and the tables as Parquet; the JSON last.

    `values-*` hold the users, items and crossed values, `sums-*` what each of them did, row by row
    in the same order; those of pairs and crosses have a `key` instead: the user's row times the
    number of items (values) plus one, plus the item's row, both counted from 1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    groups, names = tables.groups, tables.formulas.remembered.names
    frames = {f"values-{n}": v.values.to_frame() for n, v in groups.vocabularies.items()}
    for name, sums in tables.sums.items():
        frames[f"sums-{name}"] = _sums_frame(sums, names, groups.keys.get(name))
    for name, windows in tables.sequences.items():
        frames[f"sequence-{name}"] = _windows_frame(windows)
    files = {name: f"table-{place:03d}.parquet" for place, name in enumerate(frames)}
    for name, frame in frames.items():
        with replacing(folder / files[name]) as file:
            frame.write_parquet(file)
    form = {
        "version": VERSION,
        "history": asdict(tables.formulas.history),
        "tasks": [task_to_json(task) for task in tables.formulas.remembered.tasks],
        "are_partial": tables.formulas.are_partial,
        "columns": dict(groups.columns),
        "crossed": Schema(groups.crossed).to_json() if groups.crossed else None,
        "names": tables.names,
        "time": tables.time,
        "prior": [[None if x != x else x for x in moment.tolist()] for moment in tables.prior],
        "files": files,
    }
    with replacing(folder / FILE) as file:
        file.write(json.dumps(form, indent=1).encode())


def read_history(folder: Path) -> HistoryTables:
    """The tables that `write_history` wrote; they transform every row to the same bits.

    Raises:
        ArtifactError: a file is missing, broken or of another version.
    """
    form = _read_form(folder / FILE)
    try:
        return _tables(folder, form)
    except (KeyError, TypeError, ValueError, OSError, PolarsError) as error:
        raise ArtifactError(
            folder / FILE, found=f"it lacks what it should hold ({error!r})", way_out=_WAY_OUT
        ) from error


def _tables(folder: Path, form: Mapping[str, Any]) -> HistoryTables:
    found: dict[str, dict[str, pl.DataFrame]] = {"values": {}, "sums": {}, "sequence": {}}
    for name, file in form["files"].items():
        kind, _, of = name.partition("-")
        found[kind][of] = pl.read_parquet(folder / file)
    remembered = Remembered(tuple(task_from_json(task) for task in form["tasks"]))
    settings = arguments(form["history"])
    crossed = () if form["crossed"] is None else Schema.from_json(form["crossed"]).features
    return HistoryTables(
        formulas=Formulas(History(**settings), remembered, tuple(form["are_partial"])),
        groups=Groups(
            form["columns"],
            tuple(f for f in crossed if isinstance(f, Categorical | MultiHot)),
            {name: Vocabulary(frame["value"]) for name, frame in found["values"].items()},
            {n: f["key"].to_numpy() for n, f in found["sums"].items() if "key" in f.columns},
        ),
        sums={name: _sums(frame, remembered.names) for name, frame in found["sums"].items()},
        prior=Prior(*(np.array(moment, dtype=np.float64) for moment in form["prior"])),
        sequences={name: _windows(frame) for name, frame in found["sequence"].items()},
        names=tuple(form["names"]),
        time=form["time"],
    )


def _sums_frame(sums: Sums, tasks: Sequence[str], keys: NDArray[np.int64] | None) -> pl.DataFrame:
    """One row for each group but that of nobody."""
    columns: dict[str, NDArray[Any]] = {} if keys is None else {"key": keys}
    columns |= {"events": sums.events[1:], "last": sums.last[1:]}
    for what in PER_TASK:
        block = dict(zip(PER_TASK, sums.blocks()[1:], strict=True))[what]
        columns |= {f"{what}.{t}": c[1:] for t, c in zip(tasks, block.T, strict=False)}
    return pl.DataFrame(columns)


def _sums(frame: pl.DataFrame, tasks: Sequence[str]) -> Sums:
    blocks = []
    for what in PER_TASK:
        names = [f"{what}.{task}" for task in tasks if f"{what}.{task}" in frame.columns]
        block = np.zeros((len(frame) + 1, len(names)))
        for place, name in enumerate(names):
            block[1:, place] = frame[name].to_numpy()
        blocks.append(block)
    events = np.concatenate([[0.0], frame["events"].to_numpy()])
    mass, total, squares, residual = blocks
    last = np.concatenate([[np.nan], frame["last"].to_numpy()])
    return Sums(events, mass, total, squares, residual, last)


def _windows_frame(windows: Windows) -> pl.DataFrame:
    """The items of each user's group, that of nobody included."""
    lengths = windows.ends - windows.begins
    offsets = pa.array(offsets_of(lengths))
    items = pa.LargeListArray.from_arrays(offsets, pa.array(windows.items))
    return pl.DataFrame({"items": pl.Series(items)})


def _windows(frame: pl.DataFrame) -> Windows:
    lengths = frame["items"].list.len().cast(pl.Int64).to_numpy()
    ends = np.cumsum(lengths)
    items = frame["items"].filter(frame["items"].list.len() > 0).explode()
    return Windows(items.cast(pl.Int32).to_numpy(), ends - lengths, ends)


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
            way_out="Install the plait that wrote it, or train anew.",
        )
    return form
