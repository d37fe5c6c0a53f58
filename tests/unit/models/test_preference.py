"""Gates that read a preference: factors by hand, what they reach, what is refused."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tests.unit.makers import BINARY_TASKS, Data, make_data, make_model, same_bits, whole
from torch import Tensor

from plait.architectures import PLE, MMoE, SharedBottom, SingleTask
from plait.artifact.content import build_model, model_settings
from plait.balancing import STCH, Equal, Rays
from plait.data.batch import Batch
from plait.data.schema import Categorical, Schema
from plait.errors import ConfigurationError, TaskError, UnknownNameError
from plait.models import MultiTaskModel, PreferenceGates, preferring, ray_of
from plait.tasks import Regression
from plait.training import Losses, Objective, Trainer, Training, grow_from


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder = tmp_path_factory.mktemp("data")
    return make_data(folder, BINARY_TASKS, rows=60, valid_rows=30)


def test_factors_are_those_of_ppnets_gates_with_the_ray_as_prior() -> None:
    """`2 sigmoid(W' relu(W K r + b) + b')`, literally, entry by entry."""
    torch.manual_seed(0)
    gates = PreferenceGates(3, 4, 2, hidden=5).double()
    main = torch.randn(6, 4, dtype=torch.float64)
    given = {name: torch.randn(6, 2, dtype=torch.float64) for name in "abc"}
    ray = np.array([0.5, 0.2, 0.3])
    with preferring(ray.tolist()):
        scaled, bent = gates.scale_input(main), gates.scale_tasks(given)

    def factor(unit: torch.nn.Module) -> np.ndarray:
        p = {name: value.detach().numpy() for name, value in unit.named_parameters()}
        hidden = np.maximum(p["weights.0"] @ (3 * ray) + p["bias"], 0)
        return 2 / (1 + np.exp(-(p["outer.weight"] @ hidden + p["outer.bias"])))  # type: ignore[no-any-return]

    assert scaled.detach().numpy() == pytest.approx(main.numpy() * factor(gates.of_input), 1e-10)
    each = factor(gates.of_tasks).reshape(3, 2)
    for place, name in enumerate("abc"):
        expected = given[name].numpy() * each[place]
        assert bent[name].detach().numpy() == pytest.approx(expected, 1e-10)


@pytest.mark.parametrize("kind", [SharedBottom, MMoE, PLE, SingleTask])
def test_a_ray_moves_every_prediction_and_none_means_equal_shares(
    data: Data, kind: type[MMoE]
) -> None:
    model = make_model(data, architecture=partial(kind, layers=(6,)), preference=True).eval()
    batch = whole(data.valid)
    with preferring([0.9, 0.1]):
        first = model(batch)
    with preferring([0.5, 0.5]):
        even = model(batch)
    assert same_bits(model(batch), even)
    assert all(not torch.equal(first[task], even[task]) for task in model.tasks)


def test_every_gate_and_everything_below_has_a_gradient(data: Data) -> None:
    model = make_model(data, preference=True)
    sum(out.square().sum() for out in model(whole(data.train)).values()).backward()  # type: ignore[union-attr]
    assert model.preference_gates is not None
    assert all(p.grad is not None for p in model.preference_gates.parameters())
    assert all(t.grad is not None and t.grad.is_sparse for t in model.table_parameters())


def test_a_model_is_written_down_with_its_gates_and_without_as_ever(data: Data) -> None:
    plain, model = make_model(data), make_model(data, preference=True).eval()
    assert "preference" not in model_settings(plain)
    again = build_model(model_settings(model))(data.train.layout, data.tasks).eval()
    again.load_state_dict(model.state_dict())
    with preferring([0.8, 0.2]):
        assert same_bits(again(whole(data.valid)), model(whole(data.valid)))


def test_a_grown_model_takes_its_gates_along(data: Data) -> None:
    older, model = (make_model(data, preference=True, seed=seed) for seed in (1, 2))
    grow_from(model, older)
    with preferring([0.8, 0.2]):
        assert same_bits(model.eval()(whole(data.valid)), older.eval()(whole(data.valid)))


def test_shares_of_a_preference() -> None:
    assert ray_of({"like": 3.0}, ["click", "like"]) == (0.0, 1.0)
    assert ray_of({"like": 1, "click": 3}, ["click", "like"]) == (0.75, 0.25)
    with pytest.raises(UnknownNameError, match=r"There is no task 'lik' in `preference`. Did you"):
        ray_of({"lik": 1.0}, ["click", "like"])
    for wrong in ({"click": -1.0, "like": 2.0}, {"click": 0.0}, {}, {"click": math.nan}):
        with pytest.raises(TaskError, match=r"`preference` must hold numbers of at least 0, one"):
            ray_of(wrong, ["click", "like"])
    with pytest.raises(TaskError, match=r"got {'click': inf}. Write it as in {'click': 1.0, 'lik"):
        ray_of({"click": math.inf}, ["click", "like"])
    gates = PreferenceGates(3, 2, 2)
    with (
        preferring([0.5, 0.5]),
        pytest.raises(ConfigurationError, match=r"A ray of 2 shares was given to a network of 3"),
    ):
        gates.scale_input(torch.ones(1, 2))


def test_a_rule_that_draws_needs_a_model_that_reads(data: Data) -> None:
    with pytest.raises(ConfigurationError, match=r"Rays draws a preference for every step, and"):
        Trainer(make_model(data), balancer=Rays())


class Concave(Objective):
    """VLMOP2 (Van Veldhuizen and Lamont 1999) at the point that a model's two heads give."""

    def losses(self, model: MultiTaskModel, batch: Batch, step: int) -> Losses:
        return Losses(dict(zip(model.tasks, vlmop2(model(batch)), strict=True)))


