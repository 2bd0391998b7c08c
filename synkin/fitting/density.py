"""The logarithm of the posterior density of what was fitted: a pure function for samplers and optimisers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.fitting.model import values_of_recordings
from synkin.fitting.problem import REACH, Problem

# The place within bounds, as a fraction of their distance, beyond which a start of a sampler is moved inside.
_INSIDE = 1e-3
# Of a standard error, the step of a finite difference; and of the largest variance along an axis, the smallest.
_NEAR, _LEAST = 1e-3, 1e-12
# A scale keeps its sign if it is farther from 0 than this many standard errors.
_CLEARLY = 4.0


@dataclass(frozen=True, eq=False)
class LogDensity:
    """The logarithm of the posterior density of what a fit found, as a function of a vector of any real numbers.

    ``log_density(vector)`` is a scalar that JAX can differentiate, compile and map over many vectors. A vector has N
    elements, as many as were fitted. The fit is at 0, and its errors make the density there nearly a standard normal
    one, so that a sampler needs no other scales. In between are the logarithms of positive parameters, and logits or
    logarithms that keep what has bounds within them. `values` tells what a vector means, `vector` is the way back.

    The noise is normal, and its unknown level is integrated out with Jeffreys' prior: the likelihood is
    S ** (-n / 2), where S is the sum of squares and n the number of independent samples, as in standard errors and
    profiles. What has no prior has a flat one: in its logarithm if it is positive, within its bounds if it has any. A
    scale that is clearly not 0 keeps its sign, and counts as positive.

    Source: of the likelihood without the level, Gelman et al. 2013, Bayesian Data Analysis, 3rd ed., section 3.2.
    """

    problem: Problem
    point: np.ndarray  # (N,) the result of the fit
    inefficiency: float  # how many neighbouring samples count as one
    covariance: np.ndarray  # (N, N) of the errors, in the coordinates of `problem`

    def __call__(self, vector: ArrayLike) -> Array:
        """The logarithm of the density at a vector (N,), up to a constant."""
        vector = jnp.asarray(vector)
        point, stretched = self._point(vector)
        problem = self.problem
        g, own = values_of_recordings(problem, point)
        residuals = jnp.asarray(problem.trace, vector.dtype) - own["scale"][:, None] * g - own["offset"][:, None]
        residuals = jnp.where(problem.present, residuals * jnp.asarray(problem.importance, vector.dtype), 0.0)
        size = float(np.sqrt(np.mean(np.square(problem.trace[problem.present])))) or 1.0
        squares = jnp.sum((residuals / size) ** 2)
        samples = float(problem.present.sum()) / self.inefficiency
        density = -0.5 * samples * jnp.log(squares) + stretched
        are_logarithms, names = problem.are_logarithms, np.array(problem.names)
        for prior in problem.priors:
            for i in np.flatnonzero(names == prior.name):
                deviation, _ = prior.deviation(point[i], bool(are_logarithms[i]), jnp)
                # A normal prior is one of the quantity: over the logarithm its density has the quantity as a factor.
                is_logarithm = prior.kind == "normal" and (are_logarithms[i] or self._is_log_scale[i])
                stretch = jnp.log(jnp.abs(point[i])) if self._is_log_scale[i] else point[i]
                density += (stretch if is_logarithm else 0.0) - 0.5 * deviation**2
        return jnp.where(jnp.isnan(density), -jnp.inf, density)

    @property
    def labels(self) -> tuple[str, ...]:
        """The name of each element of a vector, (N,)."""
        return self.problem.labels

    @property
    def start(self) -> np.ndarray:
        """The vector of the fit, (N,) zeros."""
        return np.zeros(len(self.point))

    def values(self, vector: ArrayLike) -> dict[str, Array]:
        """What each element of a vector (..., N) means, by name, each (...,) in its unit."""
        vector = jnp.asarray(vector)

        def one(vector: Array) -> Array:
            point, _ = self._point(vector)
            return jnp.where(self.problem.are_logarithms, jnp.exp(point), point)

        found = jax.vmap(one)(vector.reshape(-1, len(self.point))).reshape(vector.shape)
        return {label: found[..., i] for i, label in enumerate(self.labels)}

    def vector(self, values: Mapping[str, ArrayLike]) -> np.ndarray:
        """The vector (N,) of values by name, the way back from `values`.

        Raises:
            ValueError: names are missing.
        """
        if missing := [label for label in self.labels if label not in values]:
            raise ValueError(f"Argument `values` must have {', '.join(self.labels)}, but lacks {', '.join(missing)}.")
        point = np.array([float(np.asarray(values[label])) for label in self.labels])
        is_logarithm = self.problem.are_logarithms
        with np.errstate(divide="ignore"):
            point[is_logarithm] = np.log(point[is_logarithm])
        return np.linalg.solve(self._axes, self._unbounded(point) - self._centre)

    @cached_property
    def _centre(self) -> np.ndarray:
        """The fit without bounds, (N,)."""
        return self._unbounded(self.point)

    @cached_property
    def _is_log_scale(self) -> np.ndarray:
        """(N,) which are scales that are clearly not 0: a logarithm stands for their size, which others compensate."""
        lower, upper = self._bounds
        is_clear = np.abs(self.point) > _CLEARLY * np.sqrt(np.diag(self.covariance))
        return (np.array(self.problem.names) == "scale") & is_clear & ~np.isfinite(lower) & ~np.isfinite(upper)

    @cached_property
    def _axes(self) -> np.ndarray:
        """From a vector to what it adds to the centre: a root of the covariance there, (N, N)."""
        moved = np.sqrt(np.diag(self.covariance))
        ends = [
            self._unbounded(self.point + sign * _NEAR * np.diag(moved)[i])[i]
            for i in range(len(moved))
            for sign in (-1, 1)
        ]
        slopes = np.diff(np.reshape(ends, (-1, 2)), axis=1)[:, 0] / (2 * _NEAR * moved)
        sizes, directions = np.linalg.eigh(self.covariance * np.outer(slopes, slopes))
        return directions * np.sqrt(np.maximum(sizes, _LEAST * sizes.max()))

    @cached_property
    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """The bounds that were given, (N,) each, infinite where there is none but the default one."""
        problem = self.problem
        lower, upper = problem.lower.copy(), problem.upper.copy()
        start = {
            name: np.log(np.atleast_1d(value))
            for name, value in problem.params.items()
            if np.all(np.asarray(value) > 0)
        }
        for i, name in enumerate(problem.names):
            if problem.are_logarithms[i]:
                near = np.abs(np.array([lower[i], upper[i]])[:, None] - start[name]) < np.log(REACH) * (1 - 1e-9)
                lower[i] = lower[i] if near[0].any() else -np.inf
                upper[i] = upper[i] if near[1].any() else np.inf
        return lower, upper

    def _point(self, vector: Array) -> tuple[Array, Array]:
        """Coordinates of the search, and the logarithm of the volume that one of the vector's has there."""
        vector = jnp.asarray(self._centre, vector.dtype) + vector @ jnp.asarray(self._axes.T, vector.dtype)
        lower, upper = (jnp.asarray(bound, vector.dtype) for bound in self._bounds)
        has_lower, has_upper = (np.isfinite(bound) for bound in self._bounds)
        both, none = has_lower & has_upper, ~(has_lower | has_upper)
        low, high = (jnp.where(ends, bound, 0.0) for ends, bound in ((has_lower, lower), (has_upper, upper)))
        width = jnp.where(both, high - low, 1.0)
        grown = jnp.exp(jnp.where((has_lower ^ has_upper) | self._is_log_scale, vector, 0.0))
        one_sided = jnp.where(has_lower, low + grown, high - grown)
        point = jnp.where(both, low + width * jax.nn.sigmoid(vector), one_sided)
        point = jnp.where(self._is_log_scale, np.sign(self.point) * grown, jnp.where(none, vector, point))
        log_slope = jnp.where(both, jnp.log(width) + jax.nn.log_sigmoid(vector) + jax.nn.log_sigmoid(-vector), vector)
        return point, jnp.sum(jnp.where(none, 0.0, log_slope), axis=-1)

    def _unbounded(self, point: np.ndarray) -> np.ndarray:
        """Coordinates of the search, (N,), as numbers that have no bounds."""
        lower, upper = self._bounds
        has_lower, has_upper = np.isfinite(lower), np.isfinite(upper)
        both = has_lower & has_upper
        width = np.where(both, upper - lower, 1.0)
        share = np.clip(np.where(both, (point - np.where(both, lower, 0.0)) / width, 0.5), _INSIDE, 1 - _INSIDE)
        with np.errstate(divide="ignore", invalid="ignore"):
            one_sided = np.log(np.maximum(np.where(has_lower, point - lower, upper - point), _INSIDE))
            found = np.where(both, np.log(share / (1 - share)), np.where(has_lower | has_upper, one_sided, point))
            return np.where(self._is_log_scale, np.log(np.abs(point)), found)
