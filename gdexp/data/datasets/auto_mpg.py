"""Auto MPG: what cars of the years 1970 to 1982 weigh, deliver and drink.

Quinlan (1993), UCI Machine Learning Repository, https://doi.org/10.24432/C5859H, CC BY 4.0, with the values as
vega_datasets gives them. `auto_mpg.csv` holds all 406 cars, weights in lb.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from gdexp.core.checks import choice
from gdexp.data.source import Source, Table, distinct_names

UNITS = {
    "weight": "1000 lb",
    "horsepower": "hp",
    "displacement": "cubic inches",
    "cylinders": "",
    "acceleration": "s to 60 mph",
    "mpg": "miles per gallon",
}
FEATURES = tuple(name for name in UNITS if name != "mpg")


@dataclass(frozen=True)
class AutoMpg(Source):
    """The 398 cars whose miles per gallon are known; `features` chooses among FEATURES, a name or a list of names."""

    features: tuple[str, ...] = ("weight",)

    def __post_init__(self) -> None:
        super().__post_init__()
        names = distinct_names("features", self.features)
        object.__setattr__(self, "features", tuple(choice("features", name, FEATURES) for name in names))

    def table(self) -> Table:
        """Return the cars that have every feature chosen; the note says how many were left out for want of one."""
        text = files("gdexp.data.datasets").joinpath("auto_mpg.csv").read_text(encoding="utf-8")
        cars = [car for car in csv.DictReader(text.splitlines()) if car["mpg"]]
        complete = [car for car in cars if all(car[name] for name in self.features)]
        X = np.array([[float(car[name]) for name in self.features] for car in complete])
        X /= [1000 if name == "weight" else 1 for name in self.features]
        y = np.array([float(car["mpg"]) for car in complete])
        missing = len(cars) - len(complete)
        note = f"{missing} cars whose horsepower is not known are left out." if missing else ""
        return Table(self.features, "mpg", lambda: iter([(X, y)]), UNITS, note)
