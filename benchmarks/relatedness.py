"""Do gates of their own help tasks that are little related? The experiment of the MMoE paper.

    python benchmarks/relatedness.py --runs 24 --json relatedness.json

Two regression tasks whose weights have a cosine of 1, 0.5 or 0 (`MMoETasks`). Every run draws
weights and curve anew; all models of a run see the same fresh batches of 128 rows, each row once,
and are judged by the mean square error of standardised labels on 10,000 others. There are one
bottom of 113, which has as many parameters as the experts; `OMoE`, 8 experts of 16 under one gate;
and `MMoE`, the same under a gate for each task. All have towers of 8, and Adam.

Errors of single runs differ by orders of magnitude, so count wins: `wins` are the runs in which
MMoE is better. `p` is that of a sign test, one-sided. `grows` is by how much the error at a cosine
of 0 is above that at 1, and the runs in which it is.

Twelve runs are one program, whose parameters lie side by side. What is done is kept in the file of
`--json`, and a second call goes on from there; `--budget-minutes` ends a call in time.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product

import numpy as np
import torch
from _keeping import RUN, keep_runs, kept_runs, within
from _report import Fact, Row, parser, report
from numpy.typing import NDArray
from scipy.stats import binomtest
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from plait import MMoE, OMoE, SharedBottom
from plait.architectures import Encoded, Widths
from plait.data.simulation import MMoESample, MMoESettings, MMoETasks
from plait.models import ArchitectureFactory, Tower
from plait.training.optimizers import AdamW, Group

COSINES = (1.0, 0.5, 0.0)
TASKS = ("first", "second")
MODELS: dict[str, ArchitectureFactory] = {
    "SharedBottom": partial(SharedBottom, layers=(113,), dropout=0.0),
    "OMoE": partial(OMoE, num_experts=8, layers=(16,), dropout=0.0),
    "MMoE": partial(MMoE, num_experts=8, layers=(16,), dropout=0.0),
}
BATCH, AT_ONCE, TEST_ROWS = 128, 50, 10_000
TOGETHER = 12
"""Runs in one program: less than half the time of one after another."""
RATE = 2e-3


class Network(nn.Module):
    """A structure over the inputs as they are, and a tower for each task."""

    def __init__(self, build: ArchitectureFactory, features: int) -> None:
        super().__init__()
        self.structure = build(Widths(main=features), TASKS)
        self.towers = nn.ModuleList(
            Tower(self.structure.out_features, (8,), 1, dropout=0.0) for _ in TASKS
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """`[B, 2]`."""
        found = self.structure.split(self.structure.share(Encoded(inputs)))
        towers = zip(self.towers, TASKS, strict=True)
        return torch.cat([tower(found[task]) for tower, task in towers], dim=1)


def main() -> None:
    """Run what is missing, and report."""
    made = parser("MMoE, OMoE and one shared bottom on tasks whose relatedness is a dial.")
    made.add_argument("--runs", type=int, default=24, help="for each cosine")
    made.add_argument("--steps", type=int, default=6_000, help="batches that each model sees")
    made.add_argument("--budget-minutes", type=float, help="no run begins after these")
    arguments = made.parse_args()
    runs, steps = (2, 4) if arguments.smoke else (arguments.runs, arguments.steps)
    may_begin = within(arguments.budget_minutes)
    kept = kept_runs(arguments.json, {"steps": steps})
    done = {(row["cosine"], row["run"]): row for row in kept}
    for first, cosine in product(range(0, runs, TOGETHER), COSINES):
        group = range(first, min(first + TOGETHER, runs))
        missing = [run for run in group if (cosine, run) not in done]
        if not missing or not may_begin():
            continue
        for run, found in errors(cosine, missing, steps=steps).items():
            row: dict[str, Fact] = {"what": RUN, "cosine": cosine, "run": run, "steps": steps}
            done[cosine, run] = row | found
        keep_runs(done.values(), arguments.json)
        print(f"{len(done)} of {runs * len(COSINES)} runs", file=sys.stderr, flush=True)
    report([*_summary(list(done.values())), *done.values()], arguments)


def errors(
    cosine: float, runs: Sequence[int], *, steps: int, models: Sequence[str] = tuple(MODELS)
) -> dict[int, dict[str, float]]:
    """By run the test error of each model after the same fresh batches; all runs in one program."""
    draws = [MMoETasks(MMoESettings(relatedness=cosine), seed=run) for run in runs]
    tests = [tasks.draw(TEST_ROWS, seed=1) for tasks in draws]

    def tensors(samples: Sequence[MMoESample]) -> tuple[Tensor, Tensor]:
        """`[R, N, F]`, and labels `[R, N, 2]` as far from a test row's mean as its rows are."""
        labels = [
            (sample.targets - test.targets.mean(axis=0)) / test.targets.std(axis=0)
            for sample, test in zip(samples, tests, strict=True)
        ]
        features = np.stack([sample.features for sample in samples])
        return torch.from_numpy(features).float(), torch.from_numpy(np.stack(labels)).float()

    stacks = {name: Stack(name, runs, draws[0].settings.features) for name in models}
    for first in range(0, steps, AT_ONCE):
        rows = min(AT_ONCE, steps - first) * BATCH
        inputs, labels = tensors([tasks.draw(rows, seed=2 + first) for tasks in draws])
        for batch, wanted in zip(inputs.split(BATCH, 1), labels.split(BATCH, 1), strict=True):
            for stack in stacks.values():
                stack.step(batch, wanted)
    inputs, labels = tensors(tests)
    found = {name: stack.losses(inputs, labels).tolist() for name, stack in stacks.items()}
    return {run: {name: found[name][place] for name in models} for place, run in enumerate(runs)}


