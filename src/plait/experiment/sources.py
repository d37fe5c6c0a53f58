"""Paths as an experiment file writes them: relative to it, with names from the environment."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, StrictStr, ValidationInfo

from plait.errors import ConfigurationError

_NAME = re.compile(r"\$\{([^}]*)\}")


def located(written: str, *, folder: Path) -> str:
    """The path that a file in `folder` means.

    `${NAME}` stands for a variable of the environment. What is not absolute is relative to the
    folder; addresses (`s3://…`) stay as they are.

    Raises:
        ConfigurationError: a variable is not set.

    Example:
        >>> located("items.parquet", folder=Path("experiments"))
        'experiments/items.parquet'
    """
    filled = _NAME.sub(_variable, written)
    if "://" in filled:
        return filled
    return (folder / Path(filled).expanduser()).as_posix()


def _variable(found: re.Match[str]) -> str:
    name = found[1]
    if not os.environ.get(name):
        raise ConfigurationError(
            f"The environment variable {name!r} is not set. Set it (`export {name}=…`), or write "
            "the path out."
        )
    return os.environ[name]


def _located(written: str, info: ValidationInfo) -> str:
    return located(written, folder=(info.context or {}).get("folder", Path()))


SourcePath = Annotated[StrictStr, AfterValidator(_located)]
"""A path, a folder or a glob."""
