"""A translated part of an expression, and how it serves as a number, a condition or a text."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

__all__ = ["Kind", "Refusal", "Term", "common_kind", "number", "string", "truth", "wide"]

Kind: TypeAlias = Literal["number", "truth", "text", "null", "any"]


@dataclass(frozen=True)
class Term:
    """A translated node, with what is known of its type before any table is seen.

    Attributes:
        expression: the polars form.
        node: where it stands in the text.
        kind: `any` for a column, whose type only the table knows.
        size: nodes of the polars form, shared parts counted as often as they appear.
        is_wide: a number that already has 64 bits or more.
        is_constant: a literal; `constant` is its value.
    """

    expression: pl.Expr
    node: ast.expr
    kind: Kind
    size: int = 1
    is_wide: bool = False
    is_constant: bool = False
    constant: bool | int | float | str | None = None


class Refusal(Exception):  # noqa: N818 - it never leaves this room: the translator adds the text
    """What is not allowed, and at which node."""

    def __init__(self, problem: str, node: ast.expr) -> None:
        super().__init__(problem)
        self.problem = problem
        self.node = node


def number(term: Term) -> pl.Expr:
    """The term as an operand of arithmetic, in 64 bits: an 8-bit column must not overflow."""
    if term.kind in ("text", "null"):
        raise Refusal(f"A number is needed here, not {_WITH_ARTICLE[term.kind]}", term.node)
    if term.is_wide:
        return term.expression
    if term.kind == "truth":
        return term.expression.cast(pl.Int64)
    return term.expression + pl.lit(0, dtype=pl.Int64)


def truth(term: Term) -> pl.Expr:
    """The term as an operand of `and`, `or`, `not`, or as a condition."""
    if term.kind == "truth":
        return term.expression
    if term.kind != "any":
        raise Refusal("A condition is needed here, such as `click == 1`", term.node)
    return term.expression.cast(pl.Boolean)


def string(term: Term) -> pl.Expr:
    """The term as an argument of a function of texts."""
    if term.kind not in ("text", "any"):
        raise Refusal(f"A text is needed here, not {_WITH_ARTICLE[term.kind]}", term.node)
    return term.expression.cast(pl.String)


def wide(expression: pl.Expr, *parts: Term, node: ast.expr | None = None, uses: int = 1) -> Term:
    """A number of 64 bits that was computed from parts, each of which appears `uses` times."""
    size = 1 + uses * sum(part.size for part in parts)
    return Term(expression, node or parts[0].node, "number", size, is_wide=True)


def common_kind(terms: Sequence[Term]) -> Kind:
    """The kind of a value that is one of these terms."""
    kinds = {term.kind for term in terms} - {"null"}
    if "text" in kinds and kinds & {"number", "truth"}:
        raise Refusal("The values are of different kinds, a text and a number", terms[-1].node)
    for kind in ("number", "truth", "text"):
        if kinds == {kind}:
            return kind
    return "any"


_WITH_ARTICLE = {"number": "a number", "truth": "a condition", "text": "a text", "null": "null"}
