"""The stopping-rule audit: where each rule would have ended a recorded descent, and how far from the minimum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from gdexp.core import Stopping
from gdexp.core.engines import Block
from gdexp.core.factor import Array
from gdexp.core.stopping import StopReason
from gdexp.tracking.read import RecordedRun

ALWAYS_ON = (StopReason.DIVERGED, StopReason.MAX_ITERATIONS)
STANDARD = {
    "max_iterations": (100, 1000),
    "relative_decrease": (1e-3, 1e-6, 1e-9, 1e-12),
    "gradient_norm": (1e-1, 1e-3, 1e-6),
}
"""Rules that every sweep is held against, besides its own."""
NEAR_MINIMUM = 1.01
"""As a loss threshold every sweep is held against this many times its minimum: what only who knows it can set."""


def audited_rules(runs: Sequence[RecordedRun]) -> dict[str, Stopping]:
    """Return the rules to replay by their names: the standard ones and those that any of `runs` was given."""
    values: dict[str, set[float]] = {field.name: set() for field in fields(Stopping) if field.name != "patience"}
    for key, standard in STANDARD.items():
        values[key].update(standard)
    for run in runs:
        for key in values:
            given = run.params.get(f"stopping.{key}", "null")
            if given != "null":
                values[key].add(float(given))
    return {
        f"{key}={value:g}": _alone(key, value)
        for key, chosen in values.items()
        for value in sorted(chosen, reverse=key != "max_iterations")
    }


def audit(columns: Mapping[str, Array], rules: Mapping[str, Stopping], minimum: float) -> dict[str, int | None]:
    """Return the first step at which each rule holds on a recorded trajectory, None where it never does.

    `columns` holds `mse`, `gap` and `gradient_norm`, each of shape (K + 1,); `minimum` is the least loss.
    """
    steps = np.arange(len(columns["mse"]))
    block = Block(steps, columns["mse"], columns["gap"], columns["gradient_norm"], np.empty((len(steps), 0)))
    known = {**rules, f"loss_threshold={NEAR_MINIMUM} x minimum": _alone("loss_threshold", NEAR_MINIMUM * minimum)}
    return {name: _first(block, rule) for name, rule in known.items()}


def _alone(key: str, value: Any) -> Stopping:
    """Return the rule `key` alone."""
    return replace(Stopping(max_iterations=10**15), **{key: value})


def _first(block: Block, rule: Stopping) -> int | None:
    marks = rule.marks(block, np.empty(0), np.inf)
    own = [found for reason, found in marks.items() if reason not in ALWAYS_ON]
    held = own[0] if own else marks[StopReason.MAX_ITERATIONS]
    return int(np.argmax(held)) if held.any() else None
