from __future__ import annotations

import copy
import math
import pickle
from contextlib import suppress
from datetime import date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from plait.data.expressions import Expression, check_columns, evaluate, parse
from plait.data.functions import FUNCTIONS
from plait.errors import ExpressionError, PlaitError, UnknownNameError

FRAME = pl.DataFrame(
    {
        "rating": [5, 2, None, 4],
        "click": pl.Series([1, 0, 1, 0], dtype=pl.Int8),
        "like": [True, False, None, True],
        "views": pl.Series([0, 10, 4, 250], dtype=pl.UInt8),
        "big": pl.Series([2**63 + 1, 3, None, 2**64 - 1], dtype=pl.UInt64),
        "dwell": [1.5, -1.0, 0.0, None],
        "country": ["NO", "se", None, "NO"],
        "genres": [["drama", "war"], [], None, ["war"]],
        "watch time": [1.0, 2.0, 3.0, 4.0],
        "user.age": [30, 40, 50, None],
        "day": [date(2024, 2, 29), date(2024, 3, 4), None, date(1969, 12, 31)],
        "at": [datetime(2024, 2, 29, 18, 30), datetime(2024, 3, 1), None, datetime(1970, 1, 1)],
    }
)


def values(text: str, frame: pl.DataFrame = FRAME) -> list[Any]:
    return evaluate(parse(text), frame, where="a label").to_list()


def problem(text: str) -> str:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rating", [5, 2, None, 4]),
        ("rating >= 4", [True, False, None, True]),
        ("2 < rating <= 4", [False, False, None, True]),
        ("rating != 5", [False, True, None, True]),
        ("click == 1 and rating >= 4", [True, False, None, False]),
        ("click == 0 or rating >= 4", [True, True, None, True]),
        ("(click == 1) & (rating >= 4)", [True, False, None, False]),
        ("(click == 0) | like", [True, True, None, True]),
        ("click and like", [True, False, None, False]),
        ("not like", [False, True, None, False]),
        ("not (rating >= 4)", [False, True, None, False]),
        ("1 if rating >= 4 else 0", [1, 0, None, 1]),
        ("'yes' if click == 1 else null", ["yes", None, "yes", None]),
        ("rating in [4, 5.0]", [True, False, None, True]),
        ("rating not in (4, 5)", [False, True, None, False]),
        ("country in ['NO', 'DK']", [True, False, None, True]),
        ("like in [true]", [True, False, None, True]),
        ("'war' in genres", [True, False, None, True]),
        ("'drama' not in genres", [False, True, None, True]),
        ("contains(country, 'N')", [True, False, None, True]),
        ("lower(country) == 'no'", [True, False, None, True]),
        ("upper(country)", ["NO", "SE", None, "NO"]),
        ("starts_with(country, 'N')", [True, False, None, True]),
        ("ends_with(country, 'e')", [False, True, None, False]),
        ("len(genres)", [2, 0, None, 1]),
        ("len(country)", [2, 2, None, 2]),
        ("is_null(rating)", [False, False, True, False]),
        ("is_not_null(rating)", [True, True, False, True]),
        ("fill_null(rating, 0)", [5, 2, 0, 4]),
        ("coalesce(dwell, rating, -1)", [1.5, -1.0, 0.0, 4.0]),
        ("min(rating, 3)", [3, 2, None, 3]),
        ("max(rating, click, 4)", [5, 4, None, 4]),
        ("clip(rating, 3, 4.5)", [4.5, 3.0, None, 4.0]),
        ("`watch time` * 2", [2.0, 4.0, 6.0, 8.0]),
        ("col('user.age') + 1", [31, 41, 51, None]),
        ("`user.age` - 1", [29, 39, 49, None]),
        ("abs(dwell)", [1.5, 1.0, 0.0, None]),
        ("floor(dwell)", [1.0, -1.0, 0.0, None]),
        ("ceil(dwell)", [2.0, -1.0, 0.0, None]),
        ("round(rating / 2)", [2.0, 1.0, None, 2.0]),
        ("round(dwell / 7, 2)", [0.21, -0.14, 0.0, None]),
        ("year(day)", [2024, 2024, None, 1969]),
        ("month(day)", [2, 3, None, 12]),
        ("day(day)", [29, 4, None, 31]),
        ("weekday(day)", [4, 1, None, 3]),
        ("hour(at)", [18, 0, None, 0]),
        ("hour(day)", [0, 0, None, 0]),
        ("day >= date('2024-03-01')", [False, True, None, False]),
        ("at > date('2024-02-29 18:00')", [True, True, None, False]),
        ("days_since(at, date('2024-02-28'))", [1.0 + 18.5 / 24, 2.0, None, -19781.0]),
        ("true", [True] * 4),
        ("False or like", [True, False, None, True]),
        ("-rating", [-5, -2, None, -4]),
        ("`click`", [1, 0, 1, 0]),
    ],
)
def test_a_formula_gives_these_values(text: str, expected: list[object]) -> None:
    assert values(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("log(dwell)", [math.log(1.5), None, None, None]),
        ("log1p(dwell)", [math.log1p(1.5), None, 0.0, None]),
        ("log2(dwell)", [math.log2(1.5), None, None, None]),
        ("log10(dwell)", [math.log10(1.5), None, None, None]),
        ("sqrt(dwell)", [math.sqrt(1.5), None, 0.0, None]),
        ("exp(dwell)", [math.exp(1.5), math.exp(-1), 1.0, None]),
        ("expm1(dwell)", [math.expm1(1.5), math.expm1(-1), 0.0, None]),
        ("dwell ** 0.5", [1.5**0.5, None, 0.0, None]),
        ("1 / dwell", [1 / 1.5, -1.0, None, None]),
        ("1 // dwell", [0.0, -1.0, None, None]),
        ("1 % dwell", [1.0, 0.0, None, None]),
        ("rating / click", [5.0, None, None, None]),
        ("rating // click", [5, None, None, None]),
        ("rating % click", [0, None, None, None]),
    ],
)
def test_a_result_that_does_not_exist_is_missing(text: str, expected: list[object]) -> None:
    assert values(text) == pytest.approx(expected)


