import contextlib
import difflib
import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from gdexp.core import DataError, GdexpError, LeastSquares, ParameterError, Stopping, descend, zero
from gdexp.data import dataset, files, load, pages
from gdexp.data.datasets.file import File


@pytest.fixture(autouse=True)
def _working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def csv_file(text: str | bytes, **settings: Any) -> File:
    """Write d.csv, whose target is y unless the settings say otherwise."""
    Path("d.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return File(**{"path": "d.csv", "target": "y"} | settings)


def parquet_file(columns: dict[str, Any], **written: Any) -> File:
    """Write d.parquet, whose target is y unless the settings say otherwise; what they do not know is of the writing."""
    settings: dict[str, Any] = {key: written.pop(key) for key in ("target", "features", "scaling") if key in written}
    arrays = [column if isinstance(column, pa.Array) else pa.array(column) for column in columns.values()]
    parquet.write_table(pa.Table.from_arrays(arrays, list(columns)), "d.parquet", **written)
    return File(**{"path": "d.parquet", "target": "y"} | settings)


def fault(source: File) -> str:
    """Return the text of the error that loading raises: one line that can be printed."""
    with pytest.raises(GdexpError) as error:
        load(source)
    assert str(error.value).isprintable()
    return str(error.value)


def rows(source: File) -> list[list[float]]:
    """Return all rows, the target last."""
    return [[*x, y] for X, target in source.table().read() for x, y in zip(X.tolist(), target.tolist(), strict=True)]


# What is read


def test_every_column_but_the_target_is_a_feature() -> None:
    source = csv_file("b,y,a\n1,2,3\n4,5,6\n")
    assert source.table().features == ("b", "a")
    assert rows(source) == [[1, 3, 2], [4, 6, 5]]


def test_features_choose_columns_in_their_order() -> None:
    assert rows(csv_file("a,name,b,y\n1,ford,2,3\n", features=["b", "a"])) == [[2, 1, 3]]
    assert rows(csv_file("a,name,b,y\n1,ford,2,3\n", features="b")) == [[2, 3]]


@pytest.mark.parametrize(
    "text",
    [
        "x,y\r\n1,2\r\n3,4\r\n",
        "x,y\n1,2\n3,4",
        "\nx,y\n\n1,2\n\n3,4\n\n",
        '"x","y"\n"1","2"\n"3","4"\n',
        "x,y\n 1 ,2\t\n+3,4.0e0\n",
        "\ufeffx,y\n1,2\n3,4\n",
    ],
    ids=["windows", "no newline at the end", "blank lines", "quoted", "spaces and signs", "byte order mark"],
)
def test_csv_is_read_as_it_is_commonly_written(text: str) -> None:
    assert rows(csv_file(text)) == [[1, 2], [3, 4]]


def test_text_in_a_column_that_is_not_used_may_be_anything() -> None:
    text = 'name,x,y\n"a\nb",1,2\n\xff,3,4\n' + "z" * 200_000 + ",5,6\n"
    assert rows(csv_file(text.encode("latin-1"), features=["x"])) == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 0], pa.int8()),
        pa.array([1, 0], pa.uint64()),
        pa.array([1, 0], pa.float32()),
        pa.array([True, False]),
        pa.array([1, 0], pa.decimal128(5, 2)),
    ],
    ids=lambda column: str(column.type),
)
def test_parquet_numbers_of_every_type_become_float64(column: Any) -> None:
    assert rows(parquet_file({"x": column, "y": [3.5, 4.5]})) == [[1, 3.5], [0, 4.5]]


def test_an_integer_too_large_for_a_float_is_rounded() -> None:
    assert rows(parquet_file({"x": [2**62 + 1], "y": [1]})) == [[2.0**62, 1]]


def test_parquet_columns_are_taken_by_their_whole_name() -> None:
    assert rows(parquet_file({"a": [1], "a.b": [2], "y": [3]}, features=["a.b"])) == [[2, 3]]


