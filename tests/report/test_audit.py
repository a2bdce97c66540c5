from __future__ import annotations

import numpy as np
import pytest

from gdexp.core import Stopping, descend, zero
from gdexp.core.factor import Array
from gdexp.data import load
from gdexp.data.datasets.seven_cars import SevenCars
from gdexp.report.audit import audit, audited_rules
from gdexp.tracking.read import RecordedRun
from tests.report.conftest import recorded

PROBLEM = load(SevenCars()).problem


def given(**stopping: str) -> RecordedRun:
    """A run that was given these rules."""
    params = {f"stopping.{key}": value for key, value in stopping.items()}
    return recorded(params=params, tags={"gdexp.config_hash": "0"})


def columns(max_iterations: int = 5000) -> dict[str, Array]:
    trajectory = descend(PROBLEM, lr=0.06, start=zero(PROBLEM), stopping=Stopping(max_iterations=max_iterations))
    return {"mse": trajectory.mse, "gap": trajectory.gap, "gradient_norm": trajectory.gradient_norm}


@pytest.mark.parametrize(
    ("name", "stopping"),
    [
        ("max_iterations=100", Stopping(max_iterations=100)),
        ("relative_decrease=0.001", Stopping(max_iterations=10**5, relative_decrease=1e-3)),
        ("relative_decrease=1e-09", Stopping(max_iterations=10**5, relative_decrease=1e-9)),
        ("gradient_norm=0.1", Stopping(max_iterations=10**5, gradient_norm=0.1)),
        ("loss_threshold=2", Stopping(max_iterations=10**5, loss_threshold=2)),
        ("loss_threshold=1.01 x minimum", Stopping(max_iterations=10**5, loss_threshold=1.01 * PROBLEM.minimum_mse)),
    ],
)
def test_a_replayed_rule_stops_where_it_would_have_stopped_the_descent(name: str, stopping: Stopping) -> None:
    rules = audited_rules([given(loss_threshold="2.0")])
    stops = audit(columns(), rules, PROBLEM.minimum_mse)
    assert stops[name] == descend(PROBLEM, lr=0.06, start=zero(PROBLEM), stopping=stopping).steps


def test_a_rule_that_needs_more_than_was_recorded_never_stops() -> None:
    stops = audit(columns(50), audited_rules([]), PROBLEM.minimum_mse)
    assert stops["max_iterations=100"] is None
    assert stops["gradient_norm=1e-06"] is None


def test_a_threshold_below_the_minimum_never_stops() -> None:
    rules = audited_rules([given(loss_threshold="1.0")])
    assert audit(columns(), rules, PROBLEM.minimum_mse)["loss_threshold=1"] is None


def test_rules_that_are_off_are_not_replayed_and_the_same_ones_once() -> None:
    off = given(loss_threshold="null", max_iterations="1000", patience="7")
    once = audited_rules([off, off])
    assert list(once) == list(audited_rules([]))
    assert not any(name.startswith(("loss_threshold", "patience")) for name in once)


def test_a_descent_that_diverges_is_not_ended_by_its_divergence() -> None:
    rising = {"mse": np.geomspace(1, 1e9, 200), "gap": np.geomspace(1, 1e9, 200), "gradient_norm": np.ones(200)}
    stops = audit(rising, audited_rules([]), 0.0)
    assert stops["max_iterations=100"] == 100
    assert stops["relative_decrease=0.001"] is None


def test_a_rule_is_replayed_with_the_patience_that_it_was_given() -> None:
    rules = audited_rules([given(relative_decrease="1e-3", patience="200")])
    stops = audit(columns(), rules, PROBLEM.minimum_mse)
    stopping = Stopping(max_iterations=10**5, relative_decrease=1e-3, patience=200)
    expected = descend(PROBLEM, lr=0.06, start=zero(PROBLEM), stopping=stopping).steps
    assert stops["relative_decrease=0.001, patience=200"] == expected
    assert stops["relative_decrease=0.001"] == expected - 195


def test_rules_that_differ_in_a_late_digit_are_two() -> None:
    rules = audited_rules([given(max_iterations="1234567"), given(max_iterations="1234568")])
    assert {"max_iterations=1234567", "max_iterations=1234568"} <= rules.keys()


def test_params_of_a_run_recorded_by_hand_are_no_rules() -> None:
    assert audited_rules([recorded(params={"stopping.max_iterations": "lots"})]) == audited_rules([])
