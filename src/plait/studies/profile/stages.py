"""The stages of a training step under a clock, without a line of it in model or trainer.

A balancer is given to the trainer anyway, and may be wrapped. The stages of a model are methods:
those of the one model that is profiled are covered for as long as it takes, and so are the parts of
the optimizers' step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from functools import partial

from torch import Tensor

from plait.balancing import Balancer, Cut, Look, Part, TaskFacts, Weights
from plait.data.batch import Batch
from plait.models import Fields, MultiTaskModel
from plait.training import stepping
from plait.training.averaging import WeightAverage
from plait.training.optimizers import AdamW
from plait.training.row_optimizers import RowOptimizer
from plait.training.stepping import Stepper

from .clock import Clock

__all__ = ["STAGES", "TimedBalancer", "timed_optimizers", "timed_stages"]

_OF_THE_MODEL: Mapping[str, str] = {
    "lookup": "lookup",
    "encode": "encode",
    "share": "share",
    "split": "split",
    "decode": "decode",
    "decode_observed": "decode",
}
_OF_THE_STEP: tuple[tuple[object, Mapping[str, str]], ...] = (
    (Stepper, {"zero_grad": "other"}),
    (AdamW, {"step": "dense"}),
    (RowOptimizer, {"step": "tables"}),
    (stepping, {"merge_gradients": "tables"}),
    (WeightAverage, {"before_step": "average", "after_step": "average"}),
)

STAGES: dict[str, str] = {
    "batch": "waiting for the next batch",
    "lookup": "lookup: vectors from the tables",
    "encode": "encode: features side by side",
    "share": "share: what tasks have in common",
    "split": "split: each task's part of it",
    "decode": "decode: towers and links",
    "loss": "losses, their values",
    "backward": "backward pass",
    "dense": "optimizer: dense layers",
    "tables": "optimizer: rows of tables",
    "average": "optimizer: averaged weights",
    "step": "optimizer: rates, clipping",
}
"""The named parts of a step, in order, each in a few words."""


class TimedBalancer(Balancer):
    """A balancer whose time is charged to `backward`; what follows it, to `step`.

    Args:
        balancer: what is timed.
        clock: what is charged.
    """

    def __init__(self, balancer: Balancer, clock: Clock) -> None:
        self._balancer = balancer
        self._clock = clock
        self.surface = balancer.surface
        self.needs_gradients = balancer.needs_gradients
        self.needs_second_look = balancer.needs_second_look
        self.draws_preferences = balancer.draws_preferences

    def __deepcopy__(self, memo: dict[int, object]) -> TimedBalancer:
        """A copy of the balancer under the same clock, for ways to learn that train several."""
        return TimedBalancer(deepcopy(self._balancer, memo), self._clock)

    def prepare(self, facts: Mapping[str, TaskFacts]) -> None:
        """Hand the facts on."""
        self._balancer.prepare(facts)

    def draw(self) -> dict[str, float] | None:
        """The preference that the balancer draws."""
        return self._balancer.draw()

    def backward(
        self, losses: Mapping[str, Tensor], penalty: Tensor | None, cut: Cut | None = None
    ) -> dict[str, float]:
        """The backward pass of the balancer."""
        self._clock.switch("backward")
        weights = self._balancer.backward(losses, penalty, cut)
        self.gradients = self._balancer.gradients
        self._clock.switch("step")
        return weights

    def backward_in_parts(self, parts: Sequence[Callable[[], Part]]) -> dict[str, float]:
        """The backward passes of the balancer, and what each part computes for them."""

        def timed(give: Callable[[], Part]) -> Part:
            self._clock.switch("loss")
            given = give()
            self._clock.switch("backward")
            return given

        weights = self._balancer.backward_in_parts([partial(timed, give) for give in parts])
        self.gradients = self._balancer.gradients
        self._clock.switch("step")
        return weights

    def decide(self, look: Look) -> Weights:
        """The weights of the balancer."""
        return self._balancer.decide(look)

    def after_step(self, losses: Mapping[str, float]) -> None:
        """Hand the losses on."""
        self._balancer.after_step(losses)


@contextmanager
def timed_stages(model: MultiTaskModel, clock: Clock) -> Iterator[None]:
    """Charge the five stages of this model, and of no other, for as long as the block runs.

    With its first stage a step has its batch: from there on, until the backward pass, what is in
    no stage is charged to `loss`.
    """
    with clock.watching(model, _OF_THE_MODEL):
        look_up = model.lookup

        def begin(batch: Batch, *, for_layers: bool = False) -> Fields:
            if clock.running == "batch":
                clock.switch("loss")
            return look_up(batch, for_layers=for_layers)

        vars(model)["lookup"] = begin
        yield


@contextmanager
def timed_optimizers(clock: Clock) -> Iterator[None]:
    """Charge the parts of every optimizers' step for as long as the block runs."""
    with ExitStack() as stack:
        for owner, functions in _OF_THE_STEP:
            stack.enter_context(clock.watching(owner, functions))
        yield
