from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gdexp.core.factor import Array
from gdexp.report.checks import (
    Bound,
    Check,
    NotCheckable,
    Number,
    Order,
    Point,
    Selector,
    Table,
    Trend,
    Value,
    Word,
    printed,
)
from gdexp.report.claims import Comparison, Finding, Verdict, claims_parameters, findings, tables
from gdexp.report.measured import selected
from gdexp.report.study import Claim, Source, Study
from gdexp.tracking.errors import TrackingError
from gdexp.tracking.read import RecordedRun
from tests.report.conftest import recorded

REPRODUCED, NOT_REPRODUCED, NOT_CHECKABLE = Verdict
MSE = Point("mse", 1)
SAYS = "It is so."


def run(lr: str, mse: Sequence[float] = (4, 2, 1), reason: str = "max_iterations", **metrics: float) -> RecordedRun:
    """A run with a learning rate, a trajectory of `mse` and other metrics."""
    tags = {"gdexp.stop_reason": reason, "gdexp.stable": "true"}
    made = recorded({"lr": lr}, params={"data.name": "seven_cars"}, metrics=metrics | {"mse_final": mse[-1]}, tags=tags)
    TRAJECTORIES[made] = {
        "step": np.arange(len(mse), dtype=float),
        "mse": np.array(mse, dtype=float),
        "gap": np.array(mse, dtype=float) - 0.5,
        "gradient_norm": np.sqrt(np.abs(mse)),
        "parameter_weight": -np.array(mse, dtype=float),
    }
    return made


TRAJECTORIES: dict[RecordedRun, Mapping[str, Array]] = {}


def found(check: Check, *runs: RecordedRun, selector: Selector | None = None) -> Finding:
    """What comes of a claim with one check of runs."""
    (finding,) = all_found(check, *runs, selector=selector)
    return finding


def all_found(check: Check, *runs: RecordedRun, selector: Selector | None = None) -> list[Finding]:
    study = Study("q", (Claim("a", Source("Notes", "https://a.org"), SAYS, selector or {}, check),))
    return findings(study, runs, TRAJECTORIES.__getitem__)


def value(text: str, point: Point = MSE) -> Value:
    number = printed(text)
    assert number
    return Value(point, number)


def bound(relation: str, text: str, point: Point = MSE) -> Bound:
    return Bound(point, relation, value(text).number)


def short(finding: Finding) -> tuple[Verdict, str, str, str]:
    return finding.verdict, finding.ours, finding.difference, finding.why


def test_a_finding_says_what_is_published_where_and_what_came_out() -> None:
    assert found(value("2.75"), run("0.01"), selector={"lr": "1e-2", "data": "seven_cars"}) == Finding(
        claim_id="a",
        source="Notes",
        url="https://a.org",
        says=SAYS,
        what="mse at step 1, lr=1e-2, data=seven_cars",
        published="2.75",
        verdict=NOT_REPRODUCED,
        ours="2",
        difference="-0.75",
        why="",
    )


@pytest.mark.parametrize(
    ("text", "ours", "verdict"),
    [
        ("5.54", 5.544, REPRODUCED),
        ("5.54", 5.546, NOT_REPRODUCED),
        ("-5.44", -5.4449, REPRODUCED),
        ("-5.44", 5.44, NOT_REPRODUCED),
        ("2.750", 2.7506, NOT_REPRODUCED),
        ("2.75", 2.7506, REPRODUCED),
        ("36", 36.5, REPRODUCED),
        ("36", 36.6, NOT_REPRODUCED),
        ("36.", 36.4, REPRODUCED),
        ("1000", 1000.6, NOT_REPRODUCED),
        ("1e3", 1499, REPRODUCED),
        ("1e3", 1501, NOT_REPRODUCED),
        ("1.0e3", 1051, NOT_REPRODUCED),
        ("1e-6", 1.4e-6, REPRODUCED),
        ("1e-6", 1.6e-6, NOT_REPRODUCED),
        ("1.00e-6", 1.4e-6, NOT_REPRODUCED),
        ("0", 0.5, REPRODUCED),
        ("0.0", 0.06, NOT_REPRODUCED),
        ("1e300", 1.7e308, NOT_REPRODUCED),
    ],
)
def test_the_printed_digits_decide(text: str, ours: float, verdict: Verdict) -> None:
    assert found(value(text), run("1", (1, ours))).verdict is verdict


