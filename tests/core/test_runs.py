from __future__ import annotations

import pickle
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from gdexp.core import (
    DataError,
    LeastSquares,
    ParameterError,
    Stopping,
    StopReason,
    Trajectory,
    descend,
    descend_all,
    max_stable_lr,
    near_zero,
    zero,
)

relative_lrs = st.one_of(st.sampled_from([1e-300, 0.5, 1.0, 1.1, 1e160]), st.floats(1e-6, 3))
starts = st.lists(st.integers(-8, 8), min_size=5, max_size=5).map(lambda values: np.array(values) / 2)
stoppings = st.builds(
    Stopping,
    max_iterations=st.sampled_from([1, 63, 64, 700, 1023, 1024, 2500]),
    loss_threshold=st.sampled_from([None, 1.0]),
    relative_decrease=st.sampled_from([None, 1e-3, 1e-9]),
    gradient_norm=st.sampled_from([None, 1e-2]),
)


def same(together: Trajectory, alone: Trajectory) -> None:
    assert together.reason is alone.reason
    for name in ("mse", "gap", "gradient_norm", "parameters"):
        assert_array_equal(getattr(together, name), getattr(alone, name))


@given(
    st.from_type(LeastSquares),
    st.lists(st.tuples(relative_lrs, starts), min_size=1, max_size=6),
    st.booleans(),
    stoppings,
)
def test_each_run_is_what_descend_gives_to_the_last_bit(
    problem: LeastSquares, runs: list[tuple[float, np.ndarray]], at_the_minimum: bool, stopping: Stopping
) -> None:
    lrs = [min(relative_lr * max_stable_lr(problem), 1e300) for relative_lr, _ in runs]
    points = [start[: problem.p] for _, start in runs]
    if at_the_minimum:
        points[0] = problem.minimizer
    for lr, start, run in zip(
        lrs, points, descend_all(problem, lrs=lrs, starts=points, stopping=stopping), strict=True
    ):
        same(run, descend(problem, lr=lr, start=start, stopping=stopping))


@pytest.mark.parametrize("d", [0, 1, 7, 30])
def test_many_runs_that_end_at_different_steps_are_what_descend_gives(d: int) -> None:
    generator = np.random.default_rng(d)
    problem = LeastSquares.from_arrays(generator.normal(size=(60, d)), generator.normal(size=60))
    lrs = np.geomspace(1e-3, 2, 50) * max_stable_lr(problem)
    points = [near_zero(problem, seed=seed) for seed in range(50)]
    stopping = Stopping(max_iterations=6000, relative_decrease=1e-6)
    runs = list(descend_all(problem, lrs=list(lrs), starts=points, stopping=stopping))
    assert {run.reason for run in runs} >= {StopReason.CONVERGED, StopReason.DIVERGED}
    for lr, start, run in zip(lrs, points, runs, strict=True):
        same(run, descend(problem, lr=lr, start=start, stopping=stopping))


def test_runs_are_computed_as_they_are_asked_for(seven_cars: LeastSquares) -> None:
    runs = descend_all(seven_cars, lrs=[0.01] * 10**5, starts=[zero(seven_cars)] * 10**5)
    assert isinstance(runs, Iterator)
    assert next(runs).steps == 1000


def test_no_runs_give_no_trajectories(seven_cars: LeastSquares) -> None:
    assert list(descend_all(seven_cars, lrs=[], starts=[])) == []


def test_a_run_holds_no_more_memory_than_its_own_steps(seven_cars: LeastSquares) -> None:
    for run in descend_all(seven_cars, lrs=[0.01, 0.1], starts=[zero(seven_cars)] * 2):
        for values in (run.mse, run.parameters):
            assert values.base is None
        assert len(pickle.dumps(run)) < run.parameters.nbytes + 3 * run.mse.nbytes + 2000


def test_what_descend_refuses_is_refused_before_the_first_run(seven_cars: LeastSquares) -> None:
    start = zero(seven_cars)
    with pytest.raises(ParameterError, match=r"^starts takes a start for each of the 2 learning rates; got 1\.$"):
        descend_all(seven_cars, lrs=[0.1, 0.2], starts=[start])
    with pytest.raises(ParameterError, match=r"^lr takes a finite number above 0; got -1\.$"):
        descend_all(seven_cars, lrs=[0.1, -1], starts=[start, start])
    with pytest.raises(DataError, match=r"^the loss or the gradient at the start is not finite"):
        descend_all(seven_cars, lrs=[0.1], starts=[np.array([1e200, 0.0])])
