"""How far a learning curve has come, and how long it will still take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from .cells import Cell, Place
from .families import FAMILIES

__all__ = ["line_of", "seconds_left", "title_of"]


def seconds_left(finished: Sequence[Cell], open_places: Iterable[Place]) -> float | None:
    """What the open trainings will take, as far as the finished ones tell; None: not yet known.

    Each is taken to last as long as the mean of those most like it: same way to learn and share;
    else same way; else all.
    """
    if not finished:
        return None
    left = 0.0
    for place in open_places:
        same_family = [c for c in finished if c.place.family == place.family]
        alike = [c for c in same_family if c.place.share == place.share]
        left += fmean(cell.seconds for cell in alike or same_family or finished)
    return left


def title_of(place: Place) -> str:
    """What is trained, in a few words.

    Example:
        >>> title_of(Place(0, 0.05, 0.2, "hybrid"))
        'hybrid, 5 % of the labels, 20 % turned round, seed 0'
    """
    turned = f"{100 * place.flip:g} % turned round, " if place.flip else ""
    return (
        f"{FAMILIES[place.family]}, {100 * place.share:g} % of the labels, {turned}"
        f"seed {place.seed}"
    )


def line_of(cell: Cell, metrics: dict[str, str], *, done: int, total: int, left: float) -> str:
    """A finished training in one line.

    Args:
        cell: what it gave.
        metrics: the metric of each task that is shown.
        done: trainings done, this one among them.
        total: of how many.
        left: seconds for the others.
    """
    said = f"not possible: {cell.reason}" if cell.reason else _values(cell, metrics)
    end = f", {_duration(left)} left" if done < total else ""
    return f"{done}/{total} {title_of(cell.place)}: {said} ({cell.seconds:.1f} s{end})"


def _values(cell: Cell, metrics: dict[str, str]) -> str:
    return ", ".join(f"{task} {cell.value(task, name):.4f}" for task, name in metrics.items())


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
