from __future__ import annotations

import pickle

import pytest

from gdexp.core import DataError, GdexpError, ParameterError


def test_a_parameter_error_says_what_the_setting_takes_what_it_got_and_what_to_do() -> None:
    error = ParameterError("lr", "a finite number above 0", "fast", "Try 0.01.")
    assert str(error) == "lr takes a finite number above 0; got 'fast'. Try 0.01."


def test_a_parameter_error_within_a_group_has_the_key_as_a_user_writes_it() -> None:
    error = ParameterError("scale", "a number", "x", "Try 1.").within("init")
    assert str(error) == "init.scale takes a number; got 'x'. Try 1."


def test_a_parameter_error_survives_the_way_from_a_worker_process() -> None:
    error = pickle.loads(pickle.dumps(ParameterError("lr", "a number", "fast", "Try 1.")))
    assert str(error) == "lr takes a number; got 'fast'. Try 1."
    assert (error.key, error.got) == ("lr", "fast")


@pytest.mark.parametrize("kind", [ParameterError, DataError])
def test_every_error_is_one_of_gdexp(kind: type[Exception]) -> None:
    assert issubclass(kind, GdexpError)


def test_a_parameter_error_is_a_value_error() -> None:
    assert issubclass(ParameterError, ValueError)
