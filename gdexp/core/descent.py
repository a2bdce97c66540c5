"""Gradient descent: from a start, through an engine's blocks of steps, to the first step where a rule holds."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gdexp.core.checks import choice, number
from gdexp.core.engines import ENGINES, Block
from gdexp.core.errors import DataError, ParameterError
from gdexp.core.factor import Array
from gdexp.core.problem import LeastSquares
from gdexp.core.stopping import BLOW_UP, Stopping, StopReason

TARGET_GAP = 1e-6
"""`steps_to_gap` counts the steps until the gap is this fraction of the initial one."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Everything that descent went through; entry k of each array is the state after k updates.

    `mse`, `gap` (loss above the minimum) and `gradient_norm` have shape (K + 1,), `parameters` (K + 1, p).
    The arrays are read-only.
    """

    mse: Array = field(repr=False)
    gap: Array = field(repr=False)
    gradient_norm: Array = field(repr=False)
    parameters: Array = field(repr=False)
    reason: StopReason

    def __post_init__(self) -> None:
        for values in (self.mse, self.gap, self.gradient_norm, self.parameters):
            values.setflags(write=False)

    @property
    def steps(self) -> int:
        """The last recorded step: how many updates were made and kept."""
        return len(self.mse) - 1

    @property
    def steps_to_gap(self) -> int | None:
        """The first recorded step whose gap is at most TARGET_GAP of the initial one, or None."""
        reached = np.flatnonzero(self.gap <= TARGET_GAP * self.gap[0])
        return int(reached[0]) if len(reached) else None


def descend(
    problem: LeastSquares,
    *,
    lr: float,
    start: Array,
    stopping: Stopping | None = None,
    engine: str = "spectral",
) -> Trajectory:
    """Return the trajectory of gradient descent on `problem` from `start`, shape (p,), with learning rate `lr`.

    Every rule of `stopping` (1000 iterations if None) is tested at every step from 0 on. Raises ParameterError
    for an lr or a start that cannot be used, DataError where the initial loss is not finite.
    """
    lr = number("lr", lr, above=0)
    blocks = ENGINES[choice("engine", engine, ENGINES)]
    start = check_start(problem, start)
    stopping = stopping or Stopping()
    with np.errstate(over="ignore"):
        initial = float(problem.mse(start))
        divergence = float(BLOW_UP * max(np.float64(initial), problem.mean_square_target))
    if not np.isfinite(initial):
        raise DataError("the loss at the start is not finite: the target or the start is too large to be squared")

    kept: list[Block] = []
    earlier = np.empty(0)
    for block in blocks(problem, lr, start):
        stop = first_stop(block, stopping, earlier, divergence)
        if stop is None:
            kept.append(block)
            earlier = np.concatenate([earlier, block.mse])[-stopping.patience :]
            continue
        end, reason = stop
        kept.append(block)
        break
    recorded = sum(len(block.mse) for block in kept) - (len(block.mse) - end)
    return Trajectory(
        np.concatenate([block.mse for block in kept])[:recorded],
        np.concatenate([block.gap for block in kept])[:recorded],
        np.concatenate([block.gradient_norm for block in kept])[:recorded],
        np.concatenate([block.parameters for block in kept])[:recorded],
        reason,
    )


def first_stop(block: Block, stopping: Stopping, earlier: Array, divergence: float) -> tuple[int, StopReason] | None:
    """Return how many steps of `block` are kept and why descent stops there, or None where it goes on."""
    finite = np.isfinite(block.mse) & np.isfinite(block.gradient_norm) & np.isfinite(block.parameters).all(axis=1)
    usable = len(finite) if finite.all() else int(np.argmin(finite))
    found: list[tuple[int, StopReason]] = []
    for reason, marks in stopping.marks(block, earlier, divergence).items():
        if marks[:usable].any():
            found.append((int(np.argmax(marks)) + 1, reason))
    if found:
        return min(found, key=lambda stop: stop[0])
    return None if usable == len(finite) else (usable, StopReason.DIVERGED)


def check_start(problem: LeastSquares, start: Array) -> Array:
    """Return `start` as finite float64 of shape (p,); raises ParameterError for anything else."""
    values = np.asarray(start, dtype=np.float64)
    if values.shape != (problem.p,):
        takes = f"{problem.p} values: the weights of {problem.p - 1} features in their order, then the bias"
        raise ParameterError("start", takes, values.tolist())
    if not np.isfinite(values).all():
        raise ParameterError("start", "finite values", values.tolist())
    return values