def test_expm1_is_exact_at_small_numbers() -> None:
    frame = pl.DataFrame({"x": [1e-12, -1e-9, 700.0]})
    assert values("expm1(x)", frame) == pytest.approx(
        [math.expm1(x) for x in frame["x"]], rel=1e-13
    )


def test_narrow_integers_do_not_overflow() -> None:
    assert values("click * 1000 + views * 1000") == [1000, 10_000, 5000, 250_000]
    assert values("views - 5") == [-5, 5, -1, 245]


def test_big_unsigned_integers_are_exact() -> None:
    assert values("big % 10") == [(2**63 + 1) % 10, 3, None, (2**64 - 1) % 10]
    assert values("big - 4") == [2**63 - 3, -1, None, 2**64 - 5]
    assert values(f"big == {2**63 + 1}") == [True, False, None, False]
    assert values(f"big in [-1, {2**64 - 1}]") == [False, False, None, True]


def test_names_that_polars_reads_as_patterns_are_plain_names() -> None:
    frame = pl.DataFrame({"^a.*$": [1], "ab": [2], "*": [3]})
    assert values("`^a.*$` + `*`", frame) == [4]
    assert parse("`^a.*$` + `*`").columns == {"^a.*$", "*"}


def test_names_are_not_normalised() -> None:
    frame = pl.DataFrame({"ﬁ": [1], "fi": [2], "größe x": [3]})
    assert values("ﬁ + `größe x` * 10", frame) == [31]


def test_a_column_named_like_a_constant_is_read_in_backticks() -> None:
    assert parse("`true` and true").columns == {"true"}


def test_categorical_columns_compare_with_texts() -> None:
    frame = pl.DataFrame({"c": pl.Series(["a", "b", None], dtype=pl.Categorical)})
    assert values("c in ['a', 'z']", frame) == [True, False, None]
    assert values("len(c)", frame) == [1, 1, None]


def test_columns_are_those_that_are_read() -> None:
    text = "a + `b c` * col('d') if is_null(e) else f in [1]"
    assert parse(text).columns == {"a", "b c", "d", "e", "f"}
    assert parse("1 + 1").columns == frozenset()


def test_an_expression_goes_by_its_text() -> None:
    expression = parse("  rating >= 4 ")
    assert expression == Expression("  rating >= 4 ")
    assert len({expression, parse("  rating >= 4 "), parse("rating")}) == 2
    for copied in (pickle.loads(pickle.dumps(expression)), copy.deepcopy(expression)):
        assert copied == expression
        assert copied.columns == {"rating"}
    assert repr(parse("a")) == "Expression(text='a', columns=frozenset({'a'}))"


