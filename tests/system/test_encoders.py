"""Interactions and sequence encoders as a person asks for them: Python, a file, the command."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from tests.system.feeds import arguments, feed
from tests.system.test_command_line import EXPERIMENT, plait

from plait import Experiment, load, train
from plait.errors import ArchitectureError, ArgumentTypeError, ConfigurationError
from plait.modules.interactions import DCNMix, DeepFM, FinalMLP
from plait.modules.sequences import BST, DIN, SASRec, SumPooling
from plait.modules.terms import NCF

ENCODERS = """
[history]
sequence_length = 5

[model]
architecture = { name = "MMoE", num_experts = 2 }
interaction = { name = "DCNMix", rank = 8 }
sequence = { name = "SASRec", num_blocks = 1 }
terms = ["NCF", { name = "FPMC", sequence = "history.user.items", last = 3 }]

[model.sequence_of]
history = "DIN"
"history.user.click.items" = { name = "GRU4Rec", width = 8 }
"""


@pytest.mark.parametrize(
    ("interaction", "sequence"),
    [
        (partial(DeepFM, token_width=8), DIN),
        (partial(DCNMix, rank=8), SASRec),
        (partial(FinalMLP, first_context=["user_id"], second_context=["item_id"]), BST),
    ],
)
def test_a_run_predicts_the_same_from_its_folder(
    interaction: type[DeepFM], sequence: type[DIN], tmp_path: Path
) -> None:
    log = feed(900)
    run = train(
        **arguments(log, tmp_path / "run", epochs=1), interaction=interaction, sequence=sequence
    )
    before = run.predictor.predict(log.head(20))
    assert before.equals(load(run.folder).predict(log.head(20)))
    assert before.to_numpy().std(axis=0).all()
    settings = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))["model"]
    assert settings["interaction"]["name"] == run.artifact.model.interaction.__class__.__name__
    assert set(settings["sequence_of"]) == set(run.artifact.model.layout.sequences)
    card = (run.folder / "artifact" / "README.md").read_text(encoding="utf-8")
    assert f" on {settings['interaction']['name']} (`history` by " in card


def test_a_run_goes_on_only_with_the_encoders_that_it_began_with(tmp_path: Path) -> None:
    log = feed(300)
    train(**arguments(log, tmp_path / "run", epochs=1), sequence=SumPooling)
    with pytest.raises(ConfigurationError, match=r"with other settings \(model changed\)"):
        train(**arguments(log, tmp_path / "run", epochs=2), sequence=DIN, resume=True)


def test_the_command_trains_as_the_file_says(tmp_path: Path) -> None:
    feed(900).write_parquet(tmp_path / "feed.parquet")
    before, _, after = EXPERIMENT.partition("[model]")
    text = before + ENCODERS.lstrip() + "\n[training]" + after.partition("[training]")[2]
    (tmp_path / "exp.toml").write_text(text, encoding="utf-8")
    done = plait("train", "exp.toml", "--quiet", "--set", "training.epochs=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs" / "exp"
    model = json.loads((run / "run.json").read_text(encoding="utf-8"))["model"]
    assert {name: made["name"] for name, made in model["sequence_of"].items()} == {
        "history": "DIN",
        "history.user.items": "SASRec",
        "history.user.click.items": "GRU4Rec",
        "history.user.like.items": "SASRec",
    }
    assert [(term["name"], term["width"]) for term in model["terms"]] == [("NCF", 32), ("FPMC", 32)]
    done = plait("predict", "runs/exp", "feed.parquet", "--output", "said.parquet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert pl.read_parquet(tmp_path / "said.parquet")["click"].is_between(0, 1).all()


def test_names_and_built_parts_are_refused_where_a_class_belongs(tmp_path: Path) -> None:
    given = arguments(feed(50), tmp_path / "run")
    with pytest.raises(ArgumentTypeError, match=r"`interaction` got 'DCNv2'; it takes `DCNv2` or"):
        train(**given, interaction="DCNv2")
    with pytest.raises(ArgumentTypeError, match=r"`sequence` got DIN\("):
        train(**given, sequence=DIN(4))
    with pytest.raises(ArgumentTypeError, match=r"`sequence_of` got 'DIN'; it takes a mapping"):
        train(**given, sequence_of="DIN")
    with pytest.raises(ArgumentTypeError, match=r"`sequence_of\['history'\]` got 'DIN'; it takes"):
        train(**given, sequence_of={"history": "DIN"})
    with pytest.raises(ArgumentTypeError, match=r"`terms` got .*NCF.*; it takes a list, such as"):
        train(**given, terms=NCF)
    with pytest.raises(ArgumentTypeError, match=r"`terms` got 'FPMC'; it takes `FPMC` or"):
        train(**given, terms=["FPMC"])


def test_a_sequence_without_the_judged_item_says_what_to_do(tmp_path: Path) -> None:
    given = arguments(feed(300), tmp_path / "run")
    schema = given["schema"]
    lonely = tuple(f for f in schema.features if f.name not in ("item_id", "history"))
    history = type(schema.features[3])("history")
    given["schema"] = type(schema)((*lonely, history), user="user_id", time="time")
    with pytest.raises(ArchitectureError, match="no categorical feature has the same table"):
        train(**given, sequence=DIN)


def test_the_file_and_python_say_the_same(tmp_path: Path) -> None:
    text = EXPERIMENT.replace("[model]", "[model]\nsequence = { name = 'DIN', layers = [8] }")
    (tmp_path / "exp.toml").write_text(text, encoding="utf-8")
    factory = Experiment.read(tmp_path / "exp.toml").arguments()["sequence"]
    assert factory(4).layers == (8,)
