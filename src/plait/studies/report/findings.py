"""Everything a report says, as data: what is shown as HTML, as Markdown and as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plait.errors import ConfigurationError, UnknownNameError
from plait.metrics import Value
from plait.studies.baselines import BASELINES, CHEAP, BaselineName, check_baselines
from plait.studies.gates import GateUse, collapsed_gates, dead_experts, gate_use
from plait.studies.intervals import NUM_RESAMPLES
from plait.studies.opened import OpenedRun
from plait.studies.plain import plain
from plait.training import EvaluationReport, SliceResult

from .calibration import CalibrationCurve, calibration_curve
from .judging import Judgement, judge
from .lists import ListStudy, study_lists
from .parts import PartSummary, part_summaries

__all__ = ["Findings", "Options", "command_for", "find", "to_json"]

_MOST_RESAMPLES = 100_000


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a report is to hold.

    Stability: experimental.

    Attributes:
        baselines: what to compare with; `constant`, `item_mean`, `logistic`, `trees`,
            `single_task`. The last three train models.
        alone: tasks that `single_task` trains; None: every task.
        least_rows: numbers, items and slices of fewer rows than this are not shown.
        num_resamples: of each bootstrap interval.
        seed: of resamples, draws, ties and trees.

    Raises:
        UnknownNameError: a baseline that does not exist.
        ConfigurationError: a number that is out of range.
    """

    baselines: tuple[BaselineName, ...] = CHEAP
    alone: tuple[str, ...] | None = None
    least_rows: int = 20
    num_resamples: int = NUM_RESAMPLES
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "baselines", check_baselines(self.baselines))
        if self.least_rows < 1:
            raise ConfigurationError(f"`least_rows` must be at least 1, got {self.least_rows}.")
        if not 2 <= self.num_resamples <= _MOST_RESAMPLES:
            raise ConfigurationError(
                f"`num_resamples` must lie between 2 and {_MOST_RESAMPLES:,}, got "
                f"{self.num_resamples}."
            )

    def baselines_of(self, output: str) -> tuple[BaselineName, ...]:
        """What an output is compared with."""
        if self.alone is None or output in self.alone:
            return self.baselines
        return tuple(name for name in self.baselines if name != "single_task")


@dataclass(frozen=True)
class Findings:
    """What is known of a run.

    Attributes:
        run: its folder's name, or that of the folder around one that is only called `run`.
        architecture: the sharing structure.
        method: the way to learn, as a file names it.
        interaction: what makes features meet; empty where they stand side by side.
        scaled_by: the model's gates over inputs and towers.
        links: ties between tasks.
        balancing: from several losses to gradients.
        num_parameters: of the model.
        folder: the run's folder, for the command that runs more baselines.
        judged_on: `test`, `valid` or `train`.
        judgements: each output with its interval and its baselines.
        not_run: names of the baselines that were not asked for.
        parts: what the rows are.
        notes: sentences about rows and split, as preparation said them.
        evaluations: those of the validation rows during training.
        stopped: why training ended.
        metrics: every metric of every output; values of too few rows are left out, with a reason.
        calibration: a curve for each output.
        gates: what each gate gives to its experts.
        dead_experts: experts that no gate uses.
        collapsed_gates: gates that use one expert only.
        slices: the primary metric on slices of enough rows.
        hidden_slices: how many values have too few rows for some output, by column.
        person_columns: columns of slices that hold raw ids of users or requests: left out.
        lists: what changes in the ranked lists.
        options: what the report was to hold.
    """

    run: str
    folder: Path
    architecture: str
    method: str
    interaction: str
    scaled_by: tuple[str, ...]
    links: tuple[str, ...]
    balancing: str
    num_parameters: int
    judged_on: str
    judgements: tuple[Judgement, ...]
    not_run: tuple[BaselineName, ...]
    parts: tuple[PartSummary, ...]
    notes: tuple[str, ...]
    evaluations: tuple[EvaluationReport, ...]
    stopped: str
    metrics: Mapping[str, Mapping[str, Value]]
    calibration: tuple[CalibrationCurve, ...]
    gates: tuple[GateUse, ...]
    dead_experts: tuple[str, ...]
    collapsed_gates: tuple[str, ...]
    slices: tuple[SliceResult, ...]
    hidden_slices: Mapping[str, int]
    person_columns: tuple[str, ...]
    lists: ListStudy
    options: Options


