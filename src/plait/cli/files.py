"""Files that commands write or replace."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from plait.errors import ConfigurationError

_RUN_SIGNS = ("run.json", "metrics.json", "training", "artifact")


def default_run(experiment: Path) -> Path:
    """Where a run goes that was given no place: `runs/` and the name of the experiment.

    A file that is only called `experiment.toml` takes the name of its folder.

    Example:
        >>> default_run(Path("census/experiment.toml")).as_posix()
        'runs/census'
        >>> default_run(Path("ranking.toml")).as_posix()
        'runs/ranking'
    """
    folder = experiment.resolve().parent.name
    is_plain = experiment.stem == "experiment" and folder
    return Path("runs") / (folder if is_plain else experiment.stem)


def claim_run(folder: Path, *, resume: bool, force: bool) -> None:
    """See that a run may be written to a folder; with `force`, remove the run that is in it.

    Raises:
        ConfigurationError: the folder holds a run or other files, or `resume` and `force` are both
            asked for.
    """
    if resume and force:
        raise ConfigurationError(
            "`--resume` goes on with a run and `--force` removes it: not both."
        )
    if resume or not folder.exists():
        return
    holds_run = any((folder / sign).exists() for sign in _RUN_SIGNS)
    if force and holds_run:
        shutil.rmtree(folder)
    elif holds_run:
        how = "finished run" if (folder / "metrics.json").exists() else "run that was stopped"
        raise ConfigurationError(
            f"{folder} holds a {how}. Go on with it by --resume, replace it by --force, or write "
            "elsewhere by --out."
        )
    elif force and any(folder.iterdir()):
        raise ConfigurationError(
            f"{folder} holds files that are no run, so --force does not remove it. Name another "
            "folder by --out."
        )


def check_output(path: Path, *, source: str | None = None, force: bool) -> None:
    """See, before any work is done, that rows can be written to a path.

    Raises:
        ConfigurationError: a file that is there already, or the very file that is read.
        DataError: a suffix that is not known.
    """
    from plait.data.frame_files import check_suffix

    check_suffix(path)
    if not path.exists():
        return
    if source is not None and Path(source).exists() and path.samefile(source):
        raise ConfigurationError(f"{path} is the file that is read. Name another by --output.")
    if not force:
        raise ConfigurationError(f"{path} exists. Replace it by --force, or name another file.")


def write_json(path: Path, document: Mapping[str, object]) -> None:
    """Write one JSON document: it is there whole or not at all."""
    from plait.data.files import replacing

    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False).encode())
