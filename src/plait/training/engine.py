"""What works on rows of tables and on layers: which of the engines, and how it is fetched."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib import import_module
from importlib.util import find_spec
from threading import Thread
from typing import cast

import torch

from plait.errors import MissingExtraError
from plait.modules import compiled_blocks
from plait.modules.team import is_alone

from .rows import RowKernels
from .settings import Engine, EngineChoice, Training

__all__ = ["blocks_of", "engine_for", "row_kernels", "warm_up"]

WORTH_ROWS = 20_000
"""With fewer training rows, fetching the kernels may take longer than they save."""


def engine_for(settings: Training, *, num_rows: int, device: torch.device) -> Engine:
    """The engine of a training: `auto` is the compiled one where it is there and pays.

    That is on a processor, in single precision, with many rows, where numba is installed and its
    kernels work on all of torch's threads.

    Args:
        settings: say what is wanted.
        num_rows: training rows.
        device: where the model lies.
    """
    if settings.engine != "auto":
        return settings.engine
    pays = num_rows >= WORTH_ROWS and device.type == "cpu" and settings.precision == "fp32"
    is_there = pays and find_spec("numba") is not None and not is_alone()
    return "compiled" if is_there else "torch"


def row_kernels(engine: Engine) -> RowKernels:
    """The functions that an engine stands for.

    Args:
        engine: `torch`, or `compiled`, which needs numba.

    Raises:
        MissingExtraError: `compiled` without numba.
    """
    if engine == "torch":
        return cast("RowKernels", import_module("plait.training.rows"))
    try:
        return cast("RowKernels", import_module("plait.training.compiled_rows"))
    except ImportError as error:
        raise MissingExtraError("numba", extra="fast", purpose="The compiled engine") from error


def blocks_of(engine: Engine) -> AbstractContextManager[None]:
    """The network runs in this block on an engine.

    Raises:
        MissingExtraError: `compiled` without numba.
    """
    row_kernels(engine)
    return compiled_blocks(allowed=engine == "compiled")


def warm_up(engine: EngineChoice) -> Thread | None:
    """Fetch what an engine needs in a thread beside other work; None where nothing is needed.

    Compiling takes seconds the first time, and a moment from numba's cache. The first use waits for
    what is left.

    Args:
        engine: nothing is fetched for `auto`, of which only training rows tell what it stands for.

    Raises:
        MissingExtraError: `compiled` without numba.
    """
    if engine != "compiled":
        return None
    if find_spec("numba") is None:
        raise MissingExtraError("numba", extra="fast", purpose="The compiled engine")
    thread = Thread(target=_import_kernels, name="plait-kernels", daemon=True)
    thread.start()
    return thread


def _import_kernels() -> None:
    import_module("plait.training.compiled_rows")
