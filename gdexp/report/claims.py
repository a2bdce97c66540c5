"""Published claims held against recorded runs: reproduced, not reproduced, or not checkable and why."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from itertools import pairwise
from typing import TypeAlias

from gdexp.core.contraction import ROUNDING
from gdexp.core.factor import Array
from gdexp.report import numbers
from gdexp.report.checks import (
    Bound,
    Check,
    NotCheckable,
    Number,
    Order,
    Point,
    Selector,
    Table,
    Trend,
    Value,
    Word,
    printed,
)
from gdexp.report.measured import Measured, UnknownError, few, place, settings, word
from gdexp.report.study import Claim, Study
from gdexp.tracking.read import RecordedRun

__all__ = ["Comparison", "Finding", "Verdict", "claims_parameters", "findings", "tables"]


class Verdict(Enum):
    """What the runs say of a claim."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    NOT_CHECKABLE = "not checkable"


Numbered: TypeAlias = Sequence[tuple[RecordedRun, float]]
DIFFERS = " \N{NOT EQUAL TO}"
"""The mark behind our number in a table where it is not the published one."""


@dataclass(frozen=True)
class Finding:
    """What came of a claim, or of one cell of a table; `what` says which number of which runs is meant.

    Of several runs `ours` is the one furthest from what is claimed, and `why` names it. Numbers have six significant
    digits, `published` those that were printed.
    """

    claim_id: str
    source: str
    url: str | None
    says: str
    what: str
    published: str
    verdict: Verdict
    ours: str
    difference: str
    why: str


@dataclass(frozen=True)
class _Result:
    verdict: Verdict
    ours: str = ""
    difference: str = ""
    why: str = ""


@dataclass(frozen=True)
class Comparison:
    """A published table beside ours; `header` and `rows` are its texts, numbers that differ are marked."""

    claim_id: str
    source: str
    url: str | None
    says: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def findings(
    study: Study, runs: Sequence[RecordedRun], trajectory: Callable[[RecordedRun], Mapping[str, Array]]
) -> list[Finding]:
    """Return what came of each claim of `study`: one finding, of a table one for each of its cells.

    `trajectory` gives the columns of a finished run, among them `step`; it is asked once for a run whose steps are
    claimed, and may raise GdexpError where there is none.
    """
    measured = Measured(runs, trajectory, {point for claim in study.claims for point in _points(claim)})
    return [finding for claim in study.claims for finding in _of_claim(claim, measured)]


def claims_parameters(study: Study) -> bool:
    """Return whether a claim of `study` is about the parameters of its runs."""
    return any(point.metric.startswith("parameter_") for claim in study.claims for point in _points(claim))


def tables(study: Study, found: Sequence[Finding]) -> list[Comparison]:
    """Return the tables of `study`, published numbers beside ours, from what `findings` found."""
    return [_comparison(claim, claim.check, found) for claim in study.claims if isinstance(claim.check, Table)]


def _comparison(claim: Claim, table: Table, found: Sequence[Finding]) -> Comparison:
    cells = iter([finding for finding in found if finding.claim_id == claim.id])
    rows = []
    for step, published in table.rows:
        row = dict.fromkeys(table.metrics, ("", ""))
        for metric in published:
            finding = next(cells)
            mark = DIFFERS if finding.verdict is Verdict.NOT_REPRODUCED else ""
            row[metric] = finding.published, (finding.ours or numbers.ABSENT) + mark
        rows.append([str(step), *(text for metric in table.metrics for text in row[metric])])
    header = ["step", *(text for metric in table.metrics for text in (f"{metric}, published", f"{metric}, here"))]
    return Comparison(claim.id, claim.source.title, claim.source.url, claim.says, header, rows)


def _points(claim: Claim) -> Iterator[Point]:
    match claim.check:
        case Table(rows):
            yield from (Point(metric, step) for step, cells in rows for metric in cells)
        case Order(point, _, _, other):
            yield from (point, other)
        case Value(point) | Bound(point) | Trend(point):
            yield point


