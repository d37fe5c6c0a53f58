"""What an architecture may need besides the main input: tokens, a context, the scenario."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from tests.unit.makers import BINARY_TASKS, SCHEMA, Data, make_data, whole
from torch import Tensor, nn

from plait.architectures import Architecture, Encoded, Shared, Widths
from plait.architectures.base import Need
from plait.data.batch import Layout
from plait.data.schema import Categorical
from plait.errors import ArchitectureError
from plait.models import MultiTaskModel
from plait.testing import small_model


class Needy(Architecture):
    """Reads tokens, context and scenario and nothing else."""

    needs: ClassVar[frozenset[Need]] = frozenset({"tokens", "context", "scenario"})

    def __init__(self, widths: Widths, tasks: Sequence[str]) -> None:
        super().__init__(widths, tasks)
        assert widths.tokens
        assert widths.context
        assert widths.num_scenarios
        self.from_tokens = nn.Linear(widths.tokens[0] * widths.tokens[1], 6)
        self.from_context = nn.Linear(widths.context, 6)
        self.by_scenario = nn.Embedding(widths.num_scenarios, 6)

    @property
    def out_features(self) -> int:
        return 6

    def share(self, encoded: Encoded) -> Shared:
        assert encoded.tokens is not None
        assert encoded.context is not None
        assert encoded.scenario is not None
        mixed = self.from_tokens(encoded.tokens.flatten(1)) + self.from_context(encoded.context)
        return Shared((mixed + self.by_scenario(encoded.scenario),))

    def split(self, shared: Shared) -> dict[str, Tensor]:
        return dict.fromkeys(self.tasks, shared.experts[0])


class Scenic(Needy):
    needs: ClassVar[frozenset[Need]] = frozenset({"scenario"})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder: Path = tmp_path_factory.mktemp("data")
    schema = replace(SCHEMA, features=(*SCHEMA.features, Categorical("tab", min_count=1)))
    return make_data(folder, tasks=BINARY_TASKS, schema=schema)


def test_tokens_context_and_scenario_are_given_where_needed(data: Data) -> None:
    model = MultiTaskModel(data.preprocessor.layout, data.tasks, architecture=Needy)
    encoded = model.eval().encode(model.lookup(whole(data.valid)))
    assert encoded.tokens is not None
    assert encoded.tokens.shape == (len(data.valid_frame), len(model.shared_entries), 16)
    assert encoded.context is not None
    assert encoded.context.shape[1] == 8  # a user and an item of width 4
    assert encoded.scenario is not None
    assert len(encoded.scenario.unique()) == data.valid_frame["tab"].n_unique()
    outputs = model(whole(data.valid))
    torch.stack([output.sum() for output in outputs.values()]).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name


def test_what_is_not_needed_is_not_made(data: Data) -> None:
    model = MultiTaskModel(data.preprocessor.layout, data.tasks)
    encoded = model.eval().encode(model.lookup(whole(data.valid)))
    assert encoded.tokens is encoded.context is encoded.scenario is None
    assert len(model.token_maps) == 0


def test_a_need_that_cannot_be_met_is_refused_at_construction() -> None:
    layout: Layout = small_model().layout
    tasks = tuple(small_model().tasks.values())
    with pytest.raises(ArchitectureError, match=r"Scenic needs scenarios.*role `scenario`"):
        MultiTaskModel(layout, tasks, architecture=Scenic)
    strangers = tuple(replace(table, is_key=False) for table in layout.tables)
    with pytest.raises(ArchitectureError, match=r"Needy needs a context.*`user` or `item`"):
        MultiTaskModel(replace(layout, tables=strangers), tasks, architecture=Needy)
    with pytest.raises(ArchitectureError, match="needs tokens"):
        Needy(Widths(main=3, context=2, num_scenarios=2), ("click",))
