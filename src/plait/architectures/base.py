"""The contracts of a sharing structure and of a link, and the tensors that pass between stages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from torch import Tensor, nn

from plait.data.schema import Schema
from plait.errors import ArchitectureError
from plait.modules import PartlyLearnt, partly_learnt
from plait.tasks import Task

Need = Literal["tokens", "context", "scenario", "own"]
"""What an architecture may ask of `encode` besides the main input."""


class Encoded(NamedTuple):
    """What `encode` gives to `share`.

    Attributes:
        main: `[B, D]`, all shared features side by side, after the interaction. In parts where the
            structure says that it `reads_parts`; `plait.modules.whole` makes one tensor of them.
        per_task: `[B, D_k]` by task: features that only some tasks may read, then what the product
            of user and item gives to the task. They go past the shared network, straight to the
            tower.
        tokens: `[B, F, d]`, one vector a field, where the architecture needs them.
        context: `[B, C]`, what personal gates read, where needed.
        scenario: int `[B]`, ids below `Widths.num_scenarios`, where needed.
        own: `[B, D]` by task, where needed: the features of `main`, in the same order, with vectors
            from tables that belong to the task alone.
    """

    main: Tensor | PartlyLearnt
    per_task: Mapping[str, Tensor] = {}
    tokens: Tensor | None = None
    context: Tensor | None = None
    scenario: Tensor | None = None
    own: Mapping[str, Tensor] = {}


class Shared(NamedTuple):
    """What `share` gives to `split`: all that tasks hold in common.

    Attributes:
        experts: outputs of the experts, each `[B, H]`.
        gate_inputs: what the gates of `split` read, each `[B, D]`, in parts where `main` is.
        per_task: passed on from `Encoded`.
    """

    experts: tuple[Tensor, ...]
    gate_inputs: tuple[Tensor | PartlyLearnt, ...] = ()
    per_task: Mapping[str, Tensor] = {}


@dataclass(frozen=True)
class Widths:
    """Sizes of what `encode` gives, for an architecture to be built on.

    Attributes:
        main: D.
        learnt: how many of the D, the first ones, come from tables and so have gradients. The
            others are known numbers, and no backward pass need go through them. None: all.
        tokens: (F, d), where tokens are given.
        context: C, where a context is given.
        num_scenarios: where scenarios are given.
        own: D again, where each task can have tables of its own.
    """

    main: int
    learnt: int | None = None
    tokens: tuple[int, int] | None = None
    context: int | None = None
    num_scenarios: int | None = None
    own: int | None = None


_MISSING: dict[Need, str] = {
    "tokens": "tokens, one vector a field, and was built without them.",
    "context": "a context, the vectors of users and items, but no feature that all tasks may read "
    "is the schema's `user` or `item`. Name one of these roles.",
    "scenario": "scenarios, but no categorical feature is read from the column of the role "
    "`scenario`. Name the role, and its column among the features.",
    "own": "tables of vectors for each task, but no feature that all tasks may read has a table. "
    "Add a categorical or a list feature, or take a structure that shares its tables.",
}


def check_needs(name: str, needs: Collection[Need], widths: Widths) -> None:
    """Refuse a part of a model that needs what `encode` cannot give.

    Raises:
        ArchitectureError: naming the part and what to add.
    """
    given = {
        "tokens": widths.tokens,
        "context": widths.context,
        "scenario": widths.num_scenarios,
        "own": widths.own,
    }
    for need in sorted(needs):
        if given[need] is None:
            raise ArchitectureError(f"{name} needs {_MISSING[need]}")


class Architecture(nn.Module, ABC):
    """A sharing structure: which parts of the network the tasks hold in common.

    Stability: experimental.

    It knows no kind of task, no loss and no balancing. Every keyword of a constructor is kept as
    an attribute of the same name, so that `plait.settings.settings_of` can write it down.

    Attributes:
        needs: what it asks of `encode` besides `Encoded.main`.
        reads_parts: whether its first layers are `plait.modules` layers that read `parts` of
            `Encoded.main`, so that known numbers need not be written out.
        when: when to try it, in a few words.
        widths: sizes of its inputs.
        tasks: names of the tasks, in order.

    Raises:
        ArchitectureError: it needs what the schema cannot give.
    """

    needs: ClassVar[frozenset[Need]] = frozenset()
    reads_parts: ClassVar[bool] = False
    when: ClassVar[str] = ""

    def __init__(self, widths: Widths, tasks: Sequence[str]) -> None:
        super().__init__()
        check_needs(type(self).__name__, self.needs, widths)
        self.widths = widths
        self.tasks = tuple(tasks)

    @property
    @abstractmethod
    def out_features(self) -> int:
        """Width H of every task's representation."""

    @classmethod
    def settings_for(cls, settings: Mapping[str, Any], tasks: Collection[str]) -> dict[str, Any]:
        """The settings of this structure for some of its tasks; override where they name tasks.

        Args:
            settings: as `plait.settings.settings_of` writes them.
            tasks: those that stay.
        """
        return dict(settings)

    def parts(self, main: Tensor | PartlyLearnt) -> Tensor | PartlyLearnt:
        """`Encoded.main` for a first layer: in its parts where that saves a backward pass."""
        return partly_learnt(main, self.widths.learnt) if isinstance(main, Tensor) else main

    @abstractmethod
    def share(self, encoded: Encoded) -> Shared:
        """What the tasks hold in common."""

    @abstractmethod
    def split(self, shared: Shared) -> dict[str, Tensor]:
        """Each task's representation `[B, H]`."""