def test_the_suffix_may_be_in_capitals() -> None:
    csv_file("x,y\n1,2\n")
    Path("d.csv").rename("D.CSV")
    assert rows(File(path="D.CSV", target="y")) == [[1, 2]]


finite = st.floats(-1e300, 1e300)


@settings(deadline=None)
@given(data=st.lists(st.tuples(finite, finite), min_size=1, max_size=40), block=st.integers(60, 400))
def test_the_size_of_the_blocks_changes_nothing(data: list[tuple[float, float]], block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "CSV_BLOCK", block)
        patch.setattr(files, "PARQUET_NUMBERS", 2 * (1 + block % 7))
        assert rows(csv_file("x,y\n" + "".join(f"{x!r},{y!r}\n" for x, y in data))) == [list(row) for row in data]
        x, y = zip(*data, strict=True)
        assert rows(parquet_file({"x": x, "y": y})) == [list(row) for row in data]


def test_csv_and_parquet_of_the_same_numbers_have_the_same_fingerprint() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 50)).tolist()
    text = "x,y\n" + "".join(f"{a!r},{b!r}\n" for a, b in zip(x, y, strict=True))
    assert load(csv_file(text)).sha256 == load(parquet_file({"x": x, "y": y})).sha256


def test_a_file_of_many_blocks_is_reduced_as_its_rows_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CSV_BLOCK", 2000)
    monkeypatch.setattr(dataset, "BYTES_IN_MEMORY", 0)
    data = np.random.default_rng(1).normal(size=(3000, 3))
    text = "a,b,y\n" + "\n".join(",".join(map(repr, row)) for row in data.tolist())
    problem, direct = load(csv_file(text)).problem, LeastSquares.from_arrays(data[:, :2], data[:, 2])
    assert problem.minimizer == pytest.approx(direct.minimizer)
    assert problem.minimum_mse == pytest.approx(direct.minimum_mse)
    few = Stopping(max_iterations=10)
    read_again = descend(problem, lr=0.1, start=zero(problem), stopping=few, engine="iterative")
    assert read_again.mse == pytest.approx(descend(direct, lr=0.1, start=zero(direct), stopping=few).mse)


def test_a_parquet_file_is_the_same_data_on_any_number_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.random.default_rng(0).normal(size=(300_000, 2))
    file = parquet_file({"a": X[:, 0], "b": X[:, 1], "y": X @ [1, 2]})
    read = []
    for cores in (1, 2, 4):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, cores=cores: set(range(cores)), raising=False)
        whole, _, _ = dataset.reduced(file.table(), shifted=False)
        read.append((whole.sha256, whole.problem.factor.tobytes()))
    assert read[0] == read[1] == read[2]


def test_a_file_that_has_changed_is_read_again() -> None:
    first = load(csv_file("x,y\n1,2\n"))
    assert load(csv_file("x,y\n1,2\n1,3\n")).problem.n == 2
    source = csv_file("x,y\n1,2\n9,9\n")
    os.utime("d.csv", ns=(0, 1))
    assert source.version() == (1, 12)
    assert load(source).sha256 != first.sha256
    assert load(source) is load(source)


# What is wrong with a setting


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "path takes the path of a file that ends in .csv or .parquet; got None."),
        ({"path": "", "target": "y"}, "path takes the path of a file that ends in .csv or .parquet; got ''."),
        (
            {"path": "d.xlsx", "target": "y"},
            "path takes the path of a file that ends in .csv or .parquet; got 'd.xlsx'.",
        ),
        ({"path": "d.csv"}, "target takes the name of the column to predict; got None."),
        ({"path": "d.csv", "target": 3}, "target takes the name of the column to predict; got 3."),
        (
            {"path": "d.csv", "target": "y", "features": []},
            "features takes a name or a list of different names; got [].",
        ),
        (
            {"path": "d.csv", "target": "y", "features": ["x", "x"]},
            "features takes a name or a list of different names; got ['x', 'x'].",
        ),
        (
            {"path": "d.csv", "target": "y", "features": ["x", "y"]},
            "features takes columns other than the target 'y'; got ['x', 'y'].",
        ),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(ParameterError) as error:
        File(**settings)
    assert str(error.value) == text