def test_half_a_unit_is_measured_exactly() -> None:
    assert found(value("2"), run("1", (1, 2.5))).verdict is REPRODUCED
    assert found(value("2"), run("1", (1, np.nextafter(2.5, 3)))).verdict is NOT_REPRODUCED
    # The double that is written 0.285 lies a little below it.
    assert found(value("0.28"), run("1", (1, 0.285))).verdict is REPRODUCED
    assert found(value("0.29"), run("1", (1, 0.285))).verdict is NOT_REPRODUCED


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite, st.integers(0, 20))
@example(2.675, 2)
@example(-0.0, 0)
@example(5e-324, 20)
def test_our_number_printed_with_some_digits_is_always_reproduced(ours: float, digits: int) -> None:
    for text in (f"{ours:.{digits}e}", f"{ours:.{digits}f}"):
        if printed(text):  # no claim has more than a hundred letters, or rounds to infinity
            assert found(value(text), run("1", (1, ours))).verdict is REPRODUCED


@given(st.floats(-1e6, 1e6), st.integers(0, 6), st.sampled_from([-1, 1]), st.integers(1, 10**6))
def test_a_published_number_that_is_off_by_more_than_a_unit_never_is(
    ours: float, digits: int, sign: int, units: int
) -> None:
    off = f"{ours + sign * (units + 1) * 10**-digits:.{digits}f}"
    assume(printed(off))
    assert found(value(off), run("1", (1, ours))).verdict is NOT_REPRODUCED


def test_of_several_runs_every_one_must_agree_and_the_furthest_is_named() -> None:
    near, far = run("0.1", (4, 2.001)), run("0.2", (4, 2.004))
    assert short(found(value("2.00"), near, far)) == (REPRODUCED, "2.004", "+0.004", "the furthest of 2 runs: lr=0.2")
    assert short(found(value("2.00"), near, far, run("0.3", (4, 1.5)))) == (
        NOT_REPRODUCED,
        "1.5",
        "-0.5",
        "the furthest of 3 runs: lr=0.3",
    )


@pytest.mark.parametrize(
    ("relation", "holding", "breaking"),
    [("below", 1.99, 2), ("at_most", 2, 2.01), ("above", 2.01, 2), ("at_least", 2, 1.99)],
)
def test_a_bound_holds_up_to_its_limit_and_not_beyond(relation: str, holding: float, breaking: float) -> None:
    good, bad = run("1", (9, holding)), run("2", (9, breaking))
    finding = found(bound(relation, "2.0"), good)
    assert (finding.verdict, finding.published) == (REPRODUCED, f"{relation.replace('_', ' ')} 2.0")
    finding = found(bound(relation, "2.0"), good, bad)
    assert (finding.verdict, finding.why) == (NOT_REPRODUCED, "the furthest of 2 runs: lr=2")
    assert finding.difference == ("0" if breaking == 2 else f"{breaking - 2:+.2f}")


@pytest.mark.parametrize(
    ("point", "ours"),
    [
        (Point("mse"), "1"),
        (Point("mse", 0), "4"),
        (Point("gap", 1), "1.5"),
        (Point("relative_gap", 1), "0.428571"),
        (Point("relative_gap"), "0.142857"),
        (Point("gradient_norm", 0), "2"),
        (Point("parameter_weight", 2), "-1"),
        (Point("mse_final"), "1"),
        (Point("steps"), "1478944"),
        (Point("theory_contraction"), "0.123457"),
    ],
)
def test_a_metric_is_that_of_the_step_or_of_the_outcome(point: Point, ours: str) -> None:
    made = run("1", (4, 2, 1), steps=1478944, theory_contraction=0.123456789)
    assert found(value("0", point), made).ours == ours


def test_a_relative_gap_of_rounding_noise_is_not_given_as_a_number() -> None:
    assert found(bound("below", "1e-6", Point("relative_gap")), run("1", (1.5, 0.5))).ours == "< 1e-12"


def test_a_difference_of_rounding_noise_is_none() -> None:
    assert found(value("0.3", MSE), run("1", (1, 0.1 + 0.2))).difference == "0"


def test_words_are_compared_as_they_are() -> None:
    converged, diverged = run("1", reason="converged"), run("2", reason="diverged")
    reason = Word(Point("stop_reason"), "converged")
    assert short(found(reason, converged)) == (REPRODUCED, "converged", "", "")
    assert short(found(reason, converged, diverged)) == (
        NOT_REPRODUCED,
        "diverged",
        "",
        "so in 1 of 2 runs, the first lr=2",
    )
    assert found(Word(Point("stable"), "true"), converged, diverged).verdict is REPRODUCED
    assert found(reason, recorded({"lr": "3"})).why == "lr=3 has no stop_reason"


