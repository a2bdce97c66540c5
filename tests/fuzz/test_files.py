"""Whatever a data file holds: a problem of finite numbers, or one line that names the file."""

from __future__ import annotations

import io
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from gdexp.core import theory, zero
from gdexp.data import SCALINGS, load, pages
from gdexp.data.datasets.file import File
from tests.fuzz.law import answered, empty_folder, short, texts

names = st.one_of(st.sampled_from(["x", "y", "z"]), texts)
numbers = st.one_of(
    st.floats(-10, 10), st.floats(), st.integers(-5, 5), st.sampled_from([1e150, 1e-150, 5e-324, 1e308])
)


def assert_read_or_refused(name: str, content: bytes, target: str, features: Any, scaling: str) -> None:
    """Assert that a file of this content gives a finite problem, or is refused."""
    with empty_folder() as folder:
        (folder / name).write_bytes(content)
        source = answered(lambda: File(path=name, target=target, features=features, scaling=scaling))
        read = source and answered(lambda: load(source))
        if read:
            assert np.isfinite(read.problem.factor).all()
            assert read.problem.n > 0
            assert np.isfinite(read.sample_features).all()
            answered(lambda: theory(read.problem, lr=0.1, start=zero(read.problem)))


cells = st.one_of(numbers.map(str), numbers.map(str), texts)
rows = st.lists(st.lists(cells, min_size=1, max_size=4).map(",".join), max_size=6)
csv_texts = st.one_of(
    st.builds(
        lambda header, lines, end: end.join([",".join(header), *lines]),
        st.lists(names, max_size=4),
        rows,
        st.sampled_from(["\n", "\r\n", "\r", "\n\n"]),
    ),
    st.lists(st.tuples(numbers, numbers), min_size=1, max_size=8).map(
        lambda pairs: "x,y\n" + "".join(f"{x!r},{y!r}\n" for x, y in pairs)
    ),
    st.text(alphabet='xy,"\n\r 1.-e\0', max_size=60),
)
encodings = st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "utf-7"])
csv_bytes = st.one_of(
    st.builds(lambda text, encoding: text.encode(encoding, "replace"), csv_texts, encodings), st.binary(max_size=60)
)
chosen = st.one_of(st.none(), st.lists(names, max_size=3), names)


@short
@given(content=csv_bytes, target=names, features=chosen, scaling=st.sampled_from(SCALINGS))
def test_whatever_a_csv_file_holds_is_read_or_refused(content: bytes, target: str, features: Any, scaling: str) -> None:
    assert_read_or_refused("d.csv", content, target, features, scaling)


columns = st.one_of(
    st.lists(st.floats(), min_size=4, max_size=4).map(lambda values: pa.array(values, pa.float64())),
    st.lists(st.floats(-9, 9), min_size=4, max_size=4).map(lambda values: pa.array(values, pa.float64())),
    st.lists(st.integers(-9, 9), min_size=4, max_size=4).map(lambda values: pa.array(values, pa.int8())),
    st.lists(st.one_of(st.none(), st.integers(0, 2**64 - 1)), min_size=4, max_size=4).map(
        lambda values: pa.array(values, pa.uint64())
    ),
    st.lists(st.booleans(), min_size=4, max_size=4).map(pa.array),
    st.lists(texts, min_size=4, max_size=4).map(lambda values: pa.array(values, pa.string())),
    st.lists(texts, min_size=4, max_size=4).map(lambda values: pa.array(values, pa.string()).dictionary_encode()),
    st.lists(st.lists(st.integers(0, 9), max_size=2), min_size=4, max_size=4).map(
        lambda values: pa.array(values, pa.list_(pa.int64()))
    ),
    st.lists(st.binary(max_size=5), min_size=4, max_size=4).map(lambda values: pa.array(values, pa.binary())),
    st.lists(st.integers(-(2**62), 2**62), min_size=4, max_size=4).map(
        lambda values: pa.array(values, pa.timestamp("us"))
    ),
)
compressions = st.sampled_from(["none", "snappy", "gzip", "zstd", "lz4"])
damages = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=4)


@short
@given(
    table=st.lists(st.tuples(names, columns), min_size=1, max_size=3),
    compression=compressions,
    dictionary=st.booleans(),
    damage=damages,
    cut=st.one_of(st.just(0), st.integers(0, 3000)),
    memory=st.sampled_from([2**40, 4000, 100]),
    target=names,
    features=chosen,
)
def test_whatever_a_parquet_file_holds_is_read_or_refused(
    table: list[tuple[str, Any]],
    compression: str,
    dictionary: bool,
    damage: list[tuple[int, int]],
    cut: int,
    memory: int,
    target: str,
    features: Any,
) -> None:
    buffer = io.BytesIO()
    whole = pa.Table.from_arrays([column for _, column in table], [name for name, _ in table])
    parquet.write_table(whole, buffer, compression=compression, use_dictionary=dictionary)
    content = bytearray(buffer.getvalue())
    for place, value in damage:
        content[place % len(content)] = value
    with mock.patch.object(pages, "machine_memory", return_value=memory):
        assert_read_or_refused("d.parquet", bytes(content[: len(content) - cut]), target, features, "none")
