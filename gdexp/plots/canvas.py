"""The sheet that a figure is drawn on: a title above, a caption below that never overlaps, and panels between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from gdexp.core.checks import choice
from gdexp.plots.lettering import LetteringRenderer
from gdexp.plots.png import encoded, with_palette
from gdexp.plots.settings import FORMATS
from gdexp.plots.style import CAPTION_SIZE, GREY, STYLE, TITLE_SIZE
from gdexp.plots.text import plain, wrapped
from gdexp.plots.ticks import PowersOfTen

DPI = 150
EDGE = 0.12
"""Inches kept free at the edges of the sheet."""

Parameters = ParamSpec("Parameters")


class Sheet(Figure):
    """A Figure that a notebook shows as a picture without pyplot; `body` inches are left for the panels."""

    def __init__(self, width: float, body: float, title: str, caption: str) -> None:
        titles = wrapped(title, 1.03 * TITLE_SIZE, width - 2 * EDGE)
        notes = wrapped(caption, CAPTION_SIZE, width - 2 * EDGE)
        above = EDGE + len(titles) * 1.3 * TITLE_SIZE / 72
        below = EDGE + len(notes) * 1.4 * CAPTION_SIZE / 72
        height = above + body + below
        super().__init__(figsize=(width, height), dpi=DPI)
        self.bottom, self.top = below / height, 1 - above / height
        x, edge = EDGE / width, EDGE / height
        self.text(x, 1 - edge, "\n".join(map(plain, titles)), va="top", size=TITLE_SIZE, in_layout=False)
        caption = "\n".join(map(plain, notes))
        self.text(x, edge / 2, caption, va="bottom", size=CAPTION_SIZE, color=GREY, linespacing=1.3, in_layout=False)

    def row(self, panels: int) -> list[Axes]:
        """Return panels side by side at fixed places, which costs no layout: for ticks of known width."""
        width, height = self.get_size_inches()
        grid = self.add_gridspec(
            1,
            panels,
            left=0.85 / width,
            right=1 - 0.2 / width,
            bottom=self.bottom + 0.55 / height,
            top=self.top - 0.32 / height,
            wspace=0.27,
        )
        return [self.add_subplot(grid[0, column]) for column in range(panels)]

    def laid_out(self) -> SubFigure:
        """Return the part between title and caption, whose panels and legends are fitted when all is drawn."""
        area = (0.0, self.bottom, 1.0, self.top - self.bottom)
        self.set_layout_engine(ConstrainedLayoutEngine(rect=area, w_pad=0.08, h_pad=0.06, wspace=0.03))
        return self.add_subfigure(self.add_gridspec(1, 1)[0, 0])

    def draw(self, renderer: RendererBase) -> None:
        """Draw as was laid out, whatever the style around: ticks are made when they are drawn."""
        with matplotlib.rc_context(STYLE), np.errstate(over="ignore"):  # ticks beyond the largest float
            super().draw(renderer)

    def _repr_png_(self) -> bytes:
        return _png(self)


def drawn(draw: Callable[Parameters, Sheet]) -> Callable[Parameters, Figure]:
    """Make `draw` work in the style of this package and fit the panels once, so that writing is one pass."""

    @wraps(draw)
    def styled(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Figure:
        with matplotlib.rc_context(STYLE), np.errstate(over="ignore"):
            sheet = draw(*args, **kwargs)
            engine = sheet.get_layout_engine()
            if engine is not None:
                engine.execute(sheet)
                sheet.set_layout_engine("none")
        return sheet

    return styled


def legend_above(part: SubFigure, entries: Sequence[tuple[Artist, str]], columns: int) -> None:
    """Put a legend of (artist, label) above the panels of `part`."""
    artists, labels = zip(*entries, strict=True)
    part.legend(list(artists), list(labels), loc="outside upper left", ncols=columns, borderaxespad=0.6)


def color_bar(
    part: SubFigure,
    panels: Axes | Sequence[Axes],
    colors: ScalarMappable,
    label: str,
    extend: Literal["neither", "min"] = "neither",
) -> Colorbar:
    """Put the scale of `colors` to the right of `panels`."""
    bar = part.colorbar(colors, ax=panels, label=label, extend=extend, aspect=30, pad=0.02)
    if isinstance(colors.norm, LogNorm):
        bar.ax.yaxis.set_major_formatter(PowersOfTen())
        bar.ax.yaxis.set_minor_formatter(PowersOfTen(labelOnlyBase=False))
    return bar


def write(figure: Figure, path: Path | str, colors: int | None = None) -> None:
    """Write `figure` as PNG, SVG or PDF by the suffix of `path`, in one drawing pass.

    With `colors`, a PNG has a palette of so many, which makes it a third as large. Raises ParameterError for another
    suffix.
    """
    suffix = choice("format", Path(path).suffix.removeprefix("."), FORMATS)
    dpi = figure.dpi
    with matplotlib.rc_context(STYLE):
        # The canvases have no types, and those of formats that are not asked for are not imported.
        canvas: Any
        if suffix == "svg":
            from matplotlib.backends.backend_svg import FigureCanvasSVG

            canvas = FigureCanvasSVG(figure)
            canvas.print_svg(path, metadata={"Date": None})
        elif suffix == "pdf":
            from matplotlib.backends.backend_pdf import FigureCanvasPdf

            canvas = FigureCanvasPdf(figure)
            canvas.print_pdf(path, metadata={"CreationDate": None})
        else:
            Path(path).write_bytes(_png(figure, colors))
    figure.dpi = dpi  # SVG and PDF leave it at 72


def _png(figure: Figure, colors: int | None = None) -> bytes:
    FigureCanvasAgg(figure)
    width, height = figure.bbox.size
    renderer = LetteringRenderer(width, height, figure.dpi)  # type: ignore[no-untyped-call]
    with matplotlib.rc_context(STYLE):
        figure.draw(renderer)
    pixels = np.asarray(renderer.buffer_rgba())  # type: ignore[no-untyped-call]
    return encoded(pixels, figure.dpi) if colors is None else with_palette(pixels, figure.dpi, colors)
