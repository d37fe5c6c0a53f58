"""`plait balancers` prints what the classes say of themselves."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from plait.balancing import BALANCERS
from plait.cli import app


def test_every_rule_is_listed_with_its_cost_and_needs() -> None:
    done = CliRunner().invoke(app, ["balancers"])
    assert done.exit_code == 0
    for rule in BALANCERS:
        assert f"{rule.__name__}: {(rule.__doc__ or '').splitlines()[0]}" in done.stdout
        assert f"when:  {rule.when}" in done.stdout
    famo = done.stdout.partition("FAMO: ")[2].partition("GradNorm: ")[0]
    assert "cost:  a plain step and one more forward pass" in famo
    assert "needs: the losses of the batch after the step" in famo
    assert "needs: two tasks or more" not in famo
    assert "one of shared, encoded, tables, parameters; two tasks or more" in done.stdout


def test_as_json_it_is_one_document() -> None:
    done = CliRunner().invoke(app, ["balancers", "--json"])
    entries = json.loads(done.stdout)["balancers"]
    assert [entry["name"] for entry in entries] == [rule.__name__ for rule in BALANCERS]
    assert entries[0]["cost"] == "plain"
    assert entries[0]["surfaces"] == []
