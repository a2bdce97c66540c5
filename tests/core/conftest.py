"""Problems for all tests of the core: `st.from_type(LeastSquares)` draws one, of any rank and shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gdexp.core import LeastSquares

settings.register_profile("core", max_examples=150, deadline=None, derandomize=True, database=None)
settings.load_profile("core")


@st.composite
def problems(draw: st.DrawFn) -> LeastSquares:
    """Draw rows of eighths, so that equal, constant and dependent columns are common, in units of any size."""
    n, d = draw(st.integers(1, 12)), draw(st.integers(0, 4))
    eighths = st.integers(-40, 40).map(lambda value: value / 8)
    scales = [10.0 ** draw(st.integers(-2, 2)) for _ in range(d)]
    X = draw(arrays(np.float64, (n, d), elements=eighths)) * np.array(scales)
    return LeastSquares.from_arrays(X, draw(arrays(np.float64, n, elements=eighths)))


st.register_type_strategy(LeastSquares, problems())


@pytest.fixture(scope="session")
def seven_cars() -> LeastSquares:
    """Return the documents' seven rows: weight in 1000 lb against miles per gallon."""
    weight = np.array([3.50, 3.69, 3.44, 3.43, 4.34, 4.42, 2.37])
    return LeastSquares.from_arrays(weight[:, None], [18.0, 15, 18, 16, 15, 14, 24])
