from __future__ import annotations

import pickle
from collections.abc import Sequence

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobRuntime, setup_globals
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from gdexp.cli import CONF
from gdexp.sweep.composition import JobConfigs, settings_of
from gdexp.sweep.sweeper import register

JOBS: tuple[list[str], ...] = (
    ["lr=0.1"],
    ["lr=1e-3"],
    ["lr=1"],
    ["lr=0.2", "init=near_zero", "seed=1"],
    ["lr=0.3", "init=near_zero", "seed=2"],
    ["init=explicit", "init.values=[1,2]"],
    ["init=explicit", "init.values=[3.5,-4]"],
    ["stopping=convergence", "stopping.relative_decrease=null"],
    ["stopping=convergence", "stopping.relative_decrease=1e-3"],
    ["data=file", "data.path='a b.csv'", "data.target=y"],
    ["data=file", 'data.path="c,d.csv"', "data.target='1'"],
    ["experiment=stopping", "lr=0.1"],
    ["experiment=stopping", "lr=0.2"],
    ["seed=7", "data=synthetic", "data.seed=${seed}"],
    ["seed=8", "data=synthetic", "data.seed=${seed}"],
    ["seed=9", "data=synthetic", "data.seed=5"],
    ["plots=none", "tracking.every=10", "lr_unit=limit"],
    ["hydra.verbose=true", "lr=0.1"],
    [],
)


@pytest.fixture(scope="module")
def loader() -> ConfigLoaderImpl:
    register()
    setup_globals()
    JobRuntime.instance().set("name", "gdexp")
    GlobalHydra.instance().clear()
    return ConfigLoaderImpl(create_config_search_path(str(CONF)))


@pytest.fixture(scope="module")
def master(loader: ConfigLoaderImpl) -> DictConfig:
    return loader.load_configuration("config", [], RunMode.MULTIRUN)


@pytest.fixture
def configs(loader: ConfigLoaderImpl) -> JobConfigs:
    return JobConfigs(loader.get_search_path())


def composed_by_hydra(loader: ConfigLoaderImpl, master: DictConfig, job: Sequence[str]) -> DictConfig:
    composed = loader.load_sweep_config(master, list(job))
    HydraConfig.instance().set_config(composed)
    return composed


def test_every_job_gets_the_configuration_that_hydra_composes_for_it(
    loader: ConfigLoaderImpl, master: DictConfig, configs: JobConfigs
) -> None:
    for job in [*JOBS, *reversed(JOBS)]:
        expected = OmegaConf.to_container(composed_by_hydra(loader, master, job), resolve=False)
        assert OmegaConf.to_container(configs.load_sweep_config(master, list(job)), resolve=False) == expected, job


def test_every_job_gets_the_settings_that_its_configuration_holds(
    loader: ConfigLoaderImpl, master: DictConfig, configs: JobConfigs
) -> None:
    for job in [*JOBS, *reversed(JOBS)]:
        expected = settings_of(composed_by_hydra(loader, master, job))
        assert repr(configs.settings(master, list(job))) == repr(expected), job


def test_jobs_that_differ_in_values_are_composed_once(
    master: DictConfig, configs: JobConfigs, monkeypatch: pytest.MonkeyPatch
) -> None:
    composed = []
    compose = ConfigLoaderImpl.load_configuration

    def counting(self: ConfigLoaderImpl, *arguments: object, **named: object) -> DictConfig:
        composed.append(named["overrides"])
        return compose(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", counting)
    for init in ("zero", "near_zero"):
        for lr in range(1, 6):
            configs.settings(master, [f"lr={lr}", f"init={init}"])
            configs.load_sweep_config(master, [f"lr={lr}", f"init={init}"])
    assert len(composed) == 2


def test_a_job_cannot_change_what_another_one_gets(master: DictConfig, configs: JobConfigs) -> None:
    configs.settings(master, ["lr=0.1"])["stopping"]["max_iterations"] = 1
    configs.load_sweep_config(master, ["lr=0.1"]).stopping.max_iterations = 1
    assert configs.settings(master, ["lr=0.2"])["stopping"]["max_iterations"] == 1000
    assert configs.load_sweep_config(master, ["lr=0.2"]).stopping.max_iterations == 1000


def test_a_key_that_is_no_setting_is_refused_as_hydra_does(master: DictConfig, configs: JobConfigs) -> None:
    with pytest.raises(HydraException, match="Could not override 'learning_rate'"):
        configs.settings(master, ["learning_rate=0.1"])


def test_it_travels_to_workers_with_what_it_has_composed(master: DictConfig, configs: JobConfigs) -> None:
    expected = configs.load_sweep_config(master, ["lr=0.1"])
    assert pickle.loads(pickle.dumps(configs)).load_sweep_config(master, ["lr=0.1"]) == expected
