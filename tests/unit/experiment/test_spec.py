"""An experiment file becomes objects, or one message with every problem in it."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.unit.experiment.files import LEAST, TEXT, as_toml, write

from plait.architectures import (
    AITM,
    ARCHITECTURES,
    DBMTL,
    DCMT,
    ESCM2,
    GATES,
    LINKS,
    NISE,
    Architecture,
    Chain,
    Gate,
    MMoE,
    PositionBias,
    Widths,
)
from plait.balancing import BALANCERS, PCD, Balancer, Equal, Fixed, MetaBalance, Weighted
from plait.data.batch import Column, Layout
from plait.data.batch import Table as VectorTable
from plait.data.joins import Table
from plait.data.schema import FEATURE_KINDS, Categorical, Feature, Numeric, Schema, Sequence
from plait.data.splits import ColumnSplit, RandomSplit, TimeSplit, UserSplit
from plait.errors import ExperimentFileError
from plait.experiment.spec import Experiment, json_schema
from plait.methods import METHODS, PENALTIES, JointFeatures, Method, Penalty
from plait.modules.interactions import INTERACTIONS, Entry, Interaction
from plait.modules.sequences import SEQUENCE_ENCODERS, SequenceEncoder
from plait.modules.terms import TERMS, Term
from plait.settings import settings_of
from plait.tasks import TASK_KINDS, Binary, Task
from plait.training import Training

NEEDED: dict[type, dict[str, object]] = {
    Chain: {"parent": "like", "child": "buy"},
    ESCM2: {"parent": "like", "child": "buy"},
    DCMT: {"parent": "like", "child": "buy"},
    NISE: {"parent": "like", "child": "buy"},
    AITM: {"tasks": ("like", "buy")},
    PositionBias: {"tasks": ("like",)},
    DBMTL: {"parents": {"buy": ("like",)}},
    Fixed: {"weights": {"like": 1.0, "buy": 0.5}},
    Weighted: {"weights": {"like": 1.0, "buy": 0.5}},
    MetaBalance: {"target": "buy"},
    PCD: {"target": "buy"},
    ColumnSplit: {"column": "fold"},
}
"""Settings without a default, or without a default that is enough."""

BESIDE: dict[type, str] = {
    NISE: 'tasks.buy.space = "like == 1"\n',
    PositionBias: 'roles.position = "place"\n',
}
"""What else a file must say for a link."""


def _problems(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(ExperimentFileError) as caught:
        Experiment.read(path, overrides)
    shown = str(caught.value)
    assert all(problem in shown for problem in caught.value.problems)
    return [problem.replace(f"{path}", "exp.toml") for problem in caught.value.problems]


def test_a_file_becomes_the_objects_that_train_takes(tmp_path: Path) -> None:
    arguments = Experiment.read(write(tmp_path)).arguments()
    architecture = arguments.pop("architecture")
    assert isinstance(architecture, partial)
    assert architecture.func.__name__ == "MMoE"
    assert architecture.keywords == {"num_experts": 3}
    assert arguments == {
        "log": str(tmp_path / "log.parquet"),
        "ratios": None,
        "schema": Schema(
            (
                Categorical("country"),
                Categorical("user_id", embedding_dim=16),
                Categorical("item_id"),
                Numeric("age"),
                Sequence("history", shares="item_id"),
            ),
            user="user_id",
            time="timestamp",
        ),
        "tasks": (Binary("like", label="rating >= 4"), Binary("buy")),
        "split": TimeSplit(),
        "tables": (Table("items", str(tmp_path / "items.parquet"), "item_id"),),
        "links": (),
        "gates": (),
        "interaction": None,
        "sequence": None,
        "sequence_of": None,
        "factors": 32,
        "terms": (),
        "tower": (64,),
        "dropout": 0.2,
        "id_dropout": None,
        "unknown_rate": 0.01,
        "table_precision": "fp32",
        "ranks": "before",
        "history": True,
        "balancer": None,
        "method": None,
        "training": Training(epochs=2),
        "group_by": None,
        "slices": (),
    }


def test_the_least_file_takes_every_default_from_the_constructors(tmp_path: Path) -> None:
    arguments = Experiment.read(write(tmp_path, LEAST)).arguments()
    assert arguments["architecture"].func is MMoE
    assert arguments["architecture"].keywords == {}
    assert arguments["training"] == Training()
    assert arguments["split"] == RandomSplit()


def test_several_logs_come_with_their_ratios(tmp_path: Path) -> None:
    path = write(tmp_path, line_2='log = ["a/*.csv", "/b.csv", "s3://c.csv"]\nratios = [1, 2, 0.5]')
    arguments = Experiment.read(path).arguments()
    assert arguments["log"] == (str(tmp_path / "a/*.csv"), "/b.csv", "s3://c.csv")
    assert arguments["ratios"] == (1, 2, 0.5)


def test_paths_take_names_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLAIT_TEST_DATA", "/data/sets")
    path = write(tmp_path, line_2='log = "${PLAIT_TEST_DATA}/log.parquet"')
    assert Experiment.read(path).arguments()["log"] == "/data/sets/log.parquet"


def test_a_name_that_the_environment_does_not_hold_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PLAIT_TEST_DATA", raising=False)
    path = write(tmp_path, line_2='log = "${PLAIT_TEST_DATA}/log.parquet"')
    assert _problems(path) == [
        "exp.toml:2: The environment variable 'PLAIT_TEST_DATA' is not set. Set it "
        "(`export PLAIT_TEST_DATA=…`), or write the path out."
    ]


@pytest.mark.parametrize("kind", TASK_KINDS)
def test_every_kind_of_task_can_be_named(kind: type[Task], tmp_path: Path) -> None:
    needed: dict[str, Any] = {"duration": "seconds"} if kind.kind == "watch_time" else {}
    task = kind("stay", **needed)
    for settings in (needed, {k: v for k, v in settings_of(task).items() if k != "name"}):
        table = as_toml({"kind": kind.kind, **settings})
        path = write(tmp_path, LEAST + f"tasks.stay = {table}")
        assert Experiment.read(path).arguments()["tasks"][-1] == task


@pytest.mark.parametrize("kind", FEATURE_KINDS)
def test_every_kind_of_feature_can_be_named(kind: type[Feature], tmp_path: Path) -> None:
    needed: dict[str, Any] = {"size": 4} if kind.kind == "vector" else {}
    feature = kind("column", **needed)
    text = LEAST.replace('numeric = ["age"]', "{} = [{}]")
    for settings in ({"name": "column", **needed}, asdict(feature)):
        path = write(tmp_path, text.format(kind.kind, as_toml(settings)))
        assert Experiment.read(path).arguments()["schema"].features == (feature,)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_every_architecture_can_be_named(kind: type[Architecture], tmp_path: Path) -> None:
    widths = Widths(main=3, tokens=(1, 2), context=2, num_scenarios=2, own=3)
    built = kind(widths, ("like", "buy"))
    for written in (f'"{kind.__name__}"', as_toml(settings_of(built))):
        path = write(tmp_path, LEAST + f"model.architecture = {written}")
        made = Experiment.read(path).arguments()["architecture"](widths, ("like", "buy"))
        assert type(made) is kind
        assert settings_of(made) == settings_of(built)


@pytest.mark.parametrize("kind", GATES)
def test_every_gate_can_be_named(kind: type[Gate], tmp_path: Path) -> None:
    for written in (f'"{kind.__name__}"', as_toml(settings_of(kind()))):
        path = write(tmp_path, LEAST + f"model.gates = [{written}]")
        (made,) = Experiment.read(path).arguments()["gates"]
        assert type(made) is kind
        assert settings_of(made) == settings_of(kind())


@pytest.mark.parametrize("kind", INTERACTIONS)
def test_every_interaction_can_be_named(kind: type[Interaction], tmp_path: Path) -> None:
    entries = (Entry("age", 3), Entry("item", 4), Entry("price", 2, learnt=False))
    built = kind(entries)
    for written in (f'"{kind.__name__}"', as_toml(settings_of(built))):
        path = write(tmp_path, LEAST + f"model.interaction = {written}")
        made = Experiment.read(path).arguments()["interaction"](entries)
        assert type(made) is kind
        assert settings_of(made) == settings_of(built)


@pytest.mark.parametrize("kind", SEQUENCE_ENCODERS)
def test_every_sequence_encoder_can_be_named(kind: type[SequenceEncoder], tmp_path: Path) -> None:
    built = kind(4)
    for written in (f'"{kind.__name__}"', as_toml(settings_of(built))):
        of = f"model.sequence_of.history = {written}"
        text = LEAST + f'features.sequence = ["history"]\nmodel.sequence = {written}\n{of}'
        arguments = Experiment.read(write(tmp_path, text)).arguments()
        for factory in (arguments["sequence"], arguments["sequence_of"]["history"]):
            assert type(factory(4)) is kind
            assert settings_of(factory(4)) == settings_of(built)


@pytest.mark.parametrize("kind", TERMS)
def test_every_term_can_be_named(kind: type[Term], tmp_path: Path) -> None:
    layout = Layout(
        tables=(VectorTable("user", 3, 2), VectorTable("item", 4, 2)),
        ids=(Column("user", "user", "user"), Column("item", "item", "item")),
        lists=(Column("past", "item", "past"),),
        sequences=("past",),
        user="user",
        item="item",
    )
    built = kind(layout)
    for written in (f'"{kind.__name__}"', as_toml(settings_of(built))):
        path = write(tmp_path, LEAST + f"model.terms = [{written}]")
        (made,) = Experiment.read(path).arguments()["terms"]
        assert type(made(layout)) is kind
        assert settings_of(made(layout)) == settings_of(built)


def test_wrong_terms_are_told_with_their_lines(tmp_path: Path) -> None:
    text = f"""{LEAST}\
