"""A profile of an experiment file: what a run would do, and the culprit that was planted in it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.studies.experiments import write_experiment

from plait.architectures import MMoE
from plait.artifact import model_settings
from plait.data import preparing, reading
from plait.data.preparing import prepare
from plait.data.store import Store
from plait.errors import ConfigurationError, ExperimentFileError, UnknownNameError
from plait.experiment import Experiment, train
from plait.metrics import AUC
from plait.modules import Tables
from plait.studies.profile import Profile, first_thing, profile_experiment, profile_training
from plait.studies.profile.building import log_of, model_of
from plait.training import Training, stepping
from plait.training.averaging import WeightAverage
from plait.training.optimizers import AdamW
from plait.training.row_optimizers import RowOptimizer
from plait.training.stepping import Stepper

MOMENT = 0.02
"""Seconds of training that are measured here."""
LONG = 1000.0

Plant = Callable[[object, str], None]


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_experiment(tmp_path_factory.mktemp("experiment"))


@pytest.fixture(scope="module")
def found(experiment: Path) -> Profile:
    return profile_experiment(experiment, seconds=MOMENT)


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Make a function take very long, by a clock that then is far ahead: nobody has to wait."""
    real, ahead = time.perf_counter, [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: real() + ahead[0])

    def slow_down(owner: object, name: str) -> None:
        function = getattr(owner, name)

        def slow(*args: object, **kwargs: object) -> object:
            ahead[0] += LONG
            return function(*args, **kwargs)

        monkeypatch.setattr(owner, name, slow)

    return slow_down


CULPRITS = {
    "a slow reader": (preparing, "stage", "reading the log"),
    "a slow file": (reading, "scan_parquet", "reading the log"),
    "a slow history": (preparing, "add_history", "preparing the log, above all “history"),
    "a slow lookup": (Tables, "forward", "work on the tables, above all looking vectors up"),
    "a slow network": (MMoE, "share", "the network itself"),
    "a slow step": (Stepper, "step", "the optimizer, above all its rates"),
    "slow averages": (WeightAverage, "after_step", "the optimizer, above all the averaged"),
    "a slow dense optimizer": (AdamW, "step", "the optimizer, above all the dense"),
    "a slow table optimizer": (
        RowOptimizer,
        "step",
        "work on the tables, above all the optimizer of their rows",
    ),
    "slow merging": (
        stepping,
        "merge_gradients",
        "work on the tables, above all the optimizer of their rows",
    ),
    "a slow metric": (AUC, "compute", "computing metrics, above all auc of click"),
}


@pytest.mark.parametrize(("owner", "name", "culprit"), CULPRITS.values(), ids=CULPRITS)
def test_a_planted_culprit_is_named(
    experiment: Path, plant: Plant, owner: object, name: str, culprit: str
) -> None:
    plant(owner, name)
    found = profile_experiment(Experiment.read(experiment, ["training.epochs=1"]), seconds=MOMENT)
    told = first_thing(found)
    assert told.culprit.startswith(culprit)
    assert told.share == max(found.costs.values()) / found.run_seconds
    assert told.share > 0.5


def test_a_loader_that_sleeps_is_named(experiment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are made in a thread of their own, so this one sleeps in earnest."""
    batch = Store.batch

    def sleepy(store: Store, rows: object) -> object:
        time.sleep(0.2)
        return batch(store, rows)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "batch", sleepy)
    settings = ["training.epochs=4"]
    found = profile_experiment(Experiment.read(experiment, settings), seconds=MOMENT)
    assert first_thing(found).culprit == "waiting for batches"
    seconds = found.stretch.seconds
    assert max(seconds, key=seconds.__getitem__) == "batch"


def test_rows_and_network_are_those_of_a_run(experiment: Path, tmp_path: Path) -> None:
    given = Experiment.read(experiment, ["training.epochs=1"]).arguments()
    run = train(**given, out=tmp_path / "run")
    written = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    log = log_of(given)
    prepared = prepare(log, given["split"], cache=tmp_path / "cache")
    assert prepared.key == written["prepared"]
    model = json.loads(json.dumps(model_settings(model_of(given, prepared, log))))
    assert model == written["model"]


def test_nothing_is_left_behind(
    experiment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = sorted(experiment.parent.iterdir())
    profile_experiment(experiment, seconds=MOMENT)
    assert sorted(experiment.parent.iterdir()) == before
    assert not list(tmp_path.iterdir())


def test_a_profile_says_what_it_was_made_of(found: Profile) -> None:
    assert found.preparation is not None
    assert found.preparation.rows == 1600
    assert found.plan.epochs == 2.0
    assert found.stretch.batch_size == 64
    assert found.larger is not None
    assert found.larger.batch_size == 256
    assert found.machine.threads == 1
    assert {"age", "rank"} < {*found.size.numbers}
    assert {*found.history} == {*found.size.numbers} - {"age", "rank"}
    assert "of" in found.judging.slowest


def test_a_prepared_log_is_kept_in_a_cache_and_found_there(
    experiment: Path, tmp_path: Path
) -> None:
    for is_there in (False, True):
        found = profile_experiment(experiment, cache=tmp_path / "cache", seconds=MOMENT)
        assert found.preparation is not None
        assert found.preparation.from_cache is is_there


def test_a_model_of_ones_own_is_profiled_without_a_file(experiment: Path, tmp_path: Path) -> None:
    given = Experiment.read(experiment).arguments()
    log = log_of(given)
    prepared = prepare(log, given["split"], cache=tmp_path)
    found = profile_training(
        model_of(given, prepared, log),
        prepared,
        training=Training(batch_size=4000, epochs=1),
        seconds=MOMENT,
    )
    assert found.preparation is None
    assert found.larger is None, "there are no rows for a batch four times as large"
    assert found.plan.steps == 1


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_seconds_must_be_some(experiment: Path, seconds: float) -> None:
    with pytest.raises(ConfigurationError, match="`seconds` must be positive and finite, got"):
        profile_experiment(experiment, seconds=seconds)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExperimentFileError, match="there is no such file"):
        profile_experiment(tmp_path / "none.toml")


def test_a_slice_that_is_not_there_is_named(experiment: Path) -> None:
    wrong = Experiment.read(experiment, ['metrics.slices=["moood"]'])
    with pytest.raises(UnknownNameError, match="There is no column 'moood'"):
        profile_experiment(wrong, seconds=MOMENT)
