from __future__ import annotations

from collections.abc import Callable, Iterator

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gdexp.core.factor import Array
from gdexp.plots.canvas import Sheet
from gdexp.plots.fixed_ticks import fix_ticks
from gdexp.plots.style import STYLE
from gdexp.plots.ticks import logarithmic

Texts = Callable[[Figure], list[tuple[str, Array]]]


@pytest.fixture(autouse=True)
def in_style() -> Iterator[None]:
    with matplotlib.rc_context(STYLE):
        yield


def draw_linear(panel: Axes) -> None:
    panel.set(xlim=(-20, 1020), ylim=(0, 320))


def draw_logarithmic(panel: Axes) -> None:
    panel.set(xlim=(0, 8), ylim=(0.2, 60))
    logarithmic(panel, "y")


@pytest.mark.parametrize("draw", [draw_linear, draw_logarithmic])
def test_fixed_ticks_are_the_ones_that_matplotlib_draws(draw: Callable[[Axes], None], texts_on: Texts) -> None:
    shown = []
    for fixed in (False, True):
        sheet = Sheet(6, 3, "a title", "a caption")
        (panel,) = sheet.row(1)
        draw(panel)
        panel.set(xlabel="step", ylabel="loss")
        if fixed:
            fix_ticks(panel)
        shown.append({text: area.mean(axis=0) for text, area in texts_on(sheet)})
    plain, light = shown
    assert plain.keys() == light.keys()
    for text, place in plain.items():
        np.testing.assert_allclose(light[text], place, atol=3, err_msg=text)


def test_a_power_that_multiplies_all_labels_joins_the_name_of_the_axis() -> None:
    (panel,) = Sheet(6, 3, "", "").row(1)
    panel.set(ylim=(0, 4e12), ylabel="loss")
    fix_ticks(panel)
    assert panel.get_ylabel() == "loss in 10¹²"


def test_fixed_ticks_add_two_artists_and_the_labels() -> None:
    (panel,) = Sheet(6, 3, "", "").row(1)
    panel.set(xlim=(0, 4), ylim=(1, 1e6))
    logarithmic(panel, "y")
    fix_ticks(panel)
    assert len(panel.collections) == 2
    assert len(panel.lines) == 0
    assert [len(axis.get_ticklocs()) for axis in (panel.xaxis, panel.yaxis)] == [0, 0]
