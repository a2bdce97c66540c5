from __future__ import annotations

import pytest

from gdexp.core import ParameterError
from gdexp.plots import FORMATS, PLOTS, Plots


def test_every_choice_is_taken_and_no_name_leaves_it_to_the_mode() -> None:
    for format_name in FORMATS:
        for name in (None, *PLOTS):
            assert Plots(name, format_name).name == name


def test_an_unknown_choice_is_refused_with_what_there_is() -> None:
    with pytest.raises(ParameterError) as error:
        Plots("los_curve")
    assert str(error.value) == "name takes one of all, loss_curve, none; got 'los_curve'. Did you mean loss_curve?"
    with pytest.raises(ParameterError) as error:
        Plots(format="jpg")
    assert str(error.value.within("plots")).startswith("plots.format takes one of png, svg, pdf; got 'jpg'.")
