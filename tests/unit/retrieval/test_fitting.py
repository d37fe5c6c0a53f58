"""What training two towers refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.retrieval.making import FAST, trained

from plait.errors import ConfigurationError


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ({"accumulate": 2}, "the items of a batch are the wrong answers"),
        ({"evaluate_steps": 5}, "recall is judged once an epoch"),
        ({"keep_negatives": 0.5}, "only positives are learnt from"),
        ({"monitor": {"like": 1.0}}, "recall is what stopping reads"),
        ({"shuffle_rows": 100}, "the positives are shuffled as a whole"),
    ],
)
def test_a_setting_without_a_meaning_is_refused(
    tmp_path: Path, setting: dict[str, Any], why: str
) -> None:
    (name,) = setting
    with pytest.raises(ConfigurationError, match=rf"`{name}` of Training .* two towers: {why}"):
        trained(tmp_path / "run", training=replace(FAST, **setting))
