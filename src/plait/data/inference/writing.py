"""A draft as an experiment file, with the reasons as comments."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from plait.data.reading import Source
from plait.data.schema import FEATURE_KINDS, Feature
from plait.data.splits import ColumnSplit
from plait.data.toml_values import (
    SPLIT_NAMES,
    changed_settings,
    toml_key,
    toml_path,
    toml_value,
)

from .guesses import Caution, FeatureGuess, TableGuess, TaskGuess, sentences

if TYPE_CHECKING:
    from .drafted import Draft

__all__ = ["written_draft"]

_WIDTH = 98


def written_draft(draft: Draft, folder: Path) -> str:
    """The text of the experiment file.

    Args:
        draft: the draft.
        folder: where the file will lie, absolute.
    """
    blocks = [
        [*_head(draft), *_cautions(draft.warnings)],
        _log(draft, folder),
        *(_table(guess, folder) for guess in draft.tables),
        _roles(draft),
        _features(draft.features),
        *(_task(guess) for guess in draft.tasks),
        _split(draft),
        _metrics(draft),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _head(draft: Draft) -> Iterator[str]:
    told = f"Drafted by `plait init` from {draft.rows:,} rows."
    if draft.sampled < draft.rows:
        told += (
            f" Statistics come from a sample of {draft.sampled:,} rows; nulls, ranges, keys, "
            "funnel, target rates and labels were counted on every row."
        )
    yield from _comment(f"{told} Every line is a guess with its reason: read it, and correct it.")


def _cautions(cautions: tuple[Caution, ...]) -> Iterator[str]:
    if not cautions:
        return
    yield "#"
    yield "# Look at these first:"
    for sentence in sentences(cautions):
        yield from _comment(sentence, first="# ! ", rest="#   ")


def _log(draft: Draft, folder: Path) -> list[str]:
    return ["[data]", *_source("log", draft.source, folder, file="log.parquet")]


def _source(key: str, source: Source, folder: Path, *, file: str) -> Iterator[str]:
    if isinstance(source, str | Path):
        yield f"{key} = {toml_value(toml_path(source, folder))}"
    else:
        yield "# The rows came from a data frame: write them to this file before you train."
        yield f"{key} = {toml_value(file)}"


def _table(guess: TableGuess, folder: Path) -> list[str]:
    table = guess.table
    on = table.on if isinstance(table.on, str) else dict(table.keys)
    lines = [
        f"[tables.{toml_key(table.name)}]",
        *_source("source", table.source, folder, file=f"{table.name}.parquet"),
        f"on = {toml_value(on)}  # {guess.reason}",
    ]
    if table.time is not None:
        lines.append(f"time = {toml_value(table.time)}  # the latest row that is strictly earlier")
    if table.prefix:
        lines.append(
            f"prefix = {toml_value(table.prefix)}  # the log has columns of the same names"
        )
    return lines


def _roles(draft: Draft) -> list[str]:
    if not draft.roles:
        return []
    lines = [
        f"{guess.role} = {toml_value(guess.column)}  # {guess.reason}" for guess in draft.roles
    ]
    return ["[roles]", *lines]


def _features(guesses: tuple[FeatureGuess, ...]) -> list[str]:
    lines = ["[features]"]
    for kind in FEATURE_KINDS:
        used = [g for g in guesses if g.is_used and isinstance(g.feature, kind)]
        if used:
            lines.append(f"{kind.kind} = [")
            lines += [f"  {_entry(g.feature)},  # {_flat(g.reason)}" for g in used if g.feature]
            lines.append("]")
    left = [guess for guess in guesses if not guess.is_used]
    if left:
        lines.append("# Left out; to read one, add it to its list above:")
    for guess in left:
        shown = toml_value(guess.column)
        if guess.feature is not None:
            shown = f"{type(guess.feature).kind}: {_entry(guess.feature)}"
        lines += _comment(f"{shown}: {guess.reason}", first="#   ", rest="#     ")
    return lines


def _entry(feature: Feature | None) -> str:
    assert feature is not None
    settings = changed_settings(feature, without=("name",))
    if not settings:
        return toml_value(feature.name)
    return toml_value({"name": feature.name, **settings})


def _task(guess: TaskGuess) -> list[str]:
    task = guess.task
    lines = [
        f"[tasks.{toml_key(task.name)}]",
        *_comment(_told(guess)),
        f"kind = {toml_value(task.kind)}",
    ]
    lines += [
        f"{key} = {toml_value(value)}"
        for key, value in changed_settings(task, without=("name",)).items()
    ]
    if guess.is_used:
        return lines
    return ["# Left out, since its training rows hold no two labels:", *map(_as_comment, lines)]


def _told(guess: TaskGuess) -> str:
    told = guess.reason
    if guess.positives is not None and guess.observed:
        share = guess.positives / guess.observed
        above = "positive" if guess.task.kind == "binary" else "above 0"
        told += f"; {above} on {guess.positives:,} of {guess.observed:,} rows ({share:.2%})"
    else:
        told += f"; known on {guess.observed:,} rows"
    return told[0].upper() + told[1:] + "."


def _split(draft: Draft) -> list[str]:
    split = draft.split.split
    lines = ["[split]", *_comment(draft.split.reason[0].upper() + draft.split.reason[1:] + ".")]
    lines.append(f"by = {toml_value(SPLIT_NAMES[type(split)])}")
    if isinstance(split, ColumnSplit):
        # The parts have defaults of their own, so an empty one is written too.
        settings: Mapping[str, object] = {f.name: getattr(split, f.name) for f in fields(split)}
    else:
        settings = changed_settings(split)
    return lines + [f"{key} = {toml_value(value)}" for key, value in settings.items()]


def _metrics(draft: Draft) -> list[str]:
    user = next((guess.column for guess in draft.roles if guess.role == "user"), None)
    lines = [] if user is None else [f"group_by = {toml_value(user)}"]
    if draft.slices:
        lines.append(f"slices = {toml_value(draft.slices)}  # protected: judge each group")
    return ["[metrics]", *lines] if lines else []


def _flat(text: str) -> str:
    """A text on one line, as a comment needs."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _comment(text: str, *, first: str = "# ", rest: str = "# ") -> list[str]:
    return textwrap.wrap(
        _flat(text),
        width=_WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _as_comment(line: str) -> str:
    return line if line.startswith("#") else f"# {line}"
