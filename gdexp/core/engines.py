"""Two ways to compute the same descent; both yield blocks of consecutive steps, and neither knows when to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from math import inf
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gdexp.core.errors import DataError
from gdexp.core.factor import Array
from gdexp.core.problem import LeastSquares

Steps: TypeAlias = NDArray[np.signedinteger[Any]]

FIRST_BLOCK, BLOCK_NUMBERS = 1024, 2**17
"""Steps in the spectral engine's first block, and about how many parameters a block may hold."""
LONGEST_STRIDE, STRIDE_NUMBERS = 64, 2**15
"""Most steps whose powers are computed one by one, and how many numbers their parameters may take for all modes."""
GROUP = 16
"""Strides in one call of BLAS. Every call has the same shape: BLAS rounds the rows of a matrix in ways that depend on
how many there are."""
ITERATIVE_BLOCK = 16
"""Steps that the iterative engine computes at a time: few, because those past the stop are wasted."""


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive steps: `steps`, `mse`, `gap` and `gradient_norm` of shape (b,), `parameters` of shape (b, p).

    A block of many runs has them all, but for `steps`, with the runs as a first axis.
    """

    steps: Steps
    mse: Array
    gap: Array
    gradient_norm: Array
    parameters: Array

    def cut(self, length: int) -> Block:
        """Return the first `length` steps."""
        kept = slice(length)
        return Block(self.steps[kept], self.mse[kept], self.gap[kept], self.gradient_norm[kept], self.parameters[kept])

    def run(self, index: int) -> Block:
        """Return the block of one run out of many."""
        parts = (self.mse, self.gap, self.gradient_norm, self.parameters)
        return Block(self.steps, *(part[index] for part in parts))


def iterative(problem: LeastSquares, lr: float, start: Array, horizon: float = inf) -> Iterator[Block]:  # noqa: ARG001
    """Yield the literal loop: theta <- theta - lr * (2/n) A^T (A theta - y), over all rows at every step."""
    if problem.rows is None:
        raise DataError(
            "the iterative engine reads the rows at every step, and these came from an iterator: pass a list"
        )
    theta = start
    for first in count(0, ITERATIVE_BLOCK):
        mse = np.empty(ITERATIVE_BLOCK)
        parameters, gradients = np.empty((2, ITERATIVE_BLOCK, problem.p))
        with np.errstate(over="ignore", invalid="ignore"):
            for step in range(ITERATIVE_BLOCK):
                parameters[step] = theta
                mse[step], gradients[step] = loss_and_gradient(problem, theta)
                theta = theta - lr * gradients[step]
            gap, gradient_norm = problem.gap(parameters), np.hypot.reduce(gradients, axis=1)
        yield Block(np.arange(first, first + ITERATIVE_BLOCK), mse, gap, gradient_norm, parameters)


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


def spectral(problem: LeastSquares, lr: float, start: Array, horizon: float = inf) -> Iterator[Block]:
    """Yield the same steps from the spectrum: mode i shrinks by 1 - lr * lambda_i at every step.

    The cost of a step does not depend on the number of rows (Goh, "Why Momentum Really Works", Distill 2017,
    shows descent in the eigenbasis of the Hessian). Few steps are computed beyond `horizon`.
    """
    return (block.run(0) for block in stacked(problem, np.array([lr]), start[None], horizon))


def stacked(problem: LeastSquares, lrs: Array, starts: Array, horizon: float) -> Iterator[Block]:
    """Yield what `spectral` does for many runs at once: `lrs` (r,), `starts` (r, p), blocks of runs by steps.

    A step is counted as a whole number of strides and a rest: a mode's power is the product of a far and a near one,
    so that sums over the modes are products of two small matrices.
    """
    # A run at a time, because BLAS rounds the product of a matrix in other ways than those of its rows.
    amplitudes = np.stack([problem.amplitudes(start) for start in starts])
    eigenvalues = problem.spectrum.eigenvalues
    roots = np.sqrt(eigenvalues / 2)
    # Of each mode: its part of the gradient at the start, and what it takes off the parameters in the end.
    slopes = 2 * roots * amplitudes
    directions = (amplitudes / roots)[..., None] * problem.spectrum.right.T
    stride = min(max(STRIDE_NUMBERS // problem.p**2, 1), LONGEST_STRIDE)
    with np.errstate(over="ignore", invalid="ignore"):
        # Modes that start at their minimum stay there, also where the others overflow: no 0 * inf.
        rates = np.where(amplitudes == 0, 0.0, lrs[:, None] * eigenvalues)
        near = shrinkage(rates, np.arange(stride))
        near_moves = progress(rates, np.arange(stride), near)[..., None] * directions[..., None, :]
        near_moves = near_moves.reshape(*rates.shape, stride * problem.p)

    def block(steps: range) -> Block:
        strides = np.arange(steps.start, steps.stop, stride)
        with np.errstate(over="ignore", invalid="ignore"):
            far = shrinkage(rates, strides)
            gap = np.square(norms(far * amplitudes[..., None], near))
            gradient_norm = norms(far * slopes[..., None], near)
            anchors = starts[:, None] - products(progress(rates, strides, far), directions)
            # What is nearly subnormal changes no parameter, and processors are slow at it.
            moves = products(np.where(np.abs(far) < 1e-290, 0, far), near_moves)
            moves = moves.reshape(len(starts), len(strides), stride, problem.p)
            parameters = np.subtract(anchors[:, :, None], moves, out=moves).reshape(len(starts), len(steps), problem.p)
        return Block(np.arange(steps.start, steps.stop), problem.minimum_mse + gap, gap, gradient_norm, parameters)

    yield from map(block, spans(GROUP * stride, BLOCK_NUMBERS // starts.size, horizon))


def spans(unit: int, longest: int, horizon: float) -> Iterator[range]:
    """Yield consecutive steps from 0 to `horizon` at least, in whole units, more and more of them up to `longest`."""
    first, size = 0, FIRST_BLOCK
    while first <= horizon:
        size = max(int(min(size, longest, horizon - first + unit)) // unit, 1) * unit
        yield range(first, first + size)
        first, size = first + size, 2 * size


def products(far: Array, near: Array) -> Array:
    """Return the sums over modes of all products, (r, m, f) and (r, m, c) -> (r, f, c), f in whole groups."""
    runs, modes, strides = far.shape
    groups = far.swapaxes(1, 2).reshape(runs, strides // GROUP, GROUP, modes)
    sums: Array = np.matmul(groups, near[:, None]).reshape(runs, strides, -1)
    return sums


def norms(far: Array, near: Array) -> Array:
    """Return the Euclidean norm over modes of all products, (r, m, f) and (r, m, s) -> (r, f s), also where its square
    is out of range."""
    exponents = np.frexp(np.abs(far).max(axis=1))[1] - 1
    squares = products(np.square(np.ldexp(far, -exponents[:, None])), np.square(near))
    lengths: Array = np.sqrt(squares) * np.ldexp(1.0, exponents)[..., None]
    alive = np.any(far, axis=1, keepdims=True).swapaxes(1, 2)
    extreme = ~((squares > 1e-280) & (squares < 1e280)) & alive
    if extreme.any():
        run, i, j = np.nonzero(extreme)
        lengths[extreme] = np.hypot.reduce(far[run, :, i] * near[run, :, j], axis=-1)
    return lengths.reshape(len(far), -1)


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


ENGINES: dict[str, Callable[[LeastSquares, float, Array, float], Iterator[Block]]] = {
    "spectral": spectral,
    "iterative": iterative,
}