def _of_claim(claim: Claim, measured: Measured) -> Iterator[Finding]:
    if not isinstance(claim.check, Table):
        yield _finding(claim, claim.check, measured)
        return
    for step, cells in claim.check.rows:
        for metric, number in cells.items():
            yield _finding(claim, Value(Point(metric, step), number), measured)


def _finding(claim: Claim, check: Check, measured: Measured) -> Finding:
    try:
        result = _result(claim.selector, check, measured)
    except UnknownError as reason:
        result = _Result(Verdict.NOT_CHECKABLE, why=str(reason))
    what, published = _in_words(claim.selector, check)
    return Finding(
        claim_id=claim.id,
        source=claim.source.title,
        url=claim.source.url,
        says=claim.says,
        what=what,
        published=published,
        **vars(result),
    )


def _in_words(selector: Selector, check: Check) -> tuple[str, str]:
    """Return which number of which runs is meant, and what is published of it."""
    match check:
        case Value(point, Number(published)) | Word(point, published):
            pass
        case Bound(point, relation, limit):
            published = f"{relation.replace('_', ' ')} {limit.text}"
        case Trend(point, relation, key):
            published = f"{relation.replace('_', ' ')} {key}"
        case Order(point, relation, others, other):
            whose = "of the same run" if others is None else f"of {settings(others)}"
            published = f"{relation.replace('_', ' ')} {place(other)} {whose}"
        case _:
            return "", ""
    return f"{place(point)}, {settings(selector)}", published


def _result(selector: Selector, check: Check, measured: Measured) -> _Result:
    if isinstance(check, NotCheckable):
        raise UnknownError(check.reason)
    chosen = measured.selection(selector)
    match check:
        case Word(point, published):
            return _word(point, published, chosen)
        case Trend(point, relation, key):
            return _trend(point, -1 if relation == "decreasing_in" else 1, key, _all(chosen, point, measured))
        case Order(point, relation, others, other):
            first = _all(chosen, point, measured)
            second = _all(chosen if others is None else measured.selection(others), other, measured)
            return _order(-1 if relation == "less_than" else 1, check, first, second)
        case Value(point) | Bound(point):
            known, missing = measured.numbers(chosen, point)
            return _each(check, known, missing)
    raise AssertionError(check)


def _word(point: Point, published: str, runs: Sequence[RecordedRun]) -> _Result:
    words = [(run, word(run, point.metric)) for run in runs]
    others = [(run, ours) for run, ours in words if ours != published]
    run, ours = (others or words)[0]
    why = f"so in {len(others)} of {len(runs)} runs, the first {run.name}" if others and len(runs) > 1 else ""
    return _Result(_verdict(not others), ours, why=why)


def _each(check: Value | Bound, known: list[tuple[RecordedRun, float]], missing: list[str]) -> _Result:
    """Return whether `check` holds for every number; one that it does not hold for decides, whatever is missing."""
    run, ours = max(known, key=lambda pair: _excess(check, _steady(pair[1])), default=(None, 0.0))
    number = check.number if isinstance(check, Value) else check.limit
    excess = _excess(check, ours)
    holds = excess < 0 or (excess == 0 and not (isinstance(check, Bound) and check.relation in ("below", "above")))
    if run is None or (holds and missing):
        raise UnknownError(few(missing, "; "))
    count = len(known) + len(missing)
    why = f"the furthest of {count} runs: {run.name}" if count > 1 else ""
    return _Result(_verdict(holds), _ours(check.point, ours), _difference(ours, float(number.exact)), why)


def _excess(check: Value | Bound, ours: float) -> Fraction:
    """Return by how much a number is beyond what `check` allows, negative inside, exactly."""
    if isinstance(check, Value):
        return abs(Fraction(ours) - check.number.exact) - check.number.half_unit
    beyond = Fraction(ours) - check.limit.exact
    return beyond if check.relation in ("below", "at_most") else -beyond


