"""`python -m gdexp.replay RUN`: carry a recorded run out again, and say whether it repeats to the bit."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from gdexp.command import command, parser, store_of
from gdexp.core import GdexpError
from gdexp.replay import ReplayError, rebuild, repeat
from gdexp.terminal import printable, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gdexp.tracking import Store
    from gdexp.tracking.read import RecordedRun


def main() -> None:
    """Run `python -m gdexp.replay`: exit 0 repeated, 1 differs, 2 cannot be repeated, 130 interrupted."""
    # Status 1 says that numbers differ, so a fault of gdexp's own must not end with it.
    with command("gdexp.replay", failed=2):
        arguments = parser(
            "gdexp.replay",
            "Carry a recorded run out again and compare every step. Exit status: 0 identical to the bit, 1 differs, "
            "2 cannot be repeated.",
        )
        arguments.add_argument("run", metavar="RUN", help="a run's id, as `recorded run ...` showed it")
        arguments.add_argument(
            "--sweep", action="store_true", help="all runs of a sweep: RUN is its parent's id, or a study's name"
        )
        options = arguments.parse_args()
        store = store_of(options)
        sys.exit(replay_sweep(store, options.run) if options.sweep else replay_one(store, options.run))


def replay_one(store: Store, run_id: str) -> int:
    """Replay one run, say how it compares, and return the exit status."""
    from gdexp.tracking.read import find_run

    run = find_run(store, run_id)
    rebuilt = rebuild(store, run)
    for remark in rebuilt.remarks:
        say(printable(remark), error=True)
    result = repeat(rebuilt)
    say(printable(f"{run.run_id} ({run.name}): {result}"))
    return int(not result.identical)


def replay_sweep(store: Store, name: str) -> int:
    """Replay every run of a sweep, say how each compares, and return the exit status."""
    from gdexp.tracking.read import find_sweep

    runs: Sequence[RecordedRun] = find_sweep(store, name).runs
    if not runs:
        raise ReplayError(f"the sweep {name} has no run")
    said: set[str] = set()
    counts = {"identical to the bit": 0, "differing": 0, "not to be repeated": 0}
    for number, run in enumerate(runs, start=1):
        try:
            rebuilt = rebuild(store, run)
            for remark in rebuilt.remarks:
                # Mostly the same of every run; each once is enough.
                if remark not in said:
                    say(printable(remark), error=True)
                said.add(remark)
            result = repeat(rebuilt)
        except GdexpError as error:
            outcome, kind = f"cannot be repeated: {error}", "not to be repeated"
        else:
            outcome, kind = str(result), "identical to the bit" if result.identical else "differing"
        counts[kind] += 1
        say(printable(f"[{number}/{len(runs)}] {run.name}: {outcome}"))
    say(f"{len(runs)} run{'s' * (len(runs) != 1)}: {', '.join(f'{count} {kind}' for kind, count in counts.items())}")
    return 2 if counts["not to be repeated"] else int(counts["differing"] > 0)


if __name__ == "__main__":
    main()
