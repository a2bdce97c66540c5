from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from mlflow import MlflowClient

from gdexp.tracking import Store, Tracking, open_store
from gdexp.tracking.links import run_link, sweep_links, ui_hint


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(Tracking(uri=f"sqlite:///{tmp_path / 'mlflow.db'}"))


def query(link: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(link).fragment.partition("?")[2])


def test_the_overlaid_curves_name_runs_metric_and_a_log_axis(store: Store) -> None:
    asked = query(sweep_links(store, "p", ["a", "b"], ["lr"])["curves overlaid"])
    assert json.loads(asked["runs"][0]) == ["a", "b"]
    assert json.loads(asked["metric"][0]) == "mse"
    assert asked["y_axis_scale"] == ["log"]


def test_the_grouped_page_finds_its_view_in_the_experiment(store: Store) -> None:
    link = sweep_links(store, "p", ["a"], ["lr", "seed"])["grouped by lr"]
    (key,) = query(link)["viewStateShareKey"]
    tags = MlflowClient(store.uri).get_experiment(store.experiment_id).tags
    view = json.loads(tags[f"mlflow.sharedViewState.{key}"])
    assert view["searchFilter"] == "tags.`mlflow.parentRunId` = 'p'"
    assert view["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "gdexp.swept.lr"}]


def test_repeats_alone_are_shown_one_by_one(store: Store) -> None:
    assert "grouped by seed" in sweep_links(store, "p", ["a"], ["seed"])


def test_large_sweeps_get_only_the_page_that_names_no_run(store: Store) -> None:
    assert list(sweep_links(store, "p", ["a"] * 1000, ["lr"])) == ["grouped by lr"]


def test_a_local_store_needs_a_ui_first(store: Store) -> None:
    assert "make ui" in ui_hint(store)
    assert run_link(store, "a") == f"http://127.0.0.1:5000/#/experiments/{store.experiment_id}/runs/a"


def test_a_server_is_its_own_ui(store: Store) -> None:
    server = Store(store.backend, store.delivery, "http://host:8080/", "gdexp", "1")
    assert ui_hint(server) == "open"
    assert run_link(server, "a") == "http://host:8080/#/experiments/1/runs/a"
