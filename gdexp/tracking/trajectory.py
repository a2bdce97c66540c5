"""The trajectory as a Parquet file: every step exactly, whatever the metrics leave out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gdexp.core import Trajectory
from gdexp.core.factor import Array


def write_trajectory(path: Path, trajectory: Trajectory, names: Sequence[str]) -> None:
    """Write columns `step`, `mse`, `gap`, `gradient_norm`, then `parameter_<name>` for each of `names`."""
    import pyarrow as pa
    from pyarrow import parquet

    columns = {
        "step": np.arange(trajectory.steps + 1),
        "mse": trajectory.mse,
        "gap": trajectory.gap,
        "gradient_norm": trajectory.gradient_norm,
    }
    columns |= {f"parameter_{name}": trajectory.parameters[:, i] for i, name in enumerate(names)}
    parquet.write_table(pa.table(columns), path)


def read_columns(path: Path, names: Sequence[str] | None) -> dict[str, Array]:
    """Return the columns `names` of a trajectory file, or all of them."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        table = file.read(columns=None if names is None else list(names))
    return {name: table[name].to_numpy() for name in table.column_names}
