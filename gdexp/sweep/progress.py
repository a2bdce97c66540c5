"""How far a sweep is: a bar on a terminal, a line for each finished run everywhere."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from tqdm import tqdm

from gdexp.terminal import say

CLEAR_LINE = "\r\033[K"


@dataclass(frozen=True)
class Progress:
    """The progress of `total` runs since `started` (seconds since the epoch); it keeps no state of its own, so that
    it can go along to a worker process.
    """

    total: int
    started: float

    def running(self, job: int, name: str) -> None:
        """Show that the run of number `job`, from 0, is being done."""
        if sys.stderr.isatty():
            bar = tqdm.format_meter(job, self.total, time.time() - self.started, ncols=80, prefix=name, unit="run")
            sys.stderr.write(CLEAR_LINE + bar)
            sys.stderr.flush()

    def finished(self, job: int, name: str, outcome: str) -> None:
        """Print the outcome of run number `job` and an estimate of the time that is left."""
        if sys.stderr.isatty():
            sys.stderr.write(CLEAR_LINE)
            sys.stderr.flush()
        done = job + 1
        left = (time.time() - self.started) / done * (self.total - done)
        estimate = f" (about {tqdm.format_interval(left)} left)" if done < self.total else ""
        say(f"[{done}/{self.total}] {name}: {outcome}{estimate}")
