"""What a demonstration shows, and what it changes so that it ends within about a minute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from plait.errors import ConfigurationError
from plait.studies.baselines import BaselineName

__all__ = ["BASELINES_OF_DEMO", "NUM_RESAMPLES", "DemoOptions"]

ROWS = 200_000
LARGE_LOG = 20_000
"""Rows above which a run with every setting as drafted takes more than a minute."""
ROWS_OF_ALL_EPOCHS = 600_000
"""Rows that a run on a large log passes over at most, all its epochs together."""
QUICK_HISTORY = (
    'history.features=["rate"]',
    'model.architecture={name="MMoE",layers=[64,32]}',
)
"""Where there is a history, which makes many features: fewer of them, and narrower experts."""
BASELINES_OF_DEMO: tuple[BaselineName, ...] = ("constant", "item_mean", "logistic", "single_task")
NUM_RESAMPLES = 100


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """What the demonstration is made on.

    Stability: experimental.

    Attributes:
        rows: of the simulated log; None: 200,000.
        seed: of the log, the model and the intervals.
        dataset: a set of the catalogue instead of a simulated log.
        path: the folder of its files.
        settings: further settings of the run, as `KEY=VALUE`.

    Raises:
        ConfigurationError: choices that contradict each other.

    Example:
        >>> DemoOptions(dataset="ml100k")
        Traceback (most recent call last):
        plait.errors.ConfigurationError: The set 'ml100k' does not come with plait. Say where ...
    """

    rows: int | None = None
    seed: int = 0
    dataset: str | None = None
    path: Path | None = None
    settings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise ConfigurationError(" ".join(problems))

    def overrides(self, num_rows: int, *, has_history: bool) -> tuple[str, ...]:
        """The settings of the run that its experiment file does not hold.

        Args:
            num_rows: rows of the log.
            has_history: whether the model reads what users and items did before.
        """
        quick: tuple[str, ...] = ()
        if num_rows > LARGE_LOG:
            epochs = max(1, ROWS_OF_ALL_EPOCHS // num_rows)
            quick = (f"training.epochs={epochs}", "training.keep_negatives=0.3")
            quick += QUICK_HISTORY if has_history else ()
        seed = (f"training.seed={self.seed}",) if self.seed else ()
        return (*quick, *seed, *self.settings)

    def _problems(self) -> Iterator[str]:
        if self.dataset is not None and self.path is None:
            yield (
                f"The set {self.dataset!r} does not come with plait. Say where its files lie: "
                "--path DIR."
            )
        if self.dataset is None and self.path is not None:
            yield (
                f"--path {self.path} says where a public set lies. Name the set: --dataset NAME; "
                "`plait data` lists them. For a log of your own: plait init FILE."
            )
        if self.dataset is not None and self.rows is not None:
            yield (
                f"--rows {self.rows} is the length of a simulated log, and {self.dataset!r} has "
                "its own. Leave one of both out."
            )
        if self.rows is not None and self.rows < 1:
            yield f"--rows must be at least 1, got {self.rows}."
