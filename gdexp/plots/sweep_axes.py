"""How far and how fast the runs of a sweep came, against each key that was swept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from gdexp.core.contraction import ROUNDING
from gdexp.core.descent import TARGET_GAP
from gdexp.core.factor import Array
from gdexp.plots.canvas import Sheet, drawn
from gdexp.plots.style import BLACK, GREY, SERIES, SMALL_SIZE, VERMILION
from gdexp.plots.sweep_ticks import join_minor_ticks
from gdexp.plots.swept import SEED, Swept
from gdexp.plots.text import plain, short, shorten
from gdexp.plots.ticks import logarithmic
from gdexp.plots.views import SweepRun

MOST_GROUPS = 8
MOST_LIMITS = 4
MANY_RUNS = 60
"""More runs are drawn as smaller points."""
TOP_EDGE = 0.965
"""Where on the panel's height the runs stand that have no value."""


@dataclass(frozen=True, eq=False)
class Quantity:
    """What is drawn upwards, one entry a run: `values` (NaN: none), and `sure`, where the run itself has shown it."""

    label: str
    values: Array
    sure: NDArray[np.bool_]
    unsure: str
    never: str


@dataclass(frozen=True, eq=False)
class Group:
    """The runs that share their values of the other keys."""

    name: str
    members: NDArray[np.intp]


@drawn
def gap_by(
    sweep: Sequence[SweepRun], axis: Swept, axes: Sequence[Swept], *, title: str = "", caption: str = ""
) -> Sheet:
    """Return the final gap of each run, as a fraction of its initial one, against its value of `axis`."""
    relative = np.array([np.nan if run.diverged else run.relative_gap for run in sweep])
    quantity = Quantity(
        label="final gap to the minimum MSE / initial gap",
        values=np.maximum(relative, ROUNDING),
        sure=~(relative < ROUNDING),
        unsure="lost in rounding",
        never="",
    )
    sheet = Sheet(8.5, 4.4, title or f"Final gap by {axis.name}", caption)
    panel, entries = _draw(sheet, sweep, axis, axes, quantity)
    low, high = panel.get_ylim()
    if low < TARGET_GAP < high:
        target = panel.axhline(TARGET_GAP, color=GREY, linestyle=(0, (1, 3)), linewidth=1.0, zorder=1)
        entries.append((target, "10⁻⁶ of the initial gap"))
    _finish(sheet, entries)
    return sheet


@drawn
def steps_by(
    sweep: Sequence[SweepRun], axis: Swept, axes: Sequence[Swept], *, title: str = "", caption: str = ""
) -> Sheet:
    """Return the steps each run takes to 1e-6 of its initial gap, seen or predicted, against its value of `axis`."""
    sheet = Sheet(8.5, 4.4, title or f"Steps by {axis.name}", caption)
    panel, entries = _draw(sheet, sweep, axis, axes, steps_to_gap(sweep))
    finished = np.array([not run.diverged for run in sweep])
    steps = np.array([run.steps for run in sweep])
    low, high = panel.get_ylim()
    shown = finished & (steps > 1.2 * low) & (steps < high)
    if shown.any():
        style: dict[str, Any] = {"color": GREY, "marker": "_", "markersize": 9, "linestyle": "none", "zorder": 1}
        (last,) = panel.plot(axis.places[shown], steps[shown], **style)
        entries.append((last, "last step of the run"))
    _finish(sheet, entries)
    return sheet


def steps_to_gap(sweep: Sequence[SweepRun]) -> Quantity:
    """Return the steps to 1e-6 of the initial gap: those that were seen, else those that theory predicts."""
    estimates = [run.predicted_steps_to_gap if run.steps_to_gap is None else run.steps_to_gap for run in sweep]
    return Quantity(
        label="steps to 10⁻⁶ of the initial gap",
        values=np.array([np.nan if steps is None else max(steps, 1) for steps in estimates], dtype=float),
        sure=np.array([run.steps_to_gap is not None for run in sweep]),
        unsure="predicted by theory",
        never="never",
    )


def groups_of(axis: Swept, axes: Sequence[Swept], runs: int) -> list[Group]:
    """Return the runs by their values of the other keys; seeds, and keys of too many values, tell no groups apart."""
    others = [other for other in axes if other.name not in (axis.name, SEED) and len(other.values) > 1]
    chosen = others
    if np.prod([len(other.values) for other in others]) > MOST_GROUPS:
        few = [other for other in others if len(other.values) <= MOST_GROUPS]
        chosen = sorted(few, key=lambda other: -len(other.values))[:1]
    return combinations(chosen, runs)


def combinations(keys: Sequence[Swept], runs: int) -> list[Group]:
    """Return the runs by their values of `keys`, in the order of the values; all in one group without a key."""
    longest = 16 if len(keys) > 1 else 28
    members: dict[tuple[int, ...], list[int]] = {}
    for run in range(runs):
        members.setdefault(tuple(int(key.index[run]) for key in keys), []).append(run)
    return [
        Group(
            ", ".join(
                f"{shorten(key.name, longest)}={shorten(key.values[i] or 'not set', 20)}"
                for key, i in zip(keys, places, strict=True)
            ),
            np.array(ranks, dtype=np.intp),
        )
        for places, ranks in sorted(members.items())
    ]


