"""A small model and a batch for it, for suites that need a whole network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from plait.architectures import SharedBottom
from plait.data.batch import Batch, Column, Layout, Lists, Number, Table
from plait.models import MultiTaskModel
from plait.tasks import Binary, Task

TWO_TASKS: tuple[Task, ...] = (Binary("click"), Binary("like"))

_LAYOUT = Layout(
    tables=(Table("user", 12, 4, is_key=True), Table("tags", 9, 3), Table("age.bin", 8, 3)),
    ids=(Column("user", "user", "user"), Column("age.bin", "age.bin", "age")),
    numbers=(Number("age", 4),),
    lists=(Column("tags", "tags", "tags"),),
    vectors={"text": 2},
)


def small_model(tasks: Sequence[Task] = TWO_TASKS, *, seed: int = 0) -> MultiTaskModel:
    """A shared bottom over an id, a number, a list and a vector, without dropout."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MultiTaskModel(
            _LAYOUT,
            tasks,
            architecture=partial(SharedBottom, layers=(8, 6), dropout=0.0),
            tower=(4,),
            dropout=0.0,
            unknown_rate=0.0,
        )


def small_batch(tasks: Sequence[Task] = TWO_TASKS, *, rows: int = 12, seed: int = 0) -> Batch:
    """Rows for `small_model`; of every task but the first, a third of the labels is missing."""
    draw = torch.Generator().manual_seed(seed)
    lengths = torch.randint(0, 3, (rows,), generator=draw)
    offsets = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)])
    tags = torch.randint(4, 9, (int(offsets[-1]),), generator=draw, dtype=torch.int32)
    numbers = torch.rand(rows, 3, generator=draw) * torch.tensor([1.0, 4.0, 0.0])
    ids = [torch.randint(1, size, (rows,), generator=draw) for size in (12, 8)]
    labels = {t.name: (torch.rand(rows, generator=draw) < 0.5).float() for t in tasks}
    seen = {t.name: torch.rand(rows, generator=draw) > 0.33 * bool(i) for i, t in enumerate(tasks)}
    return Batch(
        ids=torch.stack(ids, dim=1).int(),
        numbers=numbers,
        lists={"tags": Lists(tags, offsets)},
        vectors={"text": torch.randn(rows, 2, generator=draw)},
        labels={name: label * seen[name] for name, label in labels.items()},
        observed=seen,
        weights={task.name: torch.ones(rows) for task in tasks},
        extras={},
        keys={},
        rows=torch.arange(rows),
    )
