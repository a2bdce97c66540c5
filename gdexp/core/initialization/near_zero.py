"""Start at random, near zero."""

from __future__ import annotations

import numpy as np

from gdexp.core.checks import number, whole_number
from gdexp.core.factor import Array
from gdexp.core.problem import LeastSquares


def near_zero(problem: LeastSquares, *, seed: int = 0, scale: float = 0.01) -> Array:
    """Return parameters drawn from a normal distribution of mean 0 and standard deviation `scale`, shape (p,)."""
    generator = np.random.default_rng(whole_number("seed", seed, least=0))
    return generator.normal(0.0, number("scale", scale, least=0), problem.p)
