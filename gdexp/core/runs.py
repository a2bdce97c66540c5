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
"""About how many steps times parameters the first blocks of runs that are computed together may have: what is computed
of them fits a fast cache."""


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
        begun = next(stacked(problem, lrs[runs], np.stack(starts[runs]), stopping.max_iterations))
        for lr, start, record, block in zip(lrs[runs], starts[runs], records, begun, strict=True):
            record.take(block)
            yield record.ended(spectral(problem, float(lr), start, stopping.max_iterations, block.steps.stop))
