"""A profile made by hand, in which every number is another one."""

from __future__ import annotations

from plait.studies.profile.judging import Judging
from plait.studies.profile.limit import Limit
from plait.studies.profile.network import Size
from plait.studies.profile.plan import Plan
from plait.studies.profile.preparation import PARTS, Preparation
from plait.studies.profile.profiling import Machine, Profile
from plait.studies.profile.stages import STAGES
from plait.studies.profile.stretch import Stretch

STRETCH = Stretch(
    engine="torch",
    batch_size=100,
    warm_up=3,
    steps=4,
    rows=400,
    wall=78.0 + 2.0,
    seconds={stage: float(place) for place, stage in enumerate(STAGES, start=1)},
    limit=Limit(in_features=30, out_features=20, flops=1.5e9, rows_per_second=40.0),
)
"""Seconds 1 to 12 by stage, and two between them."""

FOUND = Profile(
    machine=Machine("cpu", threads=1, cores=8, load=0.1),
    preparation=Preparation(
        parts={part: float(place) for place, part in enumerate(PARTS, start=1)},
        rows=2100,
        from_cache=False,
        text_files=False,
    ),
    stretch=STRETCH,
    larger=None,
    judging=Judging(
        valid_rows=50,
        predict=3.0,
        metrics=1.0,
        judged_rows=90,
        end_predict=4.0,
        end_metrics=5.0,
        finish=2.0,
        slowest="auc of click",
        slowest_share=0.75,
    ),
    plan=Plan(steps_per_epoch=4, epochs=5.0, steps=20, evaluations=5, finishes=3),
    size=Size(
        dense_parameters=1200,
        table_parameters=500_000,
        table_bytes=2_000_000,
        multiply_adds=1000,
        backward=1900,
        inputs=40,
        numbers={"age": 8, "user.count": 26},
        number_share=0.3,
    ),
    history=("user.count",),
)
"""Most of it is the network."""
