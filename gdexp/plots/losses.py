"""The loss curve: the loss at every step, and its gap to the minimum beside what theory guarantees."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from gdexp.core.contraction import ROUNDING
from gdexp.core.descent import TARGET_GAP, Trajectory
from gdexp.core.factor import Array
from gdexp.core.theory import Theory
from gdexp.plots.canvas import Sheet, drawn
from gdexp.plots.fixed_ticks import fix_ticks
from gdexp.plots.labels import STEP, squared
from gdexp.plots.style import BLACK, BLUE, GREEN, GREY, VERMILION
from gdexp.plots.text import short
from gdexp.plots.thinning import kept
from gdexp.plots.ticks import logarithmic, step_axis

FEW_STEPS = 30
"""Up to so many steps each is marked by a point."""
UNREADABLE = 100.0
"""A loss that grows to this many times the initial one needs a logarithmic axis."""


@drawn
def loss_curve(
    trajectory: Trajectory, theory: Theory | None = None, *, title: str = "", caption: str = "", unit: str = ""
) -> Sheet:
    """Return the loss and its gap to the minimum against the step, with the guarantee of `theory` where given.

    `unit` is that of the target.
    """
    sheet = Sheet(10, 3.7, title or "Loss curve", caption)
    left, right = sheet.row(2)
    _draw_loss(left, trajectory, theory)
    left.set(xlabel=STEP, ylabel=squared("MSE", unit))
    _draw_gap(right, trajectory, theory)
    right.set(xlabel=STEP, ylabel=squared("MSE above its minimum", unit, inches=2.6))
    fix_ticks(left)
    fix_ticks(right)
    return sheet


def guarantee(steps: Array, gap: float, contraction: float) -> Array:
    """Return gap * contraction^(2k) at each step k: no gap is larger. NaN where it leaves the range of floats."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        bound = gap * np.power(contraction, 2 * steps)
    return np.where(np.isfinite(bound), bound, np.nan)


def _marker(steps: int) -> str:
    return "o" if steps <= FEW_STEPS else ""


def _draw_loss(panel: Axes, trajectory: Trajectory, theory: Theory | None) -> None:
    mse = trajectory.mse
    shown = kept(mse)
    panel.plot(
        shown, mse[shown], color=BLUE, marker=_marker(trajectory.steps), markersize=3.5, label="gradient descent"
    )
    minimum = 0.0 if theory is None else theory.minimum_mse
    grows = mse.max() > UNREADABLE * mse[0] > 0
    shows_minimum = theory is not None and (not grows or minimum > 1e-4 * mse[0])
    if shows_minimum:
        panel.axhline(minimum, color=BLACK, linestyle="--", linewidth=1.1, label=f"minimum {short(minimum)}")
    if grows:
        panel.set_title("Loss (logarithmic axis, for it grows)")
        _logarithmic(panel, 0.5 * (minimum if shows_minimum else mse.min()), mse.max())
    else:
        panel.set_title("Loss")
        falls_fast = mse[len(mse) // 5] < 0.6 * mse[0] and mse[-1] < 0.6 * mse[0]
        panel.set_ylim(0, (1.06 if falls_fast else 1.3) * mse.max() if mse.max() > 0 else 1)
    panel.legend(loc="upper right" if mse[-1] <= mse[0] else "upper left")
    step_axis(panel, trajectory.steps)


def _draw_gap(panel: Axes, trajectory: Trajectory, theory: Theory | None) -> None:
    gap = trajectory.gap
    if gap[0] <= 0:
        panel.set_title("Gap to the minimum: the start is there")
        panel.plot([0, trajectory.steps], [0, 0], color=BLUE)
        panel.set_ylim(-0.05, 1)
        step_axis(panel, trajectory.steps)
        return
    floor = ROUNDING * gap[0]
    lost = np.flatnonzero(gap < floor)
    last = int(lost[0]) if len(lost) else trajectory.steps
    shown = kept(gap[: last + 1])
    visible = np.where(gap[shown] > 0, gap[shown], np.nan)
    lowest = max(floor, float(np.nanmin(visible)))
    panel.plot(shown, visible, color=BLUE, marker=_marker(last), markersize=3.5, label="gradient descent")
    if theory is not None:
        _draw_guarantee(panel, last, float(gap[0]), theory.contraction)
    if lowest <= 1e3 * TARGET_GAP * gap[0]:
        lowest = min(lowest, TARGET_GAP * gap[0])
        _draw_target(panel, trajectory, float(TARGET_GAP * gap[0]))
    _logarithmic(panel, 0.5 * lowest, float(gap[: last + 1].max()))
    panel.legend(loc="upper right" if gap[last] <= gap[0] else "upper left")
    panel.set_title(f"Gap, until rounding hides it at step {last:,}" if len(lost) else "Gap to the minimum")
    step_axis(panel, last)


def _logarithmic(panel: Axes, low: float, high: float) -> None:
    """Make the loss axis of `panel` logarithmic from `low` to `high`, with the upper part left for the legend."""
    decades = max(np.log10(high) - np.log10(low), 0.3)
    panel.set_ylim(low, 10 ** min(np.log10(low) + 1.45 * decades, 307.0))
    logarithmic(panel, "y")


def _draw_guarantee(panel: Axes, last: int, gap: float, contraction: float) -> None:
    steps = np.linspace(0, last, 200)
    rate = f"1 − {short(1 - contraction, 2)}" if 0 < 1 - contraction < 1e-4 else short(contraction, 5)
    label = f"theory: at most gap₀ · ρ²ᵏ with ρ = {rate}"
    panel.plot(steps, guarantee(steps, gap, contraction), color=VERMILION, linestyle="--", linewidth=1.3, label=label)


def _draw_target(panel: Axes, trajectory: Trajectory, target: float) -> None:
    reached = trajectory.steps_to_gap
    place = "" if reached is None else f", reached at step {reached:,}"
    panel.axhline(target, color=GREY, linestyle=":", linewidth=1.3, label=f"10⁻⁶ of the initial gap{place}")
    if reached is not None:
        panel.plot([reached], [target], color=GREEN, marker="D", markersize=6, linestyle="none", clip_on=False)
