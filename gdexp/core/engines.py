"""Two ways to compute the same descent; both yield blocks of consecutive steps, and neither knows when to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gdexp.core.errors import DataError
from gdexp.core.factor import Array
from gdexp.core.history import Block, Blocks, History, Marks, Steps
from gdexp.core.memory import aligned
from gdexp.core.problem import LeastSquares

FIRST_BLOCK, BLOCK_NUMBERS = 1024, 2**20
"""Steps in the spectral engine's first block, and about how many parameters a block may hold."""
LONGEST_STRIDE, STRIDE_NUMBERS = 64, 2**15
"""Most steps whose powers are computed one by one, and how many numbers their parameters may take for all modes."""
GROUP = 16
"""Strides in one call of BLAS. Every call has the same shape: BLAS rounds the rows of a matrix in ways that depend on
how many there are."""
NEGLIGIBLE_MOVE, NEGLIGIBLE_PART = 2.0**-60, 2.0**-35
"""What remains of a mode when it moves no parameter any more, and of its part in a norm, to another's, when it does not
count there."""
ITERATIVE_BLOCK = 16
"""Steps that the iterative engine computes at a time: few, because those past the stop are wasted."""


def iterative(problem: LeastSquares, lr: float, start: Array, history: History) -> Blocks:
    """Yield the literal loop: theta <- theta - lr * (2/n) A^T (A theta - y), over all rows at every step."""
    if problem.rows is None:
        raise DataError(
            "the iterative engine reads the rows at every step, and these came from an iterator: pass a list"
        )
    theta = start
    for _ in range(0, history.horizon + 1, ITERATIVE_BLOCK):
        # Always a whole block: BLAS rounds the rows of a matrix in ways that depend on how many there are.
        block = history.block(ITERATIVE_BLOCK)
        gradients = np.empty_like(block.parameters)
        with np.errstate(over="ignore", invalid="ignore"):
            for step in range(ITERATIVE_BLOCK):
                block.parameters[step] = theta
                block.mse[step], gradients[step] = loss_and_gradient(problem, theta)
                theta = theta - lr * gradients[step]
            block.gap[:] = problem.gap(block.parameters)
            np.hypot.reduce(gradients, axis=1, out=block.gradient_norm)
        yield block


def loss_and_gradient(problem: LeastSquares, theta: Array) -> tuple[float, Array]:
    """Return the mean squared error at `theta` and its gradient, shape (p,), from the rows themselves."""
    loss, gradient = 0.0, np.zeros_like(theta)
    for X, y in problem.rows or ():
        residual = X @ theta[:-1] + theta[-1] - y
        # Divided before it is summed, so that only a loss that is itself too large overflows.
        share = residual / problem.n
        loss += float(residual @ share)
        gradient[:-1] += X.T @ share
        gradient[-1] += share.sum()
    return loss, 2 * gradient


def spectral(problem: LeastSquares, lr: float, start: Array, history: History) -> Blocks:
    """Yield the same steps from the spectrum: mode i shrinks by 1 - lr * lambda_i at every step.

    The cost of a step does not depend on the number of rows (Goh, "Why Momentum Really Works", Distill 2017,
    shows descent in the eigenbasis of the Hessian).
    """
    return (block for (block,) in stacked(problem, np.array([lr]), start[None], [history]))


