"""The table of a sweep: what was swept, and what came of it."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from tabulate import tabulate

from gdexp.report.numbers import COUNTS
from gdexp.report.words import short
from gdexp.tracking.read import RecordedRun

COLUMNS = ("stop reason", "stable", "steps", "final MSE", "gap", "steps to 1e-6 gap", "by theory")
PRINTED_RUNS = 100
"""Rows that are printed on a terminal."""
DESCRIBED_RUNS = 30
"""Rows, and runs in an address, that a parent's description has room for."""


def header(axes: Sequence[str]) -> list[str]:
    """Return the names of the columns for a sweep over `axes`."""
    return [*axes, *COLUMNS]


def rows(runs: Sequence[RecordedRun], axes: Sequence[str]) -> list[list[str]]:
    """Return a row of texts for each run; numbers have six significant digits, what is absent is a dash."""
    return [[*swept_values(run, axes), *_outcome(run)] for run in runs]


def swept_values(run: RecordedRun, axes: Sequence[str]) -> list[str]:
    """Return the run's value of each of `axes` as a table shows it, a dash for what is off."""
    values = (run.value(axis) for axis in axes)
    return ["-" if value == "null" else short(value) for value in values]


def _outcome(run: RecordedRun) -> list[str]:
    reason = run.tags.get("gdexp.stop_reason", "-") if run.finished else run.status.lower()
    stable = {"true": "yes", "false": "no"}.get(run.tags.get("gdexp.stable", ""), "-")
    steps, to_gap, predicted = (f"{run.metrics[key]:.0f}" if key in run.metrics else "-" for key in COUNTS)
    mse, gap = (f"{run.metrics[key]:.6g}" if key in run.metrics else "-" for key in ("mse_final", "mse_gap"))
    return [reason, stable, steps, mse, gap, to_gap, predicted]


def text_table(runs: Sequence[RecordedRun], axes: Sequence[str]) -> str:
    """Return the table for a terminal, as far as anyone would read it there."""
    text = tabulate(rows(runs[:PRINTED_RUNS], axes), header(axes), tablefmt="simple", disable_numparse=True)
    more = len(runs) - PRINTED_RUNS
    return text if more <= 0 else f"{text}\n... and {more} runs more, which table.csv of the parent run has"


def markdown_table(runs: Sequence[RecordedRun], axes: Sequence[str]) -> str:
    """Return the table in Markdown."""
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows(runs, axes)]
    return tabulate(escaped, header(axes), tablefmt="github", disable_numparse=True)


def write_csv(path: Path, runs: Sequence[RecordedRun], axes: Sequence[str]) -> None:
    """Write the table as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header(axes), *rows(runs, axes)])


def sweep_description(took: str, links: Mapping[str, str], runs: Sequence[RecordedRun], axes: Sequence[str]) -> str:
    """Return the Markdown of a parent's description: time taken, the table as far as there is room, and links."""
    short = {label: link for label, link in links.items() if len(runs) <= DESCRIBED_RUNS or label.startswith("grouped")}
    pages = "\n".join(f"- [{label}]({link})" for label, link in short.items())
    more = f"\n\nThe other {len(runs) - DESCRIBED_RUNS} runs are in table.csv." if len(runs) > DESCRIBED_RUNS else ""
    return f"{took}.\n\n{markdown_table(runs[:DESCRIBED_RUNS], axes)}{more}\n\n{pages}"