def vlmop2(parameters: dict[str, Tensor]) -> list[Tensor]:
    theta = torch.stack([output.mean() for output in parameters.values()])
    return [1 - torch.exp(-(theta - end).square().sum()) for end in (0.5**0.5, -(0.5**0.5))]


def area(points: np.ndarray) -> float:
    """Below 1 in both losses, and not below what the points reach: a staircase."""
    area, height = 0.0, 1.0
    for first, second in sorted(map(tuple, points)):
        area += max(0.0, 1.0 - first) * max(0.0, height - second)
        height = min(height, second)
    return area


def test_one_model_covers_a_front_that_no_weighted_sum_reaches(tmp_path: Path) -> None:
    """Of its hypervolume, 95 % or more; a plain model has a single point of it."""
    frame = pl.DataFrame({"same": ["x"] * 8, "first": [0.0, 1.0] * 4, "second": [0.0, 1.0] * 4})
    toy = make_data(
        tmp_path,
        (Regression("first"), Regression("second")),
        schema=Schema((Categorical("same"),)),
        frame=frame,
        valid_frame=frame,
    )
    settings = Training(
        max_steps=220, epochs=220, batch_size=8, learning_rate=1e-2, average=0.98, key_l2=0.0
    )
    along = torch.linspace(-(0.5**0.5), 0.5**0.5, 500, dtype=torch.float64)
    true = np.array([[float(loss) for loss in vlmop2({"a": t, "b": t})] for t in along])
    shares = {}
    for name, rule in {"rays": Rays(rule=STCH(mu=0.05, warmup=1)), "plain": Equal()}.items():
        model = make_model(
            toy,
            architecture=partial(SharedBottom, layers=(32, 32), dropout=0.0),
            tower=(16,),
            factors=0,
            preference=name == "rays",
        )
        few = settings if name == "rays" else replace(settings, max_steps=60)
        Trainer(model, few, balancer=rule, objective=Concave()).fit(toy.train)
        found = []
        for share in np.linspace(0, 1, 41).tolist():
            with torch.no_grad(), preferring([share, 1 - share]):
                found.append([float(loss) for loss in vlmop2(model(whole(toy.valid)))])
        shares[name] = area(np.array(found)) / area(true)
    assert shares["rays"] > 0.95
    assert shares["plain"] < 0.5
