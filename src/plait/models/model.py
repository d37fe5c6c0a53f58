"""The multi-task model: five stages, from a batch to named outputs.

`lookup` → `encode` → `share` → `split` → `decode`. Every stage is a function of what the stage
before it gave, so that a gradient rule can cut between any two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor, nn

from plait.architectures import Encoded, Gate, Link, MMoE, Shared, Widths
from plait.architectures.base import Derived, Seen
from plait.data.batch import NUM_RESERVED, UNKNOWN, Batch, Layout
from plait.heads import Head, head_for
from plait.modules import ListVectors, PartlyLearnt, Run, Tables, mean_pool, whole
from plait.modules.interactions import Entry, Interacted
from plait.modules.terms import Term
from plait.tasks import Task, check_tasks

from .cutting import apart
from .entries import (
    TOKEN_WIDTH,
    encode_numbers,
    entry_widths,
    key_entries,
    learnt_entries,
    readers_of,
    visible_entries,
)
from .factors import FactorTerm, KeyTables
from .late import InteractionFactory, LateTerm, late_term
from .main_input import MainInput
from .own import OwnTables
from .precision import Precision, set_table_precision
from .preference import PreferenceGates
from .sequences import SequenceEncoders, SequenceFactory, chosen_encoders
from .stages import ArchitectureFactory, Fields, Trace, conditional_bias, module_name, rows_of
from .terms import TermFactory, built_terms, term_weights
from .tower import Tower


class MultiTaskModel(nn.Module):
    """One network for several tasks, in five stages.

    Stability: experimental.

    Args:
        layout: what the fitted preprocessor promises (`Preprocessor.layout`).
        tasks: the task records.
        architecture: builds the sharing structure.
        links: ties between tasks, applied in order.
        gates: what scales inputs and towers row by row, applied in order.
        interaction: builds what makes the features meet before the sharing structure reads them.
            None: they stand side by side.
        sequence: builds the encoder of every sequence. None: the mean of its vectors.
        sequence_of: for some sequences by name, another encoder.
        factors: width of the product of user and item that is added to every task's parameters,
            with biases of both; 0: none. Without both keys among the features there is none.
        terms: build classical models whose numbers each task weighs and adds to its parameters.
        tower: widths of the hidden layers between a task's representation and its head, where the
            task names none.
        dropout: in the towers.
        id_dropout: share of rows on which the vector of a user or item is left out of the deep
            network in training.
        unknown_rate: share of ids that are read as *unknown* in training, so that the unknown
            vector is trained.
        table_precision: `bf16` keeps the vectors of ids in bfloat16, at half the memory. Biases and
            all other layers stay `fp32`, and so does what is looked up.
        preference: whether the network reads a preference between the tasks in gates, so that one
            model holds a whole front (`Rays`).

    Raises:
        TaskError: tasks that a link refuses, or a feature list that leaves a task nothing to read.
        UnknownNameError: a task includes or hides a feature that is not there.
        ArchitectureError: a part that needs what the layout cannot give.
    """

    def __init__(
        self,
        layout: Layout,
        tasks: Sequence[Task],
        *,
        architecture: ArchitectureFactory = MMoE,
        links: Sequence[Link] = (),
        gates: Sequence[Gate] = (),
        interaction: InteractionFactory | None = None,
        sequence: SequenceFactory | None = None,
        sequence_of: Mapping[str, SequenceFactory] | None = None,
        factors: int = 32,
        terms: Sequence[TermFactory] = (),
        tower: Sequence[int] = (64,),
        dropout: float = 0.2,
        id_dropout: float = 0.0,
        unknown_rate: float = 0.01,
        table_precision: Precision = "fp32",
        preference: bool = False,
    ) -> None:
        super().__init__()
        self.layout = layout
        self.tasks = {task.name: task for task in check_tasks(tasks)}
        self.factors = factors
        self.tower = tuple(tower)
        self.dropout = dropout
        self.id_dropout = id_dropout
        self.unknown_rate = unknown_rate
        self.table_precision = table_precision
        self._keys = key_entries(layout)
        drop_to_unknown = [not column.name.endswith(".bin") for column in layout.ids]
        self.register_buffer("_may_drop", torch.tensor(drop_to_unknown), persistent=False)
        self._visible = visible_entries(layout, self.tasks)
        chosen = chosen_encoders(layout, sequence, sequence_of or {})
        readers = readers_of(self._visible, layout)
        self.sequences = SequenceEncoders(layout, chosen, readers) if chosen else None
        widths = self.entry_widths
        shared = self._visible.shared
        apart = {*self._keys, *(self.sequences.targets.values() if self.sequences else ())}
        self._alone = {*apart, *widths} - ({*shared} - apart)
        self.main_input = MainInput(layout, self._visible, widths, apart=apart)
        sizes = self.main_input.sizes
        self.tables = Tables(
            layout.tables, layout.ids, layout.lists, alone=self._alone, short=self.main_input.short
        )
        self._learnt = sizes.learnt
        self.interaction = None
        if interaction is not None:
            learnt = learnt_entries(layout)
            self.interaction = interaction([Entry(e, widths[e], e in learnt) for e in shared])
            learnt_part = sizes.learnt if self.interaction.passes_on else None
            main = self.interaction.out_features
            sizes = replace(sizes, main=main, learnt=learnt_part, own=sizes.own and main)
        read = sizes.main
        if preference:
            sizes = replace(sizes, learnt=None)  # gates have gradients by every entry
        self.gates = nn.ModuleList(deepcopy(gate) for gate in gates)
        for gate in self._gates():
            sizes = gate.build(sizes)
        self.architecture = architecture(sizes, tuple(self.tasks))
        if self.architecture.reads_parts and not (preference or self.interaction or gates):
            self.main_input.read_first_by_layers(self.architecture.needs)
        width = self.architecture.out_features
        self.preference_gates = (
            PreferenceGates(len(self.tasks), read, width) if preference else None
        )
        self.own_tables = self._new_own_tables(layout, shared)
        self.token_maps = nn.ModuleList()
        if "tokens" in self.architecture.needs:
            self.token_maps.extend(nn.Linear(widths[entry], TOKEN_WIDTH) for entry in shared)
        self.links = nn.ModuleList(deepcopy(link) for link in links)
        for link in self._links():
            link.check(self.tasks)
            link.build(self.architecture.out_features)
        self.heads, self.towers = nn.ModuleDict(), nn.ModuleDict()
        for name, task in self.tasks.items():
            self.heads[module_name(name)] = head_for(task)
        factored = self._factored() if factors else ()
        self.factor_tables = KeyTables(layout, factors, called="factors") if factored else None
        self.terms = built_terms(terms, layout, readers)
        for name in self.tasks:
            factor_width = factors if name in factored else 0
            self.towers[module_name(name)] = self._new_tower(
                name, sizes, readers, factors=factor_width
            )
        set_table_precision(self, table_precision)

    @property
    def entry_widths(self) -> dict[str, int]:
        """How wide each entry is, sequences as their encoders give them."""
        return entry_widths(self.layout) | (self.sequences.widths if self.sequences else {})

    @property
    def derived(self) -> tuple[Derived, ...]:
        """Outputs that links add to the tasks."""
        return tuple(derived for link in self._links() for derived in link.derived())

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of everything the model predicts: the tasks, then the links' outputs."""
        return (*self.tasks, *(derived.name for derived in self.derived))

    @property
    def shared_entries(self) -> tuple[str, ...]:
        """The entries that enter the shared network, in the order in which they stand."""
        return self._visible.shared

    def own_entries(self, task: str) -> tuple[str, ...]:
        """The entries that go straight to a task's tower, being hidden from some other task."""
        return self._visible.per_task[task]

    def head(self, name: str) -> Head:
        """The head of a task or of a link's output."""
        head = self.heads[module_name(self._task_of(name))]
        assert isinstance(head, Head)
        return head

    def tower_of(self, task: str) -> Tower:
        """The tower of a task."""
        tower = self.towers[module_name(task)]
        assert isinstance(tower, Tower)
        return tower

    def lookup(self, batch: Batch, *, for_layers: bool = False) -> Fields:
        """Vectors of every field.

        Args:
            batch: the rows.
            for_layers: leave out what nobody reads but layers that do as well without it.
        """
        ids = batch.ids
        if self.training and self.unknown_rate > 0 and ids.shape[1]:
            dropped = torch.rand(ids.shape, device=ids.device) < self.unknown_rate
            known = ids >= NUM_RESERVED
            ids = ids.masked_fill(dropped & known & self.get_buffer("_may_drop"), UNKNOWN)
        pieces = short = None
        if for_layers and self.main_input.looks_up(batch.numbers):
            pieces = self.main_input.pieces(batch.numbers)
            short = self.main_input.short_rows(self.tables, ids)
        found: tuple[dict[Run, Tensor], dict[str, ListVectors]] = self.tables(
            ids, batch.lists, but_short=short is not None
        )
        runs, lists = found
        if pieces is None:
            runs.update(encode_numbers(batch.numbers, self.layout, alone=self._alone))
        runs.update({(name,): vector for name, vector in batch.vectors.items()})
        for tables in self.key_tables:
            runs.update(tables.lookup(ids))
        for term in self.late_terms.values():
            if term.wide is not None:
                own_runs, own_lists = term.wide.lookup(ids, batch.lists)
                runs.update(own_runs)
                lists.update(own_lists)
        for beside in self.term_list:
            own_runs, own_lists = beside.lookup(ids, batch.lists)
            runs.update(own_runs)
            lists.update(own_lists)
        scenario = None
        if self.layout.scenario is not None:
            scenario = ids[:, [c.name for c in self.layout.ids].index(self.layout.scenario)]
        own = {
            task: Fields(*tables(ids, batch.lists)) for task, tables in self.tables_by_task.items()
        }
        return Fields(runs, lists, scenario, own, pieces, short)

    def encode(self, fields: Fields) -> Encoded:
        """The features, after they have met: `main` for all tasks, `per_task` hidden from some.

        The product of user and item and the biases stand in `per_task`, behind the features,
        behind these what an interaction gives to each task, then what terms give, and last what
        gates of towers read. Sequences go through their encoders; other lists are pooled by their
        mean. Tokens, context, scenario and own inputs are there where the architecture needs
        them; own inputs go through the same encoders and the same interaction as `main`.
        """
        kept = self._keys_kept(fields)
        runs = self._flat(fields, kept)
        main: Tensor | PartlyLearnt = self.main_input(fields, runs)
        per_task = {
            task: torch.cat([runs[name,] for name in own], dim=1)  # [B, D_k]
            for task, own in self._visible.per_task.items()
            if own
        }
        if self.factor_tables is not None:
            user, item = self.factor_tables.both(runs)
            product = user * item  # [B, factors]
            for task, term in self.factor_terms.items():
                own_inputs = [per_task[task]] if task in per_task else []
                per_task[task] = torch.cat([*own_inputs, term.inputs(product, runs)], dim=1)
        if self.interaction is not None:
            assert isinstance(main, Tensor)
            met: Interacted = self.interaction(main)
            own_known = self._own_known(runs)
            for task, late in self.late_terms.items():
                known = torch.cat([main[:, self._learnt :], *own_known[task]], dim=1)
                past = [per_task[task]] if task in per_task else []
                per_task[task] = torch.cat([*past, late.inputs(known, met.late, runs)], dim=1)
            main = met.main
        self._add_terms(per_task, runs)
        own = {task: self._own_input(fields, each, kept) for task, each in fields.own.items()}
        needs = {*self.architecture.needs, *(n for gate in self._gates() for n in gate.needs)}
        if self.preference_gates is not None:
            main = self.preference_gates.scale_input(whole(main))
        context = [runs[name,] for name in self._keys if name in self._visible.shared]
        encoded = Encoded(
            main,
            per_task=per_task,
            tokens=self._tokens(Fields(runs, {}).vectors) if "tokens" in needs else None,
            context=torch.cat(context, dim=1) if "context" in needs else None,
            scenario=fields.scenario if "scenario" in needs else None,
            own=own,
        )
        for gate in self._gates():
            encoded = gate.scale(encoded)
        for task in self.tasks:
            for layer_gates in self.tower_of(task).layer_gates():
                past = [per_task[task]] if task in per_task else []
                per_task[task] = torch.cat([*past, layer_gates.inputs(encoded)], dim=1)
        return encoded._replace(per_task=per_task)

    def share(self, encoded: Encoded) -> Shared:
        """What the tasks hold in common."""
        return self.architecture.share(encoded)._replace(per_task=encoded.per_task)

    def split(self, shared: Shared) -> dict[str, Tensor]:
        """Each task's representation `[B, H]`, and behind it what goes past the shared network."""
        representations = self.architecture.split(shared)
        if self.preference_gates is not None:
            representations = self.preference_gates.scale_tasks(representations)
        for link in self._links():
            representations = link.couple(representations)
        for task, own in shared.per_task.items():
            representations[task] = torch.cat([representations[task], own], dim=1)
        return representations

    def decode(self, representations: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Parameters `[B, out]` of every output: towers, then links."""
        return self.link(self._towers(representations))

    def decode_observed(
        self, representations: Mapping[str, Tensor], batch: Batch
    ) -> dict[str, Tensor]:
        """The same as the labels of these rows were observed: what losses are made of."""
        parameters = self._towers(representations)
        for link in self._links():
            parameters = link.observe(parameters, batch.keys)
        return self.link(parameters)

    def link(self, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
        """Parameters of every output, from those that the towers gave."""
        for link in self._links():
            parameters = link.connect(parameters)
        return parameters

    def link_losses(
        self,
        losses: dict[str, Tensor],
        parameters: Mapping[str, Tensor],
        representations: Mapping[str, Tensor],
        batch: Batch,
    ) -> dict[str, Tensor]:
        """Losses by task with those of the links, from the losses of the heads."""
        if not self.links:
            return losses
        width = self.architecture.out_features
        seen = Seen(
            parameters,
            {task: representation[:, :width] for task, representation in representations.items()},
            batch.labels,
            {task: batch.weights[task] * batch.observed[task] for task in self.tasks},
            batch.extras,
        )
        for link in self._links():
            losses = link.losses(losses, seen)
        return losses

    def trace(self, batch: Batch) -> Trace:
        """All stages up to `split`, with the tensors in between."""
        fields = apart("tables", self.lookup(batch, for_layers=True))
        encoded = apart("encoded", self.encode(fields))
        shared = apart("shared", self.share(encoded))
        return Trace(fields, encoded, shared, self.split(shared))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Parameters `[B, out]` of every output by name."""
        return self.decode(self.trace(batch).representations)

    def predict(self, batch: Batch) -> dict[str, Tensor]:
        """Predictions in the labels' own units by name, `[B]` or `[B, C]`."""
        return self._predictions(self(batch), batch)

    def predict_observed(self, batch: Batch) -> dict[str, Tensor]:
        """The same as the labels of these rows were observed: what tells how well losses are met.

        Differs from `predict` only where a link has a term that a prediction leaves out.
        """
        if not self.links:
            return self.predict(batch)
        return self._predictions(
            self.decode_observed(self.trace(batch).representations, batch), batch
        )

    def _predictions(self, parameters: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        return {
            name: self.head(name).predict(parameters[name], rows_of(batch, self._task_of(name)))
            for name in self.outputs
        }

    @property
    def factor_terms(self) -> dict[str, FactorTerm]:
        """The tasks' own parts of the product of user and item."""
        towers = {name: self.tower_of(name) for name in self.tasks}
        return {name: t.factors for name, t in towers.items() if t.factors is not None}

    @property
    def late_terms(self) -> dict[str, LateTerm]:
        """The tasks' own parts of the interaction."""
        towers = {name: self.tower_of(name) for name in self.tasks}
        return {name: t.late for name, t in towers.items() if t.late is not None}

    @property
    def tables_by_task(self) -> dict[str, OwnTables]:
        """The tables that belong to each task alone; none where the architecture needs none."""
        found = zip(self.tasks, self.own_tables.values(), strict=False)
        return {task: tables for task, tables in found if isinstance(tables, OwnTables)}

    @property
    def term_list(self) -> list[Term]:
        """The classical models beside the network."""
        return [term for term in self.terms.values() if isinstance(term, Term)]

    @property
    def key_tables(self) -> list[KeyTables]:
        """Tables of users and items beside those of the features."""
        biases = [term.biases for term in self.factor_terms.values()]
        return biases if self.factor_tables is None else [self.factor_tables, *biases]

    def key_vectors(self, fields: Fields) -> list[Tensor]:
        """The looked-up vectors of users and items `[B, d]`, for a penalty on touched rows."""
        names = [name for tables in self.key_tables for name in tables.names]
        names += [name for term in self.late_terms.values() if term.wide for name in term.wide.keys]
        names += [name for term in self.term_list for name in term.keys]
        found = [fields.runs[name,] for name in (*self._keys, *names)]
        own = fields.own.values()
        return found + [
            each.runs[name,] for each in own for name in self._keys if (name,) in each.runs
        ]

    def table_parameters(self) -> list[nn.Parameter]:
        """The storages of all tables, whose gradients are row-sparse."""
        beside = [storage for tables in self.key_tables for storage in tables.parameters()]
        wide = [term.wide for term in self.late_terms.values() if term.wide is not None]
        beside += [storage for tables in wide for storage in tables.parameters()]
        beside += [storage for term in self.term_list for storage in term.tables.parameters()]
        return [*self.tables.parameters(), *self.own_tables.parameters(), *beside]

    def start_from_base_rates(self) -> None:
        """Set every last bias so that an untrained model predicts the base rates.

        With a chain the child's own output is conditional, so its base rate is divided by that of
        its parent.
        """
        for name in self.tasks:
            bias = self.head(name).initial_bias()
            for derived in self.derived:
                if derived.task == name:
                    bias = conditional_bias(bias, self.head(derived.within).initial_bias())
            self.tower_of(name).last.bias.data.copy_(bias)

    def _keys_kept(self, fields: Fields) -> dict[str, Tensor]:
        """On which rows the deep network sees a user's or item's vector, `[B, 1]` by column."""
        if not self.training or self.id_dropout <= 0:
            return {}
        keys = {name: fields.runs[name,] for name in self._keys}
        return {
            name: torch.rand(len(vector), 1, device=vector.device) >= self.id_dropout
            for name, vector in keys.items()
        }

    def _flat(self, fields: Fields, kept: Mapping[str, Tensor]) -> dict[Run, Tensor]:
        """One vector a row of everything: without the keys that are left out, lists pooled."""
        runs = dict(fields.runs)
        for name, rows in kept.items():
            if (name,) in runs:
                runs[name,] = runs[name,] * rows
        for name, found in fields.lists.items():
            if self.sequences is None or name not in self.sequences.names:
                runs[name,] = mean_pool(found.values, found.offsets, found.weights)
        if self.sequences is not None:
            runs.update(self.sequences(fields.lists, runs))
        return runs

    def _own_input(self, fields: Fields, own: Fields, kept: Mapping[str, Tensor]) -> Tensor:
        """`main` with a task's own vectors; numbers and given vectors are those of all."""
        learnt = learnt_entries(self.layout)
        known = {run: found for run, found in fields.runs.items() if run[0] not in learnt}
        main = self.main_input.side_by_side(known | self._flat(own, kept))
        return main if self.interaction is None else self.interaction(main).main

    def _factored(self) -> tuple[str, ...]:
        """The tasks that may read both keys, where the layout has them."""
        keys = {self.layout.user, self.layout.item}
        shared, per_task = self._visible
        return tuple(name for name in self.tasks if keys <= {*shared, *per_task[name]})

    def _add_terms(self, per_task: dict[str, Tensor], runs: Mapping[Run, Tensor]) -> None:
        """Put what terms give behind all else that goes past the shared network."""
        given = {
            name: term(term.vectors(runs))
            for name, term in self.terms.items()
            if isinstance(term, Term)
        }
        for task in self.tasks if given else ():
            own = [given[name] for name in self.tower_of(task).terms]
            if own:
                past = [per_task[task]] if task in per_task else []
                per_task[task] = torch.cat([*past, *own], dim=1)

    def _own_known(self, runs: Mapping[Run, Tensor]) -> dict[str, list[Tensor]]:
        """What a task alone reads that comes from no table."""
        learnt = learnt_entries(self.layout)
        return {
            task: [runs[name,] for name in own if name not in learnt]
            for task, own in self._visible.per_task.items()
        }

    def _tokens(self, entries: Mapping[str, Tensor]) -> Tensor:
        pairs = zip(self.token_maps, self._visible.shared, strict=True)
        return torch.stack([into(entries[name]) for into, name in pairs], dim=1)  # [B, F, d]

    def _towers(self, representations: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = {task: self.tower_of(task)(rep) for task, rep in representations.items()}
        # Where products are taken in bfloat16, what heads make of them is not.
        return {task: p.float() if p.dtype == torch.bfloat16 else p for task, p in found.items()}

    def _gates(self) -> list[Gate]:
        return [gate for gate in self.gates if isinstance(gate, Gate)]

    def _new_own_tables(self, layout: Layout, shared: Sequence[str]) -> nn.ModuleDict:
        """The tables of each task, where the structure reads any."""
        owners = self.tasks if "own" in self.architecture.needs else ()
        return nn.ModuleDict(
            {module_name(task): OwnTables(layout, shared, alone=self._alone) for task in owners}
        )

    def _new_tower(
        self, task: str, sizes: Widths, readers: Mapping[str, frozenset[str]], *, factors: int
    ) -> Tower:
        """A task's own layers, and what goes past the shared network into them."""
        outputs = self.head(task).out_features
        own = self._visible.per_task[task]
        entries = {name: self.entry_widths[name] for name in (*self._visible.shared, *own)}
        wanted = self.tasks[task].tower
        layers = self.tower if wanted is None else wanted
        gates = [gate.layer_gates(sizes, layers) for gate in self._gates()]
        return Tower(
            self.architecture.out_features + sum(entries[name] for name in own),
            layers,
            outputs,
            dropout=self.dropout,
            factors=FactorTerm(self.layout, factors, outputs, task=task) if factors else None,
            late=late_term(self.interaction, self.layout, entries, outputs, task=task),
            gates=[each for each in gates if each is not None],
            terms=term_weights(self.terms, readers, outputs, task=task),
        )

    def _links(self) -> list[Link]:
        return [link for link in self.links if isinstance(link, Link)]

    def _task_of(self, output: str) -> str:
        return next((d.task for d in self.derived if d.name == output), output)


ModelFactory = Callable[[Layout, Sequence[Task]], MultiTaskModel]
"""Builds a model for a layout: a class, a function or a `partial`."""

__all__ = ["ModelFactory", "MultiTaskModel"]