FALLING = Trend(MSE, "decreasing_in", "lr")


def test_a_trend_follows_the_number_in_the_swept_key_not_the_order_of_runs() -> None:
    runs = [run("1e1", (9, 1)), run("0.5", (9, 7)), run("2", (9, 3))]
    finding = found(FALLING, *runs)
    assert short(finding) == (REPRODUCED, "7 (lr=0.5), then 1 (lr=1e1)", "-6", "")
    assert finding.published == "decreasing in lr"
    rising = found(Trend(MSE, "increasing_in", "lr"), *runs)
    assert short(rising) == (NOT_REPRODUCED, "7 (lr=0.5), then 3 (lr=2)", "-4", "")


def test_a_trend_is_strict_and_names_where_it_breaks_most() -> None:
    runs = [run("1", (9, 5)), run("2", (9, 6)), run("3", (9, 2)), run("4", (9, 8))]
    assert short(found(FALLING, *runs)) == (NOT_REPRODUCED, "2 (lr=3), then 8 (lr=4)", "+6", "")
    assert short(found(FALLING, run("1", (9, 5)), run("2", (9, 5)))) == (
        NOT_REPRODUCED,
        "5 (lr=1), then 5 (lr=2)",
        "0",
        "",
    )


def test_a_trend_holds_between_all_runs_of_different_values() -> None:
    assert found(FALLING, run("1", (9, 5)), run("1", (9, 4)), run("2", (9, 3))).verdict is REPRODUCED
    finding = found(FALLING, run("1", (9, 5)), run("1", (9, 4)), run("2", (9, 4.5)), run("2", (9, 1)))
    assert short(finding)[:2] == (NOT_REPRODUCED, "4 (lr=1), then 4.5 (lr=2)")


def test_a_trend_over_runs_without_the_metric_is_not_checkable_and_names_them() -> None:
    to_gap = Trend(Point("steps_to_gap"), "decreasing_in", "lr")
    runs = [run("1", steps_to_gap=9), run("2", steps_to_gap=5), run("3")]
    assert found(to_gap, *runs[:2]).verdict is REPRODUCED
    assert short(found(to_gap, *runs)) == (NOT_CHECKABLE, "", "", "lr=3 never came to 1e-6 of its initial gap")


@pytest.mark.parametrize(
    ("runs", "why"),
    [
        ((run("1"), run("1.0")), "an order needs runs with at least two values of lr; there is only 1"),
        ((run("1"), run("big")), "lr is big in lr=big, which is no number"),
    ],
)
def test_a_trend_needs_numbers_that_differ(runs: tuple[RecordedRun, ...], why: str) -> None:
    assert short(found(FALLING, *runs)) == (NOT_CHECKABLE, "", "", why)


def test_an_order_holds_for_every_run_of_one_against_every_run_of_the_other() -> None:
    runs = [run("1", (9, 1)), run("2", (9, 3)), run("3", (9, 3.5)), run("3", (9, 2))]
    less = Order(MSE, "less_than", {"lr": "3"}, MSE)
    finding = found(less, *runs, selector={"lr": "1"})
    assert short(finding) == (REPRODUCED, "1 (lr=1) against 2 (lr=3)", "-1", "")
    assert finding.what == "mse at step 1, lr=1"
    assert finding.published == "less than mse at step 1 of lr=3"
    assert short(found(less, *runs, selector={"lr": "2"})) == (NOT_REPRODUCED, "3 (lr=2) against 2 (lr=3)", "+1", "")
    greater = Order(MSE, "greater_than", {"lr": "1"}, Point("mse_final"))
    assert short(found(greater, *runs, selector={"lr": "3"})) == (
        REPRODUCED,
        "2 (lr=3) against 1 (lr=1)",
        "+1",
        "",
    )


@pytest.mark.parametrize("other", [1.0, 1 + 1e-14, 1 - 1e-14])
def test_an_order_of_numbers_that_are_equal_up_to_rounding_is_not_told(other: float) -> None:
    order = Order(MSE, "greater_than", {"lr": "2"}, MSE)
    finding = found(order, run("1", (9, 1)), run("2", (9, other)), selector={"lr": "1"})
    why = "rounding decides: 1 in lr=1 is the same as what it is held against"
    assert short(finding) == (NOT_CHECKABLE, "", "", why)


