"""Do two towers find what users take next, as well as alternating least squares does?

    python benchmarks/retrieval.py --seeds 3 --json retrieval.json

MovieLens-100K by time (the catalogue's `ml100k_time`): learnt from likes among the training rows,
judged by recall@50 of the likes among the later rows. A user is asked once; what they rated before
is left out of the candidates and of what counts. Both sides may try the same number of settings
with one seed, the best on the validation rows is kept, and it alone is judged on the test rows.

The rival is `implicit`, installed in an environment that is made for it. It has no vector for a
user without a like, so such users get the most liked items, which helps it. `known` is the recall
on users with a training row alone; `popularity` what the most liked items reach for everybody.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from _environments import Environment, InstallationError
from _report import Row, data_folder, parser, report
from _sets import ML100K_TIME

from plait import Training
from plait.experiment.towers import train_towers
from plait.metrics import paired_difference
from plait.retrieval import Catalogue, Exposures, Judge, Recall, Retrieval

K = 50
IMPLICIT = Environment("implicit", ("implicit==0.7.3", "numpy==2.4.6", "scipy==1.17.1"))
RIVAL = Path(__file__).parent / "_rivals" / "implicit_als.py"

FREE = {"key_l2": 0.0, "table_learning_rate": 0.1}
TOWERS: Sequence[Mapping[str, Any]] = (
    {"training": FREE},
    {"training": {**FREE, "table_learning_rate": 0.3}},
    {"dropout": 0.2, "training": FREE},
    {"width": 32, "training": FREE},
    {"similarity": "cosine", "training": FREE},
    {"layers": (), "training": FREE},
)
LEAST_SQUARES: Sequence[Mapping[str, Any]] = (
    {"factors": 8, "regularization": 1.0, "alpha": 1.0, "iterations": 15},
    {"factors": 16, "regularization": 1.0, "alpha": 1.0, "iterations": 15},
    {"factors": 32, "regularization": 1.0, "alpha": 1.0, "iterations": 15},
    {"factors": 16, "regularization": 10.0, "alpha": 10.0, "iterations": 15},
    {"factors": 32, "regularization": 10.0, "alpha": 10.0, "iterations": 15},
    {"factors": 64, "regularization": 10.0, "alpha": 1.0, "iterations": 15},
)


class Parts(NamedTuple):
    """The pairs of user and item of each part."""

    train: Exposures
    valid: Exposures
    test: Exposures

    def judge(self, part: str) -> Judge:
        """What judges candidates on a part."""
        before = (self.valid,) if part == "test" else ()
        catalogue = Catalogue.of(self.train)
        return Judge(self.train, getattr(self, part), catalogue, before=before)


def main() -> None:
    """Tune both, judge both, and report."""
    made = parser("Recall of two towers beside alternating least squares.")
    made.add_argument("--seeds", type=int, default=3)
    made.add_argument(
        "--environments", type=Path, default=Path(".bench/environments"), help="of rivals"
    )
    arguments = made.parse_args()
    data = data_folder(arguments)
    log = pl.read_parquet(Path(str(ML100K_TIME.log(data))))
    seeds, tried = range(arguments.seeds), len(TOWERS)
    if arguments.smoke:  # a twentieth of the rows of each part, and no rival
        log, seeds, tried = log.filter(pl.col("time_rank") % 20 == 0), range(2), 1
    with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
        towers = _Towers(log, data, Path(scratch), epochs=2 if arguments.smoke else 30)
        found = {"two towers": _tuned(towers, TOWERS[:tried], seeds)}
        if not arguments.smoke:
            try:
                python = IMPLICIT.python(arguments.environments)
            except InstallationError as error:
                print(f"implicit cannot be installed: {error}")
            else:
                rival = _LeastSquares(_parts(log), python, Path(scratch))
                found["implicit ALS"] = _tuned(rival, LEAST_SQUARES, seeds)
    report(list(_rows(found)), arguments)


class Tuned(NamedTuple):
    """What was chosen on the validation rows, and how it does with each seed."""

    setting: Mapping[str, Any]
    runs: list[dict[str, Recall]]


class _Towers:
    """plait's two towers on a log."""

    def __init__(self, log: pl.DataFrame, data: Path, scratch: Path, *, epochs: int) -> None:
        self.log = log
        self.tables = ML100K_TIME.tables(data)
        self.scratch = scratch
        self.epochs = epochs

    def recalls(self, setting: Mapping[str, Any], seed: int) -> dict[str, Recall]:
        """The recall on validation and test rows."""
        chosen = {name: value for name, value in setting.items() if name != "training"}
        with tempfile.TemporaryDirectory(dir=self.scratch) as out:
            run = train_towers(
                self.log,
                schema=replace(ML100K_TIME.schema, time="time_rank"),  # without ties
                tasks=ML100K_TIME.tasks,
                split=ML100K_TIME.split,
                tables=self.tables,
                retrieval=Retrieval(positives={"like": 1.0}, k=K, **chosen),
                training=Training(epochs=self.epochs, seed=seed, **setting["training"]),
                cache=self.scratch / "prepared",
                out=out,
            )
            return run.recalls


