from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from gdexp.core import LeastSquares, ParameterError, Stopping, StopReason, Trajectory, descend
from gdexp.core.blocks import Block, copy_rows
from gdexp.core.engines import ENGINES
from gdexp.core.factor import Array
from gdexp.core.stopping import diverges, falls_to, settles

LIMIT = 1e6
"""The loss above which descent on `unit_problem` has diverged: 1e6 * max(L_0, mean(y^2))."""

unit_problem = LeastSquares.from_arrays(np.empty((1, 0)), [1.0])


def recorded(mse: Array, norms: Array, parameters: Array, sizes: Sequence[int]) -> Callable[..., Iterator[Block]]:
    """Return an engine that yields the given steps in blocks of the given sizes, then one block of the rest."""

    def engine(problem: LeastSquares, lr: float, start: Array, horizon: int) -> Iterator[Block]:  # noqa: ARG001
        edges = [0, *(edge for edge in np.cumsum(sizes) if edge < len(mse)), len(mse)]
        for first, last in pairwise(edges):
            # With parameters that these losses do not have, no gap says anything of them.
            gap = np.full(last - first, np.inf)
            fill_parameters = partial(copy_rows, parameters[first:last, None])
            yield Block(range(first, last), mse[first:last], gap, norms[first:last], 1, fill_parameters)

    return engine


def stop(
    stopping: Stopping,
    mse: Sequence[float],
    norms: Sequence[float] | None = None,
    parameters: Sequence[float] | None = None,
    sizes: Sequence[int] = (),
) -> Trajectory:
    """Return what `descend` makes of these losses, gradient norms and parameters."""
    losses = np.array(mse, dtype=np.float64)
    engine = recorded(
        losses,
        np.full(len(mse), 1e9) if norms is None else np.array(norms, dtype=np.float64),
        np.zeros(len(mse)) if parameters is None else np.array(parameters, dtype=np.float64),
        sizes,
    )
    with patch.dict(ENGINES, recorded=engine):
        return descend(unit_problem, lr=1.0, start=np.zeros(1), stopping=stopping, engine="recorded")


def stop_by_the_letter(stopping: Stopping, mse: Array, norms: Array, parameters: Array) -> tuple[int, StopReason]:
    """Return the last recorded step and the reason, one step at a time as the design page has them."""
    held = 0
    for k, loss in enumerate(mse):
        if not (np.isfinite(loss) and np.isfinite(norms[k]) and np.isfinite(parameters[k])):
            return k - 1, StopReason.DIVERGED
        if loss > LIMIT:
            return k, StopReason.DIVERGED
        if stopping.loss_threshold is not None and loss <= stopping.loss_threshold:
            return k, StopReason.LOSS_THRESHOLD
        if stopping.gradient_norm is not None and norms[k] <= stopping.gradient_norm:
            return k, StopReason.GRADIENT_NORM
        if stopping.relative_decrease is not None and k >= 1:
            held = held + 1 if abs(mse[k - 1] - loss) <= stopping.relative_decrease * mse[k - 1] else 0
            if held >= stopping.patience:
                return k, StopReason.CONVERGED
        if k == stopping.max_iterations:
            return k, StopReason.MAX_ITERATIONS
    raise AssertionError("the losses end before any rule holds")


def mostly(usual: list[float], rare: list[float]) -> st.SearchStrategy[float]:
    return st.integers(0, 19).flatmap(lambda die: st.sampled_from(rare if die == 0 else usual))


@given(
    losses=st.lists(
        mostly([1.0, 0.999, 0.5, 0.1, 0.0, 2.0, LIMIT], [2 * LIMIT, np.inf, np.nan]), min_size=40, max_size=40
    ),
    norms=st.lists(mostly([5.0, 1.0], [0.1, np.inf, np.nan]), min_size=40, max_size=40),
    parameters=st.lists(mostly([1.0, -1.0], [np.inf, np.nan]), min_size=40, max_size=40),
    stopping=st.builds(
        Stopping,
        max_iterations=st.integers(1, 40),
        loss_threshold=st.sampled_from([None, None, 0.0, 0.05, 0.1]),
        relative_decrease=st.sampled_from([None, 0.0, 0.0011, 0.5, 1.0]),
        patience=st.integers(1, 6),
        gradient_norm=st.sampled_from([None, None, 0.0, 0.1]),
    ),
    sizes=st.lists(st.integers(1, 9), max_size=8),
)
def test_every_stop_is_that_of_the_rules_tested_one_step_at_a_time(
    losses: list[float], norms: list[float], parameters: list[float], stopping: Stopping, sizes: list[int]
) -> None:
    mse, values = np.array([1.0, *losses]), np.array([0.0, *parameters])
    slopes = np.array([9.0, *norms])
    trajectory = stop(stopping, list(mse), list(slopes), list(values), sizes)
    assert (trajectory.steps, trajectory.reason) == stop_by_the_letter(stopping, mse, slopes, values)
    assert_array_equal(trajectory.mse, mse[: trajectory.steps + 1])
    assert_array_equal(trajectory.gradient_norm, slopes[: trajectory.steps + 1])
    assert_array_equal(trajectory.parameters[:, 0], values[: trajectory.steps + 1])


