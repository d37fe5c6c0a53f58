"""What a row is: the features a model may read, and the roles that columns play.

A schema is pure data. It names raw columns of the log and says how each is to be read; what is
learnt from the training rows (vocabularies, scales, bins) belongs to the `Preprocessor`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, asdict, dataclass, fields
from typing import Any, ClassVar, Literal

from plait.errors import SchemaError, UnknownNameError

__all__ = [
    "FEATURE_KINDS",
    "Categorical",
    "Feature",
    "MultiHot",
    "Numeric",
    "Schema",
    "Sequence",
    "Vector",
]

SCHEMA_VERSION = 1
ROLES = ("user", "item", "time", "request", "scenario", "position")


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
class _Embedded(Feature):
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
class Categorical(_Embedded):
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
class Sequence(_Embedded):
    """An ordered list of values, the latest last: past items, searches, sessions.

    Attributes:
        max_length: values kept per row, the last ones; longer lists are cut and counted.
        delimiter: splits a string cell into values; None: the column holds lists.
        encoder: how the list becomes one vector; `mean` leaves padding out of the count.
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
class MultiHot(_Embedded):
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


@dataclass(frozen=True)
class Schema:
    """The features of a log, and which columns are its user, item, time and so on.

    Stability: stable.

    A role names a raw column. It need not be a feature; where it is one (`user`, `item`), the
    feature counts as a key: wider vectors, no minimum count.

    Example:
        >>> schema = Schema((Categorical("user_id"), Numeric("age")), user="user_id")
        >>> schema.is_key("user_id"), schema.is_key("age")
        (True, False)

    Raises:
        SchemaError: two features of one name, no feature, or a table that is shared in a circle.
        UnknownNameError: `shares` names no feature.
    """

    features: tuple[Feature, ...]
    _: KW_ONLY
    user: str | None = None
    item: str | None = None
    time: str | None = None
    request: str | None = None
    scenario: str | None = None
    position: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", tuple(self.features))
        names = [feature.name for feature in self.features]
        if not names:
            raise SchemaError("The schema has no feature. Name at least one.")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SchemaError(f"Two features share a name: {', '.join(twice)}. Names must differ.")
        for feature in self.features:
            shares = getattr(feature, "shares", None)
            if shares is not None:
                self._check_shared(feature.name, shares)

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names, in order."""
        return tuple(feature.name for feature in self.features)

    @property
    def roles(self) -> dict[str, str]:
        """The roles that are taken, as role -> column."""
        taken = {role: getattr(self, role) for role in ROLES}
        return {role: column for role, column in taken.items() if column is not None}

    def feature(self, name: str) -> Feature:
        """The feature of this name."""
        for feature in self.features:
            if feature.name == name:
                return feature
        raise UnknownNameError(name, what="feature", known=self.names)

    def is_key(self, name: str) -> bool:
        """Whether the feature's table holds users or items.

        It does when some categorical feature that uses the table is read from the user's or the
        item's column.
        """
        keys = {self.user, self.item} - {None}
        table = _table_of(self.feature(name))
        return any(
            isinstance(feature, Categorical)
            and feature.source in keys
            and _table_of(feature) == table
            for feature in self.features
        )

    def columns(self) -> tuple[str, ...]:
        """Every raw column that features and roles need, each once."""
        needed = [column for feature in self.features for column in feature.columns()]
        return tuple(dict.fromkeys([*needed, *self.roles.values()]))

    def to_json(self) -> dict[str, Any]:
        """The versioned JSON form."""
        features = [{"kind": type(f).kind, **asdict(f)} for f in self.features]
        return {"version": SCHEMA_VERSION, "features": features, "roles": self.roles}

    @classmethod
    def from_json(cls, form: Mapping[str, Any]) -> Schema:
        """The schema of a JSON form.

        Raises:
            SchemaError: the form is of a newer version, or holds a kind that is not known.
        """
        version = form.get("version")
        if version != SCHEMA_VERSION:
            raise SchemaError(
                f"The schema is of version {version!r}; this plait reads version "
                f"{SCHEMA_VERSION}. Install the plait that wrote it."
            )
        return cls(tuple(_feature(entry) for entry in form["features"]), **form["roles"])

    def _check_shared(self, name: str, shares: str) -> None:
        if shares not in self.names:
            raise UnknownNameError(
                shares, what="feature", known=self.names, where=f"`shares` of {name!r}"
            )
        owner = self.feature(shares)
        if not isinstance(owner, _Embedded) or owner.shares is not None:
            raise SchemaError(
                f"Feature {name!r}: `shares` must name a categorical, sequence or multi-hot "
                f"feature with a table of its own; {shares!r} has none."
            )


def _table_of(feature: Feature) -> str:
    shares: str | None = getattr(feature, "shares", None)
    return feature.name if shares is None else shares


def _feature(entry: Mapping[str, Any]) -> Feature:
    kinds = {kind.kind: kind for kind in FEATURE_KINDS}
    if entry["kind"] not in kinds:
        raise SchemaError(f"{entry['kind']!r} is no kind of feature. Known: {', '.join(kinds)}.")
    kind = kinds[entry["kind"]]
    known = {field.name for field in fields(kind)}
    settings = {name: value for name, value in entry.items() if name in known}
    return kind(**settings)
