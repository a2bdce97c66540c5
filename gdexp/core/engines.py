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

FIRST_BLOCK, BLOCK_NUMBERS = 1024, 2**16
"""Steps in the spectral engine's first block, and about how many numbers the largest array of a block may hold."""
STRIDE = 64
"""Steps whose powers are computed one by one; all others are products. Blocks are whole strides: BLAS rounds the rest
of a matrix in other ways."""
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
    """Yield what `spectral` does for many runs at once: `lrs` (r,), `starts` (r, p), blocks of runs by steps."""
    # A run at a time, because BLAS rounds the product of a matrix in other ways than those of its rows.
    amplitudes = np.stack([problem.amplitudes(start) for start in starts])
    eigenvalues = problem.spectrum.eigenvalues
    roots = np.sqrt(eigenvalues / 2)
    # Of each mode: its part of the gradient at the start, and what it takes off the parameters in the end.
    slopes = 2 * roots * amplitudes
    directions = (amplitudes / roots)[..., None] * problem.spectrum.right.T
    near = np.arange(STRIDE)
    with np.errstate(over="ignore", invalid="ignore"):
        # Modes that start at their minimum stay there, also where the others overflow: no 0 * inf.
        rates = np.where(amplitudes == 0, 0.0, lrs[:, None] * eigenvalues)
        near_factors = shrinkage(rates, near)[..., None, :]
        near_progress = progress(rates, near, near_factors[..., 0, :])[..., None, :]
    longest = max(BLOCK_NUMBERS // starts.size // STRIDE, 1) * STRIDE
    first, size = 0, min(FIRST_BLOCK, longest)
    while True:
        if 0 <= horizon - first < size:
            size = int((horizon - first) // STRIDE + 1) * STRIDE
        far, whole = np.arange(first, first + size, STRIDE), (*rates.shape, size)
        with np.errstate(over="ignore", invalid="ignore"):
            # (1 - rate)^(i + j) for i in whole strides and j within one.
            factors = shrinkage(rates, far)
            done = progress(rates, far, factors)[..., None] + factors[..., None] * near_progress
            shares = (factors * amplitudes[..., None])[..., None] * near_factors
            gradients = (factors * slopes[..., None])[..., None] * near_factors
            gap = np.square(shares.reshape(whole)).sum(axis=-2)
            gradient_norm = column_norms(gradients.reshape(whole))
            parameters = starts[:, None] - done.reshape(whole).swapaxes(-1, -2) @ directions
        yield Block(np.arange(first, first + size), problem.minimum_mse + gap, gap, gradient_norm, parameters)
        first, size = first + size, min(2 * size, longest)


def column_norms(vectors: Array) -> Array:
    """Return the Euclidean norm of each column, (..., m, b) -> (..., b), also where its square is out of range."""
    with np.errstate(over="ignore"):
        squares = np.square(vectors).sum(axis=-2)
    norms: Array = np.sqrt(squares)
    extreme = ~((squares > 1e-280) & (squares < 1e280))
    if extreme.any():
        norms[extreme] = np.hypot.reduce(vectors.swapaxes(-1, -2)[extreme], axis=-1)
    return norms


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
