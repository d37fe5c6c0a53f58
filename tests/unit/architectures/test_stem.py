from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from tests.unit.architectures import reference
from tests.unit.architectures.test_mmoe import layers_of, randomise_biases, weight_of
from torch import Tensor, nn
from torch.testing import assert_close

from plait.architectures import STEM, Encoded, MMoE, Widths
from plait.errors import ArchitectureError
from plait.testing import ArchitectureContract

TASKS = ("click", "like", "buy")
WIDTHS = Widths(main=6, own=6)


class TestSTEM(ArchitectureContract):
    def make(self, tasks: Sequence[str]) -> STEM:
        return STEM(WIDTHS, tasks, task_experts=2, shared_experts=1, layers=(9, 8), dropout=0.1)


def _encoded(dtype: torch.dtype = torch.float32) -> Encoded:
    inputs = [torch.randn(8, 6, dtype=dtype).requires_grad_() for _ in range(4)]
    return Encoded(inputs[0], own=dict(zip(TASKS, inputs[1:], strict=True)))


def _run(stem: STEM, encoded: Encoded) -> dict[str, Tensor]:
    return stem.split(stem.share(encoded))


@pytest.mark.parametrize(("task_experts", "shared_experts"), [(1, 1), (2, 1), (1, 3)])
def test_it_is_the_paper_s_equations(task_experts: int, shared_experts: int) -> None:
    stem = STEM(
        WIDTHS, TASKS, task_experts=task_experts, shared_experts=shared_experts, layers=(7, 5)
    )
    randomise_biases(stem.double().eval())
    encoded = _encoded(torch.float64)
    outputs = _run(stem, encoded)
    experts = [layers_of(bank) for bank in stem.own], layers_of(stem.shared)
    gates = [weight_of(gate) for gate in stem.gates]
    for row in range(8):
        own = [vectors[row].detach().numpy() for vectors in encoded.own.values()]
        main = encoded.main[row].detach().numpy()
        expected = reference.stem(own, main, experts, gates)
        for task, vector in zip(TASKS, expected, strict=True):
            np.testing.assert_allclose(outputs[task][row].detach(), vector, atol=1e-10, rtol=0)


def test_a_task_s_loss_reaches_its_own_vectors_and_experts_and_the_shared_ones_only() -> None:
    stem, encoded = STEM(WIDTHS, TASKS, task_experts=2, layers=(7, 5), dropout=0), _encoded()
    _run(stem, encoded)["like"].square().sum().backward()
    for number, task in enumerate(TASKS):
        learns = task == "like"
        vectors = encoded.own[task].grad
        assert (vectors is not None and bool(vectors.abs().sum() > 0)) == learns, task
        for part in (stem.own[number], stem.gates[number]):
            assert _has_learnt(part) == learns, task
    assert _has_learnt(stem.shared)
    assert encoded.main.grad is not None


def _has_learnt(part: nn.Module) -> bool:
    gradients = [p.grad for p in part.parameters() if p.grad is not None]
    return bool(gradients) and all(bool(gradient.abs().sum() > 0) for gradient in gradients)


def test_another_task_s_vectors_are_read_all_the_same() -> None:
    stem, encoded = STEM(WIDTHS, TASKS, dropout=0), _encoded()
    moved = encoded._replace(own={**encoded.own, "buy": encoded.own["buy"] + 1})
    assert not torch.allclose(_run(stem, encoded)["click"], _run(stem, moved)["click"])


def test_the_gate_s_gradient_is_that_of_all_experts() -> None:
    # Detached experts still tell the gate how much they are worth.
    stem, encoded = STEM(WIDTHS, TASKS, layers=(5,), dropout=0), _encoded()
    shared = stem.share(encoded)
    experts = torch.stack([output.detach() for output in shared.experts], dim=1)
    gate = stem.gates[0]
    assert isinstance(gate, nn.Module)
    weights = torch.softmax(gate.logits(shared.gate_inputs[0]), dim=1)
    whole = torch.einsum("be,beh->bh", weights, experts).square().sum()
    (expected,) = torch.autograd.grad(whole, list(gate.parameters()))
    (found,) = torch.autograd.grad(
        _run(stem, encoded)["click"].square().sum(), list(gate.parameters())
    )
    assert_close(found, expected)


def test_one_task_whose_vectors_are_the_shared_ones_is_a_mixture_of_experts() -> None:
    stem = STEM(WIDTHS, ["click"], task_experts=2, shared_experts=2, layers=(7,), dropout=0)
    mmoe = MMoE(Widths(main=6), ["click"], num_experts=4, layers=(7,), dropout=0)
    with torch.no_grad():
        for mine, one, other in zip(
            mmoe.experts.parameters(),
            stem.own[0].parameters(),
            stem.shared.parameters(),
            strict=True,
        ):
            mine.copy_(torch.cat([one, other]))
        # The gate reads x_k + x_s, which is 2 x.
        mmoe.gates[0].linear.weight.copy_(2 * stem.gates[0].linear.weight)
    main = torch.randn(8, 6)
    expected = mmoe.split(mmoe.share(Encoded(main)))["click"]
    assert_close(_run(stem, Encoded(main, own={"click": main}))["click"], expected)


def test_gate_mass_names_the_owner_of_every_expert() -> None:
    stem, encoded = STEM(WIDTHS, TASKS, task_experts=2), _encoded()
    mass = stem.gate_mass(encoded)
    assert list(mass) == list(TASKS)
    assert list(mass["like"])[2:4] == ["like 0", "like 1"]
    assert sum(mass["buy"].values()) == pytest.approx(1)


def test_what_is_wrong_is_told_at_construction() -> None:
    with pytest.raises(ArchitectureError, match=r"STEM needs tables of vectors for each task.*no"):
        STEM(Widths(main=6), TASKS)
    with pytest.raises(ArchitectureError, match=r"`shared_experts` must be at least 1, got 0"):
        STEM(WIDTHS, TASKS, shared_experts=0)
