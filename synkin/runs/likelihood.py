"""`synkin.log_likelihood`: how probable a trace is, with the noise of channels that open and close."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from synkin.arguments import units
from synkin.arguments.channels import Observed, check_observed
from synkin.arguments.choices import check_kernel
from synkin.arguments.declaration import AnyParams
from synkin.runs import course
from synkin.runs.course import Given
from synkin.runs.events import respond
from synkin.runs.protocol import Jumps, concentration_jumps
from synkin.solving import loops
from synkin.solving.channels import population
from synkin.solving.kernel_protocol import Kernel


def log_likelihood(
    kernel: Kernel,
    params: AnyParams,
    spike_times: ArrayLike | Jumps,
    times: ArrayLike,
    trace: ArrayLike,
    *,
    scale: ArrayLike,
    offset: ArrayLike = 0.0,
    sigma: ArrayLike,
    channels: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    varying: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    delay: ArrayLike = 0.0,
    overlap: str = "restart",
    dtype: DTypeLike | None = None,
) -> Array:
    """How probable one recorded sweep is, given a kernel: the logarithm of its probability density, with channel noise.

    The sweep is modelled as ``scale g + offset``, plus the noise of channels that open and close at random, plus white
    noise. It is computed by a Kalman filter, which goes from sample to sample: it predicts the mean m and the
    covariance of the occupancies, and corrects both by the sample. The result can be differentiated, forward and
    reverse, with respect to parameters, spike times, edges, concentrations, scale, offset, sigma and the number of
    channels. For several sweeps use `jax.vmap`, and add the results.

    Args:
        kernel: a receptor that is a set of states: a `synkin.Scheme`, or one such as `synkin.ampa` (closed and open).
            With ``channels=None`` any kernel.
        params: its ``Params``, scalars.
        spike_times: (K,) ms, in any order, where inf is ignored; or a `synkin.Jumps`, a concentration that changes in
            steps.
        times: (M,) ms, in any order.
        trace: (M,) one sweep at these times, in any unit; NaN if a sample is missing. It must be a single sweep: an
            average of sweeps has less noise.
        scale: the trace at g = 1, of either sign: the current of all channels. So ``scale / channels`` is the current
            of one.
        offset: the trace at g = 0.
        sigma: standard deviation of the white noise, which does not come from channels; positive. ``scale``, ``offset``
            and ``sigma`` are in the unit of the trace.
        channels: the number of receptors, any number above 0, also a fraction; None for so many that they make no
            noise.
        weights, varying, delay, overlap: as in `synkin.respond`. With `synkin.Jumps` they cannot be given, except
            ``overlap``.
        dtype: floating dtype; by default JAX's default float.

    Returns:
        A scalar. NaN if a traced argument is out of range.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension; or with ``channels`` a kernel
            that is not a set of states.

    P is the matrix of transition probabilities over the time to the next sample, m the expected occupancies, and C/n
    their covariance in n channels, given all samples so far. Before the next sample

        m <- P m,    C <- P C P' + diag(P m) - P diag(m) P'

    That sample y has the variance ``v = scale^2/n c'C c + sigma^2``, with c the conductances of the states. It adds
    ``-(log(2 pi v) + (y - scale c'm - offset)^2 / v) / 2`` to the result, and corrects

        m <- m + scale/n C c (y - scale c'm - offset) / v,    C <- C - scale^2/n C c c'C / v.

    At rest m is the state at rest, and C is ``diag(m) - m m'``. There is one approximation: the occupancies are taken
    as normally distributed, given the samples so far. So an entry of m may become slightly negative; it then adds
    nothing to C. Source: Moffatt 2007, Biophys. J. 93:74; Muench, Paul, Schmauder and Benndorf 2022, eLife 11:e62714.

    Example:
        >>> params, times = synkin.ampa.Params(T=1.0), np.arange(5.0)
        >>> trace = [0.0, -0.1, -4.1, -3.6, -2.8]  # pA
        >>> likelihood = lambda p: synkin.log_likelihood(
        ...     synkin.ampa, p, [1.0], times, trace, scale=-10.0, sigma=0.1, channels=50
        ... )
        >>> round(float(likelihood(params)), 2)
        1.17
        >>> bool(likelihood(params) > likelihood(params._replace(beta=2.0)))
        True
    """
    check_kernel(kernel)
    options: dict[str, Any] = {
        "weights": weights,
        "varying": varying,
        "delay": delay,
        "overlap": overlap,
        "dtype": dtype,
    }
    if channels is not None:
        given, seen = _bound(kernel, params, spike_times, times, trace, scale, offset, sigma, channels, options)
        return _log_likelihood(kernel, given, seen.trace, seen.scale, seen.offset, seen.sigma, seen.channels, overlap)
    if isinstance(spike_times, Jumps):
        course.check_alone(weights, varying, delay)
        edges, concentrations, values = spike_times
        g = concentration_jumps(kernel, params, edges, concentrations, times, varying=values, dtype=dtype)
    else:
        g = respond(
            kernel,
            params,
            spike_times,
            times,
            **options,
        )
    g = units.strip_unit("g", g, "mS")
    seen = check_observed(trace, len(g), scale, offset, sigma, None, g.dtype)
    return _of_mean(g, seen.trace, seen.scale, seen.offset, seen.sigma)


def predicted_samples(
    kernel: Kernel,
    params: AnyParams,
    spike_times: ArrayLike | Jumps,
    times: ArrayLike,
    trace: ArrayLike,
    *,
    scale: ArrayLike,
    offset: ArrayLike,
    sigma: ArrayLike,
    channels: ArrayLike,
    overlap: str = "restart",
    **options: Any,
) -> tuple[Array, Array]:
    """What `log_likelihood` expects of each sample, given all samples before: mean and variance, (M,) each.

    Of a trace of NaN, in which no sample is seen, these are the mean and variance of all sweeps. Arguments and what it
    raises are those of `log_likelihood`.
    """
    options = {"weights": None, "varying": None, "delay": 0.0, "dtype": None} | options | {"overlap": overlap}
    given, seen = _bound(kernel, params, spike_times, times, trace, scale, offset, sigma, channels, options)
    expected, variance = _predicted(
        kernel, given, seen.trace, seen.scale, seen.offset, seen.sigma, seen.channels, overlap
    )
    return seen.offset + seen.sigma * expected, seen.sigma**2 * variance


def _bound(
    kernel: Kernel,
    params: AnyParams,
    spike_times: ArrayLike | Jumps,
    times: ArrayLike,
    trace: ArrayLike,
    scale: ArrayLike,
    offset: ArrayLike,
    sigma: ArrayLike,
    channels: ArrayLike,
    options: dict[str, Any],
) -> tuple[Given, Observed]:
    """Checked arguments of the likelihood of a number of channels."""
    population.check_population(kernel)
    given, wanted, _ = course.bind(kernel, params, spike_times, times, **options)
    count = len(given.moments.place)
    return given, check_observed(trace, count, scale, offset, sigma, channels, wanted)


@jax.jit
def _of_mean(g: Array, trace: Array, scale: Array, offset: Array, sigma: Array) -> Array:
    seen = ~jnp.isnan(trace)
    off = (jnp.where(seen, trace, 0) - offset) / sigma - scale / sigma * g
    return jnp.where(seen, _log_density(off, jnp.ones_like(off), sigma), 0).sum()


def _log_density(off: Array, variance: Array, sigma: Array) -> Array:
    """Of a sample that is ``off`` from what is expected, and of that variance, both in units of sigma."""
    return -0.5 * (off * off / variance + jnp.log(variance)) - jnp.log(sigma) - 0.5 * math.log(2 * math.pi)


@partial(jax.jit, static_argnames=("kernel", "overlap"))
def _log_likelihood(
    kernel: Kernel,
    given: Given,
    trace: Array,
    scale: Array,
    offset: Array,
    sigma: Array,
    channels: Array,
    overlap: str,
) -> Array:
    expected, variance = _predicted(kernel, given, trace, scale, offset, sigma, channels, overlap)
    seen = ~jnp.isnan(trace)
    off = (jnp.where(seen, trace, 0) - offset) / sigma - expected
    return jnp.where(seen, _log_density(off, variance, sigma), 0).sum()


@partial(jax.jit, static_argnames=("kernel", "overlap"))
def _predicted(
    kernel: Kernel,
    given: Given,
    trace: Array,
    scale: Array,
    offset: Array,
    sigma: Array,
    channels: Array,
    overlap: str,
) -> tuple[Array, Array]:
    """Mean, less the offset, and variance of each sample given those before, in units of sigma, (M,) each."""
    path = course.course_of(kernel, given, overlap)
    moments, total = given.moments, len(path.at)
    # In units of sigma all is of the size of 1, whatever the unit of the trace.
    seen = ~jnp.isnan(trace)
    y = (jnp.where(seen, trace, 0) - offset) / sigma
    scale = scale / sigma
    # An event is a sample that is not seen.
    more = total - len(trace)
    y = jnp.concatenate([y, jnp.zeros(more, y.dtype)])[moments.sample_or_spike]
    seen = jnp.concatenate([seen, jnp.zeros(more, bool)])[moments.sample_or_spike]

    def block(carry: tuple[Array, Array], rows: tuple[Array, ...]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        at, on, off, *rest = rows
        propagators = course.propagators(path, at, on, off)
        conductances = jnp.broadcast_to(course.select(path.conductances, at), propagators.shape[:2])

        def moment(
            carry: tuple[Array, Array], row: tuple[Array, Array, Array, Array]
        ) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
            propagator, conductance, y, seen = row
            mean, covariance = _predict(*carry, propagator)
            spread = _matmul(covariance, conductance)
            expected = scale * (conductance * mean).sum()
            gain = scale * spread / channels
            variance = 1 + scale * (conductance * gain).sum()
            corrected = _correct(mean, covariance, conductance, scale, gain, spread, y - expected, variance)
            kept = jax.tree.map(partial(jnp.where, seen), corrected, (mean, covariance))
            return kept, (expected, variance)

        # The derivative keeps what goes from moment to moment, and computes the rest again.
        return jax.lax.scan(jax.checkpoint(moment, prevent_cse=False), carry, (propagators, conductances, *rest))

    mean = path.occupancies
    start = mean, jnp.diag(mean) - mean[:, None] * mean[None, :]
    start = loops.match_varying(start, (start, path, y, scale, sigma, channels))
    # Blocks of one length, filled up by moments at which nothing happens: a rest would be compiled once more.
    count = max(-(-total // course.BLOCK), 1)
    length = -(-total // count)
    filled = count * length
    rows = tuple(jnp.pad(a, (0, filled - total)) for a in (path.at, path.on, path.off, y, seen))
    whole = jax.checkpoint(block, prevent_cse=False)
    _, predicted = loops.in_blocks(whole, start, rows, filled, length)
    expected, variance = predicted
    return expected[moments.place], variance[moments.place]


def _predict(mean: Array, covariance: Array, propagator: Array) -> tuple[Array, Array]:
    """Mean and covariance after a stretch; see `log_likelihood`."""
    there = jnp.where(mean < 0, 0, mean)
    # What receptors that move at random add: outside of the diagonal -P diag(m) P', and as its rows sum to 0 the
    # diagonal needs no difference of large numbers.
    shared = _matmul(propagator * there[None, :], propagator.T)
    eye = jnp.eye(len(mean), dtype=bool)
    shared = jnp.where(eye, 0, shared)
    added = jnp.where(eye, shared.sum(axis=1), -shared)
    return _matmul(propagator, mean), _matmul(_matmul(propagator, covariance), propagator.T) + added


def _correct(
    mean: Array,
    covariance: Array,
    conductance: Array,
    scale: Array,
    gain: Array,
    spread: Array,
    off: Array,
    variance: Array,
) -> tuple[Array, Array]:
    """Mean and covariance after a sample; the covariance as a sum of squares, which rounding makes not negative.

    Args:
        mean, covariance, conductance, scale, off, variance: see `log_likelihood`, with sigma = 1.
        gain: scale/n C c.
        spread: C c.
    """
    left = jnp.eye(len(mean), dtype=mean.dtype) - scale / variance * gain[:, None] * conductance[None, :]
    noise = scale / variance * gain[:, None] * (spread / variance)[None, :]
    return mean + gain * off / variance, _matmul(_matmul(left, covariance), left.T) + noise


def _matmul(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
