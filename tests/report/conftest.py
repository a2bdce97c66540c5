"""Recorded runs as the store would return them, made without a store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gdexp.tracking.read import RecordedRun


def recorded(
    swept: Mapping[str, str] | None = None,
    *,
    status: str = "FINISHED",
    params: Mapping[str, str] | None = None,
    metrics: Mapping[str, float] | None = None,
    tags: Mapping[str, str] | None = None,
    **others: Any,
) -> RecordedRun:
    """A run with the values `swept`, as a child of a sweep has them in its tags."""
    own = dict(swept or {})
    known: dict[str, Any] = {
        "run_id": "0" * 32,
        "name": ", ".join(f"{key}={value}" for key, value in own.items()),
        "status": status,
        "experiment_id": "1",
        "artifact_uri": "",
        "params": {**own, **(params or {})},
        "metrics": dict(metrics or {}),
        "tags": {f"gdexp.swept.{key}": value for key, value in own.items()} | dict(tags or {}),
        "data": None,
    }
    return RecordedRun(**(known | others))