def find(run: OpenedRun, options: Options) -> Findings:
    """Study a run: judge it, compare it, and look at its rows, its gates and its lists.

    Raises:
        UnknownNameError: `options.alone` names no task.
    """
    for name in options.alone or ():
        if name not in run.model.tasks:
            raise UnknownNameError(name, what="task", known=run.model.tasks, where="`alone`")
    gates = gate_use(run.model, run.judged)
    persons = _person_columns(run)
    shown, hidden = _slices(run, persons, options.least_rows)
    settings = run.settings
    return Findings(
        run=_named(run.folder),
        folder=run.folder,
        architecture=type(run.model.architecture).__name__,
        interaction=settings["model"].get("interaction", {}).get("name", ""),
        scaled_by=tuple(gate["name"] for gate in settings["model"].get("gates", [])),
        links=tuple(link["name"] for link in settings["model"]["links"]),
        method=(settings.get("method") or {"kind": "supervised"})["kind"],
        balancing=_balanced_by(settings["balancing"]),
        num_parameters=sum(parameter.numel() for parameter in run.model.parameters()),
        judged_on=run.judged_on,
        judgements=tuple(
            judge(
                run,
                output,
                baselines=options.baselines_of(output),
                least_rows=options.least_rows,
                num_resamples=options.num_resamples,
                seed=options.seed,
            )
            for output in run.model.outputs
        ),
        not_run=tuple(name for name in BASELINES if name not in options.baselines),
        parts=part_summaries(run),
        notes=(*run.prepared.notes, *run.told),
        evaluations=run.evaluations,
        stopped=run.stopped,
        metrics={
            output: {name: _enough(value, options.least_rows) for name, value in values.items()}
            for output, values in run.metrics.items()
        },
        calibration=tuple(
            calibration_curve(run, output, least_rows=options.least_rows)
            for output in run.model.outputs
        ),
        gates=gates,
        dead_experts=dead_experts(gates),
        collapsed_gates=collapsed_gates(gates),
        slices=shown,
        hidden_slices=hidden,
        person_columns=persons,
        lists=study_lists(run, least_rows=options.least_rows, seed=options.seed),
        options=options,
    )


def _named(folder: Path) -> str:
    whole = folder.resolve()
    return (whole.parent.name or whole.name) if whole.name == "run" else whole.name


def _enough(value: Value, least_rows: int) -> Value:
    if value.n >= least_rows:
        return value
    return Value(float("nan"), reason=f"fewer than {least_rows} rows: not shown")


def _person_columns(run: OpenedRun) -> tuple[str, ...]:
    """The columns of slices whose values are users or requests."""
    persons = {run.schema.user, run.schema.request}
    named = (entry.column for entry in run.slices if not _is_whether_seen(entry))
    return tuple(dict.fromkeys(column for column in named if column in persons))


def _slices(
    run: OpenedRun, persons: Sequence[str], least_rows: int
) -> tuple[tuple[SliceResult, ...], Mapping[str, int]]:
    """The slices of enough rows, and of how many values some are left out, by column."""
    shown: list[SliceResult] = []
    hidden: dict[str, set[str]] = {}
    for entry in run.slices:
        if entry.column in persons and not _is_whether_seen(entry):
            continue
        if entry.result.n >= least_rows:
            shown.append(entry)
        elif entry.result.n:
            hidden.setdefault(entry.column, set()).add(entry.value)
    return tuple(shown), {column: len(values) for column, values in hidden.items()}


def _is_whether_seen(entry: SliceResult) -> bool:
    return entry.value in ("seen in training", "not seen in training")


def command_for(findings: Findings, names: Sequence[str]) -> str:
    """The command that makes the report with these baselines as well."""
    asked = check_baselines([*findings.options.baselines, *names])
    return shlex.join(["plait", "report", str(findings.folder), "--baselines", ",".join(asked)])


def to_json(findings: Findings) -> dict[str, Any]:
    """The findings as plain data."""
    form: dict[str, Any] = plain(findings)
    form["folder"] = str(findings.folder)
    return form


def _balanced_by(settings: Mapping[str, Any]) -> str:
    """The name of the rule, and of the rule within it where that is another than `Equal`."""
    inner = (settings.get("rule") or {"name": "Equal"})["name"]
    return settings["name"] if inner == "Equal" else f"{settings['name']} over {inner}"
