import numpy as np
import pytest

from gdexp.core import max_stable_lr
from gdexp.data import dataset_class, load

DATASET = load(dataset_class("seven_cars")())


def test_the_minimum_is_that_of_the_worked_example() -> None:
    assert DATASET.problem.n == 7
    assert DATASET.problem.minimizer == pytest.approx([-4.5691095, 33.585124], rel=1e-7)
    assert DATASET.problem.minimum_mse == pytest.approx(1.46966948, rel=1e-8)


def test_the_spectrum_is_that_of_the_worked_example() -> None:
    assert DATASET.problem.spectrum.eigenvalues == pytest.approx([28.645034, 0.0559655], rel=1e-6)
    assert max_stable_lr(DATASET.problem) == pytest.approx(0.06982, rel=1e-4)


def test_the_loss_at_zero_is_the_mean_square_of_the_target() -> None:
    assert DATASET.problem.mse(np.zeros(2)) == pytest.approx(303.714, abs=5e-4)


def test_the_axes_carry_units() -> None:
    assert DATASET.label("weight") == "weight (1000 lb)"
    assert DATASET.label(DATASET.target) == "mpg (miles per gallon)"
