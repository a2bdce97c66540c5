"""Centering and standardizing features, and the way back to the data's own units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gdexp.core.factor import Array
from gdexp.core.problem import LeastSquares

SCALINGS = ("none", "center", "standardize")


@dataclass(frozen=True, eq=False)
class Scaling:
    """The features that are descended on are (x - offset) / scale; both have shape (d,)."""

    offset: Array
    scale: Array

    @classmethod
    def fitted(cls, kind: str, problem: LeastSquares) -> Scaling:
        """Return the scaling of the given kind for the features of `problem`; a constant feature keeps its scale.

        Rounding can make any constant but zero look as if it varied: let each feature start from its first value.
        """
        means, deviations = problem.feature_means, problem.feature_deviations
        none, one = np.zeros_like(means), np.ones_like(means)
        return {
            "none": cls(none, one),
            "center": cls(means, one),
            "standardize": cls(means, np.where(deviations > 0, deviations, 1.0)),
        }[kind]

    def original(self, theta: Array) -> Array:
        """Return parameters (..., p) of the scaled features as those of the data's own units."""
        weights = theta[..., :-1] / self.scale
        bias = theta[..., -1] - weights @ self.offset
        return np.concatenate([weights, bias[..., None]], axis=-1)
