"""Which engine a training takes, and how it is fetched."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.unit.makers import BINARY_TASKS, Data, make_data, make_model, same_bits
from torch import Tensor

from plait.architectures import MMoE
from plait.errors import MissingExtraError
from plait.modules import team
from plait.training import Callback, StepReport, Trainer, Training, compiled_rows, engine, rows
from plait.training.engine import engine_for, row_kernels, warm_up

CPU = torch.device("cpu")
MANY = engine.WORTH_ROWS
SETTINGS = Training(epochs=1, batch_size=64, evaluate_steps=3, checkpoint_seconds=0.0, patience=99)


class KilledError(Exception):
    """A run dies."""


class Killer(Callback):
    """Kills a run after its fourth step."""

    def on_step(self, report: StepReport) -> None:
        if report.step == 4:
            raise KilledError


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"), BINARY_TASKS)


def trained(
    data: Data, settings: Training, folder: Path | None = None, *, killed: bool = False
) -> tuple[str, dict[str, Tensor]]:
    """The engine of a training, and the weights that it left."""
    model = make_model(data, architecture=MMoE, dropout=0.2)
    callbacks = [Killer()] if killed else []
    history = Trainer(model, settings, callbacks=callbacks, folder=folder).fit(
        data.train, data.valid
    )
    return history.engine, model.state_dict()


def test_what_is_asked_for_is_taken_and_many_rows_are_compiled() -> None:
    for named in ("torch", "compiled"):
        for num_rows in (1, MANY):
            asked = replace(SETTINGS, engine=named)
            assert engine_for(asked, num_rows=num_rows, device=CPU) == named
    assert SETTINGS.engine == "auto"
    assert engine_for(SETTINGS, num_rows=MANY, device=CPU) == "compiled"
    assert engine_for(SETTINGS, num_rows=MANY - 1, device=CPU) == "torch"
    assert engine_for(SETTINGS, num_rows=MANY, device=torch.device("cuda:0")) == "torch"
    rounded = replace(SETTINGS, precision="bf16")
    assert engine_for(rounded, num_rows=MANY, device=CPU) == "torch"


def test_without_numba_or_threads_for_its_kernels_it_is_torch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as alone:
        alone.setattr(team, "_torch_team", lambda: None)
        alone.setattr(torch, "get_num_threads", lambda: 2)
        assert engine_for(SETTINGS, num_rows=MANY, device=CPU) == "torch"
        alone.setattr(torch, "get_num_threads", lambda: 1)
        assert engine_for(SETTINGS, num_rows=MANY, device=CPU) == "compiled"
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    assert engine_for(SETTINGS, num_rows=MANY, device=CPU) == "torch"


def test_a_run_says_what_trained_it_and_goes_on_with_that(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert trained(data, SETTINGS)[0] == "torch"
    monkeypatch.setattr(engine, "WORTH_ROWS", 1)
    name, weights = trained(data, SETTINGS, tmp_path / "whole")
    assert name == "compiled"
    assert same_bits(weights, trained(data, replace(SETTINGS, engine="compiled"))[1])
    with pytest.raises(KilledError):
        trained(data, SETTINGS, tmp_path / "killed", killed=True)
    state = json.loads((tmp_path / "killed" / "checkpoint" / "state.json").read_text())
    assert state["history"]["engine"] == "compiled"
    monkeypatch.setattr(engine, "WORTH_ROWS", MANY)
    name, resumed = trained(data, SETTINGS, tmp_path / "killed")
    assert name == "compiled"
    assert same_bits(resumed, weights)
    with pytest.raises(KilledError):
        trained(data, SETTINGS, tmp_path / "other", killed=True)
    monkeypatch.setattr(engine, "WORTH_ROWS", 1)
    assert trained(data, SETTINGS, tmp_path / "other")[0] == "torch"


def test_an_engine_is_a_name() -> None:
    assert row_kernels("torch") is rows
    assert row_kernels("compiled") is compiled_rows


def test_without_numba_the_compiled_engine_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "numba", None)
    for name in ("plait.training.compiled_rows", "plait.modules.kernels"):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("plait.modules.kernels")
    assert row_kernels("torch") is rows
    for ask in (row_kernels, warm_up):
        with pytest.raises(MissingExtraError, match=r"numba.*plait\[fast\]"):
            ask("compiled")


def test_warming_up_fetches_the_kernels_beside_other_work() -> None:
    code = (
        "import sys\n"
        "from plait.training import warm_up\n"
        "assert warm_up('torch') is None\n"
        "warm_up('compiled').join()\n"
        "wanted = {'plait.training.compiled_rows', 'plait.modules.kernels'}\n"
        "print(wanted <= set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "True"
