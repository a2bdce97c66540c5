"""Row 3: a Parquet file that is larger than memory should have to hold."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.performance.measure import Contender, Measured, UnavailableError, child, interleaved
from experiments.performance.profiles import by_package
from experiments.performance.results import Aim, Case, Settings, check_same

ROWS_AT_ONCE = 1_000_000
COLUMNS = ("x1", "x2", "x3", "y")
GIBIBYTE = 2**30

# What whoever reads all of the file must do: decode each column and look at every number once. Without `pre_buffer`,
# which keeps the file in memory and is slower here.
SCAN = """
import sys
import numpy as np
from pyarrow import parquet
sums = 0.0
for batch in parquet.ParquetFile(sys.argv[1], pre_buffer=False).iter_batches():
    sums = sums + np.array([column.to_numpy().sum() for column in batch.columns])
print(*(float(value).hex() for value in sums))
"""


@dataclass(frozen=True)
class Made:
    """A file of `rows` rows, the sums of its columns and what gdexp must find: the loss at zero, and the least."""

    path: Path
    rows: int
    sums: list[float]
    first_mse: float
    least_mse: float


def make(path: Path, rows: int) -> Made:
    """Write a file of so many rows of float64, chunk by chunk; raises UnavailableError where there is no room."""
    import pyarrow as pa
    from pyarrow import parquet

    needed, free = int(rows * 8 * len(COLUMNS) * 1.05), shutil.disk_usage(path.parent).free
    if free < needed + GIBIBYTE:
        raise UnavailableError(f"needs {needed / 1e9:.1f} GB of disk, and {free / 1e9:.1f} GB are free")
    generator = np.random.default_rng(0)
    sums, moments = np.zeros(4), np.zeros((5, 5))
    with parquet.ParquetWriter(path, pa.schema([(name, pa.float64()) for name in COLUMNS])) as writer:
        for first in range(0, rows, ROWS_AT_ONCE):
            X = generator.random((min(ROWS_AT_ONCE, rows - first), 3))
            y = X @ (1.0, -2.0, 3.0) + generator.random(len(X))
            both = np.column_stack([X, y])
            writer.write_table(pa.table(dict(zip(COLUMNS, both.T.copy(), strict=True))))
            sums += both.sum(axis=0)
            extended = np.column_stack([X, np.ones(len(X)), y])
            moments += extended.T @ extended
    theta = np.linalg.solve(moments[:4, :4], moments[:4, 4])
    least = (moments[4, 4] - theta @ moments[:4, 4]) / rows
    return Made(path, rows, sums.tolist(), float(moments[4, 4] / rows), float(least))


def command(made: Made) -> list[str]:
    """Return what `python` is to carry out to train on a file, with every loss and no figure."""
    data = ["data=file", f"data.path={made.path}", "data.target=y"]
    return ["-m", "gdexp", *data, "lr_unit=limit", "lr=0.5", "plots=none"]


def gdexp(made: Made, folder: Path) -> Measured:
    """Train on the file as a process of its own, and return its metrics, too."""
    done = child(command(made), folder)
    with closing(sqlite3.connect(folder / "mlflow.db")) as store:
        latest = "SELECT run_uuid FROM runs ORDER BY start_time DESC LIMIT 1"
        query = f"SELECT value FROM metrics WHERE run_uuid = ({latest}) AND step = 0 AND key = ?"
        found = [store.execute(query, [key]).fetchone()[0] for key in ("mse", "theory_minimum_mse")]
    return Measured(done.seconds, found, done.peak)


def row(settings: Settings) -> list[Case]:
    """Row 3: the whole process against a scan that only sums; peak memory at a quarter of the rows and at all."""
    rows = settings.size(200_000_000, 40_000)
    work = f"data=file, Parquet of {rows:,} rows by {len(COLUMNS)}, the whole process"
    folder = settings.folder("large_data")
    child(["-m", "gdexp"], folder)
    try:
        whole = make(folder / "whole.parquet", rows)
        quarter = make(folder / "quarter.parquet", rows // 4)
    except UnavailableError as error:
        return [Case(3, work, skipped=str(error))]
    samples = interleaved(
        [
            Contender("gdexp", "gdexp", lambda: gdexp(whole, folder)),
            Contender("pyarrow scan that sums", "limit", lambda: child(["-c", SCAN, whole.path], folder)),
            Contender("gdexp, a quarter of the rows", "reference", lambda: gdexp(quarter, folder)),
        ],
        settings.repetitions,
    )
    profile = by_package(f"`python -m gdexp data=file`, {rows:,} rows, the main thread", command(whole), folder)
    shutil.rmtree(folder)
    ours, limit, fewer = samples.values()
    for sample, made in ((ours, whole), (fewer, quarter)):
        check_same([made.first_mse, made.least_mse], sample.result, "the normal equations")
    check_same(whole.sums, [float.fromhex(text) for text in limit.result.split()], "the scan")
    peak, smaller = ours.peak or 0, fewer.peak or 0
    aims = [
        Aim("within 3x of the scan", ours.median / limit.median, at_most=3),
        Aim("peak memory under 1 GiB", peak / GIBIBYTE, at_most=1),
        Aim("peak memory at most 1.1x that at a quarter of the rows", peak / smaller, at_most=1.1),
    ]
    return [
        Case(
            row=3,
            work=work,
            samples=[ours, limit, fewer],
            aims=aims,
            checked="loss at step 0 and least loss against sums made while the file was written",
            profiles=[profile],
        )
    ]
