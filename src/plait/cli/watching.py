"""Long work on a terminal: what is being done now, how far it is, a line for what is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.status import Status
from rich.text import Text

from plait.training import Callback, History


class StepLines:
    """Shows the step that has begun while it lasts, and leaves a line for each one done.

    Where the console is no terminal, the lines alone are written.

    Args:
        console: where to write.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._status: Status | None = None

    def begin(self, what: str) -> None:
        """Show what is being done."""
        self.rest()
        if self.console.is_terminal:
            self._status = self.console.status(Text(f"{what} …", style="dim"))
            self._status.start()

    def tell(self, line: str) -> None:
        """Write a line, and show no step any more."""
        self.rest()
        self.console.print(Text(line), soft_wrap=not self.console.is_terminal)

    def rest(self) -> None:
        """Show no step any more."""
        if self._status is not None:
            self._status.stop()
            self._status = None


class BeforeTraining(Callback):
    """Takes the step away where the bar of training comes."""

    def __init__(self, lines: StepLines) -> None:
        self._lines = lines

    def on_start(self, *, steps_done: int, total_steps: int) -> None:
        """The bar comes."""
        self._lines.rest()


class AfterTraining(Callback):
    """Shows what follows where the bar of training has gone."""

    def __init__(self, lines: StepLines) -> None:
        self._lines = lines

    def on_end(self, history: History) -> None:
        """The bar has gone."""
        self._lines.begin("levelling base rates, judging and saving")


@contextmanager
def rows_done(console: Console) -> Iterator[Callable[[int, int], None]]:
    """Gives a function that is told how many rows are done, and of how many; it shows a bar.

    Where the console is no terminal, nothing is shown.

    Args:
        console: where to write.
    """
    columns = (BarColumn(bar_width=12), MofNCompleteColumn(), "rows", TimeRemainingColumn())
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        line = bar.add_task("", total=None)

        def tell(done: int, total: int) -> None:
            bar.update(line, completed=done, total=total)

        yield tell
