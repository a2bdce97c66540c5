"""Recorded sweeps as pandas frames, for analyses of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gdexp.core.factor import Array
from gdexp.tracking.read import RecordedRun, RecordedSweep, find_sweep, read_trajectories
from gdexp.tracking.settings import Tracking
from gdexp.tracking.store import existing_store

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class LoadedSweep:
    """A recorded sweep; both frames know a run by `job`, its place in the sweep from 0.

    `runs` has a row for each run: `run_id`, `name`, `status`, `stop_reason`, `stable`, the swept keys, every param and
    every metric's last value. `trajectories` has a row for each step of each finished run: `job`, the swept keys,
    `step`, `mse`, `gap`, `gradient_norm`, `parameter_<name>`; exact, whatever the metrics leave out.
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
    finished = [(job, run) for job, run in enumerate(found.runs) if run.status == "FINISHED"]
    columns = read_trajectories(store, [run for _, run in finished])
    return LoadedSweep(_runs(found), _trajectories(found.axes, finished, columns))


def _runs(sweep: RecordedSweep) -> pd.DataFrame:
    import pandas as pd

    rows = [
        {
            "run_id": run.run_id,
            "name": run.name,
            "status": run.status,
            "stop_reason": run.tags.get("gdexp.stop_reason"),
            "stable": {"true": True, "false": False}.get(run.tags.get("gdexp.stable", "")),
            **run.params,
            **{axis: run.value(axis) for axis in sweep.axes},
            **run.metrics,
        }
        for run in sweep.runs
    ]
    frame = pd.DataFrame(rows, index=pd.RangeIndex(len(rows), name="job"))
    texts = dict.fromkeys([*sweep.axes, *(key for run in sweep.runs for key in run.params)])
    return frame.assign(**{key: _numbers(frame[key].tolist()) for key in texts})


def _trajectories(
    axes: Sequence[str], runs: Sequence[tuple[int, RecordedRun]], columns: Sequence[dict[str, Array]]
) -> pd.DataFrame:
    import pandas as pd

    lengths = [len(one["step"]) for one in columns]
    frame = {"job": np.repeat([job for job, _ in runs], lengths)}
    frame |= {axis: np.repeat(_numbers([run.value(axis) for _, run in runs]), lengths) for axis in axes}
    names = dict.fromkeys(name for one in columns for name in one)
    for name in names:
        parts = [one.get(name, np.full(length, np.nan)) for one, length in zip(columns, lengths, strict=True)]
        frame[name] = np.concatenate(parts)
    return pd.DataFrame(frame)


def _numbers(texts: Sequence[str]) -> list[int] | list[float] | list[str]:
    """Return the numbers that `texts` stand for, or `texts` where one of them is none."""
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        return list(texts)
    return [int(text) for text in texts] if all(str(text).isdigit() for text in texts) else numbers
