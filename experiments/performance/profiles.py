"""Where the time of a process or of a call goes, by package."""

from __future__ import annotations

import cProfile
import pstats
import re
import subprocess
import sys
import sysconfig
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from experiments.performance.measure import child
from experiments.performance.results import Profile, Share

TOP = 12

Function: TypeAlias = tuple[str, int, str]

OF_BUILTINS = (
    ("sqlite3.", "sqlite3"),
    ("numpy", "numpy"),
    ("acquire", "waiting for other threads"),
    ("posix.waitpid", "waiting for other processes"),
    ("posix.poll", "waiting for other processes"),
    ("zlib.", "zlib"),
    ("marshal.", "imports"),
)


def by_package(what: str, arguments: Sequence[str | Path], folder: Path) -> Profile:
    """Profile `python ARGUMENTS`, one run as a module, with cProfile; built-ins count to who calls them."""
    file = folder / "profile.pstats"
    child(["-m", "cProfile", "-o", file, *arguments], folder)
    return _of_stats(what, pstats.Stats(str(file)))


def by_module(what: str, work: Callable[[], object]) -> Profile:
    """Profile a call with cProfile as `by_package` does a process, and tell the modules of gdexp's rooms apart."""
    profile = cProfile.Profile()
    profile.runcall(work)
    return _of_stats(what, pstats.Stats(profile), depth=2)


def _of_stats(what: str, profiled: pstats.Stats, depth: int = 1) -> Profile:
    stats: dict[Function, Any] = profiled.stats  # type: ignore[attr-defined]
    seconds: dict[str, float] = defaultdict(float)
    for function, (_, _, own, _, callers) in stats.items():
        if function[0] != "~":
            seconds[_package(function, depth)] += own
            continue
        named = next((name for part, name in OF_BUILTINS if part in function[2]), None)
        if named or not callers:
            seconds[named or "Python"] += own
            continue
        for caller, (_, _, part, _) in callers.items():
            seconds["Python" if caller[0] == "~" else _package(caller, depth)] += part
    return _profile(f"{what} (cProfile)", seconds)


def by_package_imported(what: str, arguments: Sequence[str | Path], folder: Path) -> Profile:
    """Sum what the imports of a process cost (`python -X importtime`), by package."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds: dict[str, float] = defaultdict(float)
    for own, name in re.findall(r"^import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)$", done.stderr, re.MULTILINE):
        package = name.partition(".")[0]
        seconds["standard library" if package.lstrip("_") in _STANDARD else package] += int(own) / 1e6
    return _profile(f"imports of {what} (-X importtime)", seconds)


_STANDARD = {name.lstrip("_") for name in sys.stdlib_module_names}


def _package(function: Function, depth: int) -> str:
    """Return the package that a Python function belongs to, those of gdexp to `depth`, and imports as one."""
    file, _, name = function
    if name == "<module>" or file.startswith("<frozen importlib"):
        return "imports"
    parts = Path(file).parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1].removesuffix(".py")
    if "gdexp" in parts:
        inside = parts[len(parts) - parts[::-1].index("gdexp") :]
        return ".".join(["gdexp", *inside[:depth]]).removesuffix(".py")
    if file.startswith((sysconfig.get_path("stdlib"), "<frozen")):
        return "standard library"
    return "generated code"


def _profile(what: str, seconds: Mapping[str, float]) -> Profile:
    largest = sorted(seconds.items(), key=lambda item: -item[1])
    shares = [Share(where, value) for where, value in largest[:TOP]]
    return Profile(what, shares, sum(seconds.values()))
