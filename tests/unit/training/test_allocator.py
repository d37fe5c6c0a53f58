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
    for _ in range(2):
        tensors = [torch.zeros(12 * 2**20) for _ in range(4)]
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
HELD_MIB = 4 * 48
"""Of the tensors of one round. Above 32 MiB glibc on its own always gives a block back when it is
freed; below, that depends on what happens to lie behind it."""


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
    kept, declined = _run(wanted=True), _run(wanted=False)
    assert kept["inside"] > 0.9 * HELD_MIB > 0.1 * HELD_MIB > declined["inside"]
    assert kept["after"] < 0.1 * HELD_MIB
    assert 20 * kept["faults"] < declined["faults"]


def test_settings_of_the_environment_stand() -> None:
    assert _run(wanted=True, MALLOC_TRIM_THRESHOLD_="131072")["inside"] < 0.1 * HELD_MIB
