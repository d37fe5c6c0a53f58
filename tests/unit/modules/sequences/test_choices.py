from __future__ import annotations

import inspect

import plait.modules.sequences
from plait.modules.sequences import SEQUENCE_ENCODERS, SequenceEncoder


def test_every_public_encoder_can_be_named_in_an_experiment() -> None:
    room = plait.modules.sequences
    public = [getattr(room, name) for name in room.__all__]
    classes = {
        kind for kind in public if inspect.isclass(kind) and issubclass(kind, SequenceEncoder)
    }
    assert set(SEQUENCE_ENCODERS) == classes - {SequenceEncoder}
