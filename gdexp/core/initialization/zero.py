"""Start at zero."""

from __future__ import annotations

import numpy as np

from gdexp.core.factor import Array
from gdexp.core.problem import LeastSquares


def zero(problem: LeastSquares) -> Array:
    """Return zero weights and a zero bias, shape (p,)."""
    return np.zeros(problem.p)
