"""Full-batch gradient descent on least squares as the users of other libraries write it; none forms X^T X."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.performance.measure import UnavailableError

Array = NDArray[np.float64]
Descent = Callable[[], Array]

LR = 0.1


@dataclass(frozen=True, eq=False)
class Problem:
    """Features `X` (n, d) and target `y` (n,), descended on from zero for so many `steps`."""

    X: Array
    y: Array
    steps: int


def generated(n: int, d: int, steps: int) -> Problem:
    """Return a problem whose features have standard deviations from 1 to 0.03, so that descent is slow in some."""
    generator = np.random.default_rng(0)
    X = generator.standard_normal((n, d)) * np.geomspace(1, 0.03, d)
    y = X @ generator.standard_normal(d) + 1 + 0.1 * generator.standard_normal(n)
    return Problem(X, y, steps)


def numpy_loop(problem: Problem) -> Descent:
    """Return the loop over NumPy arrays: one residual a step, for the loss and the gradient."""

    def descent() -> Array:
        n = len(problem.y)
        A = np.column_stack([problem.X, np.ones(n)])
        theta = np.zeros(A.shape[1])
        losses = np.empty(problem.steps + 1)
        for step in range(problem.steps + 1):
            residual = A @ theta - problem.y
            losses[step] = residual @ residual / n
            theta = theta - LR * (2 / n) * (residual @ A)
        return losses

    return descent


def jax_scan(problem: Problem) -> Descent:
    """Return a compiled scan in float64; compilation and the transfer of the data come before the clock."""
    if find_spec("jax") is None:
        return _not_installed
    jax: Any = import_module("jax")
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def loss(theta: Any, A: Any, y: Any) -> Any:
        return jnp.mean((A @ theta - y) ** 2)

    def scan(theta: Any, A: Any, y: Any) -> Any:
        def step(theta: Any, _: Any) -> Any:
            value, gradient = jax.value_and_grad(loss)(theta, A, y)
            return theta - LR * gradient, value

        return jax.lax.scan(step, theta, None, length=problem.steps + 1)[1]

    A = jnp.asarray(np.column_stack([problem.X, np.ones(len(problem.y))]))
    y, start = jnp.asarray(problem.y), jnp.zeros(A.shape[1])
    compiled = jax.jit(scan).lower(start, A, y).compile()
    return lambda: np.asarray(compiled(start, A, y).block_until_ready())


def torch_sgd(problem: Problem) -> Descent:
    """Return torch.optim.SGD on the whole data in float64, after one step before the clock."""
    if find_spec("torch") is None:
        return _not_installed
    torch: Any = import_module("torch")
    X, y = torch.from_numpy(problem.X), torch.from_numpy(problem.y)

    def descent(steps: int = problem.steps) -> Array:
        weights = torch.zeros(X.shape[1], dtype=torch.float64, requires_grad=True)
        bias = torch.zeros((), dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.SGD([weights, bias], lr=LR)
        losses = torch.empty(steps + 1, dtype=torch.float64)
        for step in range(steps + 1):
            optimizer.zero_grad()
            loss = torch.mean((X @ weights + bias - y) ** 2)
            losses[step] = loss.detach()
            loss.backward()
            optimizer.step()
        found: Array = losses.numpy()
        return found

    descent(0)
    return descent


def _not_installed() -> Array:
    raise UnavailableError("not installed")
