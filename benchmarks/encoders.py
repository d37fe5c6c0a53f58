"""What does a step of training cost with each interaction and each sequence encoder?

    python benchmarks/encoders.py --json encoders.json

A made log of 20 ids, 8 numbers and one sequence of up to 20 past items, the default network above
it. Each choice takes the same steps in turn, several times; the median of the ratios to the plain
model counts. The time is the CPU's, which other processes disturb less than that of the clock.
Parameters are those of the network, without the tables of vectors.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from _report import Row, parser, report
from _synthetic import SCHEMA, TASKS, write_log

from plait import RandomSplit, Training
from plait.data.log import Log
from plait.data.preparing import PreparedLog, prepare
from plait.experiment.running import build
from plait.models import MultiTaskModel
from plait.modules.interactions import INTERACTIONS
from plait.modules.sequences import SEQUENCE_ENCODERS
from plait.training import Trainer

PLAIN = "none"

Choices = Mapping[str, Callable[[PreparedLog], MultiTaskModel]]

CHOICES: Choices = {
    PLAIN: build,
    **{kind.__name__: partial(build, interaction=kind) for kind in INTERACTIONS},
    **{kind.__name__: partial(build, sequence=kind) for kind in SEQUENCE_ENCODERS},
}


def main() -> None:
    """Measure the costs, and report."""
    made = parser("Cost of interactions and sequence encoders.")
    made.add_argument("--rows", type=int, default=60_000, help="of the made log")
    made.add_argument("--steps", type=int, default=15, help="of each turn")
    made.add_argument("--repeats", type=int, default=5, help="turns")
    arguments = made.parse_args()
    rows, steps, repeats = arguments.rows, arguments.steps, arguments.repeats
    if arguments.smoke:
        rows, steps, repeats = 600, 1, 1
    with tempfile.TemporaryDirectory(prefix="plait-") as named:
        write_log(Path(named) / "log.parquet", rows)
        log = Log((Path(named) / "log.parquet",), SCHEMA, TASKS)
        prepared = prepare(log, RandomSplit(valid=0.0, test=0.0), cache=Path(named))
        if not arguments.smoke:
            _turn(prepared, steps=1)  # what is imported and allocated once
        turns = [_turn(prepared, steps=steps) for _ in range(repeats)]
        report(list(_rows(prepared, turns)), arguments)


def _turn(prepared: PreparedLog, *, steps: int) -> Mapping[str, float]:
    """CPU seconds that a model of each choice takes for the same steps."""
    seconds = {}
    for name, make in CHOICES.items():
        trainer = Trainer(make(prepared), Training(max_steps=steps))
        begun = time.process_time()
        trainer.fit(prepared.train)
        seconds[name] = time.process_time() - begun
    return seconds


def _rows(prepared: PreparedLog, turns: list[Mapping[str, float]]) -> Iterator[Row]:
    for name, make in CHOICES.items():
        model = make(prepared)
        tables = sum(table.numel() for table in model.table_parameters())
        yield {
            "choice": name,
            "CPU time of a step": statistics.median(turn[name] / turn[PLAIN] for turn in turns),
            "parameters": sum(p.numel() for p in model.parameters()) - tables,
            "shared input": model.architecture.widths.main,
        }


if __name__ == "__main__":
    main()
