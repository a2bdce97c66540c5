"""Gradient descent: from a start, through an engine's blocks of steps, to the first step where a rule holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np

from gdexp.core.blocks import Block, Blocks, copy_rows, joined
from gdexp.core.checks import choice, number
from gdexp.core.engines import ENGINES
from gdexp.core.errors import DataError, ParameterError
from gdexp.core.factor import Array
from gdexp.core.problem import LeastSquares
from gdexp.core.stopping import BLOW_UP, Stopping, StopReason

TARGET_GAP = 1e-6
"""`steps_to_gap` counts the steps until the gap is this fraction of the initial one."""
TARGETS = (1e-2, 1e-4, TARGET_GAP)
"""Fractions of the initial gap whose first step is the time to target."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Everything that descent went through; entry k of each array is the state after k updates.

    `mse`, `gap` (loss above the minimum) and `gradient_norm` have shape (K + 1,), `parameters` (K + 1, p). These are so
    many numbers that they are put together when they are first looked at: `fills` has, for the first step of each
    block, what writes its parameters into the rows of an array. The arrays are read-only.
    """

    mse: Array = field(repr=False)
    gap: Array = field(repr=False)
    gradient_norm: Array = field(repr=False)
    reason: StopReason
    p: int
    fills: Mapping[int, Callable[[Array], None]] = field(repr=False)

    def __post_init__(self) -> None:
        for values in (self.mse, self.gap, self.gradient_norm):
            values.setflags(write=False)

    @cached_property
    def parameters(self) -> Array:
        """The parameters, shape (K + 1, p): the weights in the order of the features, then the bias."""
        values = np.empty((len(self.mse), self.p))
        for step, fill in self.fills.items():
            fill(values[step:])
        values.setflags(write=False)
        # What has computed them may take as much memory again.
        object.__setattr__(self, "fills", {0: partial(copy_rows, values)})
        return values

    @property
    def steps(self) -> int:
        """The last recorded step: how many updates were made and kept."""
        return len(self.mse) - 1

    @property
    def steps_to_gap(self) -> int | None:
        """The first recorded step whose gap is at most TARGET_GAP of the initial one, or None."""
        return steps_to(self.gap, TARGET_GAP)


def steps_to(gap: Array, fraction: float) -> int | None:
    """Return the first step of `gap`, shape (K + 1,), that is at most `fraction` of the initial one, or None."""
    reached = np.flatnonzero(gap <= fraction * gap[0])
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
    for an lr or a start that cannot be used, DataError where the initial loss or gradient is not finite.
    """
    lr, start = number("lr", lr, above=0), check_start(problem, start)
    stopping = stopping or Stopping()
    blocks = ENGINES[choice("engine", engine, ENGINES)](problem, lr, start, stopping.max_iterations)
    return Record(problem, start, stopping).ended(blocks)


class Record:
    """A descent as it is made: the blocks of its steps so far, and the `reason` for its end once a rule holds."""

    def __init__(self, problem: LeastSquares, start: Array, stopping: Stopping) -> None:
        self.reason: StopReason | None = None
        self._stopping = stopping
        with np.errstate(over="ignore"):
            self._divergence = float(BLOW_UP * np.maximum(problem.mse(start), problem.mean_square_target))
        self._blocks: list[Block] = []
        self._last_losses = np.empty(0)
        self._length = 0

    def take(self, block: Block) -> None:
        """Keep what comes before the end of the descent in the next block."""
        length, self.reason = first_stop(block, self._stopping, self._last_losses, self._divergence)
        patience = self._stopping.patience
        self._last_losses = np.append(self._last_losses, block.mse[-patience:])[-patience:]
        self._blocks.append(block)
        self._length += length

    def ended(self, blocks: Blocks) -> Trajectory:
        """Take `blocks` until a rule holds, and return the descent."""
        while self.reason is None:
            self.take(next(blocks))
        return Trajectory(
            joined((block.mse for block in self._blocks), self._length),
            joined((block.gap for block in self._blocks), self._length),
            joined((block.gradient_norm for block in self._blocks), self._length),
            self.reason,
            self._blocks[0].p,
            {block.steps.start: block.fill_parameters for block in self._blocks},
        )


def first_stop(block: Block, stopping: Stopping, earlier: Array, divergence: float) -> tuple[int, StopReason | None]:
    """Return how many steps of `block` are kept, and why descent stops after them: None where it goes on."""
    usable = finite_steps(block)
    stops = [
        (int(np.argmax(marks)) + 1, reason)
        for reason, marks in stopping.marks(block, earlier, divergence).items()
        if marks[:usable].any()
    ]
    if stops:
        return min(stops, key=lambda stop: stop[0])  # of several at one step the first, as marks are in order
    return usable, None if usable == len(block.steps) else StopReason.DIVERGED


def finite_steps(block: Block) -> int:
    """Return how many steps of `block` come before the first with a number that is not finite."""
    finite = np.isfinite(block.mse) & np.isfinite(block.gradient_norm)
    # With a column of ones no mode that is not null has an eigenvalue below 2 (p eps)^2, so a finite gap bounds the
    # parameters, of which there are many.
    if not np.isfinite(block.gap).all():
        finite &= np.isfinite(block.parameters).all(axis=1)
    return len(finite) if finite.all() else int(np.argmin(finite))


def check_start(problem: LeastSquares, start: Array) -> Array:
    """Return `start` as float64 of shape (p,) from which descent can begin.

    Raises ParameterError where the shape is another or a value is not finite, DataError where the loss or the
    gradient there is too large for a float.
    """
    values = np.array(start, dtype=np.float64)  # a copy: what is computed later begins there too
    if values.shape != (problem.p,):
        takes = f"an array of shape ({problem.p},): a weight for each feature in their order, then the bias"
        raise ParameterError("start", takes, values.shape)
    if not np.isfinite(values).all():
        raise ParameterError("start", "finite values", values.tolist())
    with np.errstate(over="ignore", invalid="ignore"):
        # A bound of the gradient too: |gradient|^2 <= 2 lambda_max L.
        steepest = 2 * np.sqrt(problem.spectrum.eigenvalues[0] / 2) * np.sqrt(problem.mse(values))
    if not np.isfinite(steepest):
        raise DataError("the loss or the gradient at the start is not finite: rescale the data or start nearer to zero")
    return values