class _LeastSquares:
    """The rival, fitted in its own environment."""

    def __init__(self, parts: Parts, python: Path, scratch: Path) -> None:
        self.parts = parts
        self.python = python
        self.scratch = scratch
        liked = parts.train.positives()
        self.users, places = np.unique(liked.user, return_inverse=True)
        self.catalogue = Catalogue.of(parts.train)
        items = self.catalogue.places(liked.item)
        self.popularity = np.bincount(items, minlength=len(self.catalogue))
        shape = (len(self.users), len(self.catalogue))
        np.savez(scratch / "pairs.npz", users=places, items=items, shape=shape)

    def recalls(self, setting: Mapping[str, Any], seed: int) -> dict[str, Recall]:
        """The recall on validation and test rows."""
        written = [{**setting, "random_state": seed}]
        (self.scratch / "settings.json").write_text(json.dumps(written), encoding="utf-8")
        command = [str(self.python), str(RIVAL.absolute()), "pairs.npz", "settings.json", "factors"]
        subprocess.run(command, cwd=self.scratch, check=True)
        found = np.load(self.scratch / "factors-0.npz")
        return {part: self._judged(part, found) for part in ("valid", "test")}

    def _judged(self, part: str, found: Mapping[str, np.ndarray]) -> Recall:
        judge = self.parts.judge(part)
        at = np.searchsorted(self.users, judge.users).clip(max=len(self.users) - 1)
        is_known = self.users[at] == judge.users
        # One number more: a user without a vector ranks by popularity.
        users = np.column_stack([found["users"][at] * is_known[:, None], ~is_known])
        items = np.column_stack([found["items"], self.popularity])
        return judge.recall(users.astype(np.float32), items.astype(np.float32), K)


def _parts(log: pl.DataFrame) -> Parts:
    """The pairs of each part, as the catalogue's split cuts them."""
    split = ML100K_TIME.split
    rank = log["time_rank"].to_numpy()
    bounds = (0, split.valid_from, split.test_from, rank.max() + 1)
    parts = []
    for low, high in pairwise(bounds):
        rows = log.filter((pl.col("time_rank") >= low) & (pl.col("time_rank") < high))
        parts.append(
            Exposures(
                np.arange(rows.height),
                rows["user_id"].to_numpy().astype(np.int64),
                rows["item_id"].to_numpy().astype(np.int64),
                (rows["rating"] >= 4).to_numpy().astype(np.float32),
            )
        )
    return Parts(*parts)


def _tuned(
    side: _Towers | _LeastSquares, settings: Sequence[Mapping[str, Any]], seeds: Sequence[int]
) -> Tuned:
    tried = []
    for setting in settings:
        found = side.recalls(setting, seeds[0])
        print(setting, found["valid"], flush=True)
        tried.append(found)
    best = max(range(len(settings)), key=lambda place: tried[place]["valid"].value)
    rest = [side.recalls(settings[best], seed) for seed in seeds[1:]]
    return Tuned(settings[best], [tried[best], *rest])


def _rows(found: Mapping[str, Tuned]) -> Iterator[Row]:
    ours = [run["test"].value for run in found["two towers"].runs]
    for name, tuned in found.items():
        test = [run["test"] for run in tuned.runs]
        row: dict[str, Any] = {
            "model": name,
            f"recall@{K}": float(np.mean([each.value for each in test])),
            "known": float(np.mean([each.known for each in test])),
            "valid": float(np.mean([run["valid"].value for run in tuned.runs])),
            "users": test[0].users,
            "known users": test[0].known_users,
            "popularity": test[0].popularity,
            "seeds": len(test),
            "setting": json.dumps(tuned.setting),
        }
        if name != "two towers":
            gain = paired_difference(ours, [each.value for each in test])
            row |= {"towers minus this": gain.value, "low": gain.low, "high": gain.high}
        yield row


if __name__ == "__main__":
    main()
