"""What all tasks read, side by side; or in parts, where layers look up what they make of some."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor, nn

from plait.architectures import Need, Widths
from plait.data.batch import Layout
from plait.modules import PartlyLearnt, Pieces, Run, ShortRows, Tables, worth_parting
from plait.modules.engine import is_plain, may_compile

from .cutting import cuts_rows
from .entries import Visible, counts_read_so, learnt_entries, main_widths, places_of, short_entries
from .stages import Fields

__all__ = ["MainInput"]


class MainInput(nn.Module):
    """The entries that all tasks read, and which of them need not be written out.

    Args:
        layout: has the columns, their tables and the numbers.
        visible: which entries all tasks read.
        widths: how wide each entry is.
        apart: entries that something but the layers reads too.
    """

    def __init__(
        self,
        layout: Layout,
        visible: Visible,
        widths: Mapping[str, int],
        *,
        apart: Collection[str],
    ) -> None:
        super().__init__()
        self._layout = layout
        self._visible = visible
        self._tables = learnt_entries(layout)
        self._in_parts = False
        self._counts: tuple[int, ...] = ()
        self.sizes: Widths = main_widths(layout, visible.shared, widths)
        self.short = short_entries(layout, visible, apart, self.sizes.learnt)
        others = self._tables.difference(self.short)
        for name, entries in (("_short_places", self.short), ("_learnt_places", others)):
            places = torch.tensor(places_of(entries, visible, widths), dtype=torch.long)
            self.register_buffer(name, places, persistent=False)

    def read_first_by_layers(self, needs: Collection[Need]) -> None:
        """Give the input in parts: nothing stands before the layers, which ask for no more."""
        self._in_parts = True
        self._counts = counts_read_so(self._layout, self._visible, needs)

    @property
    def has_pieces(self) -> bool:
        """Whether compiled layers look up what they make of numbers, instead of multiplying."""
        return bool(self._counts)

    def looks_up(self, numbers: Tensor) -> bool:
        """Whether layers look up what they make of these rows, where there is something."""
        return self._in_parts and not is_plain() and may_compile(numbers)

    def pieces(self, numbers: Tensor) -> Pieces | None:
        """The numbers as they came; None: layers read them written out."""
        return Pieces.of(numbers, self._counts) if self._counts else None

    def short_rows(self, tables: Tables, ids: Tensor) -> ShortRows | None:
        """The vectors of short tables, each once, unless a rule wants those of each row."""
        if not self.short or cuts_rows() or len(ids) < tables.rows_worth_it:
            return None
        places = self.get_buffer("_short_places"), self.get_buffer("_learnt_places")
        return tables.short_rows(ids, *places)

    def forward(self, fields: Fields, runs: Mapping[Run, Tensor]) -> Tensor | PartlyLearnt:
        """The input `[B, D]`, in parts where the layers read such.

        The gradient of what is known has no use, so to cut it off after a layer has made it, or to
        write zeros where a part was cut out, is work for nothing.
        """
        pieces, short = fields.pieces, fields.short
        sizes = self.sizes
        is_parted = self._in_parts and worth_parting(learnt=sizes.learnt, width=sizes.main)
        if not is_parted and pieces is None and short is None:
            return self.side_by_side(runs)
        tables = self._tables.difference(() if short is None else self.short)
        written = {name for run in runs for name in run}
        shared = self._visible.shared
        learnt = [entry for entry in shared if entry in tables]
        known = [entry for entry in shared if entry in written and entry not in self._tables]

        def written_out(part: Sequence[str]) -> Tensor:
            if part:
                return self.side_by_side(runs, part)
            rows = len(next(iter(runs.values()))) if short is None else len(short.places)
            return torch.empty(rows, 0)

        return PartlyLearnt(written_out(learnt), written_out(known), pieces, short)

    def side_by_side(
        self, runs: Mapping[Run, Tensor], entries: Sequence[str] | None = None
    ) -> Tensor:
        """These entries, or all that all tasks may read, `[B, D]`."""
        run_of = {name: run for run in runs for name in run}
        wanted = self._visible.shared if entries is None else entries
        in_order = [runs[run] for run in dict.fromkeys(run_of[name] for name in wanted)]
        return torch.cat(in_order, dim=1)
