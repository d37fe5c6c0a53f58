"""The job of the speed benchmark: its log, its arrays, its reference, and rivals that fail."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from benchmarks._rivals.arrays import ArrayReader, Arrays
from benchmarks._rivals.job import Job
from benchmarks._rivals.log import ITEM, VOCABULARIES, task_names, write_log
from benchmarks._rivals.net import Net
from benchmarks._rivals.reference import Table
from tests.processes import run_script
from torch.testing import assert_close

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "speed.py"
ROWS = 20_000


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same rows with plain and with raw ids."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("plain", "raw")}
    for name, folder in folders.items():
        write_log(folder, ROWS, ROWS, num_tasks=4, strings=name == "raw")
    return folders


def _read(folder: Path) -> tuple[Arrays, Arrays]:
    reader = ArrayReader(Job(folder=str(folder), out="", tasks=task_names(4)))
    return reader.train(), reader.test()


def test_a_tenth_is_clicked_a_tenth_of_that_converts_and_nothing_else_does(
    logs: dict[str, Path],
) -> None:
    train, test = _read(logs["plain"])
    labels = np.concatenate([train.labels, test.labels])
    clicks, conversions = labels[:, 0::2], labels[:, 1::2]
    assert clicks.mean(axis=0) == pytest.approx([0.1, 0.1], abs=0.006)
    assert (conversions.sum(axis=0) / clicks.sum(axis=0)) == pytest.approx([0.1, 0.1], abs=0.025)
    assert (conversions <= clicks).all()


def test_ids_lie_within_their_vocabularies_and_histories_hold_items(logs: dict[str, Path]) -> None:
    train, _ = _read(logs["plain"])
    assert train.sizes == VOCABULARIES
    assert (train.ids >= 0).all()
    assert (train.ids < VOCABULARIES).all()
    assert train.history is not None
    lengths = (train.history > 0).sum(axis=1)
    assert (lengths.min(), lengths.max()) == (1, 20)
    assert (train.history[:, 0] > 0).all()
    assert train.history.max() < VOCABULARIES[ITEM]


def test_raw_ids_are_encoded_to_the_same_rows(logs: dict[str, Path]) -> None:
    plain, raw = (_read(logs[name])[0] for name in ("plain", "raw"))
    assert np.array_equal(plain.labels, raw.labels)
    assert plain.history is not None
    assert raw.history is not None
    for place, size in enumerate(raw.sizes):
        pairs = np.stack([plain.ids[:, place], raw.ids[:, place]], axis=1)
        if place == ITEM:
            items = np.stack([plain.history.ravel(), raw.history.ravel()], axis=1)
            pairs = np.concatenate([pairs, items[plain.history.ravel() > 0]])
        distinct = np.unique(pairs, axis=0)
        assert len(distinct) == len(np.unique(pairs[:, 0])) == len(np.unique(pairs[:, 1]))
        assert (distinct[:, 1].min(), distinct[:, 1].max()) == (1, size - 1)
    assert np.array_equal(plain.history > 0, raw.history > 0)


def test_ids_that_the_training_log_lacks_are_encoded_as_unknown(logs: dict[str, Path]) -> None:
    known, asked = (
        pq.read_table(logs["raw"] / f"{part}.parquet").column("c19").to_numpy()
        for part in ("train", "test")
    )
    _, test = _read(logs["raw"])
    assert np.array_equal(test.ids[:, 19] == 0, ~np.isin(asked, known))


def test_the_reference_finds_the_distinct_rows_and_where_they_stand() -> None:
    rows = torch.tensor([[4, 1, 4], [0, 1, 7]], dtype=torch.int32)
    distinct, places = Table((8, 2)).distinct(rows)
    assert sorted(distinct.tolist()) == [0, 1, 4, 7]
    assert torch.equal(distinct[places], rows.long())


def test_the_reference_updates_touched_rows_as_adam_does() -> None:
    table = Table((4, 3))
    literal = torch.nn.Parameter(table.weight.clone())
    adam = torch.optim.Adam([literal], lr=1e-3)
    generator = torch.Generator().manual_seed(0)
    rows = torch.tensor([5, 0, 6, 1, 2, 3, 4])
    for _ in range(3):
        gradient = torch.randn(7, 16, generator=generator)
        literal.grad = torch.zeros_like(literal).index_copy(0, rows, gradient)
        adam.step()
        table.update(rows, table.weight[rows], gradient)
    assert_close(table.weight, literal.detach(), rtol=0, atol=1e-7)


def test_a_task_of_ple_reads_shared_experts_and_its_own() -> None:
    net = Net(Job(folder="", out="", architecture="ple"))
    net(torch.randn(8, 344))[:, 0].sum().backward()
    reached = [
        sum(float(p.grad.abs().sum()) for p in expert.parameters() if p.grad is not None) > 0
        for expert in net.experts
    ]
    assert reached == [True, True, True, False]


def _race(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A smoke run in which pip finds no package."""
    words = ("--smoke", "--json", str(folder / "speed.json"), *arguments)
    environment = os.environ | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}
    return run_script(SCRIPT, *words, environment=environment)


def test_a_rival_that_cannot_be_installed_is_a_row_that_says_why(tmp_path: Path) -> None:
    done = _race(tmp_path, "--only", "reference,nextrec", "--environments", str(tmp_path / "made"))
    assert done.returncode == 0, done.stderr
    reference, rival = json.loads((tmp_path / "speed.json").read_text(encoding="utf-8"))["rows"]
    assert reference["train_rows_per_second"] > 0
    assert 0 <= reference["auc_click"] <= 1
    assert reference["times_reference"] == 1.0
    assert set(rival) == {"job", "rival", "reason"}
    assert rival["reason"].startswith("it cannot be installed: ")
    assert "torch==2.13.0" in rival["reason"]
    assert not (tmp_path / "made" / "nextrec").exists()


def test_a_run_that_nobody_finishes_fails(tmp_path: Path) -> None:
    done = _race(tmp_path, "--only", "reference", "--timeout", "0.01")
    assert done.returncode == 1
    assert "it was not done within 0.01 s" in done.stderr
    assert "Nobody did the job" in done.stderr


def test_the_table_does_job_after_job(tmp_path: Path) -> None:
    done = _race(tmp_path, "--table", "--only", "reference", "--timeout", "0.01")
    assert done.returncode == 1  # nobody finishes, so that this takes no time
    rows = json.loads((tmp_path / "speed.json").read_text(encoding="utf-8"))["rows"]
    jobs = [row["job"] for row in rows]
    assert len(jobs) == 10
    for part in ("batch 512", "single_task", "shared_bottom", "ple", "4 tasks", "8 tasks"):
        assert sum(part in job for job in jobs) == 1
    assert sum("no sequence" in job for job in jobs) == 1


def test_an_unknown_rival_is_named_with_those_there_are(tmp_path: Path) -> None:
    done = _race(tmp_path, "--only", "plaid")
    assert done.returncode == 2
    assert "no rival 'plaid'; there are plait, plait-pure, reference" in done.stderr
