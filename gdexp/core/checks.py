"""Checks of single settings: each returns the value in the type that is meant, or raises ParameterError."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable

import numpy as np

from gdexp.core.errors import ParameterError


def number(key: str, value: object, *, least: float = -math.inf, above: float = -math.inf) -> float:
    """Return `value` as a finite float that is at least `least` and greater than `above`."""
    bounds = [f"of at least {least:g}"] * math.isfinite(least) + [f"above {above:g}"] * math.isfinite(above)
    takes = " ".join(["a finite number", *bounds])
    if not isinstance(value, int | float | np.number) or isinstance(value, bool):
        raise ParameterError(key, takes, value)
    converted = float(value)
    if not math.isfinite(converted) or converted < least or converted <= above:
        raise ParameterError(key, takes, value)
    return converted


def optional_number(key: str, value: object, *, least: float) -> float | None:
    """Return None for None, which switches a setting off, else what `number` returns."""
    try:
        return None if value is None else number(key, value, least=least)
    except ParameterError as error:
        raise ParameterError(key, f"{error.takes}, or null for off", value) from None


def whole_number(key: str, value: object, *, least: int) -> int:
    """Return `value` as an int of at least `least`; a float with no fraction (1e5) is a whole number."""
    takes = f"a whole number of at least {least}"
    if not isinstance(value, int | float | np.number) or isinstance(value, bool) or not math.isfinite(value):
        raise ParameterError(key, takes, value)
    whole = int(value)
    if whole != value or whole < least:
        raise ParameterError(key, takes, value)
    return whole


def choice(key: str, value: object, choices: Iterable[str]) -> str:
    """Return `value` where it is one of `choices`."""
    names = list(choices)
    if not isinstance(value, str) or value not in names:
        near = difflib.get_close_matches(str(value), names, n=1)
        raise ParameterError(key, "one of " + ", ".join(names), value, f"Did you mean {near[0]}?" if near else "")
    return value
