"""The contraction that a descent has shown, to hold against the one that theory predicts."""

from __future__ import annotations

import math

import numpy as np

from gdexp.core.factor import Array

ROUNDING = 1e-12
"""A gap below this fraction of the initial one is rounding noise."""


def measured_contraction(gap: Array) -> float | None:
    """Return the factor by which sqrt(gap), shape (K + 1,), changed a step towards the end; None if it cannot be told.

    With b the last step whose gap is finite and above ROUNDING of the initial one, and a as far before it as a tenth
    of the steps up to b, at least one, that is (gap[b] / gap[a]) ** (1 / (2 (b - a))). The gap at a must be finite
    and above ROUNDING of the initial one too. What is left of the gap belongs to the slowest mode in the end, so
    from below this comes near to `Theory.contraction`, which no step exceeds.
    """
    seen = np.isfinite(gap) & (gap > ROUNDING * gap[0])
    if not seen.any():
        return None
    last = int(np.flatnonzero(seen)[-1])
    first = last - max(1, (last + 1) // 10)
    if first < 0 or not seen[first]:
        return None
    # Mantissas and exponents apart: the ratio neither leaves the range of floats nor loses a digit near 1.
    (late, late_power), (early, early_power) = math.frexp(gap[last]), math.frexp(gap[first])
    logarithm = math.log(late / early) + (late_power - early_power) * math.log(2)
    return math.exp(min(logarithm / (2 * (last - first)), math.log(np.finfo(float).max)))
