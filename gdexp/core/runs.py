"""Many descents on one problem, computed together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gdexp.core.checks import number
from gdexp.core.descent import Record, Trajectory, check_start
from gdexp.core.engines import BLOCK_NUMBERS, FIRST_BLOCK, stacked
from gdexp.core.errors import ParameterError
from gdexp.core.factor import Array
from gdexp.core.problem import LeastSquares
from gdexp.core.stopping import Stopping


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
    together = max(1, BLOCK_NUMBERS // (FIRST_BLOCK * problem.p))
    for first in range(0, len(lrs), together):
        runs = slice(first, first + together)
        records = [Record(problem, start, stopping) for start in starts[runs]]
        blocks = stacked(problem, lrs[runs], np.stack(starts[runs]), stopping.max_iterations)
        while any(record.reason is None for record in records):
            block = next(blocks)
            for index, record in enumerate(records):
                if record.reason is None:
                    record.take(block.run(index))
        yield from (record.trajectory() for record in records)
