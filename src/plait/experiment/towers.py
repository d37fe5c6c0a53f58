"""A whole run of two towers: prepare, train, judge, write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import polars as pl
import torch

from plait.data.history import History
from plait.data.joins import Table
from plait.data.log import Log
from plait.data.preparing import PreparedLog, prepare
from plait.data.reading import Source
from plait.data.schema import Schema
from plait.data.splits import Split
from plait.data.store import Store
from plait.retrieval import (
    Catalogue,
    Epoch,
    Exposures,
    FittedTowers,
    Judge,
    Recall,
    Retrieval,
    Retriever,
    TowersArtifact,
    TwoTower,
    fit_towers,
    history_of_users,
    judged,
    load,
    only_sides,
    sides_of,
    vectors_of,
    write_towers,
)
from plait.retrieval.sides import OF_USERS, Sides
from plait.tasks import Task
from plait.training import Training
from plait.training.checkpoint import write_json

from .claiming import MAY_CHANGE, check_same, claim

__all__ = ["TowersRun", "train_towers"]


@dataclass(frozen=True)
class TowersRun:
    """A finished run of two towers.

    Stability: experimental.

    Attributes:
        folder: where it lies: `artifact/`, `metrics.json`, `history.json`.
        recalls: on the validation and test rows, by part; empty without either.
        history: what happened in training.
        facts: plain sentences about the rows, the split and the features.
    """

    folder: Path
    recalls: dict[str, Recall]
    history: FittedTowers
    facts: tuple[str, ...] = field(default=(), repr=False)

    @cached_property
    def retriever(self) -> Retriever:
        """The trained towers, for raw users."""
        return load(self.folder)


def train_towers(
    log: Source | Sequence[Source],
    *,
    schema: Schema,
    tasks: Sequence[Task],
    split: Split,
    out: str | Path,
    tables: Sequence[Table] = (),
    ratios: Sequence[float] | None = None,
    history: History | bool = True,
    retrieval: Retrieval | None = None,
    training: Training | None = None,
    cache: str | Path | None = None,
    resume: bool = False,
    told: Callable[[Epoch], None] | None = None,
) -> TowersRun:
    """Train, judge and save a model that finds candidates.

    It learns from the rows that are positive in some binary task. Each epoch is judged by the
    recall on the validation rows, and the best is kept.

    Stability: experimental.

    Args:
        log: a file, folder, glob or data frame with one row for each shown item, or several.
        schema: features and roles; user and item are needed.
        tasks: what is known of each row.
        split: which rows train, validate and test.
        out: folder of the run.
        tables: side tables joined to the log.
        ratios: shares in which several logs are mixed.
        history: what is remembered of users. True: their last 50 items; False: nothing. Of a
            `History` the part counts that is known of a user before any item is.
        retrieval: what the towers are and what they learn from.
        training: rates, rows in a batch, epochs, patience and seed; what it says of labels,
            sampling, tasks and the time between checkpoints has no meaning here.
        cache: folder of prepared logs, shared by runs. None: inside the run.
        resume: go on with a run that was stopped.
        told: called after each epoch.

    Raises:
        ConfigurationError: `out` holds a run and `resume` is false, or it was another run.
        TrainingInterrupted: SIGINT or SIGTERM came; a checkpoint was written first.
        PlaitError: data, tasks or settings that do not fit; the message says which.
    """
    folder, settings = Path(out), training or Training()
    chosen = retrieval or Retrieval()
    claim(folder, resume=resume)
    sides = sides_of(schema, tables, chosen)
    weights = chosen.weights_of({task.name: task for task in tasks})
    sources = (log,) if isinstance(log, str | Path) or not isinstance(log, Sequence) else log
    whole = Log(
        sources=tuple(sources),
        schema=only_sides(schema, sides),
        tasks=tuple(task for task in tasks if task.name in weights),
        tables=tuple(tables),
        ratios=None if ratios is None else tuple(ratios),
        history=history_of_users(history),
    )
    prepared = prepare(whole, split, cache=Path(cache) if cache else folder / "prepared")
    pairs = {
        part: Exposures.of(store, whole.schema, weights) for part, store in _parts(prepared).items()
    }
    model = _built(prepared, sides, chosen, seed=settings.seed)
    catalogue = Catalogue.of(pairs["train"])
    ask = _judges(prepared, pairs, catalogue, model, k=chosen.k)
    check_same(
        folder,
        {
            "plait": version("plait"),
            "prepared": prepared.key,
            "retrieval": asdict(chosen),
            "training": {k: v for k, v in asdict(settings).items() if k not in MAY_CHANGE},
        },
    )
    course = fit_towers(
        model,
        prepared.train,
        pairs["train"],
        settings=settings,
        judge=ask.get("valid"),
        told=told,
        folder=folder / "training",
    )
    recalls = {part: judge() for part, judge in ask.items()}
    facts = {
        "retrieval": asdict(chosen),
        "training": asdict(settings),
        "recall": {part: found.to_json() for part, found in recalls.items()},
    }
    raw = prepared.train.frame([str(schema.item)])[catalogue.rows]
    vectors = vectors_of(model, prepared.train, catalogue.rows, side="item")
    artifact = TowersArtifact(
        model,
        prepared.preprocessor,
        whole.schema,
        raw.with_columns(pl.Series("embedding", vectors.tolist(), dtype=pl.List(pl.Float32))),
        whole.tables,
        prepared.history,
        facts,
    )
    write_towers(folder / "artifact", artifact, plait_version=version("plait"))
    write_json(course.to_json(), folder / "history.json")
    write_json({f"recall@{chosen.k}": facts["recall"]}, folder / "metrics.json")
    notes = (*prepared.notes, *_notes(sides))
    return TowersRun(folder, recalls, course, notes)


def _parts(prepared: PreparedLog) -> dict[str, Store]:
    parts = {"train": prepared.train, "valid": prepared.valid, "test": prepared.test}
    return {part: store for part, store in parts.items() if store is not None}


def _built(prepared: PreparedLog, sides: Sides, chosen: Retrieval, *, seed: int) -> TwoTower:
    """Towers for a prepared log, their weights drawn from the seed."""
    of_users = [n for n in prepared.preprocessor.schema.names if n.startswith(OF_USERS)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TwoTower(
            prepared.preprocessor.layout,
            user_features=(*sides.user, *of_users),
            item_features=sides.item,
            width=chosen.width,
            layers=chosen.layers,
            dropout=chosen.dropout,
            similarity=chosen.similarity,
            temperature=chosen.temperature,
            unknown_rate=chosen.unknown_rate,
        )


def _judges(
    prepared: PreparedLog,
    pairs: Mapping[str, Exposures],
    catalogue: Catalogue,
    model: TwoTower,
    *,
    k: int,
) -> dict[str, Callable[[], Recall]]:
    """What judges the model, as it then is, on each part; a part may use what lies before it."""
    found: dict[str, Callable[[], Recall]] = {}
    stores = _parts(prepared)
    before: list[Exposures] = []
    for part in ("valid", "test"):
        if part in stores:
            judge = Judge(pairs["train"], pairs[part], catalogue, before=tuple(before))
            found[part] = _asked(judge, model, prepared.train, catalogue, stores[part], k)
            before.append(pairs[part])
    return found


def _asked(
    judge: Judge, model: TwoTower, train: Store, catalogue: Catalogue, part: Store, k: int
) -> Callable[[], Recall]:
    return lambda: judged(model, train, catalogue, judge, part, k)


def _notes(sides: Sides) -> list[str]:
    notes = [
        f"The user's tower reads {', '.join(sides.user)}; the item's {', '.join(sides.item)}.",
    ]
    if sides.left_out:
        notes.append(
            f"Neither tower reads {', '.join(sides.left_out)}: they tell of a row, not of a user "
            "or an item. Name them by `user_features` or `item_features` where that is wrong."
        )
    return notes
