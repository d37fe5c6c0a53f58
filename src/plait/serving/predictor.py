"""Raw rows in, named predictions out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import polars as pl
import torch

from plait.architectures import Architecture, Link
from plait.artifact import Artifact, read_artifact
from plait.data.frame_files import append_frames
from plait.data.labels import TaskReader
from plait.data.log import Log
from plait.data.preparing import write_part
from plait.data.reading import Source
from plait.data.serving import unlabelled_batch
from plait.data.staging import chunks, stage
from plait.data.store import Store
from plait.errors import ConfigurationError, DataError
from plait.models import Precision, preferring, ray_of
from plait.modules.interactions import Interaction
from plait.modules.sequences import SequenceEncoder
from plait.modules.terms import Term
from plait.tasks import Multiclass
from plait.training import (
    Evaluation,
    best_state_of,
    check_labels,
    evaluate_store,
    predict_store,
)
from plait.training.engine import blocks_of, row_kernels
from plait.training.judging import mix, scores, shares_of_mix
from plait.training.precision import multiplying
from plait.training.settings import Engine

ROWS_AT_ONCE = 8192
"""Rows whose layers stand in memory at a time; those of a whole chunk would take a gigabyte."""


class Predictor:
    """A trained model that takes what stands in the log and gives predictions by name.

    Stability: experimental.

    Args:
        artifact: of a finished run.
        precision: of the products of matrices; see `load`.
        engine: of the layers; see `load`.

    Attributes:
        artifact: the model, its preprocessor, schema, side tables and history.
        precision: of the products of matrices.
        engine: of the layers.

    Raises:
        ConfigurationError: there is no such precision or engine, or not both together.
        MissingExtraError: `compiled` without numba.
    """

    def __init__(
        self, artifact: Artifact, *, precision: Precision = "fp32", engine: Engine = "torch"
    ) -> None:
        if precision not in get_args(Precision):
            raise ConfigurationError(f"`precision` is 'fp32' or 'bf16', got {precision!r}.")
        if engine not in get_args(Engine):
            raise ConfigurationError(f"`engine` is 'torch' or 'compiled', got {engine!r}.")
        if engine == "compiled" and precision == "bf16":
            raise ConfigurationError("`engine` 'compiled' has no kernels for `precision` 'bf16'.")
        row_kernels(engine)
        self.artifact = artifact
        self.precision = precision
        self.engine = engine
        self._reader = TaskReader(tuple(artifact.model.tasks.values()))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that `predict` gives."""
        return tuple(c for output in self.artifact.model.outputs for c in self._columns(output))

    def predict(
        self,
        source: Source,
        *,
        keep: Sequence[str] = (),
        prefix: str = "",
        preference: Mapping[str, float] | None = None,
    ) -> pl.DataFrame:
        """Predictions for every row, in the order of the rows.

        A task with several classes gives a column for each (`genre.comedy`). Labels are not
        needed. Users, items and categories that training never saw are read as *unknown*.

        Args:
            source: a file, a folder, a glob or a data frame.
            keep: raw columns to hand through, in front of the predictions.
            prefix: put before the names of predictions.
            preference: what each task is worth, for a model that was trained with `Rays`; tasks
                that are not named count 0. None: all tasks the same.

        Raises:
            ConfigurationError: a preference for a model that reads none.
            TaskError: a preference below 0, or none above it.
            DataError: a file that cannot be read, a column that is not of its kind, or a kept
                column that is called like a prediction.
            UnknownNameError: a column that is missing, or a preference for no task.
        """
        parts = self._slices(source, keep=keep, prefix=prefix, preference=preference)
        return pl.concat([part for _, part in parts])

    def predict_file(
        self,
        source: Source,
        output: str | Path,
        *,
        keep: Sequence[str] = (),
        prefix: str = "",
        preference: Mapping[str, float] | None = None,
        on_rows: Callable[[int, int], None] | None = None,
    ) -> int:
        """Write what `predict` gives to a file, in slices, so that memory does not grow with rows.

        The file is there whole, once all is written, or not at all.

        Args:
            source: as in `predict`.
            output: `.parquet`, `.csv` or `.arrow`.
            keep: as in `predict`.
            prefix: as in `predict`.
            preference: as in `predict`.
            on_rows: is told, again and again, how many rows are done, and of how many.

        Returns:
            How many rows were written.

        Raises:
            ConfigurationError: as in `predict`.
            TaskError: as in `predict`.
            DataError: as in `predict`; another suffix, a column that CSV cannot hold, a full disk.
            UnknownNameError: as in `predict`.
        """
        done = 0
        with append_frames(Path(output)) as append:
            parts = self._slices(source, keep=keep, prefix=prefix, preference=preference)
            for total, part in parts:
                append(part)
                done += part.height
                if on_rows is not None:
                    on_rows(done, total)
        return done

    def evaluate(
        self,
        source: Source,
        *,
        group_by: str | None = None,
        slices: Sequence[str] = (),
        preference: Mapping[str, float] | None = None,
    ) -> Evaluation:
        """Judge the model on labelled rows: the metrics of `predict` on the same rows.

        Args:
            source: rows with labels.
            group_by: column for the grouped metrics.
            slices: columns to slice by.
            preference: as in `predict`.

        Raises:
            ConfigurationError: a preference for a model that reads none.
            TaskError: labels outside their kind; a preference below 0, or none above it.
            UnknownNameError: a column that is missing, or a preference for no task.
        """
        columns = (*([group_by] if group_by else []), *slices)
        with self._asked(self._ray(preference)), self._labelled(source, columns) as store:
            return evaluate_store(self.artifact.model, store, group_by=group_by, slices=slices)

    def score(self, source: Source) -> float:
        """The mix of early stopping on labelled rows: one number, higher is better."""
        model = self.artifact.model
        with self._asked(None), self._labelled(source, ()) as store:
            found = scores(model, store, predict_store(model, store))
            return mix(model.tasks, found, shares_of_mix(model, store))

    def _slices(
        self,
        source: Source,
        *,
        keep: Sequence[str],
        prefix: str,
        preference: Mapping[str, float] | None,
    ) -> Iterator[tuple[int, pl.DataFrame]]:
        """What `predict` gives, chunk by chunk, and how many rows there are in all."""
        names = [f"{prefix}{column}" for column in self.columns]
        both = sorted(set(keep) & set(names))
        if both:
            raise DataError(
                f"`keep` names {', '.join(both)}, which is also the name of a prediction. Give "
                "predictions a `prefix`, such as 'predicted_'."
            )
        ray = self._ray(preference)
        if isinstance(source, pl.DataFrame) and source.is_empty():
            kept = source.select(keep)
            yield 0, kept.with_columns(pl.lit(None, dtype=pl.Float32).alias(n) for n in names)
            return
        log = self._log(source, columns=tuple(keep))
        features = [c for f in log.schema.features for c in f.columns()]
        needed = dict.fromkeys([*features, *sorted(self._reader.serving_columns), *keep])
        with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
            staged, rows = self._staged(log, needed, Path(scratch))
            for chunk in self._chunks(staged, rows):
                with self._asked(ray):
                    parts = [self._predict(few, names) for few in chunk.iter_slices(ROWS_AT_ONCE)]
                found = pl.concat(parts)
                yield rows, pl.concat([chunk.select(keep), found], how="horizontal")

    def _ray(self, preference: Mapping[str, float] | None) -> tuple[float, ...] | None:
        """The shares of the tasks; None where nobody said any."""
        if preference is None:
            return None
        model = self.artifact.model
        if model.preference_gates is None:
            raise ConfigurationError(
                "This model was trained for one trade-off between its tasks and reads no "
                '`preference`. Train one that does: `balancer=Rays()`, or `balancing = "Rays"` in '
                "the experiment file."
            )
        return ray_of(preference, tuple(model.tasks))

    @contextmanager
    def _asked(self, ray: tuple[float, ...] | None) -> Iterator[None]:
        """The network runs in this block, for these shares of the tasks."""
        device = next(self.artifact.model.parameters()).device
        with preferring(ray), multiplying(self.precision, device), blocks_of(self.engine):
            yield

    @contextmanager
    def _labelled(self, source: Source, columns: tuple[str, ...]) -> Iterator[Store]:
        log = self._log(source, columns=columns)
        with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
            staged = self._staged(log, log.needed_columns(), Path(scratch))
            folder, rows = Path(scratch) / "rows", self._chunks(*staged)
            store, _ = write_part(folder, rows, log, self.artifact.preprocessor)
            check_labels(self.artifact.model, store)
            yield store

    def _log(self, source: Source, *, columns: tuple[str, ...]) -> Log:
        return Log(
            sources=(source,),
            schema=self.artifact.schema,
            tasks=tuple(self.artifact.model.tasks.values()),
            tables=self.artifact.tables,
            columns=columns,
            ranks="after",  # which features a model may have was decided when it was trained
        )

    def _staged(self, log: Log, needed: Collection[str], scratch: Path) -> tuple[pl.LazyFrame, int]:
        """The columns that are needed, on disk, and how many rows there are."""
        frame, history = log.rows(), self.artifact.history
        read = () if history is None else history.columns
        columns = list(dict.fromkeys([*needed, *read]))
        log.check(frame, columns)
        staged = stage(frame, columns, scratch / "raw.arrow")
        return staged, staged.select(pl.len()).collect().item()

    def _chunks(self, staged: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
        """The rows with their history."""
        history = self.artifact.history
        for chunk in chunks(staged, rows):
            yield chunk if history is None else history.transform(chunk)

    def _predict(self, chunk: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
        batch = unlabelled_batch(
            self.artifact.preprocessor.transform(chunk),
            extras=self._reader.serving_extras(chunk),
        )
        with torch.inference_mode():
            predictions = self.artifact.model.predict(batch)
        columns = torch.cat([p.reshape(len(batch), -1) for p in predictions.values()], dim=1)
        return pl.DataFrame(dict(zip(names, columns.T.contiguous().numpy(), strict=True)))

    def _columns(self, output: str) -> tuple[str, ...]:
        task = self.artifact.model.head(output).task
        if isinstance(task, Multiclass):
            return tuple(f"{output}.{value}" for value in task.classes or ())
        return (output,)


def load(
    folder: str | Path,
    *,
    best_of: str | None = None,
    precision: Precision = "fp32",
    engine: Engine = "torch",
    architectures: Sequence[type[Architecture]] = (),
    links: Sequence[type[Link]] = (),
    interactions: Sequence[type[Interaction]] = (),
    sequence_encoders: Sequence[type[SequenceEncoder]] = (),
    terms: Sequence[type[Term]] = (),
) -> Predictor:
    """The trained model of a finished run, ready for raw rows.

    Stability: experimental.

    Args:
        folder: the run's folder, or the `artifact` folder in it.
        best_of: a task: the state in which *its* validation score was best, instead of the state
            in which the mix was. Needs the run's folder.
        precision: of the products of matrices. `bf16` keeps 8 binary digits of each number, which
            processors with units for it multiply twice as fast; others are slower by it. The order
            of rows whose predictions are nearly the same may change.
        engine: `compiled` needs `plait[fast]` and a CPU: layers look up what they make of numbers
            and of short tables in place of multiplying it out. The first use on a machine compiles
            the kernels, which takes some ten seconds.
        architectures: your own classes, where the model was trained with one.
        links: your own links.
        interactions: your own interactions.
        sequence_encoders: your own encoders of sequences.
        terms: your own terms.

    Raises:
        ConfigurationError: there is no such precision or engine, or not both together.
        MissingExtraError: `compiled` without numba.
        ArtifactError: no artifact, a damaged or newer one, or no kept states.
        UnknownNameError: a task that the run has no best state of; an unknown part of a model.
    """
    artifact = read_artifact(
        Path(folder),
        architectures=architectures,
        links=links,
        interactions=interactions,
        sequence_encoders=sequence_encoders,
        terms=terms,
    )
    if best_of is not None:
        artifact.model.load_state_dict(best_state_of(best_of, Path(folder) / "training"))
    return Predictor(artifact, precision=precision, engine=engine)