features.sequence = ["clicks"]
model.terms = [{{ name = "FPMC", sequence = "clikcs" }}, {{ name = "NCF", layers = [] }}]
"""
    assert _problems(write(tmp_path, text)) == [
        "exp.toml:7: NCF needs `layers`: without any it says no more than the biases of user and "
        "item, which the product has already. Give widths such as (64, 32, 16)."
    ]
    text = text.replace("[] }", "[4] }").replace('["clicks"]', '["clicks"]\nhistory = false')
    assert _problems(write(tmp_path, text)) == [
        "exp.toml:8: There is no sequence 'clikcs'. Did you mean 'clicks'? Known: clicks."
    ]


def test_settings_of_encoders_that_depend_on_the_log_are_checked_later(tmp_path: Path) -> None:
    text = f"""{LEAST}\
history.sequence_length = 9
roles = {{ user = "user_id", item = "item_id" }}
features.categorical = ["user_id", "item_id"]
model.sequence = {{ name = "SASRec", heads = 3 }}
model.interaction = {{ name = "FinalMLP", first_context = ["user_id"] }}
model.sequence_of."history.user.items" = "DIN"
"""
    arguments = Experiment.read(write(tmp_path, text)).arguments()
    assert arguments["sequence"](6).heads == 3
    assert arguments["interaction"].keywords == {"first_context": ("user_id",)}
    assert list(arguments["sequence_of"]) == ["history.user.items"]


def test_wrong_encoders_are_told_with_their_lines(tmp_path: Path) -> None:
    text = (
        LEAST
        + """\
