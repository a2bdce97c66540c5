"""What the spectrum tells about a descent before it runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gdexp.core.blocks import Steps
from gdexp.core.checks import number
from gdexp.core.descent import TARGET_GAP, check_start
from gdexp.core.engines import shrinkage
from gdexp.core.factor import Array
from gdexp.core.problem import LeastSquares

MOST_STEPS = 10**15
PARTS = 64
"""Parts that the steps in question are cut into at once."""


@dataclass(frozen=True)
class Theory:
    """The exact behaviour of gradient descent on a quadratic (Nesterov, "Introductory Lectures on Convex
    Optimization", 2004, section 1.2.3; Polyak, "Introduction to Optimization", 1987, section 1.4).

    `minimum_mse`; `max_stable_lr` = 2 / lambda_max; `optimal_lr` = 2 / (lambda_max + lambda_min); `relative_lr` =
    lr / max_stable_lr; `condition_number` = lambda_max / lambda_min; `contraction` = the largest |1 - lr lambda|;
    `steps_to_gap` = the first step whose gap is at most TARGET_GAP of the initial one, None where lr is not stable
    or the step lies beyond 1e15. Eigenvalues are those of the Hessian that are not null.
    """

    minimum_mse: float
    max_stable_lr: float
    optimal_lr: float
    relative_lr: float
    condition_number: float
    contraction: float
    steps_to_gap: int | None

    @property
    def stable(self) -> bool:
        """Whether lr * lambda_max < 2, so that no mode grows."""
        return self.relative_lr < 1


def max_stable_lr(problem: LeastSquares) -> float:
    """Return 2 / lambda_max: at this learning rate and above, the steepest mode no longer shrinks."""
    return float(2 / problem.spectrum.eigenvalues[0])


def theory(problem: LeastSquares, *, lr: float, start: Array) -> Theory:
    """Return what is known of descent on `problem` with learning rate `lr` from `start`, shape (p,).

    Raises what `descend` raises for an lr or a start that cannot be used.
    """
    lr, start = number("lr", lr, above=0), check_start(problem, start)
    steepest, flattest = map(float, problem.spectrum.eigenvalues[[0, -1]])
    relative_lr = lr / max_stable_lr(problem)
    return Theory(
        minimum_mse=problem.minimum_mse,
        max_stable_lr=max_stable_lr(problem),
        optimal_lr=2 / (steepest + flattest),
        relative_lr=relative_lr,
        condition_number=steepest / flattest,
        contraction=max(abs(1 - lr * steepest), abs(1 - lr * flattest)),
        steps_to_gap=_steps_to_gap(problem, lr, start) if relative_lr < 1 else None,
    )


def _steps_to_gap(problem: LeastSquares, lr: float, start: Array) -> int | None:
    amplitudes, rates = problem.amplitudes(start), lr * problem.spectrum.eigenvalues

    def gap(steps: Steps) -> Array:
        gaps: Array = np.square(shrinkage(rates, steps) * amplitudes[:, None]).sum(axis=0)
        return gaps

    # The gap of a stable descent never rises, so the first step that reaches the target is found between two steps
    # that do not and do: from one power of two to the next, and then in ever smaller parts.
    steps = np.append(np.append(0, 2 ** np.arange(MOST_STEPS.bit_length() - 1)), MOST_STEPS)
    target = TARGET_GAP * gap(steps[:1])
    while True:
        reached = gap(steps) <= target
        first = int(np.argmax(reached))
        if not reached[first]:
            return None
        if first == 0 or steps[first] - steps[first - 1] == 1:
            return int(steps[first])
        steps = np.linspace(steps[first - 1], steps[first], PARTS + 1).astype(np.int64)
