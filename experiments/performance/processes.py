"""Row 6: one run as a whole process, from an empty folder and again."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import replace
from pathlib import Path

from experiments.performance.measure import Contender, Measured, child, interleaved
from experiments.performance.profiles import by_package, by_package_imported
from experiments.performance.results import Aim, Case, Settings, check_same
from experiments.performance.stores import losses, runs

ONE_RUN = ("-m", "gdexp", "lr=0.01")
SCRIPT = Path(__file__).with_name("by_hand.py")
IMPORT = "import mlflow"


def row(settings: Settings) -> list[Case]:
    """Row 6: the command of a beginner against a script that does the same."""
    folder = settings.folder("processes")
    fresh = itertools.count()
    used: dict[str, Path] = {}

    def first(who: str, *arguments: str | Path) -> Measured:
        shutil.rmtree(used.get(who, folder / "none"), ignore_errors=True)
        used[who] = settings.folder(f"processes/{who}-{next(fresh)}")
        return child(arguments, used[who])

    samples = interleaved(
        [
            Contender("gdexp, first use", "gdexp", lambda: first("gdexp", *ONE_RUN)),
            Contender("script, first use", "peer", lambda: first("script", SCRIPT)),
            Contender("gdexp, second use", "gdexp", lambda: child(ONE_RUN, used["gdexp"])),
            Contender("script, second use", "peer", lambda: child([SCRIPT], used["script"])),
            Contender("import mlflow", "limit", lambda: child(["-c", IMPORT], folder)),
        ],
        settings.repetitions,
    )
    first_use, second_use, *by_hand = (
        losses(store, run)
        for store in (used["gdexp"] / "mlflow.db", used["script"] / "mlflow.db")
        for run in runs(store)
    )
    check_same(first_use, second_use, "the second use")
    for theirs in by_hand:
        check_same(first_use, theirs, "the script")
    profiles = [
        by_package("second use of `python -m gdexp lr=0.01`", ONE_RUN, used["gdexp"]),
        by_package_imported("second use of `python -m gdexp lr=0.01`", ONE_RUN, used["gdexp"]),
    ]
    limit = samples["import mlflow"]

    def case(use: str, most: float) -> Case:
        ours, script = samples[f"gdexp, {use}"], samples[f"script, {use}"]
        aim = Aim(f"at most {most:g}x the script", ours.median / script.median, at_most=most)
        return Case(
            row=6,
            work=f"`python -m gdexp lr=0.01`, the whole process, {use}",
            samples=[replace(ours, name="gdexp"), replace(script, name="script with log_batch and one figure"), limit],
            aims=[aim],
            checked="all 1,001 losses of the script",
            profiles=profiles if use == "second use" else [],
        )

    return [case("first use", 1.0), case("second use", 1.1)]
