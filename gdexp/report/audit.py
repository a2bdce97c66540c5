"""The stopping-rule audit: where each rule would have ended a recorded descent, and how far from the minimum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from gdexp.core import Stopping
from gdexp.core.blocks import Block
from gdexp.core.factor import Array
from gdexp.core.stopping import StopReason
from gdexp.tracking import TrackingError
from gdexp.tracking.read import RecordedRun

ALWAYS_ON = (StopReason.DIVERGED, StopReason.MAX_ITERATIONS)
PATIENCE = Stopping().patience
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
    rules = {(key, value, PATIENCE) for key, standard in STANDARD.items() for value in standard}
    for run in runs:
        # What a program of its own calls a param of a run recorded by hand need not be a rule.
        if "gdexp.config_hash" in run.tags:
            try:
                rules.update(_given(run.params))
            except ValueError:
                raise TrackingError(f"the params of the run {run.run_id} are not as gdexp recorded them") from None
    order = [field.name for field in fields(Stopping)]
    ordered = sorted(
        rules, key=lambda rule: (order.index(rule[0]), rule[1] if rule[0] == order[0] else -rule[1], rule[2])
    )
    return {_name(*rule): _alone(*rule) for rule in ordered}


def _given(params: Mapping[str, str]) -> Iterator[tuple[str, float, int]]:
    patience = int(params.get("stopping.patience", PATIENCE))
    for field in fields(Stopping):
        text = params.get(f"stopping.{field.name}", "null")
        if field.name != "patience" and text != "null":
            yield field.name, float(text), patience if field.name == "relative_decrease" else PATIENCE


def _name(key: str, value: float, patience: int) -> str:
    return f"{key}={value:.15g}" + (f", patience={patience}" if patience != PATIENCE else "")


def audit(columns: Mapping[str, Array], rules: Mapping[str, Stopping], minimum: float) -> dict[str, int | None]:
    """Return the first step at which each rule holds on a recorded trajectory, None where it never does.

    `columns` holds `mse`, `gap` and `gradient_norm`, each of shape (K + 1,); `minimum` is the least loss.
    """
    steps = range(len(columns["mse"]))
    block = Block(steps, columns["mse"], columns["gap"], columns["gradient_norm"], 0, lambda _: None)
    known = {**rules, f"loss_threshold={NEAR_MINIMUM} x minimum": _alone("loss_threshold", NEAR_MINIMUM * minimum)}
    return {name: _first(block, rule) for name, rule in known.items()}


def _alone(key: str, value: float, patience: int = PATIENCE) -> Stopping:
    """Return the rule `key` alone."""
    rule: dict[str, Any] = {key: value, "patience": patience}
    return replace(Stopping(max_iterations=10**15), **rule)


def _first(block: Block, rule: Stopping) -> int | None:
    marks = rule.marks(block, np.empty(0), np.inf)
    own = [found for reason, found in marks.items() if reason not in ALWAYS_ON]
    held = own[0] if own else marks[StopReason.MAX_ITERATIONS]
    return int(np.argmax(held)) if held.any() else None
