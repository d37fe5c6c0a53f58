"""The mean label of a value never knows the row's own label."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from plait.studies.baselines.encoding import FOLDS, PRIOR_ROWS, mean_label_of_values


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(10, 60))
def test_a_rows_own_label_changes_nothing_for_it(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    ids, labels = rng.integers(0, 4, n), rng.normal(size=(n, 1))
    row = int(rng.integers(n))
    changed = labels.copy()
    changed[row] += 100.0
    before, _ = mean_label_of_values(ids, labels, ids, seed=1)
    after, _ = mean_label_of_values(ids, changed, ids, seed=1)
    assert before[row, 0] == after[row, 0]


def test_the_means_are_those_of_the_other_folds() -> None:
    rng = np.random.default_rng(0)
    ids, labels = rng.integers(0, 3, 40), rng.normal(size=(40, 2))
    own, asked = mean_label_of_values(ids, labels, np.array([1, 77]), seed=5)
    folds = np.random.default_rng(5).permutation(40) % FOLDS
    for row in range(40):
        others = folds != folds[row]
        overall = labels[others].mean(axis=0)
        same = labels[others & (ids == ids[row])]
        wanted = (same.sum(axis=0) + PRIOR_ROWS * overall) / (len(same) + PRIOR_ROWS)
        np.testing.assert_allclose(own[row], wanted)
    np.testing.assert_allclose(asked[1], labels.mean(axis=0))  # a value that was never met
