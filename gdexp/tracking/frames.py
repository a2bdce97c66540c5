"""Recorded sweeps as pandas frames, for analyses of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gdexp.core.factor import Array
from gdexp.tracking.read import RecordedRun, RecordedSweep, find_sweep, read_trajectories
from gdexp.tracking.settings import Tracking
from gdexp.tracking.store import existing_store

if TYPE_CHECKING:
    import pandas as pd

OWN = ("run_id", "name", "status", "stop_reason", "stable")
STEPWISE = ("step", "mse", "gap", "gradient_norm")


@dataclass(frozen=True, eq=False)
class LoadedSweep:
    """A recorded sweep; both frames know a run by `job`, its place in the sweep from 0.

    `runs` has a row for each run: `run_id`, `name`, `status`, `stop_reason`, `stable`, the swept keys, every param and
    every metric's last value; what is off is NaN. `trajectories` has a row for each step of each finished run: `job`,
    the swept keys, `step`, `mse`, `gap`, `gradient_norm`, `parameter_<name>`; exact, whatever the metrics leave out.
    """

    runs: pd.DataFrame = field(repr=False)
    trajectories: pd.DataFrame = field(repr=False)


def load_sweep(sweep: str | None = None, *, uri: str | None = None, experiment: str = "gdexp") -> LoadedSweep:
    """Return the recorded sweep `sweep`: the id of its parent run, a study's name for its latest, None for the latest.

    The store is that of `uri`, else of MLFLOW_TRACKING_URI, else mlflow.db in the working directory; `experiment` is
    the MLflow experiment that is searched. Raises TrackingError where there is no such sweep.
    """
    store = existing_store(Tracking(uri=uri, experiment=experiment))
    found = find_sweep(store, sweep)
    return LoadedSweep(
        _runs(found), _trajectories(found.axes, found.finished, read_trajectories(store, found.finished))
    )


def _runs(sweep: RecordedSweep) -> pd.DataFrame:
    import pandas as pd

    rows = [
        {
            **run.params,
            **{axis: run.value(axis) for axis in sweep.axes},
            **run.metrics,
            # Last, for what a run recorded by hand calls its params is its own affair.
            "run_id": run.run_id,
            "name": run.name,
            "status": run.status,
            "stop_reason": run.tags.get("gdexp.stop_reason"),
            "stable": {"true": True, "false": False}.get(run.tags.get("gdexp.stable", "")),
        }
        for run in sweep.runs
    ]
    jobs = pd.Index([run.job for run in sweep.runs], name="job")
    frame = pd.DataFrame(rows, index=jobs, columns=None if rows else [*OWN, *sweep.axes])
    texts = dict.fromkeys([*sweep.axes, *(key for run in sweep.runs for key in run.params)])
    frame = frame.assign(**{key: _numbers(frame[key].tolist()) for key in texts if key not in OWN})
    return frame[[*OWN, *(key for key in frame if key not in OWN)]]


def _trajectories(
    axes: Sequence[str], runs: Sequence[RecordedRun], columns: Sequence[dict[str, Array]]
) -> pd.DataFrame:
    import pandas as pd

    lengths = [len(one["step"]) for one in columns]
    frame: dict[str, Any] = {"job": np.repeat(np.array([run.job for run in runs], dtype=int), lengths)}
    frame |= {axis: np.repeat(_numbers([run.value(axis) for run in runs]), lengths) for axis in axes}
    for name in dict.fromkeys([*STEPWISE, *(name for one in columns for name in one)]):
        missing = [one.get(name, np.full(length, np.nan)) for one, length in zip(columns, lengths, strict=True)]
        frame[name] = np.concatenate(missing) if missing else np.empty(0)
    return pd.DataFrame(frame)


def _numbers(texts: Sequence[str | None]) -> NDArray[Any]:
    """Return the numbers that `texts` stand for, NaN where one is absent or off, or `texts` where one is no number."""
    given = [text if isinstance(text, str) and text not in ("null", "-") else None for text in texts]
    try:
        numbers = np.array([np.nan if text is None else float(text) for text in given])
    except ValueError:
        return np.array(texts, dtype=object)
    if np.isnan(numbers).all():
        return np.array(texts, dtype=object)
    return numbers.astype(int) if all(text is not None and text.isdigit() for text in given) else numbers
