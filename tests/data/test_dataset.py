import hashlib
import json
from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdexp.core import DataError, LeastSquares, ParameterError, descend, zero
from gdexp.data import DATASETS, SCALINGS, Source, dataset, dataset_class, load
from gdexp.data.dataset import SAMPLE_ROWS, side_by_side

SourceOf = Callable[..., Source]

numbers = st.integers(-1000, 1000).map(lambda whole: whole / 8)
tables = st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=30)


@given(data=tables, cuts=st.lists(st.integers(0, 30), max_size=5).map(sorted), kind=st.sampled_from(SCALINGS))
def test_cutting_the_rows_into_chunks_changes_nothing(
    source_of: SourceOf, data: list[tuple[float, ...]], cuts: list[int], kind: str
) -> None:
    whole = load(source_of(data, scaling=kind))
    cut = load(source_of(data, scaling=kind, cuts=tuple(cuts)))
    assert cut.sha256 == whole.sha256
    assert (cut.sample_features == whole.sample_features).all()
    assert (cut.sample_target == whole.sample_target).all()
    assert_same_loss(cut.problem, whole.problem)


@given(data=tables, shuffle=st.randoms(use_true_random=False), kind=st.sampled_from(SCALINGS))
def test_the_order_of_the_rows_does_not_change_the_problem(
    source_of: SourceOf, data: list[tuple[float, ...]], shuffle: Random, kind: str
) -> None:
    shuffled = list(data)
    shuffle.shuffle(shuffled)
    assert_same_loss(load(source_of(shuffled, scaling=kind)).problem, load(source_of(data, scaling=kind)).problem)


def assert_same_loss(first: LeastSquares, second: LeastSquares) -> None:
    """The loss is one quadratic: the same matrix [X, 1, y]^T [X, 1, y] for both."""
    assert first.n == second.n
    grams = [problem.factor.T @ problem.factor for problem in (first, second)]
    assert grams[0] == pytest.approx(grams[1], rel=1e-9, abs=1e-9 * np.abs(grams[1]).max())


DATA = [(1.0, 2.0, 3.0), (2.0, 1.0, 4.0), (0.0, 1.0, 1.0)]


def test_the_fingerprint_is_of_every_number_and_name(source_of: SourceOf) -> None:
    fingerprint = load(source_of(DATA)).sha256
    assert len(fingerprint) == 64
    assert load(source_of(np.nextafter(DATA, 9))).sha256 != fingerprint
    assert load(source_of(DATA[::-1])).sha256 != fingerprint
    assert load(source_of(DATA, names=("a", "b"))).sha256 != fingerprint
    assert load(source_of(DATA, names=("a\0b", "c"))).sha256 != load(source_of(DATA, names=("a", "b\0c"))).sha256


def test_views_of_one_table_are_put_side_by_side_without_a_copy() -> None:
    rows = np.zeros((4, 3))
    assert side_by_side(rows[:, :-1], rows[:, -1]) is rows


def test_whatever_arrays_hold_the_columns_they_are_put_side_by_side() -> None:
    rows = np.arange(12.0).reshape(4, 3)
    expected = rows.tolist()
    assert side_by_side(rows[:, :-1].copy(), rows[:, -1].copy()).tolist() == expected
    assert side_by_side(rows[:, :-1], rows[:, -1].copy()).tolist() == expected
    assert side_by_side(rows[:, 1:], rows[:, 0]).tolist() == [[1, 2, 0], [4, 5, 3], [7, 8, 6], [10, 11, 9]]
    assert side_by_side(rows[::2, :-1], rows[::2, -1]).tolist() == expected[::2]
    assert side_by_side(rows[:2, :-1], rows[2:, -1]).tolist() == [[0, 1, 8], [3, 4, 11]]
    assert side_by_side(rows[:, :1], rows[:, 2]).tolist() == [[0, 2], [3, 5], [6, 8], [9, 11]]


