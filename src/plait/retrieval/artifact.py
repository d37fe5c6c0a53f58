"""Two towers as a folder of open formats, with the vectors of all items beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from safetensors.torch import load_file, save_file

from plait.artifact import artifact_folder
from plait.artifact.content import read_json, read_tables, write_json, write_tables
from plait.artifact.files import CARD, read_index, write_index, writing
from plait.data.history import HistoryTables, read_history, write_history
from plait.data.joins import Table
from plait.data.preprocessing import Preprocessor
from plait.data.schema import Schema
from plait.errors import ArtifactError
from plait.settings import arguments, settings_of

from .towers import TwoTower

__all__ = ["TowersArtifact", "read_towers", "write_towers"]


@dataclass(frozen=True)
class TowersArtifact:
    """Trained towers with all that they need to read raw rows.

    Stability: experimental.

    Attributes:
        model: in evaluation mode.
        preprocessor: vocabularies, scales and bins.
        schema: the features of both towers, and the roles.
        items: the items of the training rows: their raw values and an `embedding`.
        tables: side tables; their rows are in the artifact.
        history: what is known of users.
        facts: what was said of the training.
    """

    model: TwoTower
    preprocessor: Preprocessor
    schema: Schema
    items: pl.DataFrame
    tables: tuple[Table, ...] = ()
    history: HistoryTables | None = None
    facts: Mapping[str, Any] | None = None


def write_towers(folder: Path, artifact: TowersArtifact, *, plait_version: str) -> None:
    """Write towers as JSON, Arrow, Parquet and safetensors; the folder is whole or not there."""
    model = artifact.model
    with writing(folder) as beside:
        artifact.preprocessor.save(beside / "preprocessor")
        write_json(beside / "schema.json", artifact.schema.to_json())
        write_tables(beside, artifact.tables)
        if artifact.history is not None:
            write_history(beside / "history", artifact.history)
        write_json(beside / "facts.json", dict(artifact.facts or {}))
        artifact.items.write_parquet(beside / "items.parquet")
        state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
        save_file(state, beside / "towers.safetensors")
        (beside / CARD).write_text(_card(artifact), encoding="utf-8")
        write_index(beside, {"plait": plait_version, "towers": settings_of(model)})


def read_towers(folder: Path) -> TowersArtifact:
    """The towers in a folder, or in the folder of a finished run.

    Raises:
        ArtifactError: no artifact, a damaged or newer one, or one that holds no towers.
    """
    folder = artifact_folder(folder)
    index = read_index(folder)
    if "towers" not in index:
        raise ArtifactError(
            folder,
            found="it holds a model that predicts tasks, and no towers that find candidates",
            way_out="Train towers by `plait towers`, or ask this one by `plait predict`",
        )
    preprocessor = Preprocessor.load(folder / "preprocessor")
    model = TwoTower(preprocessor.layout, **arguments(index["towers"]))
    model.load_state_dict(load_file(folder / "towers.safetensors"))
    model.eval()
    return TowersArtifact(
        model=model,
        preprocessor=preprocessor,
        schema=Schema.from_json(read_json(folder / "schema.json")),
        items=pl.read_parquet(folder / "items.parquet"),
        tables=read_tables(folder),
        history=read_history(folder / "history") if (folder / "history").exists() else None,
        facts=read_json(folder / "facts.json"),
    )


def _card(artifact: TowersArtifact) -> str:
    """What this folder is, for a person who finds it."""
    model = artifact.model
    lines = [
        "# Two towers",
        "",
        f"Vectors of {model.width} numbers for users and items; their product ranks the items that "
        "a user may be shown. Made by plait; ask it by `plait retrieve`.",
        "",
        f"- user's tower: {', '.join(f'`{name}`' for name in model.user_features)}",
        f"- item's tower: {', '.join(f'`{name}`' for name in model.item_features)}",
        f"- items: {artifact.items.height:,}",
    ]
    return "\n".join(lines) + "\n"
