from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from tests.unit.data.simulation.sampling import fit

from plait.data.labels import TaskReader
from plait.data.simulation import (
    FEED_SCHEMA,
    FEED_TASKS,
    FeedSettings,
    FeedWorld,
    SimulatedLog,
    feed,
    simulate,
)
from plait.errors import ConfigurationError

ROWS = 60_000
EASY = {"users": 300, "items": 100}

WORLDS = {
    "as it comes": FeedSettings(**EASY),
    "no signal": FeedSettings(**EASY, signal=0.0),
    "strong signal": FeedSettings(**EASY, signal=2.5),
    "features tell nothing": FeedSettings(**EASY, feature_signal=0.0),
    "features tell all": FeedSettings(**EASY, feature_signal=1.0),
    "unrelated tasks": FeedSettings(**EASY, relatedness=0.0),
    "opposed tasks": FeedSettings(**EASY, relatedness=-0.9),
    "ignorable selection": FeedSettings(**EASY, selection=1.5),
    "hidden selection": FeedSettings(**EASY, hidden_selection=1.5),
    "adverse hidden selection": FeedSettings(**EASY, hidden_selection=-1.5),
    "both selections": FeedSettings(**EASY, selection=1.0, hidden_selection=1.0),
    "no position bias": FeedSettings(**EASY, position_bias=0.0),
    "strong position bias": FeedSettings(**EASY, position_bias=2.0),
    "label noise": FeedSettings(**EASY, label_noise=0.2),
    "late purchases": FeedSettings(**EASY, delay=5.0),
    "drift": FeedSettings(**EASY, drift=3.0),
    "a blind policy": FeedSettings(**EASY, policy_strength=0.0),
    "a strong policy": FeedSettings(**EASY, policy_strength=5.0),
    "other rates": FeedSettings(
        **EASY, click_rate=0.6, like_rate=0.02, purchase_rate=0.4, survey_rate=0.5
    ),
    "other sizes": FeedSettings(
        users=7, items=30, segments=3, categories=4, slate_size=3, candidates=9, days=3
    ),
    "everything": FeedSettings(
        **EASY,
        relatedness=0.3,
        selection=0.5,
        hidden_selection=0.7,
        position_bias=1.0,
        label_noise=0.1,
        delay=4.0,
        drift=1.0,
    ),
}


def _both(log: SimulatedLog) -> pl.DataFrame:
    day = log.frame["time"].dt.ordinal_day().alias("day")
    return pl.concat([log.frame.with_columns(day), log.truth], how="horizontal")


def _misfits(rows: pl.DataFrame, comparisons: Sequence[tuple[str, str]]) -> list[str]:
    """The outcomes whose rates are not as stated: all rows, tenths, positions, days, categories."""
    bad = []
    for outcome, mean in comparisons:
        variance = VARIANCES.get(mean)
        found = fit(
            rows[outcome],
            rows[mean],
            *(rows[column] for column in ("position", "day", "category")),
            variance=None if variance is None else rows.select(variance).to_series(),
        )
        if not found.holds:
            bad.append(f"{outcome} as {mean}: {found}")
    return bad


SHARE = pl.col("mean_watch_if_clicked") / pl.col("duration")
SEEN = pl.col("logged_watch") / pl.col("mean_watch_if_clicked")  # the chance of a watch
WATCH_VARIANCE = pl.col("duration") ** 2 * SHARE * (1 - SHARE) / 5  # of a beta distribution
STAR = (pl.col("mean_survey") - 1) / 4
VARIANCES = {
    "mean_watch_if_clicked": WATCH_VARIANCE,
    "logged_watch": SEEN * (WATCH_VARIANCE + pl.col("mean_watch_if_clicked") ** 2)
    - pl.col("logged_watch") ** 2,
    "mean_survey": 4 * STAR * (1 - STAR),
}


@pytest.mark.parametrize("settings", WORLDS.values(), ids=WORLDS.keys())
def test_rates_equal_the_stated_chances_within_sampling_error(settings: FeedSettings) -> None:
    rows = _both(simulate(ROWS, seed=11, settings=settings)).with_columns(
        both_like=pl.col("clicked") & pl.col("would_like"),
        both_purchase=pl.col("clicked") & pl.col("would_purchase"),
        answered=pl.col("survey").is_not_null(),
    )
    clicked, unclicked = rows.filter("clicked"), rows.filter(~pl.col("clicked"))
    everywhere = [
        ("clicked", "p_click"),
        ("would_like", "p_like"),
        ("would_purchase", "p_purchase"),
        ("both_like", "p_click_and_like"),
        ("both_purchase", "p_click_and_purchase"),
        ("click", "logged_click"),
        ("like", "logged_like"),
        ("purchase", "logged_purchase"),
        ("watch_seconds", "logged_watch"),
        ("answered", "logged_survey_answered"),
    ]
    after_click = [("would_like", "p_like"), ("would_purchase", "p_purchase_given_click")]
    opened = [("watch_seconds", "mean_watch_if_clicked"), ("answered", "p_survey_answered")]
    assert _misfits(rows, everywhere) == []
    assert _misfits(clicked, after_click) == []
    assert _misfits(unclicked, [("would_like", "p_like")]) == []
    assert _misfits(clicked.filter(pl.col("click") == 1), opened) == []
    assert _misfits(rows.filter("answered"), [("survey", "mean_survey")]) == []


