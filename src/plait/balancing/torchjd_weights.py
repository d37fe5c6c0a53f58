"""The one place where torchjd is called: weights of its rules for a Gramian of ours.

Only its base package is used. What its extras would bring (quadprog and ecos, both GPL) is solved
by SciPy here. It is imported at the first call, since that takes most of a second.

Its rules take a Gramian with small numbers for one of zeros, and an inverse of one that is not of
full rank is noise; so Gramians are scaled, and cosines lose what the rounding of float32 gradients
has put where there should be no rank.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

if TYPE_CHECKING:
    from torchjd.linalg import DualConeProjector

__all__ = [
    "aligned_mtl_weights",
    "dualproj_weights",
    "imtl_g_weights",
    "pcgrad_weights",
    "upgrad_weights",
]

ROUNDING = 1e-6
RIDGE = 1e-4


def pcgrad_weights(gramian: Tensor, *, seed: int) -> Tensor:
    """Weights of PCGrad; the order in which conflicts are removed follows from the seed."""
    from torchjd.aggregation import PCGradWeighting

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        weights: Tensor = PCGradWeighting()(scaled(gramian))
    return weights


def imtl_g_weights(gramian: Tensor) -> Tensor:
    """Weights of IMTL-G up to a positive factor, found for gradients of length 1."""
    from torchjd.aggregation import IMTLGWeighting

    lengths = gramian.diagonal().sqrt()
    weights: Tensor = IMTLGWeighting()(without_rounding(gramian, lengths)) / lengths
    return weights


def aligned_mtl_weights(gramian: Tensor) -> Tensor:
    """Weights of Aligned-MTL, for equal preferences that sum to 1."""
    from torchjd.aggregation import AlignedMTLWeighting

    lengths = scaled(gramian).diagonal().sqrt()
    cosines = without_rounding(gramian, gramian.diagonal().sqrt())
    weights: Tensor = AlignedMTLWeighting()(cosines * torch.outer(lengths, lengths))
    return weights


def upgrad_weights(gramian: Tensor) -> Tensor:
    """Weights of UPGrad, for equal preferences that sum to 1."""
    from torchjd.aggregation import UPGradWeighting

    weights: Tensor = UPGradWeighting(projector=_projector())(gramian)
    return weights


def dualproj_weights(gramian: Tensor) -> Tensor:
    """Weights of DualProj, for equal preferences that sum to 1."""
    from torchjd.aggregation import DualProjWeighting

    weights: Tensor = DualProjWeighting(projector=_projector())(gramian)
    return weights


def scaled(gramian: Tensor) -> Tensor:
    """The Gramian with a mean of 1 on its diagonal."""
    return gramian / gramian.diagonal().mean()


def without_rounding(gramian: Tensor, lengths: Tensor) -> Tensor:
    """The cosines, without eigenvalues that only rounding can have made."""
    values, vectors = torch.linalg.eigh(gramian / torch.outer(lengths, lengths))
    kept = values > ROUNDING * values[-1]
    rest: Tensor = (vectors[:, kept] * values[kept]) @ vectors[:, kept].T
    return rest


@cache
def _projector() -> DualConeProjector:
    from torchjd.linalg import DualConeProjector

    class NonNegativeLeastSquares(DualConeProjector):
        """Least `vᵀMv` with `v ≥ u`, as `v = u + s` and non-negative least squares for s."""

        def __call__(self, u: Tensor, gramian: Tensor) -> Tensor:
            size = len(gramian)
            ridged = gramian / gramian.trace() + RIDGE * torch.eye(size, dtype=gramian.dtype)
            root = np.linalg.cholesky(ridged.numpy()).T
            rows = [row + nnls(root, -root @ row)[0] for row in u.reshape(-1, size).numpy()]
            return torch.tensor(np.array(rows), dtype=gramian.dtype).reshape(u.shape)

    return NonNegativeLeastSquares()
