"""One folder of open formats that holds a trained model and all that it needs."""

from __future__ import annotations

from .content import (
    Artifact,
    artifact_folder,
    build_model,
    model_settings,
    read_artifact,
    write_artifact,
)

__all__ = [
    "Artifact",
    "artifact_folder",
    "build_model",
    "model_settings",
    "read_artifact",
    "write_artifact",
]
