"""A key that a sweep went over: its values, where they stand on an axis, and where lr stops being stable."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from gdexp.core.factor import Array
from gdexp.plots.text import plain, shorten, width
from gdexp.plots.ticks import logarithmic, whole
from gdexp.plots.views import SweepRun

LEARNING_RATE, SEED = "lr", "seed"
MOST_TICKS = 24


@dataclass(frozen=True, eq=False)
class Swept:
    """A swept key: `values` are its distinct values as text, `numbers` the same as numbers where all are numbers.

    `index` (n,) tells which of them each run has. Numbers ascend; other values keep the order of the runs.
    """

    name: str
    values: tuple[str, ...]
    numbers: Array | None
    index: NDArray[np.intp]

    @classmethod
    def of(cls, name: str, sweep: Sequence[SweepRun]) -> Swept:
        """Return the key `name` of `sweep`; a run that does not have it has an empty value."""
        texts = [run.axes.get(name, "") for run in sweep]
        numbers = [_number(text) for text in texts]
        if any(number is None for number in numbers):
            values = tuple(dict.fromkeys(texts))
            return cls(name, values, None, np.array([values.index(text) for text in texts], dtype=np.intp))
        distinct, first, index = np.unique(np.array(numbers, dtype=float), return_index=True, return_inverse=True)
        return cls(name, tuple(texts[i] for i in first), distinct, index.reshape(-1))

    @property
    def logarithmic(self) -> bool:
        """Whether the values span a decade, so that a linear axis would hide the small ones."""
        return self.numbers is not None and self.numbers[0] > 0 and bool(self.numbers[-1] > 9.99 * self.numbers[0])

    @property
    def places(self) -> Array:
        """Where each run stands on an axis, shape (n,): at its number, or at the rank of its value."""
        return (np.arange(len(self.values), dtype=float) if self.numbers is None else self.numbers)[self.index]

    @property
    def file_name(self) -> str:
        """The name as it may stand in a file's name."""
        return re.sub(r"\W+", "_", self.name, flags=re.ASCII).strip("_") or "axis"

    def label(self, sweep: Sequence[SweepRun]) -> str:
        """Return the name for an axis, with the unit of lr where it is a multiple of the largest stable one."""
        if self.name != LEARNING_RATE:
            return plain(shorten(self.name, 40))
        relative = self.limits(sweep) == [1.0] and not all(map(_same, self.places, (run.lr for run in sweep)))
        return "lr (multiples of the largest stable learning rate)" if relative else "learning rate lr"

    def limits(self, sweep: Sequence[SweepRun]) -> list[float]:
        """Return the values of lr from which on runs of `sweep` are not stable, ascending; none for other keys.

        That is 1 where lr is given as a multiple of the limit, which its value shows, else the limit itself.
        """
        if self.name != LEARNING_RATE or self.numbers is None:
            return []
        relative = [
            _same(x, run.relative_lr) and not _same(x, run.lr) for x, run in zip(self.places, sweep, strict=True)
        ]
        limits = [1.0 if is_ratio else run.max_stable_lr for is_ratio, run in zip(relative, sweep, strict=True)]
        return sorted({float(f"{limit:.7g}") for limit in limits})

    def draw_ticks(self, panel: Axes, sweep: Sequence[SweepRun]) -> None:
        """Make the horizontal axis of `panel` that of this key."""
        panel.set_xlabel(self.label(sweep))
        if self.numbers is None:
            self._draw_names(panel)
        elif self.logarithmic:
            logarithmic(panel, "x")
        elif all(number == round(number) for number in self.numbers):
            whole(panel)

    def _draw_names(self, panel: Axes) -> None:
        names = self.tick_names()
        inches = panel.get_window_extent().width / panel.figure.dpi * 0.7
        crowded = max(width(name, 9) for name in names) * len(names) > inches
        turn: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
        panel.set_xticks(range(len(names)), names, **turn)
        panel.set_xlim(-0.6, len(names) - 0.4)

    def tick_names(self) -> list[str]:
        """Return the values for ticks, all of them in order; of too many, some are empty."""
        every = -(-len(self.values) // MOST_TICKS)
        names = [plain(shorten(value or "(not set)", 22)) for value in self.values]
        if self.numbers is not None:
            names = [
                name if len(name) <= 6 else f"{number:.3g}" for name, number in zip(names, self.numbers, strict=True)
            ]
        return [name if rank % every == 0 else "" for rank, name in enumerate(names)]


def _same(value: float, other: float) -> bool:
    """Return whether a value, perhaps rounded when it was named, is the other."""
    return math.isclose(value, other, rel_tol=1e-3)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
