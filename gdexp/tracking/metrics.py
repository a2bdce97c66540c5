"""What a run records as metrics: names, values and steps, as the contract lists them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from gdexp.core import Theory, Trajectory
from gdexp.core.factor import Array
from gdexp.tracking.settings import Tracking


@dataclass(frozen=True)
class Point:
    """One value of one metric."""

    key: str
    value: float
    step: int


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


def step_points(trajectory: Trajectory, names: Sequence[str], settings: Tracking) -> Iterator[Point]:
    """Yield a point for each recorded step: `mse`, and the first `max_parameters` parameters, the bias before all."""
    steps = [step for step in range(trajectory.steps) if step % settings.every == 0] + [trajectory.steps]
    columns: list[tuple[str, Array]] = [("mse", trajectory.mse)]
    shown = [len(names) - 1, *range(len(names) - 1)][: settings.max_parameters]
    columns += [(f"parameter_{names[i]}", trajectory.parameters[:, i]) for i in shown]
    for key, values in columns:
        yield from (Point(key, value, step) for step, value in zip(steps, values[steps].tolist(), strict=True))


def outcome_points(
    trajectory: Trajectory, theory: Theory, names: Sequence[str], original: Array | None
) -> Iterator[Point]:
    """Yield the points at step 0: how the run ended, `original` parameters where data were scaled, and the theory."""
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
    yield from (
        Point(key, float(value), 0) for key, value in values.items() if value is not None and math.isfinite(value)
    )
