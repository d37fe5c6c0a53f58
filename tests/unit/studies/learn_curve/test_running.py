"""A whole study: same rows for every way to learn, kept and reused, stopped and gone on with."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.unit.studies.experiments import write_experiment

from plait.balancing import Balancer
from plait.data.store import Store
from plait.errors import (
    ArtifactError,
    ConfigurationError,
    TrainingInterrupted,
    UnknownNameError,
)
from plait.experiment import Experiment
from plait.methods import Hybrid, Method
from plait.methods.base import Plain
from plait.models import MultiTaskModel
from plait.studies.learn_curve import CurveSettings, forget_learn_curve, learn_curve, running
from plait.studies.learn_curve.families import FAMILIES, method_of
from plait.studies.learn_curve.hiding import fewer_labels
from plait.studies.learn_curve.settings import Part
from plait.tasks import Binary
from plait.training import Callback, History, Training

SHORT = ("training.epochs=1", "training.batch_size=128", "history=false")
SMALL = CurveSettings(
    task="click", shares=(0.2, 1.0), flips=(0.0,), families=("soft_labels",), seeds=2
)


ALL = CurveSettings(shares=(1,), flips=(0.0,), families=(), seeds=1)
"""Labels of all tasks, and supervised learning alone."""


class Lines:
    """Keeps what it is told."""

    def __init__(self, at: Callable[[str], None] = lambda line: None) -> None:
        self.told: list[str] = []
        self.begun: list[str] = []
        self._at = at

    def begin(self, what: str) -> None:
        self.begun.append(what)
        self._at(what)

    def tell(self, line: str) -> None:
        self.told.append(line)


class Seen(Method):
    """Learns nothing, and keeps the labels that it was given."""

    kind = "seen"
    given: dict[str, list[bytes]]

    def __init__(self, family: str, given: dict[str, list[bytes]]) -> None:
        self.family = family
        self.given = given

    def fit(
        self,
        model: MultiTaskModel,
        train: Store,
        valid: Store | None,
        *,
        settings: Training,
        balancer: Balancer | None = None,
        callbacks: Sequence[Callback] = (),
        folder: Path | None = None,
    ) -> History:
        assert valid is not None
        found = [*(train.labels(t) for t in train.tasks), *(train.observed(t) for t in train.tasks)]
        self.given.setdefault(self.family, []).append(
            b"".join(np.ascontiguousarray(column).tobytes() for column in found)
        )
        whole = [valid.labels(t).tobytes() + valid.observed(t).tobytes() for t in valid.tasks]
        self.given.setdefault("valid", []).append(b"".join(whole))
        return History()

    def prepare(self, *_: object, **__: object) -> None:
        return

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind}


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    path = write_experiment(tmp_path_factory.mktemp("curve"), rows=480)
    return Experiment.read(path, SHORT)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[bytes]]:
    """Nothing is trained; what each way to learn was given is kept."""
    given: dict[str, list[bytes]] = {}
    monkeypatch.setattr(
        running, "method_of", lambda family, *, first_layer=None: Seen(family, given)
    )
    return given


def test_every_way_to_learn_gets_the_same_labels(
    experiment: Experiment, cache: Path, tmp_path: Path, seen: dict[str, list[bytes]]
) -> None:
    settings = CurveSettings(shares=(0.2, 1.0), flips=(0.0, 0.2), seeds=2)
    learn_curve(experiment, tmp_path / "study", settings=settings, cache=cache)
    whole = set(seen.pop("valid"))
    assert len(whole) == 1, "validation rows keep all of their labels"
    assert set(seen) == set(FAMILIES)
    first = seen["supervised"]
    assert len(first) == 2 * 2 * 2
    assert all(given == first for given in seen.values())
    assert len(set(first)) == 7, "all differ, but those with all labels as they are"


def test_a_study_judges_and_writes_everything(
    experiment: Experiment, cache: Path, tmp_path: Path
) -> None:
    out, lines = tmp_path / "study", Lines()
    made = learn_curve(experiment, out, settings=SMALL, cache=cache, watcher=lines)
    assert len(made.cells) == 2 * 2 * 2
    form = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert form == made.to_json()
    train = made.rows[0]
    for cell in made.cells:
        share = cell.place.share
        assert cell.labels["click"]["observed"] == round(share * train)
        assert cell.labels["stars"]["observed"] == train, "it keeps its labels"
        assert 0 < cell.metrics["click"]["auc"] < 1
        assert cell.metrics["stars"]["rmse"] > 0
    assert [task.is_hidden for task in made.tasks] == [True, False]
    assert (out / "learn_curve.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert "Which way to learn would help" in made.markdown.read_text(encoding="utf-8")
    assert len(lines.told) == 8
    assert lines.told[0].startswith("1/8 supervised, 20 % of the labels, seed 0: click 0.")
    assert lines.begun[1] == "1/8 supervised, 20 % of the labels, seed 0"
    assert "min left" in lines.begun[2]


def test_what_is_finished_is_reused_and_more_is_added(
    experiment: Experiment, cache: Path, tmp_path: Path, seen: dict[str, list[bytes]]
) -> None:
    out = tmp_path / "study"
    first = learn_curve(experiment, out, settings=SMALL, cache=cache)
    again, lines = len(seen["supervised"]), Lines()
    same = learn_curve(experiment, out, settings=SMALL, cache=cache, watcher=lines)
    assert len(seen["supervised"]) == again
    assert same.to_json() == first.to_json()
    assert lines.told == ["8 of 8 trainings are there already."]
    more = CurveSettings(
        task="click", shares=(0.2, 0.5, 1.0), flips=(0.0,), families=("joint",), seeds=3
    )
    grown = learn_curve(experiment, out, settings=more, cache=cache)
    assert len(seen["supervised"]) == again + 2 + 3, "a share for two seeds, and a seed"
    assert len(seen["joint"]) == 9
    assert grown.cells_of(0.2, 0.0, "supervised")[:2] == first.cells_of(0.2, 0.0, "supervised")


@pytest.mark.parametrize("how", ["between", "in training"])
def test_a_study_that_is_stopped_goes_on(
    experiment: Experiment, cache: Path, tmp_path: Path, how: str
) -> None:
    def stop(line: str) -> None:
        if line.startswith("4/8"):
            if how == "between":
                raise KeyboardInterrupt
            raise TrainingInterrupted(signal.SIGTERM, folder=None)

    eight = CurveSettings(task="click", shares=(0.2, 1), flips=(0.0,), families=(), seeds=4)
    out, lines = tmp_path / "study", Lines(stop)
    kind = KeyboardInterrupt if how == "between" else TrainingInterrupted
    with pytest.raises(kind) as stopped:
        learn_curve(experiment, out, settings=eight, cache=cache, watcher=lines)
    if isinstance(stopped.value, TrainingInterrupted):
        assert stopped.value.folder == str(out)
        assert stopped.value.signal == signal.SIGTERM
    assert lines.told[-1] == (
        f"Stopped. 3 of 8 trainings are kept in {out}; the same command goes on from there."
    )
    assert not (out / "result.json").exists()
    whole = learn_curve(experiment, out, settings=eight, cache=cache)
    straight = learn_curve(experiment, tmp_path / "straight", settings=eight, cache=cache)
    assert [c.metrics for c in whole.cells] == [c.metrics for c in straight.cells]


def test_the_hybrids_stand_on_one_first_layer_which_no_label_has_shaped(
    experiment: Experiment, cache: Path, tmp_path: Path
) -> None:
    given, _ = running._given(experiment.arguments(), SMALL)
    log = running.log_of(given)
    prepared = running.prepare(log, given["split"], cache=cache)
    few = fewer_labels(prepared.train, (Binary("click"),), share=0.2, flip=0.2, seed=0)

    def trained(method: Method, *, shared: bool) -> MultiTaskModel:
        study = running._Study(tmp_path, SMALL, given, log, prepared, Lines())
        model = study._model(study._training(0), few)
        if shared:
            place = running.Place(0, 0.2, 0.2, "hybrid")
            method = method_of("hybrid", first_layer=study._first_layer(place))
        method.fit(model, few, prepared.valid, settings=study._training(0))
        return model

    own, shared = trained(Hybrid(), shared=False), trained(Plain(), shared=True)
    for name, tensor in own.state_dict().items():
        assert torch.equal(tensor, shared.state_dict()[name]), name


class Refusing(Seen):
    """Cannot learn here."""

    def fit(self, *_: object, **__: object) -> History:
        raise ConfigurationError(f"{self.family}: there is no network.")


def test_what_cannot_learn_here_is_told_and_the_rest_goes_on(
    experiment: Experiment, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def method(family: str, *, first_layer: Path | None = None) -> Method:
        return (Refusing if family in refusing else Seen)(family, {})

    refusing = {"joint"}
    monkeypatch.setattr(running, "method_of", method)
    settings = CurveSettings(
        task="click", shares=(1.0,), flips=(0.0,), families=("joint", "soft_labels"), seeds=1
    )
    lines = Lines()
    made = learn_curve(experiment, tmp_path / "a", settings=settings, cache=cache, watcher=lines)
    assert {c.place.family: c.reason for c in made.cells} == {
        "supervised": "",
        "joint": "joint: there is no network.",
        "soft_labels": "",
    }
    assert "not possible: joint: there is no network." in lines.told[1]
    assert "What could not be tried" in made.markdown.read_text(encoding="utf-8")
    refusing.add("supervised")
    with pytest.raises(ConfigurationError, match="supervised: there is no network"):
        learn_curve(experiment, tmp_path / "b", settings=settings, cache=cache)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (CurveSettings(task="clik"), "There is no task 'clik'. Did you mean 'click'"),
        (CurveSettings(task="stars"), "no task whose labels are hidden is binary. Give 0 alone"),
        (
            CurveSettings(task="click", shares=(0.001,), flips=(0.0,)),
            "With 0.1 % of the labels, 0 % of them turned round, task 'click' has 1 label in",
        ),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(
    experiment: Experiment, cache: Path, tmp_path: Path, settings: CurveSettings, said: str
) -> None:
    with pytest.raises((UnknownNameError, ConfigurationError), match=said):
        learn_curve(experiment, tmp_path / "study", settings=settings, cache=cache)
    assert not list((tmp_path / "study").glob("cells/*"))


@pytest.mark.parametrize(
    ("shares", "on", "said"),
    [
        (("split.valid=0.0",), "test", "gives no validation rows.*`split.valid`"),
        (("split.test=0.0",), "test", "gives no test rows.*`split.test`"),
    ],
)
def test_a_split_without_the_rows_is_told(
    experiment: Experiment, tmp_path: Path, shares: tuple[str, ...], on: Part, said: str
) -> None:
    read = Experiment.read(experiment.path, [*SHORT, *shares])
    with pytest.raises(ConfigurationError, match=said):
        learn_curve(read, tmp_path / "study", settings=CurveSettings(on=on))


def test_a_folder_holds_one_study(
    experiment: Experiment, cache: Path, tmp_path: Path, seen: dict[str, list[bytes]]
) -> None:
    out = tmp_path / "study"
    learn_curve(experiment, out, settings=SMALL, cache=cache)
    other = Experiment.read(experiment.path, [*SHORT, "training.epochs=2"])
    with pytest.raises(ConfigurationError, match=r"something else \(training changed\).*--force"):
        learn_curve(other, out, settings=SMALL, cache=cache)
    (out / "mine.txt").write_text("kept", encoding="utf-8")
    forget_learn_curve(out)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
    learn_curve(other, out, settings=SMALL, cache=cache)
    (out / "study.json").write_text("{", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"study\.json: it is damaged"):
        learn_curve(other, out, settings=SMALL, cache=cache)


def test_a_file_is_no_folder(experiment: Experiment, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"cannot be made: .*Give another one"):
        learn_curve(experiment, tmp_path / "file", settings=SMALL)


def test_no_history_shows_labels_that_are_hidden(experiment: Experiment) -> None:
    arguments = Experiment.read(experiment.path, SHORT[:2]).arguments()
    one, notes = running._given(arguments, SMALL)
    assert one["history"].tasks == ("stars",)
    assert "labels of click are left out here" in notes[0]
    every, notes = running._given(arguments, ALL)
    assert every["history"].tasks == ()
    assert "labels of the tasks are left out" in notes[0]
    other = {**arguments, "history": False, "method": Hybrid()}
    none, notes = running._given(other, SMALL)
    assert none["history"] is False
    assert notes == ["The way to learn that the file names ([method]) is left aside here."]


def test_of_a_history_that_only_tells_labels_nothing_is_left(experiment: Experiment) -> None:
    told = [*SHORT[:2], 'history.features=["rate", "residual"]']
    given, notes = running._given(Experiment.read(experiment.path, told).arguments(), ALL)
    assert given["history"] is False
    assert len(notes) == 1


def test_a_history_without_labels_still_counts(
    experiment: Experiment, cache: Path, tmp_path: Path, seen: dict[str, list[bytes]]
) -> None:
    read = Experiment.read(experiment.path, SHORT[:2])
    learn_curve(read, tmp_path / "study", settings=ALL, cache=cache)
    form = json.loads((tmp_path / "study" / "study.json").read_text(encoding="utf-8"))
    names = [
        number.name for number in Store.open(cache / form["prepared"] / "train").layout.numbers
    ]
    assert [name for name in names if name.startswith("history.")] == ["history.user.count"]


def test_repetitions_share_no_network(experiment: Experiment) -> None:
    given, _ = running._given(experiment.arguments(), SMALL)
    settings = [
        running._Study(Path(), SMALL, given, None, None, Lines())._training(seed)  # type: ignore[arg-type] # not read
        for seed in (0, 1)
    ]
    assert settings[1].seed - settings[0].seed > 100, "the teachers take the seeds that follow"
