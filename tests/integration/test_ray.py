"""A Ray cluster, begun here or standing already: the same records, no open door, nothing left after an interrupt."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.integration.conftest import Folder, clean_environment
from tests.integration.test_launchers import DATA, SWEEP, chosen, needs, records, serial, under_way

__all__ = ["serial"]


def test_parts_that_ray_reduces_give_the_run_that_one_machine_gives(
    folder: Folder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    needs("ray")
    elsewhere = Folder(tmp_path_factory.mktemp("ray"))
    numbers = np.random.default_rng(0).standard_normal((900, 4))
    for place, part in enumerate(np.array_split(numbers, 5)):
        table = pa.table({f"x{column}": part[:, column] for column in range(4)})
        for each in (folder, elsewhere):
            (each.path / "parts").mkdir(exist_ok=True)
            parquet.write_table(table, each.path / "parts" / f"{place}.parquet")
    run = ("data=file", "data.path=parts", "data.target=x3", "data.scaling=standardize", "plots=none", "lr=0.3")
    trajectories = []
    for each, environment in ((folder, {}), (elsewhere, {"RAY_ADDRESS": "local"})):
        done = each.gdexp(*run, **environment)
        assert done.returncode == 0, done.stderr
        (recorded,) = each.runs()
        trajectories.append(each.artifact(recorded, "trajectory.parquet").read_bytes())
    assert trajectories[0] == trajectories[1]


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A Ray cluster that `ray start` began, as one of several machines is: its owner's home, and its address."""
    needs("ray")
    home = tmp_path_factory.mktemp("home")
    (home / ".ray").mkdir()
    (home / ".ray" / "auth_token").write_text("0123456789abcdef" * 4)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    options = ("--include-dashboard=false", "--num-cpus=2", "--min-worker-port=0", "--max-worker-port=0")
    with tempfile.TemporaryDirectory() as short:  # its sockets' paths must be
        ray = subprocess.Popen(
            [
                *(str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", f"--temp-dir={short}"),
                *(f"--port={address.partition(':')[2]}", "--node-ip-address=127.0.0.1", *options),
            ],
            env=clean_environment() | {"HOME": str(home), "RAY_USAGE_STATS_ENABLED": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        limit = threading.Timer(60, ray.kill)
        limit.start()
        try:
            assert ray.stdout is not None
            said: list[str] = []
            while not said or "Ray runtime started" not in said[-1]:
                said.append(ray.stdout.readline())
                assert said[-1], "".join(said)
            limit.cancel()
            yield home, address
        finally:
            limit.cancel()
            ray.terminate()
            ray.communicate(timeout=60)


def test_a_cluster_that_stands_already_does_the_same_sweep(
    folder: Folder, serial: list[object], standing: tuple[Path, str]
) -> None:
    home, address = standing
    with_token = {"HOME": str(home), "RAY_AUTH_MODE": "token"}
    done = folder.gdexp(*SWEEP, *DATA, "hydra/launcher=ray", RAY_ADDRESS=address, **with_token)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert records(folder) == serial


def test_an_interrupt_ends_what_a_standing_cluster_does(folder: Folder, standing: tuple[Path, str]) -> None:
    home, address = standing
    launcher = ("hydra/launcher=ray", f"hydra.launcher.address={address}")
    with under_way(folder, *launcher, HOME=str(home), RAY_AUTH_MODE="token") as process:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    parent, children = folder.parent_and_children()
    assert {run.info.status for run in children} <= {"FINISHED", "KILLED"}
    assert max(run.info.end_time for run in children) <= parent.info.end_time


@pytest.mark.parametrize("by_key", [True, False])
def test_a_cluster_that_wants_a_token_says_so(folder: Folder, standing: tuple[Path, str], by_key: bool) -> None:
    _, address = standing
    named = ([f"hydra.launcher.address={address}"], {}) if by_key else ([], {"RAY_ADDRESS": address})
    sweep = ("-m", "lr=0.01,0.02", "hydra/launcher=ray", *named[0])
    done = folder.gdexp(*sweep, HOME=str(folder.path), RAY_NUM_REDIS_GET_RETRIES="1", **named[1])
    assert done.returncode == 2
    said = "wants its token: RAY_AUTH_MODE=token sends it that of RAY_AUTH_TOKEN, or else of ~/.ray/auth_token"
    assert done.stderr.endswith(f"gdexp: the Ray cluster {address} {said}\n")
    assert "Traceback" not in done.stderr
    assert not list(folder.path.iterdir())


def test_two_addresses_of_ray_are_refused(folder: Folder) -> None:
    launcher, _ = chosen("ray")
    where = ("hydra.launcher.address=127.0.0.1:1", "lr=0.01,0.02")
    done = folder.gdexp("-m", *where, launcher, RAY_ADDRESS="127.0.0.1:2")
    assert done.returncode == 2
    assert "hydra.launcher.address=127.0.0.1:1 and RAY_ADDRESS=127.0.0.1:2 name two clusters" in done.stderr


LISTENERS = """
import glob, os
from gdexp import cluster

def sockets(process):
    for link in glob.glob(f"/proc/{process}/fd/*"):
        try:
            yield os.readlink(link)
        except OSError:
            pass

def descendants(process):
    for task in glob.glob(f"/proc/{process}/task/*/children"):
        for child in open(task).read().split():
            yield int(child)
            yield from descendants(int(child))

def listening():
    for family in ("tcp", "tcp6"):
        for line in open(f"/proc/net/{family}").readlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A":
                yield f"socket:[{rest[5]}]", local.partition(":")[0]

cluster.connect(num_cpus=1)
import ray
ray.get(ray.remote(lambda: None).remote())
ours = {socket for process in map(str, [os.getpid(), *descendants(os.getpid())]) for socket in sockets(process)}
print(*{address for socket, address in listening() if socket in ours})
cluster.leave()
"""
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


def test_a_ray_cluster_of_this_machine_listens_on_loopback_alone(folder: Folder) -> None:
    needs("ray")
    done = folder.python("-c", LISTENERS)
    assert done.returncode == 0, done.stderr
    addresses = set(done.stdout.split())
    assert addresses
    assert addresses <= LOOPBACK
