"""`--set key=value`: settings of one run that differ from its experiment file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plait.errors import ConfigurationError

from .choices import named_table
from .toml_lines import KeyPath


@dataclass(frozen=True)
class Override:
    """One setting and its new value.

    Attributes:
        key: the key as it was written.
        path: the key taken apart.
        value: the new value.
    """

    key: str
    path: KeyPath
    value: object

    @classmethod
    def parse(cls, written: str) -> Override:
        """What `KEY=VALUE` says. The value is read as TOML; a bare word is text.

        Raises:
            ConfigurationError: there is no key, or the value is neither TOML nor a bare word.

        Example:
            >>> Override.parse("training.epochs=3").value, Override.parse("split.by=user").value
            (3, 'user')
        """
        key, sign, value = (part.strip() for part in written.partition("="))
        if not sign:
            raise ConfigurationError(
                f"--set {written}: expected KEY=VALUE, for instance --set training.epochs=3."
            )
        return cls(key, _path(key), _value(key, value))

    def apply(self, document: dict[str, Any]) -> None:
        """Put the value in its place in the document; tables on the way are made.

        Raises:
            ConfigurationError: the place is below a value that is no table, or past a list's end.
        """
        here: Any = document
        for step in self.path[:-1]:
            place = self._place(here, step)
            if isinstance(here, dict):
                here.setdefault(place, {})
            # `history = false`, with a setting of a history below it, means that history.
            here[place] = {} if isinstance(here[place], bool) else named_table(here[place])
            here = here[place]
        here[self._place(here, self.path[-1])] = self.value

    def _place(self, holder: object, step: str | int) -> Any:  # noqa: ANN401 (a key or position)
        if isinstance(holder, Mapping):
            return str(step)
        if not isinstance(holder, list):
            raise ConfigurationError(
                f"--set {self.key}: nothing can be set below {holder!r}; only tables and lists "
                "hold more."
            )
        if not isinstance(step, int) or step >= len(holder):
            raise ConfigurationError(
                f"--set {self.key}: {step!r} is no place in a list of {len(holder)}; places are "
                "counted from 0. Set the whole list instead."
            )
        return step


def _path(key: str) -> KeyPath:
    try:
        here: object = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"--set {key}=…: {key!r} is no key such as `a.b`.") from error
    path: list[str | int] = []
    while isinstance(here, dict):
        step, here = next(iter(here.items()))
        path.append(int(step) if step.isdecimal() else step)
    return tuple(path)


def _value(key: str, written: str) -> object:
    try:
        document = tomllib.loads(f"value = {written}")
    except tomllib.TOMLDecodeError as error:
        if written.startswith(("[", "{", '"', "'")):
            raise ConfigurationError(
                f"--set {key}: {written} is no TOML value ({error}). In a shell, put single "
                "quotes around the whole setting."
            ) from error
        return written
    return document["value"]
