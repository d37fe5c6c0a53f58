"""The balancer suite on plait's own balancers."""

from __future__ import annotations

import pytest

from plait.balancing import (
    BALANCERS,
    DWA,
    FAMO,
    GLS,
    IMTLG,
    IMTLL,
    MGDA,
    PCD,
    RLW,
    STCH,
    UW,
    AlignedMTL,
    Balancer,
    BaseRate,
    CAGrad,
    DualProj,
    Equal,
    FairGrad,
    Fixed,
    GradientBalancer,
    GradNorm,
    MetaBalance,
    PCGrad,
    Rays,
    UPGrad,
    Weighted,
)
from plait.testing import BalancerContract, GradientBalancerContract


class TestEqual(BalancerContract):
    def make(self) -> Balancer:
        return Equal()


class TestFixed(BalancerContract):
    def make(self) -> Balancer:
        return Fixed(weights={"click": 1.0, "like": 0.25})


class TestFixedWithAZero(BalancerContract):
    def make(self) -> Balancer:
        return Fixed(weights={"click": 0.0, "like": 2.0})


class TestBaseRate(BalancerContract):
    def make(self) -> Balancer:
        return BaseRate()


class TestUW(BalancerContract):
    def make(self) -> Balancer:
        return UW()


class TestIMTLL(BalancerContract):
    def make(self) -> Balancer:
        return IMTLL()


class TestDWA(BalancerContract):
    def make(self) -> Balancer:
        return DWA(window=1)


class TestRLW(BalancerContract):
    def make(self) -> Balancer:
        return RLW(seed=3)


class TestSTCHInItsWarmUp(BalancerContract):
    def make(self) -> Balancer:
        return STCH(warmup=99)


class TestSTCH(BalancerContract):
    def make(self) -> Balancer:
        return STCH(warmup=1)


class TestGLS(BalancerContract):
    def make(self) -> Balancer:
        return GLS()


class TestFAMO(BalancerContract):
    def make(self) -> Balancer:
        return FAMO()


class TestGradNorm(GradientBalancerContract):
    def make(self) -> GradientBalancer:
        return GradNorm(surface="parameters")


class TestMGDA(GradientBalancerContract):
    def make(self) -> GradientBalancer:
        return MGDA(surface="parameters")


class TestPCGrad(GradientBalancerContract):
    def make(self) -> GradientBalancer:
        return PCGrad(surface="parameters")


class TestCAGrad(GradientBalancerContract):
    def make(self) -> GradientBalancer:
        return CAGrad(surface="parameters")


class TestIMTLG(GradientBalancerContract):
    def make(self) -> GradientBalancer:
        return IMTLG(surface="parameters")


class TestFairGrad(GradientBalancerContract):
    def make(self) -> GradientBalancer:
        return FairGrad(surface="parameters")


class TestAlignedMTL(GradientBalancerContract):
    def make(self) -> GradientBalancer:
        return AlignedMTL(surface="parameters")


class TestUPGrad(GradientBalancerContract):
    def make(self) -> GradientBalancer:
        return UPGrad(surface="parameters")


class TestDualProj(GradientBalancerContract):
    def make(self) -> GradientBalancer:
        return DualProj(surface="parameters")


class TestWeighted(BalancerContract):
    def make(self) -> Balancer:
        return Weighted(weights={"click": 3.0, "like": 0.5}, rule=UW())


class TestRays(BalancerContract):
    def make(self) -> Balancer:
        return Rays(rule=BaseRate())


class TestMetaBalance(GradientBalancerContract):
    def make(self) -> GradientBalancer:
        return MetaBalance(target="click", surface="parameters")


class TestPCD(GradientBalancerContract):
    def make(self) -> GradientBalancer:
        return PCD(target="click", surface="parameters")


RULES = [
    *(Equal(), BaseRate(), RLW(), UW(), IMTLL(), GLS(), DWA(), STCH(), FAMO()),
    *(GradNorm(), MGDA(), PCGrad(), CAGrad(), IMTLG(), FairGrad(), AlignedMTL(), UPGrad()),
    *(Fixed(weights={"click": 1.0}), MetaBalance(target="click"), PCD(target="click")),
    *(DualProj(), Weighted(weights={"click": 1.0}), Rays(), Rays(rule=FAMO()), Rays(rule=MGDA())),
]


def test_every_balancer_is_here() -> None:
    assert {type(rule) for rule in RULES} == set(BALANCERS)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_what_a_rule_declares_fits_together(rule: Balancer) -> None:
    assert rule.when
    assert rule.needs_gradients == (rule.surface is not None) == bool(rule.surfaces)
    wanted = "gradient a task" if rule.needs_gradients else "plain"
    assert rule.cost == ("second look" if rule.needs_second_look else wanted)
    assert rule.paper or type(rule) in (Equal, Fixed, BaseRate, Weighted)
