"""From a stranger's file to a drafted experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import polars as pl

from plait.data.expressions import parse
from plait.data.joins import join
from plait.data.reading import Source, collect_checked, read
from plait.errors import DataError, UnknownNameError
from plait.tasks import Binary

from .choosing import choose_features
from .drafted import Draft
from .facts import Facts, SampledLog, draw, facts_of
from .feedback import Outcome
from .funnel import Funnel, find_funnel
from .guesses import Caution, FeatureGuess, TableGuess, TaskGuess
from .joining import guess_tables
from .leaks import find_leaks
from .outcomes import find_outcomes
from .privacy import find_personal, find_protected
from .proposing import propose_tasks
from .repetition import find_constants, find_duplicates
from .roles import guess_roles
from .settling import settle
from .splitting import find_parts, guess_split
from .target_rates import find_target_rates

__all__ = ["draft"]

SAMPLE_ROWS = 200_000
_NO_TABLES: Mapping[str, Source] = MappingProxyType({})
_NOT_SUSPECT = ("user", "item", "time", "request", "position")


def draft(
    source: Source,
    tables: Mapping[str, Source] = _NO_TABLES,
    *,
    labels: Sequence[str] = (),
    sample_rows: int = SAMPLE_ROWS,
) -> Draft:
    """Draft an experiment from a log: features, roles, joins, tasks, split, and what looks odd.

    Every guess comes with its reason; nothing is known of the log but its names and values. The
    statistics of logs with more than `sample_rows` rows are those of a sample drawn by row number;
    counts of nulls, ranges, keys, the order of a funnel, target rates and the tasks' labels are
    taken from every row. The same file gives the same draft.

    Stability: experimental.

    Args:
        source: the log; whatever `plait.data.reading.read` takes.
        tables: side tables by name.
        labels: columns that are labels, where their names do not say so.
        sample_rows: how many rows the statistics are taken from, at most.

    Raises:
        DataError: a file that cannot be read, a side table without a key, no column that looks
            like feedback, or none that can be learnt.
        UnknownNameError: `labels` names a column that the log does not have.

    Example:
        >>> log = pl.DataFrame({
        ...     "user_id": [1, 2, 3, 4] * 50,
        ...     "price": [0.5, 1.5, 2.5, 4.5, 7.5] * 40,
        ...     "click": [0, 1, 0, 0, 1, 0, 0, 1] * 25,
        ... })
        >>> made = draft(log)
        >>> [guess.task for guess in made.tasks][0].name, made.roles[0].column
        ('click', 'user_id')
    """
    whole = read(source)
    names = whole.collect_schema().names()
    for label in labels:
        if label not in names:
            raise UnknownNameError(label, what="column", known=names, where="`labels`")
    sample, rows = draw(whole, limit=sample_rows)
    log = SampledLog(whole, sample, rows)
    facts = facts_of(log, names)
    parts = find_parts(facts)
    free = {
        name: entry for name, entry in facts.items() if entry is not parts and name not in labels
    }
    roles = {guess.role: guess for guess in guess_roles(free)}
    of_role = {role: facts[guess.column] for role, guess in roles.items()}
    time = of_role.get("time")
    joined, table_cautions = guess_tables(whole, sample, tables, time.name if time else None)
    log, facts = _with_tables(log, facts, joined, time)
    taken = {guess.column for guess in roles.values()} | ({parts.name} if parts else set())
    item = roles["item"].column if "item" in roles else None
    outcomes = find_outcomes(facts, taken=taken, item=item, labels=labels)
    if not outcomes:
        raise DataError(_no_outcome(facts))
    funnel = find_funnel(log, outcomes)
    proposed, task_cautions = propose_tasks(log, facts, outcomes, funnel)
    split = guess_split(parts, time)
    tasks, settled = settle(log, _parents_first(proposed), split, time=time.name if time else None)
    others = _others(facts, outcomes)
    found = [
        *table_cautions,
        *_about_columns(log, others, outcomes, of_role, parts),
        *task_cautions,
        *settled,
        *_about_rows(funnel, log, outcomes),
    ]
    features = choose_features(
        others,
        roles={guess.column: role for role, guess in roles.items()},
        keys={guess.table.name: facts[next(iter(guess.table.keys))] for guess in joined},
        cautions=found,
        apart=_apart(parts, tasks),
    )
    _check_features(features)
    return Draft(
        source=source,
        rows=rows,
        sampled=sample.height,
        features=tuple(features),
        roles=tuple(roles.values()),
        tables=tuple(joined),
        tasks=tuple(tasks),
        split=split,
        warnings=tuple(found),
        slices=_slices(found, facts, outcomes),
    )


def _with_tables(
    log: SampledLog,
    facts: dict[str, Facts],
    guesses: Sequence[TableGuess],
    time: Facts | None,
) -> tuple[SampledLog, dict[str, Facts]]:
    """The log with its side tables, and the facts of every column."""
    if not guesses:
        return log, facts
    tables = [guess.table for guess in guesses]
    name = None if time is None else time.name
    sample = collect_checked(join(log.sample.lazy(), tables, time=name), where="the log")
    log = SampledLog(join(log.whole, tables, time=name), sample, log.rows)
    facts = dict(facts)
    for table in tables:
        added = table.taken(read(table.source).collect_schema().names()).values()
        facts |= facts_of(log, list(added), table.name)
    return log, facts


def _parents_first(guesses: Sequence[TaskGuess]) -> list[TaskGuess]:
    """The tasks in the order of the funnel, else in that of the log."""
    left, placed = list(guesses), list[TaskGuess]()
    while left:
        waiting = {guess.task.name for guess in left}
        ready = next(guess for guess in left if not waiting & set(guess.task.parents))
        left.remove(ready)
        placed.append(ready)
    return placed


def _others(facts: Mapping[str, Facts], outcomes: Sequence[Outcome]) -> list[Facts]:
    feedback = {outcome.facts.name for outcome in outcomes}
    return [entry for name, entry in facts.items() if name not in feedback]


def _apart(parts: Facts | None, tasks: Sequence[TaskGuess]) -> dict[str, str]:
    """Columns that make the split or count the chances of a task."""
    apart = {
        column: f"it counts the chances of {guess.task.name!r}"
        for guess in tasks
        if isinstance(guess.task, Binary) and guess.task.trials is not None
        for column in parse(guess.task.trials).columns
    }
    if parts is not None:
        apart[parts.name] = "it says which part of the split a row belongs to"
    return apart


def _about_columns(
    log: SampledLog,
    columns: Sequence[Facts],
    outcomes: Sequence[Outcome],
    of_role: Mapping[str, Facts],
    parts: Facts | None,
) -> list[Caution]:
    """What looks odd about columns that are no feedback."""
    apart = [of_role[role] for role in _NOT_SUSPECT if role in of_role]
    named = [entry for entry in columns if entry.name.strip()]
    free = [e for e in named if e is not parts and not any(e is role for role in apart)]
    constants = find_constants(free)
    flat = {caution.columns[0] for caution in constants}
    suspects = [entry for entry in free if entry.name not in flat]
    leaks = find_leaks(log, suspects, outcomes, of_role.get("time"))
    leaking = {caution.columns[0] for caution in leaks}
    clean = [entry for entry in suspects if entry.name not in leaking]
    rates = find_target_rates(log, clean, _group_keys(clean, of_role), outcomes)
    leaking |= {caution.columns[0] for caution in rates}
    personal = find_personal(suspects)
    odd = leaking | {caution.columns[0] for caution in personal}
    return [
        *leaks,
        *rates,
        *personal,
        *constants,
        *find_duplicates([entry for entry in suspects if entry.name not in odd]),
        *_about_parts(log, parts, outcomes),
        *find_protected(suspects),
    ]


def _group_keys(columns: Sequence[Facts], of_role: Mapping[str, Facts]) -> list[Facts]:
    """Columns by which a mean label may have been computed: the keys, then what has most values."""
    keys = [of_role[role] for role in ("item", "user", "request") if role in of_role]
    others = [
        entry
        for entry in columns
        if entry.is_single
        and not entry.dtype.is_float()
        and not entry.is_moment
        and entry.distinct >= 5
        and entry.repeats >= 5
    ]
    return keys + sorted(others, key=lambda entry: (-entry.distinct, entry.name))


def _about_parts(
    log: SampledLog, parts: Facts | None, outcomes: Sequence[Outcome]
) -> list[Caution]:
    """Whether the column of the split gives a label away, as where it was made for one task."""
    if parts is None:
        return []
    return [
        Caution("split_tells_label", leak.columns, leak.reason, leak.numbers)
        for leak in find_leaks(log, [parts], outcomes, None)
    ]


def _about_rows(funnel: Funnel, log: SampledLog, outcomes: Sequence[Outcome]) -> list[Caution]:
    events = [outcome for outcome in outcomes if outcome.kind == "event"]
    if len(events) < 2:
        return []
    anything = pl.any_horizontal([event.positive for event in events])
    if log.exact((~anything).sum().alias("none"))["none"]:
        return []
    names = tuple(event.facts.name for event in events)
    told = (
        f"on each of the {funnel.rows:,} rows at least one of {', '.join(names)} happened, so what "
        "was shown without success is not in the log; sample negatives, or log them"
    )
    return [Caution("no_negatives", names, told)]


def _check_features(features: Sequence[FeatureGuess]) -> None:
    if not any(guess.is_used for guess in features):
        reasons = "; ".join(f"{guess.column}: {guess.reason}" for guess in features[:10])
        raise DataError(f"No column is left that a model may read. {reasons or 'There is none'}.")


def _slices(
    cautions: Sequence[Caution], facts: Mapping[str, Facts], outcomes: Sequence[Outcome]
) -> tuple[str, ...]:
    """The protected attributes with few values, to see the metrics of each group."""
    labels = {outcome.facts.name for outcome in outcomes}
    protected = [c.columns[0] for c in cautions if c.kind == "protected"]
    return tuple(n for n in protected if n not in labels and 2 <= facts[n].distinct <= 20)


def _no_outcome(facts: Mapping[str, Facts]) -> str:
    columns = [entry for entry in facts.values() if entry.table is None]
    told = (
        "No column of the log looks like feedback (a click, a purchase, a rating, a time watched, "
        f"an amount): {', '.join(entry.name for entry in columns)}."
    )
    flat = [entry.name for entry in columns if entry.distinct <= 1 and not entry.nulls]
    if flat:
        told += f" One value on every row have {', '.join(flat)}: rows of one kind teach nothing."
    return f"{told} Say which it is: --label COLUMN, or `labels` in Python."