def test_lines_and_outer_spaces_are_free() -> None:
    assert values("\n  rating\n  >= 4\n") == [True, False, None, True]


def test_a_lazy_frame_is_evaluated_too() -> None:
    assert evaluate(parse("click"), FRAME.lazy(), where="w").to_list() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        ("a" * 2001, "2001 characters, at most 2000"),
        ("click = 1", "compare with `==`"),
        ("a if b = 1 else c", "compare with `==`"),
        ("(a := 1)", "compare with `==`"),
        ("a && b", "write `and`"),
        ("a || b", "write `or`"),
        ("!a", "write `not`"),
        ("a <> b", "write `!=`"),
        ("a ? b : c", "write `b if a else c`"),
        ("$a", "in backticks"),
        ("a +", "not a formula"),
        ("a; b", "';' is not allowed"),
        ("a # b", "'#' is not allowed"),
        ("a \\ b", "is not allowed"),
        ("'abc", "This ' is never closed"),
        ("`abc", "This ` is never closed"),
        ("``", "backticks is empty"),
        ("'''a'''", "Tripled quotes"),
        ("f'{a}'", "straight after a letter"),
        ("a.b", "put a name with a dot in backticks"),
        ("a.__class__", "put a name with a dot in backticks"),
        ("[1, 2]", "only after `in`"),
        ("a[0]", "`contains` looks into a list"),
        ("lambda: 1", "Lambda is not part of this language"),
        ("[a for a in b]", "ListComp is not part"),
        ("{1: 2}", "Dict is not part"),
        ("__import__('os')", "There is no function '__import__'"),
        ("lenght(a)", "Did you mean 'len'?"),
        ("a.b(c)", "function by its name"),
        ("log(*a)", "`*` before an argument"),
        ("log(x=a)", "by position"),
        ("log(a, b)", "`log` is called as log(x)"),
        ("min(a)", "min(a, b, …)"),
        ("col(a)", "One text in quotes"),
        ("col('')", "One text in quotes"),
        ("date('yesterday')", "date('2024-12-31')"),
        ("a @ b", "there are + - * / // % **"),
        ("a << 1", "there are + - * / // % **"),
        ("~a", "`~` before a value"),
        ("+a", "`+` before a value"),
        ("1j", "Only numbers"),
        ("...", "Only numbers"),
        ("1e999", "too large"),
        (f"a == {2**127}", "too large"),
        ("a + 'b'", "A number is needed here, not a text"),
        ("a * null", "A number is needed here, not null"),
        ("1 and a", "A condition is needed"),
        ("lower(1)", "A text is needed here, not a number"),
        ("a >= 4 & b == 1", "bind tighter than comparisons"),
        ("a == b | c", "bind tighter than comparisons"),
        ("4 & a", "bind tighter than comparisons"),
        ("a == null", "is_null"),
        ("a is None", "Only == != <"),
        ("1 < a in [1]", "Only == != <"),
        ("a in [1] in [2]", "Only == != <"),
        ("'a' == 1", "A text and a number are compared"),
        ("a in b", "`in` needs a list of values"),
        ("a in []", "list is empty"),
        ("a in [b]", "may stand in a list"),
        ("a in [null]", "may stand in a list"),
        ("a in [1, 'b']", "mixes a number and a text"),
        ("'a' if b else 1", "different kinds"),
        ("max(a, null)", "neither small nor large"),
        ("contains(a, b)", "must be a constant"),
        ("contains(1, 'b')", "A column of lists or of texts"),
        ("len(1)", "A column of lists or of texts"),
        ("year('2024')", "A column of dates"),
        ("round(a, b)", "from 0 to 15"),
        ("round(a, 99)", "from 0 to 15"),
        ("'\\ud800'", "not valid Unicode"),
        ("a\ud800", "not valid Unicode"),
        ("\0", "null bytes"),
        ("+".join(["a"] * 150), "nested more than 100 levels"),
        ("(" * 300 + "a" + ")" * 300, "not a formula"),
        ("not " * 400 + "a", "nested more than 100 levels"),
        ("-" * 1900 + "a", "nested more than 100 levels"),
        ("-(-" * 600 + "a", "cannot be read"),
    ],
)
def test_what_is_not_allowed_says_why(text: str, words: str) -> None:
    assert words in problem(text)


def test_a_text_cannot_grow_without_bound() -> None:
    text = "a"
    for _ in range(20):
        text = f"0<({text})<1"
    assert "too big" in problem(text)


