"""Ctrl-C and SIGTERM as a wish that training can fulfil between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Interrupt:
    """Whether, and by which signal, the run was asked to stop."""

    signal: int | None = None


@contextmanager
def catch_interrupts() -> Iterator[Interrupt]:
    """Turn SIGINT and SIGTERM into a flag for as long as the block runs.

    A second signal falls through to the handler that was there before, so that a person can
    always get out. Outside the main thread, where Python allows no handlers, the flag stays down.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in numbers}

    def ask(number: int, frame: FrameType | None) -> None:
        interrupt.signal = number
        for caught, handler in before.items():
            signal.signal(caught, handler)

    for number in before:
        signal.signal(number, ask)
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
