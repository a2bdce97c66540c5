"""`logspace(start,stop,count)` in a sweep's values: numbers spaced evenly on a logarithmic axis."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from gdexp.core import ParameterError

QUOTED_OR_CALL = re.compile(r"""(['"])(?:\\.|(?!\1)[^\\])*\1|logspace\(([^()]*)\)""")
MOST_RUNS = 100_000
"""The runs of one sweep: as many fit into memory and can be looked at."""
TAKES = f"logspace(start,stop,count) with start and stop above 0 and a count of 2 to {MOST_RUNS:,}"


def expanded(text: str) -> str:
    """Return `text` with every logspace(a,b,n) replaced by its n values from a to b, separated by commas.

    What is quoted stays one text, as in all of Hydra's grammar, which knows no such function. Raises ParameterError for
    arguments that it does not take.
    """
    key = text.partition("=")[0].lstrip("+")
    return QUOTED_OR_CALL.sub(lambda found: found[0] if found[1] else ",".join(_values(key, found[2])), text)


def expanded_arguments(arguments: Sequence[str]) -> list[str]:
    """Return command-line arguments with logspace expanded in the overrides among them."""
    return [argument if argument.startswith("-") else expanded(argument) for argument in arguments]


def _values(key: str, arguments: str) -> list[str]:
    parts = [part.strip() for part in arguments.split(",")]
    try:
        start, stop, count = float(parts[0]), float(parts[1]), int(parts[2])
        valid = len(parts) == 3 and 2 <= count <= MOST_RUNS and 0 < start < np.inf and 0 < stop < np.inf
    except (ValueError, IndexError):
        valid = False
    if not valid:
        raise ParameterError(key, TAKES, f"logspace({arguments})")
    # 15 digits hide the last bit's rounding, so that a decade reads 0.001.
    return [f"{value:.15g}" for value in np.geomspace(start, stop, count)]
