"""A real `mlflow server` on a real PostgreSQL: the same records as in a file, from several programs at once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from gdexp.tracking.backend import DatasetInput, Series
from gdexp.tracking.client import ClientBackend
from tests.integration.conftest import Folder
from tests.integration.postgres import Postgres, execute, postgresql
from tests.integration.server import mlflow_server

SWEEP = ("-m", "lr=0.01,0.1", "init=zero,near_zero", "seed=3", "stopping.max_iterations=60", "plots=none")
AT_ONCE = 4
OF_ONE_RUN_ONLY = ("gdexp.process", "mlflow.parentRunId")
LINKS_AND_TIME = "mlflow.note.content"
"""The tag that says how long a sweep took, and where it is to be seen."""


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> str:
    """The URI of the database behind the server."""
    return postgres.create("mlflow")


@pytest.fixture(scope="module")
def address(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server."""
    place = tmp_path_factory.mktemp("server")
    with mlflow_server(
        place, "--backend-store-uri", database, "--artifacts-destination", str(place / "kept")
    ) as address:
        yield address


@dataclass(frozen=True)
class Sweep:
    """A recorded sweep: its parent, and its children in the order of its jobs."""

    client: MlflowClient
    parent: Run
    children: list[Run]

    def content(self, place: Path) -> list[dict[str, object]]:
        """Return everything that is recorded of its runs but ids, times and addresses; `place` is an empty folder."""
        return [content(self.client, run, place / run.info.run_id) for run in (self.parent, *self.children)]


def sweeps(client: MlflowClient, experiment: str = "gdexp") -> list[Sweep]:
    """Return the sweeps of an experiment, the oldest first."""
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    runs = client.search_runs([found.experiment_id], order_by=["attributes.start_time ASC"])

    def children(parent: Run) -> list[Run]:
        own = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
        return sorted(own, key=lambda run: int(run.data.tags["gdexp.job"]))

    return [Sweep(client, run, children(run)) for run in runs if "gdexp.axes" in run.data.tags]


def content(client: MlflowClient, run: Run, place: Path) -> dict[str, object]:
    """Return everything that is recorded of a run but its id, its times and addresses."""
    place.mkdir(parents=True)
    client.download_artifacts(run.info.run_id, "", str(place))
    dropped = OF_ONE_RUN_ONLY if "gdexp.job" in run.data.tags else (*OF_ONE_RUN_ONLY, LINKS_AND_TIME)
    histories = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
    return {
        "name": run.info.run_name,
        "status": run.info.status,
        "params": {key: text for key, text in run.data.params.items() if not key.startswith("tracking.")},
        "tags": {key: text for key, text in run.data.tags.items() if key not in dropped},
        "metrics": {key: sorted((point.step, point.value) for point in points) for key, points in histories.items()},
        "data": datasets(run),
        "artifacts": {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()},
    }


def datasets(run: Run) -> list[tuple[str, str | None]]:
    assert run.inputs is not None
    return [(given.dataset.name, given.dataset.profile) for given in run.inputs.dataset_inputs]


@pytest.fixture(scope="module")
def local(shared_folder: Folder) -> Sweep:
    """The sweep as a local SQLite file has it."""
    done = shared_folder.gdexp(*SWEEP)
    assert done.returncode == 0, done.stderr
    return sweeps(shared_folder.client)[0]


