"""The Ray cluster that work may be handed to."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
from importlib.util import find_spec
from typing import Any

from gdexp.core.errors import GdexpError
from gdexp.core.threads import usable_cores

LOCAL = "local"
"""The address of a cluster that Ray starts on this machine."""
ANSWER_SECONDS = 9
"""How long a cluster may take to answer."""
END_SECONDS = 1.0
"""How long the workers of one that was started here may take to end."""


def connect(address: str | None = None, num_cpus: int | None = None) -> None:
    """Connect to the cluster at `address`, else at RAY_ADDRESS, else start one of `num_cpus` workers, or one a core.

    Raises GdexpError where it does not answer. A second call keeps the first one's.
    """
    require("ray", "a Ray cluster")
    place = address or os.environ.get("RAY_ADDRESS") or LOCAL
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if place == LOCAL:
        # A cluster that is started here then listens on loopback, as it does on other systems by itself.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    else:
        # Tries, a second apart, of a cluster of which `reach` knows that it is there.
        os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", str(ANSWER_SECONDS))
    import ray

    if ray.is_initialized():
        return
    options: dict[str, Any] = {"num_cpus": num_cpus, "include_dashboard": False} if place == LOCAL else {}
    threads = str(blas_threads())  # Ray allows each worker one
    environment = {"env_vars": {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}}
    heard = signal.getsignal(signal.SIGTERM)
    try:
        reach(place)
        ray.init(address=place, **options, runtime_env=environment, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:
        where = "a Ray cluster of this machine" if place == LOCAL else f"the Ray cluster {place}"
        if "InvalidAuthToken" in str(error.__cause__):
            token = "RAY_AUTH_MODE=token sends it that of RAY_AUTH_TOKEN, or else of ~/.ray/auth_token"
            raise GdexpError(f"{where} wants its token: {token}") from error
        reason = str(error).strip().partition("\n")[0]
        raise GdexpError(f"{where} does not answer ({reason}); see hydra.launcher.address and RAY_ADDRESS") from error
    finally:
        signal.signal(signal.SIGTERM, heard)  # Ray takes it for itself


def leave() -> None:
    """Leave the cluster, whose workers end what they do for this process; one that was started here ends."""
    import ray

    # Ray brings this with it, where only it looks.
    from psutil import NoSuchProcess, Process, wait_procs

    node: Any = ray._private.worker._global_node
    workers: list[Process] = []
    for raylet in node.all_processes.get("raylet", []):
        with contextlib.suppress(NoSuchProcess):
            workers += Process(raylet.process.pid).children()
    # What would start more machines takes a second to end when it is told to.
    with contextlib.suppress(AttributeError):
        node.kill_monitor(check_alive=False)
    ray.shutdown()
    # Some take their time, and must not record anything after this.
    for worker in workers:
        with contextlib.suppress(NoSuchProcess):
            worker.kill()
    wait_procs(workers, timeout=END_SECONDS)


def reach(address: str) -> None:
    """Raise OSError where nobody listens at `address`, of which Ray itself takes minutes to be sure."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if port.isdecimal():
        socket.create_connection((host, int(port)), ANSWER_SECONDS).close()


def require(package: str, what: str, extra: str | None = None) -> None:
    """Raise GdexpError where `what` needs a `package` that is not installed, with the extra of gdexp that has it."""
    if find_spec(package) is None:
        raise GdexpError(f"{what} needs {package}: pip install 'gdexp[{extra or package}]'")


def blas_threads() -> int:
    """Return how many threads BLAS uses in this process: in a worker as many give the same result to the last bit."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        if os.environ.get(name, "").isdecimal():
            return max(1, int(os.environ[name]))
    return usable_cores()
