"""Compiled kernels on torch's threads: the same numbers however many there are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from plait.modules import kernels, team
from plait.modules.compiled_mixing import mixed, unmixed
from plait.training import compiled_rows

Tensors = tuple[Tensor, ...]


def stepped() -> Tensors:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(0, 500, (3_000,), generator=generator)
    values = torch.randn(3_000, 16, generator=generator)
    distinct, summed = compiled_rows.merge(rows, values, 500)
    weight, sums = torch.ones(500, 16), torch.zeros(500)
    compiled_rows.adagrad(weight, sums, distinct, summed, 0.1, 1e-8)
    average, last = torch.zeros(500, 16), torch.zeros(500, dtype=torch.int32)
    passed = torch.tensor([0.0, -0.1, -0.2], dtype=torch.float64)
    compiled_rows.catch_up(weight, average, last, distinct, passed)
    compiled_rows.follow(weight, average, last, distinct, 0.3, 7)
    return distinct, summed, weight, sums, average, last


def mixed_and_back() -> Tensors:
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(101, 3, generator=generator).softmax(1)
    experts = [torch.randn(101, 5, generator=generator) for _ in range(3)]
    to_logits, to_experts = unmixed(weights, experts, torch.ones(101, 5), [])
    unmixed(weights, experts, torch.full((101, 5), 2.0), to_experts)  # added to the first
    return mixed(weights, experts), to_logits, *to_experts


@pytest.fixture
def threads() -> object:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("work", [stepped, mixed_and_back])
def test_any_number_of_threads_gives_the_same_bits(
    work: Callable[[], Tensors], threads: Callable[[int], None]
) -> None:
    threads(1)
    alone = work()
    for number in (2, 3, 7):
        threads(number)
        for one, other in zip(alone, work(), strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize("work", [stepped, mixed_and_back])
def test_without_torchs_team_the_caller_does_all(
    work: Callable[[], Tensors], threads: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads(2)
    together = work()
    monkeypatch.setattr(team, "_torch_team", lambda: None)
    for one, other in zip(together, work(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.skipif(sys.platform != "linux", reason="torch has GNU's OpenMP on Linux alone")
@pytest.mark.parametrize(("limit", "wanted"), [("8", [50, 50, 50, 50]), ("1", [50, 50, 100, 0])])
def test_each_thread_of_torch_has_a_part(limit: str, wanted: list[int]) -> None:
    """Where the system gives fewer threads than torch asks for, these do all the work."""
    source = (
        "import torch, numba\n"
        "from plait.modules import kernels, team\n"
        "torch.set_num_threads(2)\n"
        "@numba.cfunc(kernels.KERNEL)\n"
        "def note(place):\n"
        "    told = kernels.numbers_at(place)\n"
        "    part, parts = kernels.take_part(place)\n"
        "    first, last = kernels.bounds(part, parts, 2)\n"
        "    for row in range(first, last):\n"
        "        kernels.ids(told[2], 4)[row] += 1\n"
        "        kernels.ids(told[2], 4)[2 + part] += 1\n"
        "seen = torch.zeros(4, dtype=torch.int64)\n"
        "for _ in range(50):\n"
        "    torch.randn(200, 200) @ torch.randn(200, 200)\n"
        "    team.in_parts(note, [seen])\n"
        "print(seen.tolist())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", source],
        env={**os.environ, "OMP_THREAD_LIMIT": limit},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert json.loads(done.stdout) == wanted


def test_parts_cover_all_rows_once() -> None:
    for rows in (0, 1, 5, 64):
        for parts in (1, 2, 3, 8):
            ends = [kernels.bounds(part, parts, rows) for part in range(parts)]
            covered = [row for first, last in ends for row in range(first, last)]
            assert covered == list(range(rows))


def test_all_that_is_compiled_stands_in_one_file() -> None:
    """Numba's cache knows the file of a kernel alone: what it calls elsewhere would grow stale."""
    source = Path(team.__file__).parents[1]
    imports = ("import numba", "from numba.", "from numba ")
    found = {
        path.name
        for path in source.rglob("*.py")
        if any(line.startswith(imports) for line in path.read_text("utf-8").splitlines())
    }
    assert found == {"kernels.py"}
