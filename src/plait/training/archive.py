"""Which checkpoints are worth keeping: the best by mix, the best of each task, a Pareto front."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from .checkpoint import save_tensors


@dataclass(frozen=True)
class Entry:
    """One kept state of the model.

    Attributes:
        step: after how many steps.
        scores: primary metric by task, higher is better.
        mix: the mix that stopping reads.
        fit: how well predictions fit the labels as numbers, higher is better; decides between
            states whose mix is alike.
    """

    step: int
    scores: Mapping[str, float]
    mix: float
    fit: float = math.nan


@dataclass
class Archive:
    """Kept states of a run: best mix, best of each task, and up to `cap` that none dominates.

    A mix counts as better when it is so by more than `tolerance`. Between mixes that are alike the
    better fit decides: an AUC may be as good as it gets long before probabilities are right.

    An entry dominates another when no task is worse by more than `tolerance` and one is better by
    more than it. Over the cap, the entry in the most crowded place goes. Files of entries that left
    are removed by `collect`, which the trainer calls once a checkpoint no longer names them.

    Args:
        folder: where states are written. None: the state of the best mix is kept in memory, the
            others not at all.
        cap: size of the front.
        tolerance: difference of scores that counts as noise.
    """

    folder: Path | None = None
    cap: int = 8
    tolerance: float = 1e-4
    best: Entry | None = None
    best_of_task: dict[str, Entry] = field(default_factory=dict)
    front: list[Entry] = field(default_factory=list)
    top_mix: float = math.nan
    _best_state: dict[str, Tensor] | None = field(default=None, repr=False, compare=False)

    def offer(self, entry: Entry, state: Mapping[str, Tensor]) -> bool:
        """Keep the state if it deserves it; whether its mix is the best so far."""
        if not any(math.isfinite(score) for score in entry.scores.values()):
            return False
        is_best = self._is_best(entry)
        if is_best:
            self.best = entry
        if _is_better(entry.mix, self.top_mix):
            self.top_mix = entry.mix
        for task, score in entry.scores.items():
            champion = self.best_of_task.get(task)
            if _is_better(score, champion.scores[task] if champion else math.nan):
                self.best_of_task[task] = entry
        self._insert(entry)
        if self.folder is None:
            if is_best:
                self._best_state = {name: tensor.clone() for name, tensor in state.items()}
        elif entry.step in self._kept_steps():
            self.folder.mkdir(parents=True, exist_ok=True)
            save_tensors(state, self.path(entry))
        return is_best

    def best_state(self) -> dict[str, Tensor] | None:
        """The state of the best mix; None where no mix could be computed."""
        if self.folder is None or self.best is None:
            return self._best_state
        return load_file(self.path(self.best))

    def path(self, entry: Entry) -> Path:
        """The file that holds an entry's state."""
        assert self.folder is not None
        return self.folder / f"step-{entry.step:08d}.safetensors"

    def finished_path(self, entry: Entry) -> Path:
        """The file that holds an entry's state as a finished run gives it out: levelled, fitted."""
        path = self.path(entry)
        return path.with_name(f"finished-{path.name}")

    def collect(self) -> None:
        """Remove the files of entries that are no longer kept."""
        if self.folder is None:
            return
        kept = self._kept_steps()
        for path in self.folder.glob("*step-*.safetensors"):
            if int(path.stem.rpartition("-")[2]) not in kept:
                path.unlink()

    def to_json(self) -> dict[str, Any]:
        """The index as plain data."""
        return {
            "best": vars(self.best) if self.best else None,
            "best_of_task": {task: vars(entry) for task, entry in self.best_of_task.items()},
            "front": [vars(entry) for entry in self.front],
            "top_mix": self.top_mix,
        }

    def load_json(self, form: Mapping[str, Any]) -> None:
        """Take back what `to_json` gave."""
        self.best = Entry(**form["best"]) if form["best"] else None
        self.best_of_task = {task: Entry(**entry) for task, entry in form["best_of_task"].items()}
        self.front = [Entry(**entry) for entry in form["front"]]
        self.top_mix = form["top_mix"]

    def _is_best(self, entry: Entry) -> bool:
        if self.best is None or not math.isfinite(entry.mix):
            return math.isfinite(entry.mix)
        if entry.mix > self.best.mix + self.tolerance:
            return True
        alike = entry.mix >= self.top_mix - self.tolerance
        return alike and _is_better(entry.fit, self.best.fit)

    def _insert(self, entry: Entry) -> None:
        if any(dominates(kept, entry, self.tolerance) for kept in self.front):
            return
        self.front = [e for e in self.front if not dominates(entry, e, self.tolerance)]
        self.front.append(entry)
        if len(self.front) > self.cap:
            crowding = crowding_distances(self.front)
            self.front.pop(crowding.index(min(crowding)))

    def _kept_steps(self) -> set[int]:
        entries = [*self.front, *self.best_of_task.values()]
        return {entry.step for entry in entries} | ({self.best.step} if self.best else set())


def dominates(first: Entry, second: Entry, tolerance: float) -> bool:
    """Whether `first` is nowhere worse and somewhere better, beyond the tolerance."""
    gaps = [
        first.scores[task] - second.scores[task]
        for task in first.scores
        if math.isfinite(first.scores[task]) and math.isfinite(second.scores[task])
    ]
    return all(gap >= -tolerance for gap in gaps) and any(gap > tolerance for gap in gaps)


def crowding_distances(front: Sequence[Entry]) -> list[float]:
    """Crowding distance of each entry (Deb et al., NSGA-II, 2002); infinite at the ends.

    A score that cannot be computed adds nothing.
    """
    distances = [0.0] * len(front)
    for task in front[0].scores:
        known = [i for i, entry in enumerate(front) if math.isfinite(entry.scores[task])]
        if not known:
            continue
        order = sorted(known, key=lambda i: (front[i].scores[task], i))
        low, high = front[order[0]].scores[task], front[order[-1]].scores[task]
        distances[order[0]] = distances[order[-1]] = math.inf
        if high > low:
            for before, here, after in zip(order, order[1:], order[2:], strict=False):
                gap = front[after].scores[task] - front[before].scores[task]
                distances[here] += gap / (high - low)
    return distances


def _is_better(score: float, best: float) -> bool:
    return math.isfinite(score) and (math.isnan(best) or score > best)
