"""Start where the user says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gdexp.core.checks import number
from gdexp.core.errors import ParameterError
from gdexp.core.factor import Array
from gdexp.core.problem import LeastSquares


def explicit(problem: LeastSquares, *, values: Sequence[float]) -> Array:
    """Return `values` as the start, shape (p,): the weights in the order of the features, then the bias.

    They are in the units that are descended in: those of the scaled features, where the data are scaled.
    """
    features = problem.p - 1
    takes = (
        f"a list of {problem.p} numbers: {features} weight{'s' * (features != 1)} in the features' order, then the bias"
    )
    if isinstance(values, str) or not hasattr(values, "__len__") or len(values) != problem.p:
        raise ParameterError("values", takes, values)
    return np.array([number("values", value) for value in values])
