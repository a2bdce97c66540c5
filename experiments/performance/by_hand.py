"""What a competent user writes without gdexp: gradient descent in NumPy, MLflow's client, Matplotlib.

As a script, `python by_hand.py --lr 0.01,0.03`, it is a sweep over the worked example with a run a learning rate.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, Metric, Param, RunTag
from numpy.typing import NDArray

Array = NDArray[np.float64]

WEIGHT = np.array([3.50, 3.69, 3.44, 3.43, 4.34, 4.42, 2.37])
MPG = np.array([18.0, 15.0, 18.0, 16.0, 15.0, 14.0, 24.0])


def descend(lr: float, steps: int) -> dict[str, Array]:
    """Return the losses and parameters of steps 0 to `steps`, from zero, on the seven cars."""
    A = np.column_stack([WEIGHT, np.ones(len(WEIGHT))])
    theta = np.zeros(2)
    losses, parameters = np.empty(steps + 1), np.empty((steps + 1, 2))
    for step in range(steps + 1):
        residual = A @ theta - MPG
        losses[step], parameters[step] = residual @ residual / len(MPG), theta
        theta = theta - lr * (2 / len(MPG)) * (residual @ A)
    return {"mse": losses, "parameter_weight": parameters[:, 0], "parameter_bias": parameters[:, 1]}


def metrics_of(history: Mapping[str, Array], every: int = 1) -> list[Metric]:
    """Return a metric for each `every`th step of each series."""
    now = int(time.time() * 1000)
    return [
        Metric(key, value, now, step)
        for key, values in history.items()
        for step, value in zip(range(0, len(values), every), values[::every].tolist(), strict=True)
    ]


def record_batch(
    client: MlflowClient,
    experiment_id: str,
    name: str,
    metrics: Sequence[Metric],
    params: Mapping[str, str],
    folder: Path,
    tags: Mapping[str, str] | None = None,
    digest: str | None = None,
) -> str:
    """Record a run by `log_batch`, with what is in `folder` as its artifacts, and return its id."""
    run_id: str = client.create_run(experiment_id, run_name=name).info.run_id
    pairs = [Param(key, value) for key, value in params.items()]
    client.log_batch(run_id, metrics, pairs, [RunTag(key, value) for key, value in (tags or {}).items()])
    _finish(client, run_id, folder, digest)
    return run_id


def record_steps(
    client: MlflowClient,
    experiment_id: str,
    name: str,
    metrics: Sequence[Metric],
    params: Mapping[str, str],
    folder: Path,
    tags: Mapping[str, str] | None = None,
    digest: str | None = None,
) -> str:
    """Record a run by `log_metric` for each step, as in most tutorials, and return its id."""
    run_id: str = client.create_run(experiment_id, run_name=name).info.run_id
    for key, value in params.items():
        client.log_param(run_id, key, value)
    for one in metrics:
        client.log_metric(run_id, one.key, one.value, one.timestamp, one.step)
    for key, value in (tags or {}).items():
        client.set_tag(run_id, key, value)
    _finish(client, run_id, folder, digest)
    return run_id


def _finish(client: MlflowClient, run_id: str, folder: Path, digest: str | None) -> None:
    if digest:
        client.log_inputs(run_id, [DatasetInput(Dataset("seven_cars", digest, "code", "{}"))])
    client.log_artifacts(run_id, str(folder))
    client.set_terminated(run_id)


def write_trajectory(path: Path, history: Mapping[str, Array]) -> None:
    """Write every step of every series as Parquet."""
    pd.DataFrame(dict(history)).rename_axis("step").reset_index().to_parquet(path)


def draw(path: Path, history: Mapping[str, Array]) -> None:
    """Draw the loss and the gap to the best loss, both over the steps."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    left.plot(history["mse"])
    left.set(title="Loss", xlabel="step", ylabel="mean squared error")
    A = np.column_stack([WEIGHT, np.ones(len(WEIGHT))])
    best = np.mean((A @ np.linalg.lstsq(A, MPG)[0] - MPG) ** 2)
    right.semilogy(history["mse"] - best)
    right.set(title="Gap", xlabel="step", ylabel="loss above the minimum")
    figure.savefig(path)
    plt.close(figure)


def main() -> None:
    """Train, record and draw once for each learning rate."""
    options = argparse.ArgumentParser()
    options.add_argument("--lr", type=lambda text: [float(value) for value in text.split(",")], default=[0.01])
    options.add_argument("--steps", type=int, default=1000)
    options.add_argument("--every", type=int, default=1)
    options.add_argument("--loss-only", action="store_true")
    options.add_argument("--keep", choices=["figure", "trajectory"], default="figure")
    chosen = options.parse_args()
    client = MlflowClient("sqlite:///mlflow.db")
    experiment = client.get_experiment_by_name("by_hand")
    experiment_id = experiment.experiment_id if experiment else client.create_experiment("by_hand")
    for lr in chosen.lr:
        history = descend(lr, chosen.steps)
        metrics = metrics_of({"mse": history["mse"]} if chosen.loss_only else history, chosen.every)
        params = {"lr": str(lr), "steps": str(chosen.steps), "data": "seven_cars", "init": "zero"}
        with tempfile.TemporaryDirectory() as folder:
            if chosen.keep == "figure":
                draw(Path(folder) / "loss_curve.png", history)
            else:
                write_trajectory(Path(folder) / "trajectory.parquet", history)
            record_batch(client, experiment_id, f"lr={lr}", metrics, params, Path(folder))


if __name__ == "__main__":
    main()
