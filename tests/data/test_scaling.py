from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gdexp.core import LeastSquares, ParameterError, descend, zero
from gdexp.core.factor import Array
from gdexp.data import SCALINGS, Scaling, Source, load

SourceOf = Callable[..., Source]


def rows(n: int, mean: float = 3.0) -> Array:
    """Two features, the second with a spread of 1 about `mean`, and the target."""
    generator = np.random.default_rng(0)
    X = np.column_stack([generator.normal(5, 2, n), mean + generator.normal(0, 1, n)])
    return np.column_stack([X, X @ [1.0, -2.0] + 2 * mean + generator.normal(0, 0.1, n)])


def directly_scaled(kind: str, X: Array) -> Array:
    """Scale as the definition says, from features that start at their first value so that no digit is lost."""
    X = X - X[0]
    if kind == "none":
        return X
    X = X - X.mean(axis=0)
    return X / X.std(axis=0) if kind == "standardize" else X


@pytest.mark.parametrize("kind", ["center", "standardize"])
@pytest.mark.parametrize("mean", [0.0, 3.0, 1e9])
def test_the_factor_is_that_of_directly_scaled_data(source_of: SourceOf, kind: str, mean: float) -> None:
    data = rows(500, mean)
    problem = load(source_of(data, scaling=kind, cuts=(100, 101, 400))).problem
    A = np.column_stack([directly_scaled(kind, data[:, :-1]), np.ones(500), data[:, -1]])
    factor = np.linalg.qr(A, mode="r")
    # The offset is a float64, so the scaled mean of data about 1e9 is zero within half a unit in its last place.
    tolerance = max(1e-12, 2 * np.spacing(mean)) * np.linalg.norm(A, axis=0).max()
    assert problem.factor * np.sign(np.diag(problem.factor))[:, None] == pytest.approx(
        factor * np.sign(np.diag(factor))[:, None], abs=tolerance
    )


@pytest.mark.parametrize("kind", SCALINGS)
def test_the_rows_of_the_problem_are_those_that_its_factor_was_made_of(source_of: SourceOf, kind: str) -> None:
    problem = load(source_of(rows(300, mean=1e9), scaling=kind)).problem
    assert problem.rows is not None
    again = LeastSquares.from_chunks(list(problem.rows))
    # To the digits that the target, itself about 1e9 here, has.
    assert again.factor.T @ again.factor == pytest.approx(problem.factor.T @ problem.factor, rel=1e-12, abs=1e-3)
    assert again.feature_deviations == pytest.approx(problem.feature_deviations, rel=1e-6)


@pytest.mark.parametrize("kind", ["center", "standardize"])
def test_both_engines_agree_on_features_of_small_spread_about_a_large_mean(source_of: SourceOf, kind: str) -> None:
    data = rows(300, mean=1e9)
    data[:, -1] -= 2e9 - data[:, 1] * 2
    problem = load(source_of(data, scaling=kind)).problem
    losses = [descend(problem, lr=0.1, start=zero(problem), engine=name).mse for name in ("iterative", "spectral")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1 / 3, -1e9])
def test_a_constant_feature_becomes_zero_and_keeps_its_scale(source_of: SourceOf, constant: float) -> None:
    data = rows(10_000)
    data[:, 0] = constant
    dataset = load(source_of(data, scaling="standardize", cuts=(1, 5000)))
    assert dataset.scaling.offset[0] == constant
    assert dataset.scaling.scale[0] == 1
    assert (dataset.problem.factor[:, 0] == 0).all()


def test_none_center_and_standardize_do_what_they_say(source_of: SourceOf) -> None:
    data = rows(50)
    means, deviations = data[:, :-1].mean(axis=0), data[:, :-1].std(axis=0)
    none, center, standardize = (load(source_of(data, scaling=kind)) for kind in SCALINGS)
    assert (none.scaled, center.scaled, standardize.scaled) == (False, True, True)
    assert none.scaling.offset.tolist() == [0, 0]
    assert none.scaling.scale.tolist() == [1, 1]
    assert center.scaling.offset == pytest.approx(means)
    assert center.scaling.scale.tolist() == [1, 1]
    assert standardize.scaling.offset == pytest.approx(means)
    assert standardize.scaling.scale == pytest.approx(deviations)
    assert standardize.problem.feature_means == pytest.approx([0, 0], abs=1e-12)
    assert standardize.problem.feature_deviations == pytest.approx([1, 1])


@pytest.mark.parametrize("kind", SCALINGS)
def test_the_minimum_in_original_units_is_that_of_lstsq(source_of: SourceOf, kind: str) -> None:
    data = rows(80)
    dataset = load(source_of(data, scaling=kind))
    expected = np.linalg.lstsq(np.column_stack([data[:, :-1], np.ones(80)]), data[:, -1], rcond=None)[0]
    assert dataset.scaling.original(dataset.problem.minimizer) == pytest.approx(expected, rel=1e-9)


values = st.floats(-10, 10)


@given(
    X=arrays(np.float64, (6, 2), elements=values),
    thetas=arrays(np.float64, (4, 3), elements=values),
    offset=arrays(np.float64, 2, elements=values),
    scale=arrays(np.float64, 2, elements=st.floats(0.1, 10)),
)
def test_parameters_in_original_units_predict_the_same(X: Array, thetas: Array, offset: Array, scale: Array) -> None:
    original = Scaling(offset, scale).original(thetas)
    assert original.shape == thetas.shape
    scaled = (X - offset) / scale @ thetas[:, :-1].T + thetas[:, -1]
    assert X @ original[:, :-1].T + original[:, -1] == pytest.approx(scaled, abs=1e-9)
    assert Scaling(offset, scale).original(thetas[0]) == pytest.approx(original[0])


def test_an_unknown_scaling_is_refused_with_the_nearest_one(source_of: SourceOf) -> None:
    with pytest.raises(ParameterError) as error:
        source_of([[1.0, 2.0]], scaling="standardise")
    assert str(error.value) == (
        "scaling takes one of none, center, standardize; got 'standardise'. Did you mean standardize?"
    )
