"""Do gates of their own help tasks that are little related? The experiment of the MMoE paper.

    python benchmarks/relatedness.py --runs 24 --json relatedness.json

Two regression tasks whose weights have a cosine of 1, 0.5 or 0 (`MMoETasks`). Every run draws
weights and curve anew; all models of a run see the same fresh batches of 128 rows, each row once,
and are judged by the mean square error of standardised labels on 10,000 others. There are one
bottom of 113, which has as many parameters as the experts; `OMoE`, 8 experts of 16 under one gate;
and `MMoE`, the same under a gate for each task. All have towers of 8, and Adam. `--models` adds
`CGC`, of whose 8 experts each task owns two, and `PLE`, two levels of 2 common experts and 2 for
each task; `--cosines` takes others, below 0 for tasks that pull apart. `--initial torch` begins
with the smaller weights of `torch.nn.Linear` in place of Glorot's, with which plait begins.

Errors of single runs differ by orders of magnitude, so count wins: the runs in which a model is
better than one bottom, and MMoE than OMoE. `p` is that of a sign test, one-sided. `grows` is by how
much the error at the last cosine is above that at the first, and the runs in which it is.

Twelve runs are one program, whose parameters lie side by side. What is done is kept in the file of
`--json`, and a second call goes on from there; `--budget-minutes` ends a call in time.
"""

from __future__ import annotations

import math
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

from plait import CGC, PLE, MMoE, OMoE, SharedBottom
from plait.architectures import Encoded, Widths
from plait.data.simulation import MMoESample, MMoESettings, MMoETasks
from plait.models import ArchitectureFactory, Tower
from plait.training.optimizers import AdamW, Group

TASKS = ("first", "second")
BOTTOM = "SharedBottom"
MODELS: dict[str, ArchitectureFactory] = {
    BOTTOM: partial(SharedBottom, layers=(113,), dropout=0.0),
    "OMoE": partial(OMoE, num_experts=8, layers=(16,), dropout=0.0),
    "MMoE": partial(MMoE, num_experts=8, layers=(16,), dropout=0.0),
    "CGC": partial(CGC, shared_experts=4, task_experts=2, layers=(16,), dropout=0.0),
    "PLE": partial(PLE, shared_experts=2, task_experts=2, layers=(16,), dropout=0.0),
}
PAPER = (BOTTOM, "OMoE", "MMoE")
BATCH, AT_ONCE, TEST_ROWS = 128, 50, 10_000
TOGETHER = 12
"""Runs in one program: less than half the time of one after another."""
RATE = 2e-3


class Network(nn.Module):
    """A structure over the inputs as they are, and a tower for each task."""

    def __init__(self, build: ArchitectureFactory, features: int, initial: str) -> None:
        super().__init__()
        self.structure = build(Widths(main=features), TASKS)
        self.towers = nn.ModuleList(
            Tower(self.structure.out_features, (8,), 1, dropout=0.0) for _ in TASKS
        )
        if initial == "torch":
            for name, weight in self.named_parameters():
                if "bias" not in name:
                    bound = 1 / math.sqrt(weight.shape[-1])
                    nn.init.uniform_(weight, -bound, bound)

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
    made.add_argument("--cosines", default="1,0.5,0", help="of the tasks' weights")
    made.add_argument("--models", default=",".join(PAPER), help=f"of {', '.join(MODELS)}")
    made.add_argument("--initial", choices=("plait", "torch"), default="plait", help="weights")
    made.add_argument("--budget-minutes", type=float, help="no run begins after these")
    arguments = made.parse_args()
    cosines = [float(one) for one in arguments.cosines.split(",")]
    models = arguments.models.split(",")
    if unknown := {*models} - {*MODELS}:
        made.error(f"no model {unknown.pop()!r}; there are {', '.join(MODELS)}")
    runs, steps = (2, 4) if arguments.smoke else (arguments.runs, arguments.steps)
    may_begin = within(arguments.budget_minutes)
    asked = {"steps": steps, "models": ",".join(models), "initial": arguments.initial}
    kept = kept_runs(arguments.json, asked)
    done = {(row["cosine"], row["run"]): row for row in kept}
    for first, cosine in product(range(0, runs, TOGETHER), cosines):
        group = range(first, min(first + TOGETHER, runs))
        missing = [run for run in group if (cosine, run) not in done]
        if not missing or not may_begin():
            continue
        made_errors = errors(cosine, missing, steps, models=models, initial=arguments.initial)
        for run, found in made_errors.items():
            done[cosine, run] = {"what": RUN, "cosine": cosine, "run": run} | asked | found
        keep_runs(done.values(), arguments.json)
        print(f"{len(done)} of {runs * len(cosines)} runs", file=sys.stderr, flush=True)
    summary = _summary(list(done.values()), cosines, models)
    report([*summary, *done.values()], arguments)


def errors(
    cosine: float,
    runs: Sequence[int],
    steps: int,
    *,
    models: Sequence[str] = PAPER,
    initial: str = "plait",
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

    features = draws[0].settings.features
    stacks = {name: Stack(name, runs, features, initial) for name in models}
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
        initial: whose weights they begin with.
    """

    def __init__(self, name: str, runs: Sequence[int], features: int, initial: str) -> None:
        networks = []
        for run in runs:
            torch.manual_seed(run)
            networks.append(Network(MODELS[name], features, initial).eval())
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


def _summary(runs: Sequence[Row], cosines: Sequence[float], models: Sequence[str]) -> Iterator[Row]:
    """For each cosine the errors and wins; then by how much each model's error grows."""
    by_cosine = {
        cosine: {row["run"]: row for row in runs if row["cosine"] == cosine} for cosine in cosines
    }
    pairs = [(name, BOTTOM) for name in models if BOTTOM in models and name != BOTTOM]
    pairs += [("MMoE", "OMoE")] if {"MMoE", "OMoE"} <= {*models} else []
    for cosine, found in by_cosine.items():
        if not found:
            continue
        values = {name: _values(found, list(found), name) for name in models}
        row: dict[str, Fact] = {"what": "error", "cosine": cosine, "runs": len(found)}
        row |= {name: float(value.mean()) for name, value in values.items()}
        for name, other in pairs:
            wins = int((values[name] < values[other]).sum())
            told = binomtest(wins, len(found), alternative="greater").pvalue
            row |= {f"{name} over {other}": wins, f"p of {name} over {other}": float(told)}
        yield row
    first, last = by_cosine[cosines[0]], by_cosine[cosines[-1]]
    both = [run for run in first if run in last]
    if not both or first is last:
        return
    row = {"what": "grows", "runs": len(both)}
    for name in models:
        growth = _values(last, both, name) - _values(first, both, name)
        row |= {name: float(growth.mean()), f"{name} grows in": int((growth > 0).sum())}
    yield row


def _values(found: Mapping[Fact, Row], runs: Sequence[Fact], name: str) -> NDArray[np.float64]:
    return np.array([found[run][name] for run in runs], dtype=np.float64)


if __name__ == "__main__":
    main()
