"""Work in a process of its own that does not import everything anew.

A process that is started from nothing needs seconds until torch and plait are imported. Here one
process imports them, does nothing else, and a copy of it is made for each piece of work.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

MOST_SECONDS = 600
"""After these a piece of work hangs, and is ended."""
_METHOD = "forkserver"
_METHOD_ELSEWHERE = "spawn"
_IMPORTED = [
    *("pytest", "torch", "polars", "plait.cli"),
    *("plait.experiment.running", "plait.experiment.spec", "plait.studies", "plait.artifact"),
    *("plait.studies.baselines.linear", "plait.studies.baselines.trees"),
]


def run_apart(
    work: Callable[..., object],
    *arguments: object,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Call a function of a module in a process of its own, and wait for it.

    Args:
        work: the function. `SystemExit` gives the exit code, any other exception 1.
        arguments: of the function.
        cwd: folder in which it is called. None: this one.
        environment: None: that of this process.

    Returns:
        The exit code (of a killed process, the negative number of the signal) and what was printed.
    """
    known = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context(_METHOD if _METHOD in known else _METHOD_ELSEWHERE)
    if _METHOD in known:
        context.set_forkserver_preload(_IMPORTED)
    with tempfile.TemporaryDirectory() as folder:
        files = (Path(folder) / "out", Path(folder) / "err")
        variables = dict(os.environ if environment is None else environment)
        settled = (cwd or Path.cwd(), variables, files)
        process = context.Process(target=_settle_and_call, args=(settled, work, arguments))
        process.start()
        process.join(MOST_SECONDS)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"{work.__name__}{arguments} was not done within {MOST_SECONDS} s")
        said = [file.read_text(encoding="utf-8") if file.exists() else "" for file in files]
        code = process.exitcode
        process.close()
    assert code is not None
    return subprocess.CompletedProcess([work.__name__, *map(str, arguments)], code, *said)


def run_plait(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`plait` with these words, in a process of its own."""
    return run_apart(_command, *words, cwd=cwd)


def run_script(
    script: Path, *words: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A script with these words, in a process of its own."""
    return run_apart(_script, script, *words, environment=environment)


def _script(script: Path, *words: str) -> None:
    sys.argv = [str(script), *words]
    sys.path.insert(0, str(script.parent))
    runpy.run_path(str(script), run_name="__main__")


def _command(*words: str) -> None:
    from plait.cli import main

    sys.argv = ["plait", *words]
    main()


def _settle_and_call(
    settled: tuple[Path, dict[str, str], tuple[Path, Path]],
    work: Callable[..., object],
    arguments: tuple[object, ...],
) -> None:
    """Folder, environment and files of the process; then the work."""
    cwd, environment, files = settled
    for number, file in enumerate(files, start=1):
        written = os.open(file, os.O_WRONLY | os.O_CREAT)
        os.dup2(written, number)
        os.close(written)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    work(*arguments)
