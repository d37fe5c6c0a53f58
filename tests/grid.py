"""Structure × coupling × interaction × sequence × number of tasks: what must hold for every one.

    python -m tests.grid --out docs/grid.md --keep .bench/grid.json --budget-minutes 60

CI takes combinations in which every *pair* of choices occurs (`pairwise`); the script goes on from
there to all of them, in an order drawn once, keeps what it has done, and writes a page.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields, replace
from functools import partial
from itertools import combinations, product
from pathlib import Path

import numpy as np
import torch
from tests.unit.makers import SCENIC, Data, gradients, make_data, make_model, same_bits, whole
from tests.unit.models.encoding import INTERACTIONS, SEQUENCES, check_cuts
from tests.unit.models.test_links import JOINT, ON_CLICKS, TIED
from torch import Tensor, nn
from torch.testing import assert_close

from plait.architectures import ARCHITECTURES, Architecture, Link
from plait.artifact.content import build_model, model_settings
from plait.balancing import Equal
from plait.data.batch import Batch
from plait.models import MultiTaskModel
from plait.tasks import Binary, Multiclass, Regression, Task
from plait.testing import SURFACES
from plait.testing.stages import Surface
from plait.training import Expected, Supervised

NONE = "none"
STRUCTURES: dict[str, type[Architecture]] = {kind.__name__: kind for kind in ARCHITECTURES}
COUPLINGS: dict[str, Sequence[Link]] = {NONE: (), **TIED}
MORE: tuple[Task, ...] = (
    Binary("like"),
    Regression("rating"),
    Multiclass("answer", classes=("no", "perhaps", "yes")),
)
"""What five tasks have beside a click and a purchase."""

OWNERS: dict[str, str] = {
    "CGC": "last.own_experts.{place}.",
    "PLE": "last.own_experts.{place}.",
    "HoME": "task_units.{place}.",
    "STEM": "own.{place}.",
    "SingleTask": "networks.{place}.",
    "PPNet": "networks.{place}.",
    "PEPNet": "networks.{place}.",
}
"""Parts of a structure that one task alone may move."""


@dataclass(frozen=True)
class Combination:
    """One choice of each kind."""

    structure: str
    coupling: str
    interaction: str
    sequence: str
    tasks: int

    @property
    def name(self) -> str:
        """How it is called."""
        return "-".join(map(str, astuple(self)))

    @property
    def pairs(self) -> list[tuple[object, ...]]:
        """Every two of its choices, with their kinds."""
        chosen = [(one.name, getattr(self, one.name)) for one in fields(self)]
        return list(combinations(chosen, 2))


def every() -> list[Combination]:
    """All that there are: a coupling needs two tasks."""
    interactions, sequences = (NONE, *INTERACTIONS), (NONE, *SEQUENCES)
    found = product(STRUCTURES, COUPLINGS, interactions, sequences, (1, 2, 5))
    return [Combination(*one) for one in found if one[4] > 1 or one[1] == NONE]


def pairwise() -> list[Combination]:
    """Few combinations in which every pair of choices occurs, the same ones each time.

    Greedy: the next one is that which brings most pairs that have not occurred.
    """
    found = every()
    order = np.random.default_rng(0).permutation(len(found))
    candidates = [found[place] for place in order]
    numbers: dict[tuple[object, ...], int] = {}
    pairs = np.array(
        [[numbers.setdefault(p, len(numbers)) for p in one.pairs] for one in candidates]
    )
    missing = np.ones(len(numbers), dtype=np.int64)
    chosen: list[Combination] = []
    while missing.any():
        best = int(missing[pairs].sum(axis=1).argmax())
        chosen.append(candidates[best])
        missing[pairs[best]] = 0
    return chosen


def in_order() -> list[Combination]:
    """All combinations, those of `pairwise` first and the others in an order drawn once."""
    first = pairwise()
    rest = [one for one in every() if one not in {*first}]
    order = np.random.default_rng(1).permutation(len(rest))
    return [*first, *(rest[place] for place in order)]


@dataclass
class Logs:
    """The prepared logs that combinations are tried on, made when first asked for."""

    folder: Path
    made: dict[tuple[int, bool, bool], Data] = field(default_factory=dict)

    def of(self, one: Combination, *, lists: bool = True) -> Data:
        """Rows for so many tasks; NISE wants purchases defined on clicks alone."""
        key = (one.tasks, one.coupling == "nise", lists)
        if key not in self.made:
            tied = ON_CLICKS if one.coupling == "nise" else JOINT
            tasks = (*tied, *MORE)[: one.tasks]
            dense = tuple(f for f in SCENIC.features if f.name not in ("history", "genres"))
            schema = replace(SCENIC, position="visits")
            schema = schema if lists else replace(schema, features=dense)
            place = self.folder / "-".join(map(str, key))
            self.made[key] = make_data(place, tasks, schema=schema, rows=40, valid_rows=12)
        return self.made[key]


def model_of(one: Combination, data: Data) -> MultiTaskModel:
    """A small model of this combination."""
    return make_model(
        data,
        architecture=partial(STRUCTURES[one.structure], layers=(6, 6), dropout=0.0),
        links=COUPLINGS[one.coupling],
        interaction=INTERACTIONS.get(one.interaction),
        sequence=SEQUENCES.get(one.sequence),
        factors=3,
    )


def check(one: Combination, logs: Logs, surfaces: Sequence[Surface] = SURFACES) -> None:
    """All that must hold but for export; an `AssertionError` says what does not."""
    data = logs.of(one)
    model, rows = model_of(one, data), whole(data.valid)
    _shapes(model.eval(), rows)
    _gradients(model.train(), whole(data.train), autocast=False)
    _gradients(model, whole(data.train), autocast=True)
    _private_parts(one, model.eval(), rows)
    check_cuts(model, rows, surfaces)
    again = build_model(model_settings(model))(data.train.layout, data.tasks).eval()
    again.load_state_dict(model.state_dict())
    assert model_settings(again) == model_settings(model)
    assert same_bits(again.predict(rows), model.predict(rows)), "other bits after a reload"


def check_export(one: Combination, logs: Logs) -> None:
    """`torch.export` with a dynamic batch, on features without lists."""
    data = logs.of(one, lists=False)
    model, batch = model_of(replace(one, sequence=NONE), data).eval(), whole(data.valid)

    def inputs(count: int) -> tuple[Tensor, ...]:
        return batch.ids[:count], batch.numbers[:count], batch.vectors["text"][:count]

    dim = torch.export.Dim("rows")
    program = torch.export.export(_Dense(model), inputs(8), dynamic_shapes=({0: dim},) * 3)
    for count in (1, 12):
        exported = program.module()(*inputs(count))
        for name, values in model.predict(data.valid.batch(slice(0, count))).items():
            assert_close(exported[name], values, rtol=1e-5, atol=1e-5, msg=name)


class _Dense(nn.Module):
    """The model as a function of tensors."""

    def __init__(self, model: MultiTaskModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, numbers: Tensor, text: Tensor) -> dict[str, Tensor]:
        rows = torch.zeros_like(ids[:, 0])
        batch = Batch(ids, numbers, {}, {"text": text}, {}, {}, {}, {}, {}, rows)
        return self.model.predict(batch)


def _shapes(model: MultiTaskModel, rows: Batch) -> None:
    parameters = model(rows)
    assert tuple(parameters) == model.outputs
    for name, found in parameters.items():
        assert found.shape == (len(rows), model.head(name).out_features), name
        assert found.isfinite().all(), name


def _gradients(model: MultiTaskModel, rows: Batch, *, autocast: bool) -> None:
    """Every parameter is reached, by finite numbers."""
    model.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        found = Supervised(dict.fromkeys(model.tasks, Expected(1.0))).losses(model, rows, 0)
    Equal().backward(found.tasks, found.penalty)
    reached = gradients(model)
    assert set(reached) == {name for name, _ in model.named_parameters()}, "not all is reached"
    assert all(gradient.isfinite().all() for gradient in reached.values())


def _private_parts(one: Combination, model: MultiTaskModel, rows: Batch) -> None:
    """A task's representation reaches its own parts, and no part that is another task's."""
    if one.structure not in OWNERS:
        return
    names = [f"architecture.{OWNERS[one.structure]}", "own_tables.of_{task}."]
    parameters = dict(model.named_parameters())
    for task in model.tasks:
        for parameter in parameters.values():
            parameter.grad = None
        shared = model.share(model.encode(model.lookup(rows)))
        model.architecture.split(shared)[task].square().sum().backward()
        reached = {name for name, parameter in parameters.items() if parameter.grad is not None}
        for place, owner in enumerate(model.tasks):
            for form in names:
                prefix = form.format(place=place, task=owner)
                mine = {name for name in parameters if name.startswith(prefix)}
                touched = reached & mine
                assert bool(touched) == (bool(mine) and owner == task), f"{prefix} by {task}"


def main() -> None:
    """Check what is missing, keep it, and write the page."""
    made = argparse.ArgumentParser(description="The whole grid of parts.")
    made.add_argument("--out", type=Path, required=True, help="the page")
    made.add_argument("--keep", type=Path, required=True, help="file that keeps what was done")
    made.add_argument("--budget-minutes", type=float, help="no combination begins after these")
    arguments = made.parse_args()
    done: dict[str, str] = {}
    if arguments.keep.exists():
        done = json.loads(arguments.keep.read_text(encoding="utf-8"))
    began, everything = time.monotonic(), list(_checks())
    with tempfile.TemporaryDirectory(prefix="plait-") as folder:
        logs = Logs(Path(folder))
        for name, run in everything:
            budget = arguments.budget_minutes
            if budget is not None and (time.monotonic() - began) / 60 >= budget:
                break
            if name not in done:
                done[name] = _told(run, logs)
                if len(done) % 10 == 0:
                    _write(arguments.keep, json.dumps(done))
    _write(arguments.keep, json.dumps(done))
    arguments.out.write_text(page(done, [name for name, _ in everything]), encoding="utf-8")


def _checks() -> Iterator[tuple[str, Callable[[Logs], None]]]:
    """The pairs, their export, and then all other combinations."""
    pairs = pairwise()
    dense = {replace(one, sequence=NONE): None for one in pairs}
    for one in pairs:
        yield one.name, partial(check, one)
    for one in dense:
        yield f"export {one.name}", partial(check_export, one)
    for one in in_order()[len(pairs) :]:
        yield one.name, partial(check, one)


def _told(run: Callable[[Logs], None], logs: Logs) -> str:
    """Nothing where all holds; else what does not, whatever was raised."""
    try:
        run(logs)
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}".partition("\n")[0]
    return ""


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def page(done: Mapping[str, str], names: Sequence[str]) -> str:
    """What was checked, by structure, and all that failed."""
    failed = {name: told for name, told in done.items() if told}
    lines = [
        "# The grid of parts",
        "",
        "Any sharing structure goes with any link, interaction, sequence encoder and number of",
        "tasks. `make grid` tries combinations of them: shapes, gradients that must and must not",
        "be there, the cut at every surface, bfloat16, and the same bits from settings and saved",
        "weights; and `torch.export` with a dynamic batch on features without lists. It begins",
        "with combinations in which every *pair* of choices occurs, and goes on to all. Those of",
        "the pairs are tried at each commit, too, cut at two surfaces and without export.",
        "",
        f"Checked here: **{len(done):,} of {len(names):,}**, failed: **{len(failed)}**.",
        "",
        "| structure | combinations | exported | failed |",
        "|---|---|---|---|",
    ]
    for structure in STRUCTURES:
        mine = [name for name in done if name.startswith(f"{structure}-")]
        exported = [name for name in done if name.startswith(f"export {structure}-")]
        wrong = sum(name in failed for name in (*mine, *exported))
        lines.append(f"| `{structure}` | {len(mine):,} | {len(exported):,} | {wrong} |")
    lines += ["", *(f"- `{name}`: {told}" for name, told in failed.items())]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    main()
