"""The balancer suite on plait's own balancers."""

from __future__ import annotations

from plait.balancing import Balancer, BaseRate, Equal, Fixed
from plait.testing import BalancerContract


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
