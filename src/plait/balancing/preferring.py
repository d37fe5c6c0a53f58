"""A preference between the tasks on top of any rule: fixed, or drawn anew each step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from plait.errors import ConfigurationError

from .base import Balancer, Part, TaskFacts, Weights
from .checks import check_match, check_positive, check_weights
from .look import Look
from .static import Equal

__all__ = ["Preferring", "Rays", "Weighted"]


class Preferring(Balancer):
    """What rules with a preference have in common: another rule, which does the work.

    Each weight of that rule is multiplied by how often the task is to be heard. A rule that has a
    place for a preference of its own (`hears_scale`, and `STCH`) takes it there.

    Args:
        rule: the other rule. None: `Equal`.

    Raises:
        ConfigurationError: the other rule is one of these itself.
    """

    def __init__(self, *, rule: Balancer | None = None) -> None:
        if isinstance(rule, Preferring):
            raise ConfigurationError(
                f"{type(self).__name__}: `rule` is {type(rule).__name__}, which has a preference "
                "already. Give it a rule that has none, such as `BaseRate`."
            )
        self.rule = rule or Equal()
        self.surface, self.surfaces = self.rule.surface, self.rule.surfaces
        self.cost = self.rule.cost
        self.needs_gradients = self.rule.needs_gradients
        self.needs_second_look = self.rule.needs_second_look
        self.needs_two_tasks = self.rule.needs_two_tasks

    def prepare(self, facts: Mapping[str, TaskFacts]) -> None:
        """Hand the facts on."""
        self.rule.prepare(facts)

    def look(self, look: Look, part: Part, *, is_only: bool = False) -> None:
        """Read what the other rule reads."""
        self.rule.look(look, part, is_only=is_only)

    def decide(self, look: Look) -> Weights:
        """The weights of the other rule, with the preference in them."""
        weights = self.rule.decide(look)
        self.gradients = self.rule.gradients
        return weights

    def apply(self, part: Part, weights: Weights, look: Look) -> None:
        """The backward pass of the other rule."""
        self.rule.apply(part, weights, look)

    def backward_in_parts(self, parts: Sequence[Callable[[], Part]]) -> dict[str, float]:
        """The backward passes of the other rule, with the preference in its weights."""
        weights = self.rule.backward_in_parts(parts)
        self.gradients = self.rule.gradients
        return weights

    def after_step(self, losses: Mapping[str, float]) -> None:
        """Hand the losses on."""
        self.rule.after_step(losses)

    def state_dict(self) -> dict[str, Any]:
        """The state of the other rule."""
        return self.rule.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take it back."""
        self.rule.load_state_dict(state)


class Weighted(Preferring):
    """Hear each task so many times more than another rule would.

    The weight of a task is that of the rule times yours. `PCGrad`, `CAGrad`, `UPGrad` and
    `DualProj` see gradients that are so many times longer, and what they promise holds for these;
    of other rules that read gradients, a promise that no task gets worse holds no more.

    Stability: experimental.

    Example:
        >>> import torch
        >>> from plait.balancing import GLS
        >>> rule = Weighted(weights={"click": 2.0, "like": 1.0}, rule=GLS())
        >>> rule.prepare({"click": TaskFacts(1.0, 0.2), "like": TaskFacts(1.0, 0.1)})
        >>> losses = {name: torch.ones((), requires_grad=True) for name in ("click", "like")}
        >>> rule.backward(losses, None)
        {'click': 2.0, 'like': 1.0}

    Args:
        weights: by task.
        rule: the other rule. None: `Equal`.

    Raises:
        TaskError: a weight that is negative, or none that is positive.
        ConfigurationError: the other rule has a preference already.
    """

    when = "a rule balances well, and one task is worth more to you all the same"

    def __init__(self, *, weights: Mapping[str, float], rule: Balancer | None = None) -> None:
        check_weights("weights", weights)
        super().__init__(rule=rule)
        self.weights = dict(weights)
        self.rule.preference = self.weights

    def prepare(self, facts: Mapping[str, TaskFacts]) -> None:
        """See that tasks and weights match.

        Raises:
            UnknownNameError: a task without a weight, or a weight without a task.
        """
        check_match(self.weights, facts)
        super().prepare(facts)


class Rays(Preferring):
    """Train one model for every preference between the tasks: draw one a step, and weigh by it.

    A ray r is drawn from Dirichlet(α, …, α) for each batch; the weight of a task is `K r_k`, times
    that of the other rule, and the network reads r in gates (`PreferenceGates`). At serving time
    the model is asked with the preference of the day, and gives the trade-off that belongs to it
    (Navon et al., `Learning the Pareto Front with Hypernetworks
    <https://arxiv.org/abs/2010.04104>`_, 2021; Ruchte and Grabocka, `Scalable Pareto Front
    Approximation for Deep Multi-Objective Learning <https://arxiv.org/abs/2103.13392>`_, 2021).
    Those condition all weights of the network, or its input; here it is gates as in `PPNet`, which
    cost next to nothing and fit every structure.

    A weighted sum finds only the points of a front that is convex. `rule=STCH()` finds the others,
    too, for losses that can come near 0: then the largest of `r_k L_k` over the first losses leads.

    Stability: experimental.

    Example:
        >>> rule = Rays()
        >>> rule.prepare({"click": TaskFacts(1.0, 0.2), "like": TaskFacts(1.0, 0.1)})
        >>> {task: round(share, 2) for task, share in rule.draw().items()}
        {'click': 0.4, 'like': 0.6}

    Args:
        rule: the other rule. None: `Equal`.
        concentration: α. 1: every ray is as likely; below 1: rather the ends; above: rather the
            middle.
        seed: of the draws.

    Raises:
        ConfigurationError: α is not positive, or the other rule has a preference already.
    """

    draws_preferences = True
    paper = "Navon et al. 2021 (PHN); Ruchte and Grabocka 2021 (COSMOS)"
    when = "what a task is worth changes, or is settled later: one model, any preference"

    def __init__(
        self, *, rule: Balancer | None = None, concentration: float = 1.0, seed: int = 0
    ) -> None:
        check_positive(self, concentration=concentration)
        super().__init__(rule=rule)
        self.concentration = concentration
        self.seed = seed
        self._tasks: tuple[str, ...] = ()
        self._steps = 0

    def prepare(self, facts: Mapping[str, TaskFacts]) -> None:
        """Begin with the first draw."""
        self._tasks, self._steps = tuple(facts), 0
        super().prepare(facts)

    def draw(self) -> dict[str, float]:
        """This step's ray, which sums to 1; the draws come from the seed and the step's number."""
        generator = np.random.default_rng([self.seed, self._steps])
        self._steps += 1
        shares = generator.dirichlet([self.concentration] * len(self._tasks)).tolist()
        ray = dict(zip(self._tasks, shares, strict=True))
        self.rule.preference = {task: len(ray) * share for task, share in ray.items()}
        return ray

    def state_dict(self) -> dict[str, Any]:
        """The number of draws, and the state of the other rule."""
        return {"steps": self._steps, "rule": self.rule.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take them back."""
        self._steps = state["steps"]
        self.rule.load_state_dict(state["rule"])
