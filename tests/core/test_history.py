from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from gdexp.core.history import History


def filled(history: History, sizes: list[int]) -> list[int]:
    """Write each step's number into all its places, and return how many steps each block had."""
    got = []
    for size in sizes:
        block = history.block(size)
        block.mse[:] = block.gap[:] = block.gradient_norm[:] = block.steps
        block.parameters[:] = np.array(block.steps)[:, None]
        got.append(len(block.steps))
    return got


def test_blocks_follow_each_other_also_past_the_horizon() -> None:
    history = History(2, 9)
    assert filled(history, [4, 4, 4]) == [4, 4, 4]
    assert_array_equal(history.losses(-3, 2), [0, 1])
    assert_array_equal(history.losses(3, 6), [3, 4, 5])
    for values in history.cut(7):
        assert_array_equal(values.reshape(7, -1)[:, 0], np.arange(7))


@pytest.mark.parametrize("sizes", [[3] * 5, [1, 2, 4, 8], [15]])
@pytest.mark.parametrize("horizon", [14, 16, 10**12])
def test_room_is_made_where_a_descent_turns_out_long(
    monkeypatch: pytest.MonkeyPatch, sizes: list[int], horizon: int
) -> None:
    monkeypatch.setattr("gdexp.core.history.FIRST_ROOM", 4)
    history = History(2, horizon)
    assert filled(history, sizes) == sizes
    assert_array_equal(history.losses(0, 15), np.arange(15))
    for values in history.cut(15):
        assert_array_equal(values.reshape(15, -1)[:, -1], np.arange(15))


def test_a_horizon_beyond_what_an_array_can_count_takes_no_memory() -> None:
    history = History(3, 10**30)
    assert filled(history, [5]) == [5]
    assert [len(values) for values in history.cut(2)] == [2] * 4
