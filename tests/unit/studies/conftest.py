"""One finished run, trained once for all tests of studies that only look at it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.studies.runs import train

from plait.studies.opened import OpenedRun, open_run


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studies") / "run <b>one</b>"
    train(folder)
    return folder


@pytest.fixture(scope="session")
def run(run_folder: Path) -> OpenedRun:
    return open_run(run_folder)
