"""One network in the middle, and one for each scenario that departs from it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from plait.errors import ArchitectureError
from plait.modules import MLP, Dropout, whole

from .base import Architecture, Encoded, Need, Shared, Widths

__all__ = ["STAR"]


class STAR(Architecture):
    """Serve several scenarios with one model that knows what they share and where they differ.

    Star topology adaptive recommender (Sheng et al., `One Model to Serve All
    <https://arxiv.org/abs/2101.11427>`_, 2021). Every layer has shared weights `W, b` and those of
    each scenario, and a row of scenario s is read with

        W*_s = W ⊙ W_s,   b*_s = b + b_s.

    An auxiliary network reads the scenario's vector beside the features; its output is added, so
    that the scenario itself always counts. All tasks share the whole; what differs between them is
    left to their towers.

    What departs from the paper: `W_s` is kept as `1 + V_s` and starts at `V_s = 0`, so that weight
    decay draws a scenario towards the shared network and not towards nothing; the auxiliary output
    is added to the representation instead of the logit (the same for a tower without hidden
    layers); partitioned normalisation is left out, because a row's prediction would depend on the
    batch that it is trained in.

    A scenario that was never seen is read as *unknown*, which `unknown_rate` trains. Memory grows
    by one network for each scenario: for more than some dozens take `PEPNet`. With one scenario
    and `auxiliary=0` it is `SharedBottom`.

    Stability: experimental.

    Args:
        widths: sizes of the inputs.
        tasks: names of the tasks.
        layers: widths of the network.
        auxiliary: width of the auxiliary network's hidden layer; 0: no such network.
        dropout: in the network.

    Raises:
        ArchitectureError: no scenario in the schema, no layer, or a width that is not positive.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"scenario"})
    when: ClassVar[str] = "a few scenarios share most of what they know"

    def __init__(
        self,
        widths: Widths,
        tasks: Sequence[str],
        *,
        layers: Sequence[int] = (256, 128),
        auxiliary: int = 32,
        dropout: float = 0.2,
    ) -> None:
        super().__init__(widths, tasks)
        assert widths.num_scenarios is not None
        if not layers:
            raise ArchitectureError("`layers` is empty: STAR has weights of scenarios in layers.")
        if auxiliary < 0:
            raise ArchitectureError(f"`auxiliary` must not be negative, got {auxiliary}.")
        self.layers = tuple(layers)
        self.auxiliary = auxiliary
        self.dropout = dropout
        self.shared = MLP(widths.main, self.layers)
        self.departures, self.biases = nn.ParameterList(), nn.ParameterList()
        for i, o in pairwise((widths.main, *self.layers)):
            self.departures.append(nn.Parameter(torch.zeros(widths.num_scenarios, o, i)))
            self.biases.append(nn.Parameter(torch.zeros(widths.num_scenarios, o)))
        self.drop = Dropout(dropout)
        self.beside = _Auxiliary(self, widths.num_scenarios) if auxiliary else None

    @property
    def out_features(self) -> int:
        """Width of the network's last layer."""
        return self.layers[-1]

    def share(self, encoded: Encoded) -> Shared:
        """What the network of each row's scenario gives."""
        assert encoded.scenario is not None
        scenario = encoded.scenario.long()
        # A program of fixed shapes cannot sort its rows by what they hold.
        fixed = torch.compiler.is_compiling()
        run = self.run_all_on_all if fixed else self.run_each_on_its_own
        output = run(whole(encoded.main), scenario)
        if self.beside is not None:
            output = output + self.beside(whole(encoded.main), scenario)
        return Shared((output,))

    def split(self, shared: Shared) -> dict[str, Tensor]:
        """To every task the same."""
        (output,) = shared.experts
        return dict.fromkeys(self.tasks, output)

    def run_each_on_its_own(self, main: Tensor, scenario: Tensor) -> Tensor:
        """Each scenario's network on the rows of that scenario: the cost of one network."""
        order = scenario.argsort(stable=True)
        counts = torch.bincount(scenario, minlength=self._count).tolist()
        parts = main[order].split(counts)
        outputs = [self._network(s, part) for s, part in enumerate(parts) if len(part)]
        return torch.cat(outputs)[order.argsort()] if outputs else self._network(0, main)

    def run_all_on_all(self, main: Tensor, scenario: Tensor) -> Tensor:
        """Every network on every row, of which the right one is taken: for exported programs."""
        every = torch.stack([self._network(s, main) for s in range(self._count)], dim=1)
        place = scenario.view(-1, 1, 1).expand(-1, 1, self.out_features)
        return every.gather(1, place).squeeze(1)

    @property
    def _count(self) -> int:
        assert self.widths.num_scenarios is not None
        return self.widths.num_scenarios

    def _network(self, scenario: int, inputs: Tensor) -> Tensor:
        hidden = inputs
        layers = zip(self.shared.linears, self.departures, self.biases, strict=True)
        for linear, departures, biases in layers:
            assert isinstance(linear, nn.Linear)
            weight = linear.weight * (1 + departures[scenario])
            product = functional.linear(hidden, weight, linear.bias + biases[scenario])
            hidden = self.drop(product.relu())
        return hidden


SCENARIO_WIDTH = 16


class _Auxiliary(nn.Module):
    """Reads a scenario's vector beside the features."""

    def __init__(self, star: STAR, num_scenarios: int) -> None:
        super().__init__()
        self.scenarios = nn.Embedding(num_scenarios, SCENARIO_WIDTH)
        nn.init.xavier_uniform_(self.scenarios.weight)
        width, main = star.auxiliary, star.widths.main
        whole = nn.init.xavier_uniform_(torch.empty(width, SCENARIO_WIDTH + main))
        of_scenario, of_main = whole.split([SCENARIO_WIDTH, main], dim=1)
        # Apart, so that a model that grows knows what its features are.
        self.of_scenario = nn.Parameter(of_scenario.clone())
        self.of_main = nn.Parameter(of_main.clone())
        self.bias = nn.Parameter(torch.zeros(width))
        self.drop = Dropout(star.dropout)
        self.last = nn.Linear(star.auxiliary, star.out_features)
        nn.init.xavier_uniform_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, main: Tensor, scenario: Tensor) -> Tensor:
        """`[B, H]`."""
        hidden = functional.linear(main, self.of_main, self.bias)
        hidden = hidden + functional.linear(self.scenarios(scenario), self.of_scenario)
        output: Tensor = self.last(self.drop(hidden.relu()))
        return output
