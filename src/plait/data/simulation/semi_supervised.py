"""Many rows and few, noisy labels: a world in which fields share what the labels depend on."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit, ndtr

from plait.data.schema import Categorical, Schema
from plait.errors import ConfigurationError

from .preferences import Floats, Ids
from .seeding import generator_of

__all__ = ["SemiSupervisedLog", "SemiSupervisedSettings", "SemiSupervisedWorld"]

LATENT = 6
HIDDEN = 16
FIELD_NOISE = 0.4
STEEPNESS = 2.5
BIASES = (-1.5, -2.5)
SECOND_LIKE_FIRST = 0.6
REFERENCE_ROWS = 65_536


@dataclass(frozen=True, kw_only=True)
class SemiSupervisedSettings:
    """Settings of `SemiSupervisedWorld`.

    Stability: experimental.

    Attributes:
        fields: categorical columns.
        ids: values of each column, equally frequent.
        train_rows: rows to learn from, most of them without labels.
        test_rows: rows with clean labels.
        labelled: share of the training rows that have labels.
        valid_share: share of the labelled rows that are for validation; noisy, too.
        flip: chance that a label of a training row is turned round.
        field_signal: correlation of what the fields show with what the labels depend on. At 0 the
            fields tell nothing of the labels, and no method can gain.
    """

    fields: int = 12
    ids: int = 40
    train_rows: int = 30_000
    test_rows: int = 10_000
    labelled: float = 0.05
    valid_share: float = 0.2
    flip: float = 0.0
    field_signal: float = 1.0

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise ConfigurationError("SemiSupervisedSettings: " + "; ".join(problems) + ".")

    def _problems(self) -> Iterator[str]:
        for name, least in {"fields": 1, "ids": 2, "train_rows": 1, "test_rows": 1}.items():
            if getattr(self, name) < least:
                yield f"`{name}` must be at least {least}, got {getattr(self, name)}"
        for name, most in _SHARES.items():
            if not 0 <= getattr(self, name) <= most:
                yield f"`{name}` must lie in [0, {most:g}], got {getattr(self, name)}"


_SHARES = {"labelled": 1.0, "valid_share": 1.0, "flip": 0.5, "field_signal": 1.0}


@dataclass(frozen=True)
class SemiSupervisedLog:
    """Rows of a semi-supervised world.

    Stability: experimental.

    Attributes:
        frame: the fields; `first` and `second`, null where there is no label; `part`: `train`,
            `unlabelled`, `valid` or `test`. What trains on unlabelled rows counts both of the
            first two as training rows.
        truth: `p_first`, `p_second`: the chance of the clean labels; `first`, `second`: the clean
            labels of all rows.
    """

    frame: pl.DataFrame
    truth: pl.DataFrame


class SemiSupervisedWorld:
    """Few noisy labels, many rows: what soft labels and pretraining are for.

    A latent `z ~ N(0, I)` of six numbers shows in every field: `s_f = a_f·z + 0.4 ε`, cut at its
    quantiles into ids whose order is shuffled. Two labels depend on `z` through a hidden layer,
    `u = tanh(zW)`, with `f_2` leaning on `f_1` by 0.6; `y_k ~ Bernoulli(σ(2.5 f_k + b_k))`.

    Stability: experimental.

    Example:
        >>> settings = SemiSupervisedSettings(train_rows=1_000, test_rows=100, labelled=0.1)
        >>> log = SemiSupervisedWorld(settings, seed=0).draw(seed=1)
        >>> log.frame["first"].count()
        200

    Args:
        settings: None: the defaults.
        seed: of fields and label functions.
    """

    def __init__(self, settings: SemiSupervisedSettings | None = None, *, seed: int = 0) -> None:
        self.settings = settings or SemiSupervisedSettings()
        generator = generator_of(seed, 0)
        fields = generator.normal(size=(self.settings.fields, LATENT))
        self._fields: Floats = fields / np.linalg.norm(fields, axis=1, keepdims=True)
        self._ids: Ids = np.stack(
            [generator.permutation(self.settings.ids) for _ in range(self.settings.fields)]
        )
        self._hidden = 1.5 * generator.normal(size=(LATENT, HIDDEN)) / math.sqrt(LATENT)
        first, other = generator.normal(size=(2, HIDDEN))
        second = SECOND_LIKE_FIRST * first + math.sqrt(1 - SECOND_LIKE_FIRST**2) * other
        reads = np.stack([first, second], axis=1)  # [HIDDEN, 2]
        reference = np.tanh(generator.normal(size=(REFERENCE_ROWS, LATENT)) @ self._hidden) @ reads
        # The mean is 0: the latent is symmetric, and tanh is odd.
        self._reads: Floats = reads / np.sqrt((reference**2).mean(axis=0))

    @property
    def schema(self) -> Schema:
        """How a log of this world is read."""
        return Schema(tuple(Categorical(name) for name in self._names))

    def draw(self, *, seed: int = 0) -> SemiSupervisedLog:
        """Training rows, few of them labelled, and test rows with clean labels.

        Raises:
            ConfigurationError: a negative seed.
        """
        generator = generator_of(seed, 1)
        rows = self.settings.train_rows + self.settings.test_rows
        latent = generator.normal(size=(rows, LATENT))
        chances = expit(STEEPNESS * np.tanh(latent @ self._hidden) @ self._reads + BIASES)
        labels = generator.random((rows, 2)) < chances
        part = self._parts(generator)
        flipped = generator.random((rows, 2)) < self.settings.flip
        recorded = labels ^ (flipped & (part != "test")[:, None])
        known = pl.Series(part != "unlabelled")
        seen = {
            name: pl.Series(recorded[:, place].astype(np.int8)).zip_with(
                known, pl.Series([None], dtype=pl.Int8)
            )
            for place, name in enumerate(("first", "second"))
        }
        truth = {
            "p_first": chances[:, 0],
            "p_second": chances[:, 1],
            "first": labels[:, 0],
            "second": labels[:, 1],
        }
        fields = dict(zip(self._names, self._show(latent, generator), strict=True))
        frame = pl.DataFrame({**fields, **seen, "part": part})
        return SemiSupervisedLog(frame, pl.DataFrame(truth))

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(f"field_{place}" for place in range(self.settings.fields))

    def _parts(self, generator: np.random.Generator) -> NDArray[np.str_]:
        """The part of each row. How many are labelled is exact; which ones are, is drawn."""
        train = self.settings.train_rows
        labelled = round(self.settings.labelled * train)
        valid = round(self.settings.valid_share * labelled)
        part = np.full(train + self.settings.test_rows, "test", dtype="<U10")
        order = generator.permutation(train)
        part[order[:valid]] = "valid"
        part[order[valid:labelled]] = "train"
        part[order[labelled:]] = "unlabelled"
        return part

    def _show(self, latent: Floats, generator: np.random.Generator) -> list[NDArray[np.int32]]:
        """What each field shows of the latent: its quantile, under another name."""
        signal = self.settings.field_signal
        other = generator.normal(size=latent.shape)
        shown = signal * latent + math.sqrt(1 - signal**2) * other
        sums = shown @ self._fields.T
        sums += FIELD_NOISE * generator.normal(size=sums.shape)
        ranks = ndtr(sums / math.sqrt(1 + FIELD_NOISE**2))  # exact quantiles: the sums are normal
        bins = (ranks * self.settings.ids).astype(np.int64).clip(max=self.settings.ids - 1)
        return [ids[bins[:, place]].astype(np.int32) for place, ids in enumerate(self._ids)]
