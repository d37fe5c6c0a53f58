"""What a report says of balancing."""

from __future__ import annotations

from plait.studies.page.blocks import Table
from plait.studies.report.balancing import balancing_blocks

BALANCE = {
    "weights": {"click": 0.5, "like": 1.5},
    "norms": {"click": 0.02, "like": 0.004},
    "cosines": {"click": {"like": -0.25}},
    "conflicts": {"click": {"like": 0.75}},
}


def test_weights_norms_and_conflicts_are_shown() -> None:
    tasks, pairs = balancing_blocks("PCGrad", BALANCE)
    assert isinstance(tasks, Table)
    assert isinstance(pairs, Table)
    assert tasks.caption.startswith("Balancing by PCGrad")
    assert [row[0] for row in tasks.rows] == ["click", "like"]
    assert pairs.rows[0][0] == "click and like"
    assert "75" in pairs.rows[0][2]


def test_the_worst_layers_come_first() -> None:
    groups = {"experts 0": 0.25, "gate_inputs 0": 0.5}
    table = balancing_blocks("PCGrad", BALANCE | {"groups": groups})[-1]
    assert isinstance(table, Table)
    assert [row[0] for row in table.rows] == ["gate_inputs 0", "experts 0"]
    assert "50" in table.rows[0][1]


def test_without_gradients_there_is_nothing_to_show() -> None:
    assert balancing_blocks("Equal", {}) == []
    weights = {"weights": {"click": 1.0}, "norms": {}, "cosines": {}, "conflicts": {}}
    assert balancing_blocks("Equal", weights) == []
    alone = BALANCE | {"cosines": {}, "conflicts": {}}
    assert len(balancing_blocks("MGDA", alone)) == 1
