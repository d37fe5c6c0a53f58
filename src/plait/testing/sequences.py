"""What every sequence encoder must do."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional
from torch.testing import assert_close

from plait.modules.sequences import SequenceEncoder
from plait.settings import arguments, settings_of

WIDTH = 4
LENGTHS = (3, 0, 1, 5, 2)
"""Rows of several lengths, one of them empty."""


class SequenceEncoderContract(ABC):
    """Widths, masks, gradients, precision, state, settings and export.

    Stability: experimental.
    """

    @abstractmethod
    def make(self, in_features: int) -> SequenceEncoder:
        """The encoder for vectors of this width, small, with dropout where it has any."""

    def inputs(self, lengths: tuple[int, ...] = LENGTHS) -> tuple[Tensor, Tensor, Tensor]:
        """Random vectors of rows with these lengths, their mask, and a target for each row."""
        generator = torch.Generator().manual_seed(len(lengths))
        longest = max((1, *lengths))
        values = torch.randn(len(lengths), longest, WIDTH, generator=generator)
        target = torch.randn(len(lengths), WIDTH, generator=generator)
        mask = torch.arange(longest) < torch.tensor(lengths).long().unsqueeze(1)
        return values * mask.unsqueeze(2), mask, target

    def test_widths_are_as_it_says(self) -> None:
        """For no row, one row, only empty rows and several ones, while training too."""
        encoder = self._made()
        for lengths in ((), (2,), (0,), (0, 0), LENGTHS):
            found = encoder(*self.inputs(lengths))
            assert found.shape == (len(lengths), encoder.out_features)
            assert found.isfinite().all()

    def test_what_stands_behind_the_last_value_changes_nothing(self) -> None:
        """[3] says what [3, pad, pad] says, whatever is written into the padding."""
        encoder = self._made().eval()
        values, mask, target = self.inputs()
        expected = encoder(values, mask, target)
        longer = functional.pad(values, (0, 0, 0, 3))
        more = functional.pad(mask, (0, 3), value=False)
        assert_close(encoder(longer, more, target), expected)
        assert_close(encoder(longer.masked_fill(~more.unsqueeze(2), 9.0), more, target), expected)

    def test_rows_do_not_see_each_other(self) -> None:
        """A row's vector does not depend on what else is in the batch."""
        encoder = self._made().eval()
        values, mask, target = self.inputs()
        whole = encoder(values, mask, target)
        assert_close(encoder(values[:1, :3], mask[:1, :3], target[:1]), whole[:1])

    def test_the_target_has_a_say_where_it_is_read(self) -> None:
        """Another item gives another vector; an encoder without a target reads none."""
        encoder = self._made().eval()
        values, mask, target = self.inputs()
        same = torch.equal(encoder(values, mask, target), encoder(values, mask, -target))
        assert same is not encoder.reads_target

    def test_gradients_reach_every_parameter_and_every_value(self) -> None:
        """No parameter is left out; every value has a say, and no padding."""
        encoder = self._made().eval()
        values, mask, target = self.inputs((3, 3, 0, 2))
        values.requires_grad_()
        encoder(values, mask, target).square().sum().backward()
        for name, parameter in encoder.named_parameters():
            assert parameter.grad is not None, f"{name} gets no gradient"
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().sum() > 0, f"{name} gets zeros only"
        assert values.grad is not None
        said = values.grad.abs().sum(dim=2)
        assert not said[~mask].any()
        assert said[mask].all()

    def test_gradients_can_be_differentiated_again(self) -> None:
        """A penalty on gradients reaches the values through them."""
        encoder = self._made().eval()
        values, mask, target = self.inputs()
        values.requires_grad_()
        total = encoder(values, mask, target).pow(3).sum()
        (first,) = torch.autograd.grad(total, values, create_graph=True)
        (second,) = torch.autograd.grad(first.square().sum(), values)
        assert second.isfinite().all()
        assert second.any()

    def test_float64_stays_float64(self) -> None:
        """No tensor is made in a fixed precision."""
        values, mask, target = self.inputs()
        found = self._made().double()(values.double(), mask, target.double())
        assert found.dtype == torch.float64

    def test_bfloat16_autocast_is_finite(self) -> None:
        """Outputs and gradients are finite under autocast."""
        encoder = self._made()
        values, mask, target = self.inputs()
        values.requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = encoder(values, mask, target)
        found.float().square().sum().backward()
        assert found.isfinite().all()
        assert values.grad is not None
        assert values.grad.isfinite().all()
        for name, parameter in encoder.named_parameters():
            assert parameter.grad is not None
            assert parameter.grad.isfinite().all(), name

    def test_settings_make_it_again_and_its_state_gives_the_same_bits(self) -> None:
        """Settings go through JSON and back; the saved weights fit and compute the same."""
        encoder = self._made().eval()
        written = json.loads(json.dumps(settings_of(encoder)))
        again = type(encoder)(encoder.in_features, **arguments(written)).eval()
        assert settings_of(again) == settings_of(encoder)
        again.load_state_dict(encoder.state_dict())
        assert torch.equal(again(*self.inputs()), encoder(*self.inputs()))

    def test_it_exports_with_a_dynamic_batch(self) -> None:
        """`torch.export` takes it, and the program agrees on other batch sizes."""
        encoder = self._made().eval()
        batch = torch.export.Dim("batch")
        shapes = ({0: batch}, {0: batch}, {0: batch})
        program = torch.export.export(encoder, self.inputs(), dynamic_shapes=shapes)
        for lengths in ((5, 0, 1, 2, 3, 4, 5), (5,)):
            exported = program.module()(*self.inputs(lengths))
            assert_close(exported, encoder(*self.inputs(lengths)))

    def _made(self) -> SequenceEncoder:
        """The encoder with no parameter at zero, so that all of it takes part."""
        torch.manual_seed(0)
        encoder = self.make(WIDTH)
        with torch.no_grad():
            for parameter in encoder.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        return encoder
