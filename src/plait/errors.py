"""Every exception and warning of plait. Each composes its own message.

A message names the argument, column or file, says what came and what was expected, and tells the
way out. Errors that a person causes are `ValueError`s (or `TypeError`s), so that code which knows
nothing of plait can catch them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path


class PlaitError(Exception):
    """Base of every error that plait raises on purpose."""


class PlaitWarning(UserWarning):
    """Base of every warning that plait gives."""


class TaskError(PlaitError, ValueError):
    """A task record, or a set of them, that cannot be trained as it stands."""


class SchemaError(PlaitError, ValueError):
    """A schema that contradicts itself or the data."""


class DataError(PlaitError, ValueError):
    """A file, a data frame or a side table that cannot be read or used as it stands."""


class ColumnError(DataError):
    """A column whose values are not what a feature needs."""

    def __init__(self, column: str, *, found: str, expected: str, way_out: str) -> None:
        super().__init__(f"Column {column!r}: {found}. Expected {expected}. {way_out}")


class SplitError(PlaitError, ValueError):
    """A split into training, validation and test rows that cannot be made as it was asked."""


class LoaderError(PlaitError, ValueError):
    """Options of a batch loader that contradict each other, its store or a saved state."""


class ExpressionError(PlaitError, ValueError):
    """An expression that is not allowed or not computable; a caret shows the place.

    Example:
        >>> raise ExpressionError("`=` is not allowed", text="click = 1", at=6)
        Traceback (most recent call last):
        plait.errors.ExpressionError: `=` is not allowed
            click = 1
                  ^
    """

    def __init__(self, problem: str, *, text: str, at: int | None = None) -> None:
        shown = "".join(letter if letter.isprintable() else " " for letter in text)
        if at is None:
            super().__init__(f"{problem}\n    {shown[:100]}")
            return
        first = max(0, at - 60)
        super().__init__(f"{problem}\n    {shown[first : at + 40]}\n    {' ' * (at - first)}^")


class ArchitectureError(PlaitError, ValueError):
    """A sharing structure, or a block of one, that cannot be built as asked."""


class UnknownNameError(PlaitError, ValueError):
    """A name that is not one of the known ones.

    Example:
        >>> raise UnknownNameError("clik", what="task", known=["click", "like"])
        Traceback (most recent call last):
        plait.errors.UnknownNameError: There is no task 'clik'. Did you mean 'click'? ...
    """

    def __init__(self, name: str, *, what: str, known: Iterable[str], where: str = "") -> None:
        place = f" in {where}" if where else ""
        super().__init__(f"There is no {what} {name!r}{place}. {did_you_mean(name, known)}")


class MetricInputError(PlaitError, ValueError):
    """Arrays that a metric cannot be computed from whatever they hold: shapes, kinds, merges."""


class ArtifactError(PlaitError, ValueError):
    """A saved file that is broken, incomplete or of another version."""

    def __init__(self, file: object, *, found: str, way_out: str) -> None:
        super().__init__(f"{file}: {found}. {way_out}")


class MissingExtraError(PlaitError, ImportError):
    """An optional package is needed and absent; the message holds the pip line."""

    def __init__(self, package: str, *, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed. "
            f"Install it with: pip install 'plait[{extra}]'"
        )


MOST_NAMES = 24
"""Of what is known, in a message; enough for all settings of one kind."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """One sentence that offers the nearest known name and lists what there is."""
    names: Sequence[str] = sorted(set(known))
    near = get_close_matches(name, names, n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    rest = len(names) - MOST_NAMES
    shown = ", ".join(names[:MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")
    return f"{hint}Known: {shown or '(none)'}."


class ConfigurationError(PlaitError, ValueError):
    """Settings that are out of range or contradict each other."""


class ExperimentFileError(ConfigurationError):
    """An experiment file that cannot be used as it stands; the message holds every problem.

    Example:
        >>> raise ExperimentFileError("a.toml", ["a.toml:3: `epochs`: expected a whole number."])
        Traceback (most recent call last):
        plait.errors.ExperimentFileError: a.toml has a problem:
          a.toml:3: `epochs`: expected a whole number.
    """

    def __init__(self, path: object, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"{path} has {count}:{lines}")


class ArgumentTypeError(PlaitError, TypeError):
    """An argument that is not the kind of object it should be."""

    def __init__(self, argument: str, value: object, *, wanted: str) -> None:
        super().__init__(f"`{argument}` got {value!r}; it takes {wanted}.")


class TrainingError(PlaitError, RuntimeError):
    """Training cannot go on: losses that are not finite, or nothing to learn from."""


class TrainingInterrupted(PlaitError):  # noqa: N818 (it is no error)
    """Training was asked to stop and has written a checkpoint.

    Attributes:
        signal: number of the signal that asked for it.
        folder: where the checkpoint lies; None where the run has no folder.
    """

    def __init__(self, signal: int, *, folder: str | None) -> None:
        self.signal = signal
        self.folder = folder
        kept = f"A checkpoint lies in {folder}." if folder else "Nothing was kept: no folder."
        super().__init__(f"Training was interrupted by signal {signal}. {kept}")


class CheckpointError(PlaitError, RuntimeError):
    """A checkpoint that cannot be read."""

    def __init__(self, folder: Path, problem: str) -> None:
        super().__init__(
            f"The checkpoint in {folder} cannot be read: {problem}. Remove the folder to train "
            "from the start, or give the run another `out`."
        )
