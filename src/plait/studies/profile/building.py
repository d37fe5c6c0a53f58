"""The log and the model of an experiment, made as `train` makes them.

A test sees that a run and a profile of one file get the same rows and the same network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plait.data.log import Log
from plait.data.preparing import PreparedLog
from plait.experiment.running import build, reads_preferences, remembered, usual_id_dropout
from plait.models import MultiTaskModel

__all__ = ["log_of", "model_of"]


def log_of(given: Mapping[str, Any]) -> Log:
    """The log that the arguments of `train` describe."""
    log, schema = given["log"], given["schema"]
    group_by = [given["group_by"]] if given["group_by"] else []
    return Log(
        sources=(log,) if isinstance(log, str) else tuple(log),
        schema=schema,
        tasks=tuple(given["tasks"]),
        tables=tuple(given["tables"]),
        ratios=None if given["ratios"] is None else tuple(given["ratios"]),
        columns=tuple(dict.fromkeys([*group_by, *given["slices"]])),
        ranks=given["ranks"],
        history=remembered(given["history"], schema),
    )


def model_of(given: Mapping[str, Any], prepared: PreparedLog, log: Log) -> MultiTaskModel:
    """The model that the arguments of `train` describe, its heads fitted."""
    return build(
        prepared,
        seed=given["training"].seed,
        architecture=given["architecture"],
        links=given["links"],
        gates=given["gates"],
        interaction=given["interaction"],
        sequence=given["sequence"],
        sequence_of=given["sequence_of"],
        factors=given["factors"],
        terms=given["terms"],
        tower=given["tower"],
        dropout=given["dropout"],
        id_dropout=usual_id_dropout(log) if given["id_dropout"] is None else given["id_dropout"],
        unknown_rate=given["unknown_rate"],
        table_precision=given["table_precision"],
        preference=reads_preferences(given["balancer"]),
    )
