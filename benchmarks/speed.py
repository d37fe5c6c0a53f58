"""How fast do plait and other libraries train and predict, on one job and one machine?

    python benchmarks/speed.py --rows 200000 --repeats 5 --json speed.json
    python benchmarks/speed.py --only plait,fbgemm --precision bf16 --batch 512
    python benchmarks/speed.py --table --repeats 3 --json table.json

A made log (`_rivals/log.py`), an epoch of one model, predictions of 200,000 other rows. Rivals take
turns, each run a process of its own, so that the drift of a shared machine meets all of them; who
begins changes turn by turn, and ratios are taken within a turn. `foreign_cores` says how many
processors other programs kept busy meanwhile: speeds are worth reading where it is near 0. Test AUC
stands beside every speed, and no speed counts without it.

`reference` is a loop in PyTorch written by hand, and `fbgemm` the same network over the embeddings
that torchrec trains with. Other libraries come from PyPI when they are first asked for, each into
an environment of its own; pip's own settings decide which build of torch that brings. Whoever
cannot be installed or run is a row that says why. Before the turns everybody does the job on a few
rows, so that what is compiled once is; with `--cold` nobody does.

plait starts from the log as it is; `plait-pure` is plait without compiled kernels. The others want
arrays of small integers and get them from a fast reader (`_rivals/arrays.py`). Their tables have a
row for every id that there could be, those of plait for every id of the training rows; with
`--raw-strings` all have the latter. plait and the reference run in the environment of this script,
whose torch need not be that of the others: the JSON says which each one had.

`--table` does job after job: what the other options say, then the same with small batches, each
architecture, more tasks, no sequence, and more rows.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import get_args

from _contenders import CONTENDERS, NEED_NOTHING
from _racing import Race, Track
from _report import Fact, parser, report
from _rivals.job import Architecture, Job, Precision
from _rivals.log import task_names, write_log

ENVIRONMENTS = Path(__file__).parents[1] / ".bench" / "environments"
ROWS, SMOKE_ROWS, WARM_UP_ROWS = 200_000, 4_000, 5_000
TEST_ROWS, FEW_TEST_ROWS = 200_000, 2_000
SHOWN = (
    *("rival", "train_rows_per_second", "times_reference", "times_fbgemm", "times_best_peer"),
    *("predict_rows_per_second", "end_to_end_seconds", "auc_click", "auc_conversion", "peak_mib"),
    *("foreign_cores", "repeats", "reason"),
)
"""Columns of the printed table; the JSON has all."""
TABLE: tuple[Mapping[str, object], ...] = (
    {},
    {"batch": 512},
    *({"architecture": name} for name in ("single_task", "shared_bottom", "ple")),
    {"tasks": 4},
    {"tasks": 8},
    {"without_sequence": True},
    {"rows": 1_000_000},
    {"rows": 5_000_000},
)
"""What `--table` changes of the job, row by row."""
MEDIANS = (
    *("end_to_end_seconds", "load_seconds", "build_seconds", "fit_seconds"),
    *("test_load_seconds", "predict_seconds", "start_seconds"),
    *("fit_cpu_seconds", "predict_cpu_seconds", "foreign_cores", "peak_mib", "table_rows"),
)


def main() -> None:
    """Write the logs, let the rivals take turns, and report medians."""
    arguments = _arguments()
    rows: list[dict[str, Fact]] = []
    anybody = False
    for change in TABLE if arguments.table else ({},):
        changed = argparse.Namespace(**{**vars(arguments), **change})
        if arguments.smoke:
            changed.rows = SMOKE_ROWS
        race = _race(changed)
        anybody = anybody or any(race.runs.values())
        rows += [{"job": _title(race.job, changed)} | row for row in _rows(race)]
        # After each job: whoever stops a long table keeps what it has.
        report(rows, arguments, shown=("job", *SHOWN) if arguments.table else SHOWN)
    if not anybody:
        sys.exit("Nobody did the job; the rows say why.")


def _race(arguments: argparse.Namespace) -> Race:
    """All turns of one job."""
    with tempfile.TemporaryDirectory(prefix="plait-") as named:
        scratch = Path(named)
        track = Track(
            scratch=scratch,
            environments=arguments.environments,
            timeout=arguments.timeout,
            is_cold=arguments.cold,
        )
        race = Race(arguments.only.split(","), _job(arguments, scratch / "log"), track)
        warm = not (arguments.cold or arguments.smoke)
        race.line_up(_few_rows(race.job, arguments, scratch / "few") if warm else None)
        for turn in range(arguments.repeats):
            race.take_turn(turn)
    return race


def _arguments() -> argparse.Namespace:
    made = parser("Rows a second of plait and other libraries on one job.")
    known = ", ".join(CONTENDERS)
    made.add_argument("--rows", type=int, default=ROWS, help="of the training log")
    made.add_argument("--only", help=f"of {known}, by comma (default: all)")
    made.add_argument("--repeats", type=int, default=3, help="turns")
    made.add_argument("--batch", type=int, default=2048, help="rows a step")
    made.add_argument("--threads", type=int, default=2)
    made.add_argument("--precision", choices=get_args(Precision), default="fp32")
    made.add_argument("--architecture", choices=get_args(Architecture), default="mmoe")
    made.add_argument("--tasks", type=int, choices=(2, 4, 8), default=2)
    made.add_argument("--without-sequence", action="store_true", help="leave the history out")
    made.add_argument(
        "--raw-strings", action="store_true", help="ids are strings and large integers"
    )
    made.add_argument(
        "--table", action="store_true", help="all jobs: batches, architectures, tasks, rows"
    )
    made.add_argument("--cold", action="store_true", help="nothing is compiled beforehand")
    made.add_argument("--timeout", type=float, default=1800, help="seconds of one run")
    made.add_argument("--environments", type=Path, default=ENVIRONMENTS, help="folder of them")
    arguments = made.parse_args()
    arguments.test_rows = TEST_ROWS
    if arguments.smoke:
        arguments.rows, arguments.test_rows, arguments.repeats = SMOKE_ROWS, FEW_TEST_ROWS, 1
    if arguments.only is None:
        arguments.only = ",".join(NEED_NOTHING if arguments.smoke else CONTENDERS)
    for name in arguments.only.split(","):
        if name not in CONTENDERS:
            made.error(f"no rival {name!r}; there are {known}")
    return arguments


def _job(arguments: argparse.Namespace, folder: Path) -> Job:
    _write(arguments, folder, arguments.rows, arguments.test_rows)
    return Job(
        folder=str(folder),
        out=str(folder),
        tasks=task_names(arguments.tasks),
        architecture=arguments.architecture,
        has_history=not arguments.without_sequence,
        batch_size=arguments.batch,
        threads=arguments.threads,
        precision=arguments.precision,
    )


def _few_rows(job: Job, arguments: argparse.Namespace, folder: Path) -> Job:
    _write(arguments, folder, WARM_UP_ROWS, FEW_TEST_ROWS)
    return replace(job, folder=str(folder))


def _write(arguments: argparse.Namespace, folder: Path, rows: int, test_rows: int) -> None:
    folder.mkdir()
    strings, num_tasks = arguments.raw_strings, arguments.tasks
    write_log(folder, rows, test_rows, num_tasks=num_tasks, strings=strings)


def _title(job: Job, arguments: argparse.Namespace) -> str:
    parts = (
        f"{job.architecture}, {arguments.rows} rows, batch {job.batch_size}",
        f"{len(job.tasks)} tasks, {job.precision}, {job.threads} threads",
        "" if job.has_history else "no sequence",
        "raw strings" if arguments.raw_strings else "",
        "cold" if arguments.cold else "",
    )
    return ", ".join(part for part in parts if part)


def _rows(race: Race) -> Iterator[dict[str, Fact]]:
    """Medians and ratios of everybody; of one that is out, why."""
    peers = [name for name in race.names if CONTENDERS[name].is_peer and race.runs[name]]
    speeds = {name: _median(race, name, "train_rows_per_second") or 0.0 for name in peers}
    best = max(peers, key=lambda name: speeds[name], default="")
    for name in race.names:
        if name in race.reasons:
            yield {"rival": name, "reason": race.reasons[name]}
            continue
        row: dict[str, Fact] = {"rival": name}
        for kind in ("train", "predict"):
            fact = f"{kind}_rows_per_second"
            prefix = "" if kind == "train" else "predict_"
            row[fact] = _median(race, name, fact)
            row[f"{prefix}times_reference"] = _ratio(race, name, "reference", fact)
            row[f"{prefix}times_fbgemm"] = _ratio(race, name, "fbgemm", fact)
            row[f"{prefix}times_best_peer"] = _ratio(race, name, best, fact)
        for fact in (*(f"auc_{task}" for task in race.job.tasks), *MEDIANS):
            row[fact] = _median(race, name, fact)
        last = race.runs[name][-1]
        row["version"], row["torch"] = str(last["version"]), str(last["torch"])
        yield row | {"repeats": len(race.runs[name])}


def _median(race: Race, name: str, fact: str) -> float | None:
    """None where the system does not tell this."""
    found = [float(run[fact]) for run in race.runs[name]]
    known = [value for value in found if math.isfinite(value)]
    return statistics.median(known) if known else None


def _ratio(race: Race, name: str, base: str, fact: str) -> float | None:
    """Median over the turns of one rival's speed over another's."""
    pairs = zip(race.runs[name], race.runs.get(base, []), strict=False)
    ratios = [float(mine[fact]) / float(other[fact]) for mine, other in pairs]
    return statistics.median(ratios) if ratios else None


if __name__ == "__main__":
    main()
