"""How a command ends: the exit status that a script reads, the sentence that a person reads."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import typer

from plait.errors import PlaitError, PlaitWarning, TrainingError, TrainingInterrupted

TRAINING_FAILED = 1
MISTAKE = 2
STOPPED_BY = 128
"""Added to the number of the signal, as shells do: 130 for Ctrl-C, 143 for SIGTERM."""


@contextmanager
def explained(*, debug: bool, go_on: str = "") -> Iterator[None]:
    """Turn what stops the block into a message on the standard error and an exit status.

    Args:
        debug: show the traceback too.
        go_on: the command that takes up a training run where it was stopped.

    Raises:
        typer.Exit: with the status.
    """
    try:
        with _plain_warnings():
            yield
    except TrainingInterrupted as stop:
        _say(str(stop) + (f" Go on with:\n  {go_on}" if go_on and stop.folder else ""))
        status = STOPPED_BY + stop.signal
    except KeyboardInterrupt:
        _say("Interrupted.")
        status = STOPPED_BY + 2
    except TrainingError as error:
        _say(f"error: {error}")
        status = TRAINING_FAILED
    except BrokenPipeError:
        raise  # nobody reads the output any more: no message would arrive
    except (PlaitError, OSError) as error:
        _say(f"error: {error}")
        status = MISTAKE
    else:
        return
    if debug:
        traceback.print_exc()
    raise typer.Exit(status)


def _say(sentence: str) -> None:
    typer.echo(sentence, err=True)


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Show a warning of plait as one sentence, without the line of code that gave it."""
    with warnings.catch_warnings():
        as_usual = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, PlaitWarning):
                _say(f"warning: {message}")
            else:
                as_usual(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield
