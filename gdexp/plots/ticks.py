"""Ticks of logarithmic axes and of whole numbers."""

from __future__ import annotations

import math
import re
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.ticker import LogFormatterSciNotation, MaxNLocator

_SUPERSCRIPTS = str.maketrans("-−0123456789", "⁻⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class PowersOfTen(LogFormatterSciNotation):
    """Labels like 10⁻⁶ and 2×10³ as plain text: a formula takes matplotlib many times longer to set."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the label of the tick at `x`, empty where there is none."""
        if not math.isfinite(x):
            return ""
        formula = super().__call__(x, pos).removeprefix(r"$\mathdefault{").removesuffix("}$")
        power = re.sub(r"10\^\{(.*?)\}", lambda match: power_of_ten(match[1]), formula)
        return power.replace(r"\times", "×").replace("-", "−").replace(" ", "")


def power_of_ten(exponent: int | str) -> str:
    """Return a power of ten as plain text."""
    return f"10{str(exponent).translate(_SUPERSCRIPTS)}"


def logarithmic(panel: Axes, which: Literal["x", "y"]) -> None:
    """Make an axis of `panel` logarithmic."""
    (panel.set_xscale if which == "x" else panel.set_yscale)("log")
    axis = panel.xaxis if which == "x" else panel.yaxis
    axis.set_major_formatter(PowersOfTen())
    axis.set_minor_formatter(PowersOfTen(labelOnlyBase=False))


def symmetric(panel: Axes, which: Literal["x", "y"], threshold: float, linear: float = 0.4) -> None:
    """Make an axis of `panel` logarithmic above `threshold` and below minus that.

    From zero to the threshold it is linear, and as long as so many decades.
    """
    scale = panel.set_xscale if which == "x" else panel.set_yscale
    # A hair more, for the locator takes log(1000) / log(10) for less than 3 and adds a tick amid the linear part.
    scale("symlog", linthresh=threshold * (1 + 1e-9), linscale=linear)
    (panel.xaxis if which == "x" else panel.yaxis).set_major_formatter(PowersOfTen())


def whole(panel: Axes) -> None:
    """Let the horizontal axis of `panel` have ticks at whole numbers only."""
    panel.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 2.5, 5, 10]))


def step_axis(panel: Axes, last: int) -> None:
    """Let the horizontal axis of `panel` go from step 0 to the last one."""
    end = max(last, 1)
    panel.set_xlim(-0.02 * end, 1.02 * end)
    whole(panel)
