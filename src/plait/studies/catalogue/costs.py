"""How large each sharing structure would be on the features of an experiment."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from plait.architectures import ARCHITECTURES, Architecture, Encoded, Widths
from plait.data.preparing import prepare
from plait.errors import ArchitectureError
from plait.experiment import Experiment
from plait.models import MultiTaskModel
from plait.studies.profile.building import log_of

__all__ = ["Cost", "cost_of", "costs_for"]

_ROWS = 64


@dataclass(frozen=True)
class Cost:
    """How large a sharing structure is, without tables, towers and heads.

    Attributes:
        parameters: its parameters.
        multiply_adds: of its forward pass, a row.
        refused: why it cannot be built on this schema; empty where it can.
    """

    parameters: int = 0
    multiply_adds: int = 0
    refused: str = ""


def cost_of(
    build: Callable[[Widths, Sequence[str]], Architecture], widths: Widths, tasks: Sequence[str]
) -> Cost:
    """Build a structure, run it on a few made rows, and count.

    Example:
        >>> from plait.architectures import SharedBottom
        >>> cost_of(partial(SharedBottom, layers=(4,)), Widths(main=8), ["click"])
        Cost(parameters=36, multiply_adds=32, refused='')
    """
    try:
        with torch.random.fork_rng(devices=[]):
            architecture = build(widths, tasks).eval()
    except ArchitectureError as error:
        return Cost(refused=str(error))
    encoded = _made(widths)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        architecture.split(architecture.share(encoded))
    return Cost(
        parameters=sum(parameter.numel() for parameter in architecture.parameters()),
        multiply_adds=counter.get_total_flops() // (2 * _ROWS),
    )


def costs_for(
    experiment: Experiment, *, cache: Path | None = None
) -> tuple[dict[str, Cost], str | None]:
    """The costs of all structures on the features and tasks of an experiment.

    The log is read and prepared, because only its values tell how wide the features are. Each
    structure has its default settings, but for the one that the experiment names.

    Args:
        experiment: what was read from a file.
        cache: folder of prepared logs, shared with runs. None: a folder that is removed again.

    Returns:
        The costs by name, and the name of the experiment's own structure.
    """
    given = experiment.arguments()
    with tempfile.TemporaryDirectory(prefix="plait-models-") as scratch:
        prepared = prepare(log_of(given), given["split"], cache=cache or Path(scratch))
        layout, tasks = prepared.preprocessor.layout, prepared.tasks
    encoders = {k: given[k] for k in ("interaction", "sequence", "sequence_of") if k in given}
    widths = MultiTaskModel(layout, tasks, factors=0, **encoders).architecture.widths
    own = _own(given)
    built = {kind.__name__: own.get(kind.__name__, kind) for kind in ARCHITECTURES}
    names = [task.name for task in tasks]
    return {name: cost_of(build, widths, names) for name, build in built.items()}, next(
        iter(own), None
    )


def _own(given: Mapping[str, Any]) -> dict[str, Callable[..., Architecture]]:
    """The experiment's own structure with its settings, by name, where the file names one."""
    build = given.get("architecture")
    return {build.func.__name__: build} if isinstance(build, partial) else {}


def _made(widths: Widths) -> Encoded:
    """Rows of zeros of everything that a structure may read."""
    return Encoded(
        torch.zeros(_ROWS, widths.main),
        tokens=None if widths.tokens is None else torch.zeros(_ROWS, *widths.tokens),
        context=None if widths.context is None else torch.zeros(_ROWS, widths.context),
        scenario=torch.zeros(_ROWS, dtype=torch.int64),
    )