class Stack:
    """One model's networks of several runs, with parameters side by side.

    Args:
        name: of the model.
        runs: seeds of the networks.
        features: width of the inputs.
    """

    def __init__(self, name: str, runs: Sequence[int], features: int) -> None:
        networks = []
        for run in runs:
            torch.manual_seed(run)
            networks.append(Network(MODELS[name], features).eval())
        self.parameters, _ = stack_module_state(networks)
        self.network = networks[0]
        self.optimizer = AdamW([Group(list(self.parameters.values()), 1.0, 0.0)], lr=RATE)

    def losses(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """The mean square error of each run `[R]`."""
        return vmap(self._loss)(self.parameters, inputs, labels).detach()

    def step(self, inputs: Tensor, labels: Tensor) -> None:
        """One step of every run."""
        for parameter in self.parameters.values():
            parameter.grad = None
        vmap(self._loss)(self.parameters, inputs, labels).sum().backward()
        self.optimizer.step()

    def _loss(self, parameters: Mapping[str, Tensor], inputs: Tensor, labels: Tensor) -> Tensor:
        found = functional_call(self.network, dict(parameters), (inputs,))
        return nn.functional.mse_loss(found, labels)


def _summary(runs: Sequence[Row]) -> Iterator[Row]:
    """For each cosine the errors and MMoE's wins; then by how much each model's error grows."""
    by_cosine = {
        cosine: {row["run"]: row for row in runs if row["cosine"] == cosine} for cosine in COSINES
    }
    for cosine, found in by_cosine.items():
        if not found:
            continue
        values = {name: _values(found, list(found), name) for name in MODELS}
        row: dict[str, Fact] = {"what": "error", "cosine": cosine, "runs": len(found)}
        row |= {name: float(value.mean()) for name, value in values.items()}
        for name in ("SharedBottom", "OMoE"):
            wins = int((values["MMoE"] < values[name]).sum())
            told = binomtest(wins, len(found), alternative="greater").pvalue
            row |= {f"wins over {name}": wins, f"p of {name}": float(told)}
        yield row
    both = [run for run in by_cosine[1.0] if run in by_cosine[0.0]]
    if not both:
        return
    row = {"what": "grows", "runs": len(both)}
    for name in MODELS:
        growth = _values(by_cosine[0.0], both, name) - _values(by_cosine[1.0], both, name)
        row |= {name: float(growth.mean()), f"{name} grows in": int((growth > 0).sum())}
    yield row


def _values(found: Mapping[Fact, Row], runs: Sequence[Fact], name: str) -> NDArray[np.float64]:
    return np.array([found[run][name] for run in runs], dtype=np.float64)


if __name__ == "__main__":
    main()