def test_the_comparison_finds_a_wrong_chance() -> None:
    hidden = _both(simulate(ROWS, seed=11, settings=WORLDS["hidden selection"]))
    assert _misfits(hidden.filter("clicked"), [("would_purchase", "p_purchase")])
    assert not fit(hidden["clicked"], 1.1 * hidden["p_click"]).holds
    late = _both(simulate(ROWS, seed=11, settings=WORLDS["late purchases"]))
    assert _misfits(late, [("purchase", "p_click_and_purchase")])
    assert _misfits(late, [("watch_seconds", "mean_watch_if_clicked")])


def test_with_neither_noise_nor_delay_the_log_says_what_happened() -> None:
    rows = _both(simulate(5_000, seed=1))
    assert rows["click"].equals(rows["clicked"].cast(pl.Int8).alias("click"))
    both = rows.select(pl.col("clicked") & pl.col("would_purchase")).to_series()
    assert (rows["purchase"] == both.cast(pl.Int8)).all()
    for task in ("click", "click_and_like", "click_and_purchase"):
        logged = f"logged_{task.removeprefix('click_and_')}"
        assert np.allclose(rows[logged], rows[f"p_{task}"], rtol=1e-12, atol=0)
    assert (rows["purchase_delay"] == 0).all()


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_nothing_follows_without_a_recorded_click(noise: float) -> None:
    log = simulate(20_000, seed=3, settings=FeedSettings(label_noise=noise, delay=2.0)).frame
    without = log.filter(pl.col("click") == 0)
    assert without.select("like", "purchase", "watch_seconds").sum().row(0) == (0, 0, 0.0)
    assert without["survey"].null_count() == len(without)
    assert without["purchase_time"].null_count() == len(without)


def test_watching_is_zero_or_shorter_than_the_item() -> None:
    log = simulate(20_000, seed=3).frame
    assert (log["watch_seconds"] <= log["duration"]).all()
    assert (log.filter(pl.col("click") == 1)["watch_seconds"] > 0).all()


def test_a_survey_answer_is_rare_and_has_stars() -> None:
    answers = simulate(50_000, seed=3).frame["survey"].drop_nulls()
    assert 0.005 < len(answers) / 50_000 < 0.05
    assert set(answers.unique()) == {1, 2, 3, 4, 5}


def test_ignorable_selection_is_explained_by_what_is_logged() -> None:
    truth = simulate(ROWS, seed=2, settings=WORLDS["ignorable selection"]).truth
    assert np.allclose(truth["p_purchase"], truth["p_purchase_given_click"], rtol=1e-12, atol=0)
    weighted = np.average(truth["p_purchase"], weights=truth["p_click"])
    assert weighted > 1.3 * truth["p_purchase"].mean()


@pytest.mark.parametrize("strength", [1.5, -1.5])
def test_hidden_selection_is_not(strength: float) -> None:
    settings = FeedSettings(hidden_selection=strength)
    truth = simulate(5_000, seed=2, settings=settings).truth
    above = truth["p_purchase_given_click"] > truth["p_purchase"]
    assert above.all() if strength > 0 else not above.any()


@pytest.mark.parametrize("settings", WORLDS.values(), ids=WORLDS.keys())
def test_the_chance_of_a_click_given_the_intent_is_that_of_the_rows_that_have_it(
    settings: FeedSettings,
) -> None:
    rows = simulate(ROWS, seed=12, settings=settings).truth
    for intent in (-1, 1):
        own = rows.filter(pl.col("intent") == intent)
        assert fit(own["clicked"], own["p_click_given_intent"]).holds
    if settings.hidden_selection == 0:
        assert np.allclose(rows["p_click_given_intent"], rows["p_click"], rtol=1e-12, atol=0)
    else:
        # Weighed by it, clicked rows are like all rows: what no propensity without intent can do.
        clicked = rows.filter("clicked")
        weights = 1 / clicked["p_click_given_intent"]
        mended = np.average(clicked["would_purchase"], weights=weights)
        naive = np.average(clicked["would_purchase"], weights=1 / clicked["p_click"])
        truth = rows["p_purchase"].mean()
        assert abs(mended - truth) < abs(naive - truth) / 3


