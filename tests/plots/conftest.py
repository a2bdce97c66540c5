"""Runs and sweeps to draw, and what a reader would see of the text on a figure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.path import Path

from gdexp.core import LeastSquares, Stopping, descend, theory, zero
from gdexp.core.factor import Array, Chunk
from gdexp.data import Dataset, Source, Table, load
from gdexp.data.datasets.seven_cars import SevenCars
from gdexp.plots import RunView, SweepRun

CAPTION = "data seven_cars, 7 rows; scaling none; engine spectral; stopping max_iterations=1000, all other rules off"


@dataclass(frozen=True)
class Rows(Source):
    rows: tuple[tuple[float, ...], ...] = ()
    features: tuple[str, ...] = ()
    target: str = "y"
    units: Mapping[str, str] = field(default_factory=dict, hash=False)

    def table(self) -> Table:
        values = np.array(self.rows)

        def read() -> Iterator[Chunk]:
            yield values[:, :-1], values[:, -1]

        features = self.features or tuple(f"x{i + 1}" for i in range(values.shape[1] - 1))
        return Table(features, self.target, read, self.units)


@pytest.fixture(scope="session")
def dataset_of() -> Callable[..., Dataset]:
    """Make a dataset of features (n, d) and target (n,)."""

    def make(X: Any, y: Any, **settings: Any) -> Dataset:
        rows = np.column_stack([np.array(X, dtype=float), np.array(y, dtype=float)])
        return load(Rows(rows=tuple(map(tuple, rows.tolist())), **settings))

    return make


@pytest.fixture(scope="session")
def seven() -> Dataset:
    return load(SevenCars())


@pytest.fixture(scope="session")
def run_of() -> Callable[..., RunView]:
    """Make a run on a dataset from zero or from `start`; other settings are those of the stopping criterion."""

    def make(dataset: Dataset, lr: float, start: Array | None = None, **stopping: Any) -> RunView:
        problem = dataset.problem
        start = zero(problem) if start is None else start
        return RunView(
            trajectory=descend(problem, lr=lr, start=start, stopping=Stopping(**stopping)),
            theory=theory(problem, lr=lr, start=start),
            dataset=dataset,
            title=f"seven_cars, lr={lr:g}, zero",
            caption=CAPTION,
        )

    return make


def child(problem: LeastSquares, axes: Mapping[str, str], lr: float, start: Array, **stopping: Any) -> SweepRun:
    trajectory = descend(problem, lr=lr, start=start, stopping=Stopping(**stopping))
    expected = theory(problem, lr=lr, start=start)
    return SweepRun(
        name=", ".join(f"{key}={value}" for key, value in axes.items()),
        axes=axes,
        lr=lr,
        relative_lr=expected.relative_lr,
        max_stable_lr=expected.max_stable_lr,
        stop_reason=trajectory.reason.tag,
        stable=expected.stable,
        steps=trajectory.steps,
        gap_final=float(trajectory.gap[-1]),
        gap_initial=float(trajectory.gap[0]),
        steps_to_gap=trajectory.steps_to_gap,
        predicted_steps_to_gap=expected.steps_to_gap,
        contraction=expected.contraction,
        step=np.arange(trajectory.steps + 1.0),
        gap=trajectory.gap,
    )


@pytest.fixture(scope="session")
def child_of() -> Callable[..., SweepRun]:
    """Make one run of a sweep: child_of(problem, axes, lr, start, **stopping)."""
    return child


@pytest.fixture(scope="session")
def lr_sweep(seven: Dataset) -> Callable[..., list[SweepRun]]:
    """Make a sweep of the seven cars over values of lr, given as text, in units of `unit`."""

    def make(values: Sequence[str], unit: float = 1.0, **stopping: Any) -> list[SweepRun]:
        problem = seven.problem
        return [child(problem, {"lr": text}, float(text) * unit, zero(problem), **stopping) for text in values]

    return make


class Recorder(RendererAgg):
    """A renderer that remembers each line of text that was drawn and the area it covers, a pixel less on each side."""

    def __init__(self, figure: Figure) -> None:
        width, height = figure.get_size_inches() * figure.dpi
        super().__init__(width, height, figure.dpi)  # type: ignore[no-untyped-call]
        self.texts: list[tuple[str, Array]] = []

    def draw_text(
        self, gc: Any, x: Any, y: Any, s: Any, prop: Any, angle: Any, ismath: Any = False, mtext: Any = None
    ) -> None:
        width, height, descent = self.get_text_width_height_descent(s, prop, ismath)  # type: ignore[no-untyped-call]
        left, right, low, high = 1, width - 1, 1 - descent, height - descent - 1
        corners = np.array([[left, low], [right, low], [right, high], [left, high]])
        turn = np.deg2rad(angle)
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        self.texts.append((s, corners @ rotation + [x, self.height - y]))
        super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)  # type: ignore[no-untyped-call]


@pytest.fixture(scope="session")
def texts_on() -> Callable[[Figure], list[tuple[str, Array]]]:
    """Return every line of text that a figure shows with the corners of its area (4, 2), in pixels from below left."""

    def texts(figure: Figure) -> list[tuple[str, Array]]:
        FigureCanvasAgg(figure)
        recorder = Recorder(figure)
        figure.draw(recorder)
        return [(text, area) for text, area in recorder.texts if text.strip()]

    return texts


@pytest.fixture(scope="session")
def faults_of(texts_on: Callable[[Figure], list[tuple[str, Array]]]) -> Callable[[Figure], list[str]]:
    """Return what is wrong with the text on a figure: pairs that overlap, and what runs off the sheet."""

    def faults(figure: Figure) -> list[str]:
        shown = [(text, area, Path(np.vstack([area, area[:1]]))) for text, area in texts_on(figure)]
        found = [
            f"{first!r} overlaps {second!r}"
            for rank, (first, _, one) in enumerate(shown)
            for second, _, other in shown[:rank]
            if one.intersects_path(other, filled=True)
        ]
        width, height = figure.get_size_inches() * figure.dpi
        found += [
            f"{text!r} runs off the sheet"
            for text, area, _ in shown
            if area.min() < -1 or area[:, 0].max() > width + 1 or area[:, 1].max() > height + 1
        ]
        return found

    return faults
