"""A benchmark for benchopt: gradient descent on the worked example, a callback at every step."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from experiments.performance.descents import Array
from experiments.performance.measure import Measured, UnavailableError, child
from gdexp.data.datasets.seven_cars import ROWS

OBJECTIVE = """
import numpy as np
from benchopt import BaseObjective


class Objective(BaseObjective):
    name = "mean squared error"

    def set_data(self, A, y):
        self.A, self.y = A, y

    def get_one_result(self):
        return {"theta": np.zeros(self.A.shape[1])}

    def evaluate_result(self, theta):
        residual = self.A @ theta - self.y
        return {"value": residual @ residual / len(self.y)}

    def get_objective(self):
        return {"A": self.A, "y": self.y}
"""

DATASET = f"""
import numpy as np
from benchopt import BaseDataset


class Dataset(BaseDataset):
    name = "seven cars"

    def get_data(self):
        weight, mpg = np.array({ROWS}).T
        return {{"A": np.column_stack([weight, np.ones(len(weight))]), "y": mpg}}
"""

SOLVER = """
import numpy as np
from benchopt import BaseSolver
from benchopt.stopping_criterion import NoCriterion


class Solver(BaseSolver):
    name = "gradient descent"
    sampling_strategy = "callback"
    stopping_criterion = NoCriterion()
    parameters = {"lr": [RATES]}

    def get_next(self, step):
        return step + 1

    def set_objective(self, A, y):
        self.A, self.y = A, y

    def run(self, callback):
        self.theta = np.zeros(self.A.shape[1])
        while callback():
            residual = self.A @ self.theta - self.y
            self.theta = self.theta - self.lr * (2 / len(self.y)) * (residual @ self.A)

    def get_result(self):
        return {"theta": self.theta}
"""

COMMAND = ("-m", "benchopt", "run", ".", "--no-cache", "--no-display", "--html", "--no-timeout", "-r", "1")


def run(folder: Path, rates: Sequence[str], steps: int) -> Measured:
    """Run the benchmark once for each learning rate, and return all losses by learning rate."""
    if find_spec("benchopt") is None:
        raise UnavailableError("not installed")
    shutil.rmtree(folder)
    for name, text in (
        ("objective.py", OBJECTIVE),
        ("datasets/seven_cars.py", DATASET),
        ("solvers/gradient_descent.py", SOLVER.replace("RATES", ", ".join(rates))),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    done = child([*COMMAND, "-n", str(steps), "--output", "measured"], folder)
    (table,) = (folder / "outputs").glob("*.parquet")
    frame = pd.read_parquet(table)
    found: dict[float, Array] = {
        float(str(lr)): rows.sort_values("stop_val")["objective_value"].to_numpy()
        for lr, rows in frame.groupby("p_solver_lr")
    }
    if not list((folder / "outputs").glob("*.html")):
        raise RuntimeError("benchopt left no HTML: the work is not the same")
    return Measured(done.seconds, found, done.peak)
