"""Gates over any sharing structure: the input scaled for the scenario, towers for the person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from plait.errors import ArchitectureError
from plait.modules import GateUnit, whole

from .base import Encoded, Need, Widths, check_needs
from .pepnet import SCENARIO_WIDTH

__all__ = ["Gate", "LayerGates", "PersonalGates", "ScenarioGate"]


class Gate(nn.Module):
    """Something that makes parts of a model stronger or weaker, row by row, and shares nothing.

    Stability: experimental.

    A gate may scale what the sharing structure reads (`scale`), what the layers of towers give
    (`layer_gates`), or both. With all its factors at 1 the model is the one without it. A model
    works on copies of its gates, so one gate may be given to several models.

    Attributes:
        needs: what it asks of `encode` besides the main input.
        when: when to try it, in a few words.
    """

    needs: ClassVar[frozenset[Need]] = frozenset()
    when: ClassVar[str] = ""

    def build(self, widths: Widths) -> Widths:
        """Make the gate's own layers; the widths that the sharing structure then meets.

        Raises:
            ArchitectureError: it needs what the schema cannot give.
        """
        check_needs(type(self).__name__, self.needs, widths)
        return widths

    def scale(self, encoded: Encoded) -> Encoded:
        """What the sharing structure reads, made stronger or weaker."""
        return encoded

    def layer_gates(self, widths: Widths, layers: Sequence[int]) -> LayerGates | None:
        """What scales the hidden layers of a task's tower; None: nothing does."""
        return None


class ScenarioGate(Gate):
    """Scale every input for the scenario of the row, under any sharing structure.

    The EPNet half of PEPNet (Chang et al., `PEPNet: Parameter and Embedding Personalized Network
    <https://doi.org/10.1145/3580305.3599884>`_, 2023): `O = 2 sigmoid(W' relu(W [s, sg E])) * E`,
    where E is what the sharing structure would read, s the scenario's vector, 16 wide, and `sg`
    stops the gradient. A scenario that was never seen has the trained vector of *unknown*. Where
    tasks have tables of their own (`STEM`), the same gate scales each of their inputs.

    Stability: experimental.

    Args:
        width: of the gate's hidden layer.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"scenario"})
    when: ClassVar[str] = "the same input means different things in different scenarios"

    def __init__(self, *, width: int = 64) -> None:
        super().__init__()
        self.width = width

    def build(self, widths: Widths) -> Widths:
        """The scenarios' vectors and the gate; known numbers have a gradient from now on."""
        super().build(widths)
        assert widths.num_scenarios is not None
        self.scenarios = nn.Embedding(widths.num_scenarios, SCENARIO_WIDTH)
        nn.init.xavier_uniform_(self.scenarios.weight)
        self.gate = GateUnit((SCENARIO_WIDTH, widths.main), widths.main, hidden=self.width)
        return replace(widths, learnt=None)

    def scale(self, encoded: Encoded) -> Encoded:
        """The main input and own ones, each by its factors."""
        assert encoded.scenario is not None
        scenario = self.scenarios(encoded.scenario)

        def scaled(read: Tensor) -> Tensor:
            factors: Tensor = self.gate(scenario, read.detach())
            return read * factors

        own = {task: scaled(read) for task, read in encoded.own.items()}
        return encoded._replace(main=scaled(whole(encoded.main)), own=own)


class PersonalGates(Gate):
    """Bend each task's tower for who is asked and what is shown, over any sharing structure.

    The PPNet half of PEPNet (Chang et al., `PEPNet: Parameter and Embedding Personalized Network
    <https://doi.org/10.1145/3580305.3599884>`_, 2023). After hidden layer l of task k's tower a
    gate scales its outputs: `H_kl <- 2 sigmoid(W' relu(W [prior, sg O])) * H_kl`, where the prior
    is the vectors of user and item, O what the sharing structure reads, and `sg` stops the
    gradient. `PPNet` is the same over networks of their own instead of towers.

    Stability: experimental.

    Args:
        width: of the gates' hidden layers.
    """

    needs: ClassVar[frozenset[Need]] = frozenset({"context"})
    when: ClassVar[str] = "tasks mean different things to different people, whatever they share"

    def __init__(self, *, width: int = 64) -> None:
        super().__init__()
        self.width = width

    def layer_gates(self, widths: Widths, layers: Sequence[int]) -> LayerGates | None:
        """One gate a hidden layer.

        Raises:
            ArchitectureError: the tower has no hidden layer.
        """
        assert widths.context is not None
        if not layers:
            raise ArchitectureError(
                "PersonalGates scale hidden layers of towers, and a task's tower has none. Give it "
                "a layer (`tower`), or leave the gates out."
            )
        return LayerGates((widths.context, widths.main), layers, hidden=self.width)


class LayerGates(nn.Module):
    """A gate for each hidden layer of one tower.

    Args:
        reads: widths of the prior and of the known input.
        layers: widths of the layers.
        hidden: width of the gates' hidden layers.
    """

    def __init__(self, reads: tuple[int, int], layers: Sequence[int], *, hidden: int) -> None:
        super().__init__()
        self.reads = reads
        self.units = nn.ModuleList(GateUnit(reads, width, hidden=hidden) for width in layers)

    @property
    def in_features(self) -> int:
        """Width of what `forward` reads."""
        return sum(self.reads)

    def inputs(self, encoded: Encoded) -> Tensor:
        """What `forward` reads `[B, C + D]`: the prior, and the input without its gradient."""
        assert encoded.context is not None
        return torch.cat([encoded.context, whole(encoded.main).detach()], dim=1)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Factors `[B, width]` for each layer."""
        prior, known = inputs.split(self.reads, dim=1)
        return tuple(unit(prior, known.detach()) for unit in self.units)
