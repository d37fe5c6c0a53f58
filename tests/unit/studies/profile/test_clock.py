"""Every moment is charged to exactly one name."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
import torch

from plait.studies.profile.clock import Clock


class Hand:
    """A time that moves only when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = 100.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.at)

    def move(self, seconds: float) -> None:
        self.at += seconds


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    return Hand(monkeypatch)


def test_what_is_inside_a_name_is_not_charged_to_it(hand: Hand) -> None:
    clock = Clock(torch.device("cpu"))
    hand.move(1)
    with clock.on("outer"):
        hand.move(2)
        with clock.on("inner"):
            hand.move(4)
        hand.move(8)
    hand.move(16)
    clock.switch("end")
    assert clock.seconds == {"": 17, "outer": 10, "inner": 4}


def test_a_name_ends_with_its_block_even_when_that_fails(hand: Hand) -> None:
    clock = Clock(torch.device("cpu"))

    def break_off() -> None:
        with clock.on("broken"):
            hand.move(1)
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    hand.move(2)
    assert clock.switch("end") == ""
    assert clock.seconds == {"": 2, "broken": 1}


def test_a_restart_forgets_and_keeps_the_name_running(hand: Hand) -> None:
    clock = Clock(torch.device("cpu"))
    clock.switch("kept")
    hand.move(1)
    assert clock.restart() == 101
    hand.move(2)
    clock.switch("end")
    assert clock.seconds == {"kept": 2}


def test_functions_are_watched_for_as_long_as_the_block_runs(hand: Hand) -> None:
    class Worker:
        def work(self, seconds: float, *, twice: bool = False) -> str:
            hand.move(2 * seconds if twice else seconds)
            return "done"

    clock, method, worker = Clock(torch.device("cpu")), Worker.work, Worker()
    module = SimpleNamespace(run=worker.work)
    watched = {"work": "method"}
    with clock.watching(Worker, watched), clock.watching(module, {"run": "function"}):
        assert worker.work(1, twice=True) == module.run(5) == "done"
    with clock.watching(worker, {"work": "of one object"}):
        worker.work(7)
        Worker().work(9)
    worker.work(11)
    clock.switch("end")
    assert clock.seconds == {"": 20, "method": 2, "function": 5, "of one object": 7}
    assert Worker.work is method
    assert module.run == worker.work
    assert "work" not in vars(worker)


def test_a_gpu_is_waited_for_before_the_time_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    Clock(torch.device("cpu")).switch("x")
    assert not waited
    Clock(torch.device("cuda")).switch("x")
    assert waited == [torch.device("cuda")] * 2
