"""The configurations of a sweep's jobs: Hydra composes one for each choice of presets, the others differ in values."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.hydra_config import HydraConfig
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

Kind: TypeAlias = tuple[str, ...]
"""What jobs share whose configurations differ in values only: the presets as typed, the keys without their values."""


class JobConfigs(ConfigLoaderImpl):
    """Hydra's loader of configurations, to which jobs that choose the same presets and set the same keys are one.

    Parsing the files and merging them is nearly all that a small job costs; what it gives is the same.
    """

    def __init__(self, config_search_path: ConfigSearchPath) -> None:
        super().__init__(config_search_path)
        self._composed: dict[Kind, DictConfig] = {}
        self._settings: dict[Kind, dict[str, Any] | None] = {}
        self._groups: dict[str, bool] = {}

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """Return the whole configuration of the job that sets `sweep_overrides`; this is what launchers call."""
        overrides = [parsed(text) for text in sweep_overrides]
        kind = self._kind(overrides)
        if kind not in self._composed:
            self._composed[kind] = super().load_sweep_config(master_config, sweep_overrides)
        job = copy.deepcopy(self._composed[kind])
        self._apply_overrides_to_config([override for override in overrides if self._is_value(override)], job)
        task = [override for override in overrides if not override.is_hydra_override()]
        job.hydra.overrides.task = [override.input_line for override in task]
        names = job.hydra.job.config.override_dirname
        job.hydra.job.override_dirname = get_overrides_dirname(
            task, kv_sep=names.kv_sep, item_sep=names.item_sep, exclude_keys=names.exclude_keys
        )
        return job

    def settings(self, master_config: DictConfig, sweep_overrides: list[str]) -> dict[str, Any]:
        """Return the job's settings alone, as `settings_of` does for a whole configuration."""
        overrides = [parsed(text) for text in sweep_overrides]
        kind = self._kind(overrides)
        if kind not in self._settings:
            composed = self.load_sweep_config(master_config, sweep_overrides)
            HydraConfig.instance().set_config(composed)
            # A setting that refers to another one has to be resolved anew for each job.
            self._settings[kind] = None if "${" in OmegaConf.to_yaml(_own(composed)) else settings_of(composed)
        known = self._settings[kind]
        values = [(override.key_or_group, override.value()) for override in overrides if self._is_value(override)]
        if known is None or any("${" in str(value) for _, value in values):
            job = self.load_sweep_config(master_config, sweep_overrides)
            HydraConfig.instance().set_config(job)
            return settings_of(job)
        settings = {key: dict(value) if isinstance(value, dict) else value for key, value in known.items()}
        for key, value in values:
            group, _, name = key.rpartition(".")
            (settings[group] if group else settings)[name] = value
        return settings

    def _kind(self, overrides: Sequence[Override]) -> Kind:
        return tuple(
            override.key_or_group if self._is_value(override) else str(override.input_line) for override in overrides
        )

    def _is_value(self, override: Override) -> bool:
        """Tell whether `override` does no more than to give one key, which lies in no deeper group, another value."""
        changes = not (override.is_add() or override.is_force_add() or override.is_delete())
        key = override.key_or_group
        return (
            changes
            and override.package is None
            and not override.is_hydra_override()
            and key.count(".") <= 1
            and not isinstance(override.value(), dict)
            and not self._is_group(key)
        )

    def _is_group(self, key: str) -> bool:
        if key not in self._groups:
            self._groups[key] = "." not in key and bool(self.get_group_options(key, ObjectType.CONFIG))
        return self._groups[key]


@cache
def parsed(text: str) -> Override:
    """Return the override that `text` is; a value that thousands of jobs share is parsed once."""
    (override,) = OverridesParser.create().parse_overrides([text])
    return override


def settings_of(config: DictConfig) -> dict[str, Any]:
    """Return the settings that Hydra composed as plain values, with the study's name and without Hydra's own part."""
    settings: dict[str, Any] = OmegaConf.to_container(_own(config), resolve=True)  # type: ignore[assignment]
    return {**settings, "experiment": HydraConfig.get().runtime.choices.get("experiment")}


def _own(config: DictConfig) -> DictConfig:
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
