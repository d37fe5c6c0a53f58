"""Classical models beside the network: the papers' equations, at every cut, and who reads what."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tests.unit.makers import (
    SCENIC,
    SCHEMA,
    Data,
    make_data,
    make_log,
    make_model,
    same_bits,
    whole,
)
from tests.unit.models.encoding import INTERACTIONS, check_cuts, check_gradients, reads, shaken
from tests.unit.models.test_late import as_float64
from torch import Tensor
from torch.testing import assert_close

from plait.architectures import CGC, PLE, STAR, MMoE, SharedBottom
from plait.artifact import Artifact, read_artifact, write_artifact
from plait.data.batch import Batch, Lists
from plait.data.schema import Categorical, Schema, Sequence
from plait.errors import ArchitectureError, UnknownNameError
from plait.models import MultiTaskModel, TermFactory
from plait.modules.terms import FPMC, NCF
from plait.serving import load
from plait.tasks import Binary
from plait.training import Expected, Supervised, Trainer, Training, grow_from, predict_store

TERMS: dict[str, TermFactory] = {
    "NCF": partial(NCF, width=3, layers=(4, 2)),
    "FPMC": partial(FPMC, last=2, width=3),
}
BOTH = tuple(TERMS.values())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"), rows=60, valid_rows=40)


def silenced(model: MultiTaskModel) -> MultiTaskModel:
    """The model with nothing left of the deep network but its last bias."""
    with torch.no_grad():
        for name in model.tasks:
            model.tower_of(name).last.weight.zero_()
    return model


class Written:
    """The tables of a model as NumPy arrays, and the raw ids of a batch."""

    def __init__(self, model: MultiTaskModel, batch: Batch) -> None:
        self.state = {name: t.detach().numpy() for name, t in model.state_dict().items()}
        self.model = model
        names = [column.name for column in model.layout.ids]
        self.users = batch.ids[:, names.index("user_id")].tolist()
        self.items = batch.ids[:, names.index("item_id")].tolist()
        past = batch.lists["history"]
        ends = past.offsets.tolist()
        self.past = [past.values.tolist()[a:b] for a, b in pairwise(ends)]

    def table(self, name: str) -> np.ndarray:
        """The rows of a table that stands beside those of the features."""
        beside = [tables.tables for tables in self.model.key_tables]
        for tables in [*beside, *(term.tables for term in self.model.term_list)]:
            if name in [table.name for table in tables.tables]:
                width, rows = tables.rows_of(name)
                return tables.storages[width].detach().numpy()[rows]
        raise AssertionError(name)

    def factorised(self, task: str, row: int) -> np.ndarray:
        """Koren et al. 2009: `sum_d w_d p_ud q_id + b_u + b_i`, with a diagonal for the task."""
        u, i = self.users[row], self.items[row]
        w = self.state[f"towers.of_{task}.factors.weight"]
        p, q = self.table("user_id.factors")[u], self.table("item_id.factors")[i]
        biases = self.table(f"user_id.bias.{task}")[u] + self.table(f"item_id.bias.{task}")[i]
        return (
            np.array([sum(w[k][d] * p[d] * q[d] for d in range(len(p))) for k in range(len(w))])
            + biases
        )

    def bias(self, task: str) -> np.ndarray:
        return self.state[f"towers.of_{task}.last.bias"]

    def weights(self, task: str, term: str) -> np.ndarray:
        return self.state[f"towers.of_{task}.terms.{term}.weight"]


def check_rows(model: MultiTaskModel, written: Written, term: str | None, batch: Batch) -> None:
    """The parameters of every task are those of the paper's formula, row by row."""
    for task, found in model(batch).items():
        for row in range(len(batch)):
            expected = written.factorised(task, row) + written.bias(task)
            if term == "NCF":
                expected = expected + neural(written, task, row)
            if term == "FPMC":
                expected = expected + chained(written, task, row)
            assert_close(found[row].detach(), torch.from_numpy(expected), rtol=0, atol=1e-10)


def neural(written: Written, task: str, row: int) -> np.ndarray:
    """He et al. 2017, eqs. 10 and 12: `h · phi_L(...phi_2([p_u; q_i]))`, phi a rectified layer."""
    u, i = written.users[row], written.items[row]
    z = np.concatenate([written.table("user_id.ncf")[u], written.table("item_id.ncf")[i]])
    for layer in range(2):
        weight = written.state[f"terms.of_ncf.network.linears.{layer}.weight"]
        bias = written.state[f"terms.of_ncf.network.linears.{layer}.bias"]
        z = np.maximum(weight @ z + bias, 0)
    return written.weights(task, "of_ncf") @ z


