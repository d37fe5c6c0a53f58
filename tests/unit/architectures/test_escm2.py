from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from tests.unit.architectures import link_reference as reference
from torch import Tensor

from plait.architectures import DCMT, ESCM2, Chain, Link, Seen
from plait.errors import TaskError, TrainingError
from plait.tasks import Binary, Regression, Task
from plait.testing import LinkContract

WIDTH = 3
CLICKED = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
BOUGHT = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
WEIGHTS = [1.0, 2.0, 1.0, 0.5, 0.0, 1.0]
OF_CLICK = [1.0, 1.0, 1.0, 1.0, 1.0, 0.0]
"""The fifth row lacks the child's label, the last one the parent's."""


class _Contract(LinkContract):
    def tasks(self) -> Mapping[str, Task]:
        return {"click": Binary("click"), "hours": Regression("hours"), "buy": Binary("buy")}


class TestIPS(_Contract):
    def make(self) -> Link:
        return ESCM2(parent="click", child="buy")


class TestSNIPS(_Contract):
    def make(self) -> Link:
        return ESCM2(parent="click", child="buy", estimator="snips", clip=0.1)


class TestDR(_Contract):
    def make(self) -> Link:
        return ESCM2(parent="click", child="buy", estimator="dr", imputation=(4,))


class TestDCMT(_Contract):
    def make(self) -> Link:
        return DCMT(parent="click", child="buy", counterfactual=4)


