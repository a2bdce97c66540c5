"""The datasets: one module each, holding a Source named after it (`seven_cars` holds `SevenCars`)."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import cast

from gdexp.core.checks import choice
from gdexp.data.source import Source

DATASETS = tuple(sorted(module.name for module in iter_modules(__path__)))


def dataset_class(name: str) -> type[Source]:
    """Return the dataset called `name`; raises ParameterError where there is none."""
    module = import_module(f"{__name__}.{choice('name', name, DATASETS)}")
    return cast("type[Source]", getattr(module, name.title().replace("_", "")))