def test_max_iterations_holds_at_exactly_that_step() -> None:
    trajectory = stop(Stopping(max_iterations=3), [1.0] * 9)
    assert (trajectory.steps, trajectory.reason) == (3, StopReason.MAX_ITERATIONS)


def test_the_loss_threshold_holds_at_a_loss_that_equals_it() -> None:
    trajectory = stop(Stopping(loss_threshold=0.5), [1.0, 0.6, 0.5, 0.4])
    assert (trajectory.steps, trajectory.reason) == (2, StopReason.LOSS_THRESHOLD)


def test_the_gradient_norm_holds_at_a_norm_that_equals_it() -> None:
    trajectory = stop(Stopping(gradient_norm=2.0), [1.0, 1.0, 1.0], norms=[3.0, 2.0, 1.0])
    assert (trajectory.steps, trajectory.reason) == (1, StopReason.GRADIENT_NORM)


@pytest.mark.parametrize(
    ("stopping", "reason"),
    [
        (Stopping(loss_threshold=1.0), StopReason.LOSS_THRESHOLD),
        (Stopping(gradient_norm=9.0), StopReason.GRADIENT_NORM),
    ],
)
def test_a_threshold_that_the_start_meets_ends_descent_at_step_0(stopping: Stopping, reason: StopReason) -> None:
    trajectory = stop(stopping, [1.0, 0.5], norms=[9.0, 5.0])
    assert (trajectory.steps, trajectory.reason) == (0, reason)


@pytest.mark.parametrize(("patience", "step"), [(1, 1), (2, 5), (3, 6), (4, 9)])
def test_patience_counts_consecutive_steps_and_any_larger_change_resets_it(patience: int, step: int) -> None:
    losses = (
        [1.0, 1.0, 0.5, 0.25, 0.25, 0.25, 0.25, 0.5, 0.5, 0.5] if patience < 4 else [1.0, 1, 1, 1, 2, 3, 3, 3, 3, 3]
    )
    trajectory = stop(Stopping(relative_decrease=0.0, patience=patience), losses)
    assert (trajectory.steps, trajectory.reason) == (step, StopReason.CONVERGED)


@pytest.mark.parametrize("sizes", [[1] * 9, [2, 2, 2, 2], [3, 3], [5], [7, 1]])
def test_patience_counts_across_blocks(sizes: list[int]) -> None:
    losses = [1.0, 0.5, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25]
    trajectory = stop(Stopping(relative_decrease=0.0, patience=5), losses, sizes=sizes)
    assert (trajectory.steps, trajectory.reason) == (7, StopReason.CONVERGED)


def test_a_rise_counts_by_its_size() -> None:
    trajectory = stop(Stopping(relative_decrease=0.1, patience=1), [1.0, 1.5, 2.25, 2.3])
    assert (trajectory.steps, trajectory.reason) == (3, StopReason.CONVERGED)


def test_a_change_that_equals_the_tolerance_holds() -> None:
    assert_array_equal(settles(np.array([1.0, 0.5, 0.25, 0.126]), 0.5, 1), [False, True, True, True])
    assert_array_equal(settles(np.array([1.0, 0.499]), 0.5, 1), [False, False])


def test_two_zero_losses_have_converged() -> None:
    assert_array_equal(settles(np.array([1.0, 0.0, 0.0, 0.0]), 1e-12, 2), [False, False, False, True])


def test_the_first_loss_of_all_never_has_converged() -> None:
    assert_array_equal(settles(np.array([0.0]), 1.0, 1), [False])


def test_a_loss_equal_to_the_limit_has_not_diverged() -> None:
    assert_array_equal(diverges(np.array([1.0, LIMIT, np.nextafter(LIMIT, np.inf)]), LIMIT), [False, False, True])


def test_a_loss_that_is_not_finite_has_diverged_whatever_the_limit() -> None:
    assert_array_equal(diverges(np.array([1.0, np.nan, np.inf]), np.inf), [False, True, True])


def test_a_value_that_is_no_number_meets_no_threshold() -> None:
    assert_array_equal(falls_to(np.array([np.nan, 2.0, 1.0]), 1.0), [False, False, True])


