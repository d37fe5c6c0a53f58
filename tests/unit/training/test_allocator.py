"""Freed memory stays with the process while it trains, and goes back afterwards."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="glibc alone is told to keep memory"
)

PROGRAM = """
import json, resource, sys
import torch
from plait.training.allocator import keeping_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        tensors = [torch.zeros(3 * 2**20) for _ in range(8)]
        del tensors
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def mib():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(l.split()[1]) for l in lines if l.startswith("RssAnon")) // 1024

faults()
at_first = mib()
with keeping_freed_memory(wanted=json.loads(sys.argv[1])):
    faults()
    found = {"faults": faults(), "inside": mib() - at_first}
print(json.dumps({**found, "after": mib() - at_first}))
"""
PAGES = 5 * 8 * 3 * 2**20 * 4 // 4096
"""Pages of all tensors of the five rounds."""


def _run(*, wanted: bool, **environment: str) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(wanted)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    found: dict[str, int] = json.loads(done.stdout)
    return found


def test_no_page_is_asked_for_twice_and_all_are_given_back() -> None:
    found = _run(wanted=True)
    assert found["faults"] < PAGES / 50
    assert found["inside"] > 80
    assert found["after"] < 20


@pytest.mark.parametrize(
    ("wanted", "environment"), [(False, {}), (True, {"MALLOC_TRIM_THRESHOLD_": "131072"})]
)
def test_it_can_be_declined(*, wanted: bool, environment: dict[str, str]) -> None:
    assert _run(wanted=wanted, **environment)["faults"] > PAGES / 50
