"""pCVR on all rows of simulated feeds: the models that are compared, and settings nobody chose."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import polars as pl
from _keeping import RUN, keep_runs, kept_runs
from _report import Fact, Row
from numpy.typing import NDArray

from plait import (
    ESCM2,
    NISE,
    Binary,
    Chain,
    RandomSplit,
    SharedBottom,
    SoftLabels,
    Training,
    train,
)
from plait.architectures import Link
from plait.architectures.escm2 import Estimator
from plait.data.simulation import FEED_SCHEMA, FeedSettings, FeedWorld, SimulatedLog
from plait.methods import Method
from plait.metrics import paired_difference
from plait.tasks import Task

PURCHASE = Binary("purchase", space="click == 1")
KEY_L2 = 0.1
"""With it the tables of docs/simulation.md were measured."""


class Model(NamedTuple):
    """What is trained, and which output is its pCVR."""

    tasks: tuple[Task, ...]
    output: str
    links: tuple[Link, ...] = ()
    method: Method | None = None


MODELS = {
    "alone": Model((PURCHASE,), "purchase"),
    "shared": Model((Binary("click"), PURCHASE), "purchase"),
    "esmm": Model(
        (Binary("click"), Binary("purchase", parents=("click",))),
        "purchase_given_click",
        (Chain(parent="click", child="purchase"),),
    ),
}


for _estimator in get_args(Estimator):
    _link = ESCM2(parent="click", child="purchase", estimator=_estimator, weight=1.0)
    MODELS[_estimator] = MODELS["esmm"]._replace(links=(_link,))

KNOWN = "known_chance"
"""A column that `predict` adds: the chance of a click given all, the hidden intent among it."""

_CLICK = Binary("click", propensity=KNOWN)
for _estimator in get_args(Estimator):
    # The known chances are right, so few are clipped; and no sum of losses is to be met half way.
    _link = ESCM2(parent="click", child="purchase", estimator=_estimator, weight=1.0, clip=0.01)
    MODELS[f"{_estimator} known"] = MODELS["esmm"]._replace(
        tasks=(_CLICK, MODELS["esmm"].tasks[1]), links=(_link,)
    )
MODELS["weighed"] = Model((replace(PURCHASE, weight=f"1 / {KNOWN}"),), "purchase")

MODELS["nise"] = MODELS["shared"]._replace(links=(NISE(parent="click", child="purchase"),))
MODELS["soft"] = MODELS["shared"]._replace(method=SoftLabels(tasks=("purchase",)))


def predict(
    model: Model, log: SimulatedLog, fresh: SimulatedLog, training: Training
) -> NDArray[np.float64]:
    """The model's pCVR on every row of the fresh log."""
    with tempfile.TemporaryDirectory(prefix="plait-") as scratch:
        run = train(
            log.frame.with_columns(log.truth["p_click_given_intent"].alias(KNOWN)),
            schema=FEED_SCHEMA,
            tasks=model.tasks,
            links=model.links,
            method=model.method,
            # Fixed, whatever the defaults become: a computed history or a product of user and item
            # would blur what is compared.
            architecture=SharedBottom,
            history=False,
            factors=0,
            split=RandomSplit(valid=0.15, test=0.0, seed=training.seed),
            training=training,
            out=Path(scratch) / "run",
        )
        predicted = run.predictor.predict(fresh.frame)
    return predicted[model.output].cast(pl.Float64).to_numpy()


NAIVE, OURS = "alone", "soft"
COMPARED = ("alone", "shared", "esmm", "ips", "dr", "nise", "soft")


