"""gdexp in a notebook: solve, draw and record without Hydra."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gdexp
from gdexp.core import LeastSquares, ParameterError, Stopping, descend, zero
from tests.integration.conftest import Folder


def test_a_descent_made_by_hand_is_recorded_with_one_call(tmp_path: Path) -> None:
    X, y = np.array([[3.5], [3.69], [3.44]]), np.array([18.0, 15.0, 18.0])
    problem = LeastSquares.from_arrays(X, y)
    trajectory = descend(problem, lr=0.01, start=zero(problem), stopping=Stopping(max_iterations=20))
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    run_id = gdexp.record(problem, trajectory, lr=0.01, features=["weight"], params={"note": "three cars"}, uri=uri)
    run = Folder(tmp_path).client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"lr": "0.01", "note": "three cars"}
    assert run.data.metrics["mse_final"] == trajectory.mse[-1]
    assert run.data.metrics["parameter_weight"] == trajectory.parameters[-1, 0]
    assert run.data.tags["gdexp.stop_reason"] == "max_iterations"
    assert "plots/loss_curve.png" in Folder(tmp_path).artifacts(run)


def test_names_that_do_not_fit_the_features_are_refused(tmp_path: Path) -> None:
    problem = LeastSquares.from_arrays(np.eye(3), np.ones(3))
    trajectory = descend(problem, lr=0.01, start=zero(problem))
    with pytest.raises(ParameterError, match=r"^features takes 3 names, one for each feature; got \['a'\]"):
        gdexp.record(problem, trajectory, lr=0.01, features=["a"], uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert not list(tmp_path.iterdir())
