"""Multiply-adds and parameters, by hand and against torch's own count."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from tests.unit.makers import Data, make_data, make_log, make_model, whole
from torch.utils.flop_counter import FlopCounterMode

from plait.architectures import CGC, PLE, STEM, HoME, MMoE, SharedBottom, SingleTask
from plait.data.schema import Categorical, Numeric, Schema
from plait.models import ArchitectureFactory
from plait.studies.profile.network import size_of
from plait.tasks import Binary

ARCHITECTURES = {
    "SharedBottom": partial(SharedBottom, layers=(16, 8)),
    "MMoE": partial(MMoE, num_experts=3, layers=(16, 8)),
    "CGC": partial(CGC, layers=(8,)),
    "PLE": partial(PLE, layers=(8,)),
    "SingleTask": partial(SingleTask, layers=(16,)),
    "HoME": partial(HoME, layers=(8,), gate_rank=2),
    "STEM": partial(STEM, layers=(8,)),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"), (Binary("click"), Binary("like")))


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_multiply_adds_are_half_of_the_operations_that_torch_counts(
    data: Data, architecture: ArchitectureFactory
) -> None:
    model = make_model(data, architecture=architecture).eval()
    batch = whole(data.train)
    with FlopCounterMode(display=False) as counter:
        model(batch)
    counted = counter.get_flop_counts()["Global"]
    products = counted[torch.ops.aten.mm] + counted[torch.ops.aten.addmm]  # but not of activations
    assert products == 2 * len(batch) * size_of(model).multiply_adds


def test_a_small_network_by_hand(tmp_path: Path) -> None:
    schema = Schema(
        (
            Categorical("user_id", embedding_dim=4),
            Numeric("age", num_pieces=6, num_bins=5, embedding_dim=3),
        ),
        user="user_id",
    )
    data = make_data(tmp_path, (Binary("click"),), schema=schema, frame=make_log(240))
    size = size_of(make_model(data, architecture=partial(SharedBottom, layers=(10,)), tower=(5,)))
    # Inputs: 4 of the user, 3 of the bin, and of the age a quantile, a sign of absence, 6 pieces.
    assert (size.inputs, size.numbers) == (15, {"age": 8})
    assert size.multiply_adds == 15 * 10 + 10 * 5 + 5 * 1
    # Twice that backward, but for the gradient of the 8 numbers, which nobody needs.
    assert size.backward == 2 * 205 - 8 * 10
    assert size.training == 3 * 205 - 80
    assert size.number_share == pytest.approx(8 * 10 / 205)
    assert size.dense_parameters == 205 + 10 + 5 + 1
    users, bins = data.train.layout.tables
    assert (users.num_rows, bins.num_rows) == (12 + 4, 5 + 4)  # four rows each are reserved
    assert size.table_parameters == 16 * 4 + 9 * 3
    assert size.table_bytes == 4 * size.table_parameters


def test_without_numbers_none_are_named(data: Data, tmp_path: Path) -> None:
    schema = Schema((Categorical("user_id"), Categorical("item_id")))
    size = size_of(make_model(make_data(tmp_path, data.tasks, schema=schema)))
    assert (size.numbers, size.number_share) == ({}, 0.0)
    assert size.backward == 2 * size.multiply_adds
