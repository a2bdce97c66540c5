"""The benchmark program: it takes turns, refuses unequal work, and writes what it measured."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.performance import measure
from experiments.performance.measure import Contender, Measured, UnavailableError, child, fastest, interleaved
from experiments.performance.report import page, ratio, seconds
from experiments.performance.results import Aim, Case, Settings, check_same

CHECKOUT = Path(__file__).resolve().parents[2]


def bench(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "experiments.performance", *map(str, arguments)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_contenders_take_turns_and_rest_before_each(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []
    monkeypatch.setattr(measure, "rest", lambda: turns.append("-"))
    contenders = [Contender(name, "peer", lambda name=name: turns.append(name)) for name in "ABC"]  # type: ignore[misc]
    samples = interleaved(contenders, 3)
    assert "".join(turns) == "-A-B-C-A-B-C-A-B-C"
    assert [len(sample.seconds) for sample in samples.values()] == [3, 3, 3]


def test_whoever_is_in_more_rounds_is_measured_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []
    monkeypatch.setattr(measure, "rest", lambda: None)
    contenders = [
        Contender("quick", "gdexp", lambda: turns.append("q"), rounds=3),
        Contender("slow", "peer", lambda: turns.append("S")),
        Contender("limit", "limit", lambda: turns.append("l"), rounds=3),
    ]
    samples = interleaved(contenders, 2)
    assert "".join(turns) == "qSlqlqlqSlqlql"
    assert [len(sample.seconds) for sample in samples.values()] == [6, 2, 6]


def test_the_fastest_of_some_repetitions_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 4.0, 5.0, 7.0, 7.0, 10.0])
    monkeypatch.setattr("experiments.performance.measure.time.perf_counter", lambda: next(clock))
    assert fastest(lambda: "read", times=3) == Measured(2.0, "read")


def test_a_contender_that_is_not_installed_is_missing_and_the_others_go_on() -> None:
    def absent() -> None:
        raise UnavailableError("not installed")

    samples = interleaved([Contender("absent", "peer", absent), Contender("present", "gdexp", list)], 2)
    assert (samples["absent"].missing, samples["absent"].seconds) == ("not installed", ())
    assert len(samples["present"].seconds) == 2


def test_a_time_that_was_extrapolated_is_scaled() -> None:
    sample = interleaved([Contender("tenth", "peer", lambda: Measured(0.5, "done"), scale=10)], 2)["tenth"]
    assert (sample.seconds, sample.median, sample.result) == ((5.0, 5.0), 5.0, "done")


def test_a_child_reports_its_own_peak_memory_and_not_that_of_its_parent(tmp_path: Path) -> None:
    ballast = bytearray(2**28)
    ballast[::4096] = b"x" * len(ballast[::4096])
    done = child(["-S", "-c", "print('small')"], tmp_path)
    assert done.result.strip() == "small"
    assert done.peak is not None
    assert done.peak < 2**27


def test_a_child_that_fails_ends_the_row_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with 3:\nno luck"):
        child(["-c", "import sys; print('no luck'); sys.exit(3)"], tmp_path)


@pytest.mark.parametrize(("theirs", "reason"), [([1.0, 2.1], "differ from gdexp's by 5.0e-02"), ([1.0], "recorded 1")])
def test_unequal_work_is_refused(theirs: list[float], reason: str) -> None:
    with pytest.raises(RuntimeError, match=reason):
        check_same([1.0, 2.0], theirs, "the peer")


def test_losses_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(RuntimeError, match="not the same"):
        check_same([1.0], [float("nan")], "the peer")


def test_aims_are_met_or_missed_by_their_numbers() -> None:
    assert Aim("fast", 41.0, at_least=40).met
    assert not Aim("fast", 39.0, at_least=40).met
    assert Aim("near", 20.0, at_most=20).met
    assert not Aim("near", 20.1, at_most=20).met


@pytest.mark.parametrize(("value", "text"), [(250.0, "250 s"), (1.234, "1.23 s"), (0.0123, "12.3 ms"), (1e-5, "10 us")])
def test_times_have_three_digits_and_a_unit(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(("value", "text"), [(1234.5, "1,234x"), (0.0123, "0.0123x"), (12.34, "12.3x")])
def test_ratios_are_read_as_times(value: float, text: str) -> None:
    assert ratio(value) == text


def test_the_report_says_who_was_faster_what_is_missing_and_what_was_missed(tmp_path: Path) -> None:
    samples = interleaved(
        [
            Contender("gdexp", "gdexp", lambda: Measured(0.5)),
            Contender("loop", "peer", lambda: Measured(2.0)),
            Contender("read", "limit", lambda: Measured(0.25)),
        ],
        2,
    )
    case = Case(1, "training", list(samples.values()), [Aim("40x", 4.0, at_least=40)], "every loss")
    written = page([case, Case(3, "large", skipped="needs 6.7 GB of disk")], Settings(tmp_path, 2, False), [])
    assert "| 1 | training | 500 ms [500 ms - 500 ms] | loop: 2 s [2 s - 2 s] = **4x** | read: 250 ms" in written
    assert "40x: 4, **missed**" in written
    assert "not measured: needs 6.7 GB of disk" in written
    assert "quick" not in written


def test_a_quick_run_measures_the_rows_it_was_asked_for_and_writes_them(tmp_path: Path) -> None:
    done = bench("--quick", "--rows", "1,4", "--work", tmp_path / "work", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "out/results.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["row"] for row in rows} == {"1", "4"}
    for row in rows:
        assert row["note"] == "not installed" or float(row["median"]) > 0, row
    report = (tmp_path / "out/report.md").read_text(encoding="utf-8")
    assert "A quick run with tiny sizes" in report
    assert "log_metric per step" in report
    assert {path.name for path in (tmp_path / "out/figures").iterdir()} == {"ratios.png", "training.png"}
    assert not list((tmp_path / "work").iterdir())


def test_a_row_that_there_is_not_is_refused_in_one_line(tmp_path: Path) -> None:
    done = bench("--rows", "1,11", "--out", tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("takes numbers from 1 to 10 with commas between; got '1,11'")
    assert not list(tmp_path.iterdir())
