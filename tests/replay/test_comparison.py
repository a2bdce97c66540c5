"""What counts as a difference between two trajectories, and how large it is."""

from __future__ import annotations

import numpy as np

from gdexp.replay.comparison import Replay, compared, relative_difference


def test_relative_differences_have_their_closed_form() -> None:
    largest, nan, inf = np.finfo(float).max, np.nan, np.inf
    a = np.array([4.0, 0.0, 0.0, -1.0, largest, nan, nan, inf, inf, 5e-324])
    b = np.array([3.0, -0.0, 2.0, 1.0, -largest, nan, 1.0, inf, 1.0, 1e-323])
    assert relative_difference(a, b).tolist() == [0.25, 0, 1, 2, 2, 0, inf, 0, inf, 0.5]


def test_columns_of_another_type_are_compared_by_value_or_told() -> None:
    now = {"step": np.arange(3), "mse": np.array([1.0, 0.5, 0.25])}
    differences, first, faults = compared(now | {"mse": np.array(["a", "b", "c"])}, now)
    assert (differences, first, faults) == ({}, None, ["the recorded column mse does not hold numbers"])
    differences, first, faults = compared(now | {"mse": now["mse"].astype(np.float32)}, now)
    assert (differences, first, faults) == ({"mse": 0.0}, None, [])


def test_a_difference_in_words_alone_is_not_identical() -> None:
    assert not Replay("0" * 32, 3, {}, None, ("the stop reason is another",), ()).identical
