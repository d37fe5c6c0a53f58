"""A softmax over tasks, against torch's."""

from __future__ import annotations

import pytest
import torch

from plait.balancing.softmax import softmax


def test_it_is_torchs() -> None:
    values = [-1000.0, 0.5, 2.0, 3.0]
    expected = torch.softmax(torch.tensor(values, dtype=torch.float64), dim=0).tolist()
    assert list(softmax(dict(zip("abcd", values, strict=True))).values()) == pytest.approx(expected)
    assert softmax({}) == {}
