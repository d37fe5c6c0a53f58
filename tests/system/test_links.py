"""Structures and links from an experiment file, trained, loaded again, and asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.system.feeds import feed

import plait
from plait.errors import ExperimentFileError, TaskError, TrainingError
from plait.experiment import Experiment
from plait.studies import open_run
from plait.studies.baselines.single_task import single_task

TEXT = """\
history = false

[data]
log = "log.parquet"

[features]
categorical = ["user_id", "item_id", "tab"]
numeric = ["age"]

[roles]
user = "user_id"
item = "item_id"
scenario = "tab"

[tasks.click]
kind = "binary"

[tasks.buy]
kind = "binary"
label = "click == 1 and seconds > 20"
parents = ["click"]

[split]
by = "random"

[model]
architecture = { name = "PEPNet", layers = [16, 8], gate_width = 8 }
links = [
    { name = "DBMTL", parents = { buy = ["click"] } },
    { name = "ESCM2", parent = "click", child = "buy", estimator = "snips", weight = 0.5 },
]

[training]
epochs = 2
batch_size = 128
"""


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    log = feed(1500).with_columns(tab=pl.Series(["home", "search", "home"] * 500))
    log.write_parquet(tmp_path / "log.parquet")
    path = tmp_path / "experiment.toml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_a_file_with_gates_a_graph_and_a_weighed_chain_trains_and_serves(experiment: Path) -> None:
    read = Experiment.read(experiment)
    run = plait.train(**read.arguments(), out=experiment.parent / "run")
    links = run.predictor.artifact.model.links
    assert [type(link) for link in links] == [plait.DBMTL, plait.ESCM2]
    loaded = plait.load(run.folder)
    rows = pl.read_parquet(experiment.parent / "log.parquet").head(50)
    found = loaded.predict(rows)
    assert found.columns == ["click", "buy", "buy_given_click"]
    assert found.equals(run.predictor.predict(rows))
    product = found["click"] * found["buy_given_click"]
    np.testing.assert_allclose(found["buy"], product, rtol=1e-4)
    assert set(run.evaluation.tasks) == {"click", "buy", "buy_given_click"}


def test_a_known_chance_of_the_parent_is_read_from_its_column_and_needed_to_train_alone(
    experiment: Path,
) -> None:
    log = experiment.parent / "log.parquet"
    rows = pl.read_parquet(log).with_columns(drawn=pl.Series([0.2, 0.9, 0.5] * 500))
    rows.write_parquet(log)
    known = Experiment.read(experiment, ['tasks.click.propensity="drawn"'])
    run = plait.train(**known.arguments(), out=experiment.parent / "known")
    new = rows.head(50).drop("drawn")
    found = plait.load(run.folder).predict(new)  # nobody knows the chance before the list is made
    assert found.equals(run.predictor.predict(new))
    plain = Experiment.read(experiment)
    other = plait.train(**plain.arguments(), out=experiment.parent / "predicted")
    assert not found.equals(other.predictor.predict(new))

    rows.with_columns(drawn=pl.lit(1.5)).write_parquet(log)
    with pytest.raises(TaskError, match=r"'click'.*bad propensity, for example 1.5; expected a ch"):
        plait.train(**known.arguments(), out=experiment.parent / "bad")


def test_a_run_whose_known_chances_cannot_be_right_is_stopped_by_the_guard(
    experiment: Path,
) -> None:
    log = experiment.parent / "log.parquet"
    rows = pl.read_parquet(log)
    weighed = (
        'model.links=[{name="ESCM2", parent="click", child="buy", estimator="dr"}]',
        "training.batch_size=32",
        "training.epochs=4",
    )
    settings = ('tasks.click.propensity="drawn"', *weighed)
    for chance, is_right in ((float(rows["click"].mean()), True), (0.1, False)):
        rows.with_columns(drawn=pl.lit(chance)).write_parquet(log)
        read = Experiment.read(experiment, settings)
        out = experiment.parent / f"run {chance:.2f}"
        if is_right:
            plait.train(**read.arguments(), out=out)
            continue
        with pytest.raises(
            TrainingError, match=r"the mean of o / ô is .*Does the task name a `pro"
        ):
            plait.train(**read.arguments(), out=out)


@pytest.mark.parametrize(
    "settings",
    [
        ('model.architecture={name="STEM", layers=[8]}', 'model.gates=["ScenarioGate"]'),
        (
            'model.architecture={name="HoME", layers=[8], groups={acts=["click"], money=["buy"]}}',
            'model.gates=["ScenarioGate", {name="PersonalGates", width=8}]',
        ),
    ],
    ids=["STEM", "HoME"],
)
def test_own_tables_groups_and_gates_train_serve_and_are_loaded(
    experiment: Path, settings: tuple[str, str]
) -> None:
    read = Experiment.read(experiment, [*settings, "model.links=[]"])
    run = plait.train(**read.arguments(), out=experiment.parent / "run")
    rows = pl.read_parquet(experiment.parent / "log.parquet").head(50)
    assert plait.load(run.folder).predict(rows).equals(run.predictor.predict(rows))
    alone = single_task(open_run(run.folder), "buy")
    assert np.isfinite(alone).all()


def test_a_scenario_never_seen_is_unknown_and_is_served(experiment: Path) -> None:
    read = Experiment.read(experiment, ["model.architecture=STAR"])
    run = plait.train(**read.arguments(), out=experiment.parent / "run")
    rows = pl.read_parquet(experiment.parent / "log.parquet").head(6)
    new = [run.predictor.predict(rows.with_columns(tab=pl.lit(t))) for t in ("a new one", "two")]
    assert np.isfinite(new[0].to_numpy()).all()
    assert new[0].equals(new[1])
    assert not new[0].equals(run.predictor.predict(rows))


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("model.architecture=AdaT", "no architecture 'AdaT'. Did you mean 'AdaTT'?"),
        ('model.links=[{name="ESMC2"}]', "no link 'ESMC2'. Did you mean 'ESCM2'?"),
        ('model.links=[{name="DBMTL", parents={buy=["clic"]}}]', "Did you mean 'click'?"),
        ('model.links=[{name="DBMTL", parents={buy=["buy"]}}]', "in a circle: buy -> buy"),
        ('model.links=[{name="AITM", tasks=["buy"]}]', "must hold at least two steps"),
        ('model.architecture={name="AdaTT", shared_expert=1}', "shared_experts"),
        ('model.architecture={name="HoME", groups={acts=["clik", "buy"]}}', "mean 'click'?"),
        ('model.architecture={name="HoME", groups={acts=["click"]}}', "buy stands in none"),
        ('model.gates=["ScenarioGates"]', "no gate 'ScenarioGates'. Did you mean 'ScenarioGate'?"),
        ('model.gates=[{name="PersonalGates", widths=3}]', "Did you mean 'width'?"),
    ],
)
def test_mistakes_are_told_before_a_row_is_read(experiment: Path, setting: str, told: str) -> None:
    (experiment.parent / "log.parquet").unlink()
    with pytest.raises(ExperimentFileError) as caught:
        Experiment.read(experiment, [setting])
    assert told in str(caught.value)
