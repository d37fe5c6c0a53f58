"""What a person sees of a running training."""

from __future__ import annotations

import io
import math
import re

import pytest
from rich.console import Console

from plait.errors import TrainingError
from plait.training.callbacks import EvaluationReport, History, StepReport
from plait.training.progress import RichProgress


class Screen:
    """A progress display on a console that is kept, with a clock that is set by hand."""

    def __init__(self, *, is_terminal: bool, width: int = 100) -> None:
        self.file = io.StringIO()
        self.now = 0.0
        console = Console(
            file=self.file, force_terminal=is_terminal, width=width, color_system=None
        )
        self.progress = RichProgress(console, clock=lambda: self.now)

    def step(self, step: int, **losses: float) -> None:
        self.progress.on_step(StepReport(step, 1, 1_000, 500, losses, {}))

    @property
    def drawn(self) -> list[str]:
        """What was drawn, line by line, without the signs that move the cursor."""
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.file.getvalue())
        return [line for line in re.split(r"[\r\n]+", plain) if line.strip()]


def _evaluation(**settings: object) -> EvaluationReport:
    report: dict[str, object] = {
        "step": 1_200,
        "epoch": 3,
        "losses": {"like": 0.5},
        "scores": {"like": 0.7312, "buy": 0.9},
        "mix": 0.8156,
        "is_best": True,
        "seconds": 3_725.0,
    }
    return EvaluationReport(**{**report, **settings})  # type: ignore[arg-type]


def test_the_bar_shows_steps_speed_losses_and_the_time_left() -> None:
    screen = Screen(is_terminal=True)
    with screen.progress as progress:
        progress.on_start(steps_done=0, total_steps=1_000)
        screen.now = 1.0
        screen.step(1, like=0.5, buy=0.25)
        screen.now = 4.0
        screen.step(2, like=0.25, rare=math.nan)
    # 1,000 rows in 4 seconds; 2 seconds a step and 998 steps to go.
    assert screen.drawn[-1].split("━ ")[-1].strip() == (
        "2/1,000 250 rows/s, 33:16 left loss like 0.3750, buy 0.2500"
    )


def test_the_bar_is_drawn_at_most_ten_times_a_second() -> None:
    screen = Screen(is_terminal=True)
    with screen.progress as progress:
        progress.on_start(steps_done=0, total_steps=1_000)
        before = len(screen.file.getvalue())
        sizes = set()
        for step in range(1, 100):
            screen.now = step / 1_000
            screen.step(step, like=0.5)
            sizes.add(len(screen.file.getvalue()))
    assert sizes != {before}
    assert len(sizes) == 1


def test_the_bar_fits_a_narrow_terminal() -> None:
    screen = Screen(is_terminal=True, width=40)
    with screen.progress as progress:
        progress.on_start(steps_done=0, total_steps=1_000)
        screen.now = 1.0
        screen.step(1, like=0.5, a_task_with_a_long_name=0.25)
    assert max(map(len, screen.drawn)) <= 40
    assert "1/1,000" in screen.drawn[-1]


def test_the_bar_goes_away_when_training_fails() -> None:
    screen = Screen(is_terminal=True)

    def train() -> None:
        with screen.progress as progress:
            progress.on_start(steps_done=0, total_steps=1_000)
            raise TrainingError("stop")

    with pytest.raises(TrainingError, match="stop"):
        train()
    assert screen.file.getvalue().endswith("\x1b[2K")  # the line is cleared


def test_where_there_is_no_terminal_each_evaluation_is_one_line() -> None:
    screen = Screen(is_terminal=False, width=20)
    with screen.progress as progress:
        progress.on_start(steps_done=0, total_steps=1_000)
        screen.now = 5.0
        screen.step(1, like=0.5)
        progress.on_evaluation(_evaluation())
        progress.on_evaluation(_evaluation(is_best=False, seconds=59.6, scores={"like": 0.5}))
        progress.on_end(History(stopped="all steps were run"))
    assert screen.file.getvalue() == (
        "epoch 3 · step 1,200 · 1:02:05 · like 0.7312 · buy 0.9000 · mix 0.8156 (best)\n"
        "epoch 3 · step 1,200 · 1:00 · like 0.5000 · mix 0.8156\n"
        "training ended: all steps were run\n"
    )


def test_without_validation_rows_the_losses_are_shown() -> None:
    screen = Screen(is_terminal=False)
    screen.progress.on_evaluation(_evaluation(scores={}, mix=math.nan, is_best=False))
    assert screen.file.getvalue() == "epoch 3 · step 1,200 · 1:02:05 · loss like 0.5000\n"


def test_losses_and_speed_start_anew_at_each_evaluation() -> None:
    screen = Screen(is_terminal=True)
    with screen.progress as progress:
        progress.on_start(steps_done=0, total_steps=1_000)
        screen.now = 10.0
        screen.step(1, like=0.5)
        screen.now = 20.0
        progress.on_evaluation(_evaluation())
        screen.now = 21.0
        screen.step(2, like=0.25)
    assert "500 rows/s" in screen.drawn[-1]
    assert "loss like 0.2500" in screen.drawn[-1]


def test_a_resumed_run_says_where_it_goes_on() -> None:
    screen = Screen(is_terminal=False)
    screen.progress.on_start(steps_done=400, total_steps=1_000)
    screen.progress.on_end(History())
    assert screen.file.getvalue() == "goes on after step 400 of 1,000\n"
