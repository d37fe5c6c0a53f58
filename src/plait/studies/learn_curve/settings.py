"""What a learning curve is drawn over: shares of labels, wrong labels, ways to learn, seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from plait.errors import ConfigurationError, UnknownNameError

from .families import FAMILIES, SUPERVISED, Family

__all__ = ["FEWEST_SEEDS", "CurveSettings", "Part"]

Part = Literal["valid", "test"]

FEWEST_SEEDS = 3
"""With fewer, nothing is said of gains."""


@dataclass(frozen=True, kw_only=True)
class CurveSettings:
    """What a learning curve is drawn over.

    Stability: experimental.

    Example:
        >>> CurveSettings(shares=(0.1, 1.0), families=("hybrid",)).families
        ('supervised', 'hybrid')

    Attributes:
        task: whose labels are hidden and turned round. None: those of all tasks, a row's together.
        shares: of the training labels that are left, each above 0 and at most 1.
        flips: shares of the binary labels left that are turned round, each from 0 to 0.5.
        families: the ways to learn; `supervised` is always among them.
        seeds: how often everything is done again with other draws and other weights.
        on: the rows that judge: `valid` or `test`. They keep all of their labels.

    Raises:
        ConfigurationError: a setting that is out of range.
        UnknownNameError: no family of this name.
    """

    task: str | None = None
    shares: Sequence[float] = (0.01, 0.05, 0.1, 0.25, 1.0)
    flips: Sequence[float] = (0.0, 0.2)
    families: Sequence[Family] = tuple(FAMILIES)
    seeds: int = 3
    on: Part = "valid"

    def __post_init__(self) -> None:
        for family in self.families:
            if family not in FAMILIES:
                raise UnknownNameError(family, what="way to learn", known=FAMILIES)
        problems = list(self._problems())
        if problems:
            raise ConfigurationError("CurveSettings: " + "; ".join(problems) + ".")
        wanted = {SUPERVISED, *self.families}
        for name, value in {
            "shares": tuple(sorted(set(self.shares))),
            "flips": tuple(sorted(set(self.flips))),
            "families": tuple(family for family in FAMILIES if family in wanted),
        }.items():
            object.__setattr__(self, name, value)

    def _problems(self) -> Iterator[str]:
        for name, values in (("shares", self.shares), ("flips", self.flips)):
            if not values:
                yield f"`{name}` names none; give at least one"
        for share in self.shares:
            if not 0 < share <= 1:
                yield f"`shares` must be above 0 and at most 1, got {share:g}{_percent(share)}"
        for flip in self.flips:
            if not 0 <= flip <= 0.5:
                yield f"`flips` must lie in [0, 0.5], got {flip:g}{_percent(flip)}"
        if self.seeds < 1:
            yield f"`seeds` must be at least 1, got {self.seeds}"
        if self.on not in get_args(Part):
            yield f"`on` is 'valid' or 'test', got {self.on!r}"


def _percent(share: float) -> str:
    """What was probably meant by a number that is no share."""
    if not (1 < share <= 100) or math.isnan(share):
        return ""
    return f" (for {share:g} % write {share / 100:g})"
