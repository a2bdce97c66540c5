"""A store that goes away: waited for, then done without, and in the end it has everything once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow.exceptions import MlflowException
from requests import ConnectionError as NoConnectionError

from gdexp.tracking import Store, Tracking, TrackingError, open_store
from gdexp.tracking.backend import NewRun, Series
from gdexp.tracking.delivery import Delivery
from gdexp.tracking.errors import StoreAwayError, is_away
from gdexp.tracking.operations import Log, Status
from gdexp.tracking.process import PROCESS, is_alive, of_this_process
from gdexp.tracking.record import Outcome, recorded_run, start_run
from gdexp.tracking.recorded import RecordedRun
from gdexp.tracking.unsent import FOLDER

HISTORY = Series("mse", np.arange(4), np.array([0.1 + 0.2, 5e-324, np.nan, -1e300]))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def store(folder: Path) -> Store:
    return open_store(Tracking(uri=f"sqlite:///{folder / 'mlflow.db'}", patience=60))


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited, none of them really: the clock goes on by as many."""
    found: list[float] = []
    monkeypatch.setattr("gdexp.tracking.delivery.time.sleep", found.append)
    monkeypatch.setattr("gdexp.tracking.delivery.time.monotonic", lambda: sum(found))
    return found


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch, store: Store) -> Iterator[Callable[[int], None]]:
    """Let the next so many calls of the store find its database locked, some of them after they were carried out."""
    left = 0

    def locked(real: Callable[..., Any], *, done: bool) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            if left <= 0:
                return real(*args, **kwargs)
            left -= 1
            if done:
                real(*args, **kwargs)
            raise TrackingError("locked") from sqlite3.OperationalError("database is locked")

        return call

    def set_left(count: int) -> None:
        nonlocal left
        left = count

    backend = type(store.backend)
    for name in ("create_run", "log", "log_artifacts", "set_status", "children"):
        monkeypatch.setattr(backend, name, locked(getattr(backend, name), done=name in ("log", "set_status")))
    yield set_left
    left = 0


def record_one(store: Store, name: str = "one") -> str:
    with recorded_run(store, name, {"lr": "0.1"}, {"a": "b"}) as run:
        run.outcome(Outcome([HISTORY], {"gdexp.stop_reason": "max_iterations"}))
        with run.files() as folder:
            (folder / "plots").mkdir()
            (folder / "plots" / "x.txt").write_text("kept")
    return run.run_id


