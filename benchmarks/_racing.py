"""Several contenders on one job, in turn, each run a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from _contenders import CONTENDERS, Contender
from _environments import InstallationError
from _rivals.job import Job
from _rivals.measuring import FACTS, NOT_OFFERED, PREDICTIONS
from rich.console import Console
from sklearn.metrics import roc_auc_score

Facts = dict[str, float | str]


class RivalError(RuntimeError):
    """A contender did not do the job; the message is its own."""


@dataclass(frozen=True, kw_only=True)
class Track:
    """Where and how processes are run.

    Attributes:
        scratch: folder for what they write; it is removed after each run.
        environments: folder of the contenders' environments.
        timeout: seconds of one run.
        is_cold: whether a run finds no kernel that an earlier one compiled.
    """

    scratch: Path
    environments: Path
    timeout: float
    is_cold: bool = False

    def python(self, contender: Contender) -> Path:
        """The interpreter that runs a contender; the first call installs what it needs.

        Raises:
            InstallationError: what it needs cannot be installed.
        """
        if contender.environment is None:
            return Path(sys.executable)
        return contender.environment.python(self.environments)

    def run(self, contender: Contender, job: Job) -> Facts:
        """What was measured in one run, with the AUC of each task.

        Raises:
            RivalError: it failed, took too long, does not offer this, or predicted nonsense.
        """
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            out = Path(folder)
            job = replace(job, out=folder, variant=contender.variant, started=time.time())
            job.write(out / "job.json")
            self._call(contender, job)
            facts: Facts = json.loads((out / FACTS).read_text(encoding="utf-8"))
            return facts | _aucs(job, np.load(out / PREDICTIONS))

    def _call(self, contender: Contender, job: Job) -> None:
        module, file = f"_rivals.{contender.module}", str(Path(job.out) / "job.json")
        try:
            done = subprocess.run(
                [str(self.python(contender)), "-m", module, file],
                cwd=job.out,
                env=self._variables(job),
                capture_output=True,
                text=True,
                check=False,
                timeout=self.timeout,
            )
        except subprocess.TimeoutExpired as error:
            raise RivalError(f"it was not done within {self.timeout:g} s") from error
        if done.returncode:
            raise RivalError(_last_words(done))

    def _variables(self, job: Job) -> dict[str, str]:
        """The process's environment: so many threads, no GPU, and our scripts."""
        pools = ("OMP_NUM", "MKL_NUM", "OPENBLAS_NUM", "NUMBA_NUM", "POLARS_MAX")
        variables = os.environ | {f"{pool}_THREADS": str(job.threads) for pool in pools}
        if self.is_cold:
            variables["NUMBA_CACHE_DIR"] = str(Path(job.out) / "kernels")
        return variables | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(Path(__file__).parent)}


class Race:
    """The runs of several contenders on one job.

    Attributes:
        runs: what each one's runs measured, in the order of the turns.
        reasons: why somebody is out.
    """

    def __init__(self, names: Sequence[str], job: Job, track: Track) -> None:
        self.names = tuple(names)
        self.job = job
        self.track = track
        self.runs: dict[str, list[Facts]] = {name: [] for name in names}
        self.reasons: dict[str, str] = {}
        self._console = Console(stderr=True)

    def line_up(self, warm_up: Job | None) -> None:
        """Make the environments, and run everybody once on a small job, where there is one."""
        for name in self.names:
            contender = CONTENDERS[name]
            if self.job.precision == "bf16" and not contender.has_bf16:
                self._give_up(name, "it trains in fp32 only")
                continue
            self._say(f"{name}: getting ready")
            try:
                self.track.python(contender)
            except InstallationError as error:
                self._give_up(name, f"it cannot be installed: {error}")
                continue
            if warm_up is not None:
                self._run(name, warm_up)

    def take_turn(self, turn: int) -> None:
        """A run of everybody who is not out; who begins changes turn by turn."""
        first = turn % len(self.names)
        for name in (*self.names[first:], *self.names[:first]):
            facts = None if name in self.reasons else self._run(name, replace(self.job, seed=turn))
            if facts is not None:
                self.runs[name].append(facts)
                speed = float(facts["train_rows_per_second"])
                self._say(f"turn {turn + 1}, {name}: {speed:,.0f} rows a second")

    def _run(self, name: str, job: Job) -> Facts | None:
        try:
            return self.track.run(CONTENDERS[name], job)
        except RivalError as error:
            self._give_up(name, str(error))
            return None

    def _give_up(self, name: str, reason: str) -> None:
        self.reasons[name] = reason
        self._say(f"{name} is out: {reason}")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _aucs(job: Job, predictions: np.ndarray) -> dict[str, float]:
    table = pq.read_table(job.test, columns=list(job.tasks))
    if predictions.shape != (table.num_rows, len(job.tasks)):
        raise RivalError(f"it predicted {predictions.shape}, not one value a row and task")
    if not np.isfinite(predictions).all():
        raise RivalError("some of its predictions are not finite")
    return {
        f"auc_{name}": float(roc_auc_score(table.column(name).to_numpy(), predictions[:, place]))
        for place, name in enumerate(job.tasks)
    }


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    """Why a process failed: the last line that it wrote to standard error."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    if done.returncode == NOT_OFFERED:
        return last
    return f"it failed with exit code {done.returncode}: {last}"
