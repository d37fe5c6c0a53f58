"""Encoders of sequences among the features: which one reads what, and what it needs beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from plait.data.batch import Layout
from plait.errors import ArchitectureError, DataError, UnknownNameError
from plait.modules import ListVectors, Run
from plait.modules.sequences import Padded, SequenceEncoder, padded

__all__ = ["SequenceEncoders", "SequenceFactory", "chosen_encoders"]

SequenceFactory = Callable[[int], SequenceEncoder]
"""Builds an encoder for vectors of a width: a class, or `partial(SASRec, num_blocks=1)`."""


def chosen_encoders(
    layout: Layout,
    sequence: SequenceFactory | None,
    sequence_of: Mapping[str, SequenceFactory],
) -> dict[str, SequenceFactory]:
    """The encoder of each sequence that has one; the mean is taken of all others.

    Raises:
        ArchitectureError: an encoder for all sequences where there is none.
        UnknownNameError: an encoder for a feature that is no sequence.
    """
    for name in sequence_of:
        if name not in layout.sequences:
            raise UnknownNameError(
                name, what="sequence", known=layout.sequences, where="`sequence_of`"
            )
    if sequence is not None and not layout.sequences:
        raise ArchitectureError(
            "`sequence` names an encoder, but no feature is a Sequence. Name one, or let the "
            "history list past items (`History(sequence_length=50)`), or leave `sequence` out."
        )
    named = {name: sequence_of.get(name, sequence) for name in layout.sequences}
    return {name: factory for name, factory in named.items() if factory is not None}


class SequenceEncoders(nn.Module):
    """The encoders of a model's sequences, each with weights of its own.

    Args:
        layout: has the sequences, their tables, and the columns that may be targets.
        chosen: what builds each sequence's encoder.
        readers: for each entry of the model, the tasks that may read it.

    Raises:
        ArchitectureError: an encoder needs a target or an aligned sequence that is not there, or
            that a task may not read which reads the sequence.
        UnknownNameError: a target or an aligned sequence that is no feature of its kind.
    """

    def __init__(
        self,
        layout: Layout,
        chosen: Mapping[str, SequenceFactory],
        readers: Mapping[str, frozenset[str]],
    ) -> None:
        super().__init__()
        table_of = {column.name: layout.table(column.table) for column in layout.lists}
        self.names = tuple(name for name in chosen if readers[name])
        self.encoders, self.maps = nn.ModuleDict(), nn.ModuleDict()
        self.targets: dict[str, str] = {}
        for name in self.names:
            encoder = chosen[name](table_of[name].width)
            self.encoders[entry_module_name(name)] = encoder
            beside = []
            if encoder.reads_target:
                self.targets[name] = _target(layout, name, encoder)
                beside.append(self.targets[name])
            for other in encoder.aligned:
                _check_aligned(layout, name, other)
                beside.append(other)
                if table_of[other].width != encoder.in_features:
                    self.maps[_pair_name(name, other)] = nn.Linear(
                        table_of[other].width, encoder.in_features, bias=False
                    )
            _check_readers(name, beside, readers, type(encoder).__name__)

    def encoder(self, name: str) -> SequenceEncoder:
        """The encoder of a sequence."""
        encoder = self.encoders[entry_module_name(name)]
        assert isinstance(encoder, SequenceEncoder)
        return encoder

    @property
    def widths(self) -> dict[str, int]:
        """How wide each sequence is once it is encoded."""
        return {name: self.encoder(name).out_features for name in self.names}

    def forward(
        self, lists: Mapping[str, ListVectors], runs: Mapping[Run, Tensor]
    ) -> dict[Run, Tensor]:
        """One vector a row for each sequence, `[B, D_f]`, each a run of its own.

        Args:
            lists: the vectors of the sequences, and of those aligned with them; one that is not
                there is left out.
            runs: the vectors of columns; each of `targets` is a run of its own.
        """
        found: dict[Run, Tensor] = {}
        for name in self.names:
            if name not in lists:
                continue
            values, mask = self._padded(name, lists)
            target = runs[self.targets[name],] if name in self.targets else None
            found[name,] = self.encoder(name)(values, mask, target)
        return found

    def moved_with(self, name: str) -> frozenset[str]:
        """The sequences that have to change together with this one: those aligned with it."""
        groups = [{own, *self.encoder(own).aligned} for own in self.names]
        moved = {name}
        for group in [*groups, *groups]:
            if group & moved:
                moved |= group
        return frozenset(moved)

    def _padded(self, name: str, lists: Mapping[str, ListVectors]) -> Padded:
        encoder, sequence = self.encoder(name), lists[name]
        values = sequence.values
        for other in encoder.aligned:
            beside = lists[other]
            if not torch.equal(beside.offsets, sequence.offsets):
                raise _not_aligned(name, sequence.offsets, other, beside.offsets)
            key = _pair_name(name, other)
            added = self.maps[key](beside.values) if key in self.maps else beside.values
            values = values + added
        return padded(values, sequence.offsets, encoder.max_length)


def entry_module_name(entry: str) -> str:
    """The name of an entry's module: an entry may be called `age.bin`, a module of torch may not.

    Example:
        >>> entry_module_name("history.user.items")
        'of_history%2Euser%2Eitems'
    """
    return "of_" + entry.replace("%", "%25").replace(".", "%2E")


def _pair_name(name: str, other: str) -> str:
    return f"{entry_module_name(name)}:{entry_module_name(other)}"


def _target(layout: Layout, name: str, encoder: SequenceEncoder) -> str:
    """The column that holds the item which a sequence is compared with."""
    table = next(column.table for column in layout.lists if column.name == name)
    same = [column.name for column in layout.ids if column.table == table]
    kind = type(encoder).__name__
    if encoder.target is not None:
        columns = [column.name for column in layout.ids]
        if encoder.target not in columns:
            raise UnknownNameError(
                encoder.target, what="feature", known=columns, where=f"`target` of {kind}"
            )
        if encoder.target not in same:
            raise ArchitectureError(
                f"{kind} compares the sequence {name!r} with {encoder.target!r}, which has another "
                f"table of vectors. Let the sequence share it: `shares={encoder.target!r}`."
            )
        return encoder.target
    if layout.item in same:
        return str(layout.item)
    if len(same) == 1:
        return same[0]
    if same:
        raise ArchitectureError(
            f"{kind} compares the sequence {name!r} with one item, but {', '.join(same)} have its "
            "table. Say which: `target`."
        )
    raise ArchitectureError(
        f"{kind} compares the sequence {name!r} with the item that is judged, but no categorical "
        "feature has the same table of vectors. Let the sequence share the item's (`shares`), or "
        f"choose an encoder without a target, such as GRU4Rec; `sequence_of` chooses for {name!r} "
        "alone."
    )


def _check_aligned(layout: Layout, name: str, other: str) -> None:
    if other not in layout.sequences:
        raise UnknownNameError(
            other, what="sequence", known=layout.sequences, where=f"`aligned` of {name!r}"
        )
    if other == name:
        raise ArchitectureError(
            f"The sequence {name!r} cannot be `aligned` with itself. Where only some sequences "
            "have another beside them, choose their encoder by `sequence_of`."
        )


def _check_readers(
    name: str, beside: Sequence[str], readers: Mapping[str, frozenset[str]], kind: str
) -> None:
    """What a sequence is read with must not reach a task that it is hidden from."""
    for other in beside:
        without = sorted(readers[name] - readers[other])
        if without:
            raise ArchitectureError(
                f"{kind} reads {other!r} together with the sequence {name!r}, but the tasks "
                f"{', '.join(without)} may read only the latter. Hide {name!r} from them too, or "
                f"choose another encoder for it."
            )


def _not_aligned(name: str, offsets: Tensor, other: str, others: Tensor) -> DataError:
    lengths, other_lengths = offsets.diff(), others.diff()
    row = int((lengths != other_lengths).nonzero()[0])
    return DataError(
        f"The sequence {other!r} is said to be aligned with {name!r}, but row {row} of a batch "
        f"has {int(other_lengths[row])} values beside {int(lengths[row])}. Give both one value for "
        "each event, or leave `aligned` out."
    )
