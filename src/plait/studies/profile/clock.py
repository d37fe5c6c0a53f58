"""A clock that charges every moment to exactly one name, so that no second is counted twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

__all__ = ["Clock"]

P = ParamSpec("P")
R = TypeVar("R")


class Clock:
    """Seconds by name. One name is running at any time; what is inside it is not charged to it.

    Args:
        device: where the work is done. Work on a GPU is waited for at every change of name, so that
            it is charged to the name that asked for it.

    Attributes:
        seconds: what each name was charged so far, the running one up to its start.
        running: the name that runs.
    """

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = {}
        self._device = device
        self.running = ""
        self._since = self.now()

    def now(self) -> float:
        """The time, once all work that was asked for is done."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def switch(self, name: str) -> str:
        """Charge the running name up to now, and let another one run; the name that ran."""
        now, before = self.now(), self.running
        self.seconds[before] = self.seconds.get(before, 0.0) + now - self._since
        self.running, self._since = name, now
        return before

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        """Let a name run for as long as the block does, and then the one that ran before."""
        before = self.switch(name)
        try:
            yield
        finally:
            self.switch(before)

    def restart(self) -> float:
        """Forget what was charged; the time from which on it is charged again."""
        self.seconds.clear()
        self._since = self.now()
        return self._since

    @contextmanager
    def watching(self, owner: object, functions: Mapping[str, str]) -> Iterator[None]:
        """Charge functions of a module, class or object for as long as the block runs.

        They are covered from outside, so that they need not know of any clock, and are what they
        were when the block is left.

        Args:
            owner: whose functions they are.
            functions: the name that is charged, by the function's own name.
        """
        before = {name: vars(owner)[name] for name in functions if name in vars(owner)}
        for name, charged in functions.items():
            setattr(owner, name, self._watched(getattr(owner, name), charged))
        try:
            yield
        finally:
            for name in functions:
                if name in before:
                    setattr(owner, name, before[name])
                else:
                    delattr(owner, name)

    def _watched(self, function: Callable[P, R], name: str) -> Callable[P, R]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            with self.on(name):
                return function(*args, **kwargs)

        return run
