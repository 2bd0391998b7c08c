"""The logarithm of the likelihood of all sweeps, and its exact derivatives, in double precision."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.fitting.curves import KernelCurve, Stimulus
from synkin.fitting.model import with_free
from synkin.fitting.problem import OWN, Form, Problem
from synkin.runs.likelihood import predicted_samples
from synkin.runs.protocol import Jumps

_Values = dict[str, Any]

# Bounds of logarithms: sigma is at least this fraction of the trace's standard deviation, and channels at most so many.
_QUIETEST, _MOST_CHANNELS = math.log(1e6), math.log(1e9)


class Evaluated(NamedTuple):
    """The likelihood at a place of n coordinates."""

    value: float  # the logarithm of the likelihood
    gradient: np.ndarray  # (n,)
    information: np.ndarray  # (n, n) what the samples are expected to tell, by Fisher: never negative
    mean: np.ndarray  # (R, M) of each sample given all before, in the unit of the trace
    variance: np.ndarray  # (R, M)


class Seen(NamedTuple):
    """Sweeps of which the likelihood is computed, and how many channels they are of, if that is held."""

    problem: Problem
    channels: float | None  # None where it is fitted

    @property
    def without_samples(self) -> Seen:
        """The same sweeps without a sample, of which all that is expected is the mean of all sweeps."""
        return self._replace(problem=replace(self.problem, present=np.zeros_like(self.problem.present)))

    @property
    def labels(self) -> tuple[str, ...]:
        """The name of each coordinate of a place, (n,)."""
        return (*self.problem.labels, "sigma", *(() if self.channels else ("channels",)))

    @property
    def are_logarithms(self) -> np.ndarray:
        """(n,) bool: which coordinates are logarithms."""
        more = len(self.labels) - len(self.problem.labels)
        return np.append(self.problem.are_logarithms, np.ones(more, bool))

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """The lower and the upper bound of each coordinate, (n,) each."""
        problem = self.problem
        size = float(np.log(np.std(problem.trace[problem.present])))
        more = [(size - _QUIETEST, size + 1.0), *(() if self.channels else ((0.0, _MOST_CHANNELS),))]
        low, high = np.array(more).T
        return np.append(problem.lower, low), np.append(problem.upper, high)

    def noise_at(self, place: np.ndarray) -> tuple[float, float]:
        """Sigma and the number of channels at a place."""
        sigma = float(np.exp(place[len(self.problem.lower)]))
        return sigma, self.channels or float(np.exp(place[-1]))


def evaluate(seen: Seen, place: np.ndarray) -> Evaluated:
    """The likelihood at a place (n,)."""
    value, *rest = (np.asarray(a) for a in _evaluated(*_arguments(seen, place)))
    return Evaluated(float(value), *rest)


def mean_and_variance(seen: Seen, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean of all sweeps that there could be, and the variance about it at each time, (R, M) each."""
    mean, variance = _predicted(*_arguments(seen.without_samples, place))
    return np.asarray(mean), np.asarray(variance)


def _arguments(seen: Seen, place: np.ndarray) -> tuple[Any, ...]:
    problem = seen.problem
    given: tuple[Any, ...] = problem.spike_times, problem.weights, problem.varying, {}, problem.times
    params = {name: float(value) for name, value in problem.params.items()}
    held = OWN | problem.held | ({"channels": seen.channels} if seen.channels else {})
    trace = np.where(problem.present, problem.trace, np.nan)
    return problem.form, problem.own, params, np.asarray(place), held, Stimulus(*given), trace


def _samples(
    form: Form, own: tuple[str, ...], params: _Values, place: Array, held: _Values, given: Stimulus, traces: Array
) -> tuple[Array, Array]:
    """What is expected of each sample given those before it: mean and variance, (R, M) each; see `_evaluated`."""
    curve = form.curve
    assert isinstance(curve, KernelCurve)
    values = curve.as_given(with_free(form, params, place, given.held))
    fitted, *noise = jnp.split(place[len(form.fitted) :], [len(own), len(own) + 1])
    quantities = held | dict(zip(own, fitted, strict=True))
    sigma = jnp.exp(noise[0][0])
    channels = held["channels"] if "channels" in held else jnp.exp(noise[1][0])

    def sweep(given: Stimulus, trace: Array) -> tuple[Array, Array]:
        spikes: Any = given.spike_times + quantities["onset"]
        options: dict[str, Any] = {"varying": given.varying, "weights": given.weights if curve.weighted else None}
        if curve.jumps:
            pieces: dict[str, ArrayLike] = {name: each for name, (_, each) in given.varying.items()}
            spikes, options = Jumps(spikes, given.weights[:-1], pieces), {}
        return predicted_samples(
            curve.kernel,
            values,
            spikes,
            given.times,
            trace,
            scale=quantities["scale"],
            offset=quantities["offset"],
            sigma=sigma,
            channels=channels,
            overlap=curve.overlap,
            dtype=given.times.dtype,
            **options,
        )

    # What all sweeps have in common is computed once.
    axes = jax.tree.map(lambda a: 0 if a.ndim == 2 else None, given)
    return jax.vmap(sweep, in_axes=(axes, 0))(given, traces)


@partial(jax.jit, static_argnames=("form", "own"))
def _predicted(form: Form, own: tuple[str, ...], *rest: Any) -> tuple[Array, Array]:
    return _samples(form, own, *rest)


@partial(jax.jit, static_argnames=("form", "own"))
def _evaluated(
    form: Form, own: tuple[str, ...], params: _Values, place: Array, held: _Values, given: Stimulus, traces: Array
) -> tuple[Array, ...]:
    """The fields of `Evaluated`.

    Args:
        form: what is fitted.
        own: which of scale, offset and onset are fitted.
        params: the values of all parameters that are held.
        place: (n,)
        held: the values of scale, offset, onset and channels that are held.
        given: what evoked each sweep, or all, and when it is sampled.
        traces: (R, M), NaN where there is no sample.
    """

    def samples(place: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        mean, variance = _samples(form, own, params, place, held, given, traces)
        return (mean, jnp.log(variance)), (mean, variance)

    # Forward, in all coordinates at once: one pass along the sweeps gives the derivatives of each sample, of which
    # the information is made.
    slopes, (mean, variance) = jax.jacfwd(samples, has_aux=True)(place)
    seen = ~jnp.isnan(traces)
    off = jnp.where(seen, traces - mean, 0.0)
    squares = off * off / variance
    density = squares + jnp.log(variance) + math.log(2 * math.pi)
    of_mean, of_variance = (jnp.where(seen[..., None], slope, 0.0) for slope in slopes)
    gradient = (of_mean * (off / variance)[..., None] + 0.5 * of_variance * (squares - 1)[..., None]).sum(axis=(0, 1))
    root = of_mean / jnp.sqrt(variance)[..., None]
    information = jnp.einsum("rmi,rmj->ij", root, root) + 0.5 * jnp.einsum("rmi,rmj->ij", of_variance, of_variance)
    return -0.5 * jnp.where(seen, density, 0.0).sum(), gradient, information, mean, variance
