"""What every sharing structure must do."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.testing import assert_close

from plait.architectures import Architecture, Encoded, Shared
from plait.modules import PartlyLearnt
from plait.modules import whole as in_one
from plait.settings import arguments, settings_of

# `apply` and `type` are also attributes of every torch module: a task may be called that.
TASKS = ("apply", "type", "click", "like", "buy")
TASK_SETS = (TASKS[:1], TASKS[:2], TASKS)


class ArchitectureContract(ABC):
    """Shapes, gradients, precision, state, settings, export and the cut at the `shared` surface.

    Stability: experimental.
    """

    @abstractmethod
    def make(self, tasks: Sequence[str]) -> Architecture:
        """The architecture for these tasks, small, with dropout where it has any."""

    def encoded(self, architecture: Architecture, *, batch_size: int = 6) -> Encoded:
        """Random inputs of all that the architecture needs; override for special ones."""
        generator = torch.Generator().manual_seed(batch_size)
        widths, needs = architecture.widths, architecture.needs

        def normal(*shape: int) -> Tensor:
            return torch.randn(batch_size, *shape, generator=generator)

        scenarios = torch.arange(batch_size) % (widths.num_scenarios or 1)
        return Encoded(
            normal(widths.main),
            tokens=normal(*widths.tokens) if widths.tokens and "tokens" in needs else None,
            context=normal(widths.context) if widths.context and "context" in needs else None,
            scenario=scenarios if "scenario" in needs else None,
            own={task: normal(widths.main) for task in architecture.tasks if "own" in needs},
        )

    def test_one_two_and_five_tasks_get_a_representation_each(self) -> None:
        """Each task, in order, gets `[B, out_features]`."""
        for tasks in TASK_SETS:
            architecture = self._made(tasks)
            outputs = _run(architecture, self.encoded(architecture))
            assert tuple(outputs) == tasks
            for output in outputs.values():
                assert output.shape == (6, architecture.out_features)

    def test_one_row_is_enough(self) -> None:
        """A batch of one row works while training too."""
        architecture = self._made(TASKS[:2])
        outputs = _run(architecture, self.encoded(architecture, batch_size=1))
        assert all(output.isfinite().all() for output in outputs.values())

    def test_rows_do_not_see_each_other(self) -> None:
        """A row's representation does not depend on what else is in the batch."""
        architecture = self._made(TASKS[:2]).eval()
        encoded = self.encoded(architecture)
        whole = _run(architecture, encoded)
        for task, output in _run(architecture, _first_rows(encoded, 2)).items():
            assert_close(output, whole[task][:2])

    def test_an_input_in_parts_is_read_as_the_same_in_one(self) -> None:
        """Where a structure says that it reads parts, values and gradients are the same."""
        architecture = self._made(TASKS[:2]).eval()
        if not architecture.reads_parts:
            return
        encoded = self.encoded(architecture)
        main = in_one(encoded.main)
        parts = encoded._replace(main=PartlyLearnt(main[:, :2], main[:, 2:]))
        found = []
        for each in (encoded, parts):
            outputs = _run(architecture, each)
            gradients = torch.autograd.grad(_total(outputs), list(architecture.parameters()))
            found.append((*outputs.values(), *gradients))
        for one, other in zip(*found, strict=True):
            assert_close(one, other, atol=1e-5, rtol=1e-4)

    def test_gradients_reach_every_parameter(self) -> None:
        """No parameter is left out, and none gets zeros only."""
        for tasks in TASK_SETS:
            architecture = self._made(tasks).eval()
            _total(_run(architecture, self.encoded(architecture))).backward()
            for name, parameter in architecture.named_parameters():
                assert parameter.grad is not None, f"{name} gets no gradient, {len(tasks)} tasks"
                assert parameter.grad.isfinite().all(), name
                assert parameter.grad.abs().sum() > 0, f"{name} gets zeros only"

    def test_float64_stays_float64(self) -> None:
        """No tensor is made in a fixed precision."""
        architecture = self._made(TASKS[:2]).double()
        outputs = _run(architecture, _to_float64(self.encoded(architecture)))
        assert all(output.dtype == torch.float64 for output in outputs.values())

    def test_bfloat16_autocast_is_finite(self) -> None:
        """Outputs and gradients are finite under autocast."""
        architecture = self._made(TASKS[:2])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = _run(architecture, self.encoded(architecture))
        _total(outputs).backward()
        assert all(output.isfinite().all() for output in outputs.values())
        for name, parameter in architecture.named_parameters():
            assert parameter.grad is not None
            assert parameter.grad.isfinite().all(), name

    def test_evaluation_gives_the_same_bits_twice(self) -> None:
        """Nothing random is left in evaluation."""
        architecture = self._made(TASKS).eval()
        encoded = self.encoded(architecture)
        _assert_same_bits(_run(architecture, encoded), _run(architecture, encoded))

    def test_settings_make_it_again_and_its_state_gives_the_same_bits(self) -> None:
        """Settings go through JSON and back; the saved weights fit and compute the same."""
        architecture = self._made(TASKS).eval()
        written = json.loads(json.dumps(settings_of(architecture)))
        kind = type(architecture)
        again = kind(architecture.widths, architecture.tasks, **arguments(written)).eval()
        assert settings_of(again) == settings_of(architecture)
        again.load_state_dict(architecture.state_dict())
        encoded = self.encoded(architecture)
        _assert_same_bits(_run(architecture, encoded), _run(again, encoded))

    def test_repr_names_the_class(self) -> None:
        """A person who prints it sees what it is."""
        architecture = self._made(TASKS[:2])
        assert type(architecture).__name__ in repr(architecture)

    def test_it_exports_with_a_dynamic_batch(self) -> None:
        """`torch.export` takes it, and the program agrees on other batch sizes."""
        architecture = self._made(TASKS[:2]).eval()
        example = _present(self.encoded(architecture))
        batch = torch.export.Dim("batch")
        program = torch.export.export(
            _Stages(architecture),
            (example,),
            dynamic_shapes={"inputs": {name: {0: batch} for name in example}},
        )
        for batch_size in (11, 1):
            encoded = self.encoded(architecture, batch_size=batch_size)
            exported: dict[str, Tensor] = program.module()(_present(encoded))
            for task, output in _run(architecture, encoded).items():
                assert_close(exported[task], output)

    def test_cut_at_the_shared_surface_and_rejoined_gives_the_plain_gradient(self) -> None:
        """Task by task down to `Shared`, summed, then below once: as one plain backward pass."""
        for tasks in TASK_SETS:
            architecture = self._made(tasks).double().eval()
            encoded = _to_float64(self.encoded(architecture))
            for tensor in _learnable(encoded).values():
                tensor.requires_grad_()
            _total(_run(architecture, encoded)).backward()
            plain = _take_gradients(architecture, encoded)
            _backward_in_two_steps(architecture, encoded)
            cut = _take_gradients(architecture, encoded)
            for name, gradient in plain.items():
                assert_close(cut[name], gradient, msg=f"the gradient of {name}, {tasks}")

    def _made(self, tasks: Sequence[str]) -> Architecture:
        torch.manual_seed(0)
        return self.make(tasks)