def test_a_missing_file_is_named_with_the_folder_it_was_looked_for_in(tmp_path: Path) -> None:
    assert fault(File(path="d.csv", target="y")) == (
        "path takes the path of a file that can be read; got 'd.csv'. No such file or directory. "
        f"A relative path starts at the working directory {str(tmp_path)!r}."
    )


def test_a_path_that_no_file_can_have_is_refused() -> None:
    assert fault(File(path="a\0.csv", target="y")).startswith(
        "path takes the path of a file that can be read; got 'a\\x00.csv'. A path holds no NUL."
    )
    assert fault(File(path="a" * 5000 + ".csv", target="y")).startswith("path takes the path of a file that can be")


def test_a_directory_is_refused() -> None:
    Path("d.csv").mkdir()
    assert fault(File(path="d.csv", target="y")) == (
        "path takes the path of a file that can be read; got 'd.csv'. This is a directory."
    )


def test_a_pipe_is_refused_rather_than_waited_for() -> None:
    os.mkfifo("d.csv")
    assert fault(File(path="d.csv", target="y")) == (
        "path takes the path of a file that can be read; got 'd.csv'. This is not a regular file."
    )


@pytest.mark.parametrize("write", [csv_file, parquet_file])
def test_columns_that_are_not_there_are_answered_with_those_that_are(write: Any) -> None:
    name = "d.csv" if write is csv_file else "d.parquet"
    data: Any = "weight,mpg\n1,2\n" if write is csv_file else {"weight": [1], "mpg": [2]}
    assert fault(write(data, target="mgp")) == (
        f"target takes a column of '{name}', which has 'mpg', 'weight'; got 'mgp'. Did you mean 'mpg'?"
    )
    assert fault(write(data, target="mpg", features=["wieght"])) == (
        f"features takes a column of '{name}', which has 'weight', 'mpg'; got 'wieght'. Did you mean 'weight'?"
    )
    assert fault(write(data, target="z")) == f"target takes a column of '{name}', which has 'weight', 'mpg'; got 'z'."


def test_of_many_columns_the_nearest_are_listed() -> None:
    header = ",".join(f"c{i}" for i in range(100))
    text = fault(csv_file(f"{header}\n{header}\n", target="c_99"))
    assert text == (
        "target takes a column of 'd.csv', which has 'c99', 'c9', 'c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', "
        "'c8', 'c10' and 88 more; got 'c_99'. Did you mean 'c99'?"
    )


# What is wrong with a file

FEATURE = "Correct the file, or leave the column out with data.features."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "'d.csv' is empty. Its first line must name the columns."),
        ("\n\r\n", "'d.csv' is empty. Its first line must name the columns."),
        ("x,y\n", "'d.csv' has a header and no row. Add the data below the names."),
        ("x,y", "'d.csv' has a header and no row. Add the data below the names."),
        ("x,y\n\n\n", "'d.csv' has a header and no row. Add the data below the names."),
        ("y\n1\n", "'d.csv' has no column besides the target 'y'. Add a feature."),
        ("x,y,x\n1,2,3\n", "'d.csv' has 2 columns named 'x'. Rename them so that each name is there once."),
        ("x,y\n1,2\nford,3\n", f"'d.csv', column 'x', data row 2: 'ford' is text, not a number. {FEATURE}"),
        ("x,y\n1,2\n3,?\n", "'d.csv', column 'y', data row 2: '?' is text, not a number. Correct the file."),
        ("x,y\n1_0,2\n", f"'d.csv', column 'x', data row 1: '1_0' is text, not a number. {FEATURE}"),
        ("x,y\n1,2\n\n,3\n", f"'d.csv', column 'x', data row 2: the value is missing. {FEATURE}"),
        ("x,y\n1,2\n  ,3\n", f"'d.csv', column 'x', data row 2: the value is missing. {FEATURE}"),
        ("x,y\nNA,2\n", f"'d.csv', column 'x', data row 1: the value is missing. {FEATURE}"),
        ("x,y\n1,nan\n", "'d.csv', column 'y', data row 1: the value is missing. Correct the file."),
        ("x,y\n1,2\n-inf,3\n", f"'d.csv', column 'x', data row 2: -inf is not finite. {FEATURE}"),
        ("x,y\n1e999,2\n", f"'d.csv', column 'x', data row 1: inf is not finite. {FEATURE}"),
        ("x,y\n1,2\n\n3\n", "'d.csv', data row 2: 2 values are needed, one for each name in the header; got 1."),
        ("x,y\n1,2\n3,4,5\n", "'d.csv', data row 2: 2 values are needed, one for each name in the header; got 3."),
        (b"x,y\n1,2\n\xff,3\n", f"'d.csv', column 'x', data row 2: the text is not UTF-8. {FEATURE}"),
        (b"x\xff,y\n1,2\n", "the header of 'd.csv' is not UTF-8 text. Save the file as UTF-8."),
        ("x,y\n1,2\n".encode("utf-16"), "the header of 'd.csv' is not UTF-8 text. Save the file as UTF-8."),
        (
            b"\x00" * 200_000,
            "'d.csv' cannot be read as CSV ('field larger than field limit (131072)'). "
            "Check that the file is whole and may be read.",
        ),
    ],
)
def test_a_fault_in_a_csv_file_is_named(text: str | bytes, expected: str) -> None:
    assert fault(csv_file(text)) == expected


