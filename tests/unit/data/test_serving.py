"""Rows that have no labels become a batch that a model can read."""

from __future__ import annotations

from pathlib import Path

import torch
from tests.unit.makers import SCHEMA, make_data, make_model, same_bits, whole

from plait.data.labels import TaskReader
from plait.data.serving import unlabelled_batch


def test_a_served_batch_gives_the_predictions_of_the_prepared_one(tmp_path: Path) -> None:
    data = make_data(tmp_path)
    model = make_model(data).eval()
    reader = TaskReader(data.tasks)
    columns = {*SCHEMA.columns(), *reader.serving_columns}
    frame = data.valid_frame.select(columns)
    batch = unlabelled_batch(data.preprocessor.transform(frame), reader.serving_extras(frame))
    assert len(batch) == 120
    assert batch.labels == batch.observed == batch.weights == batch.keys == {}
    assert set(batch.extras) == {"visits.exposure", "seconds.duration"}
    assert same_bits(model.predict(batch), model.predict(whole(data.valid)))


def test_no_rows_are_a_batch_too(tmp_path: Path) -> None:
    data = make_data(tmp_path, rows=40, valid_rows=4)
    frame = data.valid_frame.clear()
    batch = unlabelled_batch(data.preprocessor.transform(frame), {})
    assert len(batch) == 0
    assert batch.ids.shape == (0, len(data.train.layout.ids))
    assert torch.equal(batch.lists["history"].offsets, torch.zeros(1, dtype=torch.int64))
