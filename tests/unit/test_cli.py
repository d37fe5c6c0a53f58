"""The command: what it calls, what it prints where, and how it ends."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
from tests.unit.experiment.files import LEAST, write

from plait.cli import main
from plait.cli.shown import number
from plait.data.frame_files import append_frames
from plait.errors import (
    CheckpointError,
    DataError,
    MissingExtraError,
    PlaitWarning,
    TrainingError,
    TrainingInterrupted,
)
from plait.experiment import Run
from plait.experiment.spec import json_schema
from plait.metrics import Value
from plait.training import Evaluation, History, SliceResult

EVALUATION = Evaluation(
    {
        "like": {
            "auc": Value(0.731234, n=20_000, n_positive=5_312),
            "gauc": Value(0.65, n=9_000, n_positive=3_000, n_groups=812),
            "pcoc": Value(math.nan, n=0, n_positive=0, reason="no row is positive"),
        },
        "hours": {"mae": Value(12.34567, n=20_000)},
    },
    (
        SliceResult("gender", "F", "like", "auc", Value(0.71, n=90, n_positive=30)),
        SliceResult("gender", "M", "like", "auc", Value(math.nan, n=10, reason="one class")),
        SliceResult("gender", "X", "like", "auc", Value(math.nan, n=0, reason="no rows")),
    ),
)


class Ended(NamedTuple):
    status: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def plait(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    """Runs the command in an empty folder, 80 letters wide."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["plait", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return Ended(int(ended.value.code or 0), out, err)

    return run


