"""The documents' worked example: seven cars from zero with a learning rate of 0.01."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from gdexp.core import LeastSquares, Stopping, Trajectory, descend, theory, zero
from gdexp.core.engines import ENGINES


@pytest.fixture(params=sorted(ENGINES))
def trajectory(request: pytest.FixtureRequest, seven_cars: LeastSquares) -> Trajectory:
    return descend(seven_cars, lr=0.01, start=zero(seven_cars), engine=request.param)


def test_its_first_six_steps_are_the_true_iterates(trajectory: Trajectory) -> None:
    steps = np.column_stack([trajectory.parameters[:6], trajectory.mse[:6]])
    assert [[f"{weight:.4f}", f"{bias:.4f}", f"{mse:.3f}"] for weight, bias, mse in steps] == [
        ["0.0000", "0.0000", "303.714"],
        ["1.1972", "0.3429", "170.843"],
        ["2.0500", "0.5927", "103.174"],
        ["2.6572", "0.7762", "68.703"],
        ["3.0890", "0.9123", "51.134"],
        ["3.3957", "1.0145", "42.172"],
    ]


def test_its_first_update_is_that_of_a_pencil(trajectory: Trajectory) -> None:
    # lr * 2 * mean(x y) and lr * 2 * mean(y): sums of 419.01 and 120.
    assert_allclose(trajectory.parameters[1], [0.02 * 419.01 / 7, 0.02 * 120 / 7], rtol=1e-14)


def test_its_loss_after_a_thousand_steps_is_far_from_the_minimum(trajectory: Trajectory) -> None:
    assert trajectory.steps == 1000
    assert f"{trajectory.mse[1000]:.5f}" == "11.79016"
    assert f"{trajectory.mse[999]:.2f}" == "11.80"  # the documents count from 1: this is their iteration 1000


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_a_larger_learning_rate_is_near_the_minimum_by_then(seven_cars: LeastSquares, engine: str) -> None:
    trajectory = descend(seven_cars, lr=0.06, start=zero(seven_cars), engine=engine)
    assert f"{trajectory.mse[1000]:.3f}" == "1.508"


def test_its_minimum_is_known_exactly(seven_cars: LeastSquares) -> None:
    assert_allclose(seven_cars.minimizer, [-4.5691095, 33.585124], rtol=1e-8)
    assert seven_cars.minimum_mse == pytest.approx(1.46966948, rel=1e-8)
    assert_allclose(seven_cars.spectrum.eigenvalues, [28.645034, 0.0559655], rtol=1e-6)


def test_its_theory_is_known_exactly(seven_cars: LeastSquares) -> None:
    numbers = theory(seven_cars, lr=0.01, start=zero(seven_cars))
    assert numbers.max_stable_lr == pytest.approx(0.06982, abs=5e-6)
    assert numbers.condition_number == pytest.approx(511.83, abs=5e-3)
    assert numbers.relative_lr == pytest.approx(0.14322517, rel=1e-7)
    assert numbers.contraction == pytest.approx(1 - 0.01 * 0.0559655, rel=1e-8)


def test_its_predicted_steps_are_those_that_descent_takes(seven_cars: LeastSquares) -> None:
    predicted = theory(seven_cars, lr=0.01, start=zero(seven_cars)).steps_to_gap
    for engine in ENGINES:
        trajectory = descend(
            seven_cars, lr=0.01, start=zero(seven_cars), stopping=Stopping(max_iterations=15_000), engine=engine
        )
        assert trajectory.steps_to_gap == predicted
    # The steep mode is long gone: what is left of the gap is the flat mode's.
    gap, flat = seven_cars.gap(zero(seven_cars)), seven_cars.amplitudes(zero(seven_cars))[1]
    logarithm = math.log1p(-0.01 * seven_cars.spectrum.eigenvalues[1])
    assert predicted == math.ceil(math.log(1e-6 * gap / flat**2) / (2 * logarithm)) == 10_324


def test_the_minimum_that_the_documents_claim_is_none(seven_cars: LeastSquares) -> None:
    assert seven_cars.mse(np.array([-5.44, 35.94])) == pytest.approx(2.38, abs=0.005)
