"""Denoising: the true fields of a row, from one in which some were swapped."""

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
from .masked_fields import FieldDecoder
from .pretext import Pretext

__all__ = ["Denoising"]


@dataclass(frozen=True, kw_only=True)
class Denoising(Pretext):
    """Swap some fields between rows, and give back every field as it was.

    Each field of a row is taken from another row of the batch with probability `share`, so that
    what is wrong looks like what is right. The loss is that of `MaskedFields`, over all fields
    (Vincent et al., `Extracting and Composing Robust Features with Denoising Autoencoders
    <https://doi.org/10.1145/1390156.1390294>`_, 2008), plus two terms that are off by default:

    * `swaps`: α times the cross-entropy of telling which fields were swapped. With it the pretext
      is VIME's (Yoon et al., `VIME <https://proceedings.neurips.cc/paper/2020/hash/
      7d97667a3e056acab9aaf653807b4a03-Abstract.html>`_, 2020), whose α is 2.
    * `sparsity`: μ times the mean absolute value of the representation, a sparse code.

    Stability: experimental.

    Example:
        >>> Denoising(swaps=2.0).share
        0.3

    Attributes:
        share: chance that a field is swapped.
        swaps: weight of telling which.
        sparsity: weight of the code's mean absolute value.
        most_ids: as in `MaskedFields`.
        sampled: as in `MaskedFields`.

    Raises:
        ConfigurationError: a setting that is out of range.
    """

    share: float = 0.3
    swaps: float = 0.0
    sparsity: float = 0.0
    most_ids: int = 10_000
    sampled: int = 1_000

    def __post_init__(self) -> None:
        problems = [
            f"`{name}` must be at least {least}, got {getattr(self, name)}"
            for name, least in (("swaps", 0), ("sparsity", 0), ("most_ids", 1), ("sampled", 1))
            if not getattr(self, name) >= least
        ]
        if not 0 < self.share < 1:
            problems.append(f"`share` must lie between 0 and 1, got {self.share}")
        if problems:
            raise ConfigurationError("Denoising: " + "; ".join(problems) + ".")

    def decoder(self, model: MultiTaskModel, *, width: int) -> nn.Module:
        """One linear layer a field, and one for which fields were swapped."""
        fields = FieldDecoder(model, width, most_ids=self.most_ids, sampled=self.sampled)
        swapped = nn.Linear(width, len(fields.fields))
        return nn.ModuleDict({"fields": fields, "swapped": swapped})

    def loss(self, model: MultiTaskModel, decoder: nn.Module, batch: Batch) -> Tensor:
        """Mean over fields of the scaled cross-entropy, and the terms that are asked for."""
        assert isinstance(decoder, nn.ModuleDict)
        fields = fields_of(model)
        shape = (len(batch), len(fields.fields))
        swapped = torch.rand(shape, device=batch.ids.device) < self.share
        read = representation(model, fields.swap(batch, swapped))
        known = decoder["fields"]
        assert isinstance(known, FieldDecoder)
        loss = known.loss(model, read, fields.targets(batch), torch.ones_like(swapped))
        if self.swaps > 0:
            logits = decoder["swapped"](read)
            told = functional.binary_cross_entropy_with_logits(logits, swapped.to(logits.dtype))
            loss = loss + self.swaps * told
        return loss + self.sparsity * read.abs().mean() if self.sparsity > 0 else loss
