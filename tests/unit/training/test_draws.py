"""The same random numbers once more, and no trace of it."""

from __future__ import annotations

import torch

from plait.training.draws import SameDraws


def test_what_is_drawn_again_is_what_was_drawn_and_the_generator_goes_on() -> None:
    torch.manual_seed(3)
    draws = SameDraws(torch.device("cpu"))
    first = torch.rand(4)
    state = torch.get_rng_state()
    for _ in range(2):
        with draws.again():
            assert torch.equal(torch.rand(4), first)
        assert torch.equal(torch.get_rng_state(), state)
