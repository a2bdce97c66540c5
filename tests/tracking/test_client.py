"""What MLflow's client is not asked to do."""

from __future__ import annotations

import pytest

from gdexp.tracking import TrackingError
from gdexp.tracking.client import mlflow_client


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgres", "mysql+pymysql", "mssql", "MySQL"])
def test_a_database_without_a_server_before_it_is_refused_and_its_password_hidden(scheme: str) -> None:
    with pytest.raises(TrackingError, match="a database, which keeps no artifacts; start `mlflow server") as caught:
        mlflow_client(f"{scheme}://bob:sekretpw@db.example/runs?password=sekretpw")
    assert f"'{scheme}://***@db.example/runs?password=***'" in str(caught.value)