@pytest.mark.parametrize("name", ["mse", "norms", "parameters"])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_step_that_is_not_finite_is_dropped(name: str, value: float) -> None:
    steps = {key: [1.0, 1.0, value if key == name else 1.0] for key in ("mse", "norms", "parameters")}
    trajectory = stop(Stopping(), steps["mse"], steps["norms"], steps["parameters"])
    assert (trajectory.steps, trajectory.reason) == (1, StopReason.DIVERGED)


def test_a_step_whose_loss_is_too_large_is_kept() -> None:
    trajectory = stop(Stopping(), [1.0, 1e6, 1.1e6, np.inf])
    assert (trajectory.steps, trajectory.reason) == (2, StopReason.DIVERGED)
    assert trajectory.mse[-1] == 1.1e6


EVERYTHING = Stopping(max_iterations=2, loss_threshold=2e7, relative_decrease=0.0, patience=1, gradient_norm=9.0)


@pytest.mark.parametrize(
    ("before", "loss", "stopping", "reason"),
    [
        (2.0, 1e7, replace(EVERYTHING, loss_threshold=0.5), StopReason.DIVERGED),
        (2.0, np.nan, replace(EVERYTHING, loss_threshold=0.5), StopReason.DIVERGED),
        (2.0, 0.5, replace(EVERYTHING, loss_threshold=0.5), StopReason.LOSS_THRESHOLD),
        (1.0, 1.0, replace(EVERYTHING, loss_threshold=None, patience=2), StopReason.GRADIENT_NORM),
        (2.0, 2.0, replace(EVERYTHING, loss_threshold=None, gradient_norm=None), StopReason.CONVERGED),
        (2.0, 1.5, replace(EVERYTHING, loss_threshold=None, gradient_norm=None), StopReason.MAX_ITERATIONS),
    ],
)
def test_of_several_rules_at_one_step_the_first_of_the_list_is_the_reason(
    before: float, loss: float, stopping: Stopping, reason: StopReason
) -> None:
    trajectory = stop(stopping, [1.0, before, loss], norms=[10.0, 10.0, 9.0])
    assert trajectory.reason is reason
    assert trajectory.steps == (1 if np.isnan(loss) else 2)


def test_the_marks_come_in_order_of_precedence() -> None:
    block = Block(range(2), np.ones(2), np.ones(2), np.ones(2), 1, lambda _: None)
    assert list(EVERYTHING.marks(block, np.empty(0), LIMIT)) == list(StopReason)


def test_a_rule_that_is_off_marks_nothing() -> None:
    block = Block(range(2), np.zeros(2), np.zeros(2), np.zeros(2), 1, lambda _: None)
    assert list(Stopping().marks(block, np.empty(0), LIMIT)) == [StopReason.DIVERGED, StopReason.MAX_ITERATIONS]


def test_the_reasons_have_the_tags_of_the_contract_and_are_sentences() -> None:
    assert [reason.tag for reason in StopReason] == [
        "diverged",
        "loss_threshold",
        "gradient_norm",
        "converged",
        "max_iterations",
    ]
    assert all(reason.value[0].isupper() and reason.value.endswith(".") for reason in StopReason)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"max_iterations": 0}, "max_iterations takes a whole number of at least 1; got 0."),
        ({"max_iterations": -5}, "max_iterations takes a whole number of at least 1; got -5."),
        ({"max_iterations": 1.5}, "max_iterations takes a whole number of at least 1; got 1.5."),
        ({"max_iterations": True}, "max_iterations takes a whole number of at least 1; got True."),
        ({"max_iterations": None}, "max_iterations takes a whole number of at least 1; got None."),
        ({"patience": 0}, "patience takes a whole number of at least 1; got 0."),
        ({"loss_threshold": -1}, "loss_threshold takes a finite number of at least 0, or null for off; got -1."),
        ({"gradient_norm": np.nan}, "gradient_norm takes a finite number of at least 0, or null for off; got nan."),
        (
            {"relative_decrease": "small"},
            "relative_decrease takes a finite number of at least 0, or null for off; got 'small'.",
        ),
        (
            {"relative_decrease": np.inf},
            "relative_decrease takes a finite number of at least 0, or null for off; got inf.",
        ),
    ],
)
def test_a_value_that_a_rule_does_not_take_is_refused(settings: dict[str, int], text: str) -> None:
    with pytest.raises(ParameterError) as error:
        Stopping(**settings)
    assert str(error.value) == text


def test_a_float_without_a_fraction_is_a_number_of_iterations() -> None:
    assert Stopping(max_iterations=1e5) == Stopping(max_iterations=100_000)  # type: ignore[arg-type]


def test_more_iterations_than_an_array_index_can_count_are_taken() -> None:
    trajectory = stop(Stopping(max_iterations=10**30, loss_threshold=0.5), [1.0, 0.5])
    assert trajectory.reason is StopReason.LOSS_THRESHOLD
