from __future__ import annotations

import pytest

from gdexp.report.numbers import count, fraction, number


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1 / 3, "0.333333"), (1234567.0, "1.23457e+06"), (10324.0, "10324"), (0.0, "0"), (None, "-"), (-2.5, "-2.5")],
)
def test_numbers_have_six_significant_digits(value: float | None, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1.0, "1"), (1e-12, "1e-12"), (9.9e-13, "< 1e-12"), (0.0, "< 1e-12"), (None, "-"), (2e8, "2e+08")],
)
def test_gaps_below_the_noise_of_rounding_say_so(value: float | None, shown: str) -> None:
    assert fraction(value) == shown


def test_one_is_not_many() -> None:
    assert (count(1, "run"), count(0, "run"), count(1234, "row")) == ("1 run", "0 runs", "1,234 rows")
