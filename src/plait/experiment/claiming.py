"""A run's folder belongs to one run: going on with another is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from plait.errors import ArtifactError, ConfigurationError
from plait.training.checkpoint import write_json

__all__ = ["MAY_CHANGE", "changed_since", "check_same", "claim"]

MAY_CHANGE = ("epochs", "max_steps", "patience", "checkpoint_seconds", "keep_memory")
"""Settings of training that a resumed run may have otherwise: how long, not how."""


def claim(folder: Path, *, resume: bool) -> None:
    """See that the folder is free, or that going on with what is in it was meant.

    Raises:
        ConfigurationError: it holds a run, or cannot be made.
    """
    kept = (folder / "training").rglob("checkpoint")
    begun = next(kept, None) is not None or (folder / "metrics.json").exists()
    if begun and not resume:
        raise ConfigurationError(
            f"{folder} holds a run already. Go on with it by `resume` (`--resume`), give another "
            "`out`, or remove the folder."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"The run's folder {folder} cannot be made: {error.strerror}. Give another `out`."
        ) from error


def check_same(folder: Path, description: Mapping[str, Any]) -> None:
    """Write down what a run is, or see that a resumed run still is what it was.

    Raises:
        ArtifactError: what was written down is damaged.
        ConfigurationError: it is another one; says in what.
    """
    way_out = "Remove the run's folder, or give another `out`."
    changed = changed_since(folder / "run.json", description, way_out=way_out)
    if changed:
        raise ConfigurationError(
            f"The run in {folder} was begun with other settings ({', '.join(changed)} changed), "
            "so going on would mix two runs. Restore them, or give another `out`."
        )


def changed_since(path: Path, description: Mapping[str, Any], *, way_out: str) -> list[str]:
    """Write down what is done in a folder; or which keys differ from what was written down.

    Raises:
        ArtifactError: what was written down is damaged.
    """
    now = json.loads(json.dumps(description))
    if not path.exists():
        write_json(now, path)
        return []
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtifactError(path, found=f"it is damaged ({error})", way_out=way_out) from error
    return [key for key in now if now[key] != before.get(key)]