def test_what_a_file_holds_is_shown_in_one_short_line() -> None:
    assert fault(csv_file('"a\u202e\nb",y\n"1\n\x1b[2J",2\n')) == (
        f"'d.csv', column 'a\\u202e\\nb', data row 1: '1\\n\\x1b[2J' is text, not a number. {FEATURE}"
    )
    assert fault(csv_file("x,y\n" + "z" * 500 + ",2\n")) == (
        f"'d.csv', column 'x', data row 1: '{'z' * 56}... is text, not a number. {FEATURE}"
    )
    assert len(fault(csv_file("x" * 1000 + ",y\nz,2\n"))) < 250


def test_a_fault_behind_many_blocks_is_named_by_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CSV_BLOCK", 64)
    monkeypatch.setattr(files, "PARQUET_NUMBERS", 20)
    assert "column 'x', data row 1001: 'z' is" in fault(csv_file("x,y\n" + "1,2\n" * 1000 + "z,2\n"))
    assert "data row 1001: 2 values are needed" in fault(csv_file("x,y\n" + "1,2\n" * 1000 + "1\n"))
    assert "column 'x', data row 1001: the" in fault(parquet_file({"x": [1] * 1000 + [None], "y": [1] * 1001}))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"x": pa.array([], pa.float64()), "y": pa.array([], pa.float64())}, "'d.parquet' has a header and no row."),
        ({"y": [1]}, "'d.parquet' has no column besides the target 'y'."),
        ({"x": ["1", "2"], "y": [1, 2]}, "'d.parquet', column 'x': values of type string are not numbers. " + FEATURE),
        (
            {"x": pa.array(["1", "2"]).dictionary_encode(), "y": [1, 2]},
            "'d.parquet', column 'x': values of type dictionary<values=string",
        ),
        (
            {"x": pa.array([2**62], pa.timestamp("us")), "y": [1]},
            "'d.parquet', column 'x': values of type timestamp[us] are not numbers.",
        ),
        ({"x": [1], "y": [[1, 2]]}, "'d.parquet', column 'y': values of type list<element: int64> are not numbers."),
        ({"x": [1, None], "y": [1, 2]}, "'d.parquet', column 'x', data row 2: the value is missing."),
        ({"x": [None], "y": [1]}, "'d.parquet', column 'x', data row 1: the value is missing."),
        ({"x": [1.0, float("nan")], "y": [1, 2]}, "'d.parquet', column 'x', data row 2: nan is not finite."),
    ],
)
def test_a_fault_in_a_parquet_file_is_named(columns: dict[str, Any], expected: str) -> None:
    assert fault(parquet_file(columns)).startswith(expected)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            "x,y\n1,2\n1," + "2" * 1000 + "\n",
            "'d.csv' has a row of more than 200 bytes, or a quote that is never closed.",
        ),
        ('x,y\n1,2\n1,"2' + "\n2" * 200, "'d.csv' has a row of more than 200 bytes, or a quote that is never closed."),
        (",".join("abcdefghijklmnopqrst" * 8) + ",x,y\n", "'d.csv' has a header and no row."),
        ("z" * 1000 + ",x,y\n1,2,3\n", "'d.csv' does not name its columns within 1,000 characters. Is it a CSV file?"),
        ("\n" * 2000 + "x,y\n1,2\n", "'d.csv' does not name its columns within 1,000 characters. Is it a CSV file?"),
        ('"' + "z\n" * 1000, "'d.csv' does not name its columns within 1,000 characters. Is it a CSV file?"),
    ],
    ids=["row", "quote in a row", "names alone", "header", "blank lines", "quote in the header"],
)
def test_no_more_of_a_csv_file_is_in_memory_than_a_block(
    content: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "CSV_BLOCK", 200)
    monkeypatch.setattr(files, "CSV_HEADER", 1000)
    assert fault(csv_file(content, features=["x"])).startswith(said)


