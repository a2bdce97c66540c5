"""How much memory the pages of a Parquet file take once they are unpacked, by their own headers.

A file of a few kilobytes may hold pages of gigabytes, and Arrow unpacks a page whole. What the footer says of them may
be a lie, the header of a page is not: what unpacks to another size is refused by Arrow.
"""

from __future__ import annotations

import mmap
from collections.abc import Set
from typing import Any

from gdexp.core.errors import DataError
from gdexp.data.memory import machine_memory, shown_bytes

MOST_UNPACKED = {"UNCOMPRESSED": 1, "SNAPPY": 22, "LZ4": 256, "GZIP": 1033}
"""To how many bytes one byte of a codec may unpack; Zstandard and Brotli know no such limit."""
HEADER, MOST_PAGES = 2**16, 10**6
"""Bytes of the header of a page, and pages of a column in a row group, beyond which a file is refused."""
SHARE = 2
"""Pages may take one part of so many of the machine's memory."""


def check_pages(path: str, metadata: Any, names: Set[str]) -> None:
    """Raise DataError where the pages of the columns `names` would not fit into memory; `metadata` is Arrow's.

    Pages are looked at only where their codec could unpack them to more than there is room for.
    """
    room = machine_memory() // SHARE
    columns = [number for number in range(metadata.num_columns) if metadata.schema.column(number).path in names]
    for group in range(metadata.num_row_groups):
        chunks = [metadata.row_group(group).column(number) for number in columns]
        if sum(chunk.total_compressed_size * MOST_UNPACKED.get(chunk.compression, room) for chunk in chunks) <= room:
            continue
        needed = sum(_unpacked(path, chunk) for chunk in chunks)
        if needed > room:
            raise DataError(
                f"{path!r} has pages that unpack to {shown_bytes(needed)}, too much for this machine's memory of "
                f"{shown_bytes(machine_memory())}. Write it with smaller pages."
            )


def _unpacked(path: str, chunk: Any) -> int:
    """Return the bytes of a column's largest page in a row group, and of its dictionary."""
    starts = [chunk.data_page_offset, chunk.dictionary_page_offset]
    at = min((start for start in starts if start), default=0)
    end = at + chunk.total_compressed_size
    largest = dictionary = 0
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:  # noqa: PTH123
        for _ in range(MOST_PAGES if at > 0 else 0):
            if at >= end:
                return largest + dictionary
            try:
                numbers, length = _Header(content[at : min(at + HEADER, end)]).numbers()
                kind, unpacked, packed = numbers[1], numbers[2], numbers[3]
            except (IndexError, KeyError, RecursionError):
                break
            if packed < 0 or unpacked < 0:
                break
            largest, dictionary = max(largest, unpacked), max(dictionary, unpacked if kind == 2 else 0)
            at += length + packed
    raise DataError(f"{path!r} is damaged: the pages of a column are not where it says. Write it anew.")


class _Header:
    """Reads Thrift's compact protocol as far as the header of a page needs it; raises IndexError at the end."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def numbers(self) -> tuple[dict[int, int], int]:
        """Return the fields of the structure that begins here that are whole numbers, and how many bytes it has."""
        found: dict[int, int] = {}
        field = 0
        while head := self._byte():
            step, kind = divmod(head, 16)
            field = field + step if step else self._number()
            if kind in (4, 5, 6):
                found[field] = self._number()
            elif kind not in (1, 2):  # true and false are their own value
                self._skip(kind)
        return found, self._at

    def _skip(self, kind: int) -> None:
        if kind in (4, 5, 6):
            self._number()
        elif kind == 8:
            length = self._varint()
            self._at += length
        elif kind == 12:
            self.numbers()
        elif kind in (9, 10):
            count, inner = divmod(self._byte(), 16)
            for _ in range(self._varint() if count == 15 else count):
                self._skip(inner)
        elif kind in (1, 2, 3, 7):
            self._at += 8 if kind == 7 else 1
        else:
            raise IndexError
        if self._at > len(self._content):
            raise IndexError

    def _byte(self) -> int:
        self._at += 1
        return self._content[self._at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) > 127:
            value |= (byte & 127) << shift
            shift += 7
        return value | byte << shift

    def _number(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)
