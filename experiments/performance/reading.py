"""Rows 9 and 10: reading a sweep back, and the query behind the charts of the MLflow UI."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.performance.descents import Array
from experiments.performance.measure import Contender, child, interleaved
from experiments.performance.profiles import by_package
from experiments.performance.results import Aim, Case, Settings, check_same
from experiments.performance.stores import losses, opened, without_statistics
from experiments.performance.sweeps import MANY, learning_rates, many_runs, record_many
from gdexp import load_sweep

POINTS_OF_A_CHART = 320
"""How many points of a curve the UI asks for."""
CHILDREN = (
    "SELECT r.run_uuid FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'mlflow.parentRunId' "
    "WHERE r.status = 'FINISHED'"
)


def children(store: Path) -> list[str]:
    """Return the ids of the finished runs of the sweep in a store."""
    with opened(store) as connection:
        return [run for (run,) in connection.execute(CHILDREN)]


def histories(store: Path, runs: Sequence[str]) -> dict[str, Array]:
    """Return the losses of `runs` as a client of MLflow reads them, run by run."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{store}")
    return {run: np.array([point.value for point in client.get_metric_history(run, "mse")]) for run in runs}


def queried_losses(store: Path) -> int:
    """Fetch the losses of all finished runs of the sweep in a store by one query, and return how many there are."""
    with opened(store) as connection:
        select = f"SELECT run_uuid, step, value FROM metrics WHERE key = 'mse' AND run_uuid IN ({CHILDREN})"
        return len(connection.execute(select).fetchall())


def reading_row(settings: Settings) -> list[Case]:
    """Row 9: a sweep of 1,000 runs as frames and as a report, against MLflow's client on every tenth run."""
    rates, seeds, steps = settings.size(50, 2), settings.size(20, 2), settings.size(1000, 20)
    folder = settings.folder("reading")
    swept = [f"lr={learning_rates(rates)}", "init=near_zero", f"seed=range({seeds})", "plots=none"]
    child(["-m", "gdexp", "-m", "hydra/launcher=vectorized", *swept, f"stopping.max_iterations={steps}"], folder)
    ours, stock = folder / "mlflow.db", folder / "stock.db"
    without_statistics(ours, stock)
    runs = children(ours)
    timed = runs[::10]
    scale, note = len(runs) / len(timed), f"extrapolated from {len(timed)} runs"

    report_command = ["-m", "gdexp.report", "--out", "report"]
    # The first use of each costs more, once: to extrapolate it would make it cost more for every run.
    load_sweep(uri=f"sqlite:///{ours}")
    histories(stock, timed[:1])
    histories(ours, timed[:1])
    samples = interleaved(
        [
            Contender("gdexp", "gdexp", lambda: load_sweep(uri=f"sqlite:///{ours}")),
            Contender(
                "get_metric_history a run",
                "peer",
                lambda: histories(stock, timed),
                f"the store as MLflow leaves it; {note}",
                scale,
            ),
            Contender(
                "get_metric_history a run, gdexp's statistics", "peer", lambda: histories(ours, timed), note, scale
            ),
            Contender("one SQL query for all losses", "limit", lambda: queried_losses(ours)),
            Contender(
                "python -m gdexp.report, the whole process",
                "reference",
                lambda: child(report_command, folder),
            ),
        ],
        settings.repetitions,
    )
    mine, plain, quick, queried, report = samples.values()
    found = {mine.result.runs["run_id"][job]: frame["mse"] for job, frame in mine.result.trajectories.groupby("job")}
    check_same([sum(map(len, found.values()))], [queried.result], "the query")
    for run in timed:
        for client in (plain, quick):
            check_same(found[run], client.result[run], "get_metric_history")
    return [
        Case(
            row=9,
            work=f"reading back a sweep of {len(runs):,} runs, K={steps:,}",
            samples=list(samples.values()),
            aims=[
                Aim("30x get_metric_history", plain.median / mine.median, at_least=30),
                Aim("the report in at most 10 s", report.median, at_most=10),
            ],
            checked=f"all losses of {len(timed)} runs, the number of losses of all",
            profiles=[by_package(f"the report on a sweep of {len(runs):,} runs", report_command, folder)],
        )
    ]


def chart_row(settings: Settings) -> list[Case]:
    """Row 10: what the UI asks for to draw one curve, through MLflow's store, in a store of 10,000 runs."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    folder = settings.folder(MANY)
    ours, stock = folder / "mlflow.db", folder / "stock.db"
    if not ours.exists():
        record_many(many_runs(settings), folder)
    without_statistics(ours, stock)
    runs = children(ours)
    run = runs[len(runs) // 2]
    stores = {
        path: SqlAlchemyStore(f"sqlite:///{path}", str(folder / "unused"))  # type: ignore[no-untyped-call]
        for path in (ours, stock)
    }

    def curve(path: Path) -> list[float]:
        points = stores[path].get_metric_history_bulk_interval([run], "mse", POINTS_OF_A_CHART, None, None)
        return [point.value for point in sorted(points, key=lambda point: point.step)]

    check_same(losses(ours, run), curve(ours), "the chart")
    check_same(losses(ours, run), curve(stock), "the chart without statistics")
    samples = interleaved(
        [
            Contender("the store as gdexp leaves it", "gdexp", lambda: curve(ours)),
            Contender("the store without its statistics", "peer", lambda: curve(stock)),
        ],
        settings.repetitions,
    )
    for store in stores.values():
        store.engine.dispose()
    stock.unlink()
    mine, plain = samples.values()
    return [
        Case(
            row=10,
            work=f"the chart query of one run (get-history-bulk-interval) in a store of {len(runs):,} runs",
            samples=[mine, plain],
            aims=[Aim("50x the store without statistics", plain.median / mine.median, at_least=50)],
            checked="all points of the curve",
        )
    ]
