"""A run in words: its settings, its outcome, how its learning rate stands to the limit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gdexp.core import Theory, Trajectory


def short(value: str) -> str:
    """Return a number's text in six significant digits where it is longer, and any other text as it is."""
    try:
        return f"{float(value):.6g}" if len(value) > 8 else value
    except ValueError:
        return value


def decisive(params: Mapping[str, str]) -> dict[str, str]:
    """Return those of `params` that decide the numbers, by name, without what is off and without folders."""
    idle = {"tracking", "plots", "experiment"}
    if params.get("stopping.relative_decrease", "null") == "null":
        idle.add("stopping.patience")
    return {
        key: Path(value).name if key == "data.path" else value
        for key, value in sorted(params.items())
        if value != "null" and not idle & {key, key.partition(".")[0]}
    }


def caption(settings: Mapping[str, str]) -> str:
    """Return `settings` in one line, as they would be typed."""
    return ", ".join(f"{key}={short(value)}" for key, value in settings.items())


def outcome(trajectory: Trajectory) -> str:
    """Return why descent ended and how far above the minimum it did."""
    if trajectory.gap[0] == 0:
        return f"{trajectory.reason.value} It started at the minimum."
    share = trajectory.gap[-1] / trajectory.gap[0]
    of_initial = "less than 1e-12" if share < 1e-12 else f"{share:.3g}"
    return (
        f"{trajectory.reason.value} The loss is {trajectory.gap[-1]:.6g} above the minimum: "
        f"{of_initial} of the initial gap is left."
    )


def stability(theory: Theory) -> str:
    """Return how the learning rate stands to the largest stable one."""
    ratio = f"lr is {theory.relative_lr:.6g} times the largest stable one, {theory.max_stable_lr:.6g}"
    return f"{ratio}: {'stable' if theory.stable else 'not stable'}."


def description(params: Mapping[str, str], trajectory: Trajectory, theory: Theory) -> str:
    """Return the outcome and the settings as the Markdown of a run's description."""
    return f"{outcome(trajectory)}\n\n{stability(theory)}\n\nSettings: {caption(decisive(params))}"


def summary(trajectory: Trajectory, theory: Theory) -> str:
    """Return what a user wants to know after a run, in a few lines."""
    reached = "never" if theory.steps_to_gap is None else f"at step {theory.steps_to_gap}"
    return "\n".join(
        [
            outcome(trajectory),
            f"  steps      {trajectory.steps}",
            f"  final MSE  {trajectory.mse[-1]:.6g}, where the minimum is {theory.minimum_mse:.6g}",
            f"  gap        {trajectory.gap[-1]:.6g}; by theory it falls to 1e-6 of the initial one {reached}",
            f"  stability  {stability(theory)}",
        ]
    )


def line(trajectory: Trajectory) -> str:
    """Return the outcome of a run among many."""
    left = f", gap {trajectory.gap[-1]:.3g}" if trajectory.gap[0] else ""
    return f"{trajectory.reason.tag} at step {trajectory.steps}, MSE {trajectory.mse[-1]:.6g}{left}"
