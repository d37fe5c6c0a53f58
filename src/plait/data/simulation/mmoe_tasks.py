"""Two tasks whose relatedness is a dial: the generator of the MMoE paper, and a funnel over it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy.optimize import brentq
from scipy.special import expit, ndtr

from plait.errors import ConfigurationError

from .preferences import Floats
from .seeding import check_rows, generator_of

__all__ = ["MMoEFunnel", "MMoESample", "MMoESettings", "MMoETasks"]

LINE = np.linspace(-8.0, 8.0, 16_001)
"""Where functions of one standard normal number are summed up."""
MASS = np.exp(-(LINE**2) / 2) / np.exp(-(LINE**2) / 2).sum()


@dataclass(frozen=True, kw_only=True)
class MMoESettings:
    """Settings of `MMoETasks`. What the paper leaves open is marked.

    Stability: experimental.

    Attributes:
        features: width of the inputs.
        relatedness: cosine of the two tasks' weights.
        scale: length of each task's weights; left open by the paper.
        sines: terms of the common curve; left open by the paper.
        noise: standard deviation of what no input explains. The paper's variance is 0.01.
        rates: positive rate of each task as a binary one.
        click_rate: mean chance of a click at the gate.
        gate_strength: length of the gate's weights; 0: clicks are drawn at random.
        gate_relatedness: cosine of the gate's weights and the first task's.
    """

    features: int = 100
    relatedness: float = 0.5
    scale: float = 1.0
    sines: int = 5
    noise: float = 0.1
    rates: tuple[float, ...] = (0.3, 0.05)
    click_rate: float = 0.1
    gate_strength: float = 1.0
    gate_relatedness: float = 0.5

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise ConfigurationError("MMoESettings: " + "; ".join(problems) + ".")

    def _problems(self) -> Iterator[str]:
        if self.features < 3:
            yield f"`features` must be at least 3, got {self.features}"
        if self.sines < 0:
            yield f"`sines` must not be negative, got {self.sines}"
        for name in ("relatedness", "gate_relatedness"):
            if not -1 <= getattr(self, name) <= 1:
                yield f"`{name}` is a cosine in [-1, 1], got {getattr(self, name)}"
        for name in ("scale", "noise"):
            if not 0 < getattr(self, name) < math.inf:
                yield f"`{name}` must be positive and finite, got {getattr(self, name)}"
        if not 0 <= self.gate_strength < math.inf:
            yield f"`gate_strength` must be finite and at least 0, got {self.gate_strength}"
        if len(self.rates) != 2 or not all(0 < rate < 1 for rate in self.rates):
            yield f"`rates` must be two numbers between 0 and 1, got {self.rates}"
        if not 0 < self.click_rate < 1:
            yield f"`click_rate` must lie between 0 and 1, got {self.click_rate}"


class MMoESample(NamedTuple):
    """Rows for two regression tasks.

    Attributes:
        features: standard normal inputs; `[N, F]`.
        targets: labels of both tasks; `[N, 2]`.
        means: what the labels are without their noise; `[N, 2]`.
    """

    features: Floats
    targets: Floats
    means: Floats


class MMoEFunnel(NamedTuple):
    """Rows for two binary tasks, a click and a conversion after it.

    Attributes:
        frame: inputs `x0`, `x1`, ...; `first`, `second`, `click`, `conversion`.
        truth: the chance of each, row by row, and `p_conversion_if_clicked` on every row.
    """

    frame: pl.DataFrame
    truth: pl.DataFrame


class MMoETasks:
    """Two tasks on common inputs that are as related as wanted.

    `y_k = w_k·x + sum_i sin(α_i w_k·x + β_i) + noise` with `cos(w_1, w_2)` given (Ma et al.,
    `Modeling Task Relationships in Multi-task Learning with Multi-gate Mixture-of-Experts
    <https://doi.org/10.1145/3219819.3220007>`_, 2018, section 3.2). The paper does not give the
    curve; here `α ~ 1.5 N(0, 1)` and `β ~ U(0, 2π)`, drawn with the seed and common to both tasks.

    Stability: experimental.

    Example:
        >>> tasks = MMoETasks(MMoESettings(features=10, relatedness=1.0), seed=0)
        >>> sample = tasks.draw(5, seed=1)
        >>> bool(np.allclose(sample.means[:, 0], sample.means[:, 1]))
        True

    Args:
        settings: None: the defaults.
        seed: of weights and curve.
    """

    def __init__(self, settings: MMoESettings | None = None, *, seed: int = 0) -> None:
        self.settings = settings or MMoESettings()
        generator = generator_of(seed, 0)
        size, cosine = self.settings.features, self.settings.relatedness
        units = np.linalg.qr(generator.normal(size=(size, 3)))[0].T  # [3, F], orthonormal
        second = cosine * units[0] + math.sqrt(1 - cosine**2) * units[1]
        self.weights: Floats = self.settings.scale * np.stack([units[0], second])  # [2, F]
        cosine = self.settings.gate_relatedness
        gate = cosine * units[0] + math.sqrt(1 - cosine**2) * units[2]
        self.gate: Floats = self.settings.gate_strength * gate  # [F]
        self._frequencies = 1.5 * generator.normal(size=self.settings.sines)
        self._phases = generator.uniform(0, 2 * math.pi, size=self.settings.sines)

    def draw(self, rows: int, *, seed: int = 0) -> MMoESample:
        """Fresh rows for the two regression tasks.

        Raises:
            ConfigurationError: no row is asked for, or a negative seed is given.
        """
        return self._draw(check_rows(rows), generator_of(seed, 1))

    def draw_funnel(self, rows: int, *, seed: int = 0) -> MMoEFunnel:
        """Fresh rows for the two tasks as binary ones, and a conversion that a click must precede.

        A task's label is 1 where its target exceeds the threshold of its rate. A click comes with
        the chance `σ(a·x + b)`; the conversion is a click whose first label is 1. Given the
        inputs, click and label are independent: what a click selects is explained by the inputs.

        Raises:
            ConfigurationError: no row is asked for, or a negative seed is given.
        """
        generator = generator_of(seed, 1)
        sample = self._draw(check_rows(rows), generator)
        thresholds = np.array([self.threshold(rate) for rate in self.settings.rates])
        labels = sample.targets > thresholds
        certain = ndtr((sample.means - thresholds) / self.settings.noise)  # [N, 2]
        p_click = expit(sample.features @ self.gate + self._gate_bias())
        click = generator.random(rows) < p_click
        columns = {f"x{place}": values for place, values in enumerate(sample.features.T)}
        outcomes = {
            "first": labels[:, 0],
            "second": labels[:, 1],
            "click": click,
            "conversion": click & labels[:, 0],
        }
        truth = {
            "p_first": certain[:, 0],
            "p_second": certain[:, 1],
            "p_click": p_click,
            "p_conversion_if_clicked": certain[:, 0],
            "p_conversion": p_click * certain[:, 0],
        }
        whole = {name: values.astype(np.int8) for name, values in outcomes.items()}
        return MMoEFunnel(pl.DataFrame(columns | whole), pl.DataFrame(truth))

    def threshold(self, rate: float) -> float:
        """What a target exceeds with this chance, over all inputs; the same for both tasks."""
        curve = self._curve(self.settings.scale * LINE)
        reach = 10 * self.settings.noise

        def excess(value: float) -> float:
            return float(MASS @ ndtr((curve - value) / self.settings.noise)) - rate

        return float(brentq(excess, curve.min() - reach, curve.max() + reach, xtol=1e-12))

    def _draw(self, rows: int, generator: np.random.Generator) -> MMoESample:
        features = generator.normal(size=(rows, self.settings.features))
        means = self._curve(features @ self.weights.T)  # [N, 2]
        noise = self.settings.noise * generator.normal(size=means.shape)
        return MMoESample(features, means + noise, means)

    def _curve(self, sums: Floats) -> Floats:
        angles = sums[..., None] * self._frequencies + self._phases
        found: Floats = sums + np.sin(angles).sum(axis=-1)
        return found

    def _gate_bias(self) -> float:
        """The bias at which the mean chance of a click is the `click_rate`."""
        reach = 40 + 8 * self.settings.gate_strength

        def excess(bias: float) -> float:
            mean = MASS @ expit(self.settings.gate_strength * LINE + bias)
            return float(mean) - self.settings.click_rate

        return float(brentq(excess, -reach, reach, xtol=1e-12))
