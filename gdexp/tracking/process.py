"""Which process records a run, so that a run whose process has died can be told from one that goes on."""

from __future__ import annotations

import os
import socket
from itertools import count
from pathlib import Path

PROCESS = "gdexp.process"
"""The tag with the host, the number and the start of the process that records a run, and a number of the run's own."""
_runs = count()


def of_this_process() -> str:
    """Return what no other run is tagged with: the host, the number and the start of this process, and a number."""
    return f"{socket.gethostname()} {os.getpid()} {_start(os.getpid())} {next(_runs)}"


def is_own(process: str) -> bool:
    """Tell whether a run was tagged by this process."""
    return same_process(process, of_this_process())


def same_process(one: str, other: str) -> bool:
    """Tell whether two runs were tagged by the same process."""
    return one.rpartition(" ")[0] == other.rpartition(" ")[0]


def is_alive(process: str) -> bool | None:
    """Tell whether the process that a run was tagged with still runs; None where this machine cannot tell."""
    host, number, start = [*process.split(" "), "", ""][:3]
    if host != socket.gethostname() or not number.isdecimal():
        return None
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return _start(int(number)) == start


def _start(number: int) -> str:
    """Return when a process started, in ticks since the machine did; numbers are given out again."""
    try:
        stat = Path(f"/proc/{number}/stat").read_bytes()
    except OSError:
        return ""
    # The name of the program, in parentheses, may hold spaces and parentheses itself.
    state, *fields = stat.rpartition(b") ")[2].decode().split()
    return "" if state in "ZX" else fields[18]
