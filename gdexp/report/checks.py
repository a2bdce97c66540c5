"""What a claim can say of runs in numbers: a value as it was printed, a bound, an order, a table."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias

from gdexp.core import StopReason, Theory

SERIES = ("mse", "gap", "relative_gap", "gradient_norm", "parameter_NAME")
"""Metrics that a run has at each step, and at its last where no step is given."""
OUTCOMES = (
    *("mse_final", "mse_gap", "mse_gradient_norm", "steps", "steps_to_gap", "original_NAME"),
    *(f"theory_{field.name}" for field in fields(Theory)),
)
"""Metrics of a whole run that are numbers."""
WORDS = {"stop_reason": tuple(reason.tag for reason in StopReason), "stable": ("true", "false")}
"""Metrics of a whole run that are words, and which."""
BOUNDS = ("below", "above", "at_least", "at_most")
TRENDS = ("decreasing_in", "increasing_in")
ORDERS = ("less_than", "greater_than")
CHECKS = ("value", *BOUNDS, *TRENDS, *ORDERS, "table", "not_checkable")

Selector: TypeAlias = Mapping[str, str]
"""The settings that runs must have to be meant: all runs where it is empty."""


@dataclass(frozen=True)
class Number:
    """A number as it was printed, which says how exactly it is meant."""

    text: str

    @property
    def exact(self) -> Fraction:
        """The number itself."""
        return Fraction(Decimal(self.text))

    @property
    def half_unit(self) -> Fraction:
        """Half a unit of the last printed digit: 0.005 for 5.54, 0.5 for 36, 5e-7 for 1e-6, 50 for 1.0e3."""
        exponent = Decimal(self.text).as_tuple().exponent
        return Fraction(10) ** int(exponent) / 2


def printed(text: str) -> Number | None:
    """Return the finite number that `text` prints, None where it is no plain one."""
    if len(text) > 100:
        return None
    text = text.replace("\N{MINUS SIGN}", "-")  # as web pages print it
    plain = re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", text, re.ASCII)
    return Number(text) if plain and math.isfinite(float(text)) else None


def is_series(metric: str) -> bool:
    """Return whether a run has `metric` at each of its steps."""
    return metric in SERIES or metric.startswith("parameter_")


@dataclass(frozen=True)
class Point:
    """A metric of a run, at a step or, where that is None, of its outcome."""

    metric: str
    step: int | None = None


@dataclass(frozen=True)
class Value:
    """The number is `number`, to the digits printed."""

    point: Point
    number: Number


@dataclass(frozen=True)
class Word:
    """The metric, one of WORDS, is `word`."""

    point: Point
    word: str


@dataclass(frozen=True)
class Bound:
    """The number is `relation`, one of BOUNDS, the number `limit`."""

    point: Point
    relation: str
    limit: Number


@dataclass(frozen=True)
class Trend:
    """The number falls or rises strictly, as `relation`, one of TRENDS, says, with the setting `key`."""

    point: Point
    relation: str
    key: str


@dataclass(frozen=True)
class Order:
    """The number of each run stands in `relation`, one of ORDERS, to `other_point` of each run of `others`.

    Where `others` is None, it stands so to `other_point` of the same run.
    """

    point: Point
    relation: str
    others: Selector | None
    other_point: Point


@dataclass(frozen=True)
class Table:
    """Rows of published values: a step, and each metric's number there."""

    rows: tuple[tuple[int, Mapping[str, Number]], ...]

    @property
    def metrics(self) -> list[str]:
        """The columns beside the step."""
        return list(dict.fromkeys(metric for _, cells in self.rows for metric in cells))


@dataclass(frozen=True)
class NotCheckable:
    """Runs cannot tell, for a reason."""

    reason: str


Check: TypeAlias = Value | Word | Bound | Trend | Order | Table | NotCheckable
