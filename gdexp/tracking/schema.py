"""`python -m gdexp.tracking.schema`: print the schema of a store that the installed MLflow makes."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gdexp.tracking.client import migrate
from gdexp.tracking.database import migrations_digest


def schema_of_mlflow() -> str:
    """Return SQL that makes what MLflow's migrations make, all but the default experiment, which differs by store."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mlflow.db"
        migrate(path, Path(folder) / "mlruns")
        with contextlib.closing(sqlite3.connect(path)) as connection:
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            heads = [f"-- revision: {revision}", f"-- migrations: {migrations_digest()}"]
            return "\n".join([*heads, "BEGIN;", *_statements(connection), "COMMIT;", ""])


def _statements(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield what makes the database again, in an order that is always the same: that of the migrations is not."""
    made = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type <> 'table', name"
    yield from (f"{_ordered(sql)};" for (sql,) in connection.execute(made))
    tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'experiments' ORDER BY name"
    for (table,) in connection.execute(tables).fetchall():
        for row in connection.execute(f'SELECT * FROM "{table}"'):
            values = ", ".join(connection.execute("SELECT quote(?)", (value,)).fetchone()[0] for value in row)
            yield f'INSERT INTO "{table}" VALUES ({values});'


def _ordered(sql: str) -> str:
    """Return a table's statement, a column or a constraint a line, with its constraints sorted."""
    if not sql.startswith("CREATE TABLE"):
        return sql
    first, *parts, last = sql.splitlines()
    parts = [part.rstrip(" ,") for part in parts]
    constraints = sorted(part for part in parts if part.split()[0] in ("CONSTRAINT", "CHECK", "FOREIGN", "UNIQUE"))
    return "\n".join([first, ",\n".join([*(part for part in parts if part not in constraints), *constraints]), last])


if __name__ == "__main__":
    print(schema_of_mlflow(), end="")
