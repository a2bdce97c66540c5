"""Whether a problem of so many features fits into this machine's memory, which is asked before anything is read."""

from __future__ import annotations

import os

from gdexp.core.errors import DataError

SQUARES = 24
"""Matrices of (p + 1)^2 numbers that are in memory while the rows are reduced and decomposed."""


def check_memory(features: int, hint: str) -> None:
    """Raise DataError where the problem of so many features would not fit; `hint` says what to do instead."""
    needed = SQUARES * 8 * (features + 2) ** 2
    if needed > (available := machine_memory()):
        raise DataError(
            f"there is not enough memory: {features:,} features need {shown_bytes(needed)}, and this machine has "
            f"{shown_bytes(available)}. {hint}"
        )


def machine_memory() -> int:
    """Return how many bytes of memory this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def shown_bytes(count: int) -> str:
    """Return a number of bytes as one reads it, as in `1.5 GB`."""
    if count >= 10**12:
        return f"{count / 1e12:,.4g} TB"
    return f"{count / 1e9:.3g} GB"
