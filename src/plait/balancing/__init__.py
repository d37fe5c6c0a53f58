"""From several losses to gradients: weights by losses or by gradients, behind one contract."""

from __future__ import annotations

from .aligned_mtl import AlignedMTL
from .auxiliary import PCD, MetaBalance
from .base import Balancer, Cost, LossBalancer, Part, StaticBalancer, TaskFacts, Weights
from .cagrad import CAGrad
from .cut import Cut, Gradients, Surface
from .dualproj import DualProj
from .dwa import DWA
from .fairgrad import FairGrad
from .famo import FAMO
from .gls import GLS
from .gradient import GradientBalancer
from .gradnorm import GradNorm
from .imtl_g import IMTLG
from .look import Look
from .mgda import MGDA
from .pcgrad import PCGrad
from .preferring import Preferring, Rays, Weighted
from .rlw import RLW
from .static import BaseRate, Equal, Fixed
from .stch import STCH
from .uncertainty import IMTLL, UW
from .upgrad import UPGrad

BALANCERS: tuple[type[Balancer], ...] = (
    Equal,
    Fixed,
    BaseRate,
    RLW,
    UW,
    IMTLL,
    GLS,
    DWA,
    STCH,
    FAMO,
    GradNorm,
    MGDA,
    PCGrad,
    CAGrad,
    IMTLG,
    FairGrad,
    AlignedMTL,
    UPGrad,
    DualProj,
    MetaBalance,
    PCD,
    Weighted,
    Rays,
)
"""The balancers, in the order in which they are documented."""

__all__ = [
    "BALANCERS",
    "DWA",
    "FAMO",
    "GLS",
    "IMTLG",
    "IMTLL",
    "MGDA",
    "PCD",
    "RLW",
    "STCH",
    "UW",
    "AlignedMTL",
    "Balancer",
    "BaseRate",
    "CAGrad",
    "Cost",
    "Cut",
    "DualProj",
    "Equal",
    "FairGrad",
    "Fixed",
    "GradNorm",
    "GradientBalancer",
    "Gradients",
    "Look",
    "LossBalancer",
    "MetaBalance",
    "PCGrad",
    "Part",
    "Preferring",
    "Rays",
    "StaticBalancer",
    "Surface",
    "TaskFacts",
    "UPGrad",
    "Weighted",
    "Weights",
]
