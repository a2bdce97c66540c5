from __future__ import annotations

import numpy as np
import pytest

from gdexp.config import Config
from gdexp.core import LeastSquares, Stopping, descend, max_stable_lr, theory, zero
from gdexp.report.words import caption, decisive, line, outcome, stability, summary


@pytest.fixture(scope="module")
def problem() -> LeastSquares:
    return LeastSquares.from_arrays(np.array([[1.0], [2.0], [4.0]]), np.array([1.0, 2.0, 2.0]))


def test_the_outcome_says_why_and_how_far_from_the_minimum(problem: LeastSquares) -> None:
    text = outcome(descend(problem, lr=0.01, start=zero(problem), stopping=Stopping(max_iterations=10)))
    assert text.startswith("The maximum number of iterations was reached. The loss is ")
    assert text.endswith("of the initial gap is left.")


def test_a_gap_of_rounding_noise_is_not_given_as_a_number(problem: LeastSquares) -> None:
    lr = max_stable_lr(problem) / 2
    text = outcome(descend(problem, lr=lr, start=zero(problem), stopping=Stopping(100_000, relative_decrease=0)))
    assert "less than 1e-12 of the initial gap is left." in text


def test_a_start_at_the_minimum_has_no_gap_to_speak_of() -> None:
    problem = LeastSquares.from_arrays(np.array([[1.0], [2.0]]), np.zeros(2))
    assert outcome(descend(problem, lr=0.01, start=zero(problem))).endswith("It started at the minimum.")


@pytest.mark.parametrize(("multiple", "verdict"), [(0.5, "stable."), (1, "not stable."), (1.5, "not stable.")])
def test_stability_is_said_against_the_limit(problem: LeastSquares, multiple: float, verdict: str) -> None:
    lr = multiple * max_stable_lr(problem)
    text = stability(theory(problem, lr=lr, start=zero(problem)))
    assert text.startswith(f"lr is {multiple:g} times the largest stable one, ")
    assert text.endswith(f": {verdict}")


def test_the_summary_of_a_diverging_run_says_that_the_target_is_never_reached(problem: LeastSquares) -> None:
    trajectory = descend(problem, lr=1, start=zero(problem))
    text = summary(trajectory, theory(problem, lr=1, start=zero(problem)))
    assert "the learning rate is too large" in text
    assert "1e-6 of the initial one never" in text
    assert line(trajectory).startswith("diverged at step ")


def test_the_caption_names_the_settings_that_decide_and_leaves_out_rules_that_are_off() -> None:
    config = Config.from_mapping({"lr": 0.5, "lr_unit": "limit", "stopping": {"gradient_norm": 1e-6}})
    assert caption(decisive(config.params())) == (
        "data.name=seven_cars, data.scaling=none, engine=spectral, init.name=zero, lr=0.5, lr_unit=limit, seed=0, "
        "stopping.gradient_norm=1e-06, stopping.max_iterations=1000"
    )


def test_the_caption_names_what_only_some_settings_have() -> None:
    data = {"name": "auto_mpg", "features": ["weight", "horsepower"]}
    stopping = {"relative_decrease": 1e-9}
    config = Config.from_mapping({"data": data, "init": {"name": "near_zero"}, "stopping": stopping})
    text = caption(decisive(config.params()))
    for setting in ("data.features=[weight,horsepower]", "init.scale=0.01", "stopping.patience=5"):
        assert setting in text
