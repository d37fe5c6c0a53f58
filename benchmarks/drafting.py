"""Does `plait init` find the tasks that people wrote down for a data set, and does its draft train?

    python benchmarks/drafting.py --json drafting.json

Each set is drafted from its log and side tables alone. The tasks of its `dataset.json` are compared
with the draft's on every row: the same kind, the same rows with a label, the same labels there.
Where the set's page has another name for a kind, the task counts as found, and as found strictly
only where the names agree: an `implicit` label is binary to us, a zero-inflated regression is a
`value`. Then the draft of a slice is trained for an epoch, as it stands.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from _report import Row, data_folder, parser, report
from numpy.typing import NDArray

from plait import Experiment, train
from plait.data.expressions import evaluate, parse
from plait.data.inference import Draft, draft
from plait.data.joins import join
from plait.data.labels import TaskReader
from plait.data.reading import read
from plait.tasks import Regression, Task

SLICE_ROWS = 6_000
SEED = 0
ALIKE = {"binary": ("binary",), "implicit": ("binary",), "regression": ("regression", "value")}
"""The kinds that may stand for a kind of `dataset.json`."""


@dataclass(frozen=True)
class Given:
    """The files of a set.

    Attributes:
        name: of its folder.
        log: file of the log.
        tables: files of the side tables.
        tasks: what `dataset.json` would say; None: what it says.
    """

    name: str
    log: str
    tables: Mapping[str, str] = field(default_factory=dict)
    tasks: tuple[Mapping[str, str], ...] | None = None


SETS = (
    Given("uci_restaurants", "ratings.parquet", {"places": "places.parquet"}),
    Given("ifood_campaigns", "ifood_campaigns.parquet"),
    # Its `dataset.json` has no tasks; these are the labels that its page tells.
    Given(
        "tiny_samples",
        "aliexpress_like_train.csv",
        tasks=(
            {"name": "click", "column": "click", "type": "binary"},
            {"name": "conversion", "column": "conversion", "type": "binary"},
        ),
    ),
    Given("census_income", "census_income.parquet"),
    Given("ml100k", "ratings.parquet", {"users": "users.parquet", "items": "items.parquet"}),
    Given("anime", "interactions.parquet", {"items": "items.parquet"}),
    Given("steam200k", "interactions.parquet", {"items": "items.parquet"}),
    Given("hillstrom", "hillstrom.parquet"),
    Given("open_bandit", "all.parquet", {"items": "items_all.parquet"}),
    Given("taobao_cart_buy", "pairs.parquet"),
)
SMOKE_SETS = 2


def main() -> None:
    """Draft every set, and report."""
    arguments = parser("Agreement of drafts with the tasks that people wrote down.").parse_args()
    folder = data_folder(arguments)
    sets = SETS[:SMOKE_SETS] if arguments.smoke else SETS
    rows = [_row(given, folder) for given in sets if (folder / given.name).exists()]
    report([*rows, *_totals(rows)], arguments)


def _row(given: Given, folder: Path) -> Row:
    root = folder / given.name
    tables = {name: root / file for name, file in given.tables.items()}
    start = time.perf_counter()
    made = draft(root / given.log, tables)
    seconds = time.perf_counter() - start
    wanted = given.tasks or json.loads((root / "dataset.json").read_text(encoding="utf-8"))["tasks"]
    found = _found(made, wanted)
    drafted = [guess.task.name for guess in made.tasks if guess.is_used]
    matched = [task for task, _ in found.values()]
    return {
        "set": given.name,
        "tasks": len(wanted),
        "found": sum(1 for task, _ in found.values() if task),
        "strictly": sum(is_strict for _, is_strict in found.values()),
        "others drafted": ", ".join(name for name in drafted if name not in matched),
        "equal": all(matched) and set(drafted) == set(matched),
        "strictly equal": all(s for _, s in found.values()) and set(drafted) == set(matched),
        "not found": ", ".join(name for name, (task, _) in found.items() if not task),
        "leaks": ", ".join(caution.columns[0] for caution in made.warnings if caution.is_leak),
        "trains": _trains(root / given.log, tables),
        "seconds": seconds,
    }


def _totals(rows: list[Row]) -> list[Row]:
    whole = ("tasks", "found", "strictly", "equal", "strictly equal", "trains")
    return [{"set": "all", **{name: sum(int(row[name] or 0) for row in rows) for name in whole}}]  # type: ignore[arg-type]


def _found(made: Draft, wanted: list[dict[str, Any]]) -> dict[str, tuple[str | None, bool]]:
    """The drafted task for each task of the page, and whether its kind has the same name."""
    tables = [guess.table for guess in made.tables]
    log = join(read(made.source), tables).collect()
    drafted = [guess.task for guess in made.tasks if guess.is_used]
    given = TaskReader(drafted).read(log)
    found: dict[str, tuple[str | None, bool]] = {}
    for entry in wanted:
        label, seen = _labels(entry, log)
        found[entry["name"]] = (None, False)
        for at, task in enumerate(drafted):
            mine = _transformed(task, given.labels[:, at].astype(np.float64))
            same = bool((given.observed[:, at] == seen).all())
            if task.kind in ALIKE[entry["type"]] and same and np.allclose(mine[seen], label[seen]):
                found[entry["name"]] = (task.name, task.kind == entry["type"])
                break
    return found


def _labels(
    entry: Mapping[str, Any], log: pl.DataFrame
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The labels of a task of the page, and the rows that have one.

    Without a mask a yes or no has a label on every row: a null is a no.
    """
    text = entry.get("expr", entry.get("column"))
    values = evaluate(parse(text), log, where=text).cast(pl.Float64)
    if "mask" in entry:
        seen = evaluate(parse(entry["mask"]), log, where="mask").fill_null(value=False)
        seen = seen & values.is_not_null()
    elif entry["type"] == "regression":
        seen = values.is_not_null()
    else:
        seen = pl.Series([True] * len(values))
    return values.fill_null(0.0).to_numpy(), seen.to_numpy()


def _transformed(task: Task, label: NDArray[np.float64]) -> NDArray[np.float64]:
    """The label as the head learns it; a page may state either form of a skewed number."""
    if isinstance(task, Regression) and task.transform == "log1p":
        return np.log1p(label)
    return label


def _trains(log: Path, tables: Mapping[str, Path]) -> bool:
    """Whether the draft of a slice trains for an epoch as it stands."""
    rows = read(log).collect()
    some = rows.sample(min(SLICE_ROWS, rows.height), seed=SEED)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        some.write_parquet(folder / "log.parquet")
        file = folder / "experiment.toml"
        file.write_text(draft(folder / "log.parquet", tables).to_toml(folder), encoding="utf-8")
        experiment = Experiment.read(file, ["training.epochs=1"])
        run = train(**experiment.arguments(), out=folder / "run")
        return (run.folder / "artifact").exists()


if __name__ == "__main__":
    main()
