"""A run that is killed and resumed ends with the bits of one that never was."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.numpy import load_file
from tests.processes import run_apart
from tests.system.feeds import arguments, feed

import plait
from plait.training import Callback, StepReport


class Die(Callback):
    """Ends the process in a given way.

    Args:
        mode: the name of a signal, or `none`.
        moment: SIGKILL: seconds after the start of training, also while a checkpoint is written;
            SIGTERM: the step.
    """

    def __init__(self, mode: str, moment: float) -> None:
        self.mode = mode
        self.moment = moment

    def on_start(self, *, steps_done: int, total_steps: int) -> None:
        if self.mode == "SIGKILL":
            threading.Timer(self.moment, partial(os.kill, os.getpid(), signal.SIGKILL)).start()

    def on_step(self, report: StepReport) -> None:
        if self.mode == "SIGTERM" and report.step == self.moment:
            signal.raise_signal(signal.SIGTERM)


def session(log: Path, out: Path, mode: str, moment: float) -> None:
    """Train or go on, in this process."""
    torch.set_num_threads(1)
    settings = arguments(log, out, epochs=6)
    settings["training"] = replace(settings["training"], checkpoint_seconds=0.0, batch_size=64)
    settings["callbacks"] = (Die(mode, moment),)
    plait.train(**settings, resume=True)


def run(log: Path, out: Path, *, mode: str = "none", moment: float = 0) -> int:
    """One session of the run, in a process of its own; its exit code."""
    return run_apart(session, log, out, mode, moment).returncode


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