def setting(number: int) -> FeedSettings:
    """One of the unseen settings. The ranges were settled before any model saw one of them."""
    rng = np.random.default_rng([11, number])
    hidden = rng.uniform(-1.0, 1.0) if rng.random() < 0.25 else 0.0
    return FeedSettings(
        users=int(rng.integers(500, 2_001)),
        items=int(rng.integers(200, 801)),
        click_rate=rng.uniform(0.05, 0.3),
        purchase_rate=rng.uniform(0.05, 0.25),
        feature_signal=rng.uniform(0.3, 0.8),
        relatedness=rng.uniform(0.0, 0.9),
        selection=rng.uniform(0.0, 2.0),
        hidden_selection=hidden,
        position_bias=rng.uniform(0.0, 1.0),
    )


def measure(
    settings: int,
    seeds: Sequence[int],
    *,
    rows: int,
    path: Path | None,
    may_begin: Callable[[], bool],
    steps: int | None = None,
) -> list[Row]:
    """Root mean square error of pCVR over all rows, of every model in every setting.

    Args:
        settings: how many, from the first.
        seeds: of world, log and network.
        rows: of the log to learn from, and of the fresh log that is judged.
        path: remembers each setting and seed as soon as it is done.
        may_begin: whether there is time for another one.
        steps: most steps of each training.
    """
    done = {(run["setting"], run["seed"]): run for run in kept_runs(path, {"rows": rows})}
    wanted = [(number, seed) for seed in seeds for number in range(settings)]
    for number, seed in wanted:
        if (number, seed) in done:
            continue
        if not may_begin():
            break
        world = FeedWorld(setting(number), seed=seed)
        log, fresh = world.simulate(rows, seed=2 * seed), world.simulate(rows, seed=2 * seed + 1)
        training = Training(seed=seed, max_steps=steps, key_l2=KEY_L2)
        truth = fresh.truth["p_purchase"].to_numpy()
        errors: dict[str, Fact] = {}
        for name in COMPARED:
            gap = predict(MODELS[name], log, fresh, training) - truth
            errors[name] = float(np.sqrt(np.mean(gap**2)))
        done[number, seed] = {
            "what": RUN,
            "setting": number,
            "seed": seed,
            "rows": rows,
            **errors,
        }
        keep_runs(done.values(), path)
        print(f"{len(done)} of {len(wanted)}: setting {number}, seed {seed}", file=sys.stderr)
    return [*_summary(list(done.values())), *done.values()]


def _summary(runs: Sequence[Row]) -> Iterator[Row]:
    """Each setting's means over its seeds, and the gap of ours to naive; then over settings."""
    places: list[dict[str, int]] = []
    means: list[dict[str, float]] = []
    for number in dict.fromkeys(run["setting"] for run in runs):
        own = [run for run in runs if run["setting"] == number]
        mean = {name: float(_errors(own, name).mean()) for name in COMPARED}
        order = sorted(COMPARED, key=lambda name: mean[name])
        means.append(mean)
        places.append({name: order.index(name) + 1 for name in COMPARED})
        row: dict[str, Fact] = {
            "what": "pCVR",
            "setting": number,
            "seeds": len(own),
            **mean,
            "place of ours": places[-1][OURS],
        }
        if len(own) > 1:
            gap = paired_difference(_errors(own, OURS), _errors(own, NAIVE))
            row |= {"gap": gap.value, "low": gap.low, "high": gap.high}
        yield row
    if len(means) < 2:
        return
    yield {
        "what": "mean place",
        **{name: float(np.mean([place[name] for place in places])) for name in COMPARED},
    }
    yield {
        "what": "among the best two",
        **{name: float(np.mean([place[name] <= 2 for place in places])) for name in COMPARED},
    }
    naive = np.array([mean[NAIVE] for mean in means])
    for name in COMPARED:
        if name != NAIVE:
            gap = paired_difference(np.array([mean[name] for mean in means]), naive)
            facts = {"gap": gap.value, "low": gap.low, "high": gap.high}
            yield {"what": f"{name} - {NAIVE}", **facts}


def _errors(runs: Sequence[Row], name: str) -> NDArray[np.float64]:
    return np.array([run[name] for run in runs], dtype=np.float64)
