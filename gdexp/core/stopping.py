"""When descent ends: the stopping rules, each a function of what was recorded, and the reasons they give."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from gdexp.core.blocks import Block, Marks
from gdexp.core.checks import optional_number, whole_number
from gdexp.core.factor import Array

BLOW_UP = 1e6
"""A loss this many times the larger of the initial loss and mean(y^2) has diverged."""


class StopReason(Enum):
    """Why descent ended, the first that applies at a step; the value says it to the user."""

    DIVERGED = "The loss grew without bound, so descent was stopped: the learning rate is too large."
    LOSS_THRESHOLD = "The loss reached the threshold that was asked for."
    GRADIENT_NORM = "The gradient became as small as was asked for."
    CONVERGED = "The loss stopped changing, so descent has converged by the criterion that was set."
    MAX_ITERATIONS = "The maximum number of iterations was reached."

    @property
    def tag(self) -> str:
        """The reason as it is recorded: `max_iterations`, `diverged`, ..."""
        return self.name.lower()


@dataclass(frozen=True)
class Stopping:
    """The stopping criterion: `max_iterations` always holds, every other rule is off where it is None.

    `loss_threshold` and `gradient_norm` (Euclidean) stop at a value at or below theirs. `relative_decrease`
    stops where the loss changed by no more than this fraction of itself at `patience` consecutive steps.
    Raises ParameterError for a value that a rule does not take.
    """

    max_iterations: int = 1000
    loss_threshold: float | None = None
    relative_decrease: float | None = None
    patience: int = 5
    gradient_norm: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name in ("max_iterations", "patience"):
                object.__setattr__(self, name, whole_number(name, value, least=1))
            else:
                object.__setattr__(self, name, optional_number(name, value, least=0))

    def marks(self, block: Block, earlier: Array, divergence: float) -> dict[StopReason, Marks]:
        """Return, for each rule that is on, the steps of `block` at which it holds, in order of precedence.

        `earlier` are the losses right before the block: at least `patience` of them, or all there are.
        `divergence` is the loss above which descent has diverged.
        """
        rules = {StopReason.DIVERGED: diverges(block.mse, divergence)}
        if self.loss_threshold is not None:
            rules[StopReason.LOSS_THRESHOLD] = falls_to(block.mse, self.loss_threshold)
        if self.gradient_norm is not None:
            rules[StopReason.GRADIENT_NORM] = falls_to(block.gradient_norm, self.gradient_norm)
        if self.relative_decrease is not None:
            losses = np.concatenate([earlier, block.mse])
            rules[StopReason.CONVERGED] = settles(losses, self.relative_decrease, self.patience)[len(earlier) :]
        rules[StopReason.MAX_ITERATIONS] = np.zeros(len(block.steps), dtype=np.bool_)
        if self.max_iterations in block.steps:
            rules[StopReason.MAX_ITERATIONS][self.max_iterations - block.steps.start] = True
        return rules


def diverges(mse: Array, limit: float) -> Marks:
    """Mark the losses that are not finite or above `limit`."""
    return ~(mse <= min(limit, np.finfo(np.float64).max))


def falls_to(values: Array, limit: float) -> Marks:
    """Mark the values that are at or below `limit`."""
    return values <= limit


def settles(mse: Array, relative_decrease: float, patience: int) -> Marks:
    """Mark the losses that end `patience` consecutive changes of at most `relative_decrease` of the loss before.

    A rise counts by its size as a fall does. The first loss has no change before it and is never marked.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        small = np.abs(np.diff(mse)) <= relative_decrease * mse[:-1]
    changes = np.arange(1, len(mse))
    last_large = np.maximum.accumulate(np.where(small, 0, changes))
    return np.concatenate([[False], changes - last_large >= patience])
