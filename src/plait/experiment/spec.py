"""The experiment file: a whole run as a TOML file, checked before any row is read."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from plait.errors import ConfigurationError, ExperimentFileError

from .document import Document
from .overrides import Override
from .problems import Problem, problems_of
from .toml_lines import KeyPath, key_lines

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class Experiment:
    """A run as a file describes it: `train(**experiment.arguments(), out=...)`.

    Stability: experimental.

    Attributes:
        path: the file.
        document: what it says, checked.
    """

    path: Path
    document: Document

    @classmethod
    def read(cls, path: str | Path, overrides: Iterable[str] = ()) -> Experiment:
        """Read a file and check all of it.

        `${NAME}` in a path stands for a variable of the environment; relative paths are relative
        to the file.

        Args:
            path: the TOML file.
            overrides: settings of this run alone, as `KEY=VALUE` (`training.epochs=3`).

        Raises:
            ExperimentFileError: with every problem, each by its line, its key, what came and what
                is allowed.
        """
        path = Path(path)
        text = _text(path)
        content = _parsed(path, text)
        settings = _applied(path, content, overrides)
        try:
            document = Document.model_validate(content, context={"folder": path.parent})
        except ValidationError as error:
            places = _Places(path, key_lines(text), settings)
            problems = sorted(problems_of(error, Document), key=places.order)
            raise ExperimentFileError(
                path, [f"{places.of(problem.path)}: {problem.sentence}" for problem in problems]
            ) from None
        return cls(path, document)

    def arguments(self) -> dict[str, Any]:
        """The arguments of `train` that the file gives, as objects; all but `out` and the like."""
        return self.document.arguments()

    def towers_arguments(self) -> dict[str, Any]:
        """The arguments of `train_towers` that the file gives, as objects; all but `out`."""
        return self.document.towers_arguments()

    def to_json(self) -> dict[str, Any]:
        """The file with overrides, paths and defaults filled in, as plain data."""
        return self.document.model_dump(mode="json", exclude_none=True)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of experiment files, for editors that complete and check while typing."""
    return {"$schema": DIALECT, **Document.model_json_schema(), "title": "plait experiment"}


@dataclass(frozen=True)
class _Places:
    """Where a key was given: on a line of the file, or on the command line."""

    path: Path
    lines: dict[KeyPath, int]
    overrides: Sequence[Override]

    def of(self, key: KeyPath) -> str:
        """The place of a key, or of the nearest table around it."""
        override = self._override(key)
        if override is not None:
            return f"--set {override.key}"
        line = self._line(key)
        return f"{self.path}:{line}" if line else str(self.path)

    def order(self, problem: Problem) -> tuple[bool, int]:
        """What sorts problems as a person reads: down the file, then the command line."""
        return self._override(problem.path) is not None, self._line(problem.path)

    def _override(self, key: KeyPath) -> Override | None:
        for override in reversed(self.overrides):
            is_below = key[: len(override.path)] == override.path
            is_made_by_it = override.path[: len(key)] == key and key not in self.lines
            if is_below or (key and is_made_by_it):
                return override
        return None

    def _line(self, key: KeyPath) -> int:
        """The line of the key or of the nearest table around it; 0 where there is none."""
        lengths = range(len(key), 0, -1)
        return next((self.lines[key[:n]] for n in lengths if key[:n] in self.lines), 0)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        problem = "there is no such file."
        near = ", ".join(sorted(file.name for file in path.parent.glob("*.toml"))[:10])
        if near:
            problem += f" In its folder: {near}."
    except UnicodeDecodeError as error:
        problem = f"byte {error.start} is not UTF-8. Save the file as UTF-8."
    except OSError as error:
        problem = f"it cannot be read: {error.strerror}."
    raise ExperimentFileError(path, [f"{path}: {problem}"])


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what, lines = str(error), text.splitlines() or [""]
        found = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", what)
        assert found is not None
        line = min(int(found[1] or len(lines)), len(lines))
        column = int(found[2] or len(lines[-1]) + 1)
        shown = f"{lines[line - 1]}\n    {' ' * (column - 1)}^"
        problem = f"{path}:{line}:{column}: {what[: found.start()]}.\n    {shown}"
        raise ExperimentFileError(path, [problem]) from None


def _applied(path: Path, content: dict[str, Any], overrides: Iterable[str]) -> list[Override]:
    applied, problems = [], []
    for written in overrides:
        try:
            override = Override.parse(written)
            override.apply(content)
        except ConfigurationError as error:
            problems.append(str(error))
        else:
            applied.append(override)
    if problems:
        raise ExperimentFileError(path, problems)
    return applied
