"""How every command line ends: its exit status, and one line for what a user can mend."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from mlflow.exceptions import MlflowException

from gdexp.command import UsageError, command, fail, parser
from gdexp.core import DataError


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def ended(error: BaseException, capfd: pytest.CaptureFixture[str], failed: int = 1) -> tuple[object, str]:
    with pytest.raises(SystemExit) as caught, command("gdexp.some", failed=failed):
        raise error
    return caught.value.code, capfd.readouterr().err


def test_what_a_user_can_mend_ends_with_2_and_one_printable_line(capfd: pytest.CaptureFixture[str]) -> None:
    told = ended(DataError("the file\n\x1b[31mhttp://me:secret@host is empty"), capfd)
    assert told == (2, "gdexp.some: the file [31mhttp://***@host is empty\n")


def test_a_store_that_stops_answering_ends_with_2(capfd: pytest.CaptureFixture[str]) -> None:
    told = ended(MlflowException("API request failed\nwith a long answer"), capfd)
    assert told == (2, "gdexp.some: the tracking store cannot be used: API request failed with a long answer\n")


@pytest.mark.parametrize("failed", [1, 2])
def test_a_fault_of_gdexps_own_is_told_in_full(capfd: pytest.CaptureFixture[str], failed: int) -> None:
    code, told = ended(ZeroDivisionError("division by zero"), capfd, failed)
    assert code == failed
    assert told.startswith("gdexp.some: failed: ZeroDivisionError: division by zero\nTraceback")


def test_a_traceback_that_is_kept_elsewhere_is_not_printed(capfd: pytest.CaptureFixture[str]) -> None:
    error = ValueError("no")
    error.add_note("run 1234")
    with pytest.raises(SystemExit):
        fail("gdexp", error)
    assert capfd.readouterr().err == "gdexp: failed: ValueError: no\ntraceback.txt of run 1234 tells more\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_with_130(capfd: pytest.CaptureFixture[str], number: signal.Signals) -> None:
    with pytest.raises(SystemExit) as caught, command("gdexp.some", interrupted="interrupted; nothing is lost"):
        signal.raise_signal(number)
    assert caught.value.code == 130
    assert capfd.readouterr().err == "gdexp.some: interrupted; nothing is lost\n"


def test_a_command_that_ends_by_itself_is_left_alone(capfd: pytest.CaptureFixture[str]) -> None:
    with command("gdexp.some"):
        pass
    assert capfd.readouterr() == ("", "")


def test_the_store_is_named_by_options_and_mistakes_are_usage_errors() -> None:
    made = parser("gdexp.some", "Does something.")
    assert vars(made.parse_args([])) == {"uri": None, "experiment": "gdexp"}
    assert vars(made.parse_args(["--uri", "a", "--experiment", "b"])) == {"uri": "a", "experiment": "b"}
    with pytest.raises(UsageError, match=r"^unrecognized arguments: --exp; see --help$"):
        made.parse_args(["--exp"])
