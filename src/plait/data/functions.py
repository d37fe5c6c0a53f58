"""The functions that an expression may call."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from .terms import Refusal, Term, common_kind, number, string, wide

__all__ = ["FUNCTIONS", "Function", "holds"]


@dataclass(frozen=True)
class Function:
    """One function of the expression language: how it is called and how it is built.

    Attributes:
        usage: an example of a call, for messages and the documentation.
        build: from the translated arguments to the result.
        fewest: arguments at least.
        most: arguments at most.
    """

    usage: str
    build: Callable[[list[Term]], Term]
    fewest: int = 1
    most: int = 1


def holds(where: Term, what: Term) -> Term:
    """Whether a list has an element, or a text a part: the table says which of the two it is."""
    if what.constant is None:
        raise Refusal("What is looked for must be a constant, such as 'drama' or 3", what.node)
    if where.kind not in ("any", "text"):
        raise Refusal("A column of lists or of texts is needed here", where.node)
    # Only the table knows whether the column holds lists or texts, hence the function on series.
    found = where.expression.map_batches(
        partial(_holds, what=what.constant), return_dtype=pl.Boolean, is_elementwise=True
    )
    return Term(found, where.node, "truth", where.size + 1)


def _holds(values: pl.Series, what: float | str) -> pl.Series:
    if isinstance(values.dtype, pl.List | pl.Array):
        return values.cast(pl.List(values.dtype.inner)).list.contains(what)
    if not isinstance(what, str):
        raise pl.exceptions.InvalidOperationError(
            f"{what!r} is looked for in column {values.name!r} of {values.dtype}, not of lists"
        )
    return values.cast(pl.String).str.contains(what, literal=True)


def _length(values: pl.Series) -> pl.Series:
    if isinstance(values.dtype, pl.List | pl.Array):
        return values.cast(pl.List(values.dtype.inner)).list.len().cast(pl.Int64)
    if values.dtype in (pl.String, pl.Categorical, pl.Enum):
        return values.cast(pl.String).str.len_chars().cast(pl.Int64)
    raise pl.exceptions.InvalidOperationError(
        f"column {values.name!r} of {values.dtype} has no length; `len` takes lists and texts"
    )


def _len(terms: list[Term]) -> Term:
    if terms[0].kind not in ("any", "text"):
        raise Refusal("A column of lists or of texts is needed here", terms[0].node)
    length = terms[0].expression.map_batches(_length, return_dtype=pl.Int64, is_elementwise=True)
    return wide(length, *terms)


def _of_number(build: Callable[[pl.Expr], pl.Expr]) -> Callable[[list[Term]], Term]:
    return lambda terms: wide(build(number(terms[0])), *terms)


def _of_float(build: Callable[[pl.Expr], pl.Expr]) -> Callable[[list[Term]], Term]:
    def built(terms: list[Term]) -> Term:
        result = build(number(terms[0]).cast(pl.Float64))
        # Outside its domain a function is nan: no such value, so missing.
        return wide(result.replace(math.nan, None), *terms, uses=2)

    return built


def _of_text(build: Callable[[pl.Expr], pl.Expr]) -> Callable[[list[Term]], Term]:
    return lambda terms: Term(build(string(terms[0])), terms[0].node, "text", terms[0].size + 1)


def _of_time(build: Callable[[pl.Expr], pl.Expr]) -> Callable[[list[Term]], Term]:
    def built(terms: list[Term]) -> Term:
        return wide(build(_time(terms[0])).cast(pl.Int64), *terms)

    return built


def _time(term: Term) -> pl.Expr:
    if term.kind != "any":
        raise Refusal("A column of dates is needed here, or date('2024-12-31')", term.node)
    return term.expression


def _hour(time: pl.Expr) -> pl.Expr:
    return time.cast(pl.Datetime("us")).dt.hour()


def _days_since(terms: list[Term]) -> Term:
    later, earlier = (_time(term).cast(pl.Datetime("us")) for term in terms)
    microseconds = (later - earlier).dt.total_microseconds()
    return wide(microseconds / pl.lit(86_400e6, dtype=pl.Float64), *terms)


def _expm1(x: pl.Expr) -> pl.Expr:
    # exp(x) - 1 without the cancellation at small x.
    return 2.0 * (x / 2).sinh() * (x / 2).exp()


def _round(terms: list[Term]) -> Term:
    digits = terms[1].constant if len(terms) == 2 else 0
    if isinstance(digits, bool) or not isinstance(digits, int) or not 0 <= digits <= 15:
        raise Refusal("`round` takes a whole number of digits from 0 to 15", terms[1].node)
    return wide(number(terms[0]).round(digits, mode="half_to_even"), *terms)


def _least(terms: Sequence[Term]) -> Term:
    return _extreme(terms, pl.min_horizontal)


def _greatest(terms: Sequence[Term]) -> Term:
    return _extreme(terms, pl.max_horizontal)


def _extreme(terms: Sequence[Term], pick: Callable[[list[pl.Expr]], pl.Expr]) -> Term:
    values = [term.expression for term in terms]
    for term in terms:
        if term.kind == "null":
            raise Refusal("`null` is neither small nor large", term.node)
    is_missing = pl.any_horizontal([value.is_null() for value in values])
    size = 1 + 2 * sum(term.size for term in terms)
    picked = pl.when(is_missing).then(None).otherwise(pick(values))
    return Term(picked, terms[0].node, common_kind(terms), size)


def _clip(terms: list[Term]) -> Term:
    value, low, high = terms
    return _least([_greatest([value, low]), high])


def _coalesce(terms: list[Term]) -> Term:
    size = 1 + sum(term.size for term in terms)
    chosen = pl.coalesce([term.expression for term in terms])
    return Term(chosen, terms[0].node, common_kind(terms), size)


def _is_null(terms: list[Term]) -> Term:
    return Term(terms[0].expression.is_null(), terms[0].node, "truth", terms[0].size + 1)


def _is_not_null(terms: list[Term]) -> Term:
    return Term(terms[0].expression.is_not_null(), terms[0].node, "truth", terms[0].size + 1)


def _starts_with(terms: list[Term]) -> Term:
    found = string(terms[0]).str.starts_with(string(terms[1]))
    return Term(found, terms[0].node, "truth", terms[0].size + terms[1].size + 1)


def _ends_with(terms: list[Term]) -> Term:
    found = string(terms[0]).str.ends_with(string(terms[1]))
    return Term(found, terms[0].node, "truth", terms[0].size + terms[1].size + 1)


_MANY = 50

FUNCTIONS: dict[str, Function] = {
    "log": Function("log(x)", _of_float(lambda x: x.replace(0.0, None).log())),
    "log1p": Function("log1p(x)", _of_float(lambda x: x.replace(-1.0, None).log1p())),
    "log2": Function("log2(x)", _of_float(lambda x: x.replace(0.0, None).log(2.0))),
    "log10": Function("log10(x)", _of_float(lambda x: x.replace(0.0, None).log10())),
    "exp": Function("exp(x)", _of_float(lambda x: x.exp())),
    "expm1": Function("expm1(x)", _of_float(_expm1)),
    "sqrt": Function("sqrt(x)", _of_float(lambda x: x.sqrt())),
    "abs": Function("abs(x)", _of_number(lambda x: x.abs())),
    "floor": Function("floor(x)", _of_number(lambda x: x.floor())),
    "ceil": Function("ceil(x)", _of_number(lambda x: x.ceil())),
    "round": Function("round(x) or round(x, digits)", _round, most=2),
    "min": Function("min(a, b, …)", _least, fewest=2, most=_MANY),
    "max": Function("max(a, b, …)", _greatest, fewest=2, most=_MANY),
    "clip": Function("clip(x, low, high)", _clip, fewest=3, most=3),
    "is_null": Function("is_null(x)", _is_null),
    "is_not_null": Function("is_not_null(x)", _is_not_null),
    "fill_null": Function("fill_null(x, instead)", _coalesce, fewest=2, most=2),
    "coalesce": Function("coalesce(a, b, …)", _coalesce, fewest=2, most=_MANY),
    "contains": Function(
        "contains(text_or_list, constant)",
        lambda terms: holds(terms[0], terms[1]),
        fewest=2,
        most=2,
    ),
    "starts_with": Function("starts_with(text, start)", _starts_with, fewest=2, most=2),
    "ends_with": Function("ends_with(text, end)", _ends_with, fewest=2, most=2),
    "lower": Function("lower(text)", _of_text(lambda text: text.str.to_lowercase())),
    "upper": Function("upper(text)", _of_text(lambda text: text.str.to_uppercase())),
    "len": Function("len(text_or_list)", _len),
    "year": Function("year(time)", _of_time(lambda time: time.dt.year())),
    "month": Function("month(time)", _of_time(lambda time: time.dt.month())),
    "day": Function("day(time)", _of_time(lambda time: time.dt.day())),
    "hour": Function("hour(time)", _of_time(_hour)),
    "weekday": Function("weekday(time)", _of_time(lambda time: time.dt.weekday())),
    "days_since": Function("days_since(time, date('2024-12-31'))", _days_since, fewest=2, most=2),
}
"""Every function by its name. `weekday` counts Monday as 1; `col` and `date` read constants."""
