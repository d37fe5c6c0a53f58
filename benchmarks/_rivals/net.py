"""The network of the job in plain PyTorch, written by hand for speed on processors."""

from __future__ import annotations

import contextlib
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from .job import EXPERT_LAYERS, SHARED_EXPERTS, TASK_EXPERTS, TOWER, Job

HIDDEN = -1e9
"""Added to the gate of an expert that the task may not read."""
LARGEST_ERROR = 1e-3
"""Of a product of normal numbers: single precision stays a tenth of it, half is ten times it."""


class Net(nn.Module):
    """From vectors and numbers side by side to logits.

    Networks are run one after another: on processors that is faster than one batched product.

    Args:
        job: says the architecture.
    """

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job
        width, num_tasks, number = job.input_width, len(job.tasks), job.num_networks
        self.experts = nn.ModuleList(_layers(width, *EXPERT_LAYERS) for _ in range(number))
        self.gates = _linear(width, num_tasks * number) if job.num_gate_outputs else None
        self.towers = nn.ModuleList(
            nn.Sequential(_layers(EXPERT_LAYERS[-1], *TOWER), _linear(TOWER[-1], 1))
            for _ in job.tasks
        )
        self.register_buffer("hidden", _hidden(job))

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits, float32 `[B, T]`."""
        outputs = [expert(inputs) for expert in self.experts]
        by_task = self._mixed(inputs, outputs)
        logits = [tower(read) for tower, read in zip(self.towers, by_task, strict=True)]
        return torch.cat(logits, dim=1).float()

    def _mixed(self, inputs: Tensor, outputs: list[Tensor]) -> list[Tensor]:
        """What each task's tower reads."""
        num_tasks = len(self.job.tasks)
        if self.gates is None:
            return outputs if len(outputs) == num_tasks else outputs * num_tasks
        gates = self.gates(inputs).view(-1, num_tasks, len(outputs)).float() + self.hidden
        weights = gates.softmax(dim=-1).to(outputs[0].dtype)  # [B, T, E]
        return [_mix(weights[:, task], outputs) for task in range(num_tasks)]


def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
    """The sum over tasks of the mean loss over rows."""
    losses = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    return losses.mean(dim=0).sum()


def autocast(job: Job) -> contextlib.AbstractContextManager[object]:
    """Products in half precision, where the job says so."""
    return torch.autocast("cpu", torch.bfloat16, enabled=job.precision == "bf16")


def allow_onednn() -> None:
    """Let products of single precision go through oneDNN, where it keeps that precision.

    It is faster than MKL on some processors. The switch permits half precision too, which other
    processors then use; there it is switched back.
    """
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(256, 256, generator=generator) for _ in range(2))
    torch.set_float32_matmul_precision("medium")
    if (left @ right - left.double() @ right.double()).abs().max() > LARGEST_ERROR:
        torch.set_float32_matmul_precision("highest")


def _mix(weights: Tensor, outputs: list[Tensor]) -> Tensor:
    parts = [weights[:, e : e + 1] * output for e, output in enumerate(outputs)]
    return sum(parts[1:], start=parts[0])


def _layers(*widths: int) -> nn.Sequential:
    return nn.Sequential(*(m for pair in pairwise(widths) for m in (_linear(*pair), nn.ReLU())))


def _linear(in_features: int, out_features: int) -> nn.Linear:
    made = nn.Linear(in_features, out_features)
    nn.init.xavier_normal_(made.weight)
    nn.init.zeros_(made.bias)
    return made


def _hidden(job: Job) -> Tensor:
    """What is added to the gates `[T, E]`: other tasks' own experts are hidden from a task."""
    hidden = torch.zeros(len(job.tasks), job.num_networks)
    if job.architecture == "ple":
        hidden[:, SHARED_EXPERTS:] = HIDDEN
        for task in range(len(job.tasks)):
            first = SHARED_EXPERTS + TASK_EXPERTS * task
            hidden[task, first : first + TASK_EXPERTS] = 0.0
    return hidden