features.sequence = ["clicks"]
model.interaction = "DCNv3"
model.sequence = { name = "SASRec", num_block = 1 }
model.sequence_of.clicks = { name = "GRU4Rec", width = 0 }
"""
    )
    assert _problems(write(tmp_path, text)) == [
        "exp.toml:7: there is no interaction 'DCNv3'. Did you mean 'DCNv2'? Known: "
        "AutoInt, DCNMix, DCNv2, DLRM, DeepFM, FM, FinalMLP, MaskNet, WideDeep.",
        "exp.toml:8: there is no key `model.sequence.num_block`. Did you mean 'num_blocks'? Known: "
        "aligned, dropout, heads, max_length, name, num_blocks.",
        "exp.toml:9: `width` must be at least 1, got 0.",
    ]
    text = f"""{LEAST}\
features.sequence = ["clicks"]
model.sequence_of.clikcs = "DIN"
model.sequence_of."history.user.items" = "DIN"
"""
    assert _problems(write(tmp_path, text)) == [
        "exp.toml:7: There is no sequence 'clikcs'. Did you mean 'clicks'? Known: clicks.",
        "exp.toml:8: There is no sequence 'history.user.items'. Known: clicks. A history lists "
        "past items where `history.sequence_length` says how many.",
    ]


@pytest.mark.parametrize("kind", [*LINKS, *BALANCERS])
def test_every_link_and_balancer_can_be_named(kind: type, tmp_path: Path) -> None:
    part = kind(**NEEDED.get(kind, {}))
    least = LEAST + BESIDE.get(kind, "")
    for settings in ({"name": kind.__name__, **NEEDED.get(kind, {})}, settings_of(part)):
        key, written = ("balancing", as_toml(settings))
        if kind in LINKS:
            key, written = ("model.links", f"[{written}]")
        arguments = Experiment.read(write(tmp_path, least + f"{key} = {written}")).arguments()
        made = arguments["links"][0] if kind in LINKS else arguments["balancer"]
        assert type(made) is kind
        assert settings_of(made) == settings_of(part)


@pytest.mark.parametrize("kind", METHODS)
def test_every_way_to_learn_can_be_named(kind: type[Method], tmp_path: Path) -> None:
    for settings in ({"kind": kind.kind}, kind().to_json()):
        path = write(tmp_path, LEAST + f"method = {as_toml(settings)}")
        made = Experiment.read(path).arguments()["method"]
        assert type(made) is kind
        assert made.to_json() == kind().to_json()


@pytest.mark.parametrize("kind", PENALTIES)
def test_every_penalty_can_be_named(kind: type[Penalty], tmp_path: Path) -> None:
    for written in (f'"{kind.__name__}"', as_toml(settings_of(kind()))):
        text = LEAST + f'method = {{ kind = "joint", penalty = {written}, min_positives = 3 }}'
        made = Experiment.read(write(tmp_path, text)).arguments()["method"]
        assert made == JointFeatures(penalty=kind(), min_positives=3)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("time", TimeSplit), ("user", UserSplit), ("random", RandomSplit), ("column", ColumnSplit)],
)
def test_every_split_can_be_named(name: str, kind: type, tmp_path: Path) -> None:
    split = kind(**NEEDED.get(kind, {}))
    for settings in (NEEDED.get(kind, {}), vars(split)):
        path = write(
            tmp_path,
            f"{LEAST}split = {as_toml({'by': name, **settings})}".replace(
                'split.by = "random"\n', ""
            ),
        )
        assert Experiment.read(path).arguments()["split"] == split


def test_borders_of_a_split_may_be_dates_or_numbers(tmp_path: Path) -> None:
    for border in ("2024-05-01", "2024-05-01T12:00:00", "1714521600123456789"):
        split = Experiment.read(write(tmp_path), [f"split.test_from={border}"]).arguments()["split"]
        assert str(split.test_from).replace(" ", "T") == border


def test_a_balancer_may_be_a_bare_name(tmp_path: Path) -> None:
    path = write(tmp_path, LEAST + 'balancing = "Equal"')
    balancer = Experiment.read(path).arguments()["balancer"]
    assert isinstance(balancer, Balancer)
    assert isinstance(balancer, Equal)


def test_the_resolved_form_reads_as_the_same_experiment(tmp_path: Path) -> None:
    first = Experiment.read(write(tmp_path), ["training.epochs=7"])
    form = first.to_json()
    assert form["training"]["epochs"] == 7
    assert form["training"]["learning_rate"] == Training().learning_rate
    assert form["data"]["log"] == str(tmp_path / "log.parquet")
    path = write(tmp_path, "\n".join(f"{key} = {as_toml(form[key])}" for key in form))
    again = Experiment.read(path)
    assert again.to_json() == form
    assert again.arguments()["training"] == Training(epochs=7)


def test_an_unknown_key_offers_the_nearest_one(tmp_path: Path) -> None:
    assert _problems(write(tmp_path, line_31="epoch = 2")) == [
        "exp.toml:31: there is no key `training.epoch`. Did you mean 'epochs'? Known: "
        "accumulate, average, batch_size, checkpoint_seconds, clip_norm, engine, epochs, "
        "evaluate_steps, keep_memory, keep_negatives, key_l2, learning_rate, max_steps, monitor, "
        "patience, precision, schedule, seed, shuffle_rows, table_learning_rate, table_optimizer, "
        "warmup_steps, weight_decay."
    ]


def test_all_problems_stand_in_one_message_in_the_order_of_the_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        line_5='source = 3\nwhere = "a"',
        line_18='kind = "binry"',
        line_28='architecture = { name = "MMOE" }\ntower = [64, "wide"]\nranks = "befor"',
        line_31='epochs = "2"',
    )
    problems = _problems(path)
    assert [problem.partition(" ")[0] for problem in problems] == [
        f"exp.toml:{line}:" for line in (5, 6, 19, 29, 30, 31, 34)
    ]
    assert problems[0].endswith("`tables.items.source` must be text in quotes; got 3.")
    assert "no key `tables.items.where`" in problems[1]
    assert "no kind of task 'binry'. Did you mean 'binary'?" in problems[2]
    assert "no architecture 'MMOE'. Did you mean 'MMoE'? Known: AdaTT, CGC, CrossS" in problems[3]
    assert problems[4].endswith('`model.tower[1]` must be a whole number; got the text "wide".')
    assert problems[5].endswith(
        "`model.ranks` cannot be the text \"befor\". Did you mean 'before'? Known: after, before."
    )
    assert problems[6].endswith('`training.epochs` must be a whole number; got the text "2".')


def test_an_empty_file_is_told_what_it_needs(tmp_path: Path) -> None:
    problems = _problems(write(tmp_path, ""))
    assert [problem.partition(" is missing")[0] for problem in problems] == [
        f"exp.toml: `{key}`" for key in ("data", "features", "tasks", "split")
    ]
    assert problems[-1].endswith("`by` is one of: column, random, time, user.")


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("split=time", '`split` must be a table with `by`; got the text "time".'),
        ("split={}", "`split.by` is missing. `by` is one of: column, random, time, user."),
        ("model.architecture=3", "must be a name in quotes or a table with `name`; got 3."),
        ("features.numeric=age", '`features.numeric` must be a list; got the text "age".'),
        ("features.numeric=[3]", "`features.numeric[0]` must be a name in quotes or a table"),
        ("data.log=3", "`data.log` must be text in quotes or a list; got 3."),
        ("data.log=[3]", "`data.log[0]` must be text in quotes; got 3."),
        ("roles=[]", "`roles` must be a table; got a list."),
        ("training.seed=1.5", "`training.seed` must be a whole number; got 1.5."),
        ("training.seed=true", "`training.seed` must be a whole number; got true."),
        ("training.average=yes", '`training.average` must be a number; got the text "yes".'),
        ("training.monitor.lke=1", "There is no task 'lke'. Did you mean 'like'?"),
        ("split.test_from=soon", "must be a date or a date and time or a number"),
        ("balancing=Fixed", "`balancing.weights` is missing"),
        ("balancing={name='Fixed', weights={like=1}}", "There is no weight for task 'buy'."),
        (
            "balancing={name='PCD', target='by'}",
            "There is no task 'by' in `target` of PCD. Did you",
        ),
        (
            "balancing={name='MGDA', surface='trunk'}",
            '`balancing.surface` cannot be the text "trunk". Known: encoded,',
        ),
        ("method=joint", '`method` must be a table with `kind`; got the text "joint".'),
        ("method.kind=joined", "there is no way to learn 'joined'. Did you mean 'joint'?"),
        ("method={kind='joint', min_positives=-1}", "`min_positives` must be at least 0, got -1."),
        (
            "method={kind='joint', penalty='GradientNrm'}",
            "there is no penalty 'GradientNrm'. Did you mean 'GradientNorm'?",
        ),
        (
            "method={kind='joint', penalty={name='FiniteDifference', radius=-1}}",
            "FiniteDifference: `radius` must be at least 0, got -1.",
        ),
        (
            "method={kind='joint', penalty={name='GradientNorm', form='squared'}}",
            'cannot be the text "squared". Known: normalised, plain, ratio.',
        ),
        ("trainng.epochs=3", "there is no key `trainng`. Did you mean 'training'?"),
        ("tasks.buy.tower=[0]", "Task 'buy': `tower` widths must be positive, got (0,)."),
        ("training.epochs=0", "Training: `epochs` must be at least 1, got 0."),
        ("model.architecture.num_experts=0", "`num_experts` must be at least 1, got 0."),
    ],
)
def test_a_wrong_override_is_called_by_its_name(
    override: str, sentence: str, tmp_path: Path
) -> None:
    (problem,) = _problems(write(tmp_path), override)
    assert problem.startswith(f"--set {override.partition('=')[0]}: ")
    assert sentence in problem


def test_a_parent_that_is_no_task_is_found_at_its_child(tmp_path: Path) -> None:
    path = write(tmp_path, line_22='kind = "binary"\nparents = ["lik"]')
    (problem,) = _problems(path)
    assert problem.startswith("exp.toml:21: There is no task 'lik' in the parents of 'buy'.")


def test_two_features_of_one_name_are_refused(tmp_path: Path) -> None:
    (problem,) = _problems(write(tmp_path, line_10='numeric = ["country"]'))
    assert problem.startswith("exp.toml:8: Two features share a name: country.")


def test_a_key_that_a_constructor_refuses_is_found_on_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, line_22='kind = "binary"\nlabel = "bought"\npositive_weight = -1')
    assert _problems(path) == [
        "exp.toml:24: Task 'buy': `positive_weight` must be positive, got -1."
    ]


def test_a_link_that_the_tasks_refuse_is_found_on_its_line(tmp_path: Path) -> None:
    links = 'links = [\n  { name = "Chain", parent = "like", child = "by" },\n]'
    (problem,) = _problems(write(tmp_path, line_28=links))
    assert problem.startswith("exp.toml:29: There is no task 'by' in Chain. Did you mean 'buy'?")


def test_a_place_that_pydantic_words_itself_is_named_too(tmp_path: Path) -> None:
    path = write(tmp_path)
    with path.open("a", encoding="utf-8") as handle:
        handle.write("[tasks.stay]\nkind = 'multiclass'\nclasses = [1, 'a']\n")
    assert [problem.partition(": ")[2] for problem in _problems(path)] == [
        "`tasks.stay.classes[0]` must be text in quotes; got 1.",
        '`tasks.stay.classes[1]` must be a whole number; got the text "a".',
    ]


def test_a_fault_in_the_syntax_is_shown_with_its_place(tmp_path: Path) -> None:
    path = write(tmp_path, line_31="epochs = = 2")
    (problem,) = _problems(path)
    assert problem == "exp.toml:31:10: Invalid value.\n    epochs = = 2\n             ^"


def test_a_fault_at_the_end_of_the_file_is_shown_with_its_place(tmp_path: Path) -> None:
    (problem,) = _problems(write(tmp_path, 'x = """\nabc'))
    assert problem.startswith("exp.toml:2:")
    assert "\n    abc\n" in problem


