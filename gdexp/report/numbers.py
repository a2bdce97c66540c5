"""Numbers as reports print them: six significant digits, and nothing that is only rounding noise."""

from __future__ import annotations

from gdexp.core.contraction import ROUNDING

ABSENT = "-"
COUNTS = ("steps", "steps_to_gap", "theory_steps_to_gap")
"""Metrics of a run that count something, and so are whole."""


def number(value: float | None) -> str:
    """Return `value` in six significant digits, a dash for None."""
    return ABSENT if value is None else f"{value:.6g}"


def fraction(value: float | None) -> str:
    """Return a gap as a fraction of the initial one, in six significant digits down to the noise of rounding."""
    return f"< {ROUNDING:g}" if value is not None and value < ROUNDING else number(value)


def count(value: float | None, of: str) -> str:
    """Return how many of a thing there are, as in `3 runs`."""
    return f"{value:,} {of}{'s' * (value != 1)}"
