"""One sentence: what takes the most time, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from plait.studies.page.numbers import joined, percent

from .plan import GROUPS
from .preparation import PARTS
from .profiling import Profile

__all__ = ["Advice", "first_thing"]

WORTH_IT = 1.3
"""Batches are small where four times as many rows a batch bring so many times the rows a second."""
WIDE = 0.5
"""Inputs are wide where numeric features cause this part of the network's multiply-adds."""
MOST_NAMES = 6


@dataclass(frozen=True)
class Advice:
    """What to do first.

    Attributes:
        culprit: what takes the most time.
        share: its part of a whole run.
        sentence: that, and what to do about it.
    """

    culprit: str
    share: float
    sentence: str


def first_thing(found: Profile) -> Advice:
    """Name what takes the largest part of a run, and say what helps."""
    group = next(iter(found.costs))
    share = found.costs[group] / found.run_seconds
    detail, remedy = _RULES[group](found)
    culprit = f"{GROUPS[group]}, {detail}" if detail else GROUPS[group]
    told = f"{culprit}," if detail else culprit
    return Advice(
        culprit, share, f"{told[0].upper()}{told[1:]} takes {percent(share)} of a run: {remedy}"
    )


def _reading(found: Profile) -> tuple[str, str]:
    assert found.preparation is not None
    if found.preparation.text_files:
        return "", f"text is slow to read, so write the log as Parquet, and {_ONCE}."
    return "", f"lay the files on a fast local disk, and {_ONCE}."


def _preparing(found: Profile) -> tuple[str, str]:
    assert found.preparation is not None
    parts = {k: s for k, s in found.preparation.parts.items() if k not in ("read", "compare")}
    worst = max(parts, key=parts.__getitem__)
    return f"above all “{PARTS[worst]}”", f"{_ONCE}."


def _batches(found: Profile) -> tuple[str, str]:
    return "", _larger_batches(found) or (
        "the loader does not keep up with the network; lay the prepared log on a fast local disk "
        "(`--cache`), and for a log larger than memory set `training.shuffle_rows`."
    )


def _tables(found: Profile) -> tuple[str, str]:
    seconds = found.stretch.seconds
    looks_up = seconds["lookup"] > seconds["tables"]
    detail = "above all " + ("looking vectors up" if looks_up else "the optimizer of their rows")
    if find_spec("numba") is None:
        return detail, "`pip install 'plait[fast]'` brings faster ones."
    return detail, "lower `embedding_dim`, shorten lists (`max_length`), or drop features."


def _optimizer(found: Profile) -> tuple[str, str]:
    part = max(_LESS, key=found.stretch.seconds.__getitem__)
    detail, less = _LESS[part]
    return f"above all {detail}", _larger_batches(found) or (
        "a step costs it the same for every batch size, so take larger batches "
        f"(`training.batch_size`), or {less}."
    )


def _predicting(found: Profile) -> tuple[str, str]:
    return "", "judge less often (`training.evaluate_steps`), or let the split hold out fewer rows."


def _metrics(found: Profile) -> tuple[str, str]:
    judging = found.judging
    return f"above all {judging.slowest} ({percent(judging.slowest_share)} of all metrics)", (
        "judge less often (`training.evaluate_steps`), let the split hold out fewer rows, or take "
        "fewer slices."
    )


def _finishing(found: Profile) -> tuple[str, str]:
    return "", (
        f"it is done once, for {found.plan.finishes} states at most (the result and the best of "
        "each task), so it weighs most in a run as short as this one (`training.epochs`)."
    )


def _network(found: Profile) -> tuple[str, str]:
    larger = _larger_batches(found)
    if larger:
        return "for its small batches", larger
    if found.size.number_share >= WIDE:
        return "for its wide inputs", _narrower(found)
    return "", (
        f"training reaches {percent(found.stretch.limit_share)} of the machine's limit; fewer "
        "experts or narrower layers (`[model]`) are what makes it faster."
    )


def _larger_batches(found: Profile) -> str:
    """What larger batches brought; empty where that is little, or they were not tried."""
    if found.larger is None:
        return ""
    gain = found.larger.rows_per_second / found.stretch.rows_per_second
    if gain < WORTH_IT:
        return ""
    return (
        f"`training.batch_size = {found.larger.batch_size}` trained {gain:.1f} times as many rows "
        "a second; take it if the metrics stay as good."
    )


def _narrower(found: Profile) -> str:
    numbers = found.size.numbers
    widest = sorted(numbers, key=lambda name: -numbers[name])
    named = widest[:MOST_NAMES] + (["others"] if len(widest) > MOST_NAMES else [])
    own = next((name for name in widest if name not in found.history), None)
    remedies = []
    if found.may_look_up:
        install = "" if find_spec("numba") else " (`pip install 'plait[fast]'`)"
        remedies.append(
            f"look them up instead of multiplying them, with `training.engine = "
            f'"compiled"`{install}'
        )
    if own is not None:
        remedies.append(f'give numbers fewer pieces (`{{ name = "{own}", num_pieces = 8 }}`)')
    if set(numbers) & set(found.history):
        remedies.append("remember less (`[history]`: `by`, `features`)")
    return (
        f"the numeric pieces of {joined(named)} are {sum(numbers.values()):,} of "
        f"{found.size.inputs:,} inputs and {percent(found.size.number_share)} of all "
        f"multiply-adds; {joined(remedies, last='or')}, if the metrics stay as good."
    )


def _other(found: Profile) -> tuple[str, str]:
    return "", _larger_batches(found) or (
        "a step costs the same of it for every batch size, so take larger batches "
        "(`training.batch_size`)."
    )


_ONCE = "name a folder by `--cache`, here and for `plait train`, so that it is done once"

_LESS = {
    "dense": ("the dense layers", "take narrower layers (`[model]`)"),
    "average": ("the averaged weights", "leave these out (`training.average = 0`)"),
    "step": ("its rates and clipping", "do not clip (`training.clip_norm`)"),
}
"""The parts of the optimizer's step, and what makes each smaller."""

_RULES: dict[str, Callable[[Profile], tuple[str, str]]] = {
    "reading": _reading,
    "preparing": _preparing,
    "batches": _batches,
    "tables": _tables,
    "optimizer": _optimizer,
    "network": _network,
    "predicting": _predicting,
    "metrics": _metrics,
    "finishing": _finishing,
    "other": _other,
}
"""For each of `GROUPS` what in it, and what helps."""