class _Stages(nn.Module):
    """Share and split as one forward pass, for export."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return _run(self.architecture, _encoded(inputs))


def _run(architecture: Architecture, encoded: Encoded) -> dict[str, Tensor]:
    return architecture.split(architecture.share(encoded))


def _total(outputs: Mapping[str, Tensor]) -> Tensor:
    """The sum over tasks of `_scalar`."""
    return torch.stack([_scalar(number, out) for number, out in enumerate(outputs.values())]).sum()


def _scalar(number: int, output: Tensor) -> Tensor:
    """Stands for the loss of the task with this number: another one for each task."""
    generator = torch.Generator().manual_seed(number)
    direction = torch.randn(output.shape, generator=generator)
    return (output * direction.to(output.dtype)).sum()


def _backward_in_two_steps(architecture: Architecture, encoded: Encoded) -> None:
    """What a gradient rule does, with unit weights."""
    shared = architecture.share(encoded)
    leaves = Shared(
        tuple(tensor.detach().requires_grad_() for tensor in shared.experts),
        tuple(tensor.detach().requires_grad_() for tensor in map(in_one, shared.gate_inputs)),
    )
    for number, output in enumerate(architecture.split(leaves).values()):
        _scalar(number, output).backward(retain_graph=True)
    for tensor in _learnable(encoded).values():
        assert tensor.grad is None, "`split` reads something that is not in Shared"
    surface = (*shared.experts, *map(in_one, shared.gate_inputs))
    gradients = [leaf.grad for leaf in (*leaves.experts, *map(in_one, leaves.gate_inputs))]
    assert all(gradient is not None for gradient in gradients), (
        "a part of Shared that no task reads"
    )
    torch.autograd.backward(surface, gradients)


def _take_gradients(architecture: Architecture, encoded: Encoded) -> dict[str, Tensor]:
    """The gradients of the inputs and of every parameter, which are cleared."""
    tensors = {**_learnable(encoded), **dict(architecture.named_parameters())}
    gradients = {}
    for name, tensor in tensors.items():
        assert tensor.grad is not None, f"{name} gets no gradient"
        gradients[name], tensor.grad = tensor.grad, None
    return gradients


def _assert_same_bits(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> None:
    for task, output in first.items():
        assert torch.equal(output, second[task]), task


def _present(encoded: Encoded) -> dict[str, Tensor]:
    """The tensors that are there, by name."""
    tensors = {name: getattr(encoded, name) for name in ("main", "tokens", "context", "scenario")}
    own = {f"{_OWN}{task}": tensor for task, tensor in encoded.own.items()}
    return {name: tensor for name, tensor in tensors.items() if tensor is not None} | own


def _learnable(encoded: Encoded) -> dict[str, Tensor]:
    """Those of the inputs that have gradients, by name."""
    return {n: t for n, t in _present(encoded).items() if t.is_floating_point()}


def _encoded(tensors: Mapping[str, Tensor]) -> Encoded:
    """The inverse of `_present`."""
    return Encoded(
        tensors["main"],
        tokens=tensors.get("tokens"),
        context=tensors.get("context"),
        scenario=tensors.get("scenario"),
        own={n.removeprefix(_OWN): t for n, t in tensors.items() if n.startswith(_OWN)},
    )


_OWN = "own."


def _first_rows(encoded: Encoded, count: int) -> Encoded:
    return _encoded({name: tensor[:count] for name, tensor in _present(encoded).items()})


def _to_float64(encoded: Encoded) -> Encoded:
    tensors = _present(encoded).items()
    return _encoded({n: t.double() if t.is_floating_point() else t for n, t in tensors})
