"""What a report is made of: sections of texts, tables, pictures and commands, the same for every format."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NUMBER = re.compile(r"(< )?[-+]?[\d.,]+(e[-+]?\d+)?( ≠)?|-")


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind = "text"


@dataclass(frozen=True)
class Listing:
    """Lines to be read letter by letter: commands, hashes, versions."""

    lines: tuple[str, ...]
    kind = "listing"


@dataclass(frozen=True)
class Table:
    """A table of texts."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    kind = "table"

    @property
    def numeric(self) -> list[bool]:
        """Whether each column holds numbers and dashes alone."""
        return [all(NUMBER.fullmatch(cell) for cell in column) for column in zip(*self.rows, strict=True)]


@dataclass(frozen=True)
class Picture:
    """A figure that was written to `path`; `alt` says what it shows to those who cannot see it."""

    path: Path
    alt: str
    kind = "picture"


Block = Text | Listing | Table | Picture


@dataclass(frozen=True)
class Part:
    """What a section has to say of one sweep; `name` is the sweep's."""

    name: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Section:
    """A part of a report under one title, for every sweep that it is about."""

    title: str
    parts: Sequence[Part]
