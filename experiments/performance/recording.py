"""Rows 4 and 5: one run into an existing store, in a warm process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from experiments.performance.measure import Contender, Measured, Sample, interleaved
from experiments.performance.results import Aim, Case, Settings, check_same
from experiments.performance.stores import insert_raw, losses, metric_rows, opened

LR = 0.01
OUTCOMES_AT = 0
STEPS_BY_STEP = 2000
"""How many steps `log_metric` records where the rest is extrapolated."""


@dataclass(frozen=True)
class Recorded:
    """What gdexp recorded of one run in the store at `path`, to be recorded by hand in the same words."""

    path: Path
    run_id: str
    params: dict[str, str]
    tags: dict[str, str]
    outcomes: dict[str, float]


def gdexp_run(uri: str, steps: int) -> str:
    """Plan, carry out and record one run without figures, and return its id."""
    from gdexp.config import Config
    from gdexp.run import execute, plan_run
    from gdexp.tracking import open_store

    config = Config.from_mapping(
        {"lr": LR, "tracking": {"uri": uri}, "stopping": {"max_iterations": steps}, "plots": {"name": "none"}}
    )
    return execute(plan_run(config), open_store(config.tracking)).run_id


def recorded(path: Path, run_id: str) -> Recorded:
    """Read back what belongs to the contract besides the steps: params, gdexp's tags, the metrics of one point."""
    with opened(path) as store:
        params = dict(store.execute("SELECT key, value FROM params WHERE run_uuid = ?", [run_id]))
        tags = dict(store.execute("SELECT key, value FROM tags WHERE run_uuid = ? AND key LIKE 'gdexp.%'", [run_id]))
    once = {
        key: value
        for key, step, value in metric_rows(path, run_id)
        if step == OUTCOMES_AT and key != "mse" and not key.startswith("parameter_")
    }
    return Recorded(path, run_id, params, tags, once)


def by_hand(uri: str, like: Recorded, steps: int, how: str) -> Callable[[], str]:
    """Return the same run as a script does it: descend in NumPy, write the same files, record by `how`."""
    from mlflow import MlflowClient

    from experiments.performance import by_hand as script

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("by_hand")
    experiment_id = experiment.experiment_id if experiment else client.create_experiment("by_hand")
    versions = "\n".join(sorted(f"{one.name}=={one.version}" for one in distributions()))
    record = {"log_batch": script.record_batch, "log_metric": script.record_steps}[how]

    def run() -> str:
        history = script.descend(LR, steps)
        metrics = script.metrics_of(history)
        metrics += script.metrics_of({key: np.array([value]) for key, value in like.outcomes.items()})
        with TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "config.yaml").write_text("\n".join(f"{key}: {value}" for key, value in like.params.items()))
            (folder / "environment.txt").write_text(versions)
            script.write_trajectory(folder / "trajectory.parquet", history)
            return record(
                client, experiment_id, "by hand", metrics, like.params, folder, like.tags, digest=like.run_id[:36]
            )

    return run


def check_rows(like: Recorded, run_id: str, who: str) -> None:
    """Compare every metric row of a run by hand with gdexp's: the same keys and steps, the same losses."""
    ours, theirs = metric_rows(like.path, like.run_id), metric_rows(like.path, run_id)
    if [row[:2] for row in ours] != [row[:2] for row in theirs]:
        raise RuntimeError(f"{who} recorded other metrics than gdexp: the work is not the same")
    check_same(losses(like.path, like.run_id), losses(like.path, run_id), who)


def row(
    settings: Settings, number: int, steps: int, aims: Callable[[Sample, Sample, Sample, Sample], list[Aim]]
) -> Case:
    """Return the case of one run of so many steps."""
    folder = settings.folder(f"recording-{number}")
    path = folder / "mlflow.db"
    uri = f"sqlite:///{path}"
    like = recorded(path, gdexp_run(uri, steps))
    stepwise = min(steps, STEPS_BY_STEP)
    few = like if stepwise == steps else recorded(path, gdexp_run(uri, stepwise))
    scale = steps / stepwise
    note = "" if scale == 1 else f"extrapolated from {stepwise:,} steps"

    def raw() -> Measured:
        return Measured(insert_raw(path, folder / "raw.db", ["metrics"], like.run_id))

    samples = interleaved(
        [
            Contender("gdexp", "gdexp", lambda: gdexp_run(uri, steps)),
            Contender("log_metric per step", "peer", by_hand(uri, few, stepwise, "log_metric"), note, scale),
            Contender("log_batch", "peer", by_hand(uri, like, steps, "log_batch")),
            Contender("raw sqlite3 inserts of the metric rows", "limit", raw),
        ],
        settings.repetitions,
    )
    ours, each, batch, limit = samples.values()
    check_rows(few, each.result, "log_metric")
    check_rows(like, batch.result, "log_batch")
    count = len(metric_rows(path, like.run_id))
    return Case(
        row=number,
        work=f"one run into an existing SQLite store, K={steps:,}, all records, no figure",
        samples=[ours, each, batch, limit],
        aims=aims(ours, each, batch, limit),
        checked=f"key and step of all {count:,} metric rows and every loss"
        + ("" if few is like else f"; of log_metric, those of {stepwise:,} steps"),
    )


def usual_row(settings: Settings) -> list[Case]:
    """Row 4: 1,000 steps."""

    def aims(ours: Sample, each: Sample, batch: Sample, _: Sample) -> list[Aim]:
        return [
            Aim("100x log_metric per step", each.median / ours.median, at_least=100),
            Aim("3x log_batch", batch.median / ours.median, at_least=3),
        ]

    return [row(settings, 4, settings.size(1000, 20), aims)]


def long_row(settings: Settings) -> list[Case]:
    """Row 5: 100,000 steps."""

    def aims(ours: Sample, _: Sample, __: Sample, limit: Sample) -> list[Aim]:
        return [Aim("within 3x of the raw inserts", ours.median / limit.median, at_most=3)]

    return [row(settings, 5, settings.size(100_000, 200), aims)]
