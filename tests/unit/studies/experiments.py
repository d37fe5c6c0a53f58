"""A small experiment file with its log, for the tests of studies that begin with a file."""

from __future__ import annotations

from pathlib import Path

from tests.unit.studies.runs import feed

TEXT = """\
[data]
log = "log.parquet"

[features]
categorical = ["user", "item"]
numeric = ["age", { name = "rank", column = "time", num_pieces = 4, num_bins = 0 }]

[roles]
user = "user"
item = "item"
request = "request"

[tasks.click]
kind = "binary"

[tasks.stars]
kind = "regression"

[split]
by = "random"

[history]
by = ["user"]

[model]
architecture = { name = "MMoE", num_experts = 2, layers = [16, 8] }
links = []

[metrics]
group_by = "user"
slices = ["mood"]

[training]
epochs = 2
batch_size = 64
average = 0.9
"""


def write_experiment(folder: Path, *, rows: int = 1600, log: str = "log.parquet") -> Path:
    """The file and its log, in Parquet or, where the name says so, in CSV."""
    frame = feed(rows)
    if log.endswith(".csv"):
        frame.write_csv(folder / log)
    else:
        frame.write_parquet(folder / log)
    path = folder / "experiment.toml"
    path.write_text(TEXT.replace("log.parquet", log), encoding="utf-8")
    return path
