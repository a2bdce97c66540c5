"""`python -m experiments.parts`: how fast data in many Parquet parts are reduced on a Ray cluster, and whether exactly.

It writes report.md beside this file. One and two workers have one core each; what a cluster of many would take is
reckoned from their rate.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from gdexp import cluster
from gdexp.core import LeastSquares
from gdexp.data import Dataset, dataset, load
from gdexp.data.datasets.file import File
from gdexp.data.datasets.synthetic import Synthetic

FEATURES, PART_ROWS, PARTS = 20, 250_000, (2, 4, 8, 16)
REPEATS = 3
HERE = Path(__file__).parent


def main() -> None:
    """Make the parts, time one worker and two in turn, and write the report."""
    with tempfile.TemporaryDirectory() as folder:
        size = make_parts(Path(folder))
        differs = largest_difference(Path(folder))
        found: dict[int, list[dict[str, float]]] = {1: [], 2: []}
        for _ in range(REPEATS):
            for workers, times in found.items():
                command = [sys.executable, "-m", "experiments.parts", str(workers), folder]
                done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
                times.append(json.loads(done.stdout.splitlines()[-1]))
    best = {
        workers: {count: min(time[str(count)] for time in times) for count in PARTS} for workers, times in found.items()
    }
    (HERE / "report.md").write_text(report(best, size, differs), encoding="utf-8")


def make_parts(folder: Path) -> float:
    """Write folders of 2, 4, ... parts, which share their files, and return the bytes of one part in memory."""
    source = Synthetic(n=PARTS[-1] * PART_ROWS, d=FEATURES, condition_number=1e6)
    table = source.table()
    names = [*table.features, table.target]
    rows, held, written = [], 0, 0
    for X, y in table.read():
        rows.append(np.column_stack([X, y]))
        held += len(y)
        while held >= PART_ROWS:
            together = np.concatenate(rows)
            first = folder / f"part-{written:03}.parquet"
            parquet.write_table(pa.table(dict(zip(names, together[:PART_ROWS].T, strict=True))), first)
            for count in PARTS:
                if written < count:
                    (folder / str(count)).mkdir(exist_ok=True)
                    os.link(first, folder / str(count) / first.name)
            rows, held, written = [together[PART_ROWS:]], held - PART_ROWS, written + 1
    return 8.0 * PART_ROWS * (FEATURES + 1)


def read(folder: Path) -> Dataset:
    """Return the data of a folder, read anew."""
    dataset._load.cache_clear()
    return load(File(path=str(folder), target="y"))


def largest_difference(folder: Path) -> float:
    """Return the largest relative difference between the parts merged and the same rows in one pass."""
    parts = read(folder / str(PARTS[-1])).problem
    assert parts.rows is not None
    whole = LeastSquares.from_chunks(iter(parts.rows))
    return max(
        abs(parts.minimum_mse / whole.minimum_mse - 1),
        float(np.max(np.abs(parts.spectrum.eigenvalues / whole.spectrum.eigenvalues - 1))),
        float(np.linalg.norm(parts.minimizer - whole.minimizer) / np.linalg.norm(whole.minimizer)),
    )


def timed(workers: int, folder: Path) -> dict[int, float]:
    """Return the seconds that as many workers, a core each, take for each count of parts."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:workers])  # what is started from here on stays there
    alone = read(folder / str(PARTS[0]))
    cluster.connect(num_cpus=workers)
    os.environ["RAY_ADDRESS"] = "auto"
    on_ray = read(folder / str(PARTS[0]))  # the workers import what they need
    assert np.array_equal(alone.problem.factor, on_ray.problem.factor)
    seconds = {}
    for count in PARTS:
        start = time.perf_counter()
        read(folder / str(count))
        seconds[count] = time.perf_counter() - start
    return seconds


def report(best: dict[int, dict[int, float]], part_bytes: float, differs: float) -> str:
    """Return the report in Markdown."""
    lines = [
        "# Data in many parts, reduced on Ray",
        "",
        f"`python -m experiments.parts`: parts of {PART_ROWS:,} rows of {FEATURES} features and a target, float64, in "
        f"Parquet on a local disk, read from the page cache; the least time of {REPEATS} sessions. A worker "
        "has one core, "
        "which it shares with Ray's own processes, so one worker alone fares worse than one of many, and with whatever "
        "else the machine does. Two cores cannot be more than twice as fast as one: how far the ratios "
        "scatter, and any "
        "above 2, tell how noisy the machine was.",
        "",
        "| rows | 1 worker | 2 workers | ratio | GB/s a core (2 workers) |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    rates = []
    for count in PARTS:
        one, two = best[1][count], best[2][count]
        rates.append(count * part_bytes / two / 2)
        lines.append(f"| {count * PART_ROWS:,} | {one:.2f} s | {two:.2f} s | {one / two:.2f} | {rates[-1] / 1e9:.3f} |")
    fewest, most = (100e12 / rate / 3600 for rate in (max(rates), min(rates)))
    lines += [
        "",
        f"The R factor on Ray was that of one machine to the last bit, compared in each session for {PARTS[0]} parts. "
        "Against one pass over the same rows, uncut, the minimum, each eigenvalue and the minimizer of "
        f"{PARTS[-1]} parts "
        f"differ by at most {differs:.1e} relative (condition number 1e6).",
        "",
        "## 100 TB, on paper",
        "",
        "Nothing here was measured: it is the rates of the table, times the cores, as if they held for any "
        "number of them. "
        f"100 TB are {fewest:,.0f} to {most:,.0f} core hours, so {fewest / 1000:.2g} to {most / 1000:.2g} "
        "hours on 1,000 "
        f"cores, if the storage gives {min(rates) / 1e6:.0f} to {max(rates) / 1e6:.0f} GB/s to them all, "
        "where here the "
        "page cache did. At 1 GB a part there are 100,000 parts, each of which hands in a factor and a sample "
        "of less than "
        "1 MB, and 17 rounds of merging. More than two workers, more than one machine, and a scheduler with "
        "200,000 tasks "
        "were not tried.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        result: Any = timed(int(sys.argv[1]), Path(sys.argv[2]))
        print(json.dumps(result))
    else:
        main()
