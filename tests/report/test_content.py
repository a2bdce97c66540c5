from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from gdexp.core import Stopping, descend, theory, zero
from gdexp.core.descent import TARGETS
from gdexp.data import load
from gdexp.data.datasets.seven_cars import SevenCars
from gdexp.report.blocks import Section, Table, Text
from gdexp.report.content import MOST_ROWS, Reported, sections
from gdexp.report.outcomes import Outcome
from gdexp.report.provenance import Provenance
from gdexp.report.report import draw, result_rows, write
from gdexp.tracking import Store
from gdexp.tracking.read import RecordedRun, RecordedSweep
from tests.report.conftest import recorded

PROBLEM = load(SevenCars()).problem


def outcome(lr: str, steps: int = 2000, **others: str) -> Outcome:
    """A descent on the seven cars, and what the store would give back of it."""
    known = theory(PROBLEM, lr=float(lr), start=zero(PROBLEM))
    trajectory = descend(PROBLEM, lr=float(lr), start=zero(PROBLEM), stopping=Stopping(max_iterations=steps))
    metrics = {
        "mse_final": float(trajectory.mse[-1]),
        "mse_gap": float(trajectory.gap[-1]),
        "steps": float(trajectory.steps),
        "theory_minimum_mse": known.minimum_mse,
        "theory_max_stable_lr": known.max_stable_lr,
        "theory_relative_lr": known.relative_lr,
        "theory_contraction": known.contraction,
    }
    tags = {"gdexp.stop_reason": trajectory.reason.tag, "gdexp.stable": str(known.stable).lower()}
    run = recorded({"lr": lr, **others}, metrics=metrics, tags=tags, run_id=f"{lr}{others}")
    columns = {"step": np.arange(trajectory.steps + 1.0), "mse": trajectory.mse, "gap": trajectory.gap}
    steps_to = {
        target: int(reached[0])
        if len(reached := np.flatnonzero(trajectory.gap <= target * trajectory.gap[0]))
        else None
        for target in TARGETS
    }
    return Outcome(run, columns, steps_to, {"max_iterations=100": min(100, trajectory.steps)}, known.contraction)


def reported(
    outcomes: list[Outcome], *others: RecordedRun, pictures: Mapping[str, Path] | None = None, name: str = "a sweep"
) -> Reported:
    parent = recorded(tags={"gdexp.axes": '["lr"]'})
    sweep = RecordedSweep(cast("Store", None), parent, [*(one.run for one in outcomes), *others])
    origin = Provenance(("python -m gdexp",), ("Data seven_cars",), ("gdexp 1",))
    return Reported(name, sweep, outcomes, None, [], [], pictures or {}, [], origin)


@pytest.fixture(scope="module")
def three() -> Reported:
    return reported([outcome("0.01"), outcome("0.06"), outcome("0.1")])


def section(made: list[Section], title: str) -> Section:
    return next(one for one in made if one.title == title)


def table(made: list[Section], title: str) -> Table:
    return next(block for block in section(made, title).parts[0].blocks if isinstance(block, Table))


def texts(made: list[Section], title: str) -> str:
    return " ".join(block.text for block in section(made, title).parts[0].blocks if isinstance(block, Text))


def test_the_outcome_has_a_row_for_each_run_with_six_digits(three: Reported) -> None:
    made = table(sections([three]), "Outcomes")
    assert made.header[:6] == ["lr", "stop reason", "stable", "steps", "final MSE", "gap / initial"]
    assert made.rows[0][:6] == ["0.01", "max_iterations", "yes", "2000", "4.8383", "0.0111454"]
    assert made.rows[2][:4] == ["0.1", "diverged", "no", "12"]


def test_it_says_in_short_how_runs_ended_and_which_was_first(three: Reported) -> None:
    said = texts(sections([three]), "In short")
    assert said.startswith(
        "3 runs: 2 max_iterations, 1 diverged. 1 of them with lr at or above the largest stable one."
    )
    assert "1 reached 1e-6 of the initial gap; the first at step 1719, with lr=0.06." in said


def test_without_a_run_at_the_target_it_says_how_near_they_came() -> None:
    assert "the least that was left is 0.0111454 of it." in texts(sections([reported([outcome("0.01")])]), "In short")


def test_time_to_target_counts_the_runs_that_reached_it(three: Reported) -> None:
    first, second, third = table(sections([three]), "Time to target").rows
    assert first[:2] == ["0.01", "1 of 3"]
    assert (second[0], third[:3]) == ("0.0001", ["1e-06", "1 of 3", "1719"])


def test_gaps_in_the_noise_of_rounding_are_not_printed_as_numbers() -> None:
    made = table(sections([reported([outcome("0.06", steps=8000)])]), "Outcomes")
    assert made.rows[0][5] == "< 1e-12"


def test_runs_that_did_not_finish_are_said_and_have_dashes() -> None:
    made = sections([reported([outcome("0.01")], recorded({"lr": "0.02"}, status="KILLED", run_id="other"))])
    assert "Not every run was carried out to its end: 1 finished, 1 killed." in texts(made, "In short")
    assert table(made, "Outcomes").rows[1] == ["0.02", "killed", *["-"] * 8]


def test_a_sweep_without_a_finished_run_has_a_report_all_the_same(tmp_path: Path) -> None:
    none = reported([], recorded({"lr": "0.02"}, status="FAILED"))
    write([none], tmp_path, latex=True)
    assert "1 failed" in (tmp_path / "report.md").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "report.md", "results.csv", "table.tex"}


def test_large_sweeps_show_the_first_runs_and_keep_all_in_the_numbers() -> None:
    one = outcome("0.01", steps=3)
    many = reported(
        [
            Outcome(
                recorded({"lr": "0.01"}, metrics=one.run.metrics, run_id=str(k)),
                one.columns,
                one.steps_to,
                one.stops,
                None,
            )
            for k in range(150)
        ]
    )
    assert len(table(sections([many]), "Outcomes").rows) == MOST_ROWS
    assert "The first 100 of 150 runs; results.csv has all." in texts(sections([many]), "Outcomes")
    assert len(result_rows(many)) == 150


def test_the_numbers_hold_what_was_measured(three: Reported) -> None:
    rows = result_rows(three)
    assert rows[1]["steps_to_1e-06"] == "1719"
    assert rows[1]["stop by max_iterations=100"] == "100"
    assert rows[2]["gap / initial at stop by max_iterations=100"] == f"{three.outcomes[2].relative_gap(12):.6g}"
    assert rows[0]["sweep"] == "a sweep"


def test_two_sweeps_have_a_part_each_in_every_section(three: Reported) -> None:
    made = sections([three, reported([outcome("0.02")], name="another")])
    assert all([part.name for part in one.parts] == ["a sweep", "another"] for one in made)


@pytest.mark.parametrize(
    ("picture_format", "suffixes"), [("png", {".png"}), ("svg", {".svg"}), ("pdf", {".pdf", ".png"})]
)
def test_figures_come_in_the_format_asked_for_and_one_that_pages_show(
    picture_format: str, suffixes: set[str], three: Reported, tmp_path: Path
) -> None:
    drawn = draw(three.outcomes, ["lr"], tmp_path, "", picture_format)
    assert {"curves", "gap_by_lr", "steps_by_lr", "targets", "contraction"} == drawn.keys()
    assert {path.suffix for path in tmp_path.iterdir()} == suffixes
    write([reported(list(three.outcomes), pictures=drawn)], tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/" + ("svg+xml" if picture_format == "svg" else "png")) == 5
