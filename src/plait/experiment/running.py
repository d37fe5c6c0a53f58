"""A whole run: prepare, train, judge, write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch

from plait.architectures import Gate, Link, MMoE
from plait.artifact import (
    Artifact,
    artifact_folder,
    model_settings,
    read_artifact,
    write_artifact,
)
from plait.balancing import Balancer, Equal
from plait.data.history import History
from plait.data.joins import Table
from plait.data.log import Log
from plait.data.preparing import PreparedLog, prepare
from plait.data.reading import Source
from plait.data.schema import Schema
from plait.data.splits import Split
from plait.methods import Method
from plait.methods.base import Plain
from plait.models import (
    ArchitectureFactory,
    InteractionFactory,
    MultiTaskModel,
    Precision,
    SequenceFactory,
    TermFactory,
)
from plait.serving import Predictor, load
from plait.settings import settings_of
from plait.tasks import Task
from plait.training import (
    Callback,
    Evaluation,
    Training,
    blocks_of,
    engine_for,
    evaluate_store,
    finish,
    finish_kept,
    fit_heads,
    grow_from,
    warm_up,
)
from plait.training import History as TrainingHistory
from plait.training.checkpoint import write_json

from .arguments import check_arguments, check_encoders, check_gates, check_terms
from .claiming import MAY_CHANGE, check_same, claim

ID_DROPOUT = 0.3
"""Where a history says much of what an id says, and goes on saying it of ids that are new."""


@dataclass(frozen=True)
class Run:
    """A finished run.

    Stability: experimental.

    Attributes:
        folder: where it lies: `artifact/`, `metrics.json`, `history.json`, `facts.json`.
        evaluation: metrics on the test rows; on the validation rows where there are no test rows.
        judged_on: `test`, `valid` or `train`: which rows `evaluation` speaks of.
        history: what happened in training.
        facts: plain sentences about the rows, the split and what looked odd.
        artifact: the trained model with what it needs; None for a run that is read again.
    """

    folder: Path
    evaluation: Evaluation
    judged_on: str
    history: TrainingHistory
    facts: tuple[str, ...] = ()
    artifact: Artifact | None = field(default=None, repr=False)

    @cached_property
    def predictor(self) -> Predictor:
        """The trained model, for raw rows."""
        return load(self.folder) if self.artifact is None else Predictor(self.artifact)


def train(
    log: Source | Sequence[Source],
    *,
    schema: Schema,
    tasks: Sequence[Task],
    split: Split,
    out: str | Path,
    tables: Sequence[Table] = (),
    ratios: Sequence[float] | None = None,
    architecture: ArchitectureFactory = MMoE,
    links: Sequence[Link] = (),
    gates: Sequence[Gate] = (),
    interaction: InteractionFactory | None = None,
    sequence: SequenceFactory | None = None,
    sequence_of: Mapping[str, SequenceFactory] | None = None,
    factors: int = 32,
    terms: Sequence[TermFactory] = (),
    tower: Sequence[int] = (64,),
    dropout: float = 0.2,
    id_dropout: float | None = None,
    unknown_rate: float = 0.01,
    table_precision: Precision = "fp32",
    ranks: Literal["before", "after"] = "before",
    history: History | bool = True,
    balancer: Balancer | None = None,
    method: Method | None = None,
    training: Training | None = None,
    group_by: str | None = None,
    slices: Sequence[str] = (),
    cache: str | Path | None = None,
    init_from: str | Path | None = None,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
) -> Run:
    """Train, judge and save a multi-task model.

    Stability: experimental.

    Args:
        log: a file, folder, glob or data frame with one row for each shown item, or several.
        schema: features and roles.
        tasks: what to predict.
        split: which rows train, validate and test.
        out: folder of the run.
        tables: side tables joined to the log.
        ratios: shares in which several logs are mixed.
        architecture: builds the sharing structure: a class, or `partial(MMoE, num_experts=8)`.
        links: ties between tasks.
        gates: what scales inputs for the scenario and towers for the person, over any structure.
        interaction: builds what makes the features meet before the sharing structure reads them: a
            class, or `partial(DCNv2, num_layers=3)`. None: they stand side by side.
        sequence: builds the encoder of every sequence, those of the history too: a class, or
            `partial(SASRec, num_blocks=1)`. None: the mean of its vectors.
        sequence_of: for some sequences by name, another encoder.
        factors: width of the product of user and item (matrix factorisation) that stands beside
            the deep network; 0: none.
        terms: build classical models beside the deep network: classes, or
            `partial(FPMC, last=3)`.
        tower: widths of each task's own hidden layers.
        dropout: in the towers.
        id_dropout: share of rows on which a user's or item's vector is left out of the deep network
            in training. None: 0.3 with a history, which then has to do without it; else 0.
        unknown_rate: share of ids that are read as unknown in training.
        table_precision: `bf16` keeps the vectors of ids at half the memory, in training and after.
        ranks: whether the model ranks `before` or `after` the exposure.
        history: what is remembered of users and items, as features. True: `History()` where the
            schema names both; False: nothing.
        balancer: from several losses to gradients. None: equal weights.
        method: the way to learn. None: from the labels alone (supervised).
        training: how long and how fast.
        group_by: column for grouped metrics.
        slices: columns to slice metrics by.
        cache: folder of prepared logs, shared by runs. None: inside the run.
        init_from: a finished run to start from: its vocabularies are extended and its weights
            taken over where they fit.
        resume: go on with a run that was stopped.
        callbacks: told of every step and evaluation.

    Raises:
        ConfigurationError: `out` holds a run and `resume` is false, or it was another run.
        PlaitError: data, tasks or settings that do not fit; the message says which.
    """
    check_arguments(schema, tasks, split, architecture, links, balancer, method)
    check_encoders(interaction, sequence, sequence_of)
    check_gates(gates)
    check_terms(terms)
    folder = Path(out)
    settings = training or Training()
    warm_up(settings.engine)
    sources = (log,) if isinstance(log, str | Path) or not isinstance(log, Sequence) else log
    method = method or Plain()
    grouped = [group_by] if group_by else []
    kept = tuple(dict.fromkeys([*grouped, *slices, *method.columns]))
    whole = Log(
        sources=tuple(sources),
        schema=schema,
        tasks=tuple(tasks),
        tables=tuple(tables),
        ratios=None if ratios is None else tuple(ratios),
        columns=kept,
        ranks=ranks,
        history=remembered(history, schema),
    )
    claim(folder, resume=resume)
    start = None if init_from is None else read_artifact(Path(init_from))
    prepared = prepare(
        whole,
        split,
        cache=Path(cache) if cache is not None else folder / "prepared",
        older=None if init_from is None else artifact_folder(init_from) / "preprocessor",
    )
    device = torch.device("cpu")
    warm_up(engine_for(settings, num_rows=prepared.train.num_rows, device=device))
    model = build(
        prepared,
        seed=settings.seed,
        architecture=architecture,
        links=links,
        gates=gates,
        interaction=interaction,
        sequence=sequence,
        sequence_of=sequence_of,
        factors=factors,
        terms=terms,
        tower=tower,
        dropout=dropout,
        id_dropout=usual_id_dropout(whole) if id_dropout is None else id_dropout,
        unknown_rate=unknown_rate,
        table_precision=table_precision,
        preference=reads_preferences(balancer),
    )
    if start is not None:
        grow_from(model, start.model)
    check_same(
        folder,
        {
            "plait": version("plait"),
            "prepared": prepared.key,
            "model": model_settings(model),
            "training": {k: v for k, v in asdict(settings).items() if k not in MAY_CHANGE},
            "balancing": settings_of(balancer or Equal()),
            "method": None if isinstance(method, Plain) else method.to_json(),
            "init_from": None if init_from is None else str(init_from),
        },
    )
    course = method.fit(
        model,
        prepared.train,
        prepared.valid,
        settings=settings,
        balancer=balancer,
        callbacks=callbacks,
        folder=folder / "training",
    )
    learnt = method.to_json()
    with blocks_of(course.engine):
        finish(model, prepared.train, prepared.valid, noise=course.noise)
        finish_kept(model, prepared.train, prepared.valid, folder / "training", noise=course.noise)
        return _finish(
            folder, model, prepared, whole, course, learnt, group_by=group_by, slices=slices
        )


def build(
    prepared: PreparedLog,
    *,
    seed: int = 0,
    architecture: ArchitectureFactory = MMoE,
    links: Sequence[Link] = (),
    gates: Sequence[Gate] = (),
    interaction: InteractionFactory | None = None,
    sequence: SequenceFactory | None = None,
    sequence_of: Mapping[str, SequenceFactory] | None = None,
    factors: int = 32,
    terms: Sequence[TermFactory] = (),
    tower: Sequence[int] = (64,),
    dropout: float = 0.2,
    id_dropout: float = 0.0,
    unknown_rate: float = 0.01,
    table_precision: Precision = "fp32",
    preference: bool = False,
) -> MultiTaskModel:
    """A model for a prepared log, its heads fitted, its weights drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MultiTaskModel(
            prepared.preprocessor.layout,
            prepared.tasks,
            architecture=architecture,
            links=links,
            gates=gates,
            interaction=interaction,
            sequence=sequence,
            sequence_of=sequence_of,
            factors=factors,
            terms=terms,
            tower=tower,
            dropout=dropout,
            id_dropout=id_dropout,
            unknown_rate=unknown_rate,
            table_precision=table_precision,
            preference=preference,
        )
    fit_heads(model, prepared.train)
    return model


