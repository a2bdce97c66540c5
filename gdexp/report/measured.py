"""Which recorded runs are meant, and the numbers that they came to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from gdexp.core.checks import near_keys
from gdexp.core.errors import GdexpError
from gdexp.core.factor import Array
from gdexp.report.checks import WORDS, Point, Selector, is_series, printed
from gdexp.tracking.read import RecordedRun

FEW = 5
"""Runs or values that a reason names before it only counts them."""


class UnknownError(Exception):
    """Recorded runs do not tell; the text says why."""


def selected(selector: Selector, runs: Iterable[RecordedRun]) -> list[RecordedRun]:
    """Return the finished ones of `runs` that have the settings of `selector`, in their order.

    Numbers are the same whatever way they are written, and so are lists of them; other settings by their text.
    """
    return [
        run
        for run in runs
        if run.finished and all(_has(run, key) and _is(run, key, value) for key, value in selector.items())
    ]


def why_none(selector: Selector, runs: Sequence[RecordedRun]) -> str:
    """Return why `selected` finds none of `runs`."""
    finished = selected({}, runs)
    if not finished:
        return "no run is finished"
    for key, value in selector.items():
        having = [run for run in finished if _has(run, key)]
        if not having:
            hint = near_keys(key[:100], {**finished[0].params, **finished[0].swept})
            return f"no finished run has a setting {key}{f'. {hint}' if hint.startswith('Near it') else ''}"
        if not selected({key: value}, having):
            others = few(dict.fromkeys(_value(run, key) for run in having))
            return f"no finished run has {key}={value}; theirs are {others}"
    return f"no finished run has {settings(selector)} together"


def settings(selector: Selector) -> str:
    """Return `selector` as it would be typed."""
    return ", ".join(f"{key}={value}" for key, value in selector.items()) or "all runs"


def place(point: Point) -> str:
    """Return `point` in words."""
    return point.metric if point.step is None else f"{point.metric} at step {point.step}"


def few(texts: Iterable[str], separator: str = ", ") -> str:
    """Return the first of `texts` in one line, and how many more there are."""
    listed = list(texts)
    more = f" and {len(listed) - FEW} more" if len(listed) > FEW else ""
    return separator.join(listed[:FEW]) + more


def word(run: RecordedRun, metric: str) -> str:
    """Return the word that `run` has for `metric`, one of WORDS; raises UnknownError where it has none."""
    assert metric in WORDS
    try:
        return run.tags[f"gdexp.{metric}"]
    except KeyError:
        raise UnknownError(f"{run.name} has no {metric}") from None


class Measured:
    """The numbers of `runs` at `points`; of a trajectory, which is read once, only these are kept."""

    def __init__(
        self,
        runs: Sequence[RecordedRun],
        trajectory: Callable[[RecordedRun], Mapping[str, Array]],
        points: Iterable[Point],
    ) -> None:
        self._runs = runs
        self._trajectory = trajectory
        self._points = {point for point in points if is_series(point.metric)}
        self._known: dict[RecordedRun, dict[Point, float | str]] = {}
        self._selected: dict[tuple[tuple[str, str], ...], list[RecordedRun] | str] = {}

    def selection(self, selector: Selector) -> list[RecordedRun]:
        """Return the runs that `selector` selects, at least one; raises UnknownError where there is none."""
        key = tuple(selector.items())
        if key not in self._selected:
            self._selected[key] = selected(selector, self._runs) or why_none(selector, self._runs)
        chosen = self._selected[key]
        if isinstance(chosen, str):
            raise UnknownError(chosen)
        return chosen

    def number(self, run: RecordedRun, point: Point) -> float:
        """Return the number of a finished run at `point`; raises UnknownError where it has none that is finite."""
        if is_series(point.metric):
            if run not in self._known:
                self._known[run] = self._read(run)
            found = self._known[run][point]
        else:
            found = run.metrics.get(point.metric, _absent(run, point.metric))
        if isinstance(found, str):
            raise UnknownError(found)
        if not math.isfinite(found):
            raise UnknownError(f"{place(point)} of {run.name} is not finite")
        return found + 0.0  # no negative zero

    def numbers(self, runs: Iterable[RecordedRun], point: Point) -> tuple[list[tuple[RecordedRun, float]], list[str]]:
        """Return the number of each of `runs` that has one at `point`, and for each of the others why it has none."""
        known, reasons = [], []
        for run in runs:
            try:
                known.append((run, self.number(run, point)))
            except UnknownError as reason:
                reasons.append(str(reason))
        return known, reasons

    def _read(self, run: RecordedRun) -> dict[Point, float | str]:
        try:
            columns = self._trajectory(run)
        except GdexpError as error:
            return dict.fromkeys(self._points, str(error))
        return {point: _at(run, columns, point) for point in self._points}


def _at(run: RecordedRun, columns: Mapping[str, Array], point: Point) -> float | str:
    """Return the number at `point` of a run's trajectory, or why there is none."""
    steps = columns["step"]
    last = int(steps[-1])
    if point.step is not None and point.step > last:
        return f"{run.name} ended at step {last} ({run.tags.get('gdexp.stop_reason', 'for a reason not recorded')})"
    row = int(np.searchsorted(steps, last if point.step is None else point.step))
    if point.metric != "relative_gap":
        return float(columns[point.metric][row]) if point.metric in columns else _absent(run, point.metric, columns)
    gap = columns["gap"]
    return float(gap[row] / gap[0]) if gap[0] else f"{run.name} started at the minimum"


def _absent(run: RecordedRun, metric: str, known: Iterable[str] = ()) -> str:
    if metric == "steps_to_gap":
        return f"{run.name} never came to 1e-6 of its initial gap"
    if metric == "theory_steps_to_gap":
        return f"by theory {run.name} never comes to 1e-6 of its initial gap"
    hint = near_keys(metric[:100], known or run.metrics)
    return f"{run.name} has no {metric}{f'. {hint}' if hint.startswith('Near it') else ''}"


def _has(run: RecordedRun, key: str) -> bool:
    return key in run.swept or key in run.params or f"{key}.name" in run.params or f"gdexp.{key}" in _outcome(run)


def _value(run: RecordedRun, key: str) -> str:
    return _outcome(run).get(f"gdexp.{key}") or run.value(key)


def _is(run: RecordedRun, key: str, value: str) -> bool:
    # What was typed may stand in quotes; the param never does.
    return _same(_value(run, key), value) or _same(run.params.get(key, ""), value)


def _outcome(run: RecordedRun) -> dict[str, str]:
    """Return the words of a run's outcome, which runs can be selected by, too."""
    return {tag: run.tags[tag] for tag in (f"gdexp.{word}" for word in WORDS) if tag in run.tags}


def _same(one: str, other: str) -> bool:
    if one[:1] == other[:1] == "[":
        items, others = (text.strip("[]").split(",") for text in (one, other))
        return len(items) == len(others) and all(map(_same, map(str.strip, items), map(str.strip, others)))
    number, another = printed(one), printed(other)
    return number.exact == another.exact if number and another else one == other
