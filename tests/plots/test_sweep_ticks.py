from __future__ import annotations

from collections.abc import Callable

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from numpy.typing import NDArray

from gdexp.plots.canvas import Sheet, color_bar
from gdexp.plots.style import STYLE
from gdexp.plots.sweep_ticks import MinorTicks, join_minor_ticks
from gdexp.plots.ticks import logarithmic


def pixels(sheet: Sheet) -> NDArray[np.uint8]:
    canvas = FigureCanvasAgg(sheet)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.array(canvas.buffer_rgba())  # type: ignore[no-untyped-call]


def panel_of(low: float, high: float) -> tuple[Sheet, Axes]:
    """A laid-out panel that is logarithmic both ways, with a scale of colours beside it."""
    sheet = Sheet(6, 4, "a title", "a caption")
    part = sheet.laid_out()
    panel = part.subplots()
    logarithmic(panel, "x")
    logarithmic(panel, "y")
    panel.set(xlim=(low, high), ylim=(1e-9, 30), xlabel="lr", ylabel="gap")
    color_bar(part, panel, ScalarMappable(LogNorm(1e-3, 1e2)), "colour")
    return sheet, panel


@pytest.mark.parametrize(("low", "high"), [(2e-4, 0.3), (1e-9, 30), (1, 1e40), (2.0, 7.0)])
def test_joined_ticks_are_those_that_matplotlib_draws(low: float, high: float) -> None:
    with matplotlib.rc_context(STYLE):
        plain, _ = panel_of(low, high)
        joined, _ = panel_of(low, high)
        join_minor_ticks(joined)
        np.testing.assert_array_equal(pixels(joined), pixels(plain))


def joined_axes(prepare: Callable[[Axes], None]) -> int:
    with matplotlib.rc_context(STYLE):
        sheet = Sheet(6, 4, "", "")
        (panel,) = sheet.row(1)
        prepare(panel)
        join_minor_ticks(sheet)
        return len(panel.findobj(MinorTicks))


def test_an_axis_whose_minor_ticks_have_labels_keeps_them() -> None:
    def within_a_decade(panel: Axes) -> None:
        logarithmic(panel, "y")
        panel.set_ylim(2, 7)

    assert joined_axes(within_a_decade) == 0


def test_a_linear_axis_has_none_to_join() -> None:
    assert joined_axes(lambda _: None) == 0
