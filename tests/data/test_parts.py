"""Many files that belong together: the same numbers as one file, wherever the parts are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from gdexp.core import DataError, ParameterError, theory, zero
from gdexp.data import Dataset, load
from gdexp.data.datasets.file import File
from gdexp.data.datasets.synthetic import Synthetic
from gdexp.data.parts import SAMPLE_ROWS, tree

NAMES = ["x1", "x2", "x3", "y"]


def rows(n: int = 5000, condition_number: float = 1e6) -> np.ndarray:
    source = Synthetic(n=n, d=3, condition_number=condition_number, noise=0.5)
    return np.concatenate([np.column_stack(chunk) for chunk in source.table().read()])


def write(path: Path, numbers: np.ndarray, names: list[str] = NAMES) -> None:
    path.parent.mkdir(exist_ok=True)
    parquet.write_table(pa.table(dict(zip(names, numbers.T, strict=True))), path)


def folder_of(path: Path, numbers: np.ndarray, parts: int) -> Path:
    for place, part in enumerate(np.array_split(numbers, parts)):
        write(path / f"part-{place:03}.parquet", part)
    return path


def loaded(path: Path | str, scaling: str = "none") -> Dataset:
    return load(File(path=str(path), target="y", scaling=scaling))


@pytest.mark.parametrize("scaling", ["none", "center", "standardize"])
@pytest.mark.parametrize("parts", [2, 7, 16])
def test_parts_give_the_numbers_of_one_file(tmp_path: Path, parts: int, scaling: str) -> None:
    numbers = rows()
    write(tmp_path / "whole.parquet", numbers)
    one = loaded(tmp_path / "whole.parquet", scaling=scaling)
    many = loaded(folder_of(tmp_path / "parts", numbers, parts), scaling=scaling)
    assert many.features == one.features
    assert many.problem.n == one.problem.n
    for name in ("minimum_mse", "mean_square_target"):
        assert getattr(many.problem, name) == pytest.approx(getattr(one.problem, name), rel=1e-12)
    # The small eigenvalues of rows with condition number 1e6 are known to eps * sqrt(1e6) relative, and no better.
    assert many.problem.spectrum.eigenvalues == pytest.approx(one.problem.spectrum.eigenvalues, rel=1e-12)
    known = [theory(dataset.problem, lr=0.1, start=zero(dataset.problem)) for dataset in (one, many)]
    assert known[1].max_stable_lr == pytest.approx(known[0].max_stable_lr, rel=1e-12)


def test_the_rows_are_those_of_the_files_by_name(tmp_path: Path) -> None:
    numbers = rows(n=30)
    read = loaded(folder_of(tmp_path / "parts", numbers, 4))
    assert read.problem.rows is not None
    assert np.concatenate([np.column_stack(chunk) for chunk in read.problem.rows]).tolist() == numbers.tolist()
    assert np.column_stack([read.sample_features, read.sample_target]).tolist() == numbers.tolist()


def test_files_without_a_row_are_left_out_and_said(tmp_path: Path) -> None:
    numbers = rows(n=30)
    whole = loaded(folder_of(tmp_path / "parts", numbers, 3))
    write(tmp_path / "parts" / "part-.parquet", numbers[:0])  # the first of all
    (tmp_path / "parts" / "part-9.csv").write_text(",".join(NAMES) + "\n")
    read = loaded(tmp_path / "parts", scaling="none")
    assert read.note == "2 of the 5 files have no row."
    assert (read.sha256, read.problem.n) == (whole.sha256, 30)
    assert loaded(tmp_path / "parts", scaling="standardize").problem.n == 30


def test_files_that_all_have_no_row_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / "parts" / f"{name}.parquet", rows(n=30)[:0])
    with pytest.raises(DataError, match=r"a\.parquet' has a header and no row"):
        loaded(tmp_path / "parts")


def test_the_sample_is_small_and_evenly_spread(tmp_path: Path) -> None:
    numbers = rows(n=4 * SAMPLE_ROWS)
    read = loaded(folder_of(tmp_path / "parts", numbers, 3))
    places = [numbers[:, -1].tolist().index(value) for value in read.sample_target]
    assert SAMPLE_ROWS / 4 < len(places) <= SAMPLE_ROWS
    assert max(np.diff(places)) <= 2 * min(np.diff(places)[1:-1]) + 8


def test_a_pattern_and_a_folder_mean_the_same(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "parts", rows(n=30), 3)
    (folder / "_metadata").write_text("no part")
    (folder / "readme.md").write_text("no part")
    found = {loaded(path).sha256 for path in (folder, f"{folder}/", f"{folder}/*.parquet", f"{folder}/part-*")}
    assert len(found) == 1


def test_one_part_has_the_fingerprint_of_its_file_and_more_depend_on_where_they_are_cut(tmp_path: Path) -> None:
    numbers = rows(n=30)
    one, two, three = (loaded(folder_of(tmp_path / str(parts), numbers, parts)) for parts in (1, 2, 3))
    assert one.sha256 == loaded(tmp_path / "1" / "part-000.parquet").sha256
    assert len({one.sha256, two.sha256, three.sha256}) == 3


def test_a_changed_part_is_read_again(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "parts", rows(n=30), 2)
    before = loaded(folder).sha256
    write(folder / "part-002.parquet", rows(n=10))
    assert loaded(folder).sha256 != before


@pytest.mark.parametrize(
    ("names", "said"),
    [(["x1", "x2", "z", "y"], "lacks the column 'x3'"), (["x1", "x2", "x3", "y", "x4"], "has the column 'x4'")],
)
def test_a_part_with_other_columns_is_named(tmp_path: Path, names: list[str], said: str) -> None:
    folder = folder_of(tmp_path / "parts", rows(n=30), 2)
    write(folder / "part-002.parquet", np.ones((9, len(names))), names)
    with pytest.raises(DataError, match=f"part-002.parquet' {said}, unlike the first"):
        loaded(folder)


def test_a_folder_without_a_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"path takes .* This is a directory that holds no .csv"):
        loaded(tmp_path)


@pytest.mark.parametrize(
    ("count", "shape"), [(1, "0"), (2, "(01)"), (3, "((01)2)"), (6, "(((01)(23))(45))"), (7, "(((01)(23))((45)6))")]
)
def test_parts_are_merged_pairwise_in_their_order(count: int, shape: str) -> None:
    assert tree(count, str, lambda left, right: f"({left}{right})") == shape
