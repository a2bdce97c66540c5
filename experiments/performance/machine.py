"""What the benchmark ran on: the machine without its name, and the versions that decide the numbers."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gdexp.core.threads import usable_cores

PACKAGES = ("gdexp", "numpy", "scipy", "pandas", "pyarrow", "matplotlib", "hydra-core", "mlflow", "SQLAlchemy")
PEERS = ("jax", "torch", "scikit-learn", "benchopt")


def processor() -> str:
    """Return the model of the processor, as far as the system tells."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def described() -> list[tuple[str, str]]:
    """Return what is to be known of the machine, as pairs."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return [
        ("processor", processor()),
        ("cores", str(usable_cores())),
        ("memory", f"{memory:.0f} GiB"),
        ("load of the last minute", f"{os.getloadavg()[0]:.1f} processes when the report was written"),
        ("system", platform.system()),
        ("Python", platform.python_version()),
        ("SQLite", sqlite3.sqlite_version),
        *((name, _version(name)) for name in (*PACKAGES, *PEERS)),
    ]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
