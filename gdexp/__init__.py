"""How does gradient descent converge? Experiments that can be compared, trusted and repeated.

As a library: `gdexp.core` solves, `gdexp.plots` draws, `record` keeps the result in MLflow, and `load_sweep` gives
recorded sweeps back as pandas frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gdexp.core import LeastSquares, Trajectory
    from gdexp.tracking.frames import load_sweep

__all__ = ["load_sweep", "record"]


def record(
    problem: LeastSquares,
    trajectory: Trajectory,
    *,
    lr: float,
    features: Sequence[str] | None = None,
    name: str = "descent",
    params: Mapping[str, object] | None = None,
    uri: str | None = None,
    experiment: str = "gdexp",
) -> str:
    """Record a descent made by hand as one MLflow run and return the run's id.

    `lr` is the learning rate of `trajectory`, `features` the names of the d features (x1, x2, ... if None), `params`
    whatever else shall be known of it. The store is that of `uri`, else of MLFLOW_TRACKING_URI, else mlflow.db in the
    working directory. Raises TrackingError where it cannot be used.
    """
    from gdexp.core import ParameterError, theory
    from gdexp.plots import loss_curve, save
    from gdexp.report.words import outcome, stability
    from gdexp.tracking import Tracking, open_store, recorded_run
    from gdexp.tracking.context import environment_text
    from gdexp.tracking.metrics import parameter_names
    from gdexp.tracking.record import descent_outcome
    from gdexp.tracking.trajectory import write_trajectory

    if features is not None and len(features) != problem.p - 1:
        raise ParameterError("features", f"{problem.p - 1} names, one for each feature", list(features))
    settings = Tracking(uri=uri, experiment=experiment)
    known = theory(problem, lr=lr, start=trajectory.parameters[0])
    names = parameter_names(features or [f"x{i + 1}" for i in range(problem.p - 1)])
    texts = {key: str(value) for key, value in {"lr": lr, **(params or {})}.items()}
    with recorded_run(open_store(settings), name, texts, {}) as run:
        note = f"{outcome(trajectory)}\n\n{stability(known)}"
        run.outcome(descent_outcome(trajectory, known, names, settings, note=note))
        with run.files() as folder:
            (folder / "environment.txt").write_text(environment_text(), encoding="utf-8")
            write_trajectory(folder / "trajectory.parquet", trajectory, names)
            (folder / "plots").mkdir()
            save(loss_curve(trajectory, known), folder / "plots" / "loss_curve.png")
    return run.run_id


def __getattr__(name: str) -> Any:
    """Return `load_sweep`; importing it imports nothing heavy, but `import gdexp` shall stay as light as it is."""
    if name == "load_sweep":
        from gdexp.tracking.frames import load_sweep

        return load_sweep
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
