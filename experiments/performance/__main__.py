"""`python -m experiments.performance`: time gdexp, its peers and the limits on the same work, and write the report."""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory

from experiments.performance import large_data, processes, reading, recording, sweeps, training
from experiments.performance.figures import draw
from experiments.performance.report import page, ratio
from experiments.performance.results import Case, Row, Settings, write_csv

ROWS: dict[int, Row] = {
    1: training.steps_rows,
    2: training.growth_rows,
    3: large_data.row,
    4: recording.usual_row,
    5: recording.long_row,
    6: processes.row,
    7: sweeps.figures_row,
    8: sweeps.many_row,
    9: reading.reading_row,
    10: reading.chart_row,
}


def main() -> int:
    """Measure the rows that were asked for, write what came out, and return 1 where a row failed, 130 after Ctrl-C."""
    made = argparse.ArgumentParser("python -m experiments.performance", description=__doc__)
    made.add_argument("--rows", type=chosen_rows, default=list(ROWS), help="such as 1,4,6 (default: all)")
    made.add_argument("--quick", action="store_true", help="tiny sizes: does the program work?")
    made.add_argument("--work", type=Path, help="the folder for data and stores, which are removed at the end")
    made.add_argument("--out", type=Path, default=Path(__file__).parent, help="the folder of the report")
    options = made.parse_args()
    if options.work:
        options.work.mkdir(parents=True, exist_ok=True)
    forget_stores()
    cases: list[Case] = []
    status = 0
    with TemporaryDirectory(prefix="gdexp-bench-", dir=options.work) as work:
        settings = Settings(Path(work), 2 if options.quick else 5, options.quick)
        for number in options.rows:
            started = time.monotonic()
            say(f"row {number} ...")
            try:
                found = ROWS[number](settings)
            except KeyboardInterrupt:
                say("interrupted; the report holds the rows before")
                status = 130
                break
            except Exception as error:
                traceback.print_exc()
                status = 1
                work_of_row = (ROWS[number].__doc__ or "").partition(": ")[2].strip(".\n ")
                found = [Case(number, work_of_row, skipped=str(error).partition("\n")[0])]
            for case in found:
                say_case(case)
            cases += found
            say(f"row {number} took {time.monotonic() - started:.0f} s")
    options.out.mkdir(parents=True, exist_ok=True)
    figures = draw(options.out / "figures", cases)
    (options.out / "report.md").write_text(page(cases, settings, figures), encoding="utf-8")
    write_csv(options.out / "results.csv", cases)
    say(f"report: {options.out / 'report.md'}, results.csv and figures")
    return status


def chosen_rows(text: str) -> list[int]:
    """Return the rows named in `text`; raises ArgumentTypeError for one that there is not."""
    numbers = [int(part) if part.strip().isdigit() else 0 for part in text.split(",")]
    if not set(numbers) <= set(ROWS):
        raise argparse.ArgumentTypeError(f"takes numbers from 1 to {len(ROWS)} with commas between; got {text!r}")
    return sorted(set(numbers))


def forget_stores() -> None:
    """Keep this process and its children from other stores, and from MLflow's telemetry, which wants a network."""
    for key in [key for key in os.environ if key.startswith("MLFLOW_")]:
        del os.environ[key]
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def say_case(case: Case) -> None:
    """Print what a case came to."""
    say(f"  {case.work}" + (f": not measured, {case.skipped}" if case.skipped else ""))
    for sample in case.samples:
        say(f"    {sample.name}: {sample.missing or f'{sample.median:.4g} s'}")
    for aim in case.aims:
        say(f"    -> {aim.text}: {ratio(aim.value).removesuffix('x')}, {'met' if aim.met else 'missed'}")


if __name__ == "__main__":
    sys.exit(main())