def chained(written: Written, task: str, row: int) -> np.ndarray:
    """Rendle et al. 2010, eq. 6: `1/|B| sum_{l in B} sum_d v_i,d v_l,d`, and a diagonal w."""
    item = written.table("item_id.fpmc.history")[written.items[row]]
    table = written.table("history.fpmc.history")
    w = written.weights(task, "of_fpmc%2Ehistory")
    basket = written.past[row][-2:]
    total = np.zeros(len(w))
    for past in basket:
        for d in range(len(item)):
            total += w[:, d] * item[d] * table[past][d] / len(basket)
    return total


def test_matrix_factorisation_alone_is_the_paper_s_model(data: Data) -> None:
    model = silenced(shaken(make_model(data, factors=3))).double().eval()
    batch = as_float64(data.valid.batch(slice(0, 12)))
    check_rows(model, Written(model, batch), None, batch)


@pytest.mark.parametrize("term", list(TERMS))
def test_a_term_with_the_product_alone_is_the_paper_s_model(term: str, data: Data) -> None:
    """NeuMF, and the factorised personalised chain: the deep network is silent."""
    model = silenced(shaken(make_model(data, factors=3, terms=[TERMS[term]]))).double().eval()
    batch = as_float64(data.valid.batch(slice(0, 12)))
    written = Written(model, batch)
    assert {len(past) for past in written.past} == {0, 1, 2, 3}
    check_rows(model, written, term, batch)


@pytest.fixture(scope="module")
def scenic(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("scenic"), schema=SCENIC, rows=40, valid_rows=8)