def stacked(
    problem: LeastSquares, lrs: Array, starts: Array, histories: Sequence[History]
) -> Iterator[Sequence[Block]]:
    """Yield what `spectral` does for many runs at once, a block for each: `lrs` (r,), `starts` (r, p).

    The steps follow those that `histories` have. A step is counted as a whole number of strides and a rest: a mode's
    power is the product of a far and a near one, so that sums over the modes are products of two small matrices. Only
    a first block is the same to the last bit for several runs as for one.
    """
    modes = Modes(problem, lrs, starts)
    history = histories[0]
    for steps in spans(history.length, history.horizon, unit=GROUP * modes.stride, longest=BLOCK_NUMBERS // problem.p):
        blocks = [history.block(len(steps)) for history in histories]
        strides = np.arange(steps.start, steps.stop, modes.stride)
        with np.errstate(over="ignore", invalid="ignore"):
            far = shrinkage(modes.rates, strides)
            modes.move(blocks, strides, far)
            # The norms after the parameters: so they are still in a fast cache for the rules that read them.
            modes.measure(blocks, far)
        yield blocks


class Modes:
    """The modes of a problem, m of them, in several runs at once: what all blocks of their steps share.

    `rates` (r, m) is how much of each mode a step takes away, `stride` how many steps have their powers computed one by
    one.
    """

    def __init__(self, problem: LeastSquares, lrs: Array, starts: Array) -> None:
        # A run at a time, because BLAS rounds the product of a matrix in other ways than those of its rows.
        amplitudes = np.stack([problem.amplitudes(start) for start in starts])
        eigenvalues = problem.spectrum.eigenvalues
        roots = np.sqrt(eigenvalues / 2)
        self.stride = min(1 << max(STRIDE_NUMBERS // problem.p**2, 1).bit_length() - 1, LONGEST_STRIDE)
        self._starts, self._minimum_mse, self._m = starts, problem.minimum_mse, len(eigenvalues)
        # Of each mode: its part of the loss and of the gradient at the start, and all that it adds to the parameters.
        self._parts = np.stack([amplitudes, 2 * roots * amplitudes], axis=1)
        self._directions = -(amplitudes / roots)[..., None] * problem.spectrum.right.T
        with np.errstate(over="ignore", invalid="ignore"):
            # Modes that start at their minimum stay there, also where the others overflow: no 0 * inf.
            self.rates = np.where(amplitudes == 0, 0.0, lrs[:, None] * eigenvalues)
            self._slowest = np.argmin(np.where(amplitudes == 0, 2, np.minimum(self.rates, 2 - self.rates)), axis=1)
            self._near = shrinkage(self.rates, np.arange(self.stride))
            within = progress(self.rates, np.arange(self.stride), self._near)
            # Of the parameters in a stride: what the modes did before it, where they begin, and what they do within it,
            # in such an order that modes which end first, the steepest as a rule, are at both ends.
            self._rows = aligned(len(starts), 2 * self._m + 1, self.stride, problem.p)
            self._rows[:, : self._m] = self._directions[:, :, None]
            np.multiply(within[..., None], self._directions[:, :, None], out=self._rows[:, : self._m : -1])

    def move(self, blocks: Sequence[Block], strides: Steps, far: Array) -> None:
        """Fill in the parameters of blocks, of whose modes `far` (r, m, f) is left where their `strides` (f,) begin."""
        ended = leading(np.abs(far[..., 0]) < NEGLIGIBLE_MOVE)
        far = far[:, ended:]
        before = progress(self.rates[:, ended:], strides, far)
        within = np.where(np.abs(far) < NEGLIGIBLE_MOVE, 0, far)[:, ::-1]
        weights = np.concatenate([before, np.ones((len(far), 1, len(strides))), within], axis=1)
        self._rows[:, self._m] = (self._starts + self._directions[:, :ended].sum(axis=1))[:, None]
        rows = self._rows[:, ended : 2 * self._m + 1 - ended]
        for run, block in enumerate(blocks):
            products(weights[run], rows[run].reshape(len(rows[run]), -1), block.parameters)

    def measure(self, blocks: Sequence[Block], far: Array) -> None:
        """Fill in the losses, gaps and gradient norms of blocks, of whose modes `far` (r, m, f) is left."""
        idle = negligible(np.abs(far[..., 0]), np.abs(self._parts), self._slowest) if blocks[0].steps.start else 0
        lengths = norms(far[:, None, idle:] * self._parts[:, :, idle:, None], self._near[:, None, idle:])
        for block, (root, gradient_norm) in zip(blocks, lengths, strict=True):
            np.square(root, out=block.gap)
            np.add(self._minimum_mse, block.gap, out=block.mse)
            block.gradient_norm[:] = gradient_norm


def negligible(remaining: Array, parts: Array, slowest: Array) -> int:
    """Return how many leading modes do not count in a sum of squares when `remaining` (r, m) of `parts` (r, 2, m) is.

    A mode that shrinks faster than another, of which `slowest` (r,) is the one that lasts, and whose part is negligible
    beside it never counts again. Nothing is negative.
    """
    parts = remaining[:, None] * parts
    return leading(parts < NEGLIGIBLE_PART * parts[np.arange(len(parts)), :, slowest, None])


def leading(marks: Marks) -> int:
    """Return how many of the first modes, the last axis, are marked in every respect."""
    return int(np.logical_and.accumulate(marks.reshape(-1, marks.shape[-1]).all(axis=0)).sum())


def spans(first: int, horizon: int, *, unit: int, longest: int) -> Iterator[range]:
    """Yield consecutive steps from `first` to `horizon` at least, in whole units, ever more of them up to `longest`."""
    while first <= horizon:
        size = max(min(first + FIRST_BLOCK, longest, horizon - first + 1), 1)
        steps = range(first, first + -(-size // unit) * unit)
        yield steps
        first = steps.stop


def products(far: Array, near: Array, out: Array | None = None) -> Array:
    """Return the sums over modes of all products, (..., m, f) and (..., m, c) -> (..., f, c), f in whole groups."""
    *runs, modes, strides = far.shape
    groups = far.swapaxes(-1, -2).reshape(*runs, strides // GROUP, GROUP, modes)
    room = None if out is None else out.reshape(*groups.shape[:-1], -1)
    sums: Array = np.matmul(groups, near[..., None, :, :], out=room)
    return sums.reshape(*runs, strides, -1)


def norms(far: Array, near: Array) -> Array:
    """Return the Euclidean norm over modes of all products, (..., m, f) and (..., m, s) -> (..., f s), also where its
    square is out of range."""
    exponents = np.frexp(np.abs(far).max(axis=-2))[1] - 1
    squares = products(np.square(np.ldexp(far, -exponents[..., None, :])), np.square(near))
    in_range = squares.min() > 1e-280 and squares.max() < 1e280
    extreme = None if in_range else ~((squares > 1e-280) & (squares < 1e280)) & np.any(far, axis=-2)[..., None]
    lengths: Array = np.multiply(np.sqrt(squares, out=squares), np.ldexp(1.0, exponents)[..., None], out=squares)
    if extreme is not None:
        *runs, i, j = np.nonzero(extreme)
        near = np.broadcast_to(near, (*far.shape[:-1], near.shape[-1]))
        terms = far.swapaxes(-1, -2)[(*runs, i)] * near.swapaxes(-1, -2)[(*runs, j)]
        lengths[extreme] = np.hypot.reduce(terms, axis=-1)
    return lengths.reshape(*far.shape[:-2], -1)


def shrinkage(rates: Array, steps: Steps) -> Array:
    """Return (1 - rate)^k for each mode and step k, (..., m) -> (..., m, b)."""
    # Where a rate is small, 1 - rate would round it off and its k-th power multiply the error by k.
    factors = np.exp(np.log1p(-np.minimum(rates, 0.5))[..., None] * steps)
    large = rates >= 0.5
    if large.any():
        factors[large] = np.power(1 - rates[large][:, None], steps)
    return factors


def progress(rates: Array, steps: Steps, factors: Array) -> Array:
    """Return 1 - (1 - rate)^k, (..., m) -> (..., m, b), given `factors` = (1 - rate)^k, without their cancellation."""
    done: Array = -np.expm1(np.log1p(-np.minimum(rates, 0.5))[..., None] * steps)
    large = rates >= 0.5
    if large.any():
        done[large] = 1 - factors[large]
    return done


ENGINES: dict[str, Callable[[LeastSquares, float, Array, History], Blocks]] = {
    "spectral": spectral,
    "iterative": iterative,
}
