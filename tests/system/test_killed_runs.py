"""A run that is killed and resumed ends with the bits of one that never was."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from safetensors.numpy import load_file
from tests.system.feeds import feed

SCRIPT = """
import os, signal, sys, threading
from dataclasses import replace
import plait, torch
from plait.training import Callback
from tests.system.feeds import arguments

log, out, mode, moment = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])
torch.set_num_threads(1)

class Die(Callback):
    def on_start(self, *, steps_done, total_steps):
        if mode == "SIGKILL":  # at any moment, also while a checkpoint is written
            kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
            threading.Timer(moment, kill).start()

    def on_step(self, report):
        if mode == "SIGTERM" and report.step == moment:
            signal.raise_signal(signal.SIGTERM)

settings = arguments(log, out, epochs=6)
settings["training"] = replace(settings["training"], checkpoint_seconds=0.0, batch_size=64)
settings["callbacks"] = (Die(),)
plait.train(**settings, resume=True)
"""


def run(log: Path, out: Path, *, mode: str = "none", moment: float = 0) -> int:
    """One session of the run, in a process of its own; its exit code."""
    command = [sys.executable, "-c", SCRIPT, str(log), str(out), mode, str(moment)]
    return subprocess.run(command, check=False, capture_output=True).returncode


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "feed.parquet"
    feed(1000).write_parquet(path)
    return path


@pytest.fixture(scope="module")
def unbroken(log: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken") / "run"
    assert run(log, out) == 0
    return out


def assert_same(first: Path, second: Path) -> None:
    """The weights, the metrics and the scores of two runs are the same to the last bit."""
    one = load_file(first / "artifact" / "model.safetensors")
    other = load_file(second / "artifact" / "model.safetensors")
    assert one.keys() == other.keys()
    for name in one:
        assert one[name].tobytes() == other[name].tobytes(), name
    assert (first / "metrics.json").read_bytes() == (second / "metrics.json").read_bytes()
    histories = [json.loads((run / "history.json").read_text()) for run in (first, second)]
    scores = [[report["scores"] for report in h["evaluations"]] for h in histories]
    assert scores[0] == scores[1]


def test_sigkill_at_twenty_random_moments_changes_nothing(
    log: Path, unbroken: Path, tmp_path: Path
) -> None:
    draw, out, kills = random.Random(0), tmp_path / "run", 0
    for _ in range(20):
        code = run(log, out, mode="SIGKILL", moment=draw.uniform(0.02, 0.25))
        if code == 0:
            break  # the timer came after the end
        assert code == -signal.SIGKILL
        kills += 1
    assert kills >= 5
    assert run(log, out) == 0
    assert_same(unbroken, out)


def test_sigterm_leaves_a_checkpoint_and_changes_nothing(
    log: Path, unbroken: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert run(log, out, mode="SIGTERM", moment=4) == 1
    state = json.loads((out / "training" / "checkpoint" / "state.json").read_text())
    assert state["steps"] == 4
    assert run(log, out) == 0
    assert_same(unbroken, out)


def test_a_finished_run_that_is_resumed_stays_what_it_is(
    log: Path, unbroken: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert run(log, out) == 0
    assert run(log, out) == 0
    assert_same(unbroken, out)


def test_the_log_is_what_it_was(log: Path) -> None:
    assert pl.read_parquet(log).equals(feed(1000))