class FakeTrain:
    """Stands for `train`: keeps its arguments, does nothing, and ends as it is told."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.arguments: dict[str, Any] = {}

    def __call__(self, log: object, **arguments: Any) -> Run:  # noqa: ANN401
        self.arguments = {"log": log, **arguments}
        if self.error is not None:
            raise self.error
        history = History(stopped="all steps were run")
        facts = ("800 rows train, 200 test.",)
        return Run(Path(arguments["out"]), EVALUATION, "test", history, facts)


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch) -> FakeTrain:
    fake = FakeTrain()
    monkeypatch.setattr("plait.experiment.train", fake)
    return fake


class FakePredictor:
    """Stands for a trained model."""

    frame = pl.DataFrame({"like": [0.25, 0.5]})

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    columns = ("like",)
    precision = engine = ""

    def predict_file(
        self,
        source: str,
        output: Path,
        *,
        keep: Sequence[str] = (),
        prefix: str = "",
        preference: Mapping[str, float] | None = None,
        on_rows: Callable[[int, int], None],
    ) -> int:
        self.calls.append(("predict", source, keep, prefix, preference))
        kept = [pl.lit("x").alias(name) for name in keep]
        with append_frames(output) as append:
            append(self.frame.select(*kept, pl.all()))
        on_rows(self.frame.height, self.frame.height)
        return self.frame.height

    def evaluate(
        self,
        source: str,
        *,
        group_by: str | None = None,
        slices: Sequence[str] = (),
        preference: Mapping[str, float] | None = None,
    ) -> Evaluation:
        self.calls.append(("evaluate", source, group_by, slices, preference))
        return EVALUATION


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> FakePredictor:
    fake = FakePredictor()

    def load(
        folder: Path, *, best_of: str | None = None, precision: str, engine: str
    ) -> FakePredictor:
        fake.calls.append(("load", folder, best_of))
        fake.precision, fake.engine = precision, engine
        return fake

    monkeypatch.setattr("plait.serving.load", load)
    return fake


def _in_a_process(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_help_loads_neither_torch_nor_polars() -> None:
    code = (
        "import sys; from plait.cli import app\n"
        "app(['--help'], standalone_mode=False); app(['train', '--help'], standalone_mode=False)\n"
        "sys.exit(f'{loaded} were loaded' if (loaded := {'torch', 'polars', 'numpy'}"
        " & set(sys.modules)) else 0)"
    )
    ended = _in_a_process(sys.executable, "-c", code)
    assert (ended.returncode, ended.stderr) == (0, "")
    for command in ("train", "evaluate", "predict", "schema"):
        assert command in ended.stdout


def test_the_module_runs_as_the_command_does() -> None:
    ended = _in_a_process(sys.executable, "-m", "plait", "--version")
    assert ended.returncode == 0
    assert ended.stdout.startswith("plait ")


def test_train_passes_on_what_the_file_and_the_options_say(
    plait: Command, train: FakeTrain, tmp_path: Path
) -> None:
    write(tmp_path, LEAST)
    options = ["--set", "training.epochs=3", "--set", "split.seed=5", "--cache", "kept"]
    assert plait("train", "exp.toml", *options, "--init-from", "old", "--resume").status == 0
    given = train.arguments
    assert given["training"].epochs == 3
    assert given["split"].seed == 5
    assert given["log"] == "log.parquet"
    assert (given["out"], given["cache"], given["init_from"]) == (
        Path("runs/exp"),
        Path("kept"),
        Path("old"),
    )
    assert given["resume"] is True
    assert len(given["callbacks"]) == 1


def test_train_shows_facts_and_a_table_for_each_task(
    plait: Command, train: FakeTrain, tmp_path: Path
) -> None:
    write(tmp_path, LEAST)
    ended = plait("train", "exp.toml", "--out", "here", "--quiet")
    assert (ended.status, ended.err) == (0, "")
    assert train.arguments["callbacks"] == ()
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    for line in (
        "800 rows train, 200 test.",
        "like",
        "metric value rows positives groups",
        "auc 0.7312 20,000 5,312",
        "gauc 0.6500 9,000 3,000 812",
        "pcoc – 0 0",
        "auc by gender",
        "F 0.7100 90 30",
        "pcoc is not computable: no row is positive",
        "auc where gender is M is not computable: one class",
        "mae 12.346 20,000",
        "Judged on the test rows. The run lies in here.",
    ):
        assert line in lines
    assert "gender is X" not in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80


def test_tables_fit_a_narrow_terminal(
    plait: Command, model: FakePredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    ended = plait("evaluate", "run", "new.csv")
    assert max(map(len, ended.out.splitlines())) <= 40
    assert "positives" not in ended.out


def test_train_prints_one_json_document_and_nothing_else(
    plait: Command, train: FakeTrain, tmp_path: Path
) -> None:
    write(tmp_path, LEAST)
    ended = plait("train", "exp.toml", "--json")
    document = json.loads(ended.out)
    assert document == {
        "run": "runs/exp",
        "judged_on": "test",
        "metrics": EVALUATION.to_json(),
        "slices": EVALUATION.slices_to_json(),
        "facts": ["800 rows train, 200 test."],
        "stopped": "all steps were run",
    }
    assert document["metrics"]["like"]["pcoc"]["value"] is None


def test_problems_of_a_file_are_told_without_a_traceback(
    plait: Command, train: FakeTrain, tmp_path: Path
) -> None:
    write(tmp_path, LEAST + "training.epoch = 3\n")
    ended = plait("train", "exp.toml", "--json")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(
        "error: exp.toml has a problem:\n  exp.toml:6: there is no key `training.epoch`. "
        "Did you mean 'epochs'?"
    )
    assert "Traceback" not in ended.err
    assert train.arguments == {}


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (DataError("log.parquet is empty."), 2, "error: log.parquet is empty.\n"),
        (CheckpointError(Path("x"), "cut off"), 2, "error: The checkpoint in x cannot be read"),
        (MissingExtraError("numba", extra="fast", purpose="It"), 2, "pip install 'plait[fast]'"),
        (PermissionError(13, "Permission denied", "out"), 2, "error: [Errno 13] Permission denied"),
        (TrainingError("The loss was not finite."), 1, "error: The loss was not finite.\n"),
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
    ],
)
def test_every_error_has_its_status(
    error: BaseException,
    status: int,
    words: str,
    plait: Command,
    train: FakeTrain,
    tmp_path: Path,
) -> None:
    write(tmp_path, LEAST)
    train.error = error
    ended = plait("train", "exp.toml")
    assert (ended.status, ended.out) == (status, "")
    assert words in ended.err
    assert "Traceback" not in ended.err


def test_debug_shows_the_traceback(plait: Command, train: FakeTrain, tmp_path: Path) -> None:
    write(tmp_path, LEAST)
    train.error = DataError("log.parquet is empty.")
    ended = plait("train", "exp.toml", "--debug")
    assert ended.status == 2
    assert "Traceback (most recent call last)" in ended.err


def test_an_error_of_our_own_is_not_dressed_up(
    plait: Command, train: FakeTrain, tmp_path: Path
) -> None:
    write(tmp_path, LEAST)
    train.error = ZeroDivisionError("ours")
    with pytest.raises(ZeroDivisionError, match="ours"):
        plait("train", "exp.toml")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_says_how_to_go_on(
    number: int, status: int, plait: Command, train: FakeTrain, tmp_path: Path
) -> None:
    write(tmp_path, LEAST)
    train.error = TrainingInterrupted(number, folder="a run/training")
    ended = plait("train", "exp.toml", "--out", "a run", "--set", "tasks.like.label=a >= 4")
    assert ended.status == status
    assert ended.err.endswith(
        "Go on with:\n  plait train exp.toml --out 'a run' --set 'tasks.like.label=a >= 4' "
        "--resume\n"
    )


def test_a_warning_is_one_sentence(
    plait: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(tmp_path, LEAST)

    def train(log: object, **arguments: object) -> Run:
        warnings.warn("Task 'like' has 3 positives.", PlaitWarning, stacklevel=1)
        warnings.warn("of another library", FutureWarning, stacklevel=1)
        raise DataError("and so on")

    monkeypatch.setattr("plait.experiment.train", train)
    with pytest.warns(FutureWarning, match="of another library"):
        ended = plait("train", "exp.toml")
    assert ended.err == "warning: Task 'like' has 3 positives.\nerror: and so on\n"


def test_a_finished_run_is_not_overwritten(
    plait: Command, train: FakeTrain, tmp_path: Path
) -> None:
    write(tmp_path, LEAST)
    run = tmp_path / "runs" / "exp"
    run.mkdir(parents=True)
    (run / "metrics.json").touch()
    ended = plait("train", "exp.toml")
    assert ended.status == 2
    assert "runs/exp holds a finished run. Go on with it by --resume, replace it by" in ended.err
    assert plait("train", "exp.toml", "--force").status == 0
    assert not run.exists()


def test_a_run_that_was_stopped_is_not_overwritten(
    plait: Command, train: FakeTrain, tmp_path: Path
) -> None:
    write(tmp_path, LEAST)
    (tmp_path / "here" / "training").mkdir(parents=True)
    ended = plait("train", "exp.toml", "--out", "here")
    assert "here holds a run that was stopped." in ended.err
    assert plait("train", "exp.toml", "--out", "here", "--resume").status == 0
    assert (tmp_path / "here" / "training").exists()


def test_force_removes_runs_only(plait: Command, train: FakeTrain, tmp_path: Path) -> None:
    write(tmp_path, LEAST)
    ended = plait("train", "exp.toml", "--out", ".", "--force")
    assert ended.status == 2
    assert "holds files that are no run, so --force does not remove it" in ended.err
    assert (tmp_path / "exp.toml").exists()


def test_resume_and_force_contradict_each_other(
    plait: Command, train: FakeTrain, tmp_path: Path
) -> None:
    write(tmp_path, LEAST)
    ended = plait("train", "exp.toml", "--resume", "--force")
    assert (ended.status, ended.out) == (2, "")
    assert "`--resume` goes on with a run and `--force` removes it: not both." in ended.err


def test_a_mistake_does_not_remove_the_run(
    plait: Command, train: FakeTrain, tmp_path: Path
) -> None:
    write(tmp_path, LEAST + "training.epoch = 3\n")
    run = tmp_path / "runs" / "exp"
    run.mkdir(parents=True)
    (run / "metrics.json").touch()
    assert plait("train", "exp.toml", "--force").status == 2
    assert run.exists()


def test_evaluate_passes_on_its_options(plait: Command, model: FakePredictor) -> None:
    options = ["--group-by", "user", "--slice", "gender", "--slice", "age"]
    options += ["--preference", "like=0.7,buy=0.3"]
    ended = plait("evaluate", "run", "new/*.csv", *options, "--json")
    loaded, judged = model.calls
    assert loaded == ("load", Path("run"), None)
    assert judged == ("evaluate", "new/*.csv", "user", ["gender", "age"], {"like": 0.7, "buy": 0.3})
    assert json.loads(ended.out) == {
        "run": "run",
        "rows": "new/*.csv",
        "metrics": EVALUATION.to_json(),
        "slices": EVALUATION.slices_to_json(),
    }


@pytest.mark.parametrize(
    ("name", "read"),
    [("a.parquet", pl.read_parquet), ("a.csv", pl.read_csv), ("a.arrow", pl.read_ipc)],
)
def test_predict_writes_what_the_suffix_says(
    name: str,
    read: Callable[[Path], pl.DataFrame],
    plait: Command,
    model: FakePredictor,
    tmp_path: Path,
) -> None:
    ended = plait("predict", "run", "new.csv", "-o", f"deep/{name}", "--keep", "id")
    assert ended == (0, f"Wrote 2 rows to deep/{name}: id, like.\n", "")
    assert read(tmp_path / "deep" / name).to_dict(as_series=False) == {
        "id": ["x", "x"],
        "like": [0.25, 0.5],
    }
    assert [path.name for path in (tmp_path / "deep").iterdir()] == [name]


def test_predict_prints_json_where_asked(plait: Command, model: FakePredictor) -> None:
    ended = plait("predict", "run", "new.csv", "-o", "a.csv", "--json")
    assert json.loads(ended.out) == {"file": "a.csv", "rows": 2, "columns": ["like"]}


@pytest.mark.parametrize(
    "command", ["evaluate run new.csv", "predict run new.csv -o a.csv --force"]
)
def test_precision_and_engine_are_handed_on_and_checked(
    command: str, plait: Command, model: FakePredictor
) -> None:
    assert plait(*command.split()).status == 0
    assert (model.precision, model.engine) == ("fp32", "torch")
    assert plait(*command.split(), "--engine", "compiled").status == 0
    assert model.engine == "compiled"
    assert "'fast' is not one of" in plait(*command.split(), "--engine", "fast").err
    assert plait(*command.split(), "--precision", "bf16").status == 0
    assert model.precision == "bf16"
    refused = plait(*command.split(), "--precision", "fp16")
    assert refused.status == 2
    assert "'fp16' is not one of" in refused.err


def test_predict_overwrites_nothing_unless_forced(
    plait: Command, model: FakePredictor, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("old", encoding="utf-8")
    ended = plait("predict", "run", "new.csv", "-o", "a.csv")
    assert ended.status == 2
    assert "a.csv exists. Replace it by --force, or name another file." in ended.err
    assert model.calls == []
    assert plait("predict", "run", "new.csv", "-o", "a.csv", "--force").status == 0
    assert (tmp_path / "a.csv").read_text(encoding="utf-8").startswith("like\n")


def test_predict_never_overwrites_its_own_input(
    plait: Command, model: FakePredictor, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").touch()
    ended = plait("predict", "run", "a.csv", "-o", "./a.csv", "--force")
    assert "a.csv is the file that is read. Name another by --output." in ended.err


def test_predict_knows_its_suffixes(plait: Command, model: FakePredictor) -> None:
    ended = plait("predict", "run", "new.csv", "-o", "a.xlsx")
    assert ended.status == 2
    assert "it is one of .parquet, .csv, .arrow, got '.xlsx'" in ended.err


def test_lists_do_not_fit_into_csv(
    plait: Command, model: FakePredictor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(model, "frame", pl.DataFrame({"history": [[1, 2]], "like": [0.5]}))
    ended = plait("predict", "run", "new.csv", "-o", "a.csv")
    assert ended.status == 2
    assert "a.csv: CSV cannot hold the lists in history. Write .parquet" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_schema_prints_the_json_schema(plait: Command) -> None:
    ended = plait("schema")
    assert (ended.status, ended.err) == (0, "")
    assert json.loads(ended.out) == json_schema()


def test_an_unknown_option_is_a_mistake(plait: Command) -> None:
    ended = plait("train", "exp.toml", "--epochs", "3")
    assert (ended.status, ended.out) == (2, "")
    assert "--epochs" in ended.err


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0.0000"), (-0.5, "-0.5000"), (1e-5, "1e-05"), (123456.7, "123,457"), (2e12, "2e+12")],
)
def test_numbers_are_shown_with_few_digits(value: float, shown: str) -> None:
    assert number(value) == shown


def test_what_is_no_number_is_null_in_json(
    plait: Command, model: FakePredictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = Evaluation({"like": {"log_loss": Value(math.inf, n=1)}})
    monkeypatch.setattr(model, "evaluate", lambda *_, **__: endless)
    ended = plait("evaluate", "run", "new.csv", "--json")
    assert json.loads(ended.out)["metrics"]["like"]["log_loss"]["value"] is None
