"""A task's own layers, between its representation and its head."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

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
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.hidden = MLP(in_features, tuple(widths), dropout=dropout) if widths else nn.Identity()
        self.last = nn.Linear(widths[-1] if widths else in_features, out_features)
        nn.init.xavier_uniform_(self.last.weight)
        self.factors = factors
        self.late = late
        self.terms = nn.ModuleDict() if terms is None else terms

    def forward(self, representation: Tensor) -> Tensor:
        """The head's parameters `[B, out]`."""
        deep = representation[:, : self.in_features]
        parameters: Tensor = self.last(self.hidden(deep))
        at = self.in_features
        for term in (self.factors, self.late, *self.terms.values()):
            if isinstance(term, FactorTerm | LateTerm | TaskWeights):
                read = representation[:, at : at + term.in_features]
                parameters, at = parameters + term(read), at + term.in_features
        return parameters
