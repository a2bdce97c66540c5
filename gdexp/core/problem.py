"""The least-squares problem that gradient descent solves, known exactly from one small triangular matrix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from gdexp.core.errors import DataError, ParameterError
from gdexp.core.factor import Array, Chunk, merge, reduced, triangular_factor


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The modes of the Hessian (2/n) A^T A along which the loss changes, the steepest first.

    `singular_values` (m,) are those of A that are not null, `left` (p, m) and `right` (p, m) their singular
    vectors in R's feature block, `eigenvalues` (m,) those of the Hessian.
    """

    singular_values: Array
    left: Array
    right: Array
    eigenvalues: Array


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """Linear regression under the mean squared error: L(theta) = (1/n) sum_i (w . x_i + b - y_i)^2.

    `theta` has shape (p,) with p = d + 1: the d weights in the order of the features, then the bias.
    `n` is the number of rows and `factor` the R factor of [X, 1, y], of shape (p + 1, p + 1). `rows` gives the
    data again and again, for the iterative engine; it is None where they came from a source that runs once.
    """

    n: int
    factor: Array = field(repr=False)
    rows: Iterable[Chunk] | None = field(repr=False)

    def __post_init__(self) -> None:
        if not np.isfinite(self.factor).all():
            raise DataError("the data hold a value that is not finite, or too large to be squared")
        with np.errstate(over="ignore"):
            steepest = self.spectrum.eigenvalues[0]
        if not np.isfinite(steepest):
            raise DataError("the features are so large that the Hessian's largest eigenvalue overflows; rescale them")
        if not np.isfinite(self.mean_square_target):
            raise DataError("the target is so large that the loss overflows; rescale it")

    @classmethod
    def from_arrays(cls, X: ArrayLike, y: ArrayLike) -> LeastSquares:
        """Return the problem of features `X`, shape (n, d), and target `y`, shape (n,)."""
        features, target = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
        if features.ndim != 2:
            raise ParameterError("X", "an array of shape (n, d)", features.shape, "For one feature pass X[:, None].")
        if target.shape != features.shape[:1]:
            raise ParameterError("y", f"an array of shape ({len(features)},), a value for each row of X", target.shape)
        return cls.from_chunks([(features, target)])

    @classmethod
    def from_chunks(cls, chunks: Iterable[Chunk], *, copy: bool = True) -> LeastSquares:
        """Return the problem of all rows in `chunks`, read once.

        Each chunk is a pair of features (rows, d) and target (rows,). A list, or any other iterable that can
        be read again, is kept for the iterative engine; an iterator is not. With `copy=False` no chunk may be
        overwritten once it is drawn, else the result is wrong; a list needs no copies.
        """
        n, factor = reduced(chunks, copy=copy)
        return cls(n, factor, None if isinstance(chunks, Iterator) else chunks)

    def merge(self, other: LeastSquares) -> LeastSquares:
        """Return the problem of the rows of both, neither of which is read again."""
        if self.factor.shape != other.factor.shape:
            raise ParameterError("other", f"a problem of {self.p - 1} features", other.p - 1)
        rows = None if self.rows is None or other.rows is None else JoinedRows(self.rows, other.rows)
        return LeastSquares(self.n + other.n, merge(self.factor, other.factor), rows)

    def rescaled(self, offset: Array, scale: Array) -> LeastSquares:
        """Return the problem in the features (x - offset) / scale; both arguments have shape (d,)."""
        change = np.eye(self.p + 1)
        change[range(self.p - 1), range(self.p - 1)] = 1 / scale
        change[self.p - 1, : self.p - 1] = -offset / scale
        rows = None if self.rows is None else RescaledRows(self.rows, offset, scale)
        return LeastSquares(self.n, triangular_factor(self.factor @ change), rows)

    @property
    def p(self) -> int:
        """The number of parameters: one weight for each feature, and the bias."""
        return len(self.factor) - 1

    @property
    def feature_means(self) -> Array:
        """The mean of each feature, shape (d,)."""
        ones = self.factor[:, self.p - 1]
        means: Array = ones / self.n @ self.factor[:, : self.p - 1]
        return means

    @property
    def feature_deviations(self) -> Array:
        """The standard deviation of each feature (divided by n), shape (d,)."""
        ones = self.factor[:, self.p - 1 : self.p]
        centered = self.factor[:, : self.p - 1] - ones * self.feature_means
        deviations: Array = np.linalg.norm(centered / np.sqrt(self.n), axis=0)
        return deviations

    @cached_property
    def mean_square_target(self) -> float:
        """The mean of y^2: the loss of the model that predicts zero."""
        with np.errstate(over="ignore"):
            return float(np.sum(np.square(self.factor[:, -1] / np.sqrt(self.n))))

    @cached_property
    def _decomposition(self) -> tuple[Array, Array, Array]:
        return np.linalg.svd(self.factor[: self.p, : self.p])

    @cached_property
    def spectrum(self) -> Spectrum:
        """The modes whose singular value exceeds p * eps * the largest; the others are null."""
        left, singular_values, right = self._decomposition
        alive = singular_values > self.p * np.finfo(np.float64).eps * singular_values[0]
        sigma = singular_values[alive]
        return Spectrum(sigma, left[:, alive], right.T[:, alive], 2 * (sigma / np.sqrt(self.n)) ** 2)

    @cached_property
    def minimum_mse(self) -> float:
        """The least loss that any parameters reach."""
        left, target = self._decomposition[0], self.factor[: self.p, -1]
        null = left[:, len(self.spectrum.eigenvalues) :].T @ target
        return float(np.sum(np.square(np.append(null, self.factor[-1, -1]) / np.sqrt(self.n))))

    @cached_property
    def minimizer(self) -> Array:
        """The parameters of least loss, shape (p,): the shortest such vector where there are many."""
        modes = self.spectrum
        best: Array = modes.right @ (modes.left.T @ self.factor[: self.p, -1] / modes.singular_values)
        return best

    def amplitudes(self, theta: Array) -> Array:
        """Return each mode's share of the residual at `theta`, (..., p) -> (..., m), scaled so that
        the gap to the minimum is the sum of their squares.

        They come from U^T (R theta - c), which keeps its accuracy where theta is near the minimum.
        """
        block, target = self.factor[: self.p, : self.p], self.factor[: self.p, -1]
        shares: Array = (theta @ block.T - target) @ self.spectrum.left / np.sqrt(self.n)
        return shares

    def mse(self, theta: Array) -> Array:
        """Return the mean squared error at `theta`: one value for a vector, (k,) for parameters (k, p)."""
        residual = theta @ self.factor[:, : self.p].T - self.factor[:, -1]
        losses: Array = np.sum(np.square(residual / np.sqrt(self.n)), axis=-1)
        return losses

    def gap(self, theta: Array) -> Array:
        """Return how far the loss at `theta` is above the minimum, never negative."""
        gaps: Array = np.sum(np.square(self.amplitudes(theta)), axis=-1)
        return gaps


@dataclass(frozen=True)
class JoinedRows:
    """The rows of `first`, then those of `second`."""

    first: Iterable[Chunk]
    second: Iterable[Chunk]

    def __iter__(self) -> Iterator[Chunk]:
        """Read the rows once more."""
        yield from self.first
        yield from self.second


@dataclass(frozen=True)
class RescaledRows:
    """The rows of `rows` with each feature x replaced by (x - offset) / scale."""

    rows: Iterable[Chunk]
    offset: Array
    scale: Array

    def __iter__(self) -> Iterator[Chunk]:
        """Read the rows once more."""
        for X, y in self.rows:
            yield (X - self.offset) / self.scale, y
