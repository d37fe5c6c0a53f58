from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import OneHotEncoder
from tests.unit.data.simulation.sampling import fit

from plait.data.simulation import (
    SemiSupervisedLog,
    SemiSupervisedSettings,
    SemiSupervisedWorld,
)
from plait.errors import ConfigurationError

SETTINGS = SemiSupervisedSettings()
LABELS = ("first", "second")


def _draw(settings: SemiSupervisedSettings, *, seed: int = 1) -> SemiSupervisedLog:
    return SemiSupervisedWorld(settings, seed=0).draw(seed=seed)


def test_parts_have_the_stated_sizes() -> None:
    frame = _draw(SETTINGS).frame
    counts = dict(frame["part"].value_counts().iter_rows())
    assert counts == {"train": 1_200, "valid": 300, "unlabelled": 28_500, "test": 10_000}
    for label in LABELS:
        missing = frame[label].is_null()
        assert (missing == (frame["part"] == "unlabelled")).all()


@pytest.mark.parametrize("signal", [0.0, 1.0])
def test_clean_labels_come_at_their_stated_chances(signal: float) -> None:
    log = _draw(replace(SETTINGS, field_signal=signal))
    for label in LABELS:
        assert fit(log.truth[label], log.truth[f"p_{label}"], log.frame["field_0"]).holds


def test_logits_have_the_stated_spread_and_relation() -> None:
    truth = _draw(replace(SETTINGS, train_rows=100_000)).truth
    logits = [np.log(truth[f"p_{name}"] / (1 - truth[f"p_{name}"])) for name in LABELS]
    for values, bias in zip(logits, (-1.5, -2.5), strict=True):
        assert values.mean() == pytest.approx(bias, abs=0.05)
        assert values.std() == pytest.approx(2.5, abs=0.05)


@pytest.mark.parametrize("flip", [0.0, 0.2, 0.4])
def test_labels_of_training_rows_are_flipped_at_the_stated_rate(flip: float) -> None:
    log = _draw(replace(SETTINGS, labelled=1.0, flip=flip))
    for label in LABELS:
        wrong = log.frame[label] != log.truth[label].cast(pl.Int8)
        trained = log.frame["part"] != "test"
        assert not wrong.filter(~trained).any()
        rates = np.full(30_000, flip)
        assert wrong.sum() == 0 if flip == 0 else fit(wrong.filter(trained), rates).holds


def test_every_id_of_a_field_is_as_frequent_as_every_other() -> None:
    frame = _draw(SETTINGS).frame
    for place in range(12):
        ids = frame[f"field_{place}"].to_numpy()
        assert set(ids) == set(range(40))
        for value in range(40):
            assert fit(ids == value, np.full(40_000, 1 / 40)).holds


def test_fields_show_the_latent_and_their_order_is_shuffled() -> None:
    """Ids in the order of the mean label are a fine predictor; ids as numbers are none."""
    log = _draw(replace(SETTINGS, field_signal=1.0))
    ids, chance = log.frame["field_3"].to_numpy(), log.truth["p_first"].to_numpy()
    means = np.bincount(ids, weights=chance) / np.bincount(ids)
    between = np.corrcoef(means[ids], chance)[0, 1]
    assert between > 2 * abs(np.corrcoef(ids, chance)[0, 1])


def _auc(settings: SemiSupervisedSettings) -> float:
    log = _draw(settings)
    fields = log.frame.select(pl.col("^field_.*$")).to_numpy()
    encoded = OneHotEncoder(sparse_output=True).fit_transform(fields)
    test = (log.frame["part"] == "test").to_numpy()
    clean = log.truth["first"].to_numpy()
    model = LogisticRegression(max_iter=200, C=0.1).fit(encoded[~test], clean[~test])
    scores = model.predict_proba(encoded[test])[:, 1]
    return float(roc_auc_score(clean[test], scores))


def test_fields_tell_of_the_labels_as_much_as_the_dial_says() -> None:
    settings = replace(SETTINGS, train_rows=20_000, test_rows=8_000)
    full, half, none = (_auc(replace(settings, field_signal=s)) for s in (1.0, 0.5, 0.0))
    assert full > 0.75 > half > none
    assert none == pytest.approx(0.5, abs=0.02)


def test_one_seed_gives_the_same_bits() -> None:
    first, second, other = _draw(SETTINGS), _draw(SETTINGS), _draw(SETTINGS, seed=2)
    assert_frame_equal(first.frame, second.frame, check_exact=True)
    assert_frame_equal(first.truth, second.truth, check_exact=True)
    assert not first.frame["field_0"].equals(other.frame["field_0"])


def test_the_schema_names_every_field() -> None:
    world = SemiSupervisedWorld(replace(SETTINGS, fields=3))
    assert world.schema.names == ("field_0", "field_1", "field_2")
    assert set(world.schema.names) <= set(world.draw().frame.columns)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"fields": 0}, "`fields` must be at least 1, got 0"),
        ({"ids": 1}, "`ids` must be at least 2, got 1"),
        ({"train_rows": 0}, "`train_rows` must be at least 1, got 0"),
        ({"test_rows": 0}, "`test_rows` must be at least 1, got 0"),
        ({"labelled": 1.5}, "`labelled` must lie in [0, 1], got 1.5"),
        ({"valid_share": -0.1}, "`valid_share` must lie in [0, 1], got -0.1"),
        ({"flip": 0.7}, "`flip` must lie in [0, 0.5], got 0.7"),
        ({"field_signal": 2.0}, "`field_signal` must lie in [0, 1], got 2.0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SemiSupervisedSettings(**settings)
    assert said in str(caught.value)
