"""Rows by group: users, requests, sessions, named by any integers or strings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plait.errors import MetricInputError

from .rows import BoolArray, Check, FloatArray, IntArray, Rows, find_fault, read_rows


@dataclass(frozen=True, eq=False)
class GroupedRows:
    """Rows with the number of their group.

    Attributes:
        rows: the rows that have a group and a weight.
        codes: [n], the group of each row, from 0 to `num_groups` - 1. Every group has a row.
        num_groups: G.
        num_keyless: rows that had no group (null or nan) and were left out.
    """

    rows: Rows
    codes: IntArray
    num_groups: int
    num_keyless: int

    def find_fault(self, *checks: Check) -> str:
        """Why nothing can be computed on these rows; empty where something can."""
        if not len(self.rows) and self.num_keyless:
            return f"none of {self.num_keyless} rows has a group"
        return find_fault(self.rows, *checks)

    def total(self, values: FloatArray) -> FloatArray:
        """The sum over each group of [n] values: [G]."""
        return totals(self.codes, values, self.num_groups)

    @property
    def sizes(self) -> IntArray:
        """Rows in each group: [G]."""
        return np.bincount(self.codes, minlength=self.num_groups).astype(np.int64)


def read_grouped_rows(
    predictions: ArrayLike, targets: ArrayLike, groups: ArrayLike, weights: ArrayLike | None
) -> GroupedRows:
    """Rows and the codes of their groups.

    Raises:
        MetricInputError: as `read_rows`, or groups that are not one key for each row.
    """
    keys = np.asarray(groups)
    if keys.ndim != 1 or len(keys) != np.size(targets):
        raise MetricInputError(
            f"`groups` has shape {keys.shape} for {np.size(targets)} targets; expected one key "
            "(integer or string) for each row."
        )
    rows = read_rows(predictions, targets, weights)
    if weights is not None:
        keys = keys[np.asarray(weights) > 0]
    missing = _is_missing(keys)
    if missing.any():
        rows, keys = rows.take(~missing), keys[~missing]
    names, codes = np.unique(_sortable(keys), return_inverse=True)
    return GroupedRows(
        rows, codes.astype(np.int64), len(names), num_keyless=int(np.count_nonzero(missing))
    )


def totals(codes: IntArray, values: FloatArray | BoolArray, num_codes: int) -> FloatArray:
    """The sum of the values of each code: [num_codes]."""
    return np.bincount(codes, values, num_codes).astype(np.float64, copy=False)


def run_starts(*keys: NDArray[np.float64] | NDArray[np.int64]) -> IntArray:
    """Where runs of equal keys begin, in arrays already sorted by those keys.

    Example:
        >>> run_starts(np.array([0.5, 0.5, 0.7, 0.9, 0.9]))
        array([0, 2, 3])
    """
    begins = np.zeros(len(keys[0]), dtype=np.bool_)
    begins[:1] = True
    for key in keys:
        begins[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(begins)


def run_totals(values: FloatArray, starts: IntArray) -> FloatArray:
    """The sum over each run; no runs give no sums."""
    return np.add.reduceat(values, starts) if len(starts) else np.zeros(0)


def total_before(values: FloatArray, codes: IntArray) -> FloatArray:
    """For each entry the sum of the entries before it in its group; `codes` are sorted."""
    starts = run_starts(codes)
    before = np.cumsum(values) - values
    lengths = np.diff(np.append(starts, len(values)))
    return before - np.repeat(before[starts], lengths)


def _is_missing(keys: NDArray[np.generic]) -> BoolArray:
    if keys.dtype.kind == "O":
        try:
            missing = np.equal(keys, np.array(None)) | (keys != keys)
        except TypeError as error:  # pandas.NA has no truth value
            raise MetricInputError(
                f"`groups` holds objects that cannot be compared: {error}. Use None for no group."
            ) from error
        return np.asarray(missing, dtype=np.bool_)
    if keys.dtype.kind in "fMm":
        return np.asarray(keys != keys, dtype=np.bool_)
    return np.zeros(len(keys), dtype=np.bool_)


def _sortable(keys: NDArray[np.generic]) -> NDArray[np.generic]:
    """Keys of a plain dtype: arrays of Python objects (strings with None) get their own."""
    if keys.dtype.kind != "O":
        return keys
    plain = np.array(keys.tolist()) if len(keys) else np.zeros(0)
    if plain.dtype.kind == "O" or plain.ndim != 1:
        raise MetricInputError(
            f"`groups` must hold integers or strings, got objects such as {keys[0]!r}. "
            "Use a column of ids."
        )
    return plain
