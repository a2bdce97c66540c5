"""Two ways to compute the same descent; both yield blocks of consecutive steps, and neither knows when to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from gdexp.core.blocks import Block, Blocks, Marks, Steps, copy_rows
from gdexp.core.errors import DataError
from gdexp.core.factor import Array
from gdexp.core.problem import LeastSquares

FIRST_BLOCK, BLOCK_NUMBERS = 1024, 2**20
"""Steps in the spectral engine's first block, and about how many parameters those after it may have."""
STRIDE, STRIDE_NUMBERS = 64, 2**15
"""Steps whose powers are computed one by one, and how many numbers their parameters may take for all modes: where they
would be more, strides are shorter for the parameters."""
GROUP = 16
"""Strides in one call of BLAS. Every call has the same shape: BLAS rounds the rows of a matrix in ways that depend on
how many there are."""
NEGLIGIBLE_MOVE, NEGLIGIBLE_PART = 2.0**-60, 2.0**-35
"""What remains of a mode when it moves no parameter any more, and of its part in a norm, to another's, when it does not
count there."""
ITERATIVE_BLOCK = 16
"""Steps that the iterative engine computes at a time: few, because those past the stop are wasted."""


def iterative(problem: LeastSquares, lr: float, start: Array, horizon: int) -> Blocks:
    """Yield the literal loop: theta <- theta - lr * (2/n) A^T (A theta - y), over all rows at every step.

    The blocks begin with step 0 and reach `horizon` at least.
    """
    if problem.rows is None:
        raise DataError(
            "the iterative engine reads the rows at every step, and these came from an iterator: pass a list"
        )
    theta = start
    for first in range(0, horizon + 1, ITERATIVE_BLOCK):
        # Always a whole block: BLAS rounds the rows of a matrix in ways that depend on how many there are.
        mse, parameters = np.empty(ITERATIVE_BLOCK), np.empty((ITERATIVE_BLOCK, problem.p))
        gradients = np.empty_like(parameters)
        with np.errstate(over="ignore", invalid="ignore"):
            for step in range(ITERATIVE_BLOCK):
                parameters[step] = theta
                mse[step], gradients[step] = loss_and_gradient(problem, theta)
                theta = theta - lr * gradients[step]
            gap, gradient_norm = problem.gap(parameters), np.hypot.reduce(gradients, axis=1)
        steps = range(first, first + ITERATIVE_BLOCK)
        yield Block(steps, mse, gap, gradient_norm, problem.p, partial(copy_rows, parameters))


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


def spectral(problem: LeastSquares, lr: float, start: Array, horizon: int, first: int = 0) -> Blocks:
    """Yield the same steps, from `first` on, from the spectrum: mode i shrinks by 1 - lr * lambda_i at every step.

    The cost of a step does not depend on the number of rows (Goh, "Why Momentum Really Works", Distill 2017,
    shows descent in the eigenbasis of the Hessian).
    """
    return (block for (block,) in stacked(problem, np.array([lr]), start[None], horizon, first))


