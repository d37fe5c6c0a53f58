"""What every interaction must do."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.testing import assert_close

from plait.modules.interactions import Entry, Interaction
from plait.settings import arguments, settings_of

ENTRIES = (
    Entry("user", 6),
    Entry("city", 3),
    Entry("age.bin", 6),
    Entry("age", 5, learnt=False),
    Entry("text", 2, learnt=False),
)
"""Features of several widths, from tables and known, as a model lays them side by side."""


class InteractionContract(ABC):
    """Widths, gradients, precision, state, settings and export.

    Stability: experimental.
    """

    @abstractmethod
    def make(self, entries: Sequence[Entry]) -> Interaction:
        """The interaction of these features, small, with dropout where it has any."""

    def main(self, *, batch_size: int = 6) -> Tensor:
        """Random features side by side."""
        generator = torch.Generator().manual_seed(batch_size)
        return torch.randn(batch_size, sum(e.width for e in ENTRIES), generator=generator)

    def test_widths_are_as_it_says(self) -> None:
        """For none, one and several rows, while training too."""
        interaction = self._made()
        for rows in (0, 1, 6):
            found = interaction(self.main(batch_size=rows))
            assert found.main.shape == (rows, interaction.out_features)
            assert found.main.isfinite().all()
            late = 0 if found.late is None else found.late.shape[1]
            assert late == interaction.late_features

    def test_rows_do_not_see_each_other(self) -> None:
        """A row's vector does not depend on what else is in the batch."""
        interaction, main = self._made().eval(), self.main()
        for some, all_of_them in zip(
            _run(interaction, main[:2]), _run(interaction, main), strict=True
        ):
            assert_close(some, all_of_them[:2])

    def test_gradients_reach_every_parameter_and_every_feature(self) -> None:
        """No parameter is left out, and no feature has no say."""
        interaction = self._made().eval()
        main = self.main().requires_grad_()
        torch.stack([part.square().sum() for part in _run(interaction, main)]).sum().backward()
        for name, parameter in interaction.named_parameters():
            assert parameter.grad is not None, f"{name} gets no gradient"
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().sum() > 0, f"{name} gets zeros only"
        assert main.grad is not None
        for part in main.grad.split([entry.width for entry in ENTRIES], dim=1):
            assert part.abs().sum() > 0, "a feature has no say"

    def test_gradients_can_be_differentiated_again(self) -> None:
        """A penalty on gradients reaches the input through them."""
        interaction, main = self._made().eval(), self.main().requires_grad_()
        total = torch.stack([part.pow(3).sum() for part in _run(interaction, main)]).sum()
        (first,) = torch.autograd.grad(total, main, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), main)
        assert second.isfinite().all()
        assert second.any()

    def test_float64_stays_float64(self) -> None:
        """No tensor is made in a fixed precision."""
        found = _run(self._made().double(), self.main().double())
        assert all(part.dtype == torch.float64 for part in found)

    def test_bfloat16_autocast_is_finite(self) -> None:
        """Outputs and gradients are finite under autocast."""
        interaction, main = self._made(), self.main().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = _run(interaction, main)
        torch.stack([part.float().square().sum() for part in found]).sum().backward()
        assert all(part.isfinite().all() for part in found)
        for name, parameter in interaction.named_parameters():
            assert parameter.grad is not None
            assert parameter.grad.isfinite().all(), name

    def test_settings_make_it_again_and_its_state_gives_the_same_bits(self) -> None:
        """Settings go through JSON and back; the saved weights fit and compute the same."""
        interaction = self._made().eval()
        written = json.loads(json.dumps(settings_of(interaction)))
        again = type(interaction)(interaction.entries, **arguments(written)).eval()
        assert settings_of(again) == settings_of(interaction)
        again.load_state_dict(interaction.state_dict())
        for one, other in zip(
            _run(interaction, self.main()), _run(again, self.main()), strict=True
        ):
            assert torch.equal(one, other)

    def test_it_exports_with_a_dynamic_batch(self) -> None:
        """`torch.export` takes it, and the program agrees on other batch sizes."""
        interaction = self._made().eval()
        batch = torch.export.Dim("batch")
        program = torch.export.export(interaction, (self.main(),), dynamic_shapes=({0: batch},))
        for rows in (11, 1):
            main = self.main(batch_size=rows)
            exported = [part for part in program.module()(main) if part is not None]
            for part, expected in zip(exported, _run(interaction, main), strict=True):
                assert_close(part, expected)

    def _made(self) -> Interaction:
        """The interaction with no parameter at zero, so that all of it takes part."""
        torch.manual_seed(0)
        interaction = self.make(ENTRIES)
        with torch.no_grad():
            for parameter in interaction.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        return interaction


def _run(interaction: Interaction, main: Tensor) -> list[Tensor]:
    found = interaction(main)
    return [found.main] if found.late is None else [found.main, found.late]
