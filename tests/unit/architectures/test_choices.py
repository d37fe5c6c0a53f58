from __future__ import annotations

import inspect

import plait.architectures
from plait.architectures import ARCHITECTURES, GATES, LINKS, Architecture, Gate, Link


def test_every_public_architecture_gate_and_link_can_be_named_in_an_experiment() -> None:
    public = [getattr(plait.architectures, name) for name in plait.architectures.__all__]
    classes = [entry for entry in public if inspect.isclass(entry)]
    concrete = {kind for kind in classes if issubclass(kind, Architecture)} - {Architecture}
    assert set(ARCHITECTURES) == concrete
    assert set(GATES) == {kind for kind in classes if issubclass(kind, Gate)} - {Gate}
    assert set(LINKS) == {kind for kind in classes if issubclass(kind, Link)} - {Link}
