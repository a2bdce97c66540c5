from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from gdexp.core.blocks import Block, joined


@pytest.mark.parametrize("length", [1, 3, 4, 6])
def test_parts_are_joined_up_to_a_length_in_memory_of_their_own(length: int) -> None:
    together = joined([np.arange(3.0), np.arange(3.0, 9.0)], length)
    assert_array_equal(together, np.arange(length))
    assert together.base is None


def test_a_block_computes_its_parameters_for_who_looks_at_them() -> None:
    looked: list[int] = []

    def fill(values: np.ndarray) -> None:
        looked.append(len(values))
        values[:] = [[1.0, 2.0, 3.0]]

    block = Block(range(4, 6), np.ones(2), np.ones(2), np.ones(2), 3, fill)
    assert looked == []
    assert_array_equal(block.parameters, [[1.0, 2.0, 3.0]] * 2)
    assert looked == [2]