def test_the_chance_given_a_click_agrees_with_bayes_rule() -> None:
    rows = simulate(2_000, seed=2, settings=FeedSettings(hidden_selection=0.8)).truth
    odds = rows["p_click_and_purchase"] / rows["p_click"]
    assert np.allclose(odds, rows["p_purchase_given_click"], rtol=1e-12)


@pytest.mark.parametrize("settings", [WORLDS["everything"], WORLDS["strong signal"]])
def test_chances_are_chances_and_in_order(settings: FeedSettings) -> None:
    truth = simulate(5_000, seed=2, settings=settings).truth
    for name in truth.columns:
        if name.startswith("p_") or name in ("logged_click", "logged_like", "logged_purchase"):
            assert truth[name].is_between(0, 1).all(), name
    assert (truth["p_click_and_purchase"] <= truth["p_click"]).all()
    assert (truth["p_click"] <= truth["p_examined"]).all()


def test_extreme_dials_give_no_nan() -> None:
    settings = FeedSettings(signal=500.0, position_bias=10.0, hidden_selection=400.0, delay=1e9)
    log = simulate(2_000, seed=0, settings=settings)
    for name, dtype in log.truth.schema.items():
        if dtype.is_float():
            assert log.truth[name].is_finite().all(), name


@pytest.mark.parametrize("bias", [0.0, 0.5, 2.0])
def test_a_place_is_looked_at_less_the_lower_it_is(bias: float) -> None:
    settings = FeedSettings(position_bias=bias)
    rows = _both(simulate(1_000, seed=0, settings=settings))
    assert np.allclose(rows["p_examined"], rows["position"].to_numpy() ** -bias)
    assert rows["position"].to_list()[:6] == [1, 2, 3, 4, 5, 1]


def test_label_noise_flips_the_stated_share_of_clicks() -> None:
    rows = _both(simulate(ROWS, seed=5, settings=WORLDS["label noise"]))
    wrong = (rows["click"] == 1) != rows["clicked"]
    assert fit(wrong, np.full(ROWS, 0.2), rows["clicked"].cast(pl.Int64)).holds


def test_late_purchases_are_missing_at_the_end_of_the_log() -> None:
    rows = _both(simulate(ROWS, seed=5, settings=WORLDS["late purchases"]))
    bought = rows.filter(pl.col("clicked") & pl.col("would_purchase"))
    shares = bought.group_by("day").agg(pl.col("purchase").mean()).sort("day")["purchase"]
    assert shares[0] > 0.85
    assert shares[-1] < 0.2
    end = rows["time"].min() + pl.duration(days=14)
    known = rows.filter(pl.col("purchase") == 1)
    assert known.select((pl.col("purchase_time") <= end).all()).item()
    delay = (known["purchase_time"] - known["time"]).dt.total_milliseconds() / 86_400_000
    assert np.allclose(delay, known["purchase_delay"], atol=1e-4)


def test_drift_moves_an_items_chances_and_nothing_else_does() -> None:
    def spread(drift: float) -> float:
        settings = FeedSettings(users=1, items=20, drift=drift, position_bias=0.0)
        rows = _both(simulate(20_000, seed=4, settings=settings))
        odds = (pl.col("p_purchase") / (1 - pl.col("p_purchase"))).log()
        change = rows.group_by("item").agg(odds.last() - odds.first())
        return float(change["p_purchase"].std())

    assert spread(0.0) == pytest.approx(0.0, abs=1e-9)
    assert 1.0 < spread(2.0) < 3.0  # standard deviation of 20 draws of N(0, 2)


def test_sizes_are_what_was_asked_for() -> None:
    settings = WORLDS["other sizes"]
    log = simulate(10_000, seed=0, settings=settings)
    frame = log.frame
    assert frame.height == log.truth.height == 10_000
    assert frame.group_by("request", maintain_order=True).len()["len"].to_list() == [3] * 3333 + [1]
    assert log.requests.height == 3_334
    assert frame["user"].n_unique() == 7
    assert frame["item"].n_unique() == 30
    assert frame["segment"].n_unique() <= 3
    assert frame["category"].n_unique() <= 4
    assert frame["time"].is_sorted()
    assert frame["time"].dt.ordinal_day().max() == 3


