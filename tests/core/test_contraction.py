from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdexp.core import LeastSquares, Stopping, descend, max_stable_lr, theory, zero
from gdexp.core.contraction import measured_contraction


@pytest.mark.parametrize("rate", [0.9994, 0.99999, 1.0, 1.0003, 3.0])
@pytest.mark.parametrize("steps", [1, 9, 10, 37])
def test_a_gap_that_shrinks_or_grows_evenly_has_its_own_rate(rate: float, steps: int) -> None:
    gap = np.array([7.0 * rate ** (2 * step) for step in range(steps + 1)])
    assert measured_contraction(gap) == pytest.approx(rate, rel=1e-15)


@pytest.mark.parametrize(("rates", "expected"), [([0.5] * 17 + [0.9, 0.9], 0.9), ([0.5] * 18 + [0.9], math.sqrt(0.45))])
def test_the_last_tenth_of_the_steps_counts(rates: list[float], expected: float) -> None:
    gap = np.array([1.0, *np.cumprod(np.square(rates))], dtype=float)
    assert measured_contraction(gap) == pytest.approx(expected)


def test_steps_below_a_millionth_of_a_millionth_and_those_that_are_not_finite_do_not_count() -> None:
    sinking = np.array([1.0, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 0.99e-12, 1e-13, 0.0])
    assert measured_contraction(sinking) == pytest.approx(0.1)
    rising = np.array([1.0, 9.0, 81.0, np.inf, np.nan])
    assert measured_contraction(rising) == pytest.approx(3.0)


def test_no_gap_is_too_large_or_too_small() -> None:
    assert measured_contraction(np.array([1e-300, 1e306])) == pytest.approx(1e303)
    assert 1.7e308 < (measured_contraction(np.array([5e-324, 1.7e308])) or 0) < math.inf
    assert measured_contraction(np.array([4e-310, 1e-310])) == pytest.approx(0.5, rel=1e-9)


@pytest.mark.parametrize("gap", [[0.0], [1.0], [0.0, 0.0], [1.0, 0.0], [1.0, 1e-13], [0.0, 1.0], [1.0, np.inf]])
def test_fewer_than_two_steps_show_no_contraction(gap: list[float]) -> None:
    assert measured_contraction(np.array(gap)) is None


def test_long_descent_shows_the_contraction_that_theory_predicts(seven_cars: LeastSquares) -> None:
    start = zero(seven_cars)
    for share in (0.2, 0.9, 1.05):
        lr = share * max_stable_lr(seven_cars)
        gap = descend(seven_cars, lr=lr, start=start, stopping=Stopping(max_iterations=3000)).gap
        predicted = theory(seven_cars, lr=lr, start=start).contraction
        seen = measured_contraction(gap)
        assert seen is not None
        assert seen - 1 == pytest.approx(predicted - 1, rel=1e-6)


@given(problem=st.from_type(LeastSquares), share=st.floats(0.01, 1.5))
def test_no_descent_exceeds_the_contraction_that_theory_predicts(problem: LeastSquares, share: float) -> None:
    lr, start = share * max_stable_lr(problem), zero(problem)
    seen = measured_contraction(descend(problem, lr=lr, start=start, stopping=Stopping(max_iterations=50)).gap)
    assert seen is None or seen <= theory(problem, lr=lr, start=start).contraction * (1 + 1e-9)
