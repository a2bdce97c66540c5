"""A real PostgreSQL on loopback: its programs from PATH or Debian's packages, its files in a temporary folder."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
fsync = off
"""


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server that lets one user in, by a password."""

    port: int
    password: str = field(default_factory=lambda: secrets.token_hex(16))

    def uri(self, database: str) -> str:
        return f"postgresql://gdexp:{self.password}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> str:
        """Create an empty database and return its URI."""
        execute(self.uri("postgres"), f"CREATE DATABASE {database}")
        return self.uri(database)


def execute(uri: str, *statements: str) -> list[tuple[object, ...]]:
    """Execute `statements`, each committed, and return the rows of the last if it has any."""
    with psycopg.connect(uri, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@contextlib.contextmanager
def postgresql() -> Iterator[Postgres]:
    """Start PostgreSQL and end it; skip the tests without it, or fail where GDEXP_POSTGRES=required."""
    if _program("initdb") is None:
        give_up = pytest.fail if os.environ.get("GDEXP_POSTGRES") == "required" else pytest.skip
        give_up("PostgreSQL is not installed: `make postgres` installs it for the tests of a server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        server = Postgres(free.getsockname()[1])
    with tempfile.TemporaryDirectory(prefix="gdexp-postgres-") as name:
        place, data = Path(name), f"--pgdata={name}/data"
        (place / "password").write_text(server.password)
        shutil.chown(place, _user())
        shutil.chown(place / "password", _user())
        access = ("--username=gdexp", "--auth=scram-sha-256", f"--pwfile={place / 'password'}")
        _run("initdb", data, *access, "--locale=C", "--encoding=UTF8", "--no-sync")
        with (place / "data" / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION.format(port=server.port))
        _run("pg_ctl", "start", "--wait", data, f"--log={place / 'log.txt'}")
        try:
            yield server
        finally:
            _run("pg_ctl", "stop", "--mode=immediate", data)


def _user() -> int:
    """Return the id of the user who runs PostgreSQL, which refuses root."""
    return os.geteuid() or pwd.getpwnam("nobody").pw_uid


def _program(name: str) -> str | None:
    """Return where a program of PostgreSQL is; Debian keeps those of a server off PATH."""
    folders = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    return shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *folders]))


def _run(name: str, *arguments: str) -> None:
    """Run a program of PostgreSQL, or fail with what it said."""
    user = pwd.getpwuid(_user())
    done = subprocess.run(
        [str(_program(name)), *arguments],
        cwd="/",
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[] if os.geteuid() == 0 else None,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"{name} ended with {done.returncode}: {done.stdout}{done.stderr}")
