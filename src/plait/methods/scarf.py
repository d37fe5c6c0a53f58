"""Contrastive pretraining: a row and its corrupted copy are one, and no other row is."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from plait.data.batch import Batch
from plait.errors import ConfigurationError
from plait.models import MultiTaskModel

from .fields import fields_of
from .first_layer import representation
from .pretext import Pretext

__all__ = ["SCARF"]


@dataclass(frozen=True, kw_only=True)
class SCARF(Pretext):
    """Recognise a row among the batch from a copy most of whose fields come from other rows.

    Both go through the first layer and a projection of two layers to unit length, u and v. The loss
    is InfoNCE, `-log exp(u_i·v_i/τ) / Σ_j exp(u_i·v_j/τ)`, on average over rows (Bahri et al.,
    `SCARF <https://arxiv.org/abs/2106.15147>`_, 2022). Large batches give it more to tell apart.

    Stability: experimental.

    Example:
        >>> SCARF(share=0.4).temperature
        1.0

    Attributes:
        share: chance that a field comes from another row.
        temperature: τ.
        width: of the projection.

    Raises:
        ConfigurationError: a setting that is out of range.
    """

    share: float = 0.6
    temperature: float = 1.0
    width: int = 64

    def __post_init__(self) -> None:
        problems = []
        if not 0 < self.share < 1:
            problems.append(f"`share` must lie between 0 and 1, got {self.share}")
        if not self.temperature > 0:
            problems.append(f"`temperature` must be positive, got {self.temperature}")
        if self.width < 1:
            problems.append(f"`width` must be positive, got {self.width}")
        if problems:
            raise ConfigurationError("SCARF: " + "; ".join(problems) + ".")

    def decoder(self, model: MultiTaskModel, *, width: int) -> nn.Module:
        """The projection."""
        return nn.Sequential(
            nn.Linear(width, self.width), nn.ReLU(), nn.Linear(self.width, self.width)
        )

    def loss(self, model: MultiTaskModel, decoder: nn.Module, batch: Batch) -> Tensor:
        """InfoNCE of the rows and their copies."""
        fields = fields_of(model)
        shape = (len(batch), len(fields.fields))
        swapped = torch.rand(shape, device=batch.ids.device) < self.share
        rows, copies = (
            functional.normalize(decoder(representation(model, each)), dim=1)
            for each in (batch, fields.swap(batch, swapped))
        )
        logits = rows @ copies.T / self.temperature  # [B, B]
        return functional.cross_entropy(logits, torch.arange(len(batch), device=logits.device))
