"""What could this machine do at best, on the job of `speed.py`?

    python benchmarks/limits.py --threads 2 --json limits.json

The speed of products by MKL (what PyTorch takes), by oneDNN, and in half precision, at the shapes
of the job; of copying, and of fetching rows of 64 bytes at random; of reading the log. Each is the
best of several tries, since a limit is asked for and not what is usual. The last rows say how many
rows a second there would be if a step were its products alone; no program gets there.

PyTorch's switch to oneDNN permits half precision where a processor is made for it. The error of its
products, beside that of MKL's, shows whether it was used.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import get_args

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from _report import Row, parser, report
from _rivals.arrays import ArrayReader
from _rivals.job import EMBEDDING_DIM, EXPERT_LAYERS, TOWER, Architecture, Job
from _rivals.log import LONGEST_HISTORY, VOCABULARIES, task_names, write_log
from torch.nn import functional

ROWS, SMOKE_ROWS = 200_000, 1_000
COPIED, SMOKE_COPIED = 2**27, 2**20
TRIES, SMOKE_TRIES = 40, 1
BACKWARD = 2
"""Products of a backward pass for each of the forward pass: of the inputs and of the weights."""
SQUARE, SMOKE_SQUARE = 2048, 64
SMOKE_BATCH = 64
WAYS = ("fp32, MKL", "fp32, oneDNN", "bf16")


def main() -> None:
    """Measure, and report."""
    made = parser("The limits of this machine, and what they allow the job of speed.py.")
    made.add_argument("--rows", type=int, default=ROWS, help="of the log that is read")
    made.add_argument("--batch", type=int, default=2048, help="rows a step")
    made.add_argument("--threads", type=int, default=2)
    made.add_argument("--architecture", choices=get_args(Architecture), default="mmoe")
    made.add_argument("--tasks", type=int, choices=(2, 4, 8), default=2)
    arguments = made.parse_args()
    torch.set_num_threads(arguments.threads)
    pa.set_cpu_count(arguments.threads)
    tries, square = TRIES, SQUARE
    if arguments.smoke:
        tries, square, arguments.batch = SMOKE_TRIES, SMOKE_SQUARE, SMOKE_BATCH
    with tempfile.TemporaryDirectory(prefix="plait-") as folder:
        job = _job(arguments, folder)
        rows = [*_products(job, square, tries), *_memory(arguments, tries), *_reading(job, tries)]
    report(rows + list(_roofline(job, rows)), arguments)


def operations(job: Job) -> int:
    """Multiplications and additions of a row's forward pass, the network's products alone."""
    first, second = EXPERT_LAYERS
    networks = job.num_networks * (job.input_width * first + first * second)
    gates = job.input_width * job.num_gate_outputs
    towers = len(job.tasks) * (second * TOWER[0] + TOWER[0])
    return 2 * (networks + gates + towers)


def _job(arguments: argparse.Namespace, folder: str) -> Job:
    rows = SMOKE_ROWS if arguments.smoke else arguments.rows
    write_log(Path(folder), rows, 1, num_tasks=arguments.tasks, strings=False)
    return Job(
        folder=folder,
        out=folder,
        tasks=task_names(arguments.tasks),
        architecture=arguments.architecture,
        batch_size=arguments.batch,
        threads=arguments.threads,
    )


def _products(job: Job, square: int, tries: int) -> Iterator[Row]:
    """Billions of operations a second at three shapes, and how exact each way is."""
    first, second = EXPERT_LAYERS
    shapes = {
        "square": (square, square, square),
        "first layer": (job.batch_size, job.input_width, first),
        "second layer": (job.batch_size, first, second),
    }
    for way in WAYS:
        dtype = torch.bfloat16 if way == "bf16" else torch.float32
        with _precision("medium" if way == "fp32, oneDNN" else "highest"):
            for name, (rows, width, outputs) in shapes.items():
                inputs, weights = (
                    torch.randn(number, width, dtype=dtype) for number in (rows, outputs)
                )
                seconds = _best(partial(functional.linear, inputs, weights), tries)
                speed = 2 * rows * width * outputs / seconds / 1e9
                yield {"limit": f"products, {way}, {name}", "value": speed, "unit": "GFLOP/s"}
            error = _error(job.input_width, dtype)
            yield {"limit": f"error of products, {way}", "value": error, "unit": "largest"}


@contextmanager
def _precision(name: str) -> Iterator[None]:
    """PyTorch's switch for products of single precision, turned back afterwards."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _error(width: int, dtype: torch.dtype) -> float:
    """Of products of normal numbers that lie in the type, against double precision."""
    inputs, weights = (torch.randn(256, width).to(dtype) for _ in range(2))
    exact = functional.linear(inputs.double(), weights.double())
    return float((functional.linear(inputs, weights).double() - exact).abs().max())


def _memory(arguments: argparse.Namespace, tries: int) -> Iterator[Row]:
    size = SMOKE_COPIED if arguments.smoke else COPIED
    source, target = torch.zeros(size), torch.zeros(size)
    tries = min(tries, 15)
    copied = 2 * source.nbytes / _best(lambda: target.copy_(source), tries) / 1e9
    yield {"limit": "copying, read and written", "value": copied, "unit": "GB/s"}
    filled = source.nbytes / _best(target.zero_, tries) / 1e9
    yield {"limit": "filling", "value": filled, "unit": "GB/s"}
    table = torch.zeros(sum(VOCABULARIES), EMBEDDING_DIM)
    rows = torch.randint(len(table), (arguments.batch * (len(VOCABULARIES) + LONGEST_HISTORY),))
    fetched = len(rows) / _best(lambda: functional.embedding(rows, table), tries) / 1e6
    yield {"limit": "fetching rows of 64 bytes", "value": fetched, "unit": "million rows/s"}


def _reading(job: Job, tries: int) -> Iterator[Row]:
    tries = min(tries, 5)
    seconds = _best(lambda: pq.read_table(job.train), tries)
    num_rows = pq.read_metadata(job.train).num_rows
    size = job.train.stat().st_size / 1e6
    yield {"limit": "reading Parquet", "value": size / seconds, "unit": "MB/s"}
    yield {"limit": "reading Parquet", "value": num_rows / seconds, "unit": "rows/s"}
    seconds = _best(lambda: ArrayReader(job).train(), tries)
    yield {"limit": "reading Parquet into arrays", "value": num_rows / seconds, "unit": "rows/s"}


def _roofline(job: Job, measured: list[Row]) -> Iterator[Row]:
    """Rows a second if a step were its products alone, at the speed of the first layer's."""
    forward = operations(job)
    yield {"limit": "forward pass", "value": forward / 1e6, "unit": "MFLOP/row"}
    speeds = {str(row["limit"]): row["value"] for row in measured}
    for way in WAYS:
        speed = speeds[f"products, {way}, first layer"]
        assert isinstance(speed, float)
        training = speed * 1e9 / (forward * (1 + BACKWARD))
        yield {"limit": f"training, {way}", "value": training, "unit": "rows/s"}
        yield {"limit": f"predicting, {way}", "value": speed * 1e9 / forward, "unit": "rows/s"}


def _best(call: Callable[[], object], tries: int) -> float:
    """Seconds of the fastest call, after one that does not count."""
    call()
    fastest = math.inf
    for _ in range(tries):
        began = time.perf_counter()
        call()
        fastest = min(fastest, time.perf_counter() - began)
    return fastest


if __name__ == "__main__":
    main()
