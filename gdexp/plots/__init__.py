"""Figures of runs and sweeps; importing this imports no matplotlib: that waits for the first figure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gdexp.plots.settings import FORMATS, PLOTS, Plots
from gdexp.plots.views import RunView, SweepRun

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gdexp.plots.fit import final_fit, model
    from gdexp.plots.losses import loss_curve
    from gdexp.plots.paths import parameters
    from gdexp.plots.surface import loss_surface

__all__ = [
    "FORMATS",
    "PLOTS",
    "Plots",
    "RunView",
    "SweepRun",
    "final_fit",
    "loss_curve",
    "loss_surface",
    "model",
    "parameters",
    "report_figures",
    "run_figures",
    "save",
    "sweep_figures",
]

_SINGLE = {"final_fit": "fit", "loss_curve": "losses", "loss_surface": "surface", "model": "fit", "parameters": "paths"}


def run_figures(which: str, run: RunView) -> Iterator[tuple[str, Figure]]:
    """Yield the figures of `run` with their names: `all` of them, the `loss_curve` alone, or `none`."""
    if which != "none":
        from gdexp.plots.catalogue import figures_of_run

        yield from figures_of_run(which, run)


def sweep_figures(sweep: Sequence[SweepRun], axes: Sequence[str], *, caption: str = "") -> Iterator[tuple[str, Figure]]:
    """Yield the figures of `sweep`, which went over the keys `axes`, with their names; none where no run is given.

    `caption` holds the settings that all runs share.
    """
    if sweep:
        from gdexp.plots.catalogue import figures_of_sweep

        yield from figures_of_sweep(sweep, axes, caption)


def report_figures(
    sweep: Sequence[SweepRun], axes: Sequence[str], *, caption: str = ""
) -> Iterator[tuple[str, Figure]]:
    """Yield what a report shows of `sweep` beside `sweep_figures`, with names; nothing where no run is given.

    That is `targets`, `contraction` and, over more than one seed, `seeds`. `caption` holds the settings that all runs
    share.
    """
    if sweep:
        from gdexp.plots.catalogue import figures_of_report

        yield from figures_of_report(sweep, axes, caption)


def save(figure: Figure, path: Path | str, *, colors: int | None = None) -> None:
    """Write `figure` as PNG, SVG or PDF by the suffix of `path`: the same bytes for the same figure, anywhere.

    With `colors`, a PNG has a palette of so many, which makes it a third as large. Raises ParameterError for another
    suffix.
    """
    from gdexp.plots.canvas import write

    write(figure, path, colors)


def __getattr__(name: str) -> Any:
    """Return a function that draws a single figure; the first use imports matplotlib."""
    if name in _SINGLE:
        return getattr(import_module(f"{__name__}.{_SINGLE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
