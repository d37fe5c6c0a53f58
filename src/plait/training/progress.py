"""How training is going, for a person who watches: one live bar, and a line for each evaluation."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from .callbacks import Callback, EvaluationReport, History, StepReport

REFRESH_SECONDS = 0.1


class RichProgress(Callback):
    """Shows steps, speed, losses and the time left on a terminal, and evaluations as lines.

    Stability: experimental.

    Where the console is no terminal, the lines alone are written: a log of training. Use it as a
    context, so that the bar is taken away also when training fails:

        with RichProgress() as progress:
            train(..., callbacks=[progress])

    Args:
        console: where to write; None: the standard error.
        clock: seconds of a clock that never goes back.
    """

    def __init__(
        self, console: Console | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._clock = clock
        self._bar = Progress(
            BarColumn(bar_width=12),
            TextColumn("{task.fields[steps]}", markup=False, table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[speed]}", markup=False, table_column=Column(no_wrap=True)),
            TextColumn(
                "{task.fields[losses]}",
                markup=False,
                style="dim",
                table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
            ),
            console=self._console,
            auto_refresh=False,
            transient=True,
            expand=True,
        )
        self._line = self._bar.add_task("", total=None, steps="", speed="", losses="")
        self._shown_at = -math.inf
        self._window = _Window(since=clock())
        self._session = _Window(since=clock())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def on_stage(self, stage: str) -> None:
        """Write what begins."""
        self._write(f"{stage}:")

    def on_start(self, *, steps_done: int, total_steps: int) -> None:
        """Show the bar."""
        if steps_done:
            self._write(f"goes on after step {steps_done:,} of {total_steps:,}")
        self._window = _Window(since=self._clock())
        self._session = _Window(since=self._clock())
        self._bar.update(self._line, total=total_steps, completed=steps_done)
        if self._console.is_terminal:
            self._bar.start()

    def on_step(self, report: StepReport) -> None:
        """Count the step; draw the bar anew, at most ten times a second."""
        self._window.add(report)
        self._session.add(report)
        now = self._clock()
        if not self._console.is_terminal or now - self._shown_at < REFRESH_SECONDS:
            return
        self._shown_at = now
        left = (report.total_steps - report.step) * self._session.seconds_a_step(now)
        self._bar.update(
            self._line,
            completed=report.step,
            steps=f"{report.step:,}/{report.total_steps:,}",
            speed=f"{self._window.rows_a_second(now):,.0f} rows/s, {_duration(left)} left",
            losses=_named("loss", self._window.mean_losses()),
        )
        self._bar.refresh()

    def on_evaluation(self, report: EvaluationReport) -> None:
        """Write the evaluation as a line."""
        parts = [f"epoch {report.epoch}", f"step {report.step:,}", _duration(report.seconds)]
        if report.scores:
            parts += [f"{name} {score:.4f}" for name, score in report.scores.items()]
            parts.append(f"mix {report.mix:.4f}" + (" (best)" if report.is_best else ""))
        else:
            parts.append(_named("loss", report.losses))
        self._write(" · ".join(parts))
        self._window = _Window(since=self._clock())

    def on_end(self, history: History) -> None:
        """Take the bar away and say why training ended."""
        self._stop()
        if history.stopped:
            self._write(f"training ended: {history.stopped}")

    def _stop(self) -> None:
        if self._bar.live.is_started:
            self._bar.stop()

    def _write(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class _Window:
    """What was done since some moment."""

    def __init__(self, *, since: float) -> None:
        self._since = since
        self._steps = 0
        self._rows = 0
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def add(self, report: StepReport) -> None:
        self._steps += 1
        self._rows += report.rows
        for name, loss in report.losses.items():
            if math.isfinite(loss):
                self._sums[name] = self._sums.get(name, 0.0) + loss
                self._counts[name] = self._counts.get(name, 0) + 1

    def mean_losses(self) -> dict[str, float]:
        return {name: total / self._counts[name] for name, total in self._sums.items()}

    def rows_a_second(self, now: float) -> float:
        return self._rows / max(now - self._since, 1e-9)

    def seconds_a_step(self, now: float) -> float:
        return (now - self._since) / max(self._steps, 1)


def _named(what: str, numbers: Mapping[str, float]) -> str:
    return f"{what} " + ", ".join(f"{name} {number:.4f}" for name, number in numbers.items())


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