def test_an_order_without_other_runs_stands_each_run_against_itself() -> None:
    falls = Order(MSE, "less_than", None, Point("mse", 0))
    high, low = run("1", (9, 5)), run("2", (2, 1))
    finding = found(falls, high, low)
    assert short(finding) == (REPRODUCED, "1 (lr=2) against 2", "-1", "")
    assert finding.published == "less than mse at step 0 of the same run"
    assert short(found(falls, high, low, run("3", (2, 3)))) == (NOT_REPRODUCED, "3 (lr=3) against 2", "+1", "")


def test_an_order_without_runs_to_stand_against_is_not_checkable() -> None:
    finding = found(Order(MSE, "less_than", {"lr": "9"}, MSE), run("1"), selector={"lr": "1"})
    assert short(finding) == (NOT_CHECKABLE, "", "", "no finished run has lr=9; theirs are 1")


def test_a_claim_without_a_number_is_not_checkable_for_its_own_reason() -> None:
    finding = found(NotCheckable("No number is named."))
    assert short(finding) == (NOT_CHECKABLE, "", "", "No number is named.")
    assert (finding.what, finding.published) == ("", "")


@pytest.mark.parametrize(
    ("selector", "why"),
    [
        ({"lr": "0.03"}, "no finished run has lr=0.03; theirs are 0.01, 0.02"),
        ({"lr": "low"}, "no finished run has lr=low; theirs are 0.01, 0.02"),
        ({"data": "auto_mpg"}, "no finished run has data=auto_mpg; theirs are seven_cars"),
        ({"dta": "x"}, "no finished run has a setting dta"),
        ({"data.nam": "x"}, "no finished run has a setting data.nam. Near it: data.name."),
        ({"lr": "0.01", "seed": "2"}, "no finished run has lr=0.01, seed=2 together"),
    ],
)
def test_a_selector_without_finished_runs_says_which_setting_none_has(selector: Selector, why: str) -> None:
    runs = [
        recorded({"lr": lr, "seed": seed}, params={"data.name": "seven_cars"}, status=status)
        for lr, seed, status in (("0.01", "1", "FINISHED"), ("0.02", "2", "FINISHED"), ("0.03", "1", "FAILED"))
    ]
    assert short(found(value("1"), *runs, selector=selector)) == (NOT_CHECKABLE, "", "", why)


@pytest.mark.parametrize("runs", [(), (recorded({"lr": "1"}, status="RUNNING"),)])
def test_where_no_run_is_finished_nothing_is_checkable(runs: tuple[RecordedRun, ...]) -> None:
    assert short(found(value("1"), *runs)) == (NOT_CHECKABLE, "", "", "no run is finished")


def test_of_many_values_only_the_first_are_listed() -> None:
    finding = found(value("1"), *(run(f"{k}") for k in range(20)), selector={"lr": "-1"})
    assert finding.why == "no finished run has lr=-1; theirs are 0, 1, 2, 3, 4 and 15 more"


@pytest.mark.parametrize(
    ("point", "why"),
    [
        (Point("mse", 3), "lr=1 ended at step 2 (diverged)"),
        (Point("parameter_weigt", 1), "lr=1 has no parameter_weigt. Near it: parameter_weight."),
        (Point("original_bias"), "lr=1 has no original_bias"),
        (Point("steps_to_gap"), "lr=1 never came to 1e-6 of its initial gap"),
        (Point("theory_steps_to_gap"), "by theory lr=1 never comes to 1e-6 of its initial gap"),
        (Point("gap", 0), "gap at step 0 of lr=1 is not finite"),
    ],
)
def test_a_number_that_a_run_does_not_have_is_not_checkable(point: Point, why: str) -> None:
    assert short(found(value("1", point), run("1", (np.inf, 2, 1), "diverged"))) == (NOT_CHECKABLE, "", "", why)


def test_a_start_at_the_minimum_has_no_relative_gap() -> None:
    finding = found(value("1", Point("relative_gap", 1)), run("1", (0.5, 0.5)))
    assert short(finding) == (NOT_CHECKABLE, "", "", "lr=1 started at the minimum")


def test_a_run_that_contradicts_a_claim_decides_whatever_others_lack() -> None:
    ended, contradicts, agrees = run("1", (4, 3)), run("2", (4, 2, 9)), run("3", (4, 2, 1))
    below = bound("below", "5", Point("mse", 2))
    assert short(found(below, ended, contradicts, agrees))[:2] == (NOT_REPRODUCED, "9")
    assert short(found(below, ended, agrees)) == (NOT_CHECKABLE, "", "", "lr=1 ended at step 1 (max_iterations)")