def reads_preferences(balancer: Balancer | None) -> bool:
    """Whether the model of this rule has gates that read a preference."""
    return balancer is not None and balancer.draws_preferences


def remembered(history: History | bool, schema: Schema) -> History | None:  # noqa: FBT001
    """What is remembered, as `train` reads its argument: nothing without both keys."""
    if isinstance(history, History):
        return history
    return History() if history and schema.user and schema.item else None


def usual_id_dropout(log: Log) -> float:
    """Where nothing was said: some with a history, which says much of what an id says."""
    return 0.0 if log.history is None else ID_DROPOUT


def _finish(
    folder: Path,
    model: MultiTaskModel,
    prepared: PreparedLog,
    log: Log,
    course: TrainingHistory,
    learnt: Mapping[str, Any],
    *,
    group_by: str | None,
    slices: Sequence[str],
) -> Run:
    judged_on = next(p for p in ("test", "valid", "train") if getattr(prepared, p) is not None)
    evaluation = evaluate_store(
        model, getattr(prepared, judged_on), group_by=group_by, slices=slices
    )
    facts = {
        "metrics": evaluation.to_json(),
        "judged_on": judged_on,
        "method": learnt,
        **prepared.facts,
    }
    artifact = Artifact(
        model, prepared.preprocessor, log.schema, log.tables, facts, prepared.history
    )
    write_artifact(folder / "artifact", artifact, plait_version=version("plait"))
    write_json(course.to_json(), folder / "history.json")
    write_json(prepared.facts, folder / "facts.json")
    metrics = {judged_on: evaluation.to_json(), "slices": evaluation.slices_to_json()}
    write_json(metrics, folder / "metrics.json")
    told = (*prepared.notes, *course.notes)
    return Run(folder, evaluation, judged_on, course, told, artifact)
