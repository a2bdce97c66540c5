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
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        raise ParameterError(key, takes, value)
    try:
        converted = float(value)
    except OverflowError:  # an int beyond the largest float
        raise ParameterError(key, takes, value) from None
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
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        raise ParameterError(key, takes, value)
    try:
        whole = int(value)
    except (ValueError, OverflowError):  # nan and the infinities
        raise ParameterError(key, takes, value) from None
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


def near_keys(key: str, known: Iterable[str]) -> str:
    """Return a hint at the keys of `known` that `key` may have meant: in its own group, in another, or all alike."""
    names = list(known)
    group, _, leaf = key.rpartition(".")
    siblings = {name.rpartition(".")[2]: name for name in names if name.rpartition(".")[0] == group}
    anywhere = {name.rpartition(".")[2]: name for name in names}
    for word, candidates in ((leaf, siblings), (leaf, anywhere), (key, {name: name for name in names})):
        if found := difflib.get_close_matches(word, candidates, n=3, cutoff=0.7):
            return f"Near it: {', '.join(candidates[match] for match in found)}."
    return "See --help."
