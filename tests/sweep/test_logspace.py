from __future__ import annotations

import numpy as np
import pytest

from gdexp.core import ParameterError
from gdexp.sweep.logspace import expanded, expanded_arguments


def test_logspace_runs_from_the_first_to_the_second_number_by_equal_factors() -> None:
    key, _, values = expanded("lr=logspace(1e-4,1e-1,7)").partition("=")
    assert key == "lr"
    np.testing.assert_allclose([float(value) for value in values.split(",")], np.logspace(-4, -1, 7), rtol=1e-14)


def test_whole_decades_read_as_such() -> None:
    assert expanded("lr=logspace(1e-4,1,5)") == "lr=0.0001,0.001,0.01,0.1,1"


def test_logspace_may_stand_among_other_values_and_run_downwards() -> None:
    assert expanded("lr=0.5, logspace( 1, 0.01, 3 )") == "lr=0.5, 1,0.1,0.01"


def test_options_and_other_overrides_stay_as_they_are() -> None:
    assert expanded_arguments(["-m", "--cfg", "init=zero", "lr=logspace(1,10,2)"]) == [
        "-m",
        "--cfg",
        "init=zero",
        "lr=1,10",
    ]


@pytest.mark.parametrize("text", ["data.path='logspace(1,2,3).csv'", 'lr="logspace(1,2,3)"', r"a='\' logspace(1,2,3)'"])
def test_what_is_quoted_stays_one_text(text: str) -> None:
    assert expanded(text) == text


def test_what_follows_a_quoted_text_is_expanded() -> None:
    assert expanded("lr='0.5',\"1\",logspace(1,10,2)") == "lr='0.5',\"1\",1,10"


@pytest.mark.parametrize(
    "arguments", ["1,2", "1,2,3,4", "0,1,3", "-1,1,3", "a,b,c", "1,10,1", "1,10,2.5", "1,inf,3", ""]
)
def test_other_arguments_are_refused(arguments: str) -> None:
    with pytest.raises(ParameterError) as error:
        expanded(f"lr=logspace({arguments})")
    assert str(error.value).startswith("lr takes logspace(start,stop,count) with start and stop above 0")
