"""A profile as a page: the advice comes last, where a terminal ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from plait.studies.page.blocks import Block, Document, Notice, Section, Table
from plait.studies.page.numbers import count, percent
from plait.studies.plain import plain

from .advice import first_thing
from .plan import GROUPS
from .preparation import PARTS
from .profiling import Machine, Profile
from .stages import STAGES
from .stretch import Stretch

__all__ = ["profile_document", "profile_json"]

LEAST_SHARE = 0.001
"""What is less is only said to be less."""
BUSY = 0.5
"""Part of the cores that others use, beyond which times are those of a busy machine."""


def profile_document(found: Profile, *, name: str) -> Document:
    """What was measured, section by section."""
    return Document(
        f"plait profile: {name}",
        (
            Section("preparation", "Reading and preparing", list(_preparation(found))),
            Section("step", "A training step", list(_step(found))),
            Section("run", "A run", list(_run(found))),
            Section("limit", "The machine", list(_limit(found))),
            Section("advice", "What to do first", [first_thing(found).sentence]),
        ),
    )


def profile_json(found: Profile) -> dict[str, Any]:
    """What was measured, what follows from it, and the advice, as plain data."""
    form: dict[str, Any] = plain(found)
    form["stretch"] |= {
        "other": found.stretch.other,
        "rows_per_second": found.stretch.rows_per_second,
        "limit_share": found.stretch.limit_share,
    }
    return {
        **form,
        "epoch_seconds": found.epoch_seconds,
        "run_seconds": found.run_seconds,
        "costs": dict(found.costs),
        "advice": plain(first_thing(found)),
    }


def _preparation(found: Profile) -> Iterator[Block]:
    made = found.preparation
    if made is None:
        yield "Not measured: prepared rows were given."
    elif made.from_cache:
        yield f"The prepared log came from the cache: {_seconds(made.seconds)}."
    else:
        rate = made.rows / made.seconds
        yield _shares(
            f"{count(made.rows)} rows, {count(round(rate))} a second",
            "part",
            {label: made.parts[part] for part, label in PARTS.items()},
            unit="seconds",
        )


def _step(found: Profile) -> Iterator[Block]:
    stretch = found.stretch
    rows = round(stretch.rows / stretch.steps)
    each = {label: 1000 * stretch.seconds[name] / stretch.steps for name, label in STAGES.items()}
    each["other"] = 1000 * stretch.other / stretch.steps
    yield _shares(
        f"{count(rows)} rows; means of {stretch.steps:,} steps, after {stretch.warm_up} to warm up",
        "stage",
        each,
        unit="ms",
    )


def _run(found: Profile) -> Iterator[Block]:
    plan, judging = found.plan, found.judging
    epochs = f"{plan.epochs:.3g} epoch{'s' if plan.epochs != 1 else ''}"
    yield _shares(
        f"All of it, if nothing stops it before {epochs}",
        "part",
        {GROUPS[group]: spent for group, spent in found.costs.items()},
        unit="seconds",
    )
    told = f"An epoch takes {_seconds(found.epoch_seconds)} ({plan.steps_per_epoch:,} steps)"
    if plan.evaluations:
        each = judging.predict + judging.metrics
        told += f", judging {judging.valid_rows:,} validation rows {_seconds(each)}"
    yield f"{told}; the whole run {_seconds(found.run_seconds)} at most."


def _limit(found: Profile) -> Iterator[Block]:
    stretch, size, machine = found.stretch, found.size, found.machine
    yield (
        f"Training does {_rate(stretch.rows_per_second)} rows a second, predicting "
        f"{_rate(found.judging.predicted_per_second)}, with the engine `{stretch.engine}`."
    )
    yield (
        f"The limit is {_rate(stretch.limit.rows_per_second)} training rows a second, and "
        f"{percent(stretch.limit_share)} of it are reached: a row takes {size.multiply_adds:,} "
        f"multiply-adds forward and {size.backward:,} backward, and {_threads(machine)} on the "
        f"{machine.device} multiplied matrices of the network's layers at {_gflops(stretch)} "
        f"GFLOP/s ({stretch.limit.in_features} × {stretch.limit.out_features} weights)."
    )
    if found.larger is not None:
        yield (
            f"With batches of {found.larger.batch_size:,} rows it does "
            f"{_rate(found.larger.rows_per_second)} rows a second."
        )
    yield (
        f"The tables hold {size.table_parameters:,} parameters ({_bytes(size.table_bytes)}), the "
        f"network {size.dense_parameters:,}; its input is {size.inputs:,} wide."
    )
    if machine.load is not None and machine.load > BUSY * machine.cores:
        yield Notice(
            f"The machine was busy before this began (load {machine.load:.1f} on "
            f"{machine.cores} cores), so times may be too long."
        )


def _shares(caption: str, head: str, spent: Mapping[str, float], *, unit: str) -> Table:
    """A table of amounts and their shares, with their sum below."""
    total = sum(spent.values())
    rows = [
        (label, _amount(amount), _share(amount / total if total else 0.0))
        for label, amount in spent.items()
    ]
    rows.append(("together", _amount(total), percent(1.0)))
    return Table(caption, (head, unit, "share"), tuple(rows))


def _share(share: float) -> str:
    return percent(share) if share == 0 or share >= LEAST_SHARE else f"< {percent(LEAST_SHARE)}"


def _amount(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 1000 else f"{amount:.{2 if amount < 100 else 1}f}"


def _seconds(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} h"
    if seconds >= 60:
        return f"{seconds / 60:.1f} min"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"


def _rate(rate: float) -> str:
    return count(int(float(f"{rate:.3g}")))


def _gflops(stretch: Stretch) -> str:
    return f"{stretch.limit.flops / 1e9:.3g}"


def _bytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def _threads(machine: Machine) -> str:
    return "1 thread" if machine.threads == 1 else f"{machine.threads} threads"