def test_a_request_shows_different_items_of_its_candidates() -> None:
    log = simulate(5_000, seed=0, settings=FeedSettings(**EASY))
    shown = log.frame.group_by("request").agg(pl.col("item")).join(log.requests, on="request")
    for items, candidates in shown.select("item", "candidates").iter_rows():
        assert len(set(items)) == len(items)
        assert set(items) <= set(candidates)
        assert len(set(candidates)) == 20


def test_propensities_follow_from_the_candidates_probabilities() -> None:
    log = simulate(2_000, seed=0, settings=FeedSettings(**EASY, policy_strength=2.0))
    shown = log.frame.group_by("request").agg("item", "propensity").join(log.requests, on="request")
    for row in shown.iter_rows(named=True):
        chances = dict(zip(row["candidates"], row["probabilities"], strict=True))
        assert sum(chances.values()) == pytest.approx(1)
        left = 1.0
        for item, propensity in zip(row["item"], row["propensity"], strict=True):
            assert propensity == pytest.approx(chances[item] / left)
            left -= chances[item]


def test_a_blind_policy_shows_all_candidates_alike() -> None:
    log = simulate(1_000, seed=0, settings=WORLDS["a blind policy"])
    expected = 1 / (21 - log.frame["position"].to_numpy())
    assert np.allclose(log.frame["propensity"], expected)


def test_a_stronger_policy_earns_more_clicks() -> None:
    rates = [
        simulate(ROWS, seed=0, settings=WORLDS[name]).truth["p_click"].mean()
        for name in ("a blind policy", "as it comes", "a strong policy")
    ]
    assert rates == sorted(rates)


def _history_by_hand(frame: pl.DataFrame, length: int) -> list[list[int]]:
    before: dict[int, list[int]] = {}
    lists = []
    for _, request in frame.group_by("request", maintain_order=True):
        user = request["user"][0]
        past = before.setdefault(user, [])
        lists += [past[-length:] if length else []] * len(request)
        before[user] = past + request.filter(pl.col("click") == 1)["item"].to_list()
    return lists


@given(
    users=st.integers(1, 12),
    length=st.integers(0, 4),
    chunk=st.integers(1, 40),
    rows=st.integers(1, 300),
)
@hypothesis_settings(max_examples=20, deadline=None)
def test_history_holds_the_last_clicks_of_earlier_requests(
    users: int, length: int, chunk: int, rows: int
) -> None:
    settings = FeedSettings(
        users=users, items=30, history_length=length, click_rate=0.5, label_noise=0.1
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feed, "CHUNK_REQUESTS", chunk)
        frame = simulate(rows, seed=rows, settings=settings).frame
    assert frame["history"].to_list() == _history_by_hand(frame, length)


def test_one_seed_gives_the_same_bits() -> None:
    first, second = (simulate(50_000, seed=9, settings=WORLDS["everything"]) for _ in range(2))
    for name in ("frame", "truth", "requests"):
        assert_frame_equal(getattr(first, name), getattr(second, name), check_exact=True)
    other = simulate(50_000, seed=10, settings=WORLDS["everything"])
    assert not first.frame["click"].equals(other.frame["click"])


def test_logs_of_one_world_share_users_and_items_and_nothing_else() -> None:
    world = FeedWorld(WORLDS["as it comes"], seed=1)
    first, second = world.simulate(20_000, seed=1).frame, world.simulate(20_000, seed=2).frame
    columns = ["item", "category", "duration"]
    assert_frame_equal(
        first.select(columns).unique().sort("item"), second.select(columns).unique().sort("item")
    )
    assert not first["user"].equals(second["user"])


def test_chunks_are_the_log_in_pieces() -> None:
    world = FeedWorld(seed=1)
    whole = world.simulate(100_001, seed=4)
    pieces = list(world.chunks(100_001, seed=4))
    assert len(pieces) > 2
    assert max(piece.frame.height for piece in pieces) <= feed.CHUNK_REQUESTS * 5
    assert_frame_equal(whole.frame, pl.concat([piece.frame for piece in pieces]))


@pytest.mark.parametrize("rows", [0, -5])
def test_at_least_one_row_must_be_asked_for(rows: int) -> None:
    with pytest.raises(ConfigurationError, match=f"`rows` must be at least 1, got {rows}"):
        simulate(rows)


def test_schema_and_tasks_fit_the_log() -> None:
    log = simulate(3_000, seed=0).frame
    assert set(FEED_SCHEMA.columns()) <= set(log.columns)
    assert TaskReader(FEED_TASKS).columns <= set(log.columns)


def test_importing_the_simulator_imports_no_torch() -> None:
    program = "import sys, plait.data.simulation; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
