"""A small finished run for the tests of studies: gates, a chain, slices, requests, odd names."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

import plait
from plait.experiment import Run

EVIL = "<script>alert(1)</script>"
"""A value and a column that must never become markup."""


def feed(rows: int = 1600, *, seed: int = 0) -> pl.DataFrame:
    """Rows in requests of eight: a click that the age tells, a purchase after it, a rating."""
    rng = np.random.default_rng(seed)
    user, item = rng.integers(0, 40, rows // 8).repeat(8), rng.integers(0, 30, rows)
    age = rng.normal(size=rows)
    appeal = np.linspace(-1.5, 1.5, 30)[item]
    click = rng.random(rows) < 1 / (1 + np.exp(-2 * age - appeal))
    buy = click & (rng.random(rows) < 1 / (1 + np.exp(-appeal)))
    return pl.DataFrame(
        {
            "user": user + 900_000,
            "item": [f"item {number}" for number in item],
            "request": np.arange(rows) // 8,
            "time": np.arange(rows),
            "age": np.where(rng.random(rows) < 0.1, np.nan, age),
            EVIL: rng.choice(["phone", EVIL, "rare"], rows, p=[0.7, 0.295, 0.005]),
            "click": click.astype(int),
            "buy": buy.astype(int),
            "stars": np.clip(np.round(3 + appeal + rng.normal(0, 0.5, rows)), 1, 5),
            "mood": [["low", "high"][int(a > 0)] if a > -1 else None for a in appeal],
        }
    ).with_columns(pl.col("age").fill_nan(None))


def train(folder: Path, frame: pl.DataFrame | None = None, *, epochs: int = 3) -> Run:
    """A run of a second or two, of the features named here and no other."""
    return plait.train(
        feed() if frame is None else frame,
        schema=plait.Schema(
            (
                plait.Categorical("user", embedding_dim=4),
                plait.Categorical("item", embedding_dim=4),
                plait.Categorical(EVIL, embedding_dim=4),
                plait.Numeric("age"),
            ),
            user="user",
            item="item",
            time="time",
            request="request",
        ),
        history=False,
        factors=0,
        tasks=(
            plait.Binary("click"),
            plait.Binary("buy", parents=("click",)),
            plait.Regression("stars", space="click == 1"),
            plait.Multiclass("mood"),
        ),
        split=plait.TimeSplit(valid_from=960, test_from=1200),
        links=(plait.Chain(parent="click", child="buy"),),
        architecture=partial(plait.MMoE, num_experts=2, layers=(8,)),
        tower=(4,),
        training=plait.Training(epochs=epochs, batch_size=64, learning_rate=0.01, average=0.9),
        slices=(EVIL, "user"),
        out=folder,
    )
