"""The trajectory as a Parquet file: every step exactly, whatever the metrics leave out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    table = pa.table({name: _arrow(values) for name, values in columns.items()})
    # Hardly a value comes twice, and nobody filters by them: dictionaries and statistics would only cost.
    parquet.write_table(table, path, use_dictionary=False, write_statistics=False)


def read_columns(path: Path, names: Sequence[str] | None) -> dict[str, Array]:
    """Return the columns `names` of a trajectory file, or all of them."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        # To hand so few values to threads takes longer than to read them.
        table = file.read(columns=None if names is None else list(names), use_threads=False)
    # Unlike to_numpy this imports no pandas.
    columns: dict[str, Any] = {name: np.from_dlpack(table[name].combine_chunks()) for name in table.column_names}
    return columns


def _arrow(values: NDArray[Any]) -> Any:
    """Return `values`, shape (n,), as they are; pyarrow.array would import pandas, which takes half a second."""
    import pyarrow as pa

    data = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(data.dtype), len(data), [None, pa.py_buffer(data)])
