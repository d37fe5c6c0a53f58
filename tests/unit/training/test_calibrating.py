"""What heads learn from a trained model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from tests.unit.makers import SMALL, TASKS, make_data, make_log, make_model
from torch.testing import assert_close

from plait.tasks import Count, Regression
from plait.training import calibrate_heads


def test_the_smearing_factor_is_learnt_from_rows_that_count(tmp_path: Path) -> None:
    task = Regression("hours", label="seconds / 60", transform="log1p", weight="1 - click")
    data = make_data(tmp_path, [task, Count("visits")])
    model = make_model(data)
    calibrate_heads(model, data.valid)
    head = model.head("hours")
    counted = data.valid_frame["click"].to_numpy() == 0
    with torch.no_grad():
        fitted = model.eval()(data.valid.batch(np.flatnonzero(counted)))["hours"].squeeze(1)
    location, scale = head.get_buffer("location"), head.get_buffer("scale")
    label = torch.from_numpy(data.valid.labels("hours")[counted].copy())
    residual = torch.log1p(label) - (fitted * scale + location)
    assert_close(head.get_buffer("smearing"), residual.exp().mean(), rtol=1e-4, atol=0)


def test_nothing_is_learnt_where_no_row_counts_or_no_head_asks(tmp_path: Path) -> None:
    task = Regression("hours", label="seconds / 60", transform="log1p", weight="price * 0 + tab_w")
    frame = make_log(40).with_columns(tab_w=1.0)
    valid = make_log(40, seed=1).with_columns(tab_w=0.0)
    data = make_data(tmp_path, [task], frame=frame, valid_frame=valid)
    model = make_model(data, architecture=SMALL)
    calibrate_heads(model, data.valid)
    assert model.head("hours").get_buffer("smearing") == 1.0
    plain = make_model(data, tasks=[Regression("hours", label="seconds / 60")])
    before = {name: tensor.clone() for name, tensor in plain.state_dict().items()}
    calibrate_heads(plain, data.valid)
    assert all(torch.equal(tensor, before[name]) for name, tensor in plain.state_dict().items())
    assert len(TASKS) == 8
