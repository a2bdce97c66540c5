"""Two ways to compute the same descent; both yield blocks of consecutive steps, and neither knows when to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from gdexp.core.errors import DataError
from gdexp.core.factor import Array
from gdexp.core.history import Block, Blocks, History, Marks, Steps
from gdexp.core.problem import LeastSquares

FIRST_BLOCK, BLOCK_NUMBERS = 1024, 2**19
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
        mse = np.empty(ITERATIVE_BLOCK)
        parameters, gradients = np.empty((2, ITERATIVE_BLOCK, problem.p))
        with np.errstate(over="ignore", invalid="ignore"):
            for step in range(ITERATIVE_BLOCK):
                parameters[step] = theta
                mse[step], gradients[step] = loss_and_gradient(problem, theta)
                theta = theta - lr * gradients[step]
            gap, gradient_norm = problem.gap(parameters), np.hypot.reduce(gradients, axis=1)
        block = history.block(ITERATIVE_BLOCK)
        size = len(block.steps)
        block.mse[:], block.gap[:], block.gradient_norm[:] = mse[:size], gap[:size], gradient_norm[:size]
        block.parameters[:] = parameters[:size]
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
    # A run at a time, because BLAS rounds the product of a matrix in other ways than those of its rows.
    amplitudes = np.stack([problem.amplitudes(start) for start in starts])
    eigenvalues = problem.spectrum.eigenvalues
    roots = np.sqrt(eigenvalues / 2)
    # Of each mode: its part of the loss and of the gradient at the start, and what it adds to the parameters at last.
    parts = np.stack([amplitudes, 2 * roots * amplitudes], axis=1)
    directions = -(amplitudes / roots)[..., None] * problem.spectrum.right.T
    stride = min(max(STRIDE_NUMBERS // problem.p**2, 1), LONGEST_STRIDE)
    rows = np.empty((len(starts), 1 + 2 * len(eigenvalues), stride, problem.p))
    with np.errstate(over="ignore", invalid="ignore"):
        # Modes that start at their minimum stay there, also where the others overflow: no 0 * inf.
        rates = np.where(amplitudes == 0, 0.0, lrs[:, None] * eigenvalues)
        near = shrinkage(rates, np.arange(stride))
        within = progress(rates, np.arange(stride), near)
        # Of the parameters in a stride: where they begin, what the modes did before it, and what they do within it.
        rows[:, 1 : 1 + len(eigenvalues)] = directions[:, :, None]
        np.multiply(within[..., None], directions[:, :, None], out=rows[:, 1 + len(eigenvalues) :])

    def factors(steps: range) -> tuple[Array, Array, Array]:
        """Return the norms of `steps`, and the two matrices whose product their parameters are."""
        strides = np.arange(steps.start, steps.stop, stride)
        with np.errstate(over="ignore", invalid="ignore"):
            far = shrinkage(rates, strides)
            remaining = np.abs(far[..., 0])
            counts, moves = significant(remaining, np.abs(parts)), (remaining >= NEGLIGIBLE_MOVE).any(axis=0)
            lengths = norms(far[:, None, counts] * parts[:, :, counts, None], near[:, None, counts])
            far = far[:, moves]
            before = progress(rates[:, moves], strides, far)
            far = np.where(np.abs(far) < NEGLIGIBLE_MOVE, 0, far)
            weights = np.concatenate([np.ones((len(starts), 1, len(strides))), before, far], axis=1)
            near_rows = rows if moves.all() else rows[:, np.concatenate([[True], moves, moves])]
            near_rows[:, 0] = (starts + directions[:, ~moves].sum(axis=1))[:, None]
        return lengths, weights, near_rows.reshape(*near_rows.shape[:2], -1)

    history = histories[0]
    for steps in spans(history.length, history.horizon, unit=GROUP * stride, longest=BLOCK_NUMBERS // problem.p):
        lengths, weights, near_rows = factors(steps)
        blocks = [history.block(len(steps)) for history in histories]
        with np.errstate(over="ignore", invalid="ignore"):
            for run, block in enumerate(blocks):
                size = len(block.steps)
                np.square(lengths[run, 0, :size], out=block.gap)
                np.add(problem.minimum_mse, block.gap, out=block.mse)
                block.gradient_norm[:] = lengths[run, 1, :size]
                if size == len(steps):
                    products(weights[run], near_rows[run], block.parameters)
                else:
                    block.parameters[:] = products(weights[run], near_rows[run]).reshape(-1, problem.p)[:size]
        yield blocks


def significant(remaining: Array, parts: Array) -> Marks:
    """Mark the modes, (m,), that count in a sum of squares over modes when `remaining` (r, m) of `parts` (r, 2, m) is.

    A mode that shrinks faster than another and whose part is negligible beside it never counts again. One that has not
    begun to shrink always does, so that the first steps of several runs are those of each. Nothing is negative.
    """
    slowest = np.argmax(np.where(parts[:, 0] == 0, 0, remaining), axis=1)
    parts = remaining[:, None] * parts
    large = parts >= NEGLIGIBLE_PART * parts[np.arange(len(parts)), :, slowest, None]
    marks: Marks = (large | (remaining == 1)[:, None]).reshape(-1, parts.shape[-1]).any(axis=0)
    return marks


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
