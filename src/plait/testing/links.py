"""What every tie between tasks must do."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.testing import assert_close

from plait.architectures import Link, Seen
from plait.data.schema import ROLES
from plait.heads import head_for
from plait.settings import arguments, settings_of
from plait.tasks import Task


class LinkContract(ABC):
    """Names, purity, gradients, losses, precision and settings of a link.

    Stability: experimental.
    """

    width = 5
    """Width of the representations that the suite makes."""

    @abstractmethod
    def make(self) -> Link:
        """The link."""

    @abstractmethod
    def tasks(self) -> Mapping[str, Task]:
        """Tasks that the link accepts, and at least one that it leaves alone."""

    def test_it_accepts_its_tasks(self) -> None:
        """`check` raises nothing."""
        self.make().check(self.tasks())

    def test_every_task_and_derived_output_comes_out(self) -> None:
        """Outputs are the tasks and what `derived` promises, of one row a row."""
        link, tasks = self._built(), self.tasks()
        promised = {derived.name for derived in link.derived()}
        assert not promised & set(tasks)
        assert set(link.couple(self._representations())) == set(tasks)
        outputs = link.connect(self._parameters())
        assert set(outputs) == set(tasks) | promised
        assert all(len(output) == 4 for output in outputs.values())
        for derived in link.derived():
            assert {derived.task, derived.within} <= set(tasks)

    def test_what_it_is_given_stays_as_it_was(self) -> None:
        """Neither the mappings nor their tensors are changed in place."""
        link = self._built()
        given = (self._representations(), self._parameters())
        link.couple(given[0])
        link.connect(given[1])
        link.observe(given[1], self._keys())
        for after, before in zip(given, (self._representations(), self._parameters()), strict=True):
            assert list(after) == list(before)
            assert all(torch.equal(after[name], before[name]) for name in before)

    def test_gradients_are_finite_and_reach_every_parameter(self) -> None:
        """Of the link, if it has any, and of what it reads."""
        link = self._built()
        vectors, logits = self._representations(), self._parameters()
        leaves = [*vectors.values(), *logits.values()]
        for leaf in leaves:
            leaf.requires_grad_()
        coupled = link.couple(vectors)
        connected = link.connect(link.observe(logits, self._keys()))
        losses = link.losses(self._losses(), self._seen(coupled, connected))
        outputs = [*coupled.values(), *connected.values(), *losses.values()]
        torch.stack([output.sum() for output in outputs]).sum().backward()
        for leaf in (*leaves, *link.parameters()):
            assert leaf.grad is not None
            assert leaf.grad.isfinite().all()

    def test_float64_stays_float64(self) -> None:
        """No tensor is made in a fixed precision."""
        link = self._built().double()
        vectors = {name: vector.double() for name, vector in self._representations().items()}
        logits = {name: logit.double() for name, logit in self._parameters().items()}
        connected = link.connect(link.observe(logits, self._keys()))
        outputs = [*link.couple(vectors).values(), *connected.values()]
        assert all(output.dtype == torch.float64 for output in outputs)

    def test_settings_make_it_again_and_its_state_gives_the_same(self) -> None:
        """Settings go through JSON and back; the saved weights fit and compute the same."""
        link = self._built().eval()
        written = json.loads(json.dumps(settings_of(link)))
        again = type(link)(**arguments(written)).eval()
        assert settings_of(again) == settings_of(link)
        again.check(self.tasks())
        again.build(self.width)
        again.load_state_dict(link.state_dict())
        coupled = again.couple(self._representations())
        for name, vector in link.couple(self._representations()).items():
            assert_close(coupled[name], vector, rtol=0, atol=0)
        second = again.connect(self._parameters())
        for name, output in link.connect(self._parameters()).items():
            assert_close(second[name], output, rtol=0, atol=0)

    def test_its_losses_are_those_of_the_tasks_and_rows_that_do_not_count_leave_no_trace(
        self,
    ) -> None:
        """No loss of a task that is none; rows of weight 0 may hold any label."""
        link = self._built().eval()
        coupled = link.couple(self._representations())
        seen = self._seen(coupled, link.connect(self._parameters()))
        losses = link.losses(self._losses(), seen)
        assert set(losses) <= set(self.tasks())
        assert all(loss.isfinite() and not loss.ndim for loss in losses.values())
        nobody = {name: torch.zeros_like(weight) for name, weight in seen.weights.items()}
        assert link.losses({}, seen._replace(weights=nobody)) == {}
        some = {name: weight * torch.tensor([1, 0, 1, 1]) for name, weight in seen.weights.items()}
        masked = link.losses(self._losses(), seen._replace(weights=some))
        other = {name: torch.where(some[name] > 0, y, 1 - y) for name, y in seen.labels.items()}
        again = link.losses(self._losses(), seen._replace(weights=some, labels=other))
        for name, loss in masked.items():
            assert_close(again[name], loss, rtol=0, atol=0)

    def test_repr_names_the_class(self) -> None:
        """A person who prints it sees what it is."""
        link = self.make()
        assert type(link).__name__ in repr(link)

    def _built(self) -> Link:
        """The link as a model has it."""
        torch.manual_seed(0)
        link = self.make()
        link.check(self.tasks())
        link.build(self.width)
        return link

    def _keys(self) -> dict[str, Tensor]:
        """Codes of every role; a place that is no whole number has any code."""
        codes = torch.arange(4)
        places = torch.tensor([0, 3, -(2**60), 2**60])
        return {role: places if role == "position" else codes for role in ROLES}

    def _losses(self) -> dict[str, Tensor]:
        return {name: torch.tensor(1.0 + n) for n, name in enumerate(self.tasks())}

    def _seen(
        self, representations: Mapping[str, Tensor], parameters: Mapping[str, Tensor]
    ) -> Seen:
        """Four rows: the first task's label holds on three, each later one's on one fewer."""
        names = list(self.tasks())
        labels = {n: (torch.arange(4) < 3 - k).float() for k, n in enumerate(names)}
        weights = {n: torch.tensor([1.0, 2.0, 1.0, 0.5]) for n in names}
        return Seen(parameters, representations, labels, weights)

    def _representations(self) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(1)
        return {name: torch.randn(4, self.width, generator=generator) for name in self.tasks()}

    def _parameters(self) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(2)
        widths = {name: head_for(task).out_features for name, task in self.tasks().items()}
        return {name: torch.randn(4, width, generator=generator) for name, width in widths.items()}
