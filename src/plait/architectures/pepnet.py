"""Networks whose layers are made stronger or weaker for each person and each scenario."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from plait.modules import MLP, GateUnit, whole

from .base import Architecture, Encoded, Need, Shared, Widths

__all__ = ["PEPNet", "PPNet"]


class PPNet(Architecture):
    """Give each task a network that who is asked and what is shown can bend.

    The parameter-personalised half of PEPNet (Chang et al., `PEPNet: Parameter and Embedding
    Personalized Network <https://doi.org/10.1145/3580305.3599884>`_, 2023). Task k has a network of
    its own over the input O. After each hidden layer l a gate scales its outputs, one by one,

        H_kl <- 2 sigmoid(W' relu(W [prior, sg O])) * H_kl,

    where the prior is the vectors of user and item, and `sg` stops the gradient: the gates learn
    the prior's vectors, and do not pull at the input. With all gates at 1 it is `SingleTask`.

    The schema must name a user or an item among the features that all tasks may read. Where there
    is a scenario, too, take `PEPNet`.

    Stability: experimental.

    Args:
        widths: sizes of the inputs.
        tasks: names of the tasks.
        layers: widths of each task's network.
        gate_width: width of the gates' hidden layers.
        dropout: in the networks.

    Raises:
        ArchitectureError: a need that the schema cannot meet, or a width that is not positive.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"context"})
    when: ClassVar[str] = "the same input means different things for different people"

    def __init__(
        self,
        widths: Widths,
        tasks: Sequence[str],
        *,
        layers: Sequence[int] = (128, 64),
        gate_width: int = 64,
        dropout: float = 0.2,
    ) -> None:
        super().__init__(widths, tasks)
        assert widths.context is not None
        self.layers = tuple(layers)
        self.gate_width = gate_width
        self.dropout = dropout
        read = (widths.context, widths.main)
        self.networks = nn.ModuleList(
            _Gated(widths.main, self.layers, read, hidden=gate_width, dropout=dropout)
            for _ in self.tasks
        )

    @property
    def out_features(self) -> int:
        """Width of the networks' last layer."""
        return self.layers[-1] if self.layers else self.widths.main

    def share(self, encoded: Encoded) -> Shared:
        """The input, and the prior that the gates read."""
        assert encoded.context is not None
        return Shared((whole(encoded.main),), (encoded.context,))

    def split(self, shared: Shared) -> dict[str, Tensor]:
        """To each task what its gated network gives."""
        (read,), (prior,) = shared.experts, shared.gate_inputs
        return {
            task: network(read, prior)
            for task, network in zip(self.tasks, self.networks, strict=True)
        }


class PEPNet(PPNet):
    """Bend the input for each scenario, and each task's network for each person.

    `PPNet` over an input that a gate has scaled for the scenario, entry by entry:

        O = 2 sigmoid(W' relu(W [E_scenario, sg E])) * E,

    the paper's EPNet. `E` is all features side by side, and a scenario's vector is 16 wide. A
    scenario that was never seen has the trained vector of *unknown*. The schema must name a
    scenario, and its column must be a categorical feature.

    Stability: experimental.

    Args:
        widths: sizes of the inputs.
        tasks: names of the tasks.
        layers: widths of each task's network.
        gate_width: width of the gates' hidden layers.
        dropout: in the networks.

    Raises:
        ArchitectureError: a need that the schema cannot meet, or a width that is not positive.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"context", "scenario"})
    when: ClassVar[str] = "the same input means different things for people and for scenarios"

    def __init__(
        self,
        widths: Widths,
        tasks: Sequence[str],
        *,
        layers: Sequence[int] = (128, 64),
        gate_width: int = 64,
        dropout: float = 0.2,
    ) -> None:
        super().__init__(widths, tasks, layers=layers, gate_width=gate_width, dropout=dropout)
        assert widths.num_scenarios is not None
        self.scenarios = nn.Embedding(widths.num_scenarios, SCENARIO_WIDTH)
        nn.init.xavier_uniform_(self.scenarios.weight)
        self.gate = GateUnit((SCENARIO_WIDTH, widths.main), widths.main, hidden=gate_width)

    def share(self, encoded: Encoded) -> Shared:
        """The input as the scenario scales it, and the prior that the gates read."""
        assert encoded.context is not None
        assert encoded.scenario is not None
        factors = self.gate(self.scenarios(encoded.scenario), whole(encoded.main).detach())
        return Shared((whole(encoded.main) * factors,), (encoded.context,))


SCENARIO_WIDTH = 16


class _Gated(nn.Module):
    """Layers, each followed by a gate that scales what it gives."""

    def __init__(
        self,
        in_features: int,
        layers: Sequence[int],
        gates_read: tuple[int, int],
        *,
        hidden: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            MLP(i, (o,), dropout=dropout) for i, o in pairwise((in_features, *layers))
        )
        self.gates = nn.ModuleList(GateUnit(gates_read, o, hidden=hidden) for o in layers)

    def forward(self, inputs: Tensor, prior: Tensor) -> Tensor:
        """`[B, H]`."""
        hidden, known = inputs, inputs.detach()
        for layer, gate in zip(self.layers, self.gates, strict=True):
            hidden = layer(hidden) * gate(prior, known)
        return hidden
