"""What the axes of figures say: names with their units."""

from __future__ import annotations

import math

from gdexp.data.dataset import Dataset
from gdexp.plots.style import LABEL_SIZE
from gdexp.plots.text import plain, shorten, width

STEP = "step (updates)"


def column(dataset: Dataset, name: str, before: str = "") -> str:
    """Return the name of a column with its unit, which stands on a second line where both are long."""
    unit = plain(shorten(dataset.label(name).removeprefix(name).strip()))
    shown = plain(f"{before} {shorten(name, 22)}".strip())
    return f"{shown}\n{unit}" if width(f"{shown} {unit}", LABEL_SIZE) > 2.6 else f"{shown} {unit}".strip()


def target_unit(dataset: Dataset) -> str:
    """Return the unit of the target, or nothing."""
    return dataset.units.get(dataset.target, "")


def squared(name: str, unit: str, inches: float = math.inf) -> str:
    """Return the name of a loss with the square of the target's unit, on a second line where it would be too long."""
    if not unit:
        return name
    power = plain(f"({shorten(unit)}{',' * (' ' in unit)} squared)")
    return f"{name}\n{power}" if width(f"{name} {power}", LABEL_SIZE) > inches else f"{name} {power}"


def parameter_names(dataset: Dataset) -> list[str]:
    """Return the name of each parameter: the features in their order, then the bias."""
    return [*dataset.features, "bias"]


def parameter(dataset: Dataset, index: int) -> str:
    """Return the name of a parameter."""
    return plain(f"parameter {shorten(parameter_names(dataset)[index], 20)}")


def parameter_unit(dataset: Dataset, index: int, most: int = 40) -> str:
    """Return the unit of a parameter in at most so many letters; "" if not known.

    It is the descent's own where the features are scaled.
    """
    if dataset.scaled:
        return "scaled units"
    unit = dataset.units.get(dataset.features[index], "") if index < len(dataset.features) else ""
    return plain(shorten(f"{target_unit(dataset)} per {unit}" if unit else target_unit(dataset), most))
