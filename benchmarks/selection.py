"""Does training on the entire space mend pCVR? ESMM and plain CVR models against the truth.

    python benchmarks/selection.py --seeds 3 --json selection.json

A simulated feed says what nobody can log: the chance of a purchase on every row, clicked or not.
There are four worlds: clicked rows are like all others (`none`); users buy what they click
(`related tasks`); they click what they would buy, as far as logged ids and features tell
(`ignorable`); a hidden intent moves clicks and purchases (`non-ignorable`). In each, these models
learn from one log and are judged on all rows of a fresh log of the same world:

- `alone`: purchase, learnt on clicked rows only;
- `shared`: the same with the click as a second task on a shared network;
- `esmm`: the click and the joint event on all rows, tied by a `Chain`;
- `ips`, `snips`, `dr`: the same, and the clicked rows weighed by one over their chance of a click
  (`ESCM2`, the weight of its risk 1, because here the risk is what counts);
- `ips known`, `snips known`, `dr known`: the same, and the chance of a click is a column that knows
  the hidden intent, too (`Binary.propensity`): propensities as good as they can be;
- `weighed`: as `alone`, each row weighed by one over that chance;
- `nise`: as `shared`, and unclicked rows labelled by the model's own predictions (`NISE`);
- `soft`: as `shared`, and unclicked rows labelled by five calibrated teachers (`SoftLabels`).

`identified` is the chance of a purchase given a click: what a perfect learner would say that has
seen any number of clicks. Rows are cut into tenths by their true pCVR. An `error` is the mean over
the seeds of |mean prediction - mean truth|; `rmse` is over rows. The intervals are Student's t over
seeds, paired: below zero, the first model of the pair is nearer to the truth.

All are plain networks of ids and features: one shared bottom, no history beyond the
log's own column, no product of user and item, and so differ by how they learn purchases alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from _cvr import KEY_L2, MODELS, Model, predict
from _report import Row, parser, report
from numpy.typing import NDArray

from plait import Training
from plait.data.simulation import FeedSettings, FeedWorld
from plait.metrics import paired_difference

Floats = NDArray[np.float64]

PLAIN = FeedSettings(users=1_000, items=300, click_rate=0.1, relatedness=0.0)
WORLDS = {
    "none": PLAIN,
    "related tasks": replace(PLAIN, relatedness=0.8),
    "ignorable": replace(PLAIN, selection=1.5),
    "non-ignorable": replace(PLAIN, hidden_selection=1.5),
}
PAIRS = {
    "alone": ("esmm", "alone"),
    "shared": ("esmm", "shared"),
    "ips": ("ips", "esmm"),
    "snips": ("snips", "esmm"),
    "dr": ("dr", "esmm"),
    "ips known": ("ips known", "esmm"),
    "snips known": ("snips known", "esmm"),
    "dr known": ("dr known", "esmm"),
    "weighed": ("weighed", "alone"),
    "ips known over alone": ("ips known", "alone"),
    "snips known over alone": ("snips known", "alone"),
    "dr known over alone": ("dr known", "alone"),
    "nise": ("nise", "shared"),
    "soft": ("soft", "shared"),
}
"""Whose errors are compared, by the name that the interval is shown under."""


class Judged(NamedTuple):
    """One seed of one world: means over the tenths of the rows, and distances over all rows.

    Attributes:
        means: of the truth, of what is identified and of each model; `[11]`, all rows first.
        rmse: of what is identified and of each model.
    """

    means: dict[str, Floats]
    rmse: dict[str, float]


def main() -> None:
    """Train every model in every world with every seed, and report."""
    made = parser("pCVR of ESMM and of plain models against the truth of a simulated feed.")
    made.add_argument("--seeds", type=int, default=3, help="how many, from 0")
    made.add_argument("--rows", type=int, default=60_000, help="of the log to learn from")
    made.add_argument("--worlds", default=",".join(WORLDS), help="joined by commas")
    made.add_argument("--models", default=",".join(MODELS), help="joined by commas")
    arguments = made.parse_args()
    names = "alone,esmm,dr,nise" if arguments.smoke else arguments.models
    models = {name: MODELS[name] for name in names.split(",")}
    worlds = ["ignorable"] if arguments.smoke else arguments.worlds.split(",")
    seeds = range(2 if arguments.smoke else arguments.seeds)
    rows, steps = (1_000, 10) if arguments.smoke else (arguments.rows, None)
    table: list[Row] = []
    for name in worlds:
        judged = [_judge(WORLDS[name], models, seed, rows, steps=steps) for seed in seeds]
        table += _rows(name, judged)
    gaps = [f"{first}-{second}" for first, second in PAIRS.values()]
    told = ["selection", "rows", "what", "truth", "identified", *models, *gaps]
    # The ends of the intervals stand in the JSON.
    report(table, arguments, shown=told if len(models) > 3 else None)


def _judge(
    settings: FeedSettings,
    models: Mapping[str, Model],
    seed: int,
    rows: int,
    *,
    steps: int | None,
) -> Judged:
    world = FeedWorld(settings, seed=seed)
    log, fresh = world.simulate(rows, seed=2 * seed), world.simulate(rows, seed=2 * seed + 1)
    training = Training(seed=seed, max_steps=steps, key_l2=KEY_L2)
    found = {
        "truth": fresh.truth["p_purchase"].to_numpy(),
        "identified": fresh.truth["p_purchase_given_click"].to_numpy(),
        **{name: predict(model, log, fresh, training) for name, model in models.items()},
    }
    tenths = np.array_split(np.argsort(found["truth"], kind="stable"), 10)
    means = {
        name: np.array([values.mean(), *(values[tenth].mean() for tenth in tenths)])
        for name, values in found.items()
    }
    rmse = {
        name: float(np.sqrt(np.mean((values - found["truth"]) ** 2)))
        for name, values in found.items()
        if name != "truth"
    }
    return Judged(means, rmse)


def _rows(world: str, judged: Sequence[Judged]) -> Iterator[Row]:
    """One row for all rows, each tenth of them, and the distance over rows."""
    means = {name: np.stack([one.means[name] for one in judged]) for name in judged[0].means}
    for place, label in enumerate(["all", *(f"tenth {tenth}" for tenth in range(1, 11))]):
        truth = means["truth"][:, place]
        errors = {
            name: np.abs(values[:, place] - truth)
            for name, values in means.items()
            if name in MODELS
        }
        shown = {name: float(values[:, place].mean()) for name, values in means.items()}
        yield {"selection": world, "rows": label, "what": "mean pCVR", **shown, **_gaps(errors)}
    rmse = {name: np.array([one.rmse[name] for one in judged]) for name in judged[0].rmse}
    shown = {name: float(values.mean()) for name, values in rmse.items()}
    yield {"selection": world, "rows": "all", "what": "rmse", **shown, **_gaps(rmse)}


def _gaps(errors: Mapping[str, Floats]) -> dict[str, float | int]:
    """The error of the first model of each pair minus that of the second, over the same seeds."""
    facts: dict[str, float | int] = {}
    for name, (first, second) in PAIRS.items():
        if first in errors and second in errors:
            gap = paired_difference(errors[first], errors[second])
            facts[f"{first}-{second}"] = gap.value
            facts[f"low-{name}"], facts[f"high-{name}"] = gap.low, gap.high
    return facts | {"seeds": max(map(len, errors.values()))}


if __name__ == "__main__":
    main()
