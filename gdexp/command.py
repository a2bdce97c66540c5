"""What every command line has in common: which store it reads, how it is interrupted, and how an error ends it."""

from __future__ import annotations

import argparse
import contextlib
import logging
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from gdexp.core import GdexpError
from gdexp.terminal import printable, say
from gdexp.tracking import Tracking

if TYPE_CHECKING:
    from gdexp.tracking import Store

INTERRUPTS = [signal.SIGINT, signal.SIGTERM]
"""Ctrl-C, a request to terminate, and a terminal that is closed, unless nohup has it that this does not matter."""
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
    INTERRUPTS.append(signal.SIGHUP)
Refusal = Callable[[Exception], str | None]
_came: list[int] = []


class Told(logging.Handler):
    """Say on the terminal what goes wrong and is being mended."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it."""
        say(f"gdexp: {printable(record.getMessage())}", error=True)


class UsageError(GdexpError):
    """The command line cannot be understood."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are UsageErrors, of one line, where argparse would print a screenful."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(f"{message}; see --help")


def parser(name: str, description: str) -> Parser:
    """Return the parser of `python -m NAME`, with the options that say which store is read."""
    made = Parser(prog=f"python -m {name}", description=description, allow_abbrev=False)
    made.add_argument(
        "--uri", help="the MLflow tracking URI of the store; without it MLFLOW_TRACKING_URI, else ./mlflow.db"
    )
    made.add_argument(
        "--experiment",
        metavar="NAME",
        default="gdexp",
        help="the MLflow experiment in which names are looked up (default: gdexp); a run's id is found in any",
    )
    return made


def store_of(options: argparse.Namespace) -> Store:
    """Return the store that the options of `parser` name; raises TrackingError where there is none to read."""
    from gdexp.tracking.store import existing_store

    return existing_store(Tracking(uri=options.uri, experiment=options.experiment))


def refusal(error: Exception) -> str | None:
    """Return what is wrong in one line where a user can mend it, None where the fault is gdexp's.

    A store that stops answering is for a user to mend, too.
    """
    text = printable(str(error)) or type(error).__name__
    if isinstance(error, GdexpError):
        return text
    if any(kind.__module__.partition(".")[0] == "mlflow" for kind in type(error).__mro__):
        return f"the tracking store cannot be used: {text}"
    return None


@contextlib.contextmanager
def command(
    name: str, *, refusal: Refusal = refusal, interrupted: str = "interrupted", failed: int = 1
) -> Iterator[None]:
    """End the command `name` as its errors want it: 2 for what a user can mend, in one line, and 130 for an interrupt.

    `refusal` returns that line, or None for any other error, which ends with status `failed` and is told in full.
    `interrupted` is what is said after Ctrl-C or a request to terminate.
    """
    _came.clear()
    for number in INTERRUPTS:
        signal.signal(number, interrupt)
    told = Told()
    logging.getLogger("gdexp").addHandler(told)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        try:
            yield
        except Exception as error:
            refuse_or_fail(name, error, refusal, failed)
    except KeyboardInterrupt:
        say(f"{name}: {interrupted}", error=True)
        sys.exit(130)
    finally:
        # All is done; while Python takes itself apart there is nothing that a signal could save.
        for number in INTERRUPTS:
            signal.signal(number, signal.SIG_IGN)
        logging.getLogger("gdexp").removeHandler(told)


def refuse_or_fail(name: str, error: Exception, refusal: Refusal = refusal, failed: int = 1) -> NoReturn:
    """End with status 2 and one line where a user can mend what is wrong, and as failed where it is gdexp's fault."""
    heed_interrupt()
    line = refusal(error)
    if line is None:
        fail(name, error, failed)
    say(f"{name}: {line}", error=True)
    sys.exit(2)


def fail(name: str, error: Exception, status: int = 1) -> NoReturn:
    """End with `status`: what was wrong, where it is told in full, and the traceback if it is told nowhere else."""
    heed_interrupt()
    where = " and ".join(getattr(error, "__notes__", []))
    say(f"{name}: failed: {type(error).__name__}: {error}", error=True)
    told = "".join(traceback.format_exception(error))
    say(f"traceback.txt of {where} tells more" if where else told, error=True)
    sys.exit(status)


def interrupt(came: int, _frame: FrameType | None) -> None:
    """Treat a request to terminate like Ctrl-C, and let no second one disturb what is being saved after the first."""
    for number in INTERRUPTS:
        signal.signal(number, signal.SIG_IGN)
    _came.append(came)
    raise KeyboardInterrupt


def was_interrupted() -> bool:
    """Tell whether an interrupt has come: code that is not gdexp's may have made another error of it, or none."""
    return bool(_came)


def heed_interrupt() -> None:
    """Raise KeyboardInterrupt where an interrupt has come."""
    if was_interrupted():
        raise KeyboardInterrupt
