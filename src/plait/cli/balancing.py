"""The command `plait balancers`: the rules that turn several losses into one step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from .commands import Debug, Json
from .endings import explained
from .shown import print_json

if TYPE_CHECKING:
    from plait.balancing import Balancer


def balancers(*, as_json: Json = False, debug: Debug = False) -> None:
    """List the rules that weigh tasks: what a step costs, what they need, when to try them."""
    with explained(debug=debug):
        from plait.balancing import BALANCERS

        entries = [_entry(rule) for rule in BALANCERS]
        if as_json:
            print_json({"balancers": entries})
            return
        for entry in entries:
            typer.echo(f"{entry['name']}: {entry['purpose']}")
            typer.echo(f"  when:  {entry['when']}")
            typer.echo(f"  cost:  {entry['cost_in_words']}")
            for key in ("needs", "paper"):
                if entry[key]:
                    typer.echo(f"  {key + ':':<6} {entry[key]}")
        typer.echo(
            '\nIn an experiment file: balancing = "BaseRate". The settings of each rule are in '
            "the page docs/balancing.md, and in what `plait schema` prints."
        )


_COSTS = {
    "plain": "a plain step",
    "second look": "a plain step and one more forward pass",
    "gradient a task": "a plain step, and a backward pass a task down to a surface",
}


def _entry(rule: type[Balancer]) -> dict[str, object]:
    needs = []
    if rule.needs_gradients:
        needs.append("the gradient of each task at one of " + ", ".join(rule.surfaces))
    if rule.needs_second_look:
        needs.append("the losses of the batch after the step")
    if rule.needs_two_tasks:
        needs.append("two tasks or more, one of them the target")
    return {
        "name": rule.__name__,
        "purpose": (rule.__doc__ or "").partition("\n")[0],
        "when": rule.when,
        "cost": rule.cost,
        "cost_in_words": _COSTS[rule.cost],
        "needs": "; ".join(needs),
        "surfaces": list(rule.surfaces),
        "paper": rule.paper,
    }
