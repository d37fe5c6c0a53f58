"""Findings become plain data."""

from __future__ import annotations

import json
from dataclasses import dataclass

from plait.metrics import Value
from plait.studies.plain import plain


@dataclass(frozen=True)
class Finding:
    names: tuple[str, ...]
    value: Value
    limit: float


def test_every_kind_of_finding_becomes_json() -> None:
    found = plain({"a": Finding(("x",), Value(float("nan"), n=3, reason="few"), float("inf"))})
    assert json.loads(json.dumps(found, allow_nan=False)) == {
        "a": {
            "names": ["x"],
            "value": {
                "value": None,
                "n": 3,
                "n_positive": None,
                "n_groups": None,
                "n_dropped": 0,
                "reason": "few",
            },
            "limit": None,
        }
    }
