"""The examination of a run: everything that is looked at, and what to try first."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from plait.data.reading import Source
from plait.data.store import Store
from plait.errors import ConfigurationError
from plait.metrics import Value
from plait.studies.gates import GateUse, collapsed_gates, dead_experts, gate_use
from plait.studies.opened import OpenedRun, open_run
from plait.studies.raw_rows import prepared_rows

from .drift import FeatureDrift, LabelDrift, feature_drift, label_drift
from .fit import Gap, Share, Unseen, gaps, task_shares, unseen
from .importance import Importance, permutation_importance

__all__ = ["Examination", "examine"]


@dataclass(frozen=True)
class Examination:
    """What was found.

    Stability: experimental.

    Attributes:
        run: the run's folder.
        compared_with: the later rows: `test`, `valid`, `train`, or the name of a file.
        rows: training rows and later rows.
        labels: what changed in each label.
        features: what changed in each feature.
        importances: what each feature is worth to each output.
        gaps: each output on training rows and on validation rows.
        unseen: values that training did not know, by column of ids.
        shares: what each task brings to training.
        gates: what each gate gives to its experts.
        dead_experts: experts that no gate uses.
        collapsed_gates: gates that use one expert only.
        metrics: the run's own metrics.
        still_improving: whether the last evaluation was the best and the epochs were used up.
        skipped: steps in which a task's loss was not finite, by task.
    """

    run: Path
    compared_with: str
    rows: tuple[int, int]
    labels: tuple[LabelDrift, ...]
    features: tuple[FeatureDrift, ...]
    importances: tuple[Importance, ...]
    gaps: tuple[Gap, ...]
    unseen: tuple[Unseen, ...]
    shares: tuple[Share, ...]
    gates: tuple[GateUse, ...]
    dead_experts: tuple[str, ...]
    collapsed_gates: tuple[str, ...]
    metrics: Mapping[str, Mapping[str, Value]]
    still_improving: bool
    skipped: Mapping[str, int]

    def important(self, output: str, *, most: int = 5) -> tuple[str, ...]:
        """The features that an output leans on, the most important first.

        Those whose loss is clear of its spread, and at least a tenth of the largest.
        """
        found = [
            entry
            for entry in self.importances
            if entry.output == output and entry.is_clear and entry.loss > 0
        ]
        least = 0.1 * max((entry.loss for entry in found), default=0.0)
        leaning = sorted((e for e in found if e.loss >= least), key=lambda e: -e.loss)
        return tuple(entry.feature for entry in leaning[:most])


def examine(
    run: str | Path | OpenedRun,
    source: Source | None = None,
    *,
    cache: str | Path | None = None,
    repeats: int = 2,
    seed: int = 0,
) -> Examination:
    """Look for what ails a run: drift, gaps, unseen ids, starving tasks, dead experts.

    Stability: experimental.

    Args:
        run: a finished run's folder, or the run already opened.
        source: later rows to compare the training rows with; labels may be absent. None: the rows
            that the run was judged on.
        cache: the folder of prepared logs, where the run was trained with one.
        repeats: shuffles of each feature.
        seed: of samples and shuffles.

    Raises:
        ArtifactError: the run is not finished, or its prepared rows are gone.
        ConfigurationError: no repeat.
        DataError: a file that cannot be read, or without a row.
        UnknownNameError: a column that a feature needs is missing in `source`.
    """
    if repeats < 1:
        raise ConfigurationError(f"`repeats` must be at least 1, got {repeats}.")
    opened = run if isinstance(run, OpenedRun) else open_run(run, cache=cache)
    with ExitStack() as scratch:
        later = opened.judged
        named = opened.judged_on
        if source is not None:
            later = scratch.enter_context(prepared_rows(opened.artifact, source))
            named = str(source) if isinstance(source, str | Path) else "the given rows"
        return _examined(opened, later, named, repeats=repeats, seed=seed)


def _examined(run: OpenedRun, later: Store, named: str, *, repeats: int, seed: int) -> Examination:
    model, train = run.model, run.train
    held_out = run.prepared.valid or run.judged
    gates = gate_use(model, later)
    has_labels = any(later.observed(name).any() for name in model.tasks)
    return Examination(
        run=run.folder,
        compared_with=named,
        rows=(train.num_rows, later.num_rows),
        labels=label_drift(model, train, later),
        features=feature_drift(train, later, seed=seed),
        importances=permutation_importance(
            model, later if has_labels else run.judged, repeats=repeats, seed=seed
        ),
        gaps=gaps(model, train, held_out, seed=seed),
        unseen=unseen(train, later),
        shares=task_shares(model, train, seed=seed),
        gates=gates,
        dead_experts=dead_experts(gates),
        collapsed_gates=collapsed_gates(gates),
        metrics=run.metrics,
        still_improving=_still_improving(run),
        skipped=run.skipped,
    )


def _still_improving(run: OpenedRun) -> bool:
    """Whether training ran out of epochs while the validation rows still got better."""
    return (
        len(run.evaluations) > 1
        and run.evaluations[-1].is_best
        and run.stopped == "all steps were run"
    )
