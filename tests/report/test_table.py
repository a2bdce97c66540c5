from __future__ import annotations

import csv
from pathlib import Path

import pytest

from gdexp.report.table import markdown_table, sweep_description, text_table, write_csv
from gdexp.tracking.read import RecordedRun
from tests.report.conftest import recorded


def run(lr: str, reason: str, status: str = "FINISHED", **metrics: float) -> RecordedRun:
    tags = {"gdexp.stop_reason": reason, "gdexp.stable": "true"}
    return recorded({"lr": lr}, status=status, metrics=metrics, tags=tags)


RUNS = [
    run("0.1", "converged", steps=12, mse_final=1 / 3, mse_gap=1e-13, steps_to_gap=5, theory_steps_to_gap=5),
    run("0.2", "", "KILLED"),
]


def test_the_terminal_shows_a_line_for_each_run_and_dashes_for_what_is_absent() -> None:
    _, _, first, second = text_table(RUNS, ["lr"]).splitlines()
    assert first.split() == ["0.1", "converged", "yes", "12", "0.333333", "1e-13", "5", "5"]
    assert second.split() == ["0.2", "killed", "yes", "-", "-", "-", "-", "-"]


def test_the_terminal_shows_a_hundred_runs_and_says_where_the_others_are() -> None:
    lines = text_table(RUNS * 60, ["lr"]).splitlines()
    assert len(lines) == 103
    assert lines[-1] == "... and 20 runs more, which table.csv of the parent run has"


def test_markdown_escapes_what_would_break_a_cell() -> None:
    odd = recorded({"data.path": "a|b.csv"})
    assert "a\\|b.csv" in markdown_table([odd], ["data.path"])


def test_the_csv_holds_the_whole_table(tmp_path: Path) -> None:
    write_csv(tmp_path / "table.csv", RUNS, ["lr"])
    with (tmp_path / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["stop reason"] for row in rows] == ["converged", "killed"]


@pytest.mark.parametrize("count", [3, 31, 500])
def test_a_description_fits_into_what_mlflow_keeps(count: int) -> None:
    runs = [run(f"{k:.15f}", "converged", steps=1, mse_final=1 / 3, mse_gap=1 / 3) for k in range(count)]
    links = {"curves overlaid": "x" * 50 * count, "grouped by lr": "short"}
    text = sweep_description("3 runs in 1 s", links, runs, ["lr"])
    assert len(text) < 8000
    assert "[grouped by lr](short)" in text
    assert (f"The other {count - 30} runs are in table.csv." in text) == (count > 30)
