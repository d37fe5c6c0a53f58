"""Surfaces of a model: per-task gradients there are those of a network that is really cut."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from plait.architectures import CGC, PLE, MMoE, OMoE, SharedBottom, SingleTask
from plait.balancing import Surface
from plait.balancing.cut import SURFACES
from plait.models import ArchitectureFactory, MultiTaskModel, cut_at, cuttable
from plait.models.cutting import apart
from plait.modules import PartlyLearnt
from plait.testing import small_batch, small_model
from plait.testing.examples import _LAYOUT, TWO_TASKS

STRUCTURES: list[ArchitectureFactory] = [
    partial(SharedBottom, layers=(6, 4), dropout=0.0),
    partial(MMoE, num_experts=2, layers=(6, 4), dropout=0.0),
    partial(OMoE, num_experts=2, layers=(6, 4), dropout=0.0),
    partial(CGC, shared_experts=1, task_experts=1, layers=(4,), dropout=0.0),
    partial(PLE, shared_experts=1, task_experts=1, layers=(4,), dropout=0.0),
    partial(SingleTask, layers=(6, 4), dropout=0.0),
]


def model_of(architecture: ArchitectureFactory) -> MultiTaskModel:
    torch.manual_seed(0)
    return MultiTaskModel(
        _LAYOUT, TWO_TASKS, architecture=architecture, tower=(4,), dropout=0.0, unknown_rate=0.0
    )


@pytest.mark.parametrize("architecture", STRUCTURES)
def test_at_the_shared_surface_gradients_are_those_of_a_real_cut(
    architecture: ArchitectureFactory,
) -> None:
    model, batch = model_of(architecture), small_batch()
    with cuttable("shared"):
        trace = model.trace(batch)
    cut = cut_at("shared", model, trace)
    assert cut is not None
    loss = model.decode(trace.representations)["click"].square().sum()
    found = torch.autograd.grad(loss, cut.tensors, allow_unused=True)

    leaves: dict[int, Tensor] = {}

    def leaf(tensor: Tensor) -> Tensor:
        return leaves.setdefault(id(tensor), tensor.detach().requires_grad_(tensor.requires_grad))

    def input_leaf(read: Tensor | PartlyLearnt) -> Tensor | PartlyLearnt:
        if isinstance(read, Tensor):
            return leaf(read)
        return read._replace(learnt=leaf(read.learnt))

    shared = model.share(model.encode(model.lookup(batch)))
    really = shared._replace(
        experts=tuple(map(leaf, shared.experts)),
        gate_inputs=tuple(map(input_leaf, shared.gate_inputs)),
    )
    loss = model.decode(model.split(really))["click"].square().sum()
    tensors = [leaf for leaf in leaves.values() if leaf.requires_grad]
    expected = torch.autograd.grad(loss, tensors, allow_unused=True)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs)


@pytest.mark.parametrize("surface", ["tables", "encoded", "shared"])
def test_tensors_of_a_surface_are_views_and_the_graph_stays_whole(surface: Surface) -> None:
    model, batch = small_model(), small_batch()
    with cuttable(surface):
        trace = model.trace(batch)
    cut = cut_at(surface, model, trace)
    assert cut is not None
    assert cut.tensors
    assert all(tensor.requires_grad and tensor.grad_fn is not None for tensor in cut.tensors)
    plain = model.decode(model.trace(batch).representations)
    again = model.decode(trace.representations)
    for name, output in plain.items():
        assert torch.equal(output, again[name])
    again["click"].sum().backward()
    assert all(table.grad is not None for table in model.tables.parameters())


def test_what_goes_past_the_shared_network_is_no_part_of_the_surface() -> None:
    model, batch = small_model(), small_batch()
    trace = model.trace(batch)
    own = torch.ones(1, requires_grad=True)
    trace = trace._replace(shared=trace.shared._replace(per_task={"click": own}))
    cut = cut_at("shared", model, trace)
    assert cut is not None
    assert all(tensor is not own for tensor in cut.tensors)


def test_the_surface_of_parameters_has_every_dense_one_and_no_table() -> None:
    model = small_model()
    cut = cut_at("parameters", model, None)
    assert cut is not None
    tables = {id(table) for table in model.table_parameters()}
    assert {id(t) for t in cut.tensors} == {id(p) for p in model.parameters()} - tables


def test_without_a_trace_there_is_no_other_surface() -> None:
    assert cut_at("shared", small_model(), None) is None


def test_nothing_is_set_apart_unless_it_is_asked_for() -> None:
    value = (torch.ones(1, requires_grad=True), {"a": torch.ones(1)})
    assert apart("shared", value) is value
    with cuttable("encoded"):
        assert apart("shared", value) is value
        assert apart("encoded", value)[0] is not value[0]
        assert apart("encoded", value)[1]["a"] is value[1]["a"]
    with cuttable(None):
        assert apart("encoded", value) is value


def test_every_tensor_of_a_surface_has_a_name() -> None:
    model, batch = model_of(STRUCTURES[1]), small_batch()
    names: dict[str, set[str]] = {}
    for surface in SURFACES:
        with cuttable(surface):
            cut = cut_at(surface, model, model.trace(batch))
        assert cut is not None
        assert len(cut.groups) == len(cut.tensors)
        names[surface] = set(cut.groups)
    assert names["shared"] == {"experts 0", "experts 1", "gate_inputs 0 learnt"}
    assert names["encoded"] == {"main learnt"}
    assert "architecture.experts" in {name[:20] for name in names["parameters"]}
    assert all(name.startswith(("runs ", "lists ")) for name in names["tables"])
