from __future__ import annotations

import numpy as np
import pytest

from gdexp.core import ParameterError
from gdexp.core.checks import choice, number, optional_number, whole_number

NO_NUMBERS = [True, np.True_, None, "1", [1], 1 + 0j, np.complex128(1), np.nan, np.inf, -np.inf]


@pytest.mark.parametrize("value", [2, 2.0, np.float64(2), np.float32(2), np.int64(2)])
def test_any_kind_of_number_becomes_a_plain_float(value: object) -> None:
    taken = number("lr", value)
    assert taken == 2
    assert type(taken) is float


@pytest.mark.parametrize("value", [*NO_NUMBERS, 10**400])
def test_what_is_no_finite_number_is_refused(value: object) -> None:
    with pytest.raises(ParameterError) as error:
        number("lr", value)
    assert str(error.value) == f"lr takes a finite number; got {value!r}."


def test_a_bound_is_taken_where_it_is_the_least_and_refused_where_values_lie_above_it() -> None:
    assert number("scale", 0, least=0) == 0
    with pytest.raises(ParameterError, match=r"^scale takes a finite number of at least 0; got -0\.5\.$"):
        number("scale", -0.5, least=0)
    with pytest.raises(ParameterError, match=r"^lr takes a finite number above 0; got 0\.$"):
        number("lr", 0, above=0)


def test_none_switches_an_optional_number_off() -> None:
    assert optional_number("gradient_norm", None, least=0) is None
    assert optional_number("gradient_norm", 1, least=0) == 1
    with pytest.raises(ParameterError) as error:
        optional_number("gradient_norm", -1, least=0)
    assert str(error.value) == "gradient_norm takes a finite number of at least 0, or null for off; got -1."


@pytest.mark.parametrize("value", [100_000, 1e5, np.float64(1e5), np.int32(100_000)])
def test_a_number_without_a_fraction_is_whole(value: object) -> None:
    taken = whole_number("seed", value, least=0)
    assert taken == 100_000
    assert type(taken) is int


def test_a_whole_number_may_be_larger_than_any_float() -> None:
    assert whole_number("seed", 10**400, least=0) == 10**400


@pytest.mark.parametrize("value", [*NO_NUMBERS, 0, -1, 1.5])
def test_what_is_no_whole_number_from_the_least_on_is_refused(value: object) -> None:
    with pytest.raises(ParameterError) as error:
        whole_number("patience", value, least=1)
    assert str(error.value) == f"patience takes a whole number of at least 1; got {value!r}."


def test_one_of_the_choices_is_taken() -> None:
    assert choice("engine", "b", ["a", "b"]) == "b"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("spectra", "engine takes one of spectral, iterative; got 'spectra'. Did you mean spectral?"),
        ("x", "engine takes one of spectral, iterative; got 'x'."),
        (None, "engine takes one of spectral, iterative; got None."),
        (["spectral"], "engine takes one of spectral, iterative; got ['spectral']. Did you mean spectral?"),
    ],
)
def test_another_choice_is_refused_with_one_that_is_near(value: object, text: str) -> None:
    with pytest.raises(ParameterError) as error:
        choice("engine", value, ["spectral", "iterative"])
    assert str(error.value) == text
