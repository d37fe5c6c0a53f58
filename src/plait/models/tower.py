"""A task's own layers, between its representation and its head."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from plait.architectures.gating import LayerGates
from plait.modules import MLP
from plait.modules.terms import TaskWeights

from .factors import FactorTerm
from .late import LateTerm


class Tower(nn.Module):
    """A task's own layers: hidden ones, then a linear one to the head's parameters.

    Args:
        in_features: width of the representation that the hidden layers read.
        widths: of the hidden layers.
        out_features: parameters of the head.
        dropout: in the hidden layers.
        factors: reads what follows the representation, past the hidden layers.
        late: reads what follows that.
        terms: each read what follows, in order.
        gates: scale the hidden layers; they read what follows that, one after another.
    """

    def __init__(
        self,
        in_features: int,
        widths: Sequence[int],
        out_features: int,
        *,
        dropout: float,
        factors: FactorTerm | None = None,
        late: LateTerm | None = None,
        terms: nn.ModuleDict | None = None,
        gates: Sequence[LayerGates] = (),
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.hidden = MLP(in_features, tuple(widths), dropout=dropout) if widths else nn.Identity()
        self.last = nn.Linear(widths[-1] if widths else in_features, out_features)
        nn.init.xavier_uniform_(self.last.weight)
        self.factors = factors
        self.late = late
        self.terms = nn.ModuleDict() if terms is None else terms
        self.gates = nn.ModuleList(gates)

    def forward(self, representation: Tensor) -> Tensor:
        """The head's parameters `[B, out]`."""
        deep = representation[:, : self.in_features]
        terms = [
            term
            for term in (self.factors, self.late, *self.terms.values())
            if isinstance(term, FactorTerm | LateTerm | TaskWeights)
        ]
        places = self._places([*terms, *self.layer_gates()])
        parameters: Tensor = self.last(self._hidden(deep, representation, places[len(terms) :]))
        for term, place in zip(terms, places, strict=False):
            parameters = parameters + term(representation[:, place])
        return parameters

    def layer_gates(self) -> list[LayerGates]:
        """What scales the hidden layers."""
        return [gates for gates in self.gates if isinstance(gates, LayerGates)]

    def _hidden(self, deep: Tensor, representation: Tensor, places: Sequence[slice]) -> Tensor:
        gates = zip(self.layer_gates(), places, strict=True)
        factors = [gate(representation[:, place]) for gate, place in gates]
        hidden: Tensor = self.hidden(deep, factors) if factors else self.hidden(deep)
        return hidden

    def _places(
        self, parts: Sequence[FactorTerm | LateTerm | TaskWeights | LayerGates]
    ) -> list[slice]:
        """Where in the representation each part's input stands."""
        found, at = [], self.in_features
        for part in parts:
            found.append(slice(at, at + part.in_features))
            at += part.in_features
        return found
