"""How long, how fast and with what care a model is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from plait.errors import ConfigurationError
from plait.models import Precision

Engine = Literal["torch", "compiled"]
"""What works on the rows of tables, mixes experts and looks inputs of layers up."""

EngineChoice = Literal["auto", "torch", "compiled"]
"""An engine, or whichever is faster where a model is trained."""

LARGE_LOG = 250_000
ADAGRAD_RATE = 0.01


@dataclass(frozen=True, kw_only=True)
class Training:
    """Settings of a training run. The defaults are one recipe for all logs.

    Stability: experimental.

    Example:
        >>> Training(epochs=3).rows_per_batch(100_000)
        1024

    Attributes:
        epochs: most passes over the training rows.
        max_steps: most steps, where given.
        batch_size: rows of a batch. None: 1024, or 2048 above 250,000 training rows.
        accumulate: batches that make one step. Rules see losses and gradients of all of them, task
            by task, as if they were one batch; memory is that of one. A rule that looks before it
            weighs runs the network twice.
        keep_negatives: share of the rows without any positive binary label that is drawn in each
            epoch; their weight grows by its inverse, so that probabilities stay right.
        shuffle_rows: rows of one block of a shuffle by blocks, for a log larger than memory.
            None: every order of rows is as likely as any other.
        learning_rate: of the dense layers (AdamW).
        weight_decay: of the dense layers; biases are left alone.
        table_optimizer: of the tables, on the rows that a batch touched: `adagrad` keeps one number
            a row (row-wise Adagrad), `adam` two numbers a weight (lazy Adam).
        table_learning_rate: of the tables. None: 0.01 with `adagrad`, and with `adam` that of the
            dense layers.
        key_l2: factor of half the squared norm of looked-up user and item vectors, and of the
            vectors and biases of their product.
        clip_norm: largest norm of the dense gradient; None: not clipped.
        schedule: of both rates after the warm-up: `constant`, or down to a tenth by `cosine` or
            `linear`.
        warmup_steps: steps in which the dense rate rises from 0.
        average: decay of the averaged weights that are evaluated and saved; 0: none.
        patience: evaluations without a better mix before training stops; one whose mix cannot be
            computed (validation labels of one class) does not count.
        evaluate_steps: steps between two evaluations. None: once an epoch.
        monitor: weight of each task in the mix that stopping reads. None: alike for targets,
            but less for one that fewer than 1,000 validation rows judge (`shares_of_mix`).
        checkpoint_seconds: least time between two checkpoints within an epoch.
        engine: what works on rows of tables and on layers. `torch` runs everywhere;
            `compiled` needs numba (`plait[fast]`) and looks up what layers make of numbers in
            pieces and of short tables in place of multiplying it out, which saves a fifth to a
            third of a step where these are most of what a row is. Both follow the same equations,
            write the same checkpoints and differ by rounding. `auto` is `compiled` from 20,000
            training rows on, on a processor in `fp32` where numba is there; `History.engine` says
            which it was, and a run that is resumed keeps it.
        precision: of the products of matrices in training, forwards and backwards. `bf16` keeps 8
            binary digits of a number in place of 24, which processors and GPUs with units for it
            multiply in a half or less of the time; others are slower by it. Weights, tables,
            losses, optimizers, checkpoints and everything that is predicted stay `fp32`.
        keep_memory: whether memory that a step frees stays with the process until training ends
            (glibc only). Saves the system from clearing it for every step.
        seed: of weights, order and dropout.
    """

    epochs: int = 30
    max_steps: int | None = None
    batch_size: int | None = None
    accumulate: int = 1
    keep_negatives: float = 1.0
    shuffle_rows: int | None = None
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    table_optimizer: Literal["adagrad", "adam"] = "adagrad"
    table_learning_rate: float | None = None
    key_l2: float = 0.1
    clip_norm: float | None = None
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    warmup_steps: int = 0
    average: float = 0.999
    patience: int = 3
    evaluate_steps: int | None = None
    monitor: Mapping[str, float] | None = None
    checkpoint_seconds: float = 30.0
    engine: EngineChoice = "auto"
    precision: Precision = "fp32"
    keep_memory: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        problems = [
            f"`{name}` must be at least {least}, got {value}"
            for name, least in _LEAST.items()
            if (value := getattr(self, name)) is not None and not value >= least
        ]
        if not 0 < self.keep_negatives <= 1:
            problems.append(f"`keep_negatives` must lie in (0, 1], got {self.keep_negatives}")
        if not 0 <= self.average < 1:
            problems.append(f"`average` must lie in [0, 1), got {self.average}")
        for name, known in _KNOWN.items():
            if (value := getattr(self, name)) not in known:
                *others, last = map(repr, known)
                problems.append(f"`{name}` is {', '.join(others)} or {last}, got {value!r}")
        if self.precision == "bf16" and self.engine == "compiled":
            problems.append("`engine` 'compiled' has no kernels for `precision` 'bf16'")
        weights = [] if self.monitor is None else self.monitor.values()
        if any(not weight >= 0 for weight in weights):
            problems.append(f"`monitor` must hold weights of at least 0, got {self.monitor}")
        elif self.monitor is not None and not any(weights):
            problems.append("`monitor` gives no task a positive weight")
        if problems:
            raise ConfigurationError("Training: " + "; ".join(problems) + ".")

    @property
    def rate_of_tables(self) -> float:
        """The learning rate of the tables."""
        if self.table_learning_rate is not None:
            return self.table_learning_rate
        return self.learning_rate if self.table_optimizer == "adam" else ADAGRAD_RATE

    def rows_per_batch(self, num_rows: int) -> int:
        """The batch size for a training set of this many rows."""
        if self.batch_size is not None:
            return self.batch_size
        return 1024 if num_rows <= LARGE_LOG else 2048


_KNOWN = {
    "table_optimizer": ("adagrad", "adam"),
    "schedule": ("constant", "cosine", "linear"),
    "engine": ("auto", "torch", "compiled"),
    "precision": ("fp32", "bf16"),
}

_LEAST = {
    "epochs": 1,
    "max_steps": 1,
    "batch_size": 1,
    "accumulate": 1,
    "shuffle_rows": 1,
    "learning_rate": 0,
    "weight_decay": 0,
    "table_learning_rate": 0,
    "key_l2": 0,
    "clip_norm": 0,
    "warmup_steps": 0,
    "patience": 1,
    "evaluate_steps": 1,
    "checkpoint_seconds": 0,
}
