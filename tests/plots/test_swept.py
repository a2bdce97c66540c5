from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gdexp.core import zero
from gdexp.data import Dataset
from gdexp.plots import SweepRun
from gdexp.plots.swept import Swept

Sweep = Callable[..., list[SweepRun]]


def test_numbers_ascend_and_names_keep_the_order_of_the_runs(seven: Dataset, child_of: Callable[..., SweepRun]) -> None:
    values = [("0.1", "zero"), ("1e-2", "near_zero"), ("0.01", "zero")]
    sweep = [child_of(seven.problem, {"lr": lr, "init": i}, float(lr), zero(seven.problem)) for lr, i in values]
    lr, init = Swept.of("lr", sweep), Swept.of("init", sweep)
    assert (lr.values, lr.index.tolist(), lr.places.tolist()) == (("1e-2", "0.1"), [1, 0, 0], [0.1, 0.01, 0.01])
    assert (init.values, init.index.tolist(), init.numbers) == (("zero", "near_zero"), [0, 1, 0], None)


def test_a_key_that_is_off_in_some_runs_has_names(seven: Dataset, child_of: Callable[..., SweepRun]) -> None:
    sweep = [child_of(seven.problem, {"stopping.loss_threshold": v}, 0.01, zero(seven.problem)) for v in ("null", "5")]
    assert Swept.of("stopping.loss_threshold", sweep).numbers is None


@pytest.mark.parametrize(
    ("values", "logarithmic"),
    [(("0.01", "0.1"), True), (("1e-17", "1e-16"), True), (("0.02", "0.1"), False), (("0.01",), False)],
)
def test_an_axis_that_spans_a_decade_is_logarithmic(
    values: tuple[str, ...], logarithmic: bool, lr_sweep: Sweep
) -> None:
    assert Swept.of("lr", lr_sweep(values)).logarithmic is logarithmic


def test_the_limit_of_lr_stands_in_the_unit_that_lr_is_given_in(seven: Dataset, lr_sweep: Sweep) -> None:
    limit = 2 / seven.problem.spectrum.eigenvalues[0]
    absolute, relative = lr_sweep(["0.001", "0.01", "0.1"]), lr_sweep(["0.5", "1.43"], unit=float(limit))
    assert Swept.of("lr", absolute).limits(absolute) == pytest.approx([limit], rel=1e-6)
    assert Swept.of("lr", absolute).label(absolute) == "learning rate lr"
    assert Swept.of("lr", relative).limits(relative) == [1.0]
    assert Swept.of("lr", relative).label(relative) == "lr (multiples of the largest stable learning rate)"


def test_values_that_were_rounded_when_they_were_named_share_one_limit(
    seven: Dataset, child_of: Callable[..., SweepRun]
) -> None:
    rates = np.logspace(-4, -1, 20)
    sweep = [child_of(seven.problem, {"lr": f"{lr:.4g}"}, lr, zero(seven.problem)) for lr in rates]
    assert len(Swept.of("lr", sweep).limits(sweep)) == 1


def test_other_keys_have_no_limit(lr_sweep: Sweep) -> None:
    sweep = lr_sweep(["0.01"])
    assert Swept.of("seed", sweep).limits(sweep) == []


@pytest.mark.parametrize(
    ("name", "file_name"), [("lr", "lr"), ("data.n", "data_n"), ("+a/../b", "a_b"), ("重", "axis")]
)
def test_a_key_is_safe_in_the_name_of_a_file(name: str, file_name: str, lr_sweep: Sweep) -> None:
    assert Swept.of(name, lr_sweep(["0.01"])).file_name == file_name