def _draw(
    sheet: Sheet, sweep: Sequence[SweepRun], axis: Swept, axes: Sequence[Swept], quantity: Quantity
) -> tuple[Axes, list[tuple[Artist, str]]]:
    panel = sheet.laid_out().subplots()
    logarithmic(panel, "y")
    panel.set_ylabel(quantity.label)
    axis.draw_ticks(panel, sweep)
    entries: list[tuple[Artist, str]] = []
    groups, places = groups_of(axis, axes, len(sweep)), axis.places.copy()
    for rank, group in enumerate(groups):
        if axis.numbers is None:  # side by side, for names have room between them
            places[group.members] += 0.5 * (rank - (len(groups) - 1) / 2) / len(groups)
        line = _draw_group(panel, places, group.members, quantity, rank)
        if group.name:
            entries.append((line, plain(group.name)))
    if any(len(np.unique(places[group.members])) < len(group.members) for group in groups):
        entries.append((Line2D([], [], color=BLACK, linewidth=1.3), "median"))
    entries += _draw_edge(panel, sweep, places, quantity)
    _set_range(panel, quantity.values)
    _draw_limits(panel, axis.limits(sweep))
    return panel, entries


def _draw_group(panel: Axes, places: Array, members: NDArray[np.intp], quantity: Quantity, rank: int) -> Line2D:
    """Draw a point a run, filled where it is sure, and a line through the medians of runs at one place."""
    series = SERIES[rank]
    at, values, sure = places[members], quantity.values[members], quantity.sure[members]
    stations = np.unique(at)
    medians = [_median(values[at == station]) for station in stations]
    panel.plot(stations, medians, color=series.color, linestyle=series.stroke, linewidth=1.3)
    dot: dict[str, Any] = {
        "marker": series.marker,
        "markersize": 5.5 if len(members) <= MANY_RUNS else 3.0,
        "markeredgecolor": series.color,
        "linestyle": "none",
    }
    panel.plot(at[sure], values[sure], color=series.color, **dot)
    panel.plot(at[~sure], values[~sure], color="white", **dot)
    return Line2D(
        [], [], color=series.color, linestyle=series.stroke, linewidth=1.3, marker=series.marker, markersize=5.5
    )


def _median(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else np.nan


def _draw_edge(panel: Axes, sweep: Sequence[SweepRun], places: Array, quantity: Quantity) -> list[tuple[Artist, str]]:
    """Draw the runs without a value at the top edge, and return the legend's entries for all kinds of runs."""
    diverged = np.array([run.diverged for run in sweep])
    never = ~diverged & np.isnan(quantity.values)
    entries: list[tuple[Artist, str]] = []
    if (~quantity.sure & np.isfinite(quantity.values)).any():
        hollow = Line2D([], [], marker="o", color="white", markeredgecolor=BLACK, linestyle="none")
        entries.append((hollow, quantity.unsure))
    for chosen, marker, name in ((diverged, "x", "diverged"), (never, "^", quantity.never)):
        if chosen.any():
            (edge,) = panel.plot(
                places[chosen],
                np.full(chosen.sum(), TOP_EDGE),
                color=BLACK,
                marker=marker,
                markersize=6.5,
                linestyle="none",
                transform=panel.get_xaxis_transform(),
            )
            entries.append((edge, name))
    return entries


def _set_range(panel: Axes, values: Array) -> None:
    """Fit the logarithmic axis to `values`, with the top edge left for the runs that have none."""
    known = values[np.isfinite(values)]
    low, high = (np.log10(known.min()), np.log10(known.max())) if len(known) else (0.0, 1.0)
    middle, half = (low + high) / 2, max((high - low) / 2, 0.5)
    panel.set_ylim(10 ** (middle - 1.16 * half), 10 ** (middle + 1.28 * half))


def _draw_limits(panel: Axes, limits: list[float]) -> None:
    """Draw the largest stable lr as a line, named above the panel; many limits become one band."""
    if len(limits) > MOST_LIMITS:
        panel.axvspan(limits[0], limits[-1], color="#eeeeee", zorder=0)
        _name_limit(panel, limits[0], f"largest stable lr: {short(limits[0])} to {short(limits[-1])}", 0)
        return
    for row, limit in enumerate(limits):
        panel.axvline(limit, color=VERMILION, linestyle=(0, (5, 2)), linewidth=1.2, zorder=1)
        _name_limit(panel, limit, f"largest stable lr {short(limit)}", row)


def _name_limit(panel: Axes, limit: float, text: str, row: int) -> None:
    panel.annotate(
        text,
        (limit, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3 + 12 * row),
        textcoords="offset points",
        ha="center",
        va="bottom",
        size=SMALL_SIZE,
        color=VERMILION,
    )


def _finish(sheet: Sheet, entries: Sequence[tuple[Artist, str]]) -> None:
    join_minor_ticks(sheet)
    if entries:
        artists, names = zip(*entries, strict=True)
        sheet.subfigs[0].legend(list(artists), list(names), loc="outside right upper")
