"""Permutation importance finds what the model reads, and shuffles all columns of a feature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from tests.unit.makers import make_data, make_model

from plait.studies.doctor.importance import permutation_importance, with_feature_of
from plait.studies.opened import OpenedRun


def test_what_tells_the_label_matters_and_what_does_not_does_not(run: OpenedRun) -> None:
    found = permutation_importance(run.model, run.judged, repeats=3, seed=0)
    losses = {(entry.output, entry.feature): entry for entry in found}
    assert losses["click", "age"].loss > 0.1
    assert losses["click", "age"].is_clear
    assert abs(losses["click", "user"].loss) < 0.05
    assert losses["stars", "item"].metric == "rmse"
    assert {entry.feature for entry in found} == {*run.schema.names}
    assert {entry.output for entry in found} == {*run.model.outputs}


def test_the_seed_decides_the_shuffles(run: OpenedRun) -> None:
    first, again, other = (
        permutation_importance(run.model, run.judged, repeats=1, seed=seed) for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_every_column_of_a_feature_is_taken_and_no_other(tmp_path: Path) -> None:
    data = make_data(tmp_path)
    layout = data.train.layout
    one, other = data.train.batch(slice(0, 20)), data.train.batch(slice(20, 40))
    mixed = with_feature_of(one, other, layout, "age")
    place = [number.name for number in layout.numbers].index("age")
    bins = [column.name for column in layout.ids].index("age.bin")
    assert torch.equal(
        mixed.numbers[:, 3 * place : 3 * place + 3], other.numbers[:, 3 * place : 3 * place + 3]
    )
    assert torch.equal(mixed.ids[:, bins], other.ids[:, bins])
    rest = [p for p in range(len(layout.ids)) if p != bins]
    assert torch.equal(mixed.ids[:, rest], one.ids[:, rest])
    assert mixed.lists["history"] is one.lists["history"]
    assert torch.equal(mixed.labels["click"], one.labels["click"])
    listed = with_feature_of(one, other, layout, "history")
    assert listed.lists["history"] is other.lists["history"]
    vectors = with_feature_of(one, other, layout, "text")
    assert vectors.vectors["text"] is other.vectors["text"]


def test_rows_without_labels_have_no_importance(tmp_path: Path) -> None:
    data = make_data(tmp_path)
    model = make_model(data).eval()
    store = data.valid
    kept = store.observed
    store.observed = lambda task: np.zeros(store.num_rows, dtype=np.bool_)  # type: ignore[method-assign]
    try:
        assert permutation_importance(model, store, repeats=1, seed=0) == ()
    finally:
        store.observed = kept  # type: ignore[method-assign]
