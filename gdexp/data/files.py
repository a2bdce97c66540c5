"""CSV and Parquet files, read in chunks of the columns that are asked for; a fault is named in one line."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from gdexp.core.errors import DataError
from gdexp.core.factor import Array, Chunk
from gdexp.core.threads import ahead, usable_cores
from gdexp.data.pages import check_pages

# pyarrow is imported where it is used: it takes longer to import than everything else that a run needs.

CSV_HEADER, CSV_BLOCK = 2**24, 2**20
"""Characters in which a CSV file must have named its columns; bytes that are parsed at once: no row may be longer."""
TOO_LONG = ("straddles two block boundaries", "cannot infer number of columns")
"""What Arrow says of a row that does not fit into a block."""
PARQUET_NUMBERS, PARQUET_BUFFER = 2**19, 2**18
"""Numbers of a Parquet file that are decoded at once, and bytes of a column that are read at once."""


def column_names(path: str) -> list[str]:
    """Return the names of the columns; raises DataError where they are not distinct, or where there is no row."""
    names, rows = _header(path)
    if not rows:
        raise DataError(f"{path!r} has a header and no row. Add the data below the names.")
    name, times = Counter(names).most_common(1)[0] if names else ("", 0)
    if times > 1:
        raise DataError(
            f"{path!r} has {times} columns named {shown(name)}. Rename them so that each name is there once."
        )
    return names


def has_rows(path: str) -> bool:
    """Tell whether a file holds more than the names of its columns; raises DataError where it cannot be read."""
    return _header(path)[1]


def _header(path: str) -> tuple[list[str], bool]:
    """Return the names of the columns, and whether there is a row."""
    with _reading(path):
        return _parquet_header(path) if _is_parquet(path) else _csv_header(path)


def read(path: str, features: Sequence[str], target: str) -> Iterator[Chunk]:
    """Yield all rows in their order; raises DataError at the first value that is not a finite number."""
    with _reading(path):
        for rows in ahead(_rows(path, [*features, target])):
            yield rows[:, :-1], rows[:, -1]


def _rows(path: str, names: list[str]) -> Iterator[Array]:
    """Yield the rows of each batch as one array, a column for each name, the target last."""
    read = 0
    for batch in _parquet_batches(path, names) if _is_parquet(path) else _csv_batches(path, names):
        rows = np.empty((len(batch[0]), len(names)))
        for i, (name, column) in enumerate(zip(names, batch, strict=True)):
            rows[:, i] = _numbers(column, f"{path!r}, column {shown(name)}", read + 1, name == names[-1])
        read += len(rows)
        yield rows


def shown(value: object, longest: int = 60) -> str:
    """Return `value` as one line of printable characters, cut where it is long."""
    text = repr(value)
    return text if len(text) <= longest else text[: longest - 3] + "..."


def _is_parquet(path: str) -> bool:
    return Path(path).suffix.lower() == ".parquet"


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """Turn what Arrow and the operating system say of a file into a DataError of one line."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        kind = "Parquet" if _is_parquet(path) else "CSV"
        raise DataError(
            f"{path!r} cannot be read as {kind} ({shown(reason, 200)}). Check that the file is whole and may be read."
        ) from error


def _csv_header(path: str) -> tuple[list[str], bool]:
    """Return the names in the first line that is not blank, and whether a row follows."""
    with Path(path).open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        names = next((row for row in csv.reader(_first_lines(path, file)) if row), None)
        has_row = any(part.strip("\r\n") for part in iter(partial(file.read, CSV_BLOCK), ""))
    if names is None:
        raise DataError(f"{path!r} is empty. Its first line must name the columns.")
    try:
        "".join(names).encode()
    except UnicodeEncodeError:
        raise DataError(f"the header of {path!r} is not UTF-8 text. Save the file as UTF-8.") from None
    return names, has_row


def _first_lines(path: str, file: TextIO) -> Iterator[str]:
    """Yield lines of a CSV file; raises DataError once they are more than any header has."""
    left = CSV_HEADER
    while line := file.readline(left):
        left -= len(line)
        if not left:
            raise DataError(f"{path!r} does not name its columns within {CSV_HEADER:,} characters. Is it a CSV file?")
        yield line


