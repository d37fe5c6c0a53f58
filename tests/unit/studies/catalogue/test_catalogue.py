"""The catalogue says what the classes say, and counts what they compute."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from tests.unit.studies.experiments import write_experiment

from plait.architectures import (
    ARCHITECTURES,
    LINKS,
    STAR,
    CrossStitch,
    MMoE,
    PPNet,
    SharedBottom,
    SingleTask,
    Widths,
)
from plait.experiment import Experiment
from plait.studies.catalogue import (
    catalogue_document,
    catalogue_json,
    cost_of,
    costs_for,
    entries,
)

WIDTHS = Widths(main=10, context=4, num_scenarios=3)
TASKS = ["click", "like"]


def test_every_structure_and_link_says_what_it_is_for_and_when_to_try_it() -> None:
    for entry in entries((*ARCHITECTURES, *LINKS)):
        assert entry.summary.endswith("."), entry.name
        assert entry.when, entry.name
        assert entry.address.startswith("https://") or entry.name in ("SingleTask", "OMoE")
    assert all(link.ties for link in LINKS)


def test_a_paper_s_title_and_the_needs_are_those_of_the_class() -> None:
    found = {entry.name: entry for entry in entries((*ARCHITECTURES, *LINKS))}
    assert found["CGC"].paper == found["PLE"].paper == "Progressive Layered Extraction"
    assert found["AITM"].address == "https://arxiv.org/abs/2105.08489"
    assert found["PPNet"].needs == "a `user` or `item` among the features"
    assert found["STAR"].needs == "the `scenario` among the features"
    assert found["SharedBottom"].needs == ""


def test_parameters_and_multiply_adds_are_counted_by_hand() -> None:
    bottom = cost_of(partial(SharedBottom, layers=(6, 4)), WIDTHS, TASKS)
    assert (bottom.parameters, bottom.multiply_adds) == (10 * 6 + 6 + 6 * 4 + 4, 10 * 6 + 6 * 4)
    alone = cost_of(partial(SingleTask, layers=(6, 4)), WIDTHS, TASKS)
    assert alone.parameters == 2 * bottom.parameters
    assert alone.multiply_adds == 2 * bottom.multiply_adds
    mixture = cost_of(partial(MMoE, num_experts=3, layers=(4,)), WIDTHS, TASKS)
    assert mixture.parameters == 3 * (10 * 4 + 4) + 2 * 3 * 10
    # The experts, and for each task a gate and a mixture of three outputs.
    assert mixture.multiply_adds == 3 * 10 * 4 + 2 * (3 * 10 + 3 * 4)


def test_a_scenario_costs_memory_and_no_time() -> None:
    star = cost_of(partial(STAR, layers=(6,), auxiliary=0), WIDTHS, TASKS)
    assert star.parameters == 4 * (10 * 6 + 6)
    assert star.multiply_adds == 10 * 6


def test_what_cannot_be_built_says_why() -> None:
    assert "needs scenarios" in cost_of(STAR, Widths(main=10), TASKS).refused


def test_costs_on_an_experiment_are_those_of_its_features_and_settings(tmp_path: Path) -> None:
    read = Experiment.read(write_experiment(tmp_path, rows=400))
    costs, own = costs_for(read, cache=tmp_path / "cache")
    assert own == "MMoE"
    assert list(costs) == [kind.__name__ for kind in ARCHITECTURES]
    refused = [name for name, cost in costs.items() if cost.refused]
    assert refused == ["PEPNet", "STAR"]
    assert costs["MMoE"].parameters < costs["OMoE"].parameters, "two small experts in the file"
    again, _ = costs_for(read)
    assert again == costs


def test_the_page_shows_costs_and_what_is_refused() -> None:
    costs = {
        kind.__name__: cost_of(kind, Widths(main=10, context=4), TASKS)
        for kind in (CrossStitch, PPNet, STAR)
    }
    *_, section = catalogue_document(costs, own="PPNet").sections
    table, refused = section.blocks
    assert [row[0] for row in table.rows] == ["CrossStitch", "PPNet (as in the file)"]
    assert refused.startswith("STAR: STAR needs scenarios")
    form = json.loads(json.dumps(catalogue_json(costs)))
    assert form["costs"]["STAR"]["refused"]
    assert [entry["name"] for entry in form["links"]] == [kind.__name__ for kind in LINKS]


@pytest.mark.parametrize("kind", [*ARCHITECTURES, *LINKS], ids=lambda kind: kind.__name__)
def test_the_docs_name_every_structure_and_link(kind: type) -> None:
    page = Path(__file__).parents[4] / "docs" / "architectures.md"
    assert f"`{kind.__name__}`" in page.read_text(encoding="utf-8")
