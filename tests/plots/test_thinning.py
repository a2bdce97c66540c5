from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from gdexp.plots.thinning import kept


def test_a_short_line_is_left_as_it_is() -> None:
    assert kept(np.zeros(100)).tolist() == list(range(100))


@pytest.mark.parametrize("logarithmic", [False, True])
def test_a_long_line_keeps_its_ends_and_every_swing(logarithmic: bool) -> None:
    values = np.sin(np.arange(100_000)) * np.linspace(1, 0, 100_000)
    values[54_321] = 7
    indices = kept(values, stretches=100, logarithmic=logarithmic)
    assert len(indices) <= 400
    assert indices[[0, -1]].tolist() == [0, 99_999]
    assert 54_321 in indices
    # An alternating line would look constant if every other point were left out.
    assert values[indices].min() < -0.99


def test_all_columns_keep_their_extremes() -> None:
    values = np.zeros((10_000, 2))
    values[3_000, 0], values[4_000, 1] = 1, -1
    assert {3_000, 4_000} <= set(kept(values, stretches=50).tolist())


@pytest.mark.parametrize("logarithmic", [False, True])
def test_of_equal_extremes_the_first_is_kept(logarithmic: bool) -> None:
    values = np.random.default_rng(0).integers(0, 3, 5_000).astype(float)
    values[0] = np.inf
    indices = kept(values, stretches=100, logarithmic=logarithmic)
    ends = np.geomspace(1, 5_000, 100) if logarithmic else np.linspace(0, 5_000, 101)[1:]
    edges = np.unique([0, *np.rint(ends).astype(int)])
    expected = {
        first + int(find(values[first:end])) for first, end in pairwise(edges) for find in (np.argmin, np.argmax)
    }
    assert set(indices.tolist()) == expected | set(edges[:-1].tolist()) | set((edges[1:] - 1).tolist())
