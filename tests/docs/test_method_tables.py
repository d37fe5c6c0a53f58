"""The tables `[method]` that the docs show can be read as part of an experiment file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plait import Experiment
from plait.methods import METHODS

DOCS = Path(__file__).parents[2] / "docs"
TABLE = re.compile(r"^```toml\n(\[method\]\n.*?)^```", re.MULTILINE | re.DOTALL)
TABLES = [
    pytest.param(table, id=f"{page.stem}-{number}")
    for page in sorted(DOCS.glob("*.md"))
    for number, table in enumerate(TABLE.findall(page.read_text(encoding="utf-8")), 1)
]
REST = """
[data]
log = "log.parquet"
[features]
categorical = ["item"]
[tasks.buy]
kind = "binary"
[tasks.happy]
kind = "binary"
[split]
by = "random"
"""


@pytest.mark.parametrize("table", TABLES)
def test_a_table_names_a_way_to_learn(table: str, tmp_path: Path) -> None:
    path = tmp_path / "experiment.toml"
    path.write_text(table + REST, encoding="utf-8")
    assert isinstance(Experiment.read(path).arguments()["method"], METHODS)


def test_every_way_to_learn_is_shown() -> None:
    shown = "\n".join(param.values[0] for param in TABLES if isinstance(param.values[0], str))
    assert [kind.kind for kind in METHODS if f'kind = "{kind.kind}"' not in shown] == []
