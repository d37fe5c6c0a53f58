"""An artifact: everything that turns raw rows into named predictions, in one folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from safetensors.torch import load_file, save_file

from plait.architectures import ARCHITECTURES, GATES, LINKS, Architecture, Link
from plait.data.history import HistoryTables, read_history, write_history
from plait.data.joins import Table
from plait.data.preprocessing import Preprocessor
from plait.data.reading import read
from plait.data.schema import Schema
from plait.errors import ArtifactError
from plait.models import InteractionFactory, MultiTaskModel, SequenceFactory, TermFactory
from plait.modules.interactions import INTERACTIONS, Interaction
from plait.modules.sequences import SEQUENCE_ENCODERS, SequenceEncoder
from plait.modules.terms import TERMS, Term
from plait.settings import arguments, choose, settings_of
from plait.tasks import task_from_json, task_to_json

from .card import model_card
from .files import CARD, read_index, write_index, writing


@dataclass(frozen=True)
class Artifact:
    """A trained model with all that it needs to read raw rows.

    Stability: experimental.

    Attributes:
        model: in evaluation mode.
        preprocessor: vocabularies, scales and bins.
        schema: features and roles.
        tables: side tables; their rows are in the artifact.
        facts: what was said of the training: rows, metrics, settings.
        history: what is known of users and items, where the model reads it.
    """

    model: MultiTaskModel
    preprocessor: Preprocessor
    schema: Schema
    tables: tuple[Table, ...] = ()
    facts: Mapping[str, Any] | None = None
    history: HistoryTables | None = None


def write_artifact(folder: Path, artifact: Artifact, *, plait_version: str) -> None:
    """Write an artifact as a folder of open formats: JSON, Arrow, Parquet and safetensors."""
    model = artifact.model
    with writing(folder) as beside:
        artifact.preprocessor.save(beside / "preprocessor")
        write_json(beside / "schema.json", artifact.schema.to_json())
        write_json(beside / "tasks.json", [task_to_json(task) for task in model.tasks.values()])
        write_tables(beside, artifact.tables)
        if artifact.history is not None:
            write_history(beside / "history", artifact.history)
        write_json(beside / "facts.json", dict(artifact.facts or {}))
        state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
        save_file(state, beside / "model.safetensors")
        (beside / CARD).write_text(
            model_card(model, artifact.schema, artifact.facts or {}), encoding="utf-8"
        )
        write_index(beside, {"plait": plait_version, "model": model_settings(model)})


def read_artifact(
    folder: Path,
    *,
    architectures: Sequence[type[Architecture]] = (),
    links: Sequence[type[Link]] = (),
    interactions: Sequence[type[Interaction]] = (),
    sequence_encoders: Sequence[type[SequenceEncoder]] = (),
    terms: Sequence[type[Term]] = (),
) -> Artifact:
    """The artifact in a folder, or in the folder of a finished run.

    Args:
        folder: `RUN` or `RUN/artifact`.
        architectures: your own classes, where the model was trained with one.
        links: your own links.
        interactions: your own interactions.
        sequence_encoders: your own encoders of sequences.
        terms: your own terms.

    Raises:
        ArtifactError: no artifact, a damaged or newer one.
        UnknownNameError: a part of the model that is neither plait's nor among yours.
    """
    folder = artifact_folder(folder)
    index = read_index(folder)
    if "model" not in index:
        raise ArtifactError(
            folder,
            found="it holds two towers that find candidates, and no model that predicts tasks",
            way_out="Ask it by `plait retrieve` (in Python `plait.retrieval.load`)",
        )
    preprocessor = Preprocessor.load(folder / "preprocessor")
    tasks = [task_from_json(task) for task in read_json(folder / "tasks.json")]
    model = build_model(
        index["model"],
        (*ARCHITECTURES, *architectures),
        (*LINKS, *links),
        (*INTERACTIONS, *interactions),
        (*SEQUENCE_ENCODERS, *sequence_encoders),
        (*TERMS, *terms),
    )(preprocessor.layout, tasks)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    model.eval()
    return Artifact(
        model=model,
        preprocessor=preprocessor,
        schema=Schema.from_json(read_json(folder / "schema.json")),
        tables=read_tables(folder),
        facts=read_json(folder / "facts.json"),
        history=read_history(folder / "history") if (folder / "history").exists() else None,
    )


def artifact_folder(folder: str | Path) -> Path:
    """The artifact itself, where the folder of a run is given."""
    inside = Path(folder) / "artifact"
    return inside if inside.is_dir() else Path(folder)


def model_settings(model: MultiTaskModel) -> dict[str, Any]:
    """How a model was built, as plain data."""
    return {
        "architecture": settings_of(model.architecture),
        "links": [settings_of(link) for link in model.links],
        **_encoding(model),
        "factors": model.factors,
        "tower": list(model.tower),
        "dropout": model.dropout,
        "id_dropout": model.id_dropout,
        "unknown_rate": model.unknown_rate,
        **({} if model.table_precision == "fp32" else {"table_precision": model.table_precision}),
        **({} if model.preference_gates is None else {"preference": True}),
    }


def _encoding(model: MultiTaskModel) -> dict[str, Any]:
    """Gates, terms and encoders that were chosen: a model without is written down as ever."""
    found: dict[str, Any] = {}
    if model.gates:
        found["gates"] = [settings_of(gate) for gate in model.gates]
    if model.interaction is not None:
        found["interaction"] = settings_of(model.interaction)
    if model.sequences is not None:
        found["sequence_of"] = {
            name: settings_of(model.sequences.encoder(name)) for name in model.sequences.names
        }
    if model.term_list:
        found["terms"] = [settings_of(term) for term in model.term_list]
    return found


def build_model(
    settings: Mapping[str, Any],
    architectures: Sequence[type[Architecture]] = ARCHITECTURES,
    links: Sequence[type[Link]] = LINKS,
    interactions: Sequence[type[Interaction]] = INTERACTIONS,
    sequence_encoders: Sequence[type[SequenceEncoder]] = SEQUENCE_ENCODERS,
    terms: Sequence[type[Term]] = TERMS,
) -> Callable[..., MultiTaskModel]:
    """What builds the model of such settings, given a layout and tasks."""
    named = settings["architecture"]
    architecture = choose(architectures, named, what="architecture")
    tied = [choose(links, link, what="link")(**arguments(link)) for link in settings["links"]]
    encoders: dict[str, SequenceFactory] = {
        name: partial(choose(sequence_encoders, each, what="sequence encoder"), **arguments(each))
        for name, each in settings.get("sequence_of", {}).items()
    }
    beside: list[TermFactory] = [
        partial(choose(terms, each, what="term"), **arguments(each))
        for each in settings.get("terms", [])
    ]
    return partial(
        MultiTaskModel,
        architecture=partial(architecture, **arguments(named)),
        links=tied,
        gates=[choose(GATES, g, what="gate")(**arguments(g)) for g in settings.get("gates", [])],
        interaction=_interaction(settings.get("interaction"), interactions),
        sequence_of=encoders,
        factors=settings["factors"],
        terms=beside,
        tower=tuple(settings["tower"]),
        dropout=settings["dropout"],
        id_dropout=settings["id_dropout"],
        unknown_rate=settings["unknown_rate"],
        table_precision=settings.get("table_precision", "fp32"),
        preference=settings.get("preference", False),
    )


def _interaction(
    named: Mapping[str, Any] | None, interactions: Sequence[type[Interaction]]
) -> InteractionFactory | None:
    """What builds the interaction of such settings; None where there was none."""
    if named is None:
        return None
    return partial(choose(interactions, named, what="interaction"), **arguments(named))


def write_tables(folder: Path, tables: Sequence[Table]) -> None:
    """Write side tables with their rows, so that an artifact joins as training did."""
    entries = []
    for table in tables:
        place = f"tables/{table.name}.parquet"
        (folder / "tables").mkdir(exist_ok=True)
        frame = read(table.source)
        assert isinstance(frame, pl.LazyFrame)
        frame.sink_parquet(folder / place)
        entries.append(asdict(replace(table, source=place)))
    write_json(folder / "tables.json", entries)


def read_tables(folder: Path) -> tuple[Table, ...]:
    """The side tables that `write_tables` wrote."""
    entries = read_json(folder / "tables.json")
    return tuple(
        Table(**{**_tupled(entry), "source": folder / entry["source"]}) for entry in entries
    )


def _tupled(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}


def write_json(path: Path, content: object) -> None:
    """Write one of the artifact's JSON files."""
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:  # noqa: ANN401 (JSON is what it is)
    """Read one of the artifact's JSON files.

    Raises:
        ArtifactError: it is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtifactError(
            path, found=f"not valid JSON ({error})", way_out="Copy the whole folder again"
        ) from error
