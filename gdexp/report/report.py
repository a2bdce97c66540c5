"""Make a report: everything is read from the store, measured, drawn, checked and written."""

from __future__ import annotations

import csv
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tabulate import tabulate

from gdexp.core.contraction import ROUNDING
from gdexp.core.descent import TARGETS
from gdexp.core.factor import Array
from gdexp.plots import FORMATS, report_figures, save, sweep_figures
from gdexp.report.claims import claims_parameters, findings, tables
from gdexp.report.content import Reported, sections
from gdexp.report.figures import drawable, drawn_axes, shared_settings
from gdexp.report.measured import selected, why_none
from gdexp.report.numbers import ABSENT, COUNTS, fraction, number
from gdexp.report.outcome_table import outcome_header, outcome_rows, whole
from gdexp.report.outcomes import Outcome, outcomes
from gdexp.report.page import html, markdown
from gdexp.report.provenance import provenance
from gdexp.report.study import Study
from gdexp.report.words import caption
from gdexp.terminal import printable
from gdexp.tracking import TrackingError
from gdexp.tracking.read import RecordedRun, RecordedSweep, artifact, read_trajectory

COLORS = 256
"""Of a report's pictures: a report is sent around, and kept beside the code, where size counts."""


def prepare(
    sweeps: Sequence[RecordedSweep], studies: Sequence[Study | None], folder: Path, picture_format: str = "png"
) -> list[Reported]:
    """Return what a report on `sweeps` shows, with its figures drawn into `folder`/figures in `picture_format`.

    Each sweep's claims are those of its study. Pages cannot show PDF, so then PNG stands beside it.
    """
    names = [sweep.study or sweep.parent.name for sweep in sweeps]
    if len(set(names)) < len(names):
        names = [f"{name} ({place})" for place, name in enumerate(names, 1)]
    return [
        _prepared(name, sweep, study, folder / "figures", f"{place}_" if len(sweeps) > 1 else "", picture_format)
        for place, (name, sweep, study) in enumerate(zip(names, sweeps, studies, strict=True), 1)
    ]


def _prepared(
    name: str, sweep: RecordedSweep, study: Study | None, folder: Path, prefix: str, picture_format: str
) -> Reported:
    came = outcomes(sweep)
    known = {one.run: one.columns for one in came}
    more = study is not None and claims_parameters(study)

    def trajectory(run: RecordedRun) -> Mapping[str, Array]:
        # Parameters are read where they are claimed: those of all runs could be more than memory holds.
        return read_trajectory(sweep.store, run) if more else known[run]

    found = findings(study, sweep.runs, trajectory) if study else []
    folder.mkdir(exist_ok=True)
    return Reported(
        name=name,
        sweep=sweep,
        outcomes=came,
        study=study,
        findings=found,
        comparisons=tables(study, found) if study else [],
        pictures=draw(came, sweep.axes, folder, prefix, picture_format),
        shown=_shown(sweep, study, folder, prefix) if study else [],
        provenance=provenance(sweep),
    )


def draw(
    came: Sequence[Outcome], axes: Sequence[str], folder: Path, prefix: str, picture_format: str
) -> dict[str, Path]:
    """Draw the figures over the runs into `folder` and return the picture of each that a page can show."""
    finished = [one.run for one in came]
    axes = drawn_axes(finished, axes)
    runs = [drawable(one.run, one.columns, axes) for one in came]
    settings = caption(shared_settings(finished)) if came else ""
    pictures = {}
    for draws in (sweep_figures, report_figures):
        for name, figure in draws(runs, axes, caption=settings):
            if picture_format == "pdf":
                save(figure, folder / f"{prefix}{name}.pdf")
            path = folder / f"{prefix}{name}.{'svg' if picture_format == 'svg' else 'png'}"
            save(figure, path, colors=COLORS)
            pictures[name] = path
    return pictures


