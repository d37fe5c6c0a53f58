"""The contract of a way to learn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from plait.balancing import Balancer
from plait.data.store import Store
from plait.models import MultiTaskModel
from plait.settings import settings_of
from plait.training import Callback, History, Training

__all__ = ["Method"]


class Method(ABC):
    """A way to learn: an objective, and the calls to `Trainer` that minimise it.

    Stability: experimental.

    Attributes:
        kind: what it is called in a file.
    """

    kind: ClassVar[str]

    @abstractmethod
    def fit(
        self,
        model: MultiTaskModel,
        train: Store,
        valid: Store | None,
        *,
        settings: Training,
        balancer: Balancer | None = None,
        callbacks: Sequence[Callback] = (),
        folder: Path | None = None,
    ) -> History:
        """Train the model, and leave its best weights in it; goes on with what `folder` holds."""

    def to_json(self) -> dict[str, Any]:
        """The kind and the settings as plain data, for the run and the model card."""
        form = settings_of(self)
        del form["name"]
        return {"kind": self.kind, **form}
