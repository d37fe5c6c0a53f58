"""Small logs, stores and models for tests: every kind of feature and of task, labels missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from plait.architectures import Gate, Link, SharedBottom
from plait.data.batch import Batch
from plait.data.labels import TaskReader, resolve_classes
from plait.data.preprocessing import Preprocessor
from plait.data.schema import Categorical, MultiHot, Numeric, Schema, Vector
from plait.data.schema import Sequence as SequenceFeature
from plait.data.store import Store
from plait.data.writing import StoreWriter
from plait.models import (
    ArchitectureFactory,
    InteractionFactory,
    MultiTaskModel,
    Precision,
    SequenceFactory,
    TermFactory,
)
from plait.tasks import Binary, Count, Multiclass, Ranking, Regression, Task, Value, WatchTime
from plait.training import fit_heads

SCHEMA = Schema(
    (
        Categorical("user_id", embedding_dim=4),
        Categorical("item_id", embedding_dim=4),
        Categorical("city", embedding_dim=3, min_count=1),
        Numeric("age", num_pieces=4, num_bins=4, embedding_dim=3),
        Numeric("price", num_pieces=0, num_bins=0),
        SequenceFeature("history", shares="item_id"),
        MultiHot("genres", weights="genre_weights", embedding_dim=3, min_count=1),
        Vector("text", size=3),
    ),
    user="user_id",
    item="item_id",
    request="request_id",
    scenario="tab",
)
"""Every kind of feature, every role but time and position."""

SCENIC = replace(SCHEMA, features=(*SCHEMA.features, Categorical("tab", min_count=1)))
"""The same, and the scenario among the features."""

PLENTY = replace(
    SCHEMA,
    features=(
        *(each for each in SCHEMA.features if each.name not in ("city", "age")),
        Categorical("city", embedding_dim=8, min_count=1),
        Categorical("tab", embedding_dim=8, min_count=1),
        Numeric("age", num_pieces=20, num_bins=4, embedding_dim=8),
    ),
)
"""Numbers in many pieces and columns of short tables: compiled layers look both up."""

BINARY_TASKS: tuple[Task, ...] = (Binary("click"), Binary("like"))

TASKS: tuple[Task, ...] = (
    *BINARY_TASKS,
    Multiclass("answer", classes=("no", "perhaps", "yes")),
    Regression("rating"),
    Count("visits", exposure="days"),
    Value("spend"),
    WatchTime("seconds", duration="length", num_bins=4),
    Ranking("place", label="rank_label"),
)
"""A task of every kind; `like`, `answer` and `rating` miss many labels."""

SMALL = partial(SharedBottom, layers=(16, 8), dropout=0.0)


@dataclass(frozen=True)
class Data:
    """Training and validation rows, and what they were made with."""

    train: Store
    valid: Store
    preprocessor: Preprocessor
    tasks: tuple[Task, ...]
    frame: pl.DataFrame
    valid_frame: pl.DataFrame


def make_log(rows: int, *, seed: int = 0) -> pl.DataFrame:
    """Raw rows, four to a request, whose labels depend on the features."""
    rng = np.random.default_rng(seed)
    users, items = rng.integers(0, 12, rows), rng.integers(100, 120, rows)
    age, price = rng.normal(40, 10, rows), rng.exponential(5, rows)
    taste = np.sin(users) + np.cos(items) + (age - 40) / 20

    def happens(shift: float) -> np.ndarray:
        return (rng.random(rows) < 1 / (1 + np.exp(-taste - shift))).astype(np.int64)

    def missing(values: pl.Series, share: float) -> pl.Series:
        return values.set(pl.Series(rng.random(rows) < share), None)

    click = happens(0.0)
    history = [rng.integers(98, 122, rng.integers(0, 4)).tolist() for _ in range(rows)]
    genres = [rng.choice(["a", "b", "c"], rng.integers(0, 3)).tolist() for _ in range(rows)]
    return pl.DataFrame(
        {
            "user_id": users,
            "item_id": items,
            "city": missing(pl.Series(rng.choice(["Bonn", "Rome", "Oslo"], rows)), 0.1),
            "age": missing(pl.Series(age), 0.1),
            "price": price,
            "history": history,
            "genres": genres,
            "genre_weights": [[1.0 + place for place in range(len(g))] for g in genres],
            "text": rng.normal(size=(rows, 3)),
            "request_id": [f"r{row // 4}" for row in range(rows)],
            "tab": rng.choice(["home", "search"], rows),
            "click": click,
            "like": missing(pl.Series(happens(-0.5)), 0.5),
            "buy": click * happens(-0.5),
            "answer": missing(pl.Series(rng.choice(["no", "perhaps", "yes"], rows)), 0.7),
            "rating": missing(pl.Series(3 + taste + rng.normal(0, 0.3, rows)), 0.4),
            "visits": rng.poisson(np.exp(0.3 * taste)),
            "days": rng.uniform(0.5, 2.0, rows),
            "spend": click * rng.lognormal(1.0, 0.5, rows),
            "seconds": rng.exponential(20, rows),
            "length": rng.uniform(10, 90, rows),
            "rank_label": happens(-1.0),
        },
        schema_overrides={
            "history": pl.List(pl.Int64),
            "genres": pl.List(pl.String),
            "genre_weights": pl.List(pl.Float64),
            "text": pl.List(pl.Float64),
        },
    )


def write_store(
    folder: Path, frame: pl.DataFrame, preprocessor: Preprocessor, tasks: Sequence[Task]
) -> Store:
    """The rows of a frame as a prepared store; every raw column is kept."""
    reader = TaskReader(tasks)
    roles = {role: c for role, c in preprocessor.schema.roles.items() if role != "time"}
    labels = reader.read(frame)
    with StoreWriter(
        folder,
        layout=preprocessor.layout,
        tasks=[task.name for task in tasks],
        extras=reader.extras,
        keys=tuple(roles),
    ) as writer:
        writer.append(
            preprocessor.transform(frame),
            labels=labels.labels,
            observed=labels.observed,
            weights=labels.weights,
            extras=labels.extras,
            keys={role: frame[column] for role, column in roles.items()},
            columns=frame,
        )
        return writer.close()


def make_data(
    folder: Path,
    tasks: Sequence[Task] = TASKS,
    *,
    schema: Schema = SCHEMA,
    rows: int = 240,
    valid_rows: int = 120,
    frame: pl.DataFrame | None = None,
    valid_frame: pl.DataFrame | None = None,
) -> Data:
    """Stores of training and validation rows, written into a folder."""
    train = make_log(rows) if frame is None else frame
    valid = make_log(valid_rows, seed=1) if valid_frame is None else valid_frame
    preprocessor = Preprocessor(schema).fit(train)
    tasks = [resolve_classes(task, train) for task in tasks]
    return Data(
        write_store(folder / "train", train, preprocessor, tasks),
        write_store(folder / "valid", valid, preprocessor, tasks),
        preprocessor,
        tuple(tasks),
        train,
        valid,
    )


def make_model(
    data: Data,
    *,
    tasks: Sequence[Task] | None = None,
    architecture: ArchitectureFactory = SMALL,
    links: Sequence[Link] = (),
    gates: Sequence[Gate] = (),
    interaction: InteractionFactory | None = None,
    sequence: SequenceFactory | None = None,
    sequence_of: Mapping[str, SequenceFactory] | None = None,
    factors: int = 32,
    terms: Sequence[TermFactory] = (),
    tower: Sequence[int] = (6,),
    dropout: float = 0.0,
    id_dropout: float = 0.0,
    unknown_rate: float = 0.0,
    table_precision: Precision = "fp32",
    preference: bool = False,
    seed: int = 0,
) -> MultiTaskModel:
    """A small model whose heads are fitted; nothing random in training unless it is asked for."""
    torch.manual_seed(seed)
    model = MultiTaskModel(
        data.train.layout,
        data.tasks if tasks is None else tasks,
        architecture=architecture,
        links=links,
        gates=gates,
        interaction=interaction,
        sequence=sequence,
        sequence_of=sequence_of,
        factors=factors,
        terms=terms,
        tower=tower,
        dropout=dropout,
        id_dropout=id_dropout,
        unknown_rate=unknown_rate,
        table_precision=table_precision,
        preference=preference,
    )
    fit_heads(model, data.train)
    return model


def whole(store: Store) -> Batch:
    """All rows of a store as one batch."""
    return store.batch(slice(None))


def gradients(model: MultiTaskModel) -> dict[str, Tensor]:
    """Dense copies of the gradients that are there, by the parameter's name."""
    return {
        name: parameter.grad.to_dense().clone()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


def same_bits(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    """Whether two sets of tensors have the same names and the same bits."""
    return set(first) == set(second) and all(
        torch.equal(tensor, second[name]) for name, tensor in first.items()
    )
