"""An experiment file to start from, and plain data written as TOML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

TEXT = """\
[data]
log = "log.parquet"

[tables.items]
source = "items.parquet"
on = "item_id"

[features]
categorical = ["country", { name = "user_id", embedding_dim = 16 }, "item_id"]
numeric = ["age"]
sequence = [{ name = "history", shares = "item_id" }]

[roles]
user = "user_id"
time = "timestamp"

[tasks.like]
kind = "binary"
label = "rating >= 4"

[tasks.buy]
kind = "binary"

[split]
by = "time"

[model]
architecture = { name = "MMoE", num_experts = 3 }

[training]
epochs = 2
"""

LEAST = """\
data.log = "log.parquet"
features.numeric = ["age"]
tasks.like.kind = "binary"
tasks.buy.kind = "binary"
split.by = "random"
"""
"""The least that a file must say, on one line each."""


def write(folder: Path, text: str = TEXT, **replaced: str) -> Path:
    """A file with this text, in which each of the given lines is replaced: `line_24="by = 3"`."""
    lines = text.splitlines()
    for name, line in replaced.items():
        lines[int(name.removeprefix("line_")) - 1] = line
    path = folder / "exp.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def as_toml(value: object) -> str:
    """Plain data as an inline TOML value."""
    if isinstance(value, Mapping):
        pairs = (f"{key} = {as_toml(entry)}" for key, entry in value.items() if entry is not None)
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    return json.dumps(value)
