"""Findings as plain data for JSON: what is not a number is null."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

__all__ = ["plain"]


def plain(finding: object) -> Any:  # noqa: ANN401 (JSON is what it is)
    """Dataclasses, named tuples and mappings as objects, sequences as lists, nan as null.

    Example:
        >>> from plait.metrics import Value
        >>> plain({"auc": Value(float("nan"), n=3)})["auc"]["value"] is None
        True
    """
    if is_dataclass(finding) and not isinstance(finding, type):
        return {field.name: plain(getattr(finding, field.name)) for field in fields(finding)}
    if isinstance(finding, tuple) and hasattr(finding, "_asdict"):
        return plain(finding._asdict())
    if isinstance(finding, Mapping):
        return {str(key): plain(value) for key, value in finding.items()}
    if isinstance(finding, list | tuple):
        return [plain(value) for value in finding]
    if isinstance(finding, float) and not math.isfinite(finding):
        return None
    return finding
