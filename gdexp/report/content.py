"""What a report says of recorded sweeps, section by section."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gdexp.core.contraction import ROUNDING
from gdexp.core.descent import TARGETS
from gdexp.report.blocks import Block, Listing, Part, Picture, Section, Table, Text
from gdexp.report.claims import Comparison, Finding, Verdict
from gdexp.report.figures import shared_settings
from gdexp.report.numbers import ABSENT, count, fraction, number
from gdexp.report.outcome_table import outcome_header, outcome_rows, run_cells, run_header, whole
from gdexp.report.outcomes import Outcome
from gdexp.report.provenance import Provenance, departures
from gdexp.report.study import Study
from gdexp.report.table import swept_values
from gdexp.report.words import short
from gdexp.tracking.read import RecordedSweep

MOST_ROWS = 100
"""Runs that a table of a report shows; results.csv has all."""


@dataclass(frozen=True, eq=False)
class Reported:
    """A sweep with all that a report shows of it; `pictures` maps the figures over its runs to their files.

    `shown` are figures of single runs with the run's name, or why there is none. `name` tells it from another sweep in
    the report.
    """

    name: str
    sweep: RecordedSweep
    outcomes: Sequence[Outcome]
    study: Study | None
    findings: Sequence[Finding]
    comparisons: Sequence[Comparison]
    pictures: Mapping[str, Path]
    shown: Sequence[tuple[str, Path | None]]
    provenance: Provenance


def sections(reported: Sequence[Reported]) -> list[Section]:
    """Return the sections of a report on one sweep or more, those left out about which there is nothing to say."""
    writers = {
        "Question": _question,
        "In short": _in_short,
        "What is claimed, and what came out": _claims,
        "Settings": _settings,
        "Outcomes": _outcomes,
        "Convergence": _curves,
        "Against each swept key": _by_axis,
        "Time to target": _targets,
        "Stopping-rule audit": _audit,
        "Contraction a step": _contraction,
        "Single runs": _single_runs,
        "How to reproduce": _reproduce,
    }
    made = [Section(title, [Part(one.name, list(write(one))) for one in reported]) for title, write in writers.items()]
    return [section for section in made if any(part.blocks for part in section.parts)]


def _question(one: Reported) -> Iterator[Block]:
    if one.study:
        yield Text(one.study.question)


def _in_short(one: Reported) -> Iterator[Block]:
    runs, finished = one.sweep.runs, one.sweep.finished
    if changed := departures(one.sweep):
        yield Text(f"Run with other settings than the study's own: {' '.join(changed)}.")
    if (begun := len(runs)) < one.sweep.planned:
        yield Text(f"Only {begun} of the {one.sweep.planned} runs of the sweep were begun.")
    if len(finished) < len(runs) or not runs:
        states = Counter(run.status.lower() for run in runs)
        counts = ", ".join(f"{number} {state}" for state, number in states.items()) or "none was recorded"
        yield Text(
            f"Not every run was carried out to its end: {counts}. The rest of this report is about those finished."
        )
    if not finished:
        return
    reasons = Counter(run.tags.get("gdexp.stop_reason", ABSENT) for run in finished)
    ends = ", ".join(f"{number} {reason}" for reason, number in reasons.most_common())
    unstable = sum(run.tags.get("gdexp.stable") == "false" for run in finished)
    beyond = f" {unstable} of them with lr at or above the largest stable one." if unstable else ""
    yield Text(f"{count(len(finished), 'run')}: {ends}.{beyond}")
    reached = [one for one in one.outcomes if one.steps_to[TARGETS[-1]] is not None]
    if reached:
        first = min(reached, key=lambda one: one.steps_to[TARGETS[-1]] or 0)
        yield Text(
            f"{len(reached)} reached 1e-6 of the initial gap; the first at step {first.steps_to[TARGETS[-1]]}"
            + (f", with {first.run.name}." if len(finished) > 1 else ".")
        )
    else:
        nearest = min(one.outcomes, key=lambda one: one.relative_gap(one.steps))
        left = fraction(nearest.relative_gap(nearest.steps))
        by = f" ({nearest.run.name})" if len(finished) > 1 else ""
        yield Text(f"None reached 1e-6 of the initial gap; the least that was left is {left} of it{by}.")
    if one.findings:
        verdicts = Counter(finding.verdict for finding in one.findings)
        counts = ", ".join(f"{verdicts[verdict]} {verdict.value}" for verdict in Verdict if verdicts[verdict])
        yield Text(f"Published values and statements that were checked: {counts}.")


def _claims(one: Reported) -> Iterator[Block]:
    for comparison in one.comparisons:
        yield Text(f"{comparison.says} ({comparison.source})")
        yield Table(comparison.header, comparison.rows)
    if one.findings:
        yield Table(
            ["claim", "verdict", "what", "published", "here", "difference", "says", "where"],
            [_finding(finding, before) for finding, before in zip(one.findings, [None, *one.findings], strict=False)],
        )
        for source, url in dict.fromkeys((finding.source, finding.url) for finding in one.findings if finding.url):
            yield Text(f"{source}: {url}")


def _finding(finding: Finding, before: Finding | None) -> list[str]:
    """Return the row of a finding, which leaves out what the row before says, too."""
    repeated = before is not None and before.claim_id == finding.claim_id
    return [
        finding.claim_id,
        finding.verdict.value,
        finding.what,
        finding.published,
        finding.ours,
        "; ".join(text for text in (finding.difference, finding.why) if text),
        *(["", ""] if repeated else [finding.says, finding.source]),
    ]


def _settings(one: Reported) -> Iterator[Block]:
    finished = one.sweep.finished
    columns = zip(*(swept_values(run, one.sweep.axes) for run in one.sweep.runs), strict=True)
    swept = {axis: _listed(values) for axis, values in zip(one.sweep.axes, columns, strict=False)}
    rows = [[axis, values] for axis, values in swept.items()]
    if finished:
        rows += [[key, short(value)] for key, value in shared_settings(finished).items() if key not in swept]
    if rows:
        yield Table(["key", "value"], rows)
    for text in one.provenance.data:
        yield Text(text)


def _listed(column: Sequence[str]) -> str:
    most, values = 20, list(dict.fromkeys(column))
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return f"swept over {', '.join(values[:most])}{more}"


def _outcomes(one: Reported) -> Iterator[Block]:
    if not one.sweep.runs:
        return
    yield Table(outcome_header(one.sweep), outcome_rows(one.sweep, one.outcomes)[:MOST_ROWS])
    if len(one.sweep.runs) > MOST_ROWS:
        yield Text(f"The first {MOST_ROWS} of {len(one.sweep.runs):,} runs; results.csv has all.")
    yield Text(
        "The gap is the loss above the exact minimum, here as a fraction of the one at the start; below 1e-12 it is "
        "noise of rounding. Steps are updates, counted from 0 at the start; the last column is what theory predicts."
    )


def _curves(one: Reported) -> Iterator[Block]:
    yield from _pictures(one, {"curves": "The gap to the minimum of every run over the steps."})
    yield from _pictures(one, {"seeds": "The median gap over the seeds with its interquartile band."})


def _by_axis(one: Reported) -> Iterator[Block]:
    for name in one.pictures:
        if name.startswith("gap_by_"):
            yield from _pictures(one, {name: f"The final gap of every run against {name.removeprefix('gap_by_')}."})
        if name.startswith("steps_by_"):
            key = name.removeprefix("steps_by_")
            yield from _pictures(one, {name: f"Steps to 1e-6 of the initial gap, seen and predicted, against {key}."})
    yield from _pictures(one, {"heatmap": "The outcome over two swept keys."})


def _targets(one: Reported) -> Iterator[Block]:
    if not one.outcomes:
        return
    rows = []
    for target in TARGETS:
        steps = [reached for outcome in one.outcomes if (reached := outcome.steps_to[target]) is not None]
        extremes = [whole(choose(steps)) if steps else ABSENT for choose in (min, statistics.median, max)]
        rows.append([f"{target:g}", f"{len(steps)} of {len(one.outcomes)}", *extremes])
    yield Table(["gap / initial", "runs that reached it", "first step: least", "median of those", "most"], rows)
    yield from _pictures(one, {"targets": "The share of runs that reached each target, over the steps."})


def _audit(one: Reported) -> Iterator[Block]:
    if not one.outcomes:
        return
    yield Text(
        "Each rule, replayed on each recorded descent: where it would have ended it, and how much of the initial gap "
        "was really left there. A rule sees only steps that were recorded; relative_decrease has to hold five "
        "times in a row where no other patience is named."
    )
    rows = []
    for name in one.outcomes[0].stops:
        stops = [
            (step, outcome.relative_gap(step)) for outcome in one.outcomes if (step := outcome.stops[name]) is not None
        ]
        steps, gaps = sorted(step for step, _ in stops), sorted(gap for _, gap in stops)
        cells = [whole(choose(steps)) if stops else ABSENT for choose in (min, statistics.median, max)] + [
            fraction(choose(gaps)) if stops else ABSENT for choose in (min, statistics.median, max)
        ]
        rows.append([name, f"{len(stops)} of {len(one.outcomes)}", *cells])
    yield Table(
        ["rule", "would stop", "step: least", "median", "most", "gap / initial there: least", "median", "most"], rows
    )


def _contraction(one: Reported) -> Iterator[Block]:
    if not one.outcomes:
        return
    yield Text(
        "The contraction is the factor by which the root of the gap shrinks in a step: the largest that the spectrum "
        "allows, and what the last tenth of the recorded steps above the noise of rounding shows; here what is missing "
        "to 1. A run that has not yet come down to its slowest mode is still faster than predicted."
    )
    yield Table(
        [*run_header(one.sweep), "lr / largest stable", "1 - predicted", "1 - measured", "measured / predicted"],
        [
            [
                *run_cells(one.sweep, outcome.run),
                number(outcome.run.metrics.get("theory_relative_lr")),
                *_shortfalls(outcome.run.metrics.get("theory_contraction"), outcome.contraction),
            ]
            for outcome in one.outcomes[:MOST_ROWS]
        ],
    )
    yield from _pictures(one, {"contraction": "Measured against predicted contraction of every run."})


def _shortfalls(predicted: float | None, measured: float | None) -> list[str]:
    """Return how much each contraction falls short of 1, and the ratio of the two, without rounding noise."""
    short_of = [None if value is None or abs(1 - value) < ROUNDING else 1 - value for value in (predicted, measured)]
    first, second = short_of
    return [number(first), number(second), ABSENT if first is None or second is None else number(second / first)]


def _pictures(one: Reported, alternatives: Mapping[str, str]) -> Iterator[Block]:
    for name, alternative in alternatives.items():
        if name in one.pictures:
            yield Picture(one.pictures[name], alternative)


def _single_runs(one: Reported) -> Iterator[Block]:
    for name, path in one.shown:
        yield Text(name)
        if path is not None:
            yield Picture(path, f"{path.stem.rpartition('_')[0].replace('_', ' ')} of the run {name}")


def _reproduce(one: Reported) -> Iterator[Block]:
    yield Listing(one.provenance.commands)
    yield Listing(one.provenance.versions)
