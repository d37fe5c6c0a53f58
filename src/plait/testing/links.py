"""What every tie between tasks must do."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.testing import assert_close

from plait.architectures import Link
from plait.heads import head_for
from plait.settings import arguments, settings_of
from plait.tasks import Task


class LinkContract(ABC):
    """Names, purity, gradients, precision and settings of a link.

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
        link, tasks = self.make(), self.tasks()
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
        link = self.make()
        given = (self._representations(), self._parameters())
        link.couple(given[0])
        link.connect(given[1])
        for after, before in zip(given, (self._representations(), self._parameters()), strict=True):
            assert list(after) == list(before)
            assert all(torch.equal(after[name], before[name]) for name in before)

    def test_gradients_are_finite_and_reach_every_parameter(self) -> None:
        """Of the link, if it has any, and of what it reads."""
        link = self.make()
        vectors, logits = self._representations(), self._parameters()
        leaves = [*vectors.values(), *logits.values()]
        for leaf in leaves:
            leaf.requires_grad_()
        outputs = [*link.couple(vectors).values(), *link.connect(logits).values()]
        torch.stack([output.sum() for output in outputs]).sum().backward()
        for leaf in (*leaves, *link.parameters()):
            assert leaf.grad is not None
            assert leaf.grad.isfinite().all()

    def test_float64_stays_float64(self) -> None:
        """No tensor is made in a fixed precision."""
        link = self.make().double()
        vectors = {name: vector.double() for name, vector in self._representations().items()}
        logits = {name: logit.double() for name, logit in self._parameters().items()}
        outputs = [*link.couple(vectors).values(), *link.connect(logits).values()]
        assert all(output.dtype == torch.float64 for output in outputs)

    def test_settings_make_it_again_and_its_state_gives_the_same(self) -> None:
        """Settings go through JSON and back; the saved weights fit and compute the same."""
        link = self.make().eval()
        written = json.loads(json.dumps(settings_of(link)))
        again = type(link)(**arguments(written)).eval()
        assert settings_of(again) == settings_of(link)
        again.load_state_dict(link.state_dict())
        second = again.connect(self._parameters())
        for name, output in link.connect(self._parameters()).items():
            assert_close(second[name], output, rtol=0, atol=0)

    def test_repr_names_the_class(self) -> None:
        """A person who prints it sees what it is."""
        link = self.make()
        assert type(link).__name__ in repr(link)

    def _representations(self) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(1)
        return {name: torch.randn(4, self.width, generator=generator) for name in self.tasks()}

    def _parameters(self) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(2)
        widths = {name: head_for(task).out_features for name, task in self.tasks().items()}
        return {name: torch.randn(4, width, generator=generator) for name, width in widths.items()}
