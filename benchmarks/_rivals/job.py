"""What every rival is asked to do, so that all of them do the same."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from .log import CATEGORICALS, NUMBERS

Architecture = Literal["single_task", "shared_bottom", "mmoe", "ple"]
Precision = Literal["fp32", "bf16"]

EMBEDDING_DIM = 16
NUM_EXPERTS, EXPERT_LAYERS = 4, (256, 128)
SHARED_EXPERTS, TASK_EXPERTS = 2, 1
"""Of PLE, in its one level."""
TOWER = (64,)
LEARNING_RATE = 1e-3
"""Of Adam."""
PREDICTED_AT_ONCE = 8192


@dataclass(frozen=True, kw_only=True)
class Job:
    """One epoch over a training log, then predictions for a test log.

    Attributes:
        folder: holds `train.parquet` and `test.parquet`; the answers go to `out`.
        out: folder of this run alone.
        tasks: names of the label columns.
        architecture: what the tasks share. A network is one of `EXPERT_LAYERS`: one for each task,
            one for all, `NUM_EXPERTS` with a gate a task, or shared and own ones in one level.
        has_history: whether the history is a feature.
        batch_size: rows a step.
        threads: of processors.
        precision: of the network's products; tables and optimizers are always in fp32.
        seed: of weights and order.
        variant: which form of the rival, where it has several.
        started: the system's time at which the process was started.
    """

    folder: str
    out: str
    tasks: tuple[str, ...] = ("click", "conversion")
    architecture: Architecture = "mmoe"
    has_history: bool = True
    batch_size: int = 2048
    threads: int = 2
    precision: Precision = "fp32"
    seed: int = 0
    variant: str = ""
    started: float = 0.0

    @property
    def train(self) -> Path:
        """The training log."""
        return Path(self.folder) / "train.parquet"

    @property
    def test(self) -> Path:
        """The log to predict."""
        return Path(self.folder) / "test.parquet"

    @property
    def input_width(self) -> int:
        """Width of what the network reads: a vector a column, one of the history, the numbers."""
        return (len(CATEGORICALS) + self.has_history) * EMBEDDING_DIM + len(NUMBERS)

    @property
    def num_networks(self) -> int:
        """How many networks of `EXPERT_LAYERS` the architecture has."""
        return {
            "single_task": len(self.tasks),
            "shared_bottom": 1,
            "mmoe": NUM_EXPERTS,
            "ple": SHARED_EXPERTS + TASK_EXPERTS * len(self.tasks),
        }[self.architecture]

    @property
    def num_gate_outputs(self) -> int:
        """How many networks all gates together weigh; 0 without gates."""
        weighed = {"mmoe": NUM_EXPERTS, "ple": SHARED_EXPERTS + TASK_EXPERTS}
        return weighed.get(self.architecture, 0) * len(self.tasks)

    def write(self, path: Path) -> None:
        """Write the job for another process."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Job:
        """The job that another process wrote."""
        form = json.loads(path.read_text(encoding="utf-8"))
        return cls(**form | {"tasks": tuple(form["tasks"])})


class NotOfferedError(Exception):
    """A library has no such model or setting; the message says what it lacks."""
