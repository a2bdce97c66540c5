"""`python -m gdexp.report`: pages, numbers and figures from what was recorded, the same bytes each time."""

from __future__ import annotations

import csv
import re
import subprocess
from pathlib import Path

import pytest

from tests.integration.conftest import Folder

CLAIMS = """
question: Is it so?
sources: {paper: {title: A paper, url: "https://example.org/paper"}}
show: [{run: {lr: 0.01}, figure: loss_curve}]
claims:
  - {id: first, source: paper, says: It is 11.80., run: {lr: 0.01}, metric: mse, step: 1000, value: 11.80}
  - {id: second, source: paper, says: It is 11.79., run: {lr: 0.01}, metric: mse, step: 1000, value: 11.79}
  - {id: third, source: paper, says: It is fast., run: {lr: 0.5}, metric: mse_final, below: 2}
"""


def report(folder: Folder, *arguments: str) -> subprocess.CompletedProcess[str]:
    return folder.python("-m", "gdexp.report", *arguments)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def swept(shared_folder: Folder) -> Folder:
    done = shared_folder.gdexp("-m", "lr=0.01,0.06,0.1", "init=near_zero", "seed=0,1")
    assert done.returncode == 0, done.stderr
    (shared_folder.path / "claims.yaml").write_text(CLAIMS)
    return shared_folder


@pytest.fixture(scope="module")
def reported(swept: Folder) -> tuple[Folder, str]:
    done = report(swept, "--claims", "claims.yaml", "--out", "first")
    assert done.returncode == 0, done.stderr
    return swept, done.stdout


def test_the_latest_sweep_gets_pages_numbers_and_figures(reported: tuple[Folder, str]) -> None:
    folder, output = reported
    made = contents(folder.path / "first")
    assert {"report.html", "report.md", "results.csv"} <= made.keys()
    figures = {Path(name).stem for name in made if name.startswith("figures/")}
    assert {"curves", "gap_by_lr", "steps_by_lr", "seeds", "targets", "contraction", "heatmap"} <= figures
    page, text = made["report.html"].decode(), made["report.md"].decode()
    for title in ("Question", "Outcomes", "Time to target", "Stopping-rule audit", "Contraction", "How to reproduce"):
        assert title in page
        assert title in text
    assert "report: first/report.html" in output


def test_claims_are_printed_and_shown_with_the_right_numbers(reported: tuple[Folder, str]) -> None:
    folder, output = reported
    lines = output.splitlines()
    assert any(
        line.startswith("not reproduced  first: mse at step 1000, lr=0.01: published 11.80, here 11.7858")
        for line in lines
    )
    assert any(line.startswith("not checkable   third: ") and "lr=0.5" in line for line in lines)
    text = (folder.path / "first" / "report.md").read_text()
    assert "not reproduced" in text
    assert "Is it so?" in text


def test_a_report_says_what_reproduces_it_and_nothing_of_when_and_where(reported: tuple[Folder, str]) -> None:
    folder, _ = reported
    parent, children = folder.parent_and_children()
    made = contents(folder.path / "first")
    text = made["report.md"].decode()
    assert "python -m gdexp -m lr=0.01,0.06,0.1 init=near_zero seed=0,1" in text
    assert re.search(r"SHA-256 [0-9a-f]{64}", text)
    assert re.search(r"^numpy==", text, re.MULTILINE)
    for content in made.values():
        for secret in (str(folder.path), parent.info.run_id, *(run.info.run_id for run in children)):
            assert secret.encode() not in content


def test_the_same_store_gives_the_same_bytes(reported: tuple[Folder, str]) -> None:
    folder, _ = reported
    assert report(folder, "--claims", "claims.yaml", "--out", "second").returncode == 0
    assert contents(folder.path / "first") == contents(folder.path / "second")


def test_the_report_is_kept_with_the_sweep(reported: tuple[Folder, str]) -> None:
    folder, _ = reported
    parent, _ = folder.parent_and_children()
    kept = folder.artifact(parent, "report")
    assert contents(kept) == contents(folder.path / "first")


def test_the_numbers_have_a_row_for_each_run(reported: tuple[Folder, str]) -> None:
    folder, _ = reported
    with (folder.path / "first" / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["lr"], row["seed"]) for row in rows] == [(lr, s) for lr in ("0.01", "0.06", "0.1") for s in "01"]
    assert [row["stop_reason"] for row in rows] == ["max_iterations"] * 4 + ["diverged"] * 2
    children = folder.parent_and_children()[1]
    for row, run in zip(rows, children, strict=True):
        assert row["mse_final"] == f"{run.data.metrics['mse_final']:.6g}"
        assert int(row["steps"]) == run.data.metrics["steps"]


def test_two_sweeps_stand_in_one_report_in_the_format_asked_for(swept: Folder) -> None:
    parent, _ = swept.parent_and_children()
    single = swept.gdexp("lr=0.05", "plots=none")
    run_id = re.search(r"run ([0-9a-f]{32})", single.stdout)
    assert run_id
    done = report(swept, parent.info.run_id, run_id[1], "--format", "pdf", "--latex", "--out", "both")
    assert done.returncode == 0, done.stderr
    made = contents(swept.path / "both")
    assert {"figures/1_curves.pdf", "figures/2_curves.pdf", "figures/1_curves.png", "table.tex"} <= made.keys()
    assert made["table.tex"].count(b"\\toprule") == 2
    assert made["report.html"].count(b"<h3>") >= 10


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "no study 'nothing' is recorded in the experiment 'gdexp'"),
        (["0" * 32], "there is no run 0000"),
        (["a", "b", "c"], "a report is on one sweep or two; got 3"),
        (["--claims", "missing.yaml"], "missing.yaml"),
        (["--claims", "broken.yaml"], "broken.yaml:2: "),
        (["--format", "gif"], "invalid choice: 'gif'"),
        (["--out", "claims.yaml"], "--out takes a folder that can be written; got 'claims.yaml'"),
        (["--uri", "sqlite:///elsewhere.db"], "nothing is recorded yet: there is no store sqlite:///elsewhere.db"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(swept: Folder, arguments: list[str], said: str) -> None:
    (swept.path / "broken.yaml").write_text("question: Why?\nclaims: 3\n")
    done = report(swept, *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("gdexp.report: ")
    assert said in line
    assert not (swept.path / "elsewhere.db").exists()


def test_hostile_names_do_no_harm(folder: Folder) -> None:
    name = "<script>alert(1)</script>"
    rows = "\n".join(f"{x},{2 * x},{3 * x + 1 + x % 2}" for x in range(9))
    (folder.path / "evil.csv").write_text(f'{name},"../../b|`c`",target\n{rows}\n')
    done = folder.gdexp("-m", "data=file", "data.path=evil.csv", "data.target=target", "lr=0.001,0.01", "plots=none")
    assert done.returncode == 0, done.stderr
    assert report(folder, "--out", "out").returncode == 0
    page = (folder.path / "out" / "report.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in (folder.path / "out" / "report.md").read_text().replace("\\<", "")
    assert {path.name for path in folder.path.iterdir()} <= {
        "evil.csv",
        "out",
        "mlruns",
        "mlflow.db",
        "mlflow.db-wal",
        "mlflow.db-shm",
    }
