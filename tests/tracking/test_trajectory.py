from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from gdexp.core import LeastSquares, Stopping, Trajectory, descend, near_zero, zero
from gdexp.tracking.trajectory import read_columns, write_trajectory

NAMES = ["weight", "a name, with a comma", "bias"]
COLUMNS = ["step", "mse", "gap", "gradient_norm", *(f"parameter_{name}" for name in NAMES)]


@pytest.fixture(scope="module")
def trajectory() -> Trajectory:
    random = np.random.default_rng(0)
    problem = LeastSquares.from_arrays(random.normal(size=(20, 2)), random.normal(size=20))
    return descend(problem, lr=0.01, start=near_zero(problem, seed=1), stopping=Stopping(max_iterations=1000))


@pytest.fixture(scope="module")
def file(trajectory: Trajectory, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trajectory") / "trajectory.parquet"
    write_trajectory(path, trajectory, NAMES)
    return path


def test_every_step_comes_back_to_the_bit(trajectory: Trajectory, file: Path) -> None:
    columns = read_columns(file, None)
    assert list(columns) == COLUMNS
    np.testing.assert_array_equal(columns["step"], np.arange(1001))
    np.testing.assert_array_equal(columns["mse"], trajectory.mse)
    np.testing.assert_array_equal(columns["gap"], trajectory.gap)
    np.testing.assert_array_equal(columns["gradient_norm"], trajectory.gradient_norm)
    np.testing.assert_array_equal(np.column_stack([columns[name] for name in COLUMNS[4:]]), trajectory.parameters)


def test_only_the_columns_that_are_asked_for_are_read(file: Path) -> None:
    assert list(read_columns(file, ["gap", "step"])) == ["gap", "step"]


def test_pandas_reads_whole_steps_and_exact_floats(file: Path) -> None:
    frame = pd.read_parquet(file)
    assert [str(kind) for kind in frame.dtypes] == ["int64"] + ["float64"] * 6
    assert len(frame) == 1001


def test_a_file_takes_no_more_room_than_its_numbers(file: Path) -> None:
    assert file.stat().st_size < 1001 * len(COLUMNS) * 8
    assert parquet.ParquetFile(file).num_row_groups == 1


def test_a_run_that_ended_at_its_start_has_one_row(tmp_path: Path) -> None:
    problem = LeastSquares.from_arrays(np.ones((3, 1)), np.ones(3))
    ended = descend(problem, lr=0.1, start=zero(problem), stopping=Stopping(loss_threshold=10.0))
    write_trajectory(tmp_path / "trajectory.parquet", ended, ["x", "bias"])
    columns = read_columns(tmp_path / "trajectory.parquet", ["step", "mse"])
    assert {name: values.tolist() for name, values in columns.items()} == {"step": [0], "mse": ended.mse.tolist()}


def test_writing_and_reading_import_no_pandas(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
import numpy as np
from gdexp.core import LeastSquares, descend, zero
from gdexp.tracking.trajectory import read_columns, write_trajectory
problem = LeastSquares.from_arrays(np.ones((3, 1)), np.ones(3))
path = Path({str(tmp_path / "trajectory.parquet")!r})
write_trajectory(path, descend(problem, lr=0.1, start=zero(problem)), "xb")
read_columns(path, None)
print(*sys.modules)
"""
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "pyarrow" in modules
    assert not {"pandas", "pyarrow.dataset", "pyarrow.compute"} & set(modules)
