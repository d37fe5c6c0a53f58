"""What every test shares: seeds, one thread, Hypothesis' settings, the folder of real data."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)

# Derandomized: a red run is red for everyone, and a green one did not depend on luck.
settings.register_profile("plait", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("plait")


@pytest.fixture(autouse=True)
def _seeds() -> None:
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data sets that PLAIT_DATA names; without it the test skips."""
    named = os.environ.get("PLAIT_DATA")
    if not named:
        pytest.skip("PLAIT_DATA is not set: tests on real data need the folder of data sets")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"PLAIT_DATA names {named!r}, which is not a folder")
    return folder
