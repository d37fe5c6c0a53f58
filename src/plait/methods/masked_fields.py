"""Masked-field prediction: what a row says of the fields that were hidden from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from plait.data.batch import NUM_RESERVED, Batch
from plait.errors import ConfigurationError
from plait.models import MultiTaskModel

from .fields import Field, fields_of
from .first_layer import representation
from .pretext import Pretext

__all__ = ["FieldDecoder", "MaskedFields"]


@dataclass(frozen=True, kw_only=True)
class MaskedFields(Pretext):
    """Hide some fields of each row, and predict them from the others.

    Each field of a row is replaced by the reserved *mask* id with probability `share`, a number by
    *missing*; the first layer reads what is left, and a linear layer a field predicts what was
    there. The loss of field f is the cross-entropy over its hidden rows, divided by `log V_f` so
    that large vocabularies do not rule; fields count alike. Beyond `most_ids` values the softmax is
    over the true id and `sampled` random ones, and the layer is tied to the feature's own table.

    Masked prediction is that of BERT (Devlin et al., `BERT <https://arxiv.org/abs/1810.04805>`_,
    2019), on the fields of a table.

    Stability: experimental.

    Example:
        >>> MaskedFields(share=0.5).share
        0.5

    Attributes:
        share: chance that a field is hidden.
        most_ids: a vocabulary that is larger is predicted by a sampled softmax.
        sampled: how many other ids stand beside the true one there.

    Raises:
        ConfigurationError: a setting that is out of range.
    """

    share: float = 0.3
    most_ids: int = 10_000
    sampled: int = 1_000

    def __post_init__(self) -> None:
        problems = [
            f"`{name}` must be positive, got {getattr(self, name)}"
            for name in ("most_ids", "sampled")
            if getattr(self, name) < 1
        ]
        if not 0 < self.share < 1:
            problems.append(f"`share` must lie between 0 and 1, got {self.share}")
        if problems:
            raise ConfigurationError("MaskedFields: " + "; ".join(problems) + ".")

    def decoder(self, model: MultiTaskModel, *, width: int) -> nn.Module:
        """One linear layer a field."""
        return FieldDecoder(model, width, most_ids=self.most_ids, sampled=self.sampled)

    def loss(self, model: MultiTaskModel, decoder: nn.Module, batch: Batch) -> Tensor:
        """Mean over fields of the scaled cross-entropy of what was hidden."""
        assert isinstance(decoder, FieldDecoder)
        fields = fields_of(model)
        hidden = torch.rand(len(batch), len(fields.fields), device=batch.ids.device) < self.share
        read = representation(model, fields.hide(batch, hidden))
        return decoder.loss(model, read, fields.targets(batch), hidden)


class FieldDecoder(nn.Module):
    """Predicts every field of a row from its representation.

    Args:
        model: whose fields are predicted.
        width: of the representation.
        most_ids: largest vocabulary with a layer of its own.
        sampled: random ids of a sampled softmax.
    """

    def __init__(self, model: MultiTaskModel, width: int, *, most_ids: int, sampled: int) -> None:
        super().__init__()
        self.fields = fields_of(model).fields
        self.sampled = sampled
        self.layers = nn.ModuleList()
        self.tied = tuple(f.table is not None and f.classes > most_ids for f in self.fields)
        for field, tied in zip(self.fields, self.tied, strict=True):
            out = model.layout.table(field.table).width if tied and field.table else field.classes
            self.layers.append(nn.Linear(width, out))

    def loss(self, model: MultiTaskModel, read: Tensor, targets: Tensor, counted: Tensor) -> Tensor:
        """Mean over fields of the cross-entropy on the counted rows, over `log V`.

        Args:
            model: whose tables tied layers read.
            read: representations `[B, W]`.
            targets: int64 `[B, F]`, -1 where there is none.
            counted: bool `[B, F]`.
        """
        losses = []
        for place, (field, layer) in enumerate(zip(self.fields, self.layers, strict=True)):
            rows = torch.nonzero(counted[:, place] & (targets[:, place] >= 0)).flatten()
            if not len(rows):
                continue
            logits, target = layer(read[rows]), targets[rows, place]
            if self.tied[place]:
                logits, target = self._sampled(model, field, logits, target)
            losses.append(functional.cross_entropy(logits, target) / math.log(field.classes))
        return torch.stack(losses).mean() if losses else read.sum() * 0.0

    def _sampled(
        self, model: MultiTaskModel, field: Field, queries: Tensor, target: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits of the true id, which stands first, and of random ones that are not it."""
        assert field.table is not None
        storage, part = model.tables.rows_of(field.table)
        drawn = torch.randint(NUM_RESERVED, field.classes, (self.sampled,), device=queries.device)
        vectors = model.tables.take(storage, torch.cat([target, drawn]) + part.start)
        own, others = vectors.split([len(target), self.sampled])
        logits = queries @ others.T  # [n, S]
        logits = logits.masked_fill(drawn == target[:, None], -math.inf)
        first = (queries * own).sum(dim=1, keepdim=True)
        # Uniform draws: one constant for all of them, which the true id has not.
        shift = math.log((field.classes - NUM_RESERVED) / self.sampled)
        return torch.cat([first, logits + shift], dim=1), torch.zeros_like(target)
