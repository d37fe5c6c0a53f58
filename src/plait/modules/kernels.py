"""The kernels of the compiled engine, and how they read what they are told (`team`).

Importing this file compiles them, or loads them from numba's cache. All stand in one file with all
that they call: numba goes by what it compiled before as long as the file of a kernel is the same,
whatever became of other files.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import cast

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, register_jitable
from numba.np.numpy_support import carray
from numpy.typing import NDArray

__all__ = [
    "adagrad",
    "adam",
    "add_rows",
    "bounds",
    "catch_up",
    "find",
    "follow",
    "interpolate",
    "mix",
    "number",
    "spread",
    "spread_rows",
    "sum_rows",
    "tabulate",
    "tabulate_back",
    "turn",
    "turn_back",
    "unmix",
]

Place = ctypes.c_void_p
Generated = tuple[object, Callable[..., ir.Value]]
Ids = NDArray[np.int64]
Shorts = NDArray[np.int32]

KERNEL = "void(voidptr)"
"""The signature of a kernel."""
ROWS_AT_ONCE = 16
"""What is added up for so many rows stays near the processor."""
ROWS_OF_NUMBERS = 64
"""What units make of a number, and so many rows, stay near the processor together."""
TOGETHER = 128
"""What so many units make of all numbers stays near the processor."""


def _as_pointer(typing: object, address: object) -> Generated:
    """A whole number as an address."""

    def generate(
        context: object, builder: ir.IRBuilder, signature: object, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.int64), generate


def _call(typing: object, address: object) -> Generated:
    """What the function at an address says: a C function of nothing, to an int."""

    def generate(
        context: object, builder: ir.IRBuilder, signature: object, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        kind = ir.FunctionType(ir.IntType(32), [])
        return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), [])

    return types.int32(types.int64), generate


_pointer = cast("Callable[[int], Place]", intrinsic(_as_pointer))
_asked = cast("Callable[[int], int]", intrinsic(_call))


@register_jitable
def take_part(place: Place) -> tuple[int, int]:
    """Which part of the work a call of a kernel does, and of how many."""
    told = numbers_at(place)
    if told[0] == 0:
        return 0, 1
    return _asked(told[0]), _asked(told[1])


@register_jitable
def bounds(part: int, parts: int, rows: int) -> tuple[int, int]:
    """The first row of a part, and the first behind it."""
    return rows * part // parts, rows * (part + 1) // parts


@register_jitable
def numbers_at(place: Place) -> NDArray[np.int64]:
    """What a kernel was told, from the two numbers that `in_parts` puts first."""
    return carray(place, (1 << 16,), np.int64)


@register_jitable
def matrix(address: int, rows: int, width: int) -> NDArray[np.float32]:
    """The float32 `[rows, width]` at an address."""
    return carray(_pointer(address), (rows, width), np.float32)


@register_jitable
def floats(address: int, number: int) -> NDArray[np.float32]:
    """The float32 `[number]` at an address."""
    return carray(_pointer(address), (number,), np.float32)


@register_jitable
def ids(address: int, number: int) -> NDArray[np.int64]:
    """The int64 `[number]` at an address."""
    return carray(_pointer(address), (number,), np.int64)


@register_jitable
def doubles(address: int, number: int) -> NDArray[np.float64]:
    """The float64 `[number]` at an address."""
    return carray(_pointer(address), (number,), np.float64)


@register_jitable
def shorts(address: int, number: int) -> NDArray[np.int32]:
    """The int32 `[number]` at an address."""
    return carray(_pointer(address), (number,), np.int32)


@numba.cfunc(KERNEL, cache=True, fastmath={"contract"}, error_model="numpy")
def mix(place: Place) -> None:
    """Weighted sums of experts: `compiled_mixing.mixed`."""
    told = numbers_at(place)
    rows, width, num_experts = told[2], told[3], told[4]
    weights = matrix(told[5], rows, num_experts)
    found = matrix(told[6], rows, width)
    part, parts = take_part(place)
    first, last = bounds(part, parts, rows)
    for begin in range(first, last, ROWS_AT_ONCE):
        end = min(begin + ROWS_AT_ONCE, last)
        for number in range(num_experts):
            expert = matrix(told[7 + number], rows, width)
            for row in range(begin, end):
                share = weights[row, number]
                if number == 0:
                    for column in range(width):
                        found[row, column] = share * expert[row, column]
                else:
                    for column in range(width):
                        found[row, column] += share * expert[row, column]


@numba.cfunc(KERNEL, cache=True, fastmath={"reassoc", "contract"}, error_model="numpy")
def unmix(place: Place) -> None:
    """Gradients of logits and experts: `compiled_mixing.unmixed`."""
    told = numbers_at(place)
    rows, width, num_experts, adds = told[2], told[3], told[4], told[5]
    weights = matrix(told[6], rows, num_experts)
    gradient = matrix(told[7], rows, width)
    to_logits = matrix(told[8], rows, num_experts)
    part, parts = take_part(place)
    first, last = bounds(part, parts, rows)
    for begin in range(first, last, ROWS_AT_ONCE):
        end = min(begin + ROWS_AT_ONCE, last)
        for number in range(num_experts):
            expert = matrix(told[9 + number], rows, width)
            to_expert = matrix(told[9 + num_experts + number], rows, width)
            for row in range(begin, end):
                share = weights[row, number]
                product = np.float32(0.0)
                if adds:
                    for column in range(width):
                        product += gradient[row, column] * expert[row, column]
                        to_expert[row, column] += share * gradient[row, column]
                else:
                    for column in range(width):
                        product += gradient[row, column] * expert[row, column]
                        to_expert[row, column] = share * gradient[row, column]
                to_logits[row, number] = product
        for row in range(begin, end):  # through the softmax
            mean = np.float32(0.0)
            for number in range(num_experts):
                mean += weights[row, number] * to_logits[row, number]
            for number in range(num_experts):
                to_logits[row, number] = weights[row, number] * (to_logits[row, number] - mean)


@register_jitable
def stretches(blocks: int, width: int) -> int:
    """How many stretches of at most `TOGETHER` units there are."""
    return blocks * ((width + TOGETHER - 1) // TOGETHER)


@register_jitable
def stretch(number: int, width: int) -> tuple[int, int, int]:
    """Of a stretch: in which block it lies, its first unit there, and how many units it has."""
    of_block = (width + TOGETHER - 1) // TOGETHER
    begin = number % of_block * TOGETHER
    return number // of_block, begin, min(TOGETHER, width - begin)


@register_jitable
def stretch_of(unit: int, width: int) -> tuple[int, int, int]:
    """The same of the stretch in which a unit lies."""
    of_block = (width + TOGETHER - 1) // TOGETHER
    return stretch(unit // width * of_block + unit % width // TOGETHER, width)


@register_jitable
def of_unit(
    told: NDArray[np.int64], unit: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], int, int]:
    """Of what `turn` was told, what is of a unit's stretch.

    Its weights; of its stretch the turned weights and the table; its place there, and the size.
    """
    width, num_rows, num_turned, stride = told[3], told[5], told[6], told[10]
    block, begin, size = stretch_of(unit, width)
    start = block * width + begin
    weight = floats(told[9] + 4 * unit * stride, stride)
    table = floats(told[11] + 4 * num_rows * start, num_rows * size)
    turned = floats(told[12] + 4 * num_turned * start, num_turned * size)
    return weight, turned, table, unit % width - begin, size


@register_jitable
def between(
    position: float, pieces: int, table: int, size: int
) -> tuple[np.float32, np.float32, NDArray[np.float32], NDArray[np.float32]]:
    """How near a position is to the edge before it and to the next; what units make of these."""
    edge = min(max(int(position), 0), pieces - 1)
    share = np.float32(min(max(position - edge, 0.0), 1.0))
    at = table + 4 * size * (edge + 2)
    return np.float32(1.0) - share, share, floats(at, size), floats(at + 4 * size, size)


@numba.cfunc(KERNEL, cache=True, error_model="numpy")
def turn(place: Place) -> None:
    """Weights as `interpolate` and `tabulate` read them: `compiled_layers.add_looked_up`.

    Of each number what a unit makes of it at its edges; of a short table's columns the weights.
    """
    told = numbers_at(place)
    num_numbers, num_turned, column_of_numbers = told[4], told[6], told[13]
    pieces, columns = ids(told[7], num_numbers), ids(told[8], num_turned)
    part, parts = take_part(place)
    first, last = bounds(part, parts, told[2] * told[3])
    for unit in range(first, last):
        weight, turned, table, at, size = of_unit(told, unit)
        for one in range(num_turned):
            turned[at + one * size] = weight[columns[one]]
        column = column_of_numbers
        for number in range(num_numbers):
            table[at] = weight[column]
            table[at + size] = weight[column + 1]
            at += 2 * size
            column += 2
            if pieces[number] > 0:
                total = np.float32(0.0)
                table[at] = total
                for piece in range(pieces[number]):
                    total += weight[column + piece]
                    table[at + (piece + 1) * size] = total
                at += (pieces[number] + 1) * size
                column += pieces[number]


@numba.cfunc(KERNEL, cache=True, error_model="numpy")
def turn_back(place: Place) -> None:
    """The gradient of weights from those of what `turn` made: `compiled_layers.to_weights`."""
    told = numbers_at(place)
    num_numbers, num_turned, column_of_numbers = told[4], told[6], told[13]
    pieces, columns = ids(told[7], num_numbers), ids(told[8], num_turned)
    part, parts = take_part(place)
    first, last = bounds(part, parts, told[2] * told[3])
    for unit in range(first, last):
        weight, turned, table, at, size = of_unit(told, unit)
        for one in range(num_turned):
            weight[columns[one]] = turned[at + one * size]
        column = column_of_numbers
        for number in range(num_numbers):
            weight[column] = table[at]
            weight[column + 1] = table[at + size]
            at += 2 * size
            column += 2
            if pieces[number] > 0:
                total = np.float32(0.0)
                for piece in range(pieces[number] - 1, -1, -1):
                    total += table[at + (piece + 1) * size]
                    weight[column + piece] = total
                at += (pieces[number] + 1) * size
                column += pieces[number]


@numba.cfunc(KERNEL, cache=True, fastmath={"contract"}, error_model="numpy")
def tabulate(place: Place) -> None:
    """What units make of the vectors of short tables: `compiled_layers.add_looked_up`."""
    told = numbers_at(place)
    blocks, width, num_rows, num_turned = told[2], told[3], told[4], told[5]
    num_columns, num_vectors, dim = told[6], told[7], told[8]
    ends, vectors = ids(told[9], num_columns), matrix(told[10], num_vectors, dim)
    table, turned = told[11], told[12]
    part, parts = take_part(place)
    first, last = bounds(part, parts, stretches(blocks, width))
    for number_of_stretch in range(first, last):
        block, begin, size = stretch(number_of_stretch, width)
        start = block * width + begin
        line = 4 * size
        into = table + 4 * num_rows * start + (num_rows - num_vectors) * line
        weights = turned + 4 * num_turned * start
        one = 0
        for column in range(num_columns):
            while one < ends[column]:
                found = floats(into + one * line, size)
                for at in range(size):
                    found[at] = np.float32(0.0)
                for each in range(dim):
                    share = vectors[one, each]
                    weight = floats(weights + (column * dim + each) * line, size)
                    for at in range(size):
                        found[at] += share * weight[at]
                one += 1


@numba.cfunc(KERNEL, cache=True, fastmath={"reassoc", "contract"}, error_model="numpy")
def tabulate_back(place: Place) -> None:
    """Gradients of turned weights and of vectors, these for each stretch by itself."""
    told = numbers_at(place)
    blocks, width, num_rows, num_turned = told[2], told[3], told[4], told[5]
    num_columns, num_vectors, dim = told[6], told[7], told[8]
    ends, vectors = ids(told[9], num_columns), matrix(told[10], num_vectors, dim)
    table, turned, to_turned, to_vectors = told[11], told[12], told[13], told[14]
    part, parts = take_part(place)
    first, last = bounds(part, parts, stretches(blocks, width))
    for number_of_stretch in range(first, last):
        block, begin, size = stretch(number_of_stretch, width)
        start = block * width + begin
        line = 4 * size
        pull = table + 4 * num_rows * start + (num_rows - num_vectors) * line
        weights, to_weights = turned + 4 * num_turned * start, to_turned + 4 * num_turned * start
        to_vector = matrix(to_vectors + 4 * number_of_stretch * num_vectors * dim, num_vectors, dim)
        cleared = floats(to_weights, num_turned * size)
        for at in range(num_turned * size):
            cleared[at] = np.float32(0.0)
        one = 0
        for column in range(num_columns):
            while one < ends[column]:
                gradient = floats(pull + one * line, size)
                for each in range(dim):
                    share = vectors[one, each]
                    weight = floats(weights + (column * dim + each) * line, size)
                    to_weight = floats(to_weights + (column * dim + each) * line, size)
                    product = np.float32(0.0)
                    for at in range(size):
                        product += gradient[at] * weight[at]
                    for at in range(size):
                        to_weight[at] += share * gradient[at]
                    to_vector[one, each] = product
                one += 1


@register_jitable
def add_number(
    numbers: NDArray[np.float32],
    number: int,
    pieces: int,
    rows: tuple[int, int],
    output: int,
    line_of_output: int,
    table: int,
    size: int,
) -> None:
    """Add what a stretch of units makes of one number to the outputs of these rows."""
    of_value, of_missing = floats(table, size), floats(table + 4 * size, size)
    for row in range(rows[0], rows[1]):
        value, missing = numbers[row, 3 * number], numbers[row, 3 * number + 2]
        found = floats(output + row * line_of_output, size)
        if pieces > 0:
            rest, share, low, high = between(numbers[row, 3 * number + 1], pieces, table, size)
            for column in range(size):
                found[column] += (
                    value * of_value[column] + rest * low[column] + share * high[column]
                )
        else:
            for column in range(size):
                found[column] += value * of_value[column]
        if missing != 0:
            for column in range(size):
                found[column] += missing * of_missing[column]


@register_jitable
def spread_number(
    numbers: NDArray[np.float32],
    number: int,
    pieces: int,
    rows: tuple[int, int],
    output: int,
    line_of_output: int,
    table: int,
    size: int,
) -> None:
    """Add the gradients of these rows to what a stretch of units makes of one number."""
    of_value, of_missing = floats(table, size), floats(table + 4 * size, size)
    for row in range(rows[0], rows[1]):
        value, missing = numbers[row, 3 * number], numbers[row, 3 * number + 2]
        gradient = floats(output + row * line_of_output, size)
        if pieces > 0:
            rest, share, low, high = between(numbers[row, 3 * number + 1], pieces, table, size)
            for column in range(size):
                one = gradient[column]
                of_value[column] += value * one
                low[column] += rest * one
                high[column] += share * one
        else:
            for column in range(size):
                of_value[column] += value * gradient[column]
        if missing != 0:
            for column in range(size):
                of_missing[column] += missing * gradient[column]


@register_jitable
def rows_of_table(pieces: int) -> int:
    """What a unit makes of a number: of its value, of one that is missing, and at its edges."""
    return pieces + 3 if pieces > 0 else 2


@numba.cfunc(KERNEL, cache=True, fastmath={"contract"}, error_model="numpy")
def interpolate(place: Place) -> None:
    """Add what units make of numbers, between two edges: `compiled_layers.add_looked_up`."""
    told = numbers_at(place)
    blocks, width, num_numbers, num_rows, rows = told[2], told[3], told[4], told[5], told[6]
    pieces = ids(told[7], num_numbers)
    numbers = matrix(told[8], rows, 3 * num_numbers)
    part, parts = take_part(place)
    first, last = bounds(part, parts, rows)
    for number_of_stretch in range(stretches(blocks, width)):
        block, begin, size = stretch(number_of_stretch, width)
        table = told[9] + 4 * num_rows * (block * width + begin)
        output = told[10 + block] + 4 * begin
        for top in range(first, last, ROWS_OF_NUMBERS):
            some = top, min(top + ROWS_OF_NUMBERS, last)
            at = table
            for number in range(num_numbers):
                add_number(numbers, number, pieces[number], some, output, 4 * width, at, size)
                at += rows_of_table(pieces[number]) * 4 * size


@numba.cfunc(KERNEL, cache=True, fastmath={"contract"}, error_model="numpy")
def spread(place: Place) -> None:
    """The gradient of what `interpolate` reads: `compiled_layers.to_weights`.

    A stretch of units is one thread's alone, and adds up in the order of the batch.
    """
    told = numbers_at(place)
    blocks, width, num_numbers, num_rows, rows = told[2], told[3], told[4], told[5], told[6]
    pieces = ids(told[7], num_numbers)
    numbers = matrix(told[8], rows, 3 * num_numbers)
    part, parts = take_part(place)
    first, last = bounds(part, parts, stretches(blocks, width))
    for number_of_stretch in range(first, last):
        block, begin, size = stretch(number_of_stretch, width)
        table = told[9] + 4 * num_rows * (block * width + begin)
        output = told[10 + block] + 4 * begin
        for top in range(0, rows, ROWS_OF_NUMBERS):
            some = top, min(top + ROWS_OF_NUMBERS, rows)
            at = table
            for number in range(num_numbers):
                spread_number(numbers, number, pieces[number], some, output, 4 * width, at, size)
                at += rows_of_table(pieces[number]) * 4 * size


@numba.cfunc(KERNEL, cache=True, fastmath={"contract"}, error_model="numpy")
def add_rows(place: Place) -> None:
    """Add what units make of rows of short tables, four at a time: `add_looked_up`."""
    told = numbers_at(place)
    blocks, width, num_rows, rows, num_columns = told[2], told[3], told[4], told[5], told[6]
    places = shorts(told[7], rows * num_columns)
    part, parts = take_part(place)
    first, last = bounds(part, parts, rows)
    for number_of_stretch in range(stretches(blocks, width)):
        block, begin, size = stretch(number_of_stretch, width)
        line = 4 * size
        table = told[8] + 4 * num_rows * (block * width + begin) + told[9] * line
        for row in range(first, last):
            found = floats(told[10 + block] + 4 * (row * width + begin), size)
            one, behind = row * num_columns, (row + 1) * num_columns
            while one + 4 <= behind:
                a = floats(table + places[one] * line, size)
                b = floats(table + places[one + 1] * line, size)
                c = floats(table + places[one + 2] * line, size)
                d = floats(table + places[one + 3] * line, size)
                for column in range(size):
                    found[column] += (a[column] + b[column]) + (c[column] + d[column])
                one += 4
            while one < behind:
                vector = floats(table + places[one] * line, size)
                for column in range(size):
                    found[column] += vector[column]
                one += 1


@numba.cfunc(KERNEL, cache=True, fastmath={"contract"}, error_model="numpy")
def spread_rows(place: Place) -> None:
    """The gradient of the rows that `add_rows` reads: `compiled_layers.to_weights`.

    A stretch of units is one thread's alone, and adds up in the order of the batch.
    """
    told = numbers_at(place)
    blocks, width, num_rows, rows, num_columns = told[2], told[3], told[4], told[5], told[6]
    places = shorts(told[7], rows * num_columns)
    part, parts = take_part(place)
    first, last = bounds(part, parts, stretches(blocks, width))
    for number_of_stretch in range(first, last):
        block, begin, size = stretch(number_of_stretch, width)
        line = 4 * size
        table = told[8] + 4 * num_rows * (block * width + begin) + told[9] * line
        for row in range(rows):
            gradient = floats(told[10 + block] + 4 * (row * width + begin), size)
            for one in range(row * num_columns, (row + 1) * num_columns):
                vector = floats(table + places[one] * line, size)
                for column in range(size):
                    vector[column] += gradient[column]


@numba.njit("int64(int64[::1], int32[::1], int64[::1], int32[::1])", cache=True, nogil=True)
def find(rows: Ids, slots: Shorts, distinct: Ids, places: Shorts) -> int:
    """Each row's place among the distinct ones, by open addressing; how many these are.

    Where a row comes for the first time, what is noted is -1 less the place.
    """
    last = len(slots) - 1
    found = 0
    for number in range(len(rows)):
        row = rows[number]
        at = ((row * 0x9E3779B97F4A7C15) >> 32) & last
        while slots[at] >= 0 and distinct[slots[at]] != row:
            at = (at + 1) & last
        if slots[at] < 0:
            slots[at] = found
            distinct[found] = row
            places[number] = -1 - found
            found += 1
        else:
            places[number] = slots[at]
    return found


@numba.njit(
    "int64(int32[:, ::1], int64[::1], int64[::1], int32[::1], int32[:, ::1], int64[::1])",
    cache=True,
    nogil=True,
)
def number(
    ids: NDArray[np.int32],
    columns: Ids,
    firsts: Ids,
    marks: Shorts,
    places: NDArray[np.int32],
    ends: Ids,
) -> int:
    """Number the ids that come in some columns: those of a column one after another.

    Args:
        ids: `[B, C]`.
        columns: which columns.
        firsts: where each one's marks begin, and where those of the last one end.
        marks: zeros; a mark for each id of each column. Comes back as one more than its number.
        places: `[B, len(columns)]`, the number of each id.
        ends: the first number behind those of each column.

    Returns:
        How many there are; -1 where an id is none of its column's.
    """
    for row in range(len(ids)):
        for at in range(len(columns)):
            one = ids[row, columns[at]]
            if not 0 <= one < firsts[at + 1] - firsts[at]:
                return -1
            marks[firsts[at] + one] = 1
    found = 0
    for at in range(len(columns)):
        last = firsts[at + 1]
        for mark in range(firsts[at], last):
            if marks[mark] > 0:
                found += 1
                marks[mark] = found
        ends[at] = found
    for row in range(len(ids)):
        for at in range(len(columns)):
            places[row, at] = marks[firsts[at] + ids[row, columns[at]]] - 1
    return found


@numba.cfunc(KERNEL, cache=True, error_model="numpy")
def sum_rows(place: Place) -> None:
    """The values of each row, added up in the order of the batch."""
    told = numbers_at(place)
    number, width = told[2], told[3]
    values, places = matrix(told[4], number, width), shorts(told[5], number)
    summed = matrix(told[6], number, width)
    part, parts = take_part(place)
    for one in range(number):
        at = places[one]
        is_first = at < 0
        if is_first:
            at = -1 - at
        if at % parts != part:
            continue
        if is_first:
            for column in range(width):
                summed[at, column] = values[one, column]
        else:
            for column in range(width):
                summed[at, column] += values[one, column]


@numba.cfunc(KERNEL, cache=True, fastmath={"reassoc", "contract"}, error_model="numpy")
def adagrad(place: Place) -> None:
    """A step on distinct rows: `rows.adagrad`."""
    told = numbers_at(place)
    number, width, num_rows = told[2], told[3], told[4]
    weight, sums = matrix(told[5], num_rows, width), floats(told[6], num_rows)
    rows, gradient = ids(told[7], number), matrix(told[8], number, width)
    rate, eps = doubles(told[9], 2)
    part, parts = take_part(place)
    first, last = bounds(part, parts, number)
    for one in range(first, last):
        row = rows[one]
        square = np.float32(0.0)
        for column in range(width):
            square += gradient[one, column] * gradient[one, column]
        sums[row] += square / np.float32(width)
        step = np.float32(-rate / (np.sqrt(sums[row]) + eps))
        for column in range(width):
            weight[row, column] += step * gradient[one, column]


@numba.cfunc(KERNEL, cache=True, fastmath={"contract"}, error_model="numpy")
def adam(place: Place) -> None:
    """A step on distinct rows: `rows.adam`."""
    told = numbers_at(place)
    number, width, num_rows = told[2], told[3], told[4]
    weight, mean = matrix(told[5], num_rows, width), matrix(told[6], num_rows, width)
    square = matrix(told[7], num_rows, width)
    rows, gradient = ids(told[8], number), matrix(told[9], number, width)
    first_beta, second_beta, eps, step, root = doubles(told[10], 5)
    to_mean, to_square = np.float32(1 - first_beta), np.float32(1 - second_beta)
    kept, least = np.float32(second_beta), np.float32(eps)
    rate, share = np.float32(step), np.float32(1 / root)
    part, parts = take_part(place)
    first, last = bounds(part, parts, number)
    for one in range(first, last):
        row = rows[one]
        for column in range(width):
            value = gradient[one, column]
            mean[row, column] += to_mean * (value - mean[row, column])
            square[row, column] = kept * square[row, column] + to_square * value * value
            below = np.sqrt(square[row, column]) * share + least
            weight[row, column] += rate * mean[row, column] / below


@numba.cfunc(KERNEL, cache=True, error_model="numpy")
def catch_up(place: Place) -> None:
    """Averages of distinct rows up to now: `rows.catch_up`."""
    told = numbers_at(place)
    number, num_rows, width = told[2], told[3], told[4]
    weight, average = matrix(told[5], num_rows, width), matrix(told[6], num_rows, width)
    last_steps, rows = shorts(told[7], num_rows), ids(told[8], number)
    passed = doubles(told[10], told[9])
    now = told[9] - 1
    part, parts = take_part(place)
    first, last = bounds(part, parts, number)
    for one in range(first, last):
        row = rows[one]
        factor = np.float32(np.exp(passed[now] - passed[last_steps[row]]))
        for column in range(width):
            current = weight[row, column]
            average[row, column] = current + (average[row, column] - current) * factor
        last_steps[row] = now


@numba.cfunc(KERNEL, cache=True, error_model="numpy")
def follow(place: Place) -> None:
    """Averages of distinct rows after a step: `rows.follow`."""
    told = numbers_at(place)
    number, num_rows, width = told[2], told[3], told[4]
    weight, average = matrix(told[5], num_rows, width), matrix(told[6], num_rows, width)
    last_steps, rows = shorts(told[7], num_rows), ids(told[8], number)
    share = np.float32(doubles(told[9], 1)[0])
    now = told[10]
    part, parts = take_part(place)
    first, last = bounds(part, parts, number)
    for one in range(first, last):
        row = rows[one]
        for column in range(width):
            average[row, column] += share * (weight[row, column] - average[row, column])
        last_steps[row] = now
