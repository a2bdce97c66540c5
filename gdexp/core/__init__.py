"""Gradient descent on least squares, with NumPy alone: problem, initialization, stopping, descent, theory."""

from gdexp.core.descent import Trajectory, descend
from gdexp.core.errors import DataError, GdexpError, ParameterError
from gdexp.core.initialization.explicit import explicit
from gdexp.core.initialization.near_zero import near_zero
from gdexp.core.initialization.zero import zero
from gdexp.core.problem import LeastSquares
from gdexp.core.runs import descend_all
from gdexp.core.stopping import Stopping, StopReason
from gdexp.core.theory import Theory, max_stable_lr, theory

__all__ = [
    "DataError",
    "GdexpError",
    "LeastSquares",
    "ParameterError",
    "StopReason",
    "Stopping",
    "Theory",
    "Trajectory",
    "descend",
    "descend_all",
    "explicit",
    "max_stable_lr",
    "near_zero",
    "theory",
    "zero",
]
