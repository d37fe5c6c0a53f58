"""A set as an experiment file."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.data.catalog_making import make_set

from plait import Experiment, Schema
from plait.data import catalog
from plait.data.features import FEATURE_KINDS
from plait.errors import DataError


def _sorted_by_kind(schema: Schema) -> Schema:
    """The order of a file, which lists one kind after another."""
    features = sorted(schema.features, key=lambda feature: FEATURE_KINDS.index(type(feature)))
    return Schema(tuple(features), **schema.roles)


@pytest.mark.parametrize("name", catalog.names())
def test_the_file_says_what_the_set_says(name: str, tmp_path: Path) -> None:
    make_set(name, tmp_path / "sets")
    found = catalog.load(name, tmp_path / "sets")
    found = catalog.save_log(found, tmp_path / "log.parquet")
    file = tmp_path / "experiment.toml"
    file.write_text(catalog.to_toml(found, tmp_path), encoding="utf-8")
    arguments = Experiment.read(file).arguments()
    assert arguments["schema"] == _sorted_by_kind(found.schema)
    assert arguments["tasks"] == found.tasks
    assert arguments["split"] == found.split
    assert arguments["log"] == str(found.log)
    assert arguments["links"] == ()
    for read, meant in zip(arguments["tables"], found.tables, strict=True):
        assert read.source == str(meant.source)
        assert (read.name, read.keys, read.columns) == (meant.name, meant.keys, meant.columns)


def test_the_terms_and_the_chains_stand_in_it_as_comments(tmp_path: Path) -> None:
    make_set("hillstrom", tmp_path)
    text = catalog.to_toml(catalog.load("hillstrom", tmp_path), tmp_path)
    assert text.startswith("# hillstrom: Hillstrom's mail campaign: visit, conversion, spend.\n")
    assert "# Terms: published for an open challenge" in text
    assert 'log = "hillstrom/hillstrom.parquet"' in text
    links = 'links = [{ name = "Chain", parent = "visit", child = "conversion" }]'
    assert f"# [model]\n# {links}\n" in text
    file = tmp_path / "experiment.toml"
    file.write_text(text.replace("# [model]", "[model]").replace("# links", "links"))
    assert [link.child for link in Experiment.read(file).arguments()["links"]] == ["conversion"]


def test_lines_are_short_enough_to_read(tmp_path: Path) -> None:
    for name in ("census_income", "open_bandit_all"):
        make_set(name, tmp_path)
        text = catalog.to_toml(catalog.load(name, tmp_path), tmp_path)
        assert max(map(len, text.splitlines())) <= 100


def test_a_log_that_is_no_file_cannot_be_named(tmp_path: Path) -> None:
    make_set("aliexpress", tmp_path)
    with pytest.raises(DataError, match=r"The log of 'aliexpress' is no file, .* with `save_log`"):
        catalog.to_toml(catalog.load("aliexpress", tmp_path), tmp_path)
