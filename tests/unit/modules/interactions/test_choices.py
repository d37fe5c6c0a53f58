from __future__ import annotations

import inspect

import plait.modules.interactions
from plait.modules.interactions import INTERACTIONS, Interaction


def test_every_public_interaction_can_be_named_in_an_experiment() -> None:
    room = plait.modules.interactions
    public = [getattr(room, name) for name in room.__all__]
    classes = {kind for kind in public if inspect.isclass(kind) and issubclass(kind, Interaction)}
    assert set(INTERACTIONS) == classes - {Interaction}
