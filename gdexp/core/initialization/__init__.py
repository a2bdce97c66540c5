"""Where descent starts: one module for each initialization, holding a function of the same name.

`start_function(name)` finds it; its keyword arguments, but for `seed`, are what `init.*` may set.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import cast

from gdexp.core.checks import choice
from gdexp.core.factor import Array

INITIALIZATIONS = tuple(sorted(module.name for module in iter_modules(__path__)))


def start_function(name: str) -> Callable[..., Array]:
    """Return the initialization called `name`; raises ParameterError where there is none."""
    module = import_module(f"{__name__}.{choice('name', name, INITIALIZATIONS)}")
    return cast("Callable[..., Array]", getattr(module, name))