def test_the_fingerprint_is_the_hash_of_names_and_rows(source_of: SourceOf) -> None:
    named = hashlib.sha256(json.dumps(["x1", "x2", "y"]).encode())
    named.update(np.array(DATA).astype("<f8").tobytes())
    assert load(source_of(DATA)).sha256 == named.hexdigest()


def test_scaling_does_not_change_the_fingerprint_or_the_sample(source_of: SourceOf) -> None:
    plain, scaled = load(source_of(DATA)), load(source_of(DATA, scaling="standardize"))
    assert plain.sha256 == scaled.sha256
    assert scaled.sample_features.tolist() == [[1, 2], [2, 1], [0, 1]]
    assert scaled.sample_target.tolist() == [3, 4, 1]


def test_many_rows_are_sampled_evenly(source_of: SourceOf) -> None:
    data = np.repeat(np.arange(10_000.0)[:, None], 2, axis=1)
    read = load(source_of(data, cuts=(3, 4000, 4001)))
    assert len(read.sample_target) <= SAMPLE_ROWS
    assert read.sample_target.tolist() == list(range(0, 10_000, 8))
    assert read.sample_features[:, 0].tolist() == list(range(0, 10_000, 8))


def test_a_dataset_is_read_once(source_of: SourceOf) -> None:
    assert load(source_of(DATA)) is load(source_of(DATA))
    assert load(source_of(DATA)) is not load(source_of(DATA, scaling="center"))


@pytest.mark.parametrize("kind", SCALINGS)
def test_rows_that_are_too_large_to_be_kept_are_read_again(
    source_of: SourceOf, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "BYTES_IN_MEMORY", 50)
    problem = load(source_of(DATA, scaling=kind, cuts=(1, 2))).problem
    assert problem.rows is not None
    monkeypatch.undo()
    kept = load(source_of(DATA, scaling=kind)).problem
    assert kept.rows is not None
    for _ in range(2):
        again, once = (np.vstack([X for X, _ in rows]) for rows in (problem.rows, kept.rows))
        assert again == pytest.approx(once)
    trajectories = [descend(each, lr=0.01, start=zero(each), engine="iterative") for each in (problem, kept)]
    assert trajectories[0].mse == pytest.approx(trajectories[1].mse)


def test_units_label_the_axes_and_the_note_is_handed_on(source_of: SourceOf) -> None:
    read = load(source_of(DATA))
    assert (read.features, read.target) == (("x1", "x2"), "y")
    assert read.label("x1") == "x1 (kg)"
    assert read.label("x2") == "x2"
    assert read.note == "All rows are made up."


@pytest.mark.parametrize("kind", SCALINGS)
@pytest.mark.parametrize(
    ("data", "text"),
    [
        ([], "the data have no row"),
        ([(1.0, 1.0), (np.nan, 2.0)], "the data hold a value that is not finite, or too large to be squared"),
        ([(1e308, 1.0), (-1e308, 2.0)], "the data hold a value that is not finite, or too large to be squared"),
    ],
)
def test_data_that_cannot_be_used_are_refused(
    source_of: SourceOf, data: list[tuple[float, ...]], text: str, kind: str
) -> None:
    with pytest.raises(DataError) as error:
        load(source_of(data, scaling=kind))
    assert str(error.value) == text


@pytest.mark.parametrize("name", DATASETS)
def test_each_module_of_datasets_holds_a_source_named_after_it(name: str) -> None:
    found = dataset_class(name)
    assert issubclass(found, Source)
    assert found.__name__.lower() == name.replace("_", "")


def test_the_datasets_are_those_of_the_contract() -> None:
    assert DATASETS == ("auto_mpg", "file", "seven_cars", "synthetic")


def test_an_unknown_dataset_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ParameterError) as error:
        dataset_class("auto-mpg")
    assert str(error.value) == (
        "name takes one of auto_mpg, file, seven_cars, synthetic; got 'auto-mpg'. Did you mean auto_mpg?"
    )