def test_a_file_that_is_not_there_names_its_neighbours(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(ExperimentFileError, match=r"no such file\. In its folder: exp\.toml"):
        Experiment.read(tmp_path / "epx.toml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ExperimentFileError, match=r"it cannot be read: Is a directory\."):
        Experiment.read(tmp_path)


def test_a_file_that_is_not_utf_8_says_so(tmp_path: Path) -> None:
    path = tmp_path / "exp.toml"
    path.write_bytes(b"a = '\xff'")
    with pytest.raises(ExperimentFileError, match="byte 5 is not UTF-8"):
        Experiment.read(path)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "exp.toml"
    path.write_text("\ufeff" + TEXT, encoding="utf-8")
    assert Experiment.read(path).arguments()["training"].epochs == 2


def test_the_json_schema_describes_every_choice() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == "plait experiment"
    assert schema["required"] == ["data", "features", "tasks", "split"]
    tables = schema["$defs"]
    parts = (*TASK_KINDS, *FEATURE_KINDS, *ARCHITECTURES, *LINKS, *BALANCERS, *METHODS, *PENALTIES)
    for kind in (*parts, *INTERACTIONS, *SEQUENCE_ENCODERS, Training):
        assert tables[kind.__name__]["additionalProperties"] is False
        assert tables[kind.__name__]["description"]
    assert tables["MMoE"]["properties"]["num_experts"]["default"] == 4
    assert tables["Training"]["properties"]["epochs"]["description"].startswith("most passes")
    assert tables["Data"]["required"] == ["log"]
