from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import DictConfig, OmegaConf

from gdexp.config import Config, Init, UnknownKeyError, typed
from gdexp.core import LeastSquares, ParameterError, Stopping
from gdexp.core.initialization import INITIALIZATIONS
from gdexp.data import DATASETS

CONF = Path(__file__).resolve().parents[1] / "conf"


def test_the_defaults_of_the_library_are_those_of_the_configuration_folder() -> None:
    main = OmegaConf.load(CONF / "config.yaml")
    assert isinstance(main, DictConfig)
    chosen: dict[str, str] = {}
    for default in main.defaults:
        if default != "_self_":
            chosen |= {key: value for key, value in default.items() if "hydra" not in str(key) and value}
    settings: dict[str, Any] = {key: main[key] for key in ("lr", "lr_unit", "seed", "engine")}
    settings |= {
        group: OmegaConf.to_container(OmegaConf.load(CONF / group / f"{name}.yaml")) for group, name in chosen.items()
    }
    assert Config.from_mapping(settings).to_mapping() == Config.from_mapping({}).to_mapping()


def test_the_documented_presets_are_what_the_contract_says() -> None:
    convergence = OmegaConf.merge(
        OmegaConf.load(CONF / "stopping" / "max_iterations.yaml"),
        OmegaConf.load(CONF / "stopping" / "convergence.yaml"),
    )
    settings = OmegaConf.to_container(convergence)
    assert isinstance(settings, dict)
    del settings["defaults"]
    assert Config.from_mapping({"stopping": settings}).stopping == Stopping(100_000, None, 1e-12, 5, None)


@pytest.mark.parametrize(("group", "names"), [("data", DATASETS), ("init", INITIALIZATIONS)])
def test_every_dataset_and_initialization_has_its_preset(group: str, names: tuple[str, ...]) -> None:
    assert tuple(sorted(path.stem for path in (CONF / group).glob("*.yaml"))) == names


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"lr": 1, "lr_unit": "limit", "seed": 3, "engine": "iterative", "experiment": "learning_rate"},
        {"data": {"name": "synthetic", "n": 50, "d": 2, "noise": 1}, "init": {"name": "near_zero", "scale": 1}},
        {"data": {"name": "auto_mpg", "features": ["weight", "horsepower"], "scaling": "standardize"}},
        {"init": {"name": "explicit", "values": [1, 2.5]}, "stopping": {"relative_decrease": 1e-12}},
        {"tracking": {"every": 10}, "plots": {"name": "none", "format": "svg"}},
    ],
)
def test_a_configuration_written_down_and_read_again_is_the_same(settings: dict[str, Any]) -> None:
    config = Config.from_mapping(settings)
    written = OmegaConf.to_container(OmegaConf.create(OmegaConf.to_yaml(config.to_mapping())))
    assert isinstance(written, dict)
    again = Config.from_mapping({str(key): value for key, value in written.items()})
    assert again.to_mapping() == config.to_mapping()
    assert again.sha256("x") == config.sha256("x")


def test_params_are_flat_and_read_as_they_are_typed() -> None:
    params = Config.from_mapping({"init": {"name": "explicit", "values": [1, 2.5]}, "lr": 1e-5}).params()
    assert params["init.name"] == "explicit"
    assert params["init.values"] == "[1,2.5]"
    assert params["lr"] == "1e-05"
    assert params["stopping.gradient_norm"] == "null"


@pytest.mark.parametrize(
    ("value", "text"), [(None, "null"), (True, "true"), ([1, "a", None], "[1,a,null]"), (0.1, "0.1"), ("x", "x")]
)
def test_values_are_shown_as_they_are_typed(value: object, text: str) -> None:
    assert typed(value) == text


def test_the_hash_changes_with_what_decides_the_numbers_and_with_nothing_else() -> None:
    base = Config.from_mapping({}).sha256("data")
    same: list[dict[str, Any]] = [
        {"tracking": {"every": 5}},
        {"plots": {"name": "none"}},
        {"experiment": "x"},
        {"lr": 0.01},
    ]
    other: list[dict[str, Any]] = [{"lr": 0.02}, {"seed": 1}, {"engine": "iterative"}, {"data": {"scaling": "center"}}]
    assert {Config.from_mapping(settings).sha256("data") for settings in same} == {base}
    assert len({base, *(Config.from_mapping(settings).sha256("data") for settings in other)}) == 5
    assert Config.from_mapping({}).sha256("other data") != base


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lrr": 1}, "lrr is not a setting. Near it: lr."),
        ({"init": {"name": "near_zero", "scal": 1}}, "init.scal is not a setting. Near it: init.scale."),
        ({"init": {"name": "zero", "scale": 1}}, "init.scale is not a setting. See --help."),
        ({"init": {"name": "nought"}}, "init.name takes one of explicit, near_zero, zero; got 'nought'."),
        ({"data": {"name": "cars"}}, "data.name takes one of auto_mpg, file, seven_cars, synthetic; got 'cars'."),
        ({"data": {"name": "seven_cars", "n": 5}}, "data.n is not a setting. See --help."),
        ({"stopping": {"patienc": 5}}, "stopping.patienc is not a setting. Near it: stopping.patience."),
        (
            {"stopping": "never"},
            "stopping takes the name of a preset in conf/stopping, or keys such as stopping.KEY; got 'never'.",
        ),
        ({"lr": True}, "lr takes a finite number above 0; got True."),
        ({"seed": 0.5}, "seed takes a whole number of at least 0; got 0.5."),
    ],
)
def test_a_wrong_setting_is_refused_with_the_key_as_it_is_typed(settings: dict[str, Any], message: str) -> None:
    with pytest.raises((UnknownKeyError, ParameterError)) as error:
        Config.from_mapping(settings)
    assert str(error.value) == message


def test_a_multiple_of_the_limit_scales_with_the_data() -> None:
    problem = LeastSquares.from_arrays(np.array([[1.0], [2.0], [3.0]]), np.arange(3.0))
    limit = Config.from_mapping({"lr": 1, "lr_unit": "limit"}).absolute_lr(problem)
    assert Config.from_mapping({"lr": 0.5, "lr_unit": "limit"}).absolute_lr(problem) == limit / 2
    assert Config.from_mapping({"lr": 0.5}).absolute_lr(problem) == 0.5


def test_a_seed_reaches_only_the_initializations_that_are_random() -> None:
    problem = LeastSquares.from_arrays(np.array([[1.0], [2.0], [3.0]]), np.arange(3.0))
    starts = [Init("near_zero", {"scale": 1}).start(problem, seed) for seed in (0, 0, 1)]
    assert (starts[0] == starts[1]).all()
    assert (starts[0] != starts[2]).all()
    assert (Init("zero").start(problem, 5) == 0).all()