def points(folder: Path, run_id: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        return connection.execute(
            "SELECT step, value, is_nan FROM metrics WHERE run_uuid = ? ORDER BY step", [run_id]
        ).fetchall()


def the_only_run(store: Store) -> RecordedRun:
    with closing(sqlite3.connect(Path("mlflow.db"))) as connection:
        ((run_id,),) = connection.execute("SELECT run_uuid FROM runs").fetchall()
    found = store.backend.get_run(run_id)
    assert found is not None
    return found


def test_a_store_that_comes_back_is_waited_for_and_told(
    store: Store, away: Callable[[int], None], waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    away(5)
    run_id = record_one(store)
    assert waits == [1, 2, 4, 8, 15]
    assert "locked; trying again for 60 s" in caplog.messages[0]
    assert "answers again" in caplog.messages[-1]
    assert the_only_run(store).run_id == run_id
    assert not Path(FOLDER).exists()


@pytest.mark.parametrize("after", range(5), ids=["create", "outcome", "files", "end", "never"])
def test_whatever_is_not_taken_is_kept_and_sent_once(
    store: Store,
    folder: Path,
    away: Callable[[int], None],
    waits: list[float],
    after: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = iter(range(100))
    insist = Delivery.insist

    def counting(self: Delivery, action: Callable[[bool], Any]) -> Any:
        if next(calls) == after:
            away(1000)
        return insist(self, action)

    monkeypatch.setattr(Delivery, "insist", counting)
    run_id = record_one(store)
    assert store.delivery.unsent.holds(run_id) == (after < 4)
    assert waits == ([1, 2, 4, 8, 15, 15, 15] if after < 4 else [])
    away(0)
    sent = list(store.delivery.unsent.send(store.backend))
    assert len(sent) == (after < 4)
    assert list(store.delivery.unsent.send(store.backend)) == []
    run = the_only_run(store)
    assert run.status == "FINISHED"
    assert run.params == {"lr": "0.1"}
    assert run.tags["gdexp.stop_reason"] == "max_iterations"
    assert points(folder, run.run_id) == [(0, 0.1 + 0.2, 0), (1, 5e-324, 0), (2, 0.0, 1), (3, -1e300, 0)]
    assert (Path(run.artifact_uri) / "plots" / "x.txt").read_text() == "kept"
    assert not Path(FOLDER).exists()


def test_while_a_store_is_given_up_nothing_waits_for_it_again(
    store: Store, away: Callable[[int], None], waits: list[float]
) -> None:
    away(1000)
    record_one(store, "first")
    waited = sum(waits)
    record_one(store, "second")
    assert sum(waits) == waited
    away(0)
    assert len(list(store.delivery.unsent.send(store.backend))) == 2


def test_an_interrupt_while_waiting_keeps_the_rest_at_once(
    store: Store, away: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gdexp.tracking.delivery.time.sleep", interrupted)
    with pytest.raises(KeyboardInterrupt), recorded_run(store, "run", {}, {}) as run:  # noqa: PT012
        away(1000)
        run.outcome(Outcome([HISTORY], {}))
    assert store.delivery.unsent.holds(run.run_id)
    away(0)
    assert list(store.delivery.unsent.send(store.backend)) == [run.run_id]
    assert the_only_run(store).status == "KILLED"


def test_what_is_still_being_added_to_is_left_alone_and_what_died_is_sent_as_killed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = NewRun("half", 1, {PROCESS: of_this_process()}, {})
    name = store.delivery.unsent.begin(store.experiment_id, run)
    store.delivery.unsent.add(name, Log(1, [HISTORY]))
    assert list(store.delivery.unsent.send(store.backend)) == []
    monkeypatch.setattr("gdexp.tracking.unsent.is_alive", lambda _: False)
    assert len(list(store.delivery.unsent.send(store.backend))) == 1
    assert the_only_run(store).status == "KILLED"


def test_what_is_kept_for_another_store_is_left_alone(store: Store) -> None:
    other = replace(store.delivery.unsent, uri="http://elsewhere")
    name = other.begin("1", NewRun("other", 1, {}, {}))
    other.add(name, Status("FINISHED", 2))
    assert list(store.delivery.unsent.send(store.backend)) == []
    assert other.holds(name)


@pytest.mark.usefixtures("waits")
def test_a_folder_that_takes_nothing_either_is_told(store: Store, folder: Path, away: Callable[[int], None]) -> None:
    (folder / FOLDER).write_text("a file")
    away(1000)
    with pytest.raises(TrackingError, match=r"cannot be kept in '.*gdexp-unsent' either: File exists"):
        record_one(store)


def test_what_is_wrong_with_the_record_itself_is_not_waited_for() -> None:
    assert not is_away(TrackingError("the run is no longer in the store"))
    assert not is_away(MlflowException("too long", error_code=1000))  # INVALID_PARAMETER_VALUE
    assert not is_away(MlflowException("no run", error_code=4))  # RESOURCE_DOES_NOT_EXIST
    assert not is_away(ValueError("ours"))
    assert is_away(MlflowException("API request failed with exception: refused"))
    assert is_away(NoConnectionError("refused"))
    assert is_away(OSError(28, "No space left on device"))
    assert is_away(StoreAwayError("given up"))


def test_a_process_is_alive_as_long_as_it_is_this_one() -> None:
    own = of_this_process()
    assert is_alive(own) is True
    host, number, start, _ = own.split(" ")
    assert is_alive(f"{host} {number} {int(start) + 1}") is False
    assert is_alive(f"{host} 999999999 1") is False
    assert is_alive(f"elsewhere {number} {start}") is None
    assert is_alive("") is None
    assert of_this_process() != own


def test_a_run_is_taken_up_by_one_process_only(store: Store) -> None:
    run_id = record_one(store)
    assert store.backend.take_up(run_id, {PROCESS: "first"})
    assert not store.backend.take_up(run_id, {PROCESS: "second"})
    run = the_only_run(store)
    assert (run.status, run.tags[PROCESS]) == ("RUNNING", "first")
    store.backend.set_status(run_id, "KILLED")
    assert store.backend.take_up(run_id, {})


def test_a_run_that_was_created_although_that_failed_is_not_created_again(store: Store) -> None:
    run = NewRun("one", 1, {PROCESS: of_this_process()}, {"lr": "1"})
    first = store.backend.create_run(store.experiment_id, run)
    assert store.backend.create_run(store.experiment_id, run, again=True) == first
    assert the_only_run(store).params == {"lr": "1"}


@pytest.mark.usefixtures("waits")
def test_in_a_hurry_a_store_that_is_away_is_not_waited_for(
    store: Store, away: Callable[[int], None], waits: list[float]
) -> None:
    run_id = record_one(store)
    store.delivery.hurry()
    away(1000)
    store.delivery.send(run_id, Status("KILLED", 1))
    assert store.delivery.unsent.holds(run_id)
    assert waits == []


@pytest.mark.usefixtures("waits")
def test_the_parent_of_a_sweep_is_not_kept_because_its_children_name_it(
    store: Store, away: Callable[[int], None]
) -> None:
    away(1000)
    with pytest.raises(StoreAwayError):
        start_run(store, "parent", {}, kept=False)
    assert not Path(FOLDER).exists()


def test_what_is_kept_is_found_however_the_store_is_spelled(store: Store) -> None:
    name = store.delivery.unsent.begin(store.experiment_id, NewRun("one", 1, {PROCESS: of_this_process()}, {}))
    store.delivery.unsent.add(name, Status("FINISHED", 2))
    relative = open_store(Tracking(uri="sqlite:///mlflow.db"))
    assert len(list(relative.delivery.unsent.send(relative.backend))) == 1
    assert the_only_run(store).status == "FINISHED"


def test_a_run_that_the_store_will_never_take_is_set_aside_and_the_others_are_sent(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    unsent = store.delivery.unsent
    unsent.add("0" * 32, Status("FINISHED", 2))  # a run that the store does not have
    name = unsent.begin(store.experiment_id, NewRun("one", 1, {PROCESS: of_this_process()}, {}))
    unsent.add(name, Status("FINISHED", 2))
    assert len(list(unsent.send(store.backend))) == 1
    assert the_only_run(store).status == "FINISHED"
    assert "is no longer in the store" in caplog.text
    assert (unsent.root / f".refused-{'0' * 32}").is_dir()
    assert list(unsent.send(store.backend)) == []


def test_what_another_machine_is_adding_to_is_left_alone_unless_it_is_said_to_be_dead(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.delivery.unsent.begin(store.experiment_id, NewRun("half", 1, {PROCESS: of_this_process()}, {}))
    monkeypatch.setattr("gdexp.tracking.unsent.is_alive", lambda _: None)
    assert list(store.delivery.unsent.send(store.backend)) == []
    assert len(list(store.delivery.unsent.send(store.backend, assume_dead=True))) == 1
    assert the_only_run(store).status == "KILLED"
