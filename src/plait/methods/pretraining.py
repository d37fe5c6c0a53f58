"""Stage A of hybrid learning: the first layer learns from all rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from torch import nn

from plait.data.batch import Batch
from plait.models import MultiTaskModel
from plait.training import Losses, Objective

from .pretext import Pretext

__all__ = ["PretextObjective", "with_decoder"]


class PretextObjective(Objective):
    """The loss of a pretext, over all rows. The model carries its decoder (`with_decoder`)."""

    rows: Literal["labelled", "all"] = "all"

    def __init__(self, pretext: Pretext) -> None:
        self.pretext = pretext

    def losses(self, model: MultiTaskModel, batch: Batch, step: int) -> Losses:
        """One loss, `pretext`."""
        decoder = model.get_submodule("pretext")
        return Losses({"pretext": self.pretext.loss(model, decoder, batch)})


@contextmanager
def with_decoder(model: MultiTaskModel, decoder: nn.Module) -> Iterator[None]:
    """The decoder as a part of the model, trained and saved with it, for as long as this runs."""
    model.add_module("pretext", decoder)
    try:
        yield
    finally:
        del model.pretext
