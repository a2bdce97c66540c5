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


def iterative(problem: LeastSquares, lr: float, start: Array) -> Iterator[Block]:
    """Yield the literal loop: theta <- theta - lr * (2/n) A^T (A theta - y), over all rows at every step."""
    if problem.rows is None:
        raise DataError(
            "the iterative engine reads the rows at every step, and these came from an iterator: pass a list"
        )
    theta = start
    for first in count(0, ITERATIVE_BLOCK):
        mse, norms, parameters = [], [], []
        for _ in range(ITERATIVE_BLOCK):
            with np.errstate(over="ignore", invalid="ignore"):
                loss, gradient = loss_and_gradient(problem, theta)
                mse.append(loss)
                norms.append(float(np.linalg.norm(gradient)))
                parameters.append(theta)
                theta = theta - lr * gradient
        visited = np.array(parameters)
        with np.errstate(over="ignore", invalid="ignore"):
            gap = problem.gap(visited)
        yield Block(np.arange(first, first + ITERATIVE_BLOCK), np.array(mse), gap, np.array(norms), visited)


def loss_and_gradient(problem: LeastSquares, theta: Array) -> tuple[float, Array]:
    """Return the mean squared error at `theta` and its gradient, shape (p,), from the rows themselves."""
    squares, slope = 0.0, np.zeros_like(theta)
    for X, y in problem.rows or ():
        residual = X @ theta[:-1] + theta[-1] - y
        squares += float(residual @ residual)
        slope[:-1] += X.T @ residual
        slope[-1] += residual.sum()
    return squares / problem.n, 2 / problem.n * slope


def spectral(problem: LeastSquares, lr: float, start: Array) -> Iterator[Block]:
    """Yield the same steps from the spectrum: mode i shrinks by 1 - lr * lambda_i at every step.

    The cost of a step does not depend on the number of rows (Goh, "Why Momentum Really Works", Distill 2017,
    shows descent in the eigenbasis of the Hessian).
    """
    modes = problem.spectrum
    amplitudes = problem.amplitudes(start)
    alive = amplitudes != 0
    amplitudes, rates = amplitudes[alive], lr * modes.eigenvalues[alive]
    slopes = np.sqrt(2 * modes.eigenvalues[alive]) * amplitudes
    directions = (amplitudes / np.sqrt(modes.eigenvalues[alive] / 2))[:, None] * modes.right.T[alive]
    longest = max(1, BLOCK_NUMBERS // problem.p)
    size, first = min(256, longest), 0
    while True:
        steps = np.arange(first, first + size)
        with np.errstate(over="ignore", invalid="ignore"):
            factor = shrinkage(rates, steps)
            gap = np.square(factor * amplitudes).sum(axis=1)
            yield Block(
                steps,
                problem.minimum_mse + gap,
                gap,
                np.sqrt(np.square(factor * slopes).sum(axis=1)),
                start - progress(rates, steps) @ directions,
            )
        first, size = first + size, min(2 * size, longest)


def shrinkage(rates: Array, steps: Steps) -> Array:
    """Return (1 - rate)^k for each step k and mode, shape (b, m), accurate where a rate is tiny."""
    sign, logarithm = _factor_logarithm(rates)
    odd = (steps % 2 == 1)[:, None]
    powers: Array = np.where(odd, sign, 1.0) * np.exp(steps[:, None] * logarithm)
    return powers


def progress(rates: Array, steps: Steps) -> Array:
    """Return 1 - (1 - rate)^k, shape (b, m); for small rates without the cancellation of that formula."""
    _, logarithm = _factor_logarithm(rates)
    small = -np.expm1(steps[:, None] * logarithm)
    done: Array = np.where(rates < 0.5, small, 1 - shrinkage(rates, steps))
    return done


def _factor_logarithm(rates: Array) -> tuple[Array, Array]:
    sign = np.where(rates <= 1, 1.0, -1.0)
    with np.errstate(divide="ignore"):
        # The smallest number keeps 0 * log(0) at step 0 from becoming 0 * -inf.
        size = np.maximum(np.abs(1 - rates), np.finfo(np.float64).tiny)
        return sign, np.where(rates < 0.5, np.log1p(-np.minimum(rates, 0.5)), np.log(size))


ENGINES: dict[str, Callable[[LeastSquares, float, Array], Iterator[Block]]] = {
    "spectral": spectral,
    "iterative": iterative,
}
