"""What every dataset says of itself: its settings, its names and its rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gdexp.core.checks import choice
from gdexp.core.errors import ParameterError
from gdexp.core.factor import Chunk
from gdexp.data.scaling import SCALINGS


@dataclass(frozen=True)
class Table:
    """Names and rows: `read()` gives all rows, in the same order each time, as chunks of features and target.

    Chunks last: none is drawn into the memory of one before it.
    `units` maps a column's name to its unit, for the axes of figures; `note` says what was left out, if anything.
    `parts` give the same rows part by part, where each part is to be reduced by itself.
    """

    features: tuple[str, ...]
    target: str
    read: Callable[[], Iterator[Chunk]]
    units: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    parts: Sequence[Callable[[], Iterator[Chunk]]] = ()


@dataclass(frozen=True)
class Source(ABC):
    """Base of the datasets: a frozen dataclass whose fields are the keys that `data.*` may set.

    `scaling` is applied to the features before descent: `none`, `center` or `standardize`.
    """

    scaling: str = "none"

    def __post_init__(self) -> None:
        choice("scaling", self.scaling, SCALINGS)

    @property
    def name(self) -> str:
        """The name as in `data.name`: that of the module."""
        return type(self).__module__.rpartition(".")[-1]

    @abstractmethod
    def table(self) -> Table:
        """Return the names and rows; raises DataError or ParameterError where they cannot be had."""

    def version(self) -> Hashable:
        """Return what changes when the rows change though the settings stay the same."""
        return None


def distinct_names(key: str, value: object) -> tuple[str, ...]:
    """Return `value`, a name or a list of names, as a tuple; raises ParameterError if it is empty or repeats one."""
    names = [value] if isinstance(value, str) else value
    texts = [name for name in names if isinstance(name, str)] if isinstance(names, Sequence) else []
    if not isinstance(names, Sequence) or not names or len(set(texts)) < len(names):
        raise ParameterError(key, "a name or a list of different names", value)
    return tuple(texts)