def test_the_caret_stands_under_the_place() -> None:
    assert problem("größe + lenght(a)").splitlines()[1:] == [
        "    größe + lenght(a)",
        "            ^",
    ]
    long = problem("a + " * 30 + "'x'")
    line, caret = long.splitlines()[1:]
    assert line[caret.index("^")] == "'"


def test_errors_are_value_errors_of_plait() -> None:
    assert issubclass(ExpressionError, PlaitError)
    assert issubclass(ExpressionError, ValueError)


def test_an_unknown_column_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        check_columns(parse("ratin >= 4"), FRAME.columns, where="the label of task 'like'")
    message = str(caught.value)
    assert "no column 'ratin' in the label of task 'like' (`ratin >= 4`)" in message
    assert "Did you mean 'rating'?" in message
    assert "country" in message


def test_case_106_a_number_that_arrives_as_text_is_a_clear_error() -> None:
    with pytest.raises(ExpressionError) as caught:
        values("country >= 4")
    message = str(caught.value)
    assert message.startswith("a label cannot be computed: cannot compare string with numeric")
    assert "country is String" in message
    assert "country >= 4" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("country + 1", "not allowed"),
        ("not country", "Boolean"),
        ("len(rating)", "has no length"),
        ("contains(rating, 5)", "not of lists"),
        ("year(rating)", "year"),
    ],
)
def test_a_column_of_the_wrong_type_is_an_error(text: str, words: str) -> None:
    with pytest.raises(ExpressionError, match=words):
        values(text)


def test_case_106_an_integer_that_arrives_as_a_float_gives_the_same_labels() -> None:
    for dtype in (pl.Int8, pl.UInt64, pl.Float32, pl.Float64):
        frame = FRAME.with_columns(pl.col("rating").cast(dtype))
        assert values("rating in [4, 5] and rating >= 4", frame) == [True, False, None, True]


def test_every_function_has_a_usage_that_parses() -> None:
    for function in FUNCTIONS.values():
        usage = function.usage.split(" or ")[0].replace(", …", "").replace("constant", "'c'")
        parse(usage)


SIGNS = [
    *"abcx019 .()[]{}'\"`#\\;=<>!&|+-*/%~^@,:\n\t\0é\u3000\ud800",
    *[" and ", " or ", "not ", " in ", " if ", " else ", "lambda ", "log(", "min(", "col(", "null"],
]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(SIGNS), max_size=40).map("".join) | st.text(max_size=60))
def test_any_text_parses_or_raises_an_expression_error(text: str) -> None:
    with suppress(ExpressionError):
        parse(text)


@settings(max_examples=50)
@given(st.sampled_from(SIGNS), st.integers(1, 2000))
def test_repetition_does_not_exhaust_the_stack(sign: str, times: int) -> None:
    with suppress(ExpressionError):
        parse((sign * times)[:2000] + "a")


def _arithmetic() -> st.SearchStrategy[str]:
    numbers = st.integers(-99, 99).map(lambda n: f"({n})") | st.sampled_from(["x", "y", "z"])
    return st.recursive(
        numbers,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner).map(
                lambda part: f"({part[0]} {part[1]} {part[2]})"
            ),
            inner.map(lambda part: f"(-{part})"),
            inner.map(lambda part: f"abs({part})"),
            st.tuples(inner, inner).map(lambda part: f"min({part[0]}, {part[1]})"),
            st.tuples(inner, st.sampled_from(["<", "<=", "==", ">"]), inner, inner, inner).map(
                lambda part: f"({part[3]} if {part[0]} {part[1]} {part[2]} else {part[4]})"
            ),
        ),
        max_leaves=8,
    )


@settings(max_examples=200, deadline=None)
@given(_arithmetic(), st.integers(-128, 127), st.integers(0, 255), st.floats(-100, 100))
def test_arithmetic_agrees_with_python(text: str, x: int, y: int, z: float) -> None:
    z = round(z, 3)
    try:
        expected = eval(text, {"x": x, "y": y, "z": z, "abs": abs, "min": min})  # noqa: S307
    except ZeroDivisionError:
        reject()
    assume(abs(expected) < 2**60)
    frame = pl.DataFrame(
        {"x": [x], "y": [y], "z": [z]}, schema={"x": pl.Int8, "y": pl.UInt8, "z": pl.Float64}
    )
    assert values(text, frame) == pytest.approx([expected], rel=1e-9, abs=1e-9)
