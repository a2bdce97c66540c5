"""YAML as nodes that know their line and keep what was written, so that a mistake can be pointed at."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import yaml

from gdexp.core.checks import near_keys
from gdexp.core.errors import GdexpError
from gdexp.data.files import shown

LARGEST = 1_000_000
"""Bytes of a file that are read; a longer file is refused."""
MOST_NODES, DEEPEST = 20_000, 10
"""Values of a file, and levels of them, that are read; what is hostile or no study has more."""


class StudyError(GdexpError):
    """A study's file cannot be used; the text names the file, the line and what it takes there."""


@dataclass(frozen=True)
class Node:
    """A place in the file `path`."""

    path: Path
    yaml: yaml.Node = field(repr=False)

    def error(self, message: str) -> StudyError:
        """Return the error that `message` is wrong here."""
        return StudyError(f"{self.path}:{self.yaml.start_mark.line + 1}: {message}")

    def takes(self, key: str, what: str, known: Iterable[str] = ()) -> StudyError:
        """Return the error that `key` takes `what`; it hints at what is near among `known`."""
        if not self.is_text:
            return self.error(f"{key} takes {what}; got {'a list' if self.is_list else 'a mapping'}")
        got = "nothing" if self.is_empty else shown(self.yaml.value)
        return self.error(f"{key} takes {what}; got {got}{_near(self.yaml.value, known)}")

    @property
    def is_text(self) -> bool:
        """Whether one text is written here, neither list nor mapping."""
        return isinstance(self.yaml, yaml.ScalarNode)

    @property
    def is_list(self) -> bool:
        """Whether a list is written here."""
        return isinstance(self.yaml, yaml.SequenceNode)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is written here."""
        return self.is_text and not self.yaml.value.strip()

    def text(self, key: str, what: str = "a text") -> str:
        """Return the text that `key` has, in one line; an error says that it takes `what`."""
        if not self.is_text or self.is_empty:
            raise self.takes(key, what)
        text = " ".join(self.yaml.value.split())
        if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
            raise self.takes(key, f"{what} without control characters")
        return text

    def items(self, key: str) -> list[Node]:
        """Return the items of the list that `key` has; nothing written is a list of none."""
        if self.is_empty:
            return []
        if not self.is_list:
            raise self.takes(key, "a list")
        return [Node(self.path, item) for item in self.yaml.value]

    def pairs(self, key: str, what: str = "a mapping") -> list[tuple[str, Node, Node]]:
        """Return each key of the mapping that `key` has, with its own place and that of its value.

        Nothing written is a mapping of none.
        """
        if self.is_empty:
            return []
        if not isinstance(self.yaml, yaml.MappingNode):
            raise self.takes(key, what)
        pairs: dict[str, tuple[str, Node, Node]] = {}
        for key_node, value in self.yaml.value:
            place = Node(self.path, key_node)
            name = place.text(f"a key of {key}", "a name")
            if name in pairs:
                raise place.error(f"{key} has {shown(name)} twice")
            pairs[name] = (name, place, Node(self.path, value))
        return list(pairs.values())

    def fields(self, key: str, known: Iterable[str]) -> dict[str, Node]:
        """Return the values of the mapping that `key` has, which takes the keys `known`."""
        names = list(known)
        takes = f"the keys {', '.join(names)}"
        fields = {}
        for name, place, value in self.pairs(key, f"a mapping of {takes}"):
            if name not in names:
                raise place.takes(key, takes, names)
            fields[name] = value
        return fields


def read_nodes(path: Path) -> Node:
    """Return the top of the YAML file `path`; raises StudyError where it is none, or more than a study needs."""
    text = _text(path)
    line = 0
    try:
        loader = _PlainLoader(text)
        try:
            top = loader.get_single_node()
        finally:
            line = loader.line
    except yaml.reader.ReaderError as error:
        character = f"the character #x{ord(text[error.position]):04x} is not allowed in YAML"
        raise StudyError(f"{path}:{_line(text[: error.position])}: {character}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise StudyError(f"{path}:{mark.line + 1 if mark else 1}: {_said(error)}") from None
    except (ValueError, OverflowError):  # which PyYAML lets through for huge numbers in escapes and directives
        raise StudyError(f"{path}:{line + 1}: this is not YAML, for a number in it is too large") from None
    if top is None:
        raise StudyError(f"{path}:1: the file is empty")
    return Node(path, top)


class _PlainLoader(yaml.SafeLoader):
    """Composes nodes without anchors, aliases and tags, which only serve to hide what is written."""

    depth = count = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        self.count += 1
        self.depth += 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            problem = "anchors (&) and aliases (*) are not taken; put text that begins so in quotes"
        elif getattr(event, "tag", None) is not None:
            problem = "tags (!) are not taken; put text that begins so in quotes"
        elif self.depth > DEEPEST:
            problem = f"this is nested more than {DEEPEST} levels deep"
        elif self.count > MOST_NODES:
            problem = f"the file has more than {MOST_NODES} values"
        else:
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def _text(path: Path) -> str:
    try:
        if not path.is_file():  # a pipe, say, would be waited for
            raise StudyError(f"{path}: there is no such file")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise StudyError(f"{path}: cannot be read ({error.strerror})") from None
    if len(content) > LARGEST:
        raise StudyError(f"{path}: the file has more than {LARGEST} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = _line(content[: error.start].decode("utf-8", "replace"))
        raise StudyError(f"{path}:{line}: this is not UTF-8 text; save the file as UTF-8") from None


def _line(before: str) -> int:
    """Return the number of the line that follows the text `before`, as YAML counts lines."""
    return 1 + len(re.findall("\r\n|[\r\n\x85\u2028\u2029]", before))


def _said(error: yaml.MarkedYAMLError) -> str:
    said = " ".join(f"{error.context or ''} {error.problem or ''}".split()) or "this is not YAML"
    colon = "; put text that holds a colon in quotes" if error.problem == "mapping values are not allowed here" else ""
    return said + colon


def _near(name: str, known: Iterable[str]) -> str:
    hint = near_keys(name[:100], islice(known, 100))  # more would take long to go through
    return f". {hint}" if hint.startswith("Near it") else ""
