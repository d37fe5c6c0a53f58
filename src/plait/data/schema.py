"""What a row is: the features a model may read, and the roles that columns play.

A schema is pure data. It names raw columns of the log and says how each is to be read; what is
learnt from the training rows (vocabularies, scales, bins) belongs to the `Preprocessor`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, asdict, dataclass, fields
from typing import Any

from plait.errors import SchemaError, UnknownNameError

from .features import (
    FEATURE_KINDS,
    Categorical,
    EmbeddedFeature,
    Feature,
    MultiHot,
    Numeric,
    Sequence,
    Vector,
)

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
        if not isinstance(owner, EmbeddedFeature) or owner.shares is not None:
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
