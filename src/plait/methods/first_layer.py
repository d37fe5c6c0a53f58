"""The first layer of a model: everything below the towers that reads features; kept for reuse."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from plait.data.batch import Batch
from plait.data.store import Store
from plait.errors import ArtifactError, ConfigurationError
from plait.models import MultiTaskModel
from plait.settings import settings_of
from plait.training.checkpoint import save_tensors, write_json

__all__ = [
    "first_layer",
    "read_first_layer",
    "representation",
    "representation_width",
    "write_first_layer",
]

_NOT_IN_IT = ("towers.", "heads.", "links.", "factor_tables.", "terms.", "pretext.")
_FILE, _TENSORS = "first_layer.json", "first_layer.safetensors"


def first_layer(model: MultiTaskModel) -> dict[str, nn.Parameter]:
    """The parameters of tables, encoders and sharing structure, by name.

    The product of user and item belongs to the towers: it never passes the shared network.
    """
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if not name.startswith(_NOT_IN_IT)
    }


def representation(model: MultiTaskModel, batch: Batch) -> Tensor:
    """What the first layer makes of a batch `[B, W]`: the tasks' representations side by side.

    Tasks that read one and the same representation bring it once; what goes past the shared network
    is left out.
    """
    shared = model.share(model.encode(model.lookup(batch)))
    width = model.architecture.out_features
    found = model.architecture.split(shared)
    distinct = list({id(tensor): tensor for tensor in found.values()}.values())
    return torch.cat([tensor[:, :width] for tensor in distinct], dim=1)


def representation_width(model: MultiTaskModel, store: Store) -> int:
    """W of `representation`."""
    was_training = model.training
    model.eval()
    with torch.no_grad():
        width = representation(model, store.batch(slice(0, 1)).to(_device(model))).shape[1]
    model.train(was_training)
    return width


def write_first_layer(model: MultiTaskModel, train: Store, folder: Path) -> None:
    """Keep the first layer, with what another model has to share to take it over."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {name: p.detach() for name, p in first_layer(model).items()}
    save_tensors(tensors, folder / _TENSORS)
    write_json(_description(model, train), folder / _FILE)


def read_first_layer(model: MultiTaskModel, train: Store, folder: Path) -> None:
    """Take over a first layer that was kept.

    Raises:
        ConfigurationError: it was learnt on other features, other vocabularies or by another
            structure.
        ArtifactError: there is none, or its files are damaged.
    """
    way_out = "Give the folder `first_layer` of a finished hybrid run."
    try:
        found = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        tensors = load_file(folder / _TENSORS)
    except FileNotFoundError as error:
        raise ArtifactError(folder, found="there is no first layer", way_out=way_out) from error
    except (OSError, ValueError, SafetensorError) as error:
        raise ArtifactError(folder, found=f"it is damaged ({error})", way_out=way_out) from error
    wanted = json.loads(json.dumps(_description(model, train)))
    unlike = [part for part in wanted if found.get(part) != wanted[part]]
    own = first_layer(model)
    if not unlike and tensors.keys() != own.keys():
        unlike = ["parameters"]
    if unlike:
        raise ConfigurationError(
            f"The first layer in {folder} does not fit this model: {', '.join(unlike)} differ. "
            "Take the features, training rows, entries that tasks may read and architecture of "
            "the run that it comes from, or learn it anew."
        )
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(tensors[name])


def _description(model: MultiTaskModel, train: Store) -> Mapping[str, Any]:
    return {
        "features": asdict(model.layout),
        "vocabularies": train.fingerprint,
        "entries": list(model.shared_entries),
        "architecture": settings_of(model.architecture),
        "shapes": {name: list(p.shape) for name, p in first_layer(model).items()},
    }


def _device(model: MultiTaskModel) -> torch.device:
    return next(model.parameters()).device