def _shown(sweep: RecordedSweep, study: Study, folder: Path, prefix: str) -> list[tuple[str, Path | None]]:
    """Copy the figures of single runs that the study shows into `folder`; None for one that was not recorded."""
    shown: list[tuple[str, Path | None]] = []
    for wanted in study.shown:
        chosen = selected(wanted.selector, sweep.runs)
        if not chosen:
            shown.append((f"{wanted.figure}: {why_none(wanted.selector, sweep.runs)}", None))
        for run in chosen:
            suffix = run.params.get("plots.format", "png")
            if suffix not in FORMATS:  # the store is anybody's, and this becomes a path
                shown.append((f"{run.name} has no figure {wanted.figure}", None))
                continue
            path = folder / f"{prefix}{wanted.figure}_{run.job}.{suffix}"
            with tempfile.TemporaryDirectory() as fetched:
                try:
                    shutil.copyfile(artifact(sweep.store, run, f"plots/{wanted.figure}.{suffix}", fetched), path)
                except TrackingError:
                    shown.append((f"{run.name} has no figure {wanted.figure}", None))
                    continue
            # Pages cannot show PDF.
            shown.append((run.name, None if suffix == "pdf" else path))
    return shown


def write(reported: Sequence[Reported], folder: Path, *, latex: bool = False) -> None:
    """Write report.html, report.md and results.csv into `folder`, and table.tex where `latex` is asked for."""
    made = sections(reported)
    title = " and ".join(one.name for one in reported)
    (folder / "report.html").write_text(html(title, made), encoding="utf-8")
    (folder / "report.md").write_text(markdown(title, made), encoding="utf-8")
    with (folder / "results.csv").open("w", newline="", encoding="utf-8") as file:
        rows = [row for one in reported for row in result_rows(one)]
        writer = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)), restval="")
        writer.writeheader()
        writer.writerows(rows)
    if latex:
        tables = [[outcome_header(one.sweep), *outcome_rows(one.sweep, one.outcomes)] for one in reported]
        lines = [[[printable(cell) for cell in line] for line in table] for table in tables]
        pages = [tabulate(rows, header, "latex_booktabs", disable_numparse=True) for header, *rows in lines]
        # A bracket that begins a row would be taken for an option of the line end before it.
        text = re.sub(r"^( *)\[", r"\1{}[", "\n\n".join(pages), flags=re.MULTILINE)
        (folder / "table.tex").write_text(text + "\n", encoding="utf-8")


def result_rows(one: Reported) -> list[dict[str, str]]:
    """Return everything that was measured of each run, by the name of its column; empty where there is nothing."""
    known = {outcome.run.run_id: outcome for outcome in one.outcomes}
    rows = []
    for run in one.sweep.runs:
        row = {"sweep": one.name, "job": str(run.job), **{axis: run.value(axis) for axis in one.sweep.axes}}
        row |= {"status": run.status, "stop_reason": run.tags.get("gdexp.stop_reason", "")}
        row |= {"stable": run.tags.get("gdexp.stable", "")}
        outcome = known.get(run.run_id)
        rows.append(row if outcome is None else row | _measured(run, outcome))
    return rows


def _measured(run: RecordedRun, outcome: Outcome) -> dict[str, str]:
    stepwise = {"mse", *(key for key in run.metrics if key.startswith("parameter_")), "mse_gap"}
    row = {
        key: whole(value) if key in COUNTS else number(value)
        for key, value in sorted(run.metrics.items())
        if key not in stepwise
    }
    row["theory_contraction"] = fraction(run.metrics.get("theory_contraction"))
    if outcome.relative_gap(outcome.steps) < ROUNDING:
        row["mse_gradient_norm"] = ABSENT  # noise of rounding, as the gap is
    row["relative_gap"] = fraction(outcome.relative_gap(outcome.steps))
    row |= {f"steps_to_{target:g}": whole(outcome.steps_to[target]) for target in TARGETS}
    row["measured_contraction"] = number(outcome.contraction)
    for rule, step in outcome.stops.items():
        row[f"stop by {rule}"] = whole(step)
        row[f"gap / initial at stop by {rule}"] = "" if step is None else fraction(outcome.relative_gap(step))
    return {key: "" if value == ABSENT else value for key, value in row.items()}