def test_a_trajectory_that_cannot_be_read_makes_a_claim_not_checkable() -> None:
    def missing(_: RecordedRun) -> Mapping[str, Array]:
        raise TrackingError("the run has no artifact")

    study = Study("q", (Claim("a", Source("Notes"), SAYS, {}, value("1")),))
    (finding,) = findings(study, [run("1")], missing)
    assert short(finding) == (NOT_CHECKABLE, "", "", "the run has no artifact")


def test_each_trajectory_is_read_once_and_only_where_steps_are_claimed() -> None:
    read: list[RecordedRun] = []

    def reading(one: RecordedRun) -> Mapping[str, Array]:
        read.append(one)
        return TRAJECTORIES[one]

    source, runs = Source("Notes"), [run("1"), run("2")]
    checks: list[tuple[Selector, Check]] = [
        ({"lr": "1"}, value("2")),
        ({"lr": "1"}, value("1", Point("mse", 2))),
        ({"lr": "2"}, value("1", Point("mse_final"))),
    ]
    claims = tuple(Claim(f"c{k}", source, SAYS, selector, check) for k, (selector, check) in enumerate(checks))
    found = findings(Study("q", claims), runs, reading)
    assert [(finding.claim_id, finding.verdict) for finding in found] == [(f"c{k}", REPRODUCED) for k in range(3)]
    assert read == [runs[0]]


def table(*rows: tuple[int, dict[str, str]]) -> Table:
    return Table(tuple((step, {key: value(text).number for key, text in cells.items()}) for step, cells in rows))


def test_a_table_gives_a_finding_for_each_cell_and_stands_beside_ours() -> None:
    made = table((0, {"parameter_weight": "-4", "mse": "4.0"}), (1, {"mse": "2.75"}), (9, {"mse": "1"}))
    found = all_found(made, run("1"))
    assert [(finding.what, finding.verdict) for finding in found] == [
        ("parameter_weight at step 0, all runs", REPRODUCED),
        ("mse at step 0, all runs", REPRODUCED),
        ("mse at step 1, all runs", NOT_REPRODUCED),
        ("mse at step 9, all runs", NOT_CHECKABLE),
    ]
    claims = (
        Claim("b", Source("Other"), SAYS, {}, value("1")),
        Claim("a", Source("Notes", "https://a.org"), SAYS, {}, made),
    )
    assert tables(Study("q", claims), found) == [
        Comparison(
            claim_id="a",
            source="Notes",
            url="https://a.org",
            says=SAYS,
            header=["step", "parameter_weight, published", "parameter_weight, here", "mse, published", "mse, here"],
            rows=[
                ["0", "-4", "-4", "4.0", "4"],
                ["1", "", "", "2.75", "2 \N{NOT EQUAL TO}"],
                ["9", "", "", "1", "-"],
            ],
        )
    ]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ({}, ["1", "2"]),
        ({"lr": "0.010"}, ["1"]),
        ({"lr": "1e-2"}, ["1"]),
        ({"lr": "0.02", "init": "zero"}, []),
        ({"init": "explicit"}, ["2"]),
        ({"init.values": "[-5.440, 35.94]"}, ["2"]),
        ({"init.values": "[-5.44]"}, []),
        ({"init.values": "-"}, []),
        ({"seed": "9007199254740993"}, ["2"]),
        ({"lr": "x"}, []),
    ],
)
def test_a_selector_compares_numbers_as_numbers_and_the_rest_as_text(selector: Selector, names: list[str]) -> None:
    first = {"init.name": "zero", "seed": "9007199254740992"}
    second = {"init.name": "explicit", "init.values": "[-5.44,35.94]", "seed": "9007199254740993"}
    runs = [
        recorded({"lr": "0.01"}, params=first, name="1"),
        recorded({"lr": "0.02"}, params=second, name="2"),
        recorded({"lr": "0.01"}, params=first, name="3", status="FAILED"),
    ]
    assert [run.name for run in selected(selector, runs)] == names


@pytest.mark.parametrize(
    ("metric", "parameters"), [("mse", False), ("theory_contraction", False), ("parameter_bias", True)]
)
def test_a_study_tells_whether_it_claims_parameters(metric: str, parameters: bool) -> None:
    check = Value(Point(metric), Number("1"))
    assert claims_parameters(Study("Why?", (Claim("one", Source("A paper"), SAYS, {}, check),))) is parameters
