"""Addresses of pages of the MLflow UI that open with a sweep's curves drawn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import quote

from gdexp.tracking.store import Store

LOCAL_UI = "http://127.0.0.1:5000"
"""Where `mlflow ui` listens unless it is told otherwise."""
MOST_IN_URL = 100
"""Runs that an address may name before it grows too long for the UI."""


def ui_address(store: Store) -> str:
    """Return the address of the UI of `store`: the server's own, or that of a local `mlflow ui`."""
    server = store.uri.startswith(("http://", "https://"))
    return store.uri.replace("//***@", "//").rstrip("/") if server else LOCAL_UI


def ui_hint(store: Store) -> str:
    """Return what to do before a link of `store` opens: start a UI, unless a server is already there."""
    if ui_address(store) != LOCAL_UI:
        return "open"
    return f"`mlflow ui --backend-store-uri {store.uri}` (or `make ui`), then open"


def run_link(store: Store, run_id: str) -> str:
    """Return the address of a run's page."""
    return f"{ui_address(store)}/#/experiments/{store.experiment_id}/runs/{run_id}"


def sweep_links(store: Store, parent_id: str, run_ids: Sequence[str], axes: Sequence[str]) -> dict[str, str]:
    """Return what each page shows and its address; stores the view of the grouped one in the experiment's tags."""
    links = {}
    if len(run_ids) <= MOST_IN_URL:
        links["curves overlaid"] = _curves(store, run_ids)
        links["runs compared"] = _page(store, "compare-runs", runs=run_ids, experiments=[store.experiment_id])
    # Repeats are averaged by the page where anything else was swept besides.
    kept = [axis for axis in axes if axis != "seed"] or axes
    links["grouped by " + ", ".join(kept)] = _grouped(store, parent_id, kept)
    return links


def _curves(store: Store, run_ids: Sequence[str]) -> str:
    return _page(
        store,
        "metric",
        runs=run_ids,
        metric="mse",
        experiments=[store.experiment_id],
        plot_metric_keys=["mse"],
        x_axis="step",
        y_axis_scale="log",
        line_smoothness=1,
        show_point=False,
        deselected_curves=[],
        last_linear_y_axis_range=[],
    )


def _page(store: Store, page: str, **query: object) -> str:
    """Join a page's address; the UI wants lists and strings as JSON, except for a few plain words."""
    plain = ("x_axis", "y_axis_scale")
    pairs = (
        f"{key}={quote(str(value) if key in plain else json.dumps(value, separators=(',', ':')), safe='')}"
        for key, value in query.items()
    )
    return f"{ui_address(store)}/#/{page}?{'&'.join(pairs)}"


def _grouped(store: Store, parent_id: str, axes: Sequence[str]) -> str:
    view = {
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "searchFilter": f"tags.`mlflow.parentRunId` = '{parent_id}'",
        "compareRunsMode": "CHART",
        "groupBy": {
            "aggregateFunction": "average",
            "groupByRuns": False,
            "groupByKeys": [{"mode": "tag", "groupByData": f"gdexp.swept.{axis}"} for axis in axes],
        },
        "useGroupedValuesInCharts": True,
    }
    key = f"gdexp-{parent_id}"
    tag = f"mlflow.sharedViewState.{key}", json.dumps(view)
    store.delivery.insist(lambda _: store.backend.set_experiment_tag(store.experiment_id, *tag))
    return f"{ui_address(store)}/#/experiments/{store.experiment_id}/runs?viewStateShareKey={key}&compareRunsMode=CHART"
