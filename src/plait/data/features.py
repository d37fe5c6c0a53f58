"""The kinds of feature: how one raw column, or two, are to be read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Literal

from plait.errors import SchemaError

__all__ = [
    "FEATURE_KINDS",
    "Categorical",
    "EmbeddedFeature",
    "Feature",
    "MultiHot",
    "Numeric",
    "Sequence",
    "Vector",
]


@dataclass(frozen=True)
class Feature:
    """What every kind of feature has in common. Use one of the kinds below.

    Stability: stable.

    Attributes:
        name: how the feature is called; also its column, unless `column` says otherwise.
        column: the raw column of the log.
        known: `after` marks a column that is only known after the exposure (watch time, a later
            purchase). Such a feature is refused by a model that ranks before the exposure.
    """

    kind: ClassVar[str]

    name: str
    _: KW_ONLY
    column: str | None = None
    known: Literal["before", "after"] = "before"

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise SchemaError(f"Feature {self.name!r}: " + "; ".join(problems) + ".")

    @property
    def source(self) -> str:
        """The raw column that the feature is read from."""
        return self.name if self.column is None else self.column

    def columns(self) -> tuple[str, ...]:
        """Every raw column that the feature needs."""
        return (self.source,)

    def _problems(self) -> Iterable[str]:
        if not self.name:
            yield "`name` is empty"
        if self.known not in ("before", "after"):
            yield f"`known` is 'before' or 'after', got {self.known!r}"


@dataclass(frozen=True)
class EmbeddedFeature(Feature):
    """A feature whose values are looked up in a table of vectors.

    Attributes:
        embedding_dim: width of the vectors. None: 16 for user and item keys, 8 otherwise.
        min_count: values seen less often than this in the training rows share the *unknown*
            vector. None: 1 for user and item keys, 2 otherwise.
        hash_buckets: hash the values into this many rows instead of keeping a vocabulary.
        shares: another feature whose vocabulary and table this one uses.
    """

    _: KW_ONLY
    embedding_dim: int | None = None
    min_count: int | None = None
    hash_buckets: int | None = None
    shares: str | None = None

    def _problems(self) -> Iterable[str]:
        yield from super()._problems()
        if self.embedding_dim is not None and self.embedding_dim < 1:
            yield f"`embedding_dim` must be positive, got {self.embedding_dim}"
        if self.min_count is not None and self.min_count < 1:
            yield f"`min_count` must be at least 1, got {self.min_count}"
        if self.hash_buckets is not None and self.hash_buckets < 2:
            yield f"`hash_buckets` must be at least 2, got {self.hash_buckets}"
        if self.shares is not None:
            own = (self.embedding_dim, self.min_count, self.hash_buckets)
            if any(value is not None for value in own):
                yield (
                    f"`shares` takes width, counts and hashing from {self.shares!r}; "
                    "leave `embedding_dim`, `min_count` and `hash_buckets` out"
                )


@dataclass(frozen=True)
class Categorical(EmbeddedFeature):
    """One value out of many: an id, a country, a device. Integers keep their identity.

    Example:
        >>> Categorical("user_id", embedding_dim=16).source
        'user_id'
    """

    kind: ClassVar[str] = "categorical"


@dataclass(frozen=True)
class Numeric(Feature):
    """A number. It enters as its normal quantile, piecewise linearly and through a bin's vector.

    Edges are quantiles of the values that are not a *spike* (a value with more than a tenth of
    the mass, such as the 0 of an amount), plus the spikes; so a column that is 95 % zeros keeps its
    bins. After Gorishniy et al., `On Embeddings for Numerical Features
    <https://arxiv.org/abs/2203.05556>`_, 2022.

    Attributes:
        num_pieces: pieces of the piecewise-linear encoding; 0 leaves it out.
        num_bins: bins with a vector of their own; 0 leaves them out.
        embedding_dim: width of a bin's vector.
    """

    kind: ClassVar[str] = "numeric"

    _: KW_ONLY
    num_pieces: int = 24
    num_bins: int = 64
    embedding_dim: int = 8

    def _problems(self) -> Iterable[str]:
        yield from super()._problems()
        if self.num_pieces < 0 or self.num_bins < 0:
            yield "`num_pieces` and `num_bins` must not be negative"
        if self.embedding_dim < 1:
            yield f"`embedding_dim` must be positive, got {self.embedding_dim}"


@dataclass(frozen=True)
class Sequence(EmbeddedFeature):
    """An ordered list of values, the latest last: past items, searches, sessions.

    Attributes:
        max_length: values kept per row, the last ones; longer lists are cut and counted.
        delimiter: splits a string cell into values; None: the column holds lists.
        encoder: how the list becomes one vector; `mean` leaves padding out of the count. A model
            may be given another encoder for it (`sequence`, `sequence_of`).
    """

    kind: ClassVar[str] = "sequence"

    _: KW_ONLY
    max_length: int = 50
    delimiter: str | None = None
    encoder: Literal["mean"] = "mean"

    def _problems(self) -> Iterable[str]:
        yield from super()._problems()
        if self.max_length < 1:
            yield f"`max_length` must be at least 1, got {self.max_length}"
        if self.delimiter == "":
            yield "`delimiter` is empty"


@dataclass(frozen=True)
class MultiHot(EmbeddedFeature):
    """An unordered set of values in one cell: genres, tags. It enters as the mean of its vectors.

    Attributes:
        weights: column with one weight a value, as lists or strings like the values.
        max_length: values kept per row, the first ones; longer lists are cut and counted.
        delimiter: splits a string cell into values; None: the column holds lists.
    """

    kind: ClassVar[str] = "multi_hot"

    _: KW_ONLY
    weights: str | None = None
    max_length: int = 50
    delimiter: str | None = None

    def columns(self) -> tuple[str, ...]:
        """The values, and the weights where there are any."""
        return (self.source,) if self.weights is None else (self.source, self.weights)

    def _problems(self) -> Iterable[str]:
        yield from super()._problems()
        if self.max_length < 1:
            yield f"`max_length` must be at least 1, got {self.max_length}"
        if self.delimiter == "":
            yield "`delimiter` is empty"


@dataclass(frozen=True)
class Vector(Feature):
    """A list of numbers of fixed length: a text or image embedding made elsewhere.

    Attributes:
        size: how many numbers each row holds.
    """

    kind: ClassVar[str] = "vector"

    _: KW_ONLY
    size: int = 0

    def _problems(self) -> Iterable[str]:
        yield from super()._problems()
        if self.size < 1:
            yield f"`size` must say how many numbers a row holds, got {self.size}"


FEATURE_KINDS: tuple[type[Feature], ...] = (Categorical, Numeric, Sequence, MultiHot, Vector)
"""The kinds of feature, in the order in which they are documented."""