@pytest.mark.parametrize(
    ("architecture", "interaction"),
    [(MMoE, None), (PLE, "DeepFM"), (CGC, "MaskNet"), (STAR, "DeepFM"), (STAR, None)],
)
def test_terms_are_added_to_what_any_network_says(
    architecture: type[MMoE], interaction: str | None, scenic: Data
) -> None:
    found = scenic
    small = partial(architecture, layers=(5,))
    met = None if interaction is None else INTERACTIONS[interaction]
    plain = make_model(found, architecture=small, interaction=met)
    model = make_model(found, architecture=small, interaction=met, terms=BOTH)
    shaken(model).double().eval()
    state = model.state_dict()
    plain.double().eval().load_state_dict({name: state[name] for name in plain.state_dict()})
    batch = as_float64(whole(found.valid))
    written, deep = Written(model, batch), plain(batch)
    for task, together in model(batch).items():
        for row in range(len(batch)):
            terms = neural(written, task, row) + chained(written, task, row)
            expected = deep[task][row] + torch.from_numpy(terms)
            assert_close(together[row], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("count", [1, 3])
def test_gradients_reach_everything_and_can_be_cut_anywhere(count: int, data: Data) -> None:
    tasks = [replace(data.tasks[0], hide=("age", "genres")), *data.tasks[1:count]]
    tasks = tasks if count > 1 else list(data.tasks[:1])
    model = shaken(make_model(data, tasks=tasks, terms=BOTH))
    check_gradients(model, whole(data.valid))
    check_cuts(model.double(), as_float64(data.valid.batch(slice(0, 12))))


def test_no_row_and_one_row(data: Data) -> None:
    model = shaken(make_model(data, terms=BOTH)).eval()
    all_rows = model.predict(whole(data.valid))
    for rows in (0, 1):
        for task, values in model.predict(data.valid.batch(slice(0, rows))).items():
            assert len(values) == rows
            assert_close(values, all_rows[task][:rows])


def test_an_artifact_gives_the_same_bits(data: Data, tmp_path: Path) -> None:
    model = shaken(make_model(data, terms=BOTH)).eval()
    write_artifact(
        tmp_path / "artifact", Artifact(model, data.preprocessor, SCHEMA), plait_version="0"
    )
    again = read_artifact(tmp_path / "artifact").model
    assert same_bits(again.predict(whole(data.valid)), model.predict(whole(data.valid)))
    assert "beside NCF beside FPMC" in (tmp_path / "artifact" / "README.md").read_text()


class Popular(NCF):
    """A term of somebody's own."""


def test_a_term_of_one_s_own_is_given_when_it_is_read(data: Data, tmp_path: Path) -> None:
    model = make_model(data, terms=[partial(Popular, layers=(2,))])
    write_artifact(
        tmp_path / "artifact", Artifact(model, data.preprocessor, SCHEMA), plait_version="0"
    )
    with pytest.raises(UnknownNameError, match=r"no term 'Popular'"):
        load(tmp_path)
    assert load(tmp_path, terms=[Popular]).artifact.model.term_list[0].called == "ncf"


@pytest.mark.parametrize(
    ("hidden", "readers"),
    [("user_id", {"of_fpmc%2Ehistory"}), ("item_id", set()), ("history", {"of_ncf"})],
)
def test_a_task_that_may_not_read_an_entry_has_no_term(
    hidden: str, readers: set[str], data: Data
) -> None:
    tasks = (replace(data.tasks[0], hide=(hidden,)), *data.tasks[1:])
    model = shaken(make_model(data, tasks=tasks, terms=BOTH)).eval()
    assert set(model.tower_of("click").terms) == readers
    assert len(model.tower_of("like").terms) == 2

    def changed(batch: Batch) -> Batch:
        ids, past = batch.ids.clone(), batch.lists["history"]
        if hidden != "history":
            place = [column.name for column in model.layout.ids].index(hidden)
            ids[:, place] = ids[:, place].roll(1)
            return replace(batch, ids=ids)
        flipped = Lists(past.values.flip(0), past.offsets)
        return replace(batch, lists={**batch.lists, "history": flipped})

    assert "click" not in reads(model, whole(data.valid), changed)


def test_only_the_last_values_are_read(data: Data) -> None:
    model = shaken(make_model(data, terms=[TERMS["FPMC"]])).eval()
    batch = whole(data.valid)
    found = model.lookup(batch).lists["history.fpmc.history"].offsets.diff()
    assert found.tolist() == batch.lists["history"].offsets.diff().clamp(max=2).tolist()


def test_vectors_of_users_and_items_are_held_back_and_have_sparse_gradients(data: Data) -> None:
    model, batch = shaken(make_model(data, terms=BOTH)).train(), whole(data.valid)
    plain = make_model(data)
    more = len(model.key_vectors(model.lookup(batch))) - len(plain.key_vectors(plain.lookup(batch)))
    assert more == 3  # user and item of NCF, the item of FPMC
    found = Supervised(dict.fromkeys(model.tasks, Expected(1.0)), key_l2=0.1).losses(
        model, batch, 0
    )
    torch.stack(list(found.tasks.values())).sum().backward()
    tables = {id(table) for table in model.table_parameters()}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert parameter.grad.is_sparse == (id(parameter) in tables), name
    assert (
        sum(
            name.startswith("terms.") and ".tables." in name for name, _ in model.named_parameters()
        )
        == 2
    )


def test_a_grown_model_predicts_what_the_older_one_did(data: Data, tmp_path: Path) -> None:
    older = shaken(make_model(data, terms=BOTH)).eval()
    model = make_model(data, terms=BOTH[::-1], seed=1).eval()
    grow_from(model, older)
    batch = whole(data.valid)
    for task, values in older.predict(batch).items():
        assert_close(model.predict(batch)[task], values)


def test_fpmc_learns_transitions_that_no_single_id_shows(tmp_path: Path) -> None:
    """An item is liked after some items and not after others; each is liked half the time."""
    rng = np.random.default_rng(0)
    follows = rng.normal(size=(20, 2)) @ rng.normal(size=(2, 20)) > 0
    past, item = rng.integers(20, size=1500), rng.integers(20, size=1500)
    frame = pl.DataFrame(
        {"item": item, "past": past[:, None].tolist(), "like": follows[past, item]}
    )
    schema = Schema((Categorical("item"), Sequence("past", shares="item")), item="item")
    data = make_data(
        tmp_path, [Binary("like")], schema=schema, frame=frame[:1200], valid_frame=frame[1200:]
    )
    settings = Training(epochs=8, batch_size=64, table_learning_rate=0.3, key_l2=0.0, average=0.9)
    model = make_model(data, terms=[partial(FPMC, width=8)])
    with torch.no_grad():  # the deep part is silent: what is learnt, the chain has learnt
        model.tower_of("like").last.weight.zero_()
    model.tower_of("like").last.weight.requires_grad_(requires_grad=False)
    Trainer(model, settings).fit(data.train)
    right = (predict_store(model, data.valid)["like"] > 0.5) == (data.valid.labels("like") == 1)
    assert right.mean() > 0.9


def layout_without(*roles: str, tmp_path: Path, features: tuple[str, ...] = ()) -> Data:
    """Data whose schema lacks some roles and features."""
    kept = tuple(f for f in SCHEMA.features if f.name not in features)
    schema = replace(SCHEMA, features=kept, **dict.fromkeys(roles))  # type: ignore[arg-type]  # roles
    return make_data(tmp_path, schema=schema, rows=40, valid_rows=20)


def test_a_term_without_its_user_or_item_is_refused(tmp_path: Path) -> None:
    lonely = layout_without("user", tmp_path=tmp_path)
    with pytest.raises(ArchitectureError, match=r"NCF is about the user, and the schema names no"):
        make_model(lonely, terms=[NCF])
    make_model(lonely, terms=[FPMC])


def test_a_chain_without_a_past_is_refused(tmp_path: Path) -> None:
    no_past = layout_without(tmp_path=tmp_path, features=("history",))
    with pytest.raises(ArchitectureError, match=r"no sequence shares the item's .*History\(sequ"):
        make_model(no_past, terms=[FPMC])


def test_a_chain_over_several_pasts_has_to_be_told_which(tmp_path: Path) -> None:
    two = replace(
        SCHEMA,
        features=(
            *SCHEMA.features,
            Sequence("carts", shares="item_id"),
            Sequence("words", min_count=1),
        ),
    )
    log = make_log(40).with_columns(carts=pl.col("history"), words=pl.lit(["a"]))
    found = make_data(tmp_path, schema=two, frame=log, valid_frame=log[:10])
    with pytest.raises(ArchitectureError, match=r"history, carts all are\. Say which: `sequence`"):
        make_model(found, terms=[FPMC])
    with pytest.raises(UnknownNameError, match=r"no sequence 'cart' in `sequence` of FPMC\. Did"):
        make_model(found, terms=[partial(FPMC, sequence="cart")])
    with pytest.raises(ArchitectureError, match=r"'words' does not share its vocabulary"):
        make_model(found, terms=[partial(FPMC, sequence="words")])
    chains = [partial(FPMC, sequence=name) for name in ("history", "carts")]
    model = shaken(make_model(found, terms=chains)).eval()
    values: dict[str, Tensor] = model(whole(found.valid))
    assert values["click"].isfinite().all()
    with pytest.raises(ArchitectureError, match=r"two FPMC that look up the same \(item_id, hist"):
        make_model(found, terms=[chains[0], chains[0]])


def test_a_term_that_no_task_may_read_is_refused(data: Data) -> None:
    tasks = [replace(task, hide=("user_id",)) for task in data.tasks]
    with pytest.raises(ArchitectureError, match=r"NCF reads user_id, item_id, and no task may"):
        make_model(data, tasks=tasks, terms=[NCF])


@pytest.mark.parametrize(
    ("term", "problem"),
    [
        (partial(NCF, width=0), "`width` must be at least 1, got 0"),
        (partial(NCF, layers=()), "NCF needs `layers`"),
        (partial(FPMC, last=0), "`last` must be at least 1, got 0"),
    ],
)
def test_settings_that_say_nothing_are_refused(term: TermFactory, problem: str, data: Data) -> None:
    with pytest.raises(ArchitectureError, match=problem):
        make_model(data, terms=[term])


def test_the_linear_part_is_all_that_is_left_without_layers(data: Data) -> None:
    """What the docs say of a classical model alone: no hidden layer anywhere."""
    alone = partial(SharedBottom, layers=(), dropout=0.0)
    model = make_model(data, architecture=alone, tower=(), terms=BOTH)
    dense = [name for name, p in model.named_parameters() if p.ndim == 2 and "storages" not in name]
    hidden = [name for name in dense if "linears" in name]
    assert hidden == [
        "terms.of_ncf.network.linears.0.weight",
        "terms.of_ncf.network.linears.1.weight",
    ]
