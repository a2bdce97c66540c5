"""`python -m tests.chaos`: break the program and what it stands on, resume, and count what is lost, doubled and wrong.

After each fault the sweep is resumed twice, and the store is compared value for value with that of an undisturbed one.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from tabulate import tabulate

from tests.chaos import processes, servers, stores
from tests.chaos.case import Case, Lab

FAULTS: dict[str, Callable[[Lab, int], Iterator[Case]]] = {
    "kill": lambda lab, kills: processes.kills(lab, kills),
    "new": lambda lab, kills: processes.kills_of_a_new_store(lab, kills // 8),
    "worker": lambda lab, kills: processes.kills_of_a_worker(lab, kills // 16),
    "int": lambda lab, kills: processes.interrupts(lab, signal.SIGINT, kills // 8),
    "term": lambda lab, kills: processes.interrupts(lab, signal.SIGTERM, kills // 8),
    "hup": lambda lab, kills: processes.interrupts(lab, signal.SIGHUP, kills // 16),
    "two": lambda lab, kills: processes.at_once(lab, kills // 16, 2),
    "eight": lambda lab, kills: processes.at_once(lab, kills // 50, 8),
    "beside": lambda lab, kills: processes.killed_beside_another(lab, kills // 16),
    "resumes": lambda lab, kills: processes.resumed_at_once(lab, kills // 16),
    "failing": lambda lab, kills: processes.failing_runs(lab, kills // 16),
    "locked": lambda lab, kills: stores.locks(lab, kills // 24, 60.0),
    "read-only": lambda lab, _: stores.read_only(lab),
    "full": lambda lab, kills: stores.full_disks(lab, kills // 12),
}


def main() -> None:
    """Inject the faults and print the table; exit 0 where nothing was lost, doubled or wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    names = [*FAULTS, "server"]
    parser.add_argument("faults", metavar="FAULT", nargs="*", help=f"among {', '.join(names)}; all without it")
    parser.add_argument(
        "--kills", type=int, default=50, help="kills of the program; others in proportion (default: 50)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the random moments (default: 1)")
    options = parser.parse_args()
    if unknown := [name for name in options.faults if name not in names]:
        parser.error(f"there is no fault {unknown[0]}")
    chosen, began = options.faults or names, time.monotonic()
    root = Path(tempfile.mkdtemp(prefix="gdexp-chaos-"))
    lab = Lab.begin(root, options.seed)

    def told(text: str) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {text}", flush=True)

    told(f"an undisturbed sweep of {len(lab.expected.attempts)} runs takes {lab.seconds:.1f} s")
    for name in chosen:
        if name != "server":
            lab.carry_out(FAULTS[name](lab, options.kills), told)
    if "server" in chosen:
        (root / "server").mkdir()
        with servers.served(root / "server") as server:
            told("the server answers")
            lab.carry_out(servers.absences(lab, server), told)
    print(f"\n{table(lab)}\n")
    if any(result.said for results in lab.results.values() for result in results):
        print(f"What differs is kept in {root}")
        sys.exit(1)
    shutil.rmtree(root)


def table(lab: Lab) -> str:
    """Return what came of each fault as a table."""
    rows = []
    for name, results in lab.results.items():
        total = [sum(getattr(result, part) for result in results) for part in ("lost", "doubled", "wrong")]
        remarks = [what if count == 1 else f"{count} {what}" for (of, what), count in lab.notes.items() if of == name]
        if times := lab.times.get(name):
            remarks.insert(0, f"ended after {median(times):.2f} s, the slowest {max(times):.2f} s")
        rows.append([name, len(results), *total, "; ".join(remarks)])
    heads = ["fault", "times injected", "runs lost", "runs doubled", "runs wrong", "remarks"]
    return tabulate(rows, heads, disable_numparse=True)


if __name__ == "__main__":
    main()
