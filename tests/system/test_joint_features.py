"""Joint feature learning as a person asks for it: in Python, in a file, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.system.feeds import arguments, feed
from tests.system.test_command_line import EXPERIMENT, plait
from torch.testing import assert_close

from plait import Experiment, FiniteDifference, GradientNorm, JointFeatures, train
from plait.errors import ArgumentTypeError, ConfigurationError

METHOD = """
[method]
kind = "joint"
penalty = { name = "FiniteDifference", radius = 0.2 }
min_positives = 5
"""


def test_a_run_says_how_it_learnt_wherever_one_looks(tmp_path: Path) -> None:
    method = JointFeatures(penalty=GradientNorm(strength=3.0, form="plain"), min_positives=2)
    run = train(**arguments(feed(800), tmp_path / "run", epochs=1), method=method)
    written = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))["method"]
    assert written == method.to_json()
    artifact = run.folder / "artifact"
    assert json.loads((artifact / "facts.json").read_text(encoding="utf-8"))["method"] == written
    card = (artifact / "README.md").read_text(encoding="utf-8")
    assert "The way to learn was `joint`, with\n" in card
    assert "- `penalty`: GradientNorm (strength 3.0, form plain)\n- `min_positives`: 2\n" in card


def test_a_supervised_run_says_so_too(tmp_path: Path) -> None:
    run = train(**arguments(feed(800), tmp_path / "run", epochs=1))
    assert json.loads((run.folder / "run.json").read_text(encoding="utf-8"))["method"] is None
    card = (run.folder / "artifact" / "README.md").read_text(encoding="utf-8")
    assert "The way to learn was `supervised`.\n" in card


def test_with_lambda_zero_a_run_is_the_supervised_one(tmp_path: Path) -> None:
    log = feed(800)
    plain = train(**arguments(log, tmp_path / "plain", epochs=1))
    method = JointFeatures(penalty=FiniteDifference(radius=0.0))
    joint = train(**arguments(log, tmp_path / "joint", epochs=1), method=method)
    assert joint.artifact is not None
    assert plain.artifact is not None
    state = plain.artifact.model.state_dict()
    assert_close(dict(joint.artifact.model.state_dict()), dict(state), rtol=0, atol=0)


def test_going_on_in_another_way_is_refused(tmp_path: Path) -> None:
    log = feed(800)
    train(**arguments(log, tmp_path / "run", epochs=1))
    with pytest.raises(ConfigurationError, match=r"begun with other settings \(method changed\)"):
        train(
            **arguments(log, tmp_path / "run", epochs=2),
            method=JointFeatures(min_positives=2),
            resume=True,
        )


def test_a_name_in_the_place_of_a_method_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ArgumentTypeError, match=r"`method` got 'joint'; it takes a Method, such as"
    ):
        train(**arguments(feed(200), tmp_path / "run"), method="joint")  # type: ignore[arg-type]


def test_the_command_trains_as_the_file_says(tmp_path: Path) -> None:
    feed(1500).write_parquet(tmp_path / "feed.parquet")
    (tmp_path / "exp.toml").write_text(EXPERIMENT + METHOD, encoding="utf-8")
    expected = JointFeatures(penalty=FiniteDifference(radius=0.2), min_positives=5)
    assert Experiment.read(tmp_path / "exp.toml").arguments()["method"] == expected
    done = plait("train", "exp.toml", "--quiet", "--set", "training.epochs=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs" / "exp"
    written = json.loads((run / "run.json").read_text(encoding="utf-8"))
    assert written["method"] == expected.to_json()


def test_the_command_says_what_is_wrong_with_the_method(tmp_path: Path) -> None:
    feed(100).write_parquet(tmp_path / "feed.parquet")
    text = EXPERIMENT + METHOD.replace("radius = 0.2", "radus = 0.2")
    (tmp_path / "exp.toml").write_text(text, encoding="utf-8")
    done = plait("train", "exp.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert "there is no key `method.penalty.radus`. Did you mean 'radius'?" in done.stderr
