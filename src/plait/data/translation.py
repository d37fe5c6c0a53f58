"""From a syntax tree to a polars expression, through a whitelist of nodes and functions."""

from __future__ import annotations

import ast
import math
import operator
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import reduce

import polars as pl

from plait.errors import ExpressionError, did_you_mean

from .functions import FUNCTIONS, holds
from .terms import Refusal, Term, common_kind, number, truth, wide

__all__ = ["Translator"]

# A part that appears twice in what is built counts twice, so that no text can grow without bound.
_MAX_SIZE = 5_000
_LARGEST_INTEGER = 2**127 - 1

_BITWISE = (
    "`&` and `|` bind tighter than comparisons: put each comparison in parentheses, or write "
    "`and`, `or`"
)


class Translator:
    """Translates one text; `columns` holds the names that it met."""

    def __init__(self, text: str) -> None:
        self.columns: set[str] = set()
        self._text = text
        self._bytes = text.encode()

    def translate(self, tree: ast.expr) -> pl.Expr:
        """The polars expression of a tree whose depth was checked.

        Raises:
            ExpressionError: a node, a name or a combination that is not allowed.
        """
        try:
            return self._term(tree).expression
        except Refusal as refusal:
            at = len(self._bytes[: refusal.node.col_offset].decode())
            raise ExpressionError(refusal.problem, text=self._text, at=at) from None

    def _term(self, node: ast.expr) -> Term:
        term = self._by_node(node)
        if term.size > _MAX_SIZE:
            raise Refusal(
                "The expression is too big. Compute this part as a column beforehand", node
            )
        return term

    def _by_node(self, node: ast.expr) -> Term:
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name():
                return self._name(node)
            case ast.UnaryOp():
                return self._unary(node)
            case ast.BinOp():
                return self._binary(node)
            case ast.BoolOp():
                return self._all_or_any(node, node.values, is_and=isinstance(node.op, ast.And))
            case ast.Compare():
                return self._comparison(node)
            case ast.IfExp():
                return self._choice(node)
            case ast.Call():
                return self._call(node)
        raise Refusal(_why_not(node), node)

    def _constant(self, node: ast.Constant) -> Term:
        value = node.value
        if isinstance(value, bool):
            return Term(pl.lit(value), node, "truth", is_constant=True, constant=value)
        if value is None:
            return Term(pl.lit(None), node, "null", is_constant=True)
        if isinstance(value, str):
            return self._text_constant(value, node)
        if isinstance(value, int | float):
            return self._number_constant(value, node)
        raise Refusal("Only numbers, texts, true, false and null may stand here", node)

    def _text_constant(self, value: str, node: ast.expr) -> Term:
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            raise Refusal("The text is not valid Unicode", node)
        return Term(pl.lit(value), node, "text", is_constant=True, constant=value)

    def _number_constant(self, value: float, node: ast.expr) -> Term:
        largest = _LARGEST_INTEGER if isinstance(value, int) else sys.float_info.max
        if abs(value) > largest:
            raise Refusal("This number is too large", node)
        # `int` literals take the width of what they are compared with; in sums they are widened.
        return Term(pl.lit(value), node, "number", is_constant=True, constant=value)

    def _name(self, node: ast.Name) -> Term:
        start, end = node.col_offset, node.end_col_offset
        # From the text, not from the node: Python normalises letters, and backticks are masked.
        written = self._bytes[start:end].decode()
        if written in _WORDS:
            return self._constant(ast.copy_location(ast.Constant(_WORDS[written]), node))
        return self._column(written[1:-1] if written.startswith("`") else written, node)

    def _column(self, name: str, node: ast.expr) -> Term:
        self.columns.add(name)
        # `pl.col` reads "^…$" as a pattern and "*" as every column; a selector by name does not.
        exact = pl.selectors.by_name(name).as_expr()
        return Term(exact if name == "*" or name.startswith("^") else pl.col(name), node, "any")

    def _unary(self, node: ast.UnaryOp) -> Term:
        term = self._term(node.operand)
        if isinstance(node.op, ast.Not):
            return Term(~truth(term), node, "truth", term.size + 1)
        if isinstance(node.op, ast.USub):
            if (
                term.is_constant
                and isinstance(term.constant, int | float)
                and term.kind == "number"
            ):
                return self._number_constant(-term.constant, node)
            return wide(pl.lit(0, dtype=pl.Int64) - number(term), term, node=node)
        sign = "~" if isinstance(node.op, ast.Invert) else "+"
        raise Refusal(f"`{sign}` before a value is not allowed: write `not` or `-`", node)

    def _binary(self, node: ast.BinOp) -> Term:
        if isinstance(node.op, ast.BitAnd | ast.BitOr):
            sides = [node.left, node.right]
            return self._all_or_any(node, sides, is_and=isinstance(node.op, ast.BitAnd))
        operation = _ARITHMETIC.get(type(node.op))
        if operation is None:
            raise Refusal("This operator is not allowed; there are + - * / // % **", node)
        left, right = self._term(node.left), self._term(node.right)
        return wide(operation(number(left), number(right)), left, right, node=node)

    def _all_or_any(self, node: ast.expr, sides: Sequence[ast.expr], *, is_and: bool) -> Term:
        terms = [self._term(side) for side in sides]
        truths = [self._side(term, node) for term in terms]
        joined = reduce(lambda a, b: a & b if is_and else a | b, truths)
        return Term(joined, node, "truth", 1 + sum(term.size for term in terms))

    def _side(self, term: Term, node: ast.expr) -> pl.Expr:
        if isinstance(node, ast.BinOp) and term.kind == "number":
            raise Refusal(_BITWISE, term.node)
        return truth(term)

    def _comparison(self, node: ast.Compare) -> Term:
        if isinstance(node.ops[0], ast.In | ast.NotIn) and len(node.ops) == 1:
            return self._membership(node)
        for sign, side in zip(node.ops, node.comparators, strict=True):
            if type(sign) not in _COMPARISONS:
                raise Refusal(
                    "Only == != < <= > >= and a single `in` compare; for null use is_null", side
                )
        for side in (node.left, *node.comparators):
            if isinstance(side, ast.BinOp) and isinstance(side.op, ast.BitAnd | ast.BitOr):
                raise Refusal(_BITWISE, side)
        terms = [self._term(side) for side in (node.left, *node.comparators)]
        pairs = zip(node.ops, terms, terms[1:], strict=False)
        truths = [self._compared(sign, left, right) for sign, left, right in pairs]
        size = 1 + sum(term.size for term in terms) + sum(term.size for term in terms[1:-1])
        return Term(reduce(lambda a, b: a & b, truths), node, "truth", size)

    def _compared(self, sign: ast.cmpop, left: Term, right: Term) -> pl.Expr:
        for term in (left, right):
            if term.kind == "null":
                raise Refusal("Nothing equals null: write is_null(…) or is_not_null(…)", term.node)
        if {left.kind, right.kind} == {"text", "number"}:
            raise Refusal("A text and a number are compared", right.node)
        return _COMPARISONS[type(sign)](left.expression, right.expression)

    def _membership(self, node: ast.Compare) -> Term:
        term, values = self._term(node.left), node.comparators[0]
        if isinstance(values, ast.List | ast.Tuple | ast.Set):
            found, size = self._is_any_of(term, values)
        elif term.is_constant:
            held = holds(self._term(values), term)
            found, size = held.expression, held.size
        else:
            raise Refusal("`in` needs a list of values, as in `country in ['NO', 'SE']`", values)
        if isinstance(node.ops[0], ast.NotIn):
            found = ~found
        return Term(found, node, "truth", size)

    def _is_any_of(self, term: Term, values: ast.List | ast.Tuple | ast.Set) -> tuple[pl.Expr, int]:
        choices = [self._term(value) for value in values.elts]
        if not choices:
            raise Refusal("The list is empty, so nothing is in it", values)
        for choice in choices:
            if not choice.is_constant or choice.kind == "null":
                raise Refusal(
                    "Only numbers, texts, true and false may stand in a list", choice.node
                )
            if choice.kind != choices[0].kind:
                raise Refusal(
                    f"The list mixes a {choices[0].kind} and a {choice.kind}", choice.node
                )
        equals = [self._compared(ast.Eq(), term, choice) for choice in choices]
        return pl.any_horizontal(equals), 1 + len(choices) * term.size

    def _choice(self, node: ast.IfExp) -> Term:
        condition, then, other = (self._term(part) for part in (node.test, node.body, node.orelse))
        holds_true = truth(condition)
        kind = common_kind([then, other])
        chosen = pl.when(holds_true.is_null()).then(None).when(holds_true).then(then.expression)
        size = 1 + 2 * condition.size + then.size + other.size
        return Term(chosen.otherwise(other.expression), node, kind, size)

    def _call(self, node: ast.Call) -> Term:
        if not isinstance(node.func, ast.Name):
            raise Refusal("Only a function by its name can be called", node)
        name = node.func.id
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                raise Refusal("`*` before an argument is not allowed", argument)
        if node.keywords:
            raise Refusal("Arguments go by position, without `name=`", node.keywords[0].value)
        if name == "col":
            return self._column(self._only_text(node), node)
        if name == "date":
            return self._date(node)
        return self._function(name, node)

    def _function(self, name: str, node: ast.Call) -> Term:
        function = FUNCTIONS.get(name)
        if function is None:
            hint = did_you_mean(name, [*FUNCTIONS, "col", "date"])
            raise Refusal(f"There is no function {name!r}. {hint}", node)
        if not function.fewest <= len(node.args) <= function.most:
            raise Refusal(f"`{name}` is called as {function.usage}", node)
        terms = [self._term(argument) for argument in node.args]
        return replace(function.build(terms), node=node)

    def _only_text(self, node: ast.Call) -> str:
        match node.args:
            case [ast.Constant(value=str(text)) as constant] if text:
                self._constant(constant)
                return text
        raise Refusal("One text in quotes is needed between the brackets", node)

    def _date(self, node: ast.Call) -> Term:
        text = self._only_text(node)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            problem = "A date is written date('2024-12-31') or date('2024-12-31 18:00')"
            raise Refusal(problem, node) from None
        return Term(pl.lit(moment if len(text) > len("2024-12-31") else moment.date()), node, "any")


_WORDS: dict[str, bool | None] = {
    "true": True,
    "false": False,
    "null": None,
}

_ARITHMETIC: dict[type[ast.operator], Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    # No such number: missing. (Also for `//` and `%`, where polars gives inf or nan for floats.)
    ast.Div: lambda a, b: a.cast(pl.Float64) / b.cast(pl.Float64).replace(0.0, None),
    ast.FloorDiv: lambda a, b: a // b.replace(0, None),
    ast.Mod: lambda a, b: a % b.replace(0, None),
    ast.Pow: lambda a, b: a.cast(pl.Float64).pow(b.cast(pl.Float64)).replace(math.nan, None),
}

_COMPARISONS: dict[type[ast.cmpop], Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def _why_not(node: ast.expr) -> str:
    match node:
        case ast.Attribute():
            return "A dot is not allowed: put a name with a dot in backticks, as in `user.age`"
        case ast.List() | ast.Tuple() | ast.Set():
            return "A list may stand only after `in`"
        case ast.Subscript():
            return "Square brackets after a value are not allowed; `contains` looks into a list"
        case ast.NamedExpr():
            return "`:=` is not allowed: compare with `==`"
    return f"{type(node).__name__} is not part of this language"