def _trend(point: Point, sign: int, key: str, numbered: Numbered) -> _Result:
    """Return whether the numbers rise (`sign` 1) or fall (-1) strictly with the setting `key`."""
    groups: dict[Fraction, list[tuple[RecordedRun, float]]] = {}
    for run, ours in numbered:
        value = printed(run.value(key))
        if value is None:
            raise UnknownError(f"{key} is {run.value(key)} in {run.name}, which is no number")
        groups.setdefault(value.exact, []).append((run, ours))
    if len(groups) < 2:
        raise UnknownError(
            f"an order needs runs with at least two values of {key}; there is only {numbered[0][0].value(key)}"
        )
    ordered = [groups[value] for value in sorted(groups)]
    # What is closest to breaking the order: the most advanced of each value, and the least advanced of the next.
    pairs = [(_extreme(one, sign), _extreme(next_, -sign)) for one, next_ in pairwise(ordered)]
    (before, earlier), (after, later) = min(pairs, key=lambda pair: sign * (_steady(pair[1][1]) - _steady(pair[0][1])))
    holds = sign * (later - earlier) > 0
    if holds:
        (before, earlier), (after, later) = _extreme(ordered[0], sign), _extreme(ordered[-1], -sign)
    said = f"{_ours(point, earlier)} ({before.name}), then {_ours(point, later)} ({after.name})"
    return _Result(_verdict(holds), said, _difference(later, earlier))


def _order(sign: int, check: Order, first: Numbered, second: Numbered) -> _Result:
    """Return whether numbers of `first` are greater (`sign` 1) or less (-1) than what they stand against in `second`.

    That is every one of them, or the one of the same run; what comes closest to breaking the order is told.
    """
    pairs = [(_extreme(first, -sign), _extreme(second, sign))]
    if check.others is None:
        pairs = list(zip(first, second, strict=True))
    (run, ours), (other_run, theirs) = min(pairs, key=lambda pair: sign * (_steady(pair[0][1]) - _steady(pair[1][1])))
    if math.isclose(ours, theirs, rel_tol=ROUNDING) or (
        check.point.metric == "relative_gap" and max(ours, theirs) < ROUNDING
    ):
        raise UnknownError(
            f"rounding decides: {_ours(check.point, ours)} in {run.name} is the same as what it is held against"
        )
    other = "" if other_run is run else f" ({other_run.name})"
    said = f"{_ours(check.point, ours)} ({run.name}) against {_ours(check.other_point, theirs)}{other}"
    return _Result(_verdict(sign * (ours - theirs) > 0), said, _difference(ours, theirs))


def _all(runs: Sequence[RecordedRun], point: Point, measured: Measured) -> Numbered:
    """Return the number of each run; raises UnknownError where one has none, for then an order cannot be told."""
    known, missing = measured.numbers(runs, point)
    if missing:
        raise UnknownError(few(missing, "; "))
    return known


def _extreme(numbered: Numbered, sign: int) -> tuple[RecordedRun, float]:
    """Return the run with the greatest number, with the least one where `sign` is -1."""
    return max(numbered, key=lambda pair: sign * _steady(pair[1]))


def _steady(value: float) -> float:
    """Return `value` without its last digits, so that rounding does not decide which of equal runs is named."""
    return float(f"{value:.9g}")


def _verdict(holds: bool) -> Verdict:
    return Verdict.REPRODUCED if holds else Verdict.NOT_REPRODUCED


def _ours(point: Point, value: float) -> str:
    if point.metric == "relative_gap":
        return numbers.fraction(value)
    return f"{value:.0f}" if point.metric in numbers.COUNTS else numbers.number(value)


def _difference(ours: float, published: float) -> str:
    """Return by how much `ours` is above, with its sign; noise of rounding is none."""
    difference = ours - published
    return "0" if math.isclose(ours, published, rel_tol=ROUNDING) else f"{difference:+.6g}"