def _double(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _built(link: Chain) -> Chain:
    torch.manual_seed(0)
    link.build(WIDTH)
    for parameter in link.parameters():
        torch.nn.init.normal_(parameter)
    return link.double()


def _seen(link: Chain, *, shift: float = 0.0) -> tuple[Seen, dict[str, Tensor]]:
    """Six rows, and the logits that the towers gave."""
    draw = torch.Generator().manual_seed(3)
    raw = {
        name: torch.randn(6, 1, dtype=torch.float64, generator=draw, requires_grad=True)
        for name in ("click", "buy")
    }
    vectors = {
        "buy": torch.randn(6, WIDTH, dtype=torch.float64, generator=draw, requires_grad=True)
    }
    parameters = link.connect({**raw, "click": raw["click"] + shift})
    labels = {"click": _double(CLICKED), "buy": _double(BOUGHT)}
    weights = {"click": _double(OF_CLICK), "buy": _double(WEIGHTS)}
    return Seen(parameters, vectors, labels, weights), raw


def _risk(link: Chain, seen: Seen) -> Tensor:
    before = {"click": torch.tensor(5.0).double(), "buy": torch.tensor(7.0).double()}
    losses = link.losses(before, seen)
    assert losses["click"] is before["click"]
    return losses["buy"] - 7.0


def _rows(seen: Seen) -> dict[str, list[float]]:
    """What the reference reads: only rows with both labels count."""
    counted = [w * (c > 0) for w, c in zip(WEIGHTS, OF_CLICK, strict=True)]
    return {
        "o": CLICKED,
        "r": BOUGHT,
        "click": seen.parameters["click"].squeeze(1).tolist(),
        "convert": seen.parameters["buy_given_click"].squeeze(1).tolist(),
        "weights": counted,
    }


@pytest.mark.parametrize("clip", [0.01, 0.6])
@pytest.mark.parametrize("estimator", ["ips", "snips", "dr"])
def test_the_risk_is_the_paper_s_equation(estimator: str, clip: float) -> None:
    link = ESCM2(parent="click", child="buy", estimator=estimator, weight=0.3, clip=clip)
    _built(link).eval()
    seen, _ = _seen(link)
    imputed: list[float] = []
    if link.imputing is not None:
        imputed = link.imputing(seen.representations["buy"]).squeeze(1).tolist()
    expected = 0.3 * reference.escm2(estimator, **_rows(seen), clip=clip, imputed=imputed)
    assert _risk(link, seen).item() == pytest.approx(expected, abs=1e-10)


def test_dcmt_is_its_equation() -> None:
    link = DCMT(parent="click", child="buy", weight=0.5, tie=0.2, clip=0.1)
    _built(link)
    seen, _ = _seen(link)
    assert link.mirror is not None
    mirror = link.mirror(seen.representations["buy"]).squeeze(1).tolist()
    expected = 0.5 * reference.dcmt(**_rows(seen), mirror=mirror, clip=0.1, tie=0.2)
    assert _risk(link, seen).item() == pytest.approx(expected, abs=1e-10)


def _knowing(seen: Seen) -> Seen:
    """The chance of a click is known on every row that counts, and anything on the others."""
    chances = _double([0.5, 0.25, 0.1, 0.2, float("nan"), 7.0])
    return seen._replace(extras={"click.propensity": chances, "buy.propensity": chances + 1})


def _knowing_rows(seen: Seen) -> dict[str, list[float]]:
    """What the reference reads of `_knowing`, as logits; rows that do not count have any."""
    return {**_rows(seen), "click": torch.logit(_double([0.5, 0.25, 0.1, 0.2, 0.5, 0.5])).tolist()}


@pytest.mark.parametrize("estimator", ["ips", "snips", "dr"])
def test_a_known_chance_of_the_parent_takes_the_place_of_the_predicted_one(estimator: str) -> None:
    link = ESCM2(parent="click", child="buy", estimator=estimator, weight=0.3, clip=0.15)
    _built(link).eval()
    seen, raw = _seen(link)
    imputed: list[float] = []
    if link.imputing is not None:
        imputed = link.imputing(seen.representations["buy"]).squeeze(1).tolist()
    rows = _knowing_rows(seen)
    expected = 0.3 * reference.escm2(estimator, **rows, clip=0.15, imputed=imputed)
    risk = _risk(link, _knowing(seen))
    assert risk.item() == pytest.approx(expected, abs=1e-10)
    risk.backward()
    assert raw["buy"].grad is not None
    assert raw["buy"].grad.isfinite().all()


def test_a_known_chance_serves_dcmt_too() -> None:
    link = DCMT(parent="click", child="buy", weight=0.5, tie=0.2, clip=0.1)
    _built(link)
    seen, _ = _seen(link)
    assert link.mirror is not None
    mirror = link.mirror(seen.representations["buy"]).squeeze(1).tolist()
    rows = _knowing_rows(seen)
    expected = 0.5 * reference.dcmt(**rows, mirror=mirror, clip=0.1, tie=0.2)
    assert _risk(link, _knowing(seen)).item() == pytest.approx(expected, abs=1e-10)


def test_known_chances_that_are_wrong_fire_the_guard() -> None:
    def steps(chance: float) -> None:
        link = ESCM2(parent="click", child="buy", estimator="dr")
        _built(link).train()
        seen, _ = _seen(link)
        known = seen._replace(extras={"click.propensity": torch.full((6,), chance).double()})
        for _ in range(150):
            _risk(link, known)

    steps(0.4)  # of the weights of the rows with both labels, 4.5, two are clicked: .44
    with pytest.raises(TrainingError, match=r"the mean of o / ô is [\d.]+.*`propensity`"):
        steps(0.1)


@pytest.mark.parametrize("estimator", ["ips", "snips", "dr"])
def test_the_risk_moves_the_conversion_and_never_the_propensity(estimator: str) -> None:
    link = ESCM2(parent="click", child="buy", estimator=estimator)
    _built(link)
    seen, raw = _seen(link)
    _risk(link, seen).backward()
    assert raw["click"].grad is None
    assert raw["buy"].grad is not None
    # Rows that lack a label move nothing; doubly robust rows without a click do.
    moved = (raw["buy"].grad.squeeze(1) != 0).tolist()
    unclicked = estimator == "dr"
    assert moved == [True, unclicked, True, unclicked, False, False]


def test_all_estimators_are_unbiased_where_propensities_are_right() -> None:
    # The expectation over o, by going through every pattern of clicks on four rows.
    torch.manual_seed(1)
    click = torch.tensor([0.3, -0.4, 1.0, 0.1], dtype=torch.float64)
    convert, truth = torch.randn(4, 1, dtype=torch.float64), _double([1, 0, 0, 1])
    propensity = click.sigmoid()
    vectors = {"buy": torch.randn(4, WIDTH, dtype=torch.float64)}
    ideal = torch.nn.functional.binary_cross_entropy_with_logits(convert.squeeze(1), truth)
    ones = {"click": torch.ones(4).double(), "buy": torch.ones(4).double()}
    for estimator in ("ips", "dr"):
        link = ESCM2(parent="click", child="buy", estimator=estimator, weight=1.0, clip=0.01)
        _built(link).eval()
        expected = 0.0
        for pattern in range(16):
            o = _double([float(pattern >> bit & 1) for bit in range(4)])
            chance = torch.where(o > 0, propensity, 1 - propensity).prod().item()
            parameters = {"click": click.unsqueeze(1), "buy_given_click": convert}
            seen = Seen(parameters, vectors, {"click": o, "buy": o * truth}, ones)
            risk = _risk(link, seen).item()
            if link.imputing is not None:  # without what only the imputing tower is fitted by
                risk -= _imputation(link, seen).item()
            expected += chance * risk
        assert expected == pytest.approx(ideal.item(), abs=1e-10)


def _imputation(link: ESCM2, seen: Seen) -> Tensor:
    assert link.imputing is not None
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    logit = seen.parameters["buy_given_click"].squeeze(1)
    soft = link.imputing(seen.representations["buy"]).squeeze(1).sigmoid()
    difference = loss(logit, seen.labels["buy"], reduction="none") - loss(
        logit, soft, reduction="none"
    )
    inverse = seen.labels["click"] / seen.parameters["click"].squeeze(1).sigmoid()
    return (inverse * difference.square()).mean()


def test_the_guard_stops_a_run_whose_propensities_are_wrong_and_no_other() -> None:
    def steps(shift: float, *, training: bool = True) -> None:
        link = ESCM2(parent="click", child="buy", estimator="dr")
        _built(link).train(training)
        seen, _ = _seen(link, shift=shift)
        for _ in range(150):
            _risk(link, seen)

    steps(0.0)
    steps(-4.0, training=False)
    with pytest.raises(TrainingError, match=r"the mean of o / ô is [\d.]+, and with good.*snips"):
        steps(-4.0)


def test_a_batch_without_clicks_or_without_both_labels_is_no_trouble() -> None:
    for link in (
        ESCM2(parent="click", child="buy", estimator="snips"),
        DCMT(parent="click", child="buy"),
    ):
        _built(link)
        seen, _ = _seen(link)
        nobody = seen._replace(labels={"click": torch.zeros(6).double(), "buy": torch.zeros(6)})
        assert _risk(link, nobody).isfinite()
        apart = {"click": _double([1, 1, 1, 0, 0, 0]), "buy": _double([0, 0, 0, 1, 1, 1])}
        assert _risk(link, seen._replace(weights=apart)).item() == 0.0


def test_settings_that_make_no_estimator_are_refused() -> None:
    with pytest.raises(TaskError) as caught:
        ESCM2(parent="a", child="b", estimator="naive", weight=-1, clip=0, guard=1)
    assert str(caught.value) == (
        "ESCM2: `estimator` is 'ips', 'snips' or 'dr', got 'naive'; `weight` must not be negative, "
        "got -1; `clip` must lie above 0 and not above 1, got 0; `guard` must be above 1, got 1."
    )
    with pytest.raises(TaskError) as caught:
        DCMT(parent="a", child="b", weight=-1, tie=-2, clip=0.5, counterfactual=0)
    assert str(caught.value) == (
        "DCMT: `weight` must not be negative, got -1; `tie` must not be negative, got -2; "
        "`clip` must lie between 0 and 0.5, got 0.5; `counterfactual` must be at least 1, got 0."
    )


def test_what_a_chain_refuses_is_refused_under_the_link_s_own_name() -> None:
    tasks = {"click": Binary("click"), "buy": Binary("buy", space="click == 1")}
    with pytest.raises(TaskError, match=r"ESCM2 from 'click' to 'buy': 'buy' is defined where"):
        ESCM2(parent="click", child="buy").check(tasks)