@pytest.fixture(scope="module")
def served(address: str, tmp_path_factory: pytest.TempPathFactory) -> list[Sweep]:
    """The same sweep from several programs that start together, with an experiment that none of them finds."""
    folders = [Folder(tmp_path_factory.mktemp("program")) for _ in range(AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        programs = list(pool.map(lambda folder: folder.gdexp(*SWEEP, MLFLOW_TRACKING_URI=address), folders))
    assert [(done.returncode, done.stderr) for done in programs] == [(0, "")] * AT_ONCE
    assert not [path for folder in folders for path in folder.path.iterdir()]
    return sweeps(MlflowClient(address))


def test_sweeps_of_several_programs_at_once_are_each_what_one_records_alone(
    local: Sweep, served: list[Sweep], tmp_path: Path
) -> None:
    expected = local.content(tmp_path / "local")
    assert [run["status"] for run in expected] == ["FINISHED"] * 5
    assert len(served) == AT_ONCE
    for sweep in served:
        assert sweep.content(tmp_path / sweep.parent.info.run_id) == expected


def test_a_report_from_the_server_is_that_of_the_local_file(
    local: Sweep, served: list[Sweep], address: str, shared_folder: Folder, folder: Folder
) -> None:
    for place, sweep, store in ((shared_folder, local, ()), (folder, served[0], ("--uri", address))):
        done = place.python("-m", "gdexp.report", sweep.parent.info.run_id, *store, "--out", "report")
        assert done.returncode == 0, done.stderr
    ours, theirs = (
        {path.relative_to(place.path): path.read_bytes() for path in place.path.glob("report/**/*.*")}
        for place in (shared_folder, folder)
    )
    assert Path("report/report.html") in ours
    assert theirs == ours


def test_a_sweep_on_the_server_is_replayed_to_the_bit(served: list[Sweep], address: str, folder: Folder) -> None:
    done = folder.python("-m", "gdexp.replay", "--sweep", served[-1].parent.info.run_id, "--uri", address)
    assert done.returncode == 0, done.stderr
    assert "4 runs: 4 identical to the bit" in done.stdout


def test_every_number_comes_back_from_the_database_as_it_was(address: str) -> None:
    values = [5e-324, 2.2250738585072011e-308, 1.7976931348623157e308, 0.1 + 0.2, -0.0, math.nan]
    client = MlflowClient(address)
    run_id = client.create_run("0").info.run_id
    ClientBackend(address).log(
        run_id, metrics=[Series("mse", np.arange(len(values)), np.array(values))], started=1_700_000_000_000
    )
    history = sorted(client.get_metric_history(run_id, "mse"), key=lambda point: point.step)
    np.testing.assert_array_equal([point.value for point in history], values)


@pytest.fixture
def late(database: str) -> Iterator[None]:
    """A database in which, once, somebody else has just brought the dataset that is inserted."""
    execute(
        database,
        "CREATE SEQUENCE insertions",
        "CREATE FUNCTION refuse_the_first() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN IF nextval(''insertions'') = 1 THEN RAISE unique_violation; END IF; RETURN NEW; END'",
        "CREATE TRIGGER late BEFORE INSERT ON datasets FOR EACH ROW EXECUTE FUNCTION refuse_the_first()",
    )
    yield
    execute(database, "DROP TRIGGER late ON datasets")


@pytest.mark.usefixtures("late")
def test_a_dataset_that_another_program_brings_at_the_same_moment_is_no_failure(address: str) -> None:
    client = MlflowClient(address)
    run_id = client.create_run("0").info.run_id
    dataset = DatasetInput("contested", "0" * 36, "{}", "{}")
    ClientBackend(address).log(run_id, dataset=dataset, started=1_700_000_000_000)
    assert datasets(client.get_run(run_id)) == [("contested", "{}")]


def test_a_database_without_a_server_is_refused_in_one_line_that_hides_the_password(
    postgres: Postgres, folder: Folder
) -> None:
    uri = postgres.create("bare")
    done = folder.gdexp("lr=0.01", MLFLOW_TRACKING_URI=uri)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "gdexp: tracking.uri takes the address of a server or a SQLite file; got "
        f"'postgresql://***@127.0.0.1:{postgres.port}/bare', a database, which keeps no artifacts; start "
        "`mlflow server --backend-store-uri DATABASE --artifacts-destination FOLDER`, and set tracking.uri to its "
        "address\n"
    )
    assert execute(uri, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []
    assert not list(folder.path.iterdir())
