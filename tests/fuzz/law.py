"""What must hold whatever is put in: an answer or a refusal of one line, never a traceback, never a record."""

from __future__ import annotations

import contextlib
import io
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from unittest import mock

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from gdexp.command import INTERRUPTS
from gdexp.core import GdexpError
from gdexp.terminal import printable

Result = TypeVar("Result")

TRAPS = (
    "",
    " ",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "a/b",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[a](javascript:alert(1))",
    "a|b`c`\n# d",
    "\x1b[2J\x1b]0;title\x07",
    "\u202etxt.exe\u2066",
    "\0",
    "\r\n",
    "\x85\u2028",
    "'; DROP TABLE runs; --",
    '"',
    "' OR '1'='1",
    "`%_",
    "${lr}",
    "${oc.env:HOME}",
    "!!python/object/apply:os.system [id]",
    "&a [*a, *a]",
    "{" * 50,
    "[" * 200,
    "e" * 10_000,
    "=cmd|' /C calc'!A0",
    "\\input{/etc/passwd}",
    "9" * 400,
    "-",
    "--",
    "NaN",
    "1e400",
    "-0",
    "0x10",
    "1_0",
    "null",
    "~",
    "off",
)
texts = st.one_of(st.sampled_from(TRAPS), st.text(max_size=12), st.integers().map(str), st.floats().map(repr))
"""What a hostile or a careless hand writes."""

short = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
"""How many cases the tests take; `python -m tests.fuzz` takes as many as it is told."""


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str


@contextlib.contextmanager
def empty_folder() -> Iterator[Path]:
    """Work in an empty folder."""
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        yield Path(name)


def answered(action: Callable[[], Result]) -> Result | None:
    """Return what `action` returns, None where it refuses, in one line that says something."""
    try:
        return action()
    except GdexpError as error:
        said = printable(str(error))
    assert said
    return None


def ended(main: Callable[[], object], *arguments: str) -> Ended:
    """Return how a command line ends in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    handlers = {number: signal.getsignal(number) for number in INTERRUPTS}
    status: object = 0
    try:
        with (
            mock.patch.object(sys, "argv", ["gdexp", *arguments]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            main()
    except SystemExit as end:
        status = end.code or 0
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert isinstance(status, int), status
    for stream in (out, err):
        stream.seek(0)
    return Ended(status, out.read(), err.read())


def assert_answered_or_refused(end: Ended, told: object) -> None:
    """Assert that a command did what it was told to, or refused in one line of visible characters."""
    assert end.status in (0, 2), (told, end)
    assert "Traceback" not in end.err, (told, end)
    for text in (end.out, end.err):
        assert all(line.isprintable() for line in text.split("\n")), (told, end)
    if end.status == 2:
        assert end.err.startswith("gdexp"), (told, end)
        assert end.err.count("\n") == 1, (told, end)
        assert len(end.err) > len("gdexp: .\n"), (told, end)