def stacked(
    problem: LeastSquares, lrs: Array, starts: Array, horizon: int, first: int = 0
) -> Iterator[Sequence[Block]]:
    """Yield what `spectral` does for many runs at once, a block for each: `lrs` (r,), `starts` (r, p).

    Only a first block is the same to the last bit for several runs as for one.
    """
    modes = Modes(problem, lrs, starts)
    courses = [modes.course(run) for run in range(len(lrs))]
    for steps in spans(first, horizon, unit=GROUP * STRIDE, longest=BLOCK_NUMBERS // problem.p):
        runs = zip(zip(*modes.measured(steps), strict=True), courses, strict=True)
        yield [Block(steps, *measured, problem.p, partial(one.fill_parameters, steps)) for measured, one in runs]


class Modes:
    """The modes of a problem, m of them, in several runs at once.

    A step is counted as a whole number of strides and a rest: a mode's power is the product of a far and a near one, so
    that sums over the modes are products of two small matrices.
    """

    def __init__(self, problem: LeastSquares, lrs: Array, starts: Array) -> None:
        # A run at a time, because BLAS rounds the product of a matrix in other ways than those of its rows.
        amplitudes = np.stack([problem.amplitudes(start) for start in starts])
        eigenvalues = problem.spectrum.eigenvalues
        roots = np.sqrt(eigenvalues / 2)
        self._starts, self._minimum_mse = starts, problem.minimum_mse
        # Of each mode: its part of the loss and of the gradient at the start, and all that it adds to the parameters.
        self._parts = np.stack([amplitudes, 2 * roots * amplitudes], axis=1)
        self._directions = -(amplitudes / roots)[..., None] * problem.spectrum.right.T
        with np.errstate(over="ignore", invalid="ignore"):
            # Modes that start at their minimum stay there, also where the others overflow: no 0 * inf.
            self._rates = np.where(amplitudes == 0, 0.0, lrs[:, None] * eigenvalues)
            self._slowest = np.argmin(np.where(amplitudes == 0, 2, np.minimum(self._rates, 2 - self._rates)), axis=1)
            self._near = shrinkage(self._rates, np.arange(STRIDE))
            self._within = progress(self._rates, np.arange(STRIDE), self._near)

    def measured(self, steps: range) -> tuple[Array, Array, Array]:
        """Return the losses, the gaps and the gradient norms at `steps`, (r, b) each."""
        strides = np.arange(steps.start, steps.stop, STRIDE)
        with np.errstate(over="ignore", invalid="ignore"):
            begun = shrinkage(self._rates, strides[:1])
            idle = negligible(np.abs(begun[..., 0]), np.abs(self._parts), self._slowest) if steps.start else 0
            far = shrinkage(self._rates[:, idle:], strides)
            lengths = norms(far[:, None] * self._parts[:, :, idle:, None], self._near[:, None, idle:])
            gap = np.square(lengths[:, 0])
            return self._minimum_mse + gap, gap, lengths[:, 1]

    def course(self, run: int) -> Course:
        """Return what the parameters of a run follow from."""
        # Copies: a view would hold on to what all other runs follow from.
        return Course(*(of[run].copy() for of in (self._starts, self._rates, self._within, self._directions)))


@dataclass(frozen=True, eq=False)
class Course:
    """What the parameters of a run follow from: its `start` (p,), and of its modes how much of each a step takes away,
    `rates` (m,), how much `within` a stride, (m, STRIDE), and all that they add to the parameters, `directions` (m, p).
    """

    start: Array
    rates: Array
    within: Array
    directions: Array

    def fill_parameters(self, steps: range, out: Array) -> None:
        """Write the parameters at `steps` into the rows of `out`, (rows, p): as many as there are of both."""
        if not len(out):
            return
        p = len(self.start)
        stride = min(1 << max(STRIDE_NUMBERS // p**2, 1).bit_length() - 1, STRIDE)
        steps = steps[: -(-len(out) // (GROUP * stride)) * GROUP * stride]
        strides = np.arange(steps.start, steps.stop, stride)
        with np.errstate(over="ignore", invalid="ignore"):
            ended = leading(np.abs(shrinkage(self.rates, strides[:1])[:, 0]) < NEGLIGIBLE_MOVE) if steps.start else 0
            rates, directions, m = self.rates[ended:], self.directions[ended:, None], len(self.rates) - ended
            far = shrinkage(rates, strides)
            # Of a stride: what the modes did before it, where they began, and what they do within it.
            weights, rows = np.ones((2 * m + 1, len(strides))), np.empty((2 * m + 1, stride, p))
            weights[:m], rows[:m] = progress(rates, strides, far), directions
            rows[m] = self.start + self.directions[:ended].sum(axis=0)
            weights[m + 1 :] = np.where(np.abs(far) < NEGLIGIBLE_MOVE, 0, far)
            np.multiply(self.within[ended:, :stride, None], directions, out=rows[m + 1 :])
            whole = len(out) >= len(steps)
            room = out[: len(steps)] if whole else np.empty((len(steps), p))
            products(weights, rows.reshape(2 * m + 1, -1), room)
        if not whole:
            out[:] = room[: len(out)]


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
    """Yield consecutive steps from `first` to `horizon` at least, in whole units, ever more of them up to `longest`.

    Each is four times as long as the one before, as it costs as much as thousands of steps.
    """
    while first <= horizon:
        size = max(min(3 * first + FIRST_BLOCK, longest, horizon - first + 1), 1)
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
    scales = np.ldexp(1.0, exponents)
    far_squares, near_squares = np.square(far / scales[..., None, :]), np.square(near)
    squares = products(far_squares, near_squares)
    # Above `least` no sum misses what has been too small for a square. As the largest far square of a stride is from 1
    # to 4, no sum is extreme where no near square is.
    least = 1e-280 * near_squares.max(axis=(-2, -1), keepdims=True)
    in_range = (near_squares > least).all() and near_squares.max() < 1e270
    extreme = None if in_range else ~((squares > least) & (squares < 1e280)) & np.any(far, axis=-2)[..., None]
    lengths: Array = np.multiply(np.sqrt(squares, out=squares), scales[..., None], out=squares)
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


ENGINES: dict[str, Callable[[LeastSquares, float, Array, int], Blocks]] = {
    "spectral": spectral,
    "iterative": iterative,
}
