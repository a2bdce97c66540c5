"""Made-up data whose Hessian has exactly the condition number that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

import numpy as np

from gdexp.core.checks import number, whole_number
from gdexp.core.errors import ParameterError
from gdexp.core.factor import Array, Chunk
from gdexp.core.problem import LeastSquares
from gdexp.data.memory import check_memory
from gdexp.data.source import Source, Table

DRAWN_ROWS = 4096
"""Rows drawn at once."""
MOST_ROWS = 10**11
"""At some ten million rows a second they take hours to be made, each time that they are read."""
LARGEST_CONDITION_NUMBER = 1e20
"""Beyond it, rounding of the data changes the smallest eigenvalue in its sixth digit and soon makes it null."""


@dataclass(frozen=True)
class Synthetic(Source):
    """`n` rows of `d` features, y = X w + b + noise * e, where w, b and e are standard normal.

    The features have mean zero and are turned at random; the p = d + 1 eigenvalues of the Hessian are spaced
    geometrically from 2, which is the bias's own, down to 2 / `condition_number`. The random rotation spreads w over
    all modes, so at zero a mode's share of the loss is in proportion to its eigenvalue, on average.
    All randomness comes from `seed`, which is not the seed of the start.
    """

    n: int = 1000
    d: int = 5
    condition_number: float = 100.0
    noise: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in {
            "d": whole_number("d", self.d, least=1),
            "n": whole_number("n", self.n, least=1),
            "condition_number": number("condition_number", self.condition_number, least=1),
            "noise": number("noise", self.noise, least=0),
            "seed": whole_number("seed", self.seed, least=0),
        }.items():
            object.__setattr__(self, name, value)
        if self.n < self.d + 1:
            raise ParameterError("n", f"at least d + 1 = {self.d + 1} rows", self.n)
        if self.n > MOST_ROWS:
            raise ParameterError("n", f"at most {MOST_ROWS:g} rows, for more would take days", self.n)
        if self.condition_number > LARGEST_CONDITION_NUMBER:
            takes = f"a number from 1 to {LARGEST_CONDITION_NUMBER:g}, for more is lost in rounding"
            raise ParameterError("condition_number", takes, self.condition_number)

    def table(self) -> Table:
        """Return the rows, which are made anew at each reading, so they need no memory."""
        check_memory(self.d, "Set a smaller data.d.")
        generator = np.random.default_rng(self.seed)
        rotation = np.linalg.qr(generator.standard_normal((self.d, self.d)))[0]
        weights, bias = generator.standard_normal(self.d), generator.standard_normal()
        drawn = LeastSquares.from_chunks(self._drawn(generator))
        means = drawn.feature_means
        centered = drawn.rescaled(means, np.ones(self.d)).factor[: self.d, : self.d]
        # The draws times the inverse of their R factor are orthonormal; what follows gives them scales and directions.
        scales = self.condition_number ** (-np.arange(1, self.d + 1) / (2 * self.d))
        mixing = np.linalg.solve(centered, np.sqrt(self.n) * scales[:, None] * rotation)

        def read() -> Iterator[Chunk]:
            for draws, errors in self._drawn(generator):
                X: Array = (draws - means) @ mixing
                with np.errstate(over="ignore"):  # the problem refuses what is not finite
                    y = X @ weights + bias + self.noise * errors
                yield X, y

        return Table(tuple(f"x{i}" for i in range(1, self.d + 1)), "y", read)

    def _drawn(self, generator: np.random.Generator) -> Iterator[Chunk]:
        """Yield standard normal features and errors, the same ones each time: `generator` stays where it is."""
        generator = deepcopy(generator)
        for first in range(0, self.n, DRAWN_ROWS):
            rows = generator.standard_normal((min(DRAWN_ROWS, self.n - first), self.d + 1))
            yield rows[:, :-1], rows[:, -1]
