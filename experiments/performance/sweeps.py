"""Rows 7 and 8: a sweep with figures, and one of 10,000 runs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.performance import benchopt_folder
from experiments.performance.measure import Contender, Measured, Sample, child, interleaved
from experiments.performance.processes import SCRIPT
from experiments.performance.profiles import by_package
from experiments.performance.results import Aim, Case, Settings, check_same
from experiments.performance.stores import check_same_runs, insert_raw, losses, opened, runs_by_lr

MANY = "many_runs"
"""The folder of the large sweep, whose store row 10 queries."""
GIBIBYTE = 2**30


def learning_rates(count: int) -> str:
    """Return so many learning rates below the largest stable one, as both the script and gdexp take them."""
    return ",".join(f"{lr:.6g}" for lr in np.geomspace(1e-3, 6e-2, count))


def figures_row(settings: Settings) -> list[Case]:
    """Row 7: 100 runs with a loss curve each, recorded into a store that exists; benchopt records nothing."""
    runs, steps = settings.size(100, 3), settings.size(1000, 20)
    rates = learning_rates(runs)
    ours, theirs, bench = (settings.folder(f"figures/{who}") for who in ("gdexp", "script", "benchopt"))
    command = ["-m", "gdexp", "-m", f"lr={rates}", f"stopping.max_iterations={steps}", "plots=loss_curve"]
    script: list[str | Path] = [SCRIPT, "--steps", str(steps), "--lr"]
    child(["-m", "gdexp", "plots=none"], ours)
    child([*script, rates.partition(",")[0]], theirs)
    contenders = [
        Contender("gdexp", "gdexp", lambda: child(command, ours)),
        Contender("script with log_batch and savefig", "peer", lambda: child([*script, rates], theirs)),
        Contender(
            "benchopt with a callback and its HTML",
            "peer",
            lambda: benchopt_folder.run(bench, rates.split(","), steps),
            "records nothing",
        ),
    ]
    samples = interleaved(contenders, settings.repetitions)
    check_same_runs(ours / "mlflow.db", theirs / "mlflow.db", "the script")
    mine, by_hand, benchopt = samples.values()
    if benchopt.seconds:
        runs_of = {float(lr): run for lr, run in runs_by_lr(ours / "mlflow.db").items()}
        for lr, values in benchopt.result.items():
            check_same(losses(ours / "mlflow.db", runs_of[lr]), values, "benchopt")
    speedup = by_hand.median / mine.median
    profile = by_package(f"a sweep of {runs} runs with figures", command, ours)
    return [
        Case(
            row=7,
            work=f"sweep of {runs} runs, K={steps:,}, a figure each, the whole process",
            samples=list(samples.values()),
            aims=[
                Aim("2x as fast as the script", speedup, at_least=2),
                Aim("1.5x as fast as the script at the least", speedup, at_least=1.5),
            ],
            checked=f"all losses of all {runs} runs",
            profiles=[profile],
        )
    ]


@dataclass(frozen=True)
class ManyRuns:
    """A sweep of learning rate by initialization by seed, with every fifth loss as a metric."""

    rates: int
    seeds: int
    steps: int

    @property
    def runs(self) -> int:
        """How many runs it has."""
        return self.rates * 2 * self.seeds

    def command(self) -> list[str]:
        """Return the arguments of Python."""
        swept = [f"lr={learning_rates(self.rates)}", "init=zero,near_zero", f"seed=range({self.seeds})"]
        thin = ["tracking.every=5", "tracking.max_parameters=0", f"stopping.max_iterations={self.steps}"]
        return ["-m", "gdexp", "-m", "hydra/launcher=vectorized", *swept, *thin]


def many_runs(settings: Settings) -> ManyRuns:
    """Return the sweep of row 8."""
    return ManyRuns(settings.size(50, 2), settings.size(100, 3), settings.size(1000, 20))


def record_many(sweep: ManyRuns, folder: Path) -> Measured:
    """Carry out the sweep in a store that exists and holds nothing but one run."""
    shutil.rmtree(folder)
    folder.mkdir()
    child(["-m", "gdexp", "plots=none"], folder)
    return child(sweep.command(), folder)


def many_row(settings: Settings) -> list[Case]:
    """Row 8: 10,000 runs against a script that is timed on a hundredth of them, and raw inserts of the same rows."""
    sweep, folder = many_runs(settings), settings.folder(MANY)
    theirs = settings.folder("many_by_hand")
    rates = learning_rates(sweep.rates)
    by_hand: list[str | Path] = [SCRIPT, *f"--every 5 --loss-only --keep trajectory --steps {sweep.steps} --lr".split()]
    timed = f"{rates},{rates}"
    count = 2 * sweep.rates

    def script() -> Measured:
        one, several = (child([*by_hand, given], theirs).seconds for given in (rates.partition(",")[0], timed))
        each = max(0.0, several - one) / (count - 1)
        return Measured(several + each * (sweep.runs - count))

    store = folder / "mlflow.db"
    samples = interleaved(
        [
            Contender("gdexp", "gdexp", lambda: record_many(sweep, folder)),
            Contender(
                "script with log_batch, no figure",
                "peer",
                script,
                f"extrapolated from 1 and {count} runs",
            ),
            Contender(
                "raw sqlite3 inserts of the same rows", "limit", lambda: Measured(insert_raw(store, folder / "raw.db"))
            ),
        ],
        settings.repetitions,
    )
    (folder / "raw.db").unlink()
    check_many(sweep, store, theirs / "mlflow.db")
    profiled = settings.folder("many_profiled")
    child(["-m", "gdexp", "plots=none"], profiled)
    profile = by_package(f"the sweep of {sweep.runs:,} runs", sweep.command(), profiled)
    shutil.rmtree(profiled)
    return [
        Case(
            row=8,
            work=f"sweep of {sweep.runs:,} runs (lr by init by seed), K={sweep.steps:,}, every fifth loss a metric",
            samples=list(samples.values()),
            aims=_many_aims(samples["gdexp"]),
            checked=f"finished runs and points counted; the losses of {sweep.rates} runs against the script",
            profiles=[profile],
        )
    ]


def _many_aims(ours: Sample) -> Sequence[Aim]:
    return [
        Aim("under 180 s", ours.median, at_most=180),
        Aim("peak memory under 1.5 GiB", (ours.peak or 0) / GIBIBYTE, at_most=1.5),
    ]


def check_many(sweep: ManyRuns, ours: Path, theirs: Path) -> None:
    """Check that every run of the sweep finished with every point, and the losses of those that the script made."""
    points = sweep.steps // 5 + 1
    with opened(ours) as store:
        counts = store.execute(
            "SELECT r.run_uuid, count(*) FROM runs r JOIN metrics m ON m.run_uuid = r.run_uuid AND m.key = 'mse' "
            "JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'mlflow.parentRunId' "
            "WHERE r.status = 'FINISHED' GROUP BY r.run_uuid"
        ).fetchall()
    complete = sum(count == points for _, count in counts)
    if complete != sweep.runs:
        raise RuntimeError(f"{complete} of {sweep.runs} runs hold {points} losses: the work was not done")
    zero = "AND r.run_uuid IN (SELECT run_uuid FROM params WHERE key = 'init.name' AND value = 'zero')"
    check_same_runs(ours, theirs, "the script", zero)
