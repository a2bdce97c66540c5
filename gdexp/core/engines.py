"""Two ways to compute the same descent; both yield blocks of consecutive steps, and neither knows when to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gdexp.core.errors import DataError
from gdexp.core.factor import Array
from gdexp.core.problem import LeastSquares

Steps: TypeAlias = NDArray[np.signedinteger[Any]]

BLOCK_NUMBERS = 2**18
"""How many numbers the largest array of a block of the spectral engine may hold."""
ITERATIVE_BLOCK = 16
"""Steps that the iterative engine computes at a time: few, because those past the stop are wasted."""


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive steps: `steps`, `mse`, `gap` and `gradient_norm` of shape (b,), `parameters` of shape (b, p)."""

    steps: Steps
    mse: Array
    gap: Array
    gradient_norm: Array
    parameters: Array

    def cut(self, length: int) -> Block:
        """Return the first `length` steps."""
        kept = slice(length)
        return Block(self.steps[kept], self.mse[kept], self.gap[kept], self.gradient_norm[kept], self.parameters[kept])


def iterative(problem: LeastSquares, lr: float, start: Array) -> Iterator[Block]:
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


def spectral(problem: LeastSquares, lr: float, start: Array) -> Iterator[Block]:
    """Yield the same steps from the spectrum: mode i shrinks by 1 - lr * lambda_i at every step.

    The cost of a step does not depend on the number of rows (Goh, "Why Momentum Really Works", Distill 2017,
    shows descent in the eigenbasis of the Hessian).
    """
    amplitudes = problem.amplitudes(start)
    # Modes that start at their minimum stay there, also where the others overflow: no 0 * inf.
    moving = amplitudes != 0
    amplitudes, eigenvalues = amplitudes[moving], problem.spectrum.eigenvalues[moving]
    roots = np.sqrt(eigenvalues / 2)
    # Of each mode: its part of the gradient at the start, and what it takes off the parameters in the end.
    slopes = 2 * roots * amplitudes
    directions = (amplitudes / roots)[:, None] * problem.spectrum.right.T[moving]
    with np.errstate(over="ignore"):
        rates = lr * eigenvalues
    longest = max(1, BLOCK_NUMBERS // problem.p)
    first, size = 0, min(256, longest)
    while True:
        steps = np.arange(first, first + size)
        with np.errstate(over="ignore", invalid="ignore"):
            factors = shrinkage(rates, steps)
            gap = np.square(factors * amplitudes[:, None]).sum(axis=0)
            gradient_norm = np.hypot.reduce(factors * slopes[:, None], axis=0)
            parameters = start - progress(rates, steps, factors).T @ directions
        yield Block(steps, problem.minimum_mse + gap, gap, gradient_norm, parameters)
        first, size = first + size, min(2 * size, longest)


def shrinkage(rates: Array, steps: Steps) -> Array:
    """Return (1 - rate)^k for each mode and step k, shape (m, b)."""
    # Where a rate is small, 1 - rate would round it off and its k-th power multiply the error by k.
    small = rates < 0.5
    factors = np.empty((len(rates), len(steps)))
    factors[small] = np.exp(np.log1p(-rates[small])[:, None] * steps)
    factors[~small] = np.power(1 - rates[~small, None], steps)
    return factors


def progress(rates: Array, steps: Steps, factors: Array) -> Array:
    """Return 1 - (1 - rate)^k, shape (m, b), given `factors` = (1 - rate)^k, without their cancellation."""
    small = rates < 0.5
    done: Array = 1 - factors
    done[small] = -np.expm1(np.log1p(-rates[small])[:, None] * steps)
    return done


ENGINES: dict[str, Callable[[LeastSquares, float, Array], Iterator[Block]]] = {
    "spectral": spectral,
    "iterative": iterative,
}
