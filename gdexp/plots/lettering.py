"""Letters that are set once: the figures of a sweep's runs say much the same at the same places."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, TypeAlias

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from numpy.typing import NDArray

MOST_TEXTS = 1000
"""So many lines of text are remembered, which takes some megabytes."""

Glyph: TypeAlias = tuple[NDArray[np.uint8], int, int]
"""How opaque each pixel of a letter is, and where on the sheet it stands."""

_known: dict[Hashable, list[Glyph]] = {}


class LetteringRenderer(RendererAgg):
    """Matplotlib's own renderer, the same to the pixel, which remembers the letters of each line of text.

    To set them is most of what a figure of lines costs. All figures must be drawn in one style.
    """

    def draw_text(
        self, gc: Any, x: float, y: float, s: str, prop: Any, angle: float, ismath: Any = False, mtext: Any = None
    ) -> None:
        """Draw the line `s` as matplotlib does."""
        if ismath:
            super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)  # type: ignore[no-untyped-call]
            return
        key = s, hash(prop), x, y, angle, self.width, self.height, self.dpi
        if key not in _known:
            if len(_known) >= MOST_TEXTS:
                _known.clear()
            agg, self._renderer = self._renderer, _Glyphs()
            try:
                super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)  # type: ignore[no-untyped-call]
                glyphs = self._renderer.seen
            finally:
                self._renderer = agg
            _known[key] = glyphs
        else:
            glyphs = _known[key]
        for opacity, left, bottom in glyphs:
            self._renderer.draw_text_image(opacity, left, bottom, 0, gc)


class _Glyphs:
    """What stands where the pixels are while a line is set, and keeps its letters."""

    def __init__(self) -> None:
        self.seen: list[Glyph] = []

    def draw_text_image(self, opacity: NDArray[np.uint8], left: int, bottom: int, _: float, __: Any) -> None:
        self.seen.append((np.array(opacity), left, bottom))