@pytest.mark.parametrize("write", [csv_file, parquet_file])
def test_features_that_would_not_fit_into_memory_are_refused_before_a_row_is_read(write: Any) -> None:
    names = [f"x{i}" for i in range(20_000)]
    line = ",".join([*names, "y"])
    data: Any = f"{line}\nno number\n" if write is csv_file else {name: ["no number"] for name in [*names, "y"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**20}.__getitem__)
        assert fault(write(data)) == (
            "there is not enough memory: 20,000 features need 76.8 GB, and this machine has 4.29 GB. "
            "Choose some of them with data.features."
        )


def test_a_parquet_file_that_lies_about_its_rows_is_refused() -> None:
    source = parquet_file({"x": np.arange(1000.0), "y": np.arange(1000.0)})
    path = Path("d.parquet")
    whole = path.read_bytes()
    size = int.from_bytes(whole[-8:-4], "little")
    footer = whole[-8 - size : -8].replace(b"\xd0\x0f", b"\x80\x7d")  # 8000 for 1000, as Thrift writes them
    path.write_bytes(whole[: -8 - size] + footer + whole[-8:])
    assert fault(source) == "'d.parquet' says that it has 8000 rows, and has 1000. Write it anew."


@pytest.mark.parametrize("compression", ["snappy", "gzip", "zstd", "brotli", "lz4"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_pages_that_would_unpack_to_more_than_memory_holds_are_refused(
    compression: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = parquet_file(
        {"x": np.zeros(100_000), "y": np.zeros(100_000)},
        compression=compression,
        use_dictionary=False,
        data_page_size=2**30,
        max_rows_per_page=2**30,
        data_page_version=version,
    )
    monkeypatch.setattr(pages, "machine_memory", lambda: 2_000_000)
    assert fault(source) == (
        "'d.parquet' has pages that unpack to 0.0016 GB, too much for this machine's memory of 0.002 GB. "
        "Write it with smaller pages."
    )
    monkeypatch.setattr(pages, "machine_memory", lambda: 4_000_000)
    assert load(source).problem.n == 100_000


def test_many_small_pages_and_their_dictionaries_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"name": [[1, 2]] * 300_000, "x": np.arange(300_000.0) % 999, "y": np.arange(300_000.0)}
    source = parquet_file(columns, compression="zstd", use_dictionary=["x"], features=["x"])
    monkeypatch.setattr(pages, "machine_memory", lambda: 1_000_000)
    assert load(source).problem.n == 300_000
    monkeypatch.setattr(pages, "machine_memory", lambda: 300_000)
    assert "has pages that unpack to" in fault(parquet_file(columns, compression="zstd", features=["x"]))


@settings(deadline=None)
@given(content=st.binary(max_size=200))
def test_whatever_stands_where_the_header_of_a_page_should_be_ends(content: bytes) -> None:
    with contextlib.suppress(IndexError, RecursionError):
        assert pages._Header(content).numbers()[1] <= len(content) + 2**70


def test_hints_at_columns_look_at_few_and_short_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def compare(word: str, names: list[str]) -> list[str]:
        compared.extend([word, *names])
        return []

    monkeypatch.setattr(difflib, "get_close_matches", compare)
    header = ",".join(["y", "a" * 10_000, *(f"c{i}" for i in range(1000))])
    assert len(fault(csv_file(f"{header}\n{header}\n", features=["b" * 10_000]))) < 1000
    assert len(compared) <= 201
    assert max(map(len, compared)) <= 200


def test_parquet_columns_of_one_name_are_refused() -> None:
    arrays = [pa.array([1])] * 3
    parquet.write_table(pa.Table.from_arrays(arrays, ["x", "x", "y"]), "d.parquet")
    assert fault(File(path="d.parquet", target="y")) == (
        "'d.parquet' has 2 columns named 'x'. Rename them so that each name is there once."
    )


def test_an_empty_parquet_file_is_refused() -> None:
    Path("d.parquet").touch()
    assert fault(File(path="d.parquet", target="y")) == (
        "'d.parquet' cannot be read as Parquet ('Parquet file size is 0 bytes'). "
        "Check that the file is whole and may be read."
    )


@pytest.mark.parametrize("kept", [slice(None, -100), slice(100, None), slice(0, 20)])
def test_a_parquet_file_that_was_cut_is_refused(kept: slice) -> None:
    source = parquet_file({"x": range(10_000), "y": range(10_000)})
    path = Path("d.parquet")
    path.write_bytes(path.read_bytes()[kept])
    assert fault(source).startswith("'d.parquet' cannot be read as Parquet (")


def test_a_parquet_file_with_damaged_pages_is_refused() -> None:
    source = parquet_file({"x": range(10_000), "y": range(10_000)})
    path = Path("d.parquet")
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * 2000 + whole[2100:])
    assert fault(source).startswith("'d.parquet' cannot be read as Parquet (")


def test_a_file_that_vanishes_or_may_not_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    source = csv_file("x,y\n1,2\n")
    table = source.table()
    Path("d.csv").unlink()
    with pytest.raises(
        DataError,
        match=r"^'d\.csv' cannot be read as CSV \(.*No such file.*\)\. Check that the file is whole and may be read\.$",
    ):
        list(table.read())

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    source = csv_file("x,y\n1,2\n")
    monkeypatch.setattr(Path, "open", forbidden)
    assert (
        fault(source)
        == "'d.csv' cannot be read as CSV ('Permission denied'). Check that the file is whole and may be read."
    )


@pytest.mark.parametrize("write", [csv_file, parquet_file])
def test_no_thread_is_left_where_a_file_is_not_read_to_its_end(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CSV_BLOCK", 64)
    monkeypatch.setattr(files, "PARQUET_NUMBERS", 20)
    before = threading.active_count()
    chunks = write("x,y\n" + "1,2\n" * 1000 if write is csv_file else {"x": [1] * 1000, "y": [2] * 1000}).table().read()
    for _ in range(5):
        next(chunks)
    assert threading.active_count() > before
    chunks.close()
    assert threading.active_count() == before
    assert "data row 1001" in fault(csv_file("x,y\n" + "1,2\n" * 1000 + "z,2\n"))
    assert threading.active_count() == before


def test_a_page_header_with_an_endless_list_ends() -> None:
    header = bytes([0x19, 0xF1, *[0xFF] * 8, 0x3F])  # a list of 2^62 truth values
    with pytest.raises(IndexError):
        pages._Header(header).numbers()


def test_a_column_whose_pages_begin_nowhere_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "d.parquet").write_bytes(b"PAR1")
    chunk = SimpleNamespace(data_page_offset=0, dictionary_page_offset=None, total_compressed_size=4)
    with pytest.raises(DataError, match="is damaged"):
        pages._unpacked(str(tmp_path / "d.parquet"), chunk)