def _csv_batches(path: str, names: list[str]) -> Iterator[list[Any]]:
    """Yield the columns `names` of each block of rows: as numbers, or as text where a value is none."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    ragged: list[Any] = []

    def refuse(row: Any) -> str:
        ragged.append(row)
        return "error"

    try:
        # One thread, because only then Arrow counts the rows. UTF-8 is checked where a text is no number.
        with arrow_csv.open_csv(
            path,
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=CSV_BLOCK),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=refuse),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=names,
                column_types={name: pa.string() for name in names},
                strings_can_be_null=True,
                check_utf8=False,
            ),
        ) as batches:
            for batch in batches:
                yield [_parsed(batch.column(name)) for name in names]
    except pa.ArrowInvalid as error:
        for row in ragged:
            takes = f"{row.expected_columns} values are needed, one for each name in the header"
            raise DataError(f"{path!r}, data row {row.number - 1}: {takes}; got {row.actual_columns}.") from None
        if any(said in str(error) for said in TOO_LONG):
            raise DataError(
                f"{path!r} has a row of more than {CSV_BLOCK:,} bytes, or a quote that is never closed. "
                "Correct the file, or save it as Parquet."
            ) from None
        raise


def _parsed(texts: Any) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    trimmed = compute.ascii_trim_whitespace(texts)
    try:
        return trimmed.cast(pa.float64())
    except pa.ArrowInvalid:
        return trimmed


def _parquet_header(path: str) -> tuple[list[str], bool]:
    """Return the names of the columns, and whether there is a row."""
    from pyarrow import parquet

    with parquet.ParquetFile(path, buffer_size=PARQUET_BUFFER, pre_buffer=False) as file:
        return list(file.schema_arrow.names), file.metadata.num_rows > 0


def _parquet_batches(path: str, names: list[str]) -> Iterator[list[Any]]:
    """Yield the columns `names` of each batch of rows."""
    from pyarrow import parquet

    # Without these Arrow holds all of a row group, which may be all of the file.
    with parquet.ParquetFile(path, buffer_size=PARQUET_BUFFER, pre_buffer=False) as file:
        for name in names:
            _check_type(file.schema_arrow.field(name).type, f"{path!r}, column {shown(name)}", name == names[-1])
        check_pages(path, file.metadata, set(names))
        rows = 0
        # On one core or two Arrow's threads only get in the way of those that work on what was read before.
        threads = usable_cores() > 2
        for batch in file.iter_batches(max(PARQUET_NUMBERS // len(names), 1), columns=names, use_threads=threads):
            rows += batch.num_rows
            yield [batch.column(name) for name in names]
        if rows != file.metadata.num_rows:
            raise DataError(f"{path!r} says that it has {file.metadata.num_rows} rows, and has {rows}. Write it anew.")


def _check_type(kind: Any, place: str, is_target: bool) -> None:
    """Raise DataError for a column of a type that holds no numbers, before any of what it holds is in memory."""
    if not _is_numeric(kind):
        raise DataError(f"{place}: values of type {shown(str(kind))[1:-1]} are not numbers. {_mend(is_target)}")


def _is_numeric(kind: Any) -> bool:
    import pyarrow as pa

    checks = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean, pa.types.is_null)
    return any(check(kind) for check in checks)


def _numbers(column: Any, place: str, first_row: int, is_target: bool) -> Array:
    """Return a column of a batch as float64, shape (rows,); raises DataError at the first value that is none.

    `place` names the file and the column, `first_row` is the number of the batch's first row in the file.
    """
    import pyarrow as pa

    if not _is_numeric(column.type):
        row = next((row for row, text in enumerate(column) if text.is_valid and not _is_number(text)), 0)
        fault = _text_fault(column[row])
    elif column.null_count:
        row, fault = column.is_null().index(True).as_py(), "the value is missing"
    else:
        # Unlike to_numpy this imports no pandas.
        values = np.asarray(np.from_dlpack(column.cast(pa.float64(), safe=False)), np.float64)
        if np.isfinite(values).all():
            return values
        row = int(np.argmin(np.isfinite(values)))
        fault = f"{values[row]} is not finite"
    raise DataError(f"{place}, data row {first_row + row}: {fault}. {_mend(is_target)}")


def _mend(is_target: bool) -> str:
    return f"Correct the file{'' if is_target else ', or leave the column out with data.features'}."


def _is_number(text: Any) -> bool:
    import pyarrow as pa

    try:
        text.cast(pa.float64())
    except pa.ArrowException:
        return False
    return True


def _text_fault(value: Any) -> str:
    """Say why an Arrow text, which is no number, is none."""
    try:
        text = value.as_py()
    except UnicodeDecodeError:
        return "the text is not UTF-8"
    return f"{shown(text)} is text, not a number" if text else "the value is missing"
