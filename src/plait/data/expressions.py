"""The one safe expression parser: labels, spaces and weights as short texts over columns.

The text is read with Python's `ast` and turned, node by node from a whitelist, into a polars
expression (`plait.data.translation`). Nothing is ever evaluated, compiled or looked up by
attribute, and the text's length, nesting and size are limited.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl

from plait.errors import ExpressionError, UnknownNameError

from .translation import Translator

__all__ = ["Expression", "check_columns", "evaluate", "parse"]

_MAX_LENGTH = 2_000
_MAX_DEPTH = 100

_LONE_EQUALS = re.compile(r"(?<![=<>!])=(?!=)")

_SYNTAX_HINTS = {
    "=": "`=` is not allowed here: compare with `==`",
    "&&": "`&&` is not allowed: write `and`",
    "||": "`||` is not allowed: write `or`",
    "!": "`!` is not allowed: write `not`, or `!=` to compare",
    "<>": "`<>` is not allowed: write `!=`",
    "?": "`a ? b : c` is not allowed: write `b if a else c`",
    "$": "`$` is not allowed: put a name with special signs in backticks",
}


@dataclass(frozen=True)
class Expression:
    """A formula over the columns of a table: `rating >= 4`, `log1p(dwell) / duration`.

    Stability: stable.

    What may stand in it: numbers, strings, `true`, `false`, `null`; names of columns (odd ones as
    `` `watch time` `` or `col("watch time")`); `+ - * / // % **`; comparisons, also chained;
    `and`, `or`, `not` (also `&`, `|` between parenthesised comparisons); `x in [1, 2]`, `not in`;
    `a if condition else b`; and the functions of `plait.data.translation.FUNCTIONS`.

    *Missing stays missing*, as in SQL: a comparison or a sum with a null is null; `and` and `or`
    are null unless the other side decides; `a if condition else b` is null where the condition is
    null (so that a label made by it does not become 0), and so are `min` and `max` with a null
    among their arguments. `is_null`, `is_not_null`, `coalesce` and `fill_null` speak about nulls.
    A division by zero, and a logarithm, root or power that does not exist, are null.

    Integers are computed in 64 bits whatever their width on disk (unsigned 64-bit columns in
    128); `/` and `**` give floats, `//` and `%` round as in Python, `round` takes halves to even.

    Two expressions are equal when their texts are; pickle and copy go by the text.

    Attributes:
        text: as it was written.
        columns: names of the columns that it reads.

    Raises:
        ExpressionError: on construction, with a caret at the offending place.

    Example:
        >>> Expression("rating >= 4 and not is_null(user)").columns == {"rating", "user"}
        True
    """

    text: str
    columns: frozenset[str] = field(init=False, compare=False)
    _built: pl.Expr = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        text = self.text.strip()
        tree = _syntax_tree(text)
        translator = Translator(text)
        built = translator.translate(tree)
        object.__setattr__(self, "columns", frozenset(translator.columns))
        object.__setattr__(self, "_built", built)

    def __reduce__(self) -> tuple[type[Expression], tuple[str]]:
        return Expression, (self.text,)

    def to_polars(self) -> pl.Expr:
        """The same formula for polars; its name is that of no column, so give it an alias."""
        return self._built


def parse(text: str) -> Expression:
    """Read a formula, or say with a caret what in it is not allowed.

    Raises:
        ExpressionError: the text is empty, too long, too deep, or holds what is not allowed.

    Example:
        >>> parse("lenght(title) > 3")
        Traceback (most recent call last):
        plait.errors.ExpressionError: There is no function 'lenght'. Did you mean 'len'? ...
    """
    return Expression(text)


def check_columns(expression: Expression, columns: Iterable[str], *, where: str) -> None:
    """See that a table has the columns that an expression reads.

    Args:
        expression: what will be computed.
        columns: what the table has.
        where: whose expression it is, for the message ("the label of task 'like'").

    Raises:
        UnknownNameError: with the nearest name and the list of the table's columns.
    """
    known = list(columns)
    unknown = sorted(expression.columns - set(known))
    if unknown:
        raise UnknownNameError(
            unknown[0], what="column", known=known, where=f"{where} (`{expression.text}`)"
        )


def evaluate(
    expression: Expression, frame: pl.LazyFrame | pl.DataFrame, *, where: str
) -> pl.Series:
    """The values of an expression, one for each row; only the columns that it reads are held.

    Args:
        expression: what to compute.
        frame: the table.
        where: whose expression it is, for messages ("the label of task 'like'").

    Raises:
        UnknownNameError: a column that the table does not have.
        ExpressionError: types that do not go together, such as a text compared with a number.

    Example:
        >>> frame = pl.DataFrame({"rating": [5, 2, None]})
        >>> evaluate(parse("rating >= 4"), frame, where="a label").to_list()
        [True, False, None]
    """
    lazy = frame.lazy()
    schema = lazy.collect_schema()
    check_columns(expression, schema, where=where)
    computed = lazy.with_columns(expression.to_polars().alias("value")).select("value")
    try:
        return computed.collect(engine="streaming").to_series()
    except pl.exceptions.PolarsError as error:
        types = ", ".join(f"{name} is {schema[name]}" for name in sorted(expression.columns))
        reason = str(error).splitlines()[0]
        raise ExpressionError(
            f"{where} cannot be computed: {reason}. Types: {types or 'no column is read'}",
            text=expression.text,
        ) from error


def _syntax_tree(text: str) -> ast.expr:
    if len(text) > _MAX_LENGTH:
        raise ExpressionError(
            f"The expression has {len(text)} characters, at most {_MAX_LENGTH} are allowed. "
            "Compute the column beforehand",
            text=text,
        )
    if not text:
        raise ExpressionError("The expression is empty: write a column or a formula", text=text)
    _encode(text, text)
    tree = _python_tree(text, _masked(text))
    _check_depth(tree, text)
    return tree


def _masked(text: str) -> str:
    """The text with names in backticks as underscores of the same length, for Python's parser.

    A `Name` node is read back from the original text, at the place where it stands.
    """
    letters = list(text)
    quote, start = "", 0
    for at, letter in enumerate(text):
        if quote:
            if letter == quote and not _is_escaped(text, at):
                if quote == "`":
                    letters[start : at + 1] = _underscores(text, start, at)
                quote = ""
        elif letter in "'\"`":
            _check_quote(text, at)
            quote, start = letter, at
        elif letter in "#\\;":
            raise ExpressionError(f"{letter!r} is not allowed in an expression", text=text, at=at)
        elif letter.isspace():
            letters[at] = " "
    if quote:
        raise ExpressionError(f"This {quote} is never closed", text=text, at=start)
    return "".join(letters)


def _is_escaped(text: str, at: int) -> bool:
    before = text[:at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _underscores(text: str, start: int, end: int) -> list[str]:
    name = text[start : end + 1]
    if len(name) == 2:
        raise ExpressionError("The name between the backticks is empty", text=text, at=start)
    # One list item for each letter, as many underscores as the letter has bytes in UTF-8.
    return ["_" * len(_encode(letter, text)) for letter in name]


def _check_quote(text: str, at: int) -> None:
    if text[at] * 3 == text[at : at + 3]:
        raise ExpressionError("Tripled quotes are not allowed", text=text, at=at)
    if at and (text[at - 1].isalnum() or text[at - 1] == "_"):
        raise ExpressionError(
            "A quote straight after a letter is not allowed: put a sign or a space between",
            text=text,
            at=at,
        )


def _encode(part: str, text: str) -> bytes:
    try:
        return part.encode()
    except UnicodeEncodeError as error:
        raise ExpressionError("The text is not valid Unicode", text=ascii(text)) from error


def _python_tree(text: str, masked: str) -> ast.expr:
    if "\0" in text:
        # Python's own words for it are another error before 3.11.4.
        raise ExpressionError("A formula cannot hold null bytes", text=text, at=text.index("\0"))
    try:
        with warnings.catch_warnings():
            # An odd escape in a string ('\\d') is a warning of the Python compiler, not ours.
            warnings.simplefilter("ignore")
            return ast.parse(masked, mode="eval").body
    except SyntaxError as error:
        at = min(max((error.offset or 1) - 1, 0), len(text) - 1)
        raise ExpressionError(_syntax_problem(masked, at, error.msg), text=text, at=at) from error
    except (ValueError, MemoryError, RecursionError) as error:
        raise ExpressionError("The expression cannot be read", text=text) from error


def _syntax_problem(masked: str, at: int, message: str) -> str:
    for sign in ("&&", "||", "<>", "?", "$"):
        if sign in masked:
            return _SYNTAX_HINTS[sign]
    if masked[at] == "!":
        return _SYNTAX_HINTS["!"]
    if _LONE_EQUALS.search(masked):
        return _SYNTAX_HINTS["="]
    return f"This is not a formula ({message})"


def _check_depth(tree: ast.expr, text: str) -> None:
    level: list[ast.AST] = [tree]
    for _ in range(_MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise ExpressionError(
        f"The expression is nested more than {_MAX_DEPTH} levels deep. Compute a part of it as a "
        "column beforehand",
        text=text,
    )
