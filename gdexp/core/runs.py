"""Many descents on one problem, computed together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gdexp.core.checks import number
from gdexp.core.descent import Record, Trajectory, check_start
from gdexp.core.engines import FIRST_BLOCK, spectral, stacked
from gdexp.core.errors import ParameterError
from gdexp.core.factor import Array
from gdexp.core.problem import LeastSquares
from gdexp.core.stopping import Stopping

STACK_NUMBERS = 2**17
"""About how many parameters the first blocks of runs that are computed together may hold: they fit a fast cache."""


def descend_all(
    problem: LeastSquares, *, lrs: Sequence[float], starts: Sequence[Array], stopping: Stopping | None = None
) -> Iterator[Trajectory]:
    """Yield what `descend` returns for each pair of a learning rate and a start, in their order and to the last bit.

    A few runs are computed at a time, so memory does not grow with their number. Raises what `descend` raises, before
    the first run, and ParameterError where there are not as many starts as learning rates.
    """
    if len(lrs) != len(starts):
        raise ParameterError("starts", f"a start for each of the {len(lrs)} learning rates", len(starts))
    rates = np.array([number("lr", lr, above=0) for lr in lrs])
    points = [check_start(problem, start) for start in starts]
    return _descents(problem, rates, points, stopping or Stopping())


def _descents(problem: LeastSquares, lrs: Array, starts: list[Array], stopping: Stopping) -> Iterator[Trajectory]:
    together = max(1, STACK_NUMBERS // (FIRST_BLOCK * problem.p))
    for first in range(0, len(lrs), together):
        runs = slice(first, first + together)
        records = [Record(problem, start, stopping) for start in starts[runs]]
        begun = next(stacked(problem, lrs[runs], np.stack(starts[runs]), [record.history for record in records]))
        for record, block in zip(records, begun, strict=True):
            record.take(block)
        del begun, block  # views of what may move
        for lr, start, record in zip(lrs[runs], starts[runs], records, strict=True):
            yield record.ended(spectral(problem, float(lr), start, record.history))
