"""The catalogue says what the classes say, and counts what they compute."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from tests.unit.studies.experiments import write_experiment

from plait.architectures import (
    ARCHITECTURES,
    GATES,
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
from plait.modules.interactions import INTERACTIONS
from plait.modules.sequences import SEQUENCE_ENCODERS
from plait.modules.terms import TERMS
from plait.studies.catalogue import (
    Costs,
    catalogue_document,
    catalogue_json,
    cost_of,
    costs_for,
    entries,
)

WIDTHS = Widths(main=10, context=4, num_scenarios=3)
TASKS = ["click", "like"]


NO_PAPER = ("SingleTask", "OMoE", "MeanPooling", "SumPooling", "MaxPooling")
KINDS = (*ARCHITECTURES, *GATES, *LINKS, *INTERACTIONS, *SEQUENCE_ENCODERS, *TERMS)


def test_every_part_says_what_it_is_for_and_when_to_try_it() -> None:
    for entry in entries(KINDS):
        assert entry.summary.endswith("."), entry.name
        assert entry.when, entry.name
        assert entry.address.startswith("https://") or entry.name in NO_PAPER, entry.name
    assert all(link.ties for link in LINKS)
    assert len({kind.__name__ for kind in KINDS}) == len(KINDS), "a name tells which part it is"


def test_a_paper_s_title_and_the_needs_are_those_of_the_class() -> None:
    found = {entry.name: entry for entry in entries(KINDS)}
    assert found["CGC"].paper == found["PLE"].paper == "Progressive Layered Extraction"
    assert found["AITM"].address == "https://arxiv.org/abs/2105.08489"
    assert found["PPNet"].needs == "a `user` or `item` among the features"
    assert found["STAR"].needs == "the `scenario` among the features"
    assert found["SharedBottom"].needs == found["DCNv2"].needs == ""
    assert found["STEM"].needs == "features with tables of vectors"
    assert found["ScenarioGate"].needs == "the `scenario` among the features"
    assert found["GRU4Rec"].needs == "a sequence among the features"
    assert found["DIN"].needs.endswith("and the judged item, whose table it shares")
    assert found["NCF"].needs == "a `user` and an `item` among the features"


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
    found = costs_for(read, cache=tmp_path / "cache")
    assert found.own == {"MMoE"}
    costs = found.structures
    assert list(costs) == [kind.__name__ for kind in ARCHITECTURES]
    refused = [name for name, cost in costs.items() if cost.refused]
    assert refused == ["PEPNet", "STAR"]
    assert costs["MMoE"].parameters < costs["OMoE"].parameters, "two small experts in the file"
    assert costs["STEM"].tables > 0
    assert list(found.interactions) == [kind.__name__ for kind in INTERACTIONS]
    assert found.interactions["DeepFM"].tables > found.interactions["DCNv2"].tables == 0
    assert all("no feature is a Sequence" in cost.refused for cost in found.encoders.values())
    assert costs_for(read) == found


def test_costs_of_interactions_and_encoders_are_those_of_the_parts(tmp_path: Path) -> None:
    path = write_experiment(tmp_path, rows=400)
    settings = ["model.interaction={name='DCNMix', rank=2}", "history.sequence_length=5"]
    found = costs_for(Experiment.read(path, [*settings, "model.sequence=GRU4Rec"]))
    assert found.own == {"MMoE", "DCNMix", "GRU4Rec"}
    plain = costs_for(Experiment.read(path, settings[1:]))
    width = plain.interactions["DCNv2"].gives
    assert plain.interactions["DCNv2"].parameters == 2 * (width * width + width)
    assert plain.interactions["DCNv2"].multiply_adds == 2 * width * width
    assert plain.encoders["MeanPooling"].parameters == 0
    assert plain.encoders["GRU4Rec"].parameters > 0
    assert plain.encoders["SASRec"].multiply_adds > plain.encoders["GRU4Rec"].parameters
    assert found.interactions["DCNMix"].parameters < plain.interactions["DCNMix"].parameters


def test_costs_of_terms_are_those_of_their_networks_and_tables(tmp_path: Path) -> None:
    settings = ["history.sequence_length=5"]
    path = write_experiment(tmp_path, rows=400)
    own = "model.terms=[{name='NCF', width=8, layers=[4]}]"
    found = costs_for(Experiment.read(path, [*settings, own]))
    plain = costs_for(Experiment.read(path, settings)).terms
    layers = 64 * 64 + 64 * 32 + 32 * 16
    assert plain["NCF"].multiply_adds == layers
    assert plain["NCF"].parameters == layers + 64 + 32 + 16
    assert plain["NCF"].gives == 16
    assert found.own == {"MMoE", "NCF"}
    assert found.terms["NCF"].parameters == 16 * 4 + 4
    assert found.terms["NCF"].tables * 4 == plain["NCF"].tables > 0
    assert plain["FPMC"].parameters == 0
    assert plain["FPMC"].tables > 0 or "sequence" in plain["FPMC"].refused


def test_the_page_shows_costs_and_what_is_refused() -> None:
    costs = {
        kind.__name__: cost_of(kind, Widths(main=10, context=4), TASKS)
        for kind in (CrossStitch, PPNet, STAR)
    }
    found = Costs(costs, own=frozenset({"PPNet"}))
    *_, section = catalogue_document(found).sections
    table, refused = section.blocks
    assert [row[0] for row in table.rows] == ["CrossStitch", "PPNet (as in the file)"]
    assert refused.startswith("STAR: STAR needs scenarios")
    form = json.loads(json.dumps(catalogue_json(found)))
    assert form["costs"]["STAR"]["refused"]
    assert [entry["name"] for entry in form["links"]] == [kind.__name__ for kind in LINKS]


@pytest.mark.parametrize("kind", [*ARCHITECTURES, *GATES, *LINKS], ids=lambda kind: kind.__name__)
def test_the_docs_name_every_structure_and_link(kind: type) -> None:
    page = Path(__file__).parents[4] / "docs" / "architectures.md"
    assert f"`{kind.__name__}`" in page.read_text(encoding="utf-8")
