from importlib.resources import files

import numpy as np
import pytest

from gdexp.core import ParameterError
from gdexp.data import load
from gdexp.data.datasets.auto_mpg import FEATURES, AutoMpg
from gdexp.data.datasets.seven_cars import ROWS


def test_weight_alone_has_398_cars_and_their_known_minimum() -> None:
    dataset = load(AutoMpg())
    assert (dataset.features, dataset.target, dataset.problem.n, dataset.note) == (("weight",), "mpg", 398, "")
    assert dataset.problem.minimizer == pytest.approx([-7.677, 46.317], abs=5e-4)
    assert dataset.problem.minimum_mse == pytest.approx(18.781, abs=5e-4)
    assert dataset.problem.mse(np.array([-5.44, 35.94])) == pytest.approx(36.30, abs=5e-3)


def test_the_file_holds_all_406_cars() -> None:
    lines = files("gdexp.data.datasets").joinpath("auto_mpg.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "name,mpg,cylinders,displacement,horsepower,weight,acceleration,year,origin"
    assert lines[1] == "chevrolet chevelle malibu,18,8,307,130,3504,12,1970,USA"
    assert len(lines) == 1 + 406


def test_the_seven_cars_are_among_them_rounded() -> None:
    dataset = load(AutoMpg())
    rounded = set(zip(np.round(dataset.sample_features[:, 0], 2), dataset.sample_target, strict=True))
    assert rounded.issuperset(ROWS)


def test_cars_without_horsepower_are_left_out_with_a_note_only_where_it_is_chosen() -> None:
    with_horsepower = load(AutoMpg(features=("weight", "horsepower")))
    assert with_horsepower.problem.n == 392
    assert with_horsepower.note == "6 cars whose horsepower is not known are left out."
    others = load(AutoMpg(features=tuple(name for name in FEATURES if name != "horsepower")))
    assert (others.problem.n, others.note) == (398, "")


def test_features_keep_the_order_in_which_they_are_chosen() -> None:
    dataset = load(AutoMpg(features=("acceleration", "cylinders", "weight")))
    assert dataset.features == ("acceleration", "cylinders", "weight")
    assert dataset.sample_features[0].tolist() == [12.0, 8.0, 3.504]
    assert dataset.sample_target[0] == 18.0


@pytest.mark.parametrize("features", ["displacement", ["displacement"]])
def test_features_may_be_a_single_name_or_a_list(features: object) -> None:
    assert AutoMpg(features=features) == AutoMpg(features=("displacement",))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FEATURES)
def test_the_label_of_each_feature_names_its_unit(name: str) -> None:
    units = {
        "weight": "weight (1000 lb)",
        "horsepower": "horsepower (hp)",
        "displacement": "displacement (cubic inches)",
        "cylinders": "cylinders",
        "acceleration": "acceleration (s to 60 mph)",
    }
    assert load(AutoMpg(features=(name,))).label(name) == units[name]


@pytest.mark.parametrize(
    ("features", "text"),
    [
        ([], "features takes a name or a list of different names; got []."),
        (None, "features takes a name or a list of different names; got None."),
        ([1], "features takes a name or a list of different names; got [1]."),
        (["weight", "weight"], "features takes a name or a list of different names; got ['weight', 'weight']."),
        (
            ["weight", "horse_power"],
            "features takes one of weight, horsepower, displacement, cylinders, acceleration; got 'horse_power'. "
            "Did you mean horsepower?",
        ),
        ("mpg", "features takes one of weight, horsepower, displacement, cylinders, acceleration; got 'mpg'."),
    ],
)
def test_features_that_cannot_be_chosen_are_refused(features: object, text: str) -> None:
    with pytest.raises(ParameterError) as error:
        AutoMpg(features=features)  # type: ignore[arg-type]
    assert str(error.value) == text
