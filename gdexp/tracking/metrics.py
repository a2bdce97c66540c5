"""What a run records as metrics: names, values and steps, as the contract lists them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from gdexp.core import Theory, Trajectory
from gdexp.core.factor import Array
from gdexp.tracking.backend import Series
from gdexp.tracking.settings import Tracking

START = np.zeros(1, dtype=np.int64)


def parameter_names(features: Sequence[str]) -> list[str]:
    """Return the name of each parameter in the store: the features in order, then `bias`.

    What MLflow refuses in a name becomes `_`; names that then collide get _2, _3, and the bias keeps its name.
    """
    taken = {"bias"}
    names = []
    for feature in features:
        base = name = re.sub(r"[^\w\-. ]", "_", feature, flags=re.ASCII)[:200] or "_"
        number = 2
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        taken.add(name)
        names.append(name)
    return [*names, "bias"]


def step_series(trajectory: Trajectory, names: Sequence[str], settings: Tracking) -> list[Series]:
    """Return what has a value for each step: `mse`, and the first `max_parameters` parameters, the bias before all."""
    steps = np.append(np.arange(0, trajectory.steps, min(settings.every, trajectory.steps + 1)), trajectory.steps)
    shown = [len(names) - 1, *range(len(names) - 1)][: settings.max_parameters]
    parameters = [Series(f"parameter_{names[i]}", steps, trajectory.parameters[steps, i]) for i in shown]
    return [Series("mse", steps, trajectory.mse[steps]), *parameters]


def outcome_series(
    trajectory: Trajectory, theory: Theory, names: Sequence[str], original: Array | None
) -> list[Series]:
    """Return what has a value at step 0 alone: how the run ended, `original` parameters, and the theory."""
    values: dict[str, float | int | None] = {
        "mse_final": trajectory.mse[-1],
        "mse_gap": trajectory.gap[-1],
        "mse_gradient_norm": trajectory.gradient_norm[-1],
        "steps": trajectory.steps,
        "steps_to_gap": trajectory.steps_to_gap,
    }
    if original is not None:
        values |= {f"original_{name}": value for name, value in zip(names, original, strict=True)}
    values |= {f"theory_{key}": value for key, value in asdict(theory).items()}
    # MLflow would store an infinity as 1.797e308 without a word.
    known = {key: float(value) for key, value in values.items() if value is not None and math.isfinite(value)}
    return [Series(key, START, np.array([value])) for key, value in known.items()]