class Derived(NamedTuple):
    """An output that a link adds: a conditional probability with no loss of its own.

    Attributes:
        name: how the output is called.
        task: the task whose label it is judged on.
        within: the task whose label must be 1 on a row for the output to be judged there.
        least_propensity: for an output that is to be right on all rows, also those without the
            event: where `within` names its propensity, the base rate is levelled with rows weighed
            by one over it, and it is read as at least this. None: the joint event is levelled.
    """

    name: str
    task: str
    within: str
    least_propensity: float | None = None


class Seen(NamedTuple):
    """What a link may read of a batch to make its losses.

    Attributes:
        parameters: `[B, out]` by output, as all links have left them.
        representations: `[B, H]` by task, as the towers read them, without what goes past the
            shared network.
        labels: `[B]` by task; what stands where the weight is 0 means nothing.
        weights: `[B]` by task: the row's weight, and 0 where the label was not observed.
        extras: `[B]` by `task.column`: what `Task.extras` names.
    """

    parameters: Mapping[str, Tensor]
    representations: Mapping[str, Tensor]
    labels: Mapping[str, Tensor]
    weights: Mapping[str, Tensor]
    extras: Mapping[str, Tensor] = {}


class Link(nn.Module):
    """A tie between tasks: over their representations, their heads' parameters or their losses.

    Stability: experimental.

    A link changes representations before the heads (`couple`), parameters after them (`connect`;
    for losses alone, `observe`), losses (`losses`), or several of these. Links are applied in the
    order in which they are given.
    A model works on copies of its links, so one link may be given to several models.

    Attributes:
        ties: which tasks it ties, in a few words.
        when: when to try it, in a few words.
    """

    ties: ClassVar[str] = ""
    when: ClassVar[str] = ""

    def check(self, tasks: Mapping[str, Task]) -> None:
        """Refuse tasks that the link cannot tie; called once, at construction of the model."""

    def check_schema(self, schema: Schema) -> None:
        """Refuse a schema that the link cannot work with; called before a row is read."""

    def build(self, width: int) -> None:
        """Make the link's own layers, for representations of this width; called after `check`."""

    def derived(self) -> tuple[Derived, ...]:
        """The outputs that this link adds."""
        return ()

    def couple(self, representations: dict[str, Tensor]) -> dict[str, Tensor]:
        """New representations `[B, H]` by task, from those of the architecture."""
        return representations

    def observe(
        self, parameters: dict[str, Tensor], keys: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Head parameters `[B, out]` by task as the labels were observed: for losses alone.

        Called before `connect`, and not at all for a prediction.

        Args:
            parameters: what the towers gave.
            keys: codes `[B]` by role, as `Batch.keys` has them.
        """
        return parameters

    def connect(self, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
        """New head parameters `[B, out]` by output, from those of the heads."""
        return parameters

    def losses(self, losses: dict[str, Tensor], seen: Seen) -> dict[str, Tensor]:
        """New losses by task, from those of the heads and of the links before.

        A loss of the link's own is added to that of one of its tasks, so that balancers weigh both
        together. A task without an observed row in the batch has no entry.
        """
        return losses
