"""Raw users in, candidates out: the same as by hand, without what was seen, and in words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.unit.retrieval.making import FAST, SCHEMA, SMALL, TASKS, items, log, trained, users

from plait import Binary, RandomSplit, Retrieval, load
from plait.errors import (
    ArtifactError,
    ConfigurationError,
    DataError,
    UnknownNameError,
)
from plait.experiment import TowersRun
from plait.retrieval import Retriever
from plait.retrieval import load as load_towers


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TowersRun:
    return trained(tmp_path_factory.mktemp("towers") / "run", training=replace(FAST, epochs=6))


@pytest.fixture(scope="module")
def retriever(run: TowersRun) -> Retriever:
    return run.retriever


def vectors(frame: pl.DataFrame) -> np.ndarray:
    return np.array(frame["embedding"].to_list(), dtype=np.float32)


def test_it_learns_what_users_like(run: TowersRun) -> None:
    """Half of the items are liked by a user, so that popularity cannot tell them apart."""
    found = run.recalls["test"]
    assert found.value > 1.5 * found.popularity
    assert run.history.best >= 1
    metrics = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["recall@5"]["test"]["value"] == found.value
    assert any("Neither tower reads hour" in fact for fact in run.facts)


def test_two_runs_of_one_seed_have_the_same_bits(run: TowersRun, tmp_path: Path) -> None:
    again = trained(tmp_path / "again", training=replace(FAST, epochs=6))
    assert again.recalls == run.recalls
    assert [e.loss for e in again.history.epochs] == [e.loss for e in run.history.epochs]


def test_towers_can_be_trained_in_bfloat16(run: TowersRun, tmp_path: Path) -> None:
    narrow = replace(FAST, epochs=6, precision="bf16")
    found = trained(tmp_path / "narrow", training=narrow)
    # They may stop after another epoch.
    losses, wide = ([e.loss for e in r.history.epochs][:3] for r in (found, run))
    assert losses != wide
    np.testing.assert_allclose(losses, wide, rtol=0.02)
    assert vectors(pl.read_parquet(found.folder / "artifact" / "items.parquet")).dtype == np.float32


def test_candidates_are_the_largest_products_of_the_exported_vectors(
    retriever: Retriever,
) -> None:
    asked = users().head(4)
    found = retriever.retrieve(asked, k=6, exact=True)
    assert found.frame.columns == ["user", "rank", "item", "score"]
    user_side = retriever.embed(asked, side="user")
    catalogue = retriever.embed(items(), side="item")
    scores = vectors(user_side) @ vectors(catalogue).T
    for row, name in enumerate(asked["user"]):
        best = np.argsort(-scores[row], kind="stable")[:6]
        mine = found.frame.filter(pl.col("user") == name)
        assert mine["rank"].to_list() == [1, 2, 3, 4, 5, 6]
        assert mine["item"].to_list() == catalogue["item"].gather(best).to_list()
        np.testing.assert_allclose(mine["score"], scores[row, best], rtol=1e-4, atol=1e-6)
    stored = retriever.artifact.items
    both = stored.join(catalogue, on="item", suffix="_again")
    np.testing.assert_allclose(
        vectors(both), np.array(both["embedding_again"].to_list()), rtol=1e-4, atol=1e-6
    )


def test_an_index_finds_the_same_on_so_few_items(retriever: Retriever) -> None:
    pytest.importorskip("usearch")
    exact = retriever.retrieve(users(), k=7, exact=True)
    found = retriever.retrieve(users(), k=7)
    assert exact.facts["index_recall"] is None
    assert found.facts["index_recall"] > 0.95
    assert found.frame["item"].to_list() == exact.frame["item"].to_list()


def test_nobody_is_given_what_they_had(retriever: Retriever) -> None:
    seen = log().select("user", "item")
    found = retriever.retrieve(users(), k=10, seen=seen, exact=True)
    had = {*seen.iter_rows()}
    assert not had & {*found.frame.select("user", "item").iter_rows()}
    everything = retriever.retrieve(users(), k=10, exact=True).frame
    left = [row for row in everything.select("user", "item").iter_rows() if row not in had]
    kept = {*found.frame.select("user", "item").iter_rows()}
    assert {*left} <= kept  # what is left of the best stays among the best


def test_who_had_nearly_everything_gets_fewer(retriever: Retriever) -> None:
    seen = pl.DataFrame({"user": ["u1"] * 37, "item": range(37)})
    found = retriever.retrieve(users().head(3), k=10, seen=seen, exact=True)
    counts = dict(found.frame.group_by("user").len().iter_rows())
    assert counts == {"u0": 10, "u1": 3, "u2": 10}
    assert found.facts["short_users"] == 1


def test_strangers_are_read_by_what_else_is_known_of_them(retriever: Retriever) -> None:
    asked = pl.DataFrame({"user": ["nobody", "u1"], "age": [21, 49]})
    found = retriever.retrieve(asked, k=3, exact=True)
    assert found.facts["unknown_users"] == 1
    other = retriever.embed(pl.DataFrame({"user": ["nobody"], "age": [60]}), side="user")
    assert (vectors(other) != vectors(retriever.embed(asked[:1], side="user"))).any()


def test_new_items_can_be_given_by_their_features(retriever: Retriever) -> None:
    new = pl.DataFrame({"item": [900, 901], "genres": [["a", "x"], ["b", "y"]]})
    found = retriever.retrieve(users().head(2), k=2, items=new, exact=True)
    assert {*found.frame["item"]} == {900, 901}
    assert found.facts["items"] == 2


def test_files_are_read_and_an_artifact_says_what_it_is(
    run: TowersRun, retriever: Retriever, tmp_path: Path
) -> None:
    users().write_parquet(tmp_path / "users.parquet")
    found = load_towers(run.folder).retrieve(tmp_path / "users.parquet", k=3, exact=True)
    assert found.frame.equals(retriever.retrieve(users(), k=3, exact=True).frame)
    card = (run.folder / "artifact" / "README.md").read_text(encoding="utf-8")
    assert "- user's tower: `user`, `age`, `history.user.items`" in card
    with pytest.raises(ArtifactError, match=r"it holds two towers .* `plait retrieve`"):
        load(run.folder)


@pytest.mark.parametrize(("k", "said"), [(0, "`k` is 0"), (41, "`k` is 41, and there are 40")])
def test_more_than_there_is_cannot_be_asked_for(k: int, said: str, retriever: Retriever) -> None:
    with pytest.raises(ConfigurationError, match=said):
        retriever.retrieve(users(), k=k, exact=True)


def test_rows_that_cannot_be_read_are_told(retriever: Retriever) -> None:
    with pytest.raises(UnknownNameError, match=r"no column 'user' in the rows of users"):
        retriever.embed(pl.DataFrame({"age": [3]}), side="user")
    with pytest.raises(UnknownNameError, match=r"no column 'item' in `seen`"):
        retriever.retrieve(users(), k=3, seen=users(), exact=True)
    with pytest.raises(DataError, match=r"2 rows share a user .* 'u0'\. Give one row"):
        retriever.retrieve(pl.concat([users(), users()[:1]]), k=3, exact=True)
    with pytest.raises(DataError, match=r"has no rows"):
        retriever.embed(users()[:0], side="user")


def test_towers_need_positives_of_several_items(tmp_path: Path) -> None:
    nothing = log().with_columns(like=pl.lit(0), buy=pl.lit(0))
    with pytest.raises(DataError, match=r"hold 0 positives of 0 items, .*`positives` names"):
        trained(tmp_path / "run", rows=nothing)


def test_a_folder_that_holds_a_run_is_kept(run: TowersRun) -> None:
    with pytest.raises(ConfigurationError, match="holds a run already"):
        trained(run.folder)


def test_without_a_time_or_side_tables_or_history_it_still_runs(tmp_path: Path) -> None:
    schema = replace(SCHEMA, features=SCHEMA.features[:2], time=None)
    found = trained(
        tmp_path / "run",
        rows=log(200).drop("time"),
        schema=schema,
        beside=(),
        split=RandomSplit(),
        history=False,
        tasks=(Binary("like"), *TASKS[2:]),
        retrieval=replace(SMALL, similarity="cosine", positives={"like": 2.0}),
    )
    ones = vectors(found.retriever.embed(users(), side="user"))
    np.testing.assert_allclose(np.linalg.norm(ones, axis=1), 1.0, rtol=1e-5)
    assert Retrieval().similarity == "dot"
