import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdexp.core import DataError, ParameterError
from gdexp.data import load
from gdexp.data.datasets.synthetic import DRAWN_ROWS, Synthetic


@given(
    d=st.integers(1, 8),
    spare=st.integers(1, 60),
    condition_number=st.floats(1, 1e8),
    seed=st.integers(0, 2**32),
)
def test_the_spectrum_is_what_was_asked_for(d: int, spare: int, condition_number: float, seed: int) -> None:
    source = Synthetic(n=d + spare, d=d, condition_number=condition_number, seed=seed)
    eigenvalues = load(source).problem.spectrum.eigenvalues
    assert eigenvalues == pytest.approx(2 * condition_number ** (-np.arange(d + 1) / d), rel=1e-8)


def test_the_spectrum_holds_for_rows_of_several_chunks_and_a_very_large_condition_number() -> None:
    eigenvalues = load(Synthetic(n=3 * DRAWN_ROWS + 1, condition_number=1e16)).problem.spectrum.eigenvalues
    assert eigenvalues == pytest.approx(2 * 1e16 ** (-np.arange(6) / 5), rel=1e-8)


def test_the_features_have_mean_zero_so_the_bias_is_a_mode_of_its_own() -> None:
    problem = load(Synthetic(n=200, d=3, condition_number=50)).problem
    assert problem.feature_means == pytest.approx([0, 0, 0], abs=1e-14)
    assert np.abs(problem.spectrum.right[-1]) == pytest.approx([1, 0, 0, 0], abs=1e-12)


def test_without_noise_the_model_fits_exactly() -> None:
    problem = load(Synthetic(noise=0)).problem
    assert problem.minimum_mse < 1e-28
    assert load(Synthetic(noise=1, n=100_000)).problem.minimum_mse == pytest.approx(1, rel=0.02)


def test_noise_changes_the_target_alone() -> None:
    quiet, loud = load(Synthetic(noise=0)), load(Synthetic(noise=3))
    assert (quiet.sample_features == loud.sample_features).all()
    assert np.std(loud.sample_target - quiet.sample_target) == pytest.approx(3, rel=0.1)


def test_every_reading_with_the_same_seed_gives_the_same_rows() -> None:
    table, again = Synthetic(n=DRAWN_ROWS + 10).table(), Synthetic(n=DRAWN_ROWS + 10).table()
    for chunks in zip(table.read(), table.read(), again.read(), strict=True):
        rows = [np.column_stack(chunk) for chunk in chunks]
        assert (rows[0] == rows[1]).all()
        assert (rows[0] == rows[2]).all()


def test_another_seed_gives_other_data() -> None:
    assert load(Synthetic(seed=1)).sha256 != load(Synthetic(seed=2)).sha256


def test_the_columns_are_named() -> None:
    table = Synthetic(d=3).table()
    assert (table.features, table.target) == (("x1", "x2", "x3"), "y")


def test_whole_numbers_may_be_written_as_floats() -> None:
    assert Synthetic(n=1e3, condition_number=100) == Synthetic()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"n": 0}, "n takes a whole number of at least 1; got 0."),
        ({"n": 10.5}, "n takes a whole number of at least 1; got 10.5."),
        ({"n": 5}, "n takes at least d + 1 = 6 rows; got 5."),
        ({"n": 1e15}, "n takes at most 1e+11 rows, for more would take days; got 1000000000000000."),
        ({"d": 0}, "d takes a whole number of at least 1; got 0."),
        ({"d": "many"}, "d takes a whole number of at least 1; got 'many'."),
        ({"condition_number": 0.5}, "condition_number takes a finite number of at least 1; got 0.5."),
        ({"condition_number": np.inf}, "condition_number takes a finite number of at least 1; got inf."),
        (
            {"condition_number": 1e21},
            "condition_number takes a number from 1 to 1e+20, for more is lost in rounding; got 1e+21.",
        ),
        ({"noise": -0.1}, "noise takes a finite number of at least 0; got -0.1."),
        ({"noise": np.nan}, "noise takes a finite number of at least 0; got nan."),
        ({"seed": -1}, "seed takes a whole number of at least 0; got -1."),
        ({"seed": None}, "seed takes a whole number of at least 0; got None."),
    ],
)
def test_a_wrong_setting_is_refused(settings: dict[str, float], text: str) -> None:
    with pytest.raises(ParameterError) as error:
        Synthetic(**settings)  # type: ignore[arg-type]
    assert str(error.value) == text


def test_more_features_than_memory_holds_are_refused_with_what_they_would_need() -> None:
    with pytest.raises(
        DataError, match=r"^there is not enough memory: 1,000,000 features need 192 TB, and this machine"
    ):
        Synthetic(n=10**7, d=10**6).table()


def test_noise_beyond_every_float_is_refused_without_a_warning() -> None:
    with pytest.raises(DataError, match="not finite"):
        load(Synthetic(noise=1e308))
