from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gdexp.core import ParameterError
from gdexp.tracking import Tracking, masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://me:secret@host:5000/a", "http://***@host:5000/a"),
        ("postgresql+psycopg2://me:p@ss/w@rd@host/db", "postgresql+psycopg2://***@host/db"),
        ("postgresql://host/db?user=me&password=secret&x=1", "postgresql://host/db?user=me&password=***&x=1"),
        ("tracking.uri=https://token@host and more", "tracking.uri=https://***@host and more"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("http%3A%2F%2Fme%3Asecret%40host%2Fa", "http%3A%2F%2F***%40host%2Fa"),
        ("//host/db?sslPassword=a%26b&aws_secret_access_key=c", "//host/db?sslPassword=***&aws_secret_access_key=***"),
        ('["tracking.uri=x://h?password=a\\"b", "lr=1"]', '["tracking.uri=x://h?password=***", "lr=1"]'),
        ("uri: 'x://h?token=a'\npath: folder//me@home.csv", "uri: 'x://h?token=***'\npath: folder//me@home.csv"),
        ("mse=1, features=token", "mse=1, features=token"),
    ],
)
def test_credentials_are_masked_wherever_a_uri_is_shown(text: str, shown: str) -> None:
    assert masked(text) == shown


@settings(deadline=None, derandomize=True, database=None)
@given(st.text(), st.text(), st.sampled_from(["{}://{}:{}@host/db", "{}://host/db?password={}{}"]))
def test_no_password_without_a_space_is_left_and_json_stays_json(user: str, password: str, form: str) -> None:
    secret = "s3cr3t" + quote(password)
    uri = form.format("http", quote(user), secret) if "@" in form else form.format("http", secret, "")
    listed = json.dumps([f"tracking.uri={uri}", "lr=1"])
    assert "s3cr3t" not in masked(listed)
    assert json.loads(masked(listed))[1] == "lr=1"


def test_the_uri_is_the_one_given_else_the_environments_else_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert Tracking().resolved_uri == "sqlite:///mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert Tracking().resolved_uri == "http://127.0.0.1:5000"
    assert Tracking(uri="sqlite:///x.db").resolved_uri == "sqlite:///x.db"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"uri": ""}, "uri takes an MLflow tracking URI, or null for the default; got ''."),
        ({"uri": 5}, "uri takes an MLflow tracking URI, or null for the default; got 5."),
        ({"experiment": " "}, "experiment takes a name of 1 to 500 characters; got ' '."),
        ({"max_parameters": -1}, "max_parameters takes a whole number of at least 0; got -1."),
        ({"every": 0.5}, "every takes a whole number of at least 1; got 0.5."),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError) as error:
        Tracking(**settings)  # type: ignore[arg-type]
    assert str(error.value) == message
