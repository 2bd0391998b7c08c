"""What a population of receptors goes through: spikes, changes and samples in the order of time, and the rates between.

For `synkin.sample` and `synkin.log_likelihood`, which go from each moment to the next. Occupancies after a stretch are
those before times its propagator, be it drawn or expected, so that nothing depends on where the stretches are cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from synkin.arguments import units
from synkin.arguments.bind import bind_events, bind_protocol
from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.numbers import as_array
from synkin.arguments.varying import bind_pieces
from synkin.runs import gated_events, stretches, varying_events
from synkin.runs.protocol import Jumps
from synkin.solving import limits, loops, pulses
from synkin.solving.channels import population
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators.equations import generator
from synkin.solving.propagators.matrix_exponential import SquaringTable, apply_by_squaring, squaring_table

# Of `squaring_table`, of C sets of parameters: the rates, (C, S, S) /ms, and the arrays that follow from them.
Table: TypeAlias = tuple[Array, Array, Array]

# The number of moments whose propagators are kept at a time.
BLOCK = 256


class Given(NamedTuple):
    """Checked arguments; after the start there are E events, and M samples."""

    params: AnyParams  # scalars
    values: dict[str, Array]  # (E + 1,) of each parameter that varies: at the start, and from each event on
    state: AnyState  # at the start
    spike: Array | None  # (E,) bool, whether an event is a spike; None where the concentration is given
    weight: Array | None  # (E,) of these spikes; None where all are 1
    before: Array  # (E,) ms from the event before, or the start, to each
    moments: gated_events.Moments


class Course(NamedTuple):
    """The rates and lengths of the L = M + E stretches from moment to moment, of which the first begins at the start.

    There are C sets of parameters, 1 or one for the start and each event.
    """

    occupancies: Array  # (S,) at the start
    table: Table  # with transmitter
    resting: Table | None  # without; None where there are no pulses
    conductances: Array  # (C, S) g where all receptors are in a state
    at: Array  # (L,) the set of parameters
    on: Array  # (L,) ms with transmitter
    off: Array  # (L,) ms without, which come later


def bind(
    kernel: Kernel,
    params: AnyParams,
    protocol: ArrayLike | Jumps,
    times: ArrayLike,
    *,
    weights: ArrayLike | None,
    varying: Mapping[str, tuple[ArrayLike, ArrayLike]] | None,
    delay: ArrayLike,
    overlap: str,
    dtype: DTypeLike | None,
) -> tuple[Given, np.dtype, bool]:
    """The arguments that `synkin.sample` and `synkin.log_likelihood` share; the dtype; whether there are units.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.
    """
    if isinstance(protocol, Jumps):
        check_alone(weights, varying, delay)
        return _bind_jumps(kernel, params, protocol, times, dtype)
    edges, values = bind_pieces(kernel, varying or {})
    begins = params._replace(**{name: value[0] for name, value in values.items()}) if values else params
    given = bind_events(
        kernel,
        begins,
        protocol,
        times,
        weights=weights,
        weighted=True,
        delay=delay,
        state=None,
        t0=0.0,
        overlap=overlap,
        dtype=dtype,
        rest=limits.at_rest,
    )
    inner = [edge[1:-1] for edge in edges.values()]
    inputs = given.inputs.astype(given.dtype)
    events, spike, weight = stretches.merge_moments(given.spike_times, inputs, inner, given.dtype)
    start = _earliest(events, given.times)
    at = {name: stretches.values_at(events, edges[name], value, start) for name, value in values.items()}
    at = {name: jnp.asarray(value, given.dtype) for name, value in at.items()}
    has_units = given.has_units or units.among(*(part for pair in (varying or {}).values() for part in pair))
    before, moments = _arranged(events, given.times, start, given.dtype)
    heights = None if weights is None else weight
    return Given(given.params, at, given.state, spike, heights, before, moments), given.dtype, has_units


def check_alone(weights: object, varying: object, delay: object) -> None:
    """Raise ValueError unless what goes with spike times is left out, as `Jumps` have no spikes."""
    for name, value, none in (("weights", weights, None), ("varying", varying, None), ("delay", delay, 0.0)):
        if not (value is none or (name == "delay" and isinstance(value, int | float) and value == 0)):
            raise ValueError(
                f"Argument `{name}` must be left out with synkin.Jumps in place of spike times, but is given."
            )


def _bind_jumps(
    kernel: Kernel, params: AnyParams, protocol: Jumps, times: ArrayLike, dtype: DTypeLike | None
) -> tuple[Given, np.dtype, bool]:
    given = bind_protocol(
        kernel,
        params,
        protocol.edges,
        protocol.concentrations,
        times,
        varying=protocol.varying,
        state=None,
        dtype=dtype,
        rest=limits.at_rest,
    )
    T = as_array(given.concentrations, given.dtype)
    none = jnp.zeros_like(T, shape=1)
    values = {name: jnp.concatenate([value[:1], value]) for name, value in given.values.items()}
    values["T"] = jnp.concatenate([none, T, none])  # before the first edge, and after the last
    start = _earliest(given.edges, given.times)
    before, moments = _arranged(given.edges, given.times, start, given.dtype)
    return Given(given.params, values, given.state, None, None, before, moments), given.dtype, given.has_units


def _earliest(events: Any, times: Any) -> Any:
    """The time of the first event or sample, ms; what is at rest is so before it, too."""
    traced = any(isinstance(t, jax.Array) for t in (events, times))
    xp = jnp if traced else np
    first = xp.concatenate([xp.asarray(events), xp.asarray(times)]).min(initial=xp.inf)
    return xp.where(xp.isinf(first), 0.0, first)


def _arranged(events: Any, times: Any, start: Any, dtype: DTypeLike) -> tuple[Array, gated_events.Moments]:
    _, before, latest, since = stretches.between(events, times, start, dtype)
    return stretches.cast((before, gated_events.moments(before, latest, since)), dtype)


def course_of(kernel: Kernel, given: Given, overlap: str) -> Course:
    """The course of a population, of checked arguments."""
    params, moments = given.params._replace(**given.values), given.moments
    on, off, resting, sets = moments.ms, jnp.zeros_like(moments.ms), None, params
    if given.spike is not None:
        T_dur = given.params.T_dur
        weight = jnp.ones_like(given.before) if given.weight is None else given.weight
        left, height = varying_events.pulses_after_events(
            params.T_dur, jnp.zeros_like(T_dur), given.spike, weight, given.before, overlap
        )
        on = _transmitter(left[moments.follows], moments)
        off = moments.ms - on
        resting = _table(generator(kernel, params, with_transmitter=False))
        if given.weight is not None:
            sets = params._replace(T=height * params.T)
    return Course(
        occupancies=population.occupancies(kernel, given.state),
        table=_table(generator(kernel, sets, with_transmitter=True)),
        resting=resting,
        conductances=_by_set(jnp.moveaxis(population.conductances(kernel, params), 0, -1), 1),
        at=moments.follows,
        on=on,
        off=off,
    )


def _transmitter(left: Array, moments: gated_events.Moments) -> Array:
    """The ms of transmitter in each stretch, of the ms that there are from its event on.

    However the lengths are rounded, a pulse ends in one stretch, which has its derivative.
    """
    # A pulse of no length has its derivative in the first stretch, too.
    there = (left > moments.earlier) | ((moments.earlier == 0) & (moments.elapsed > 0))
    rest = jnp.where(there, left - moments.earlier, jnp.zeros_like(left))
    ends = pulses.with_derivative_of(rest, jnp.minimum(rest, moments.ms))
    return jnp.where(left > moments.elapsed, moments.ms, ends)


def _table(rates: Array) -> Table:
    return squaring_table(_by_set(rates, 2), conserved=rates.shape[-1])[:-1]


def _by_set(values: Array, rank: int) -> Array:
    """Values of that rank with the axis of the sets of parameters in front."""
    return values if values.ndim > rank else values[None]


def select(values: Array, at: Array) -> Array:
    """Of values for each set of parameters those of some stretches, or the only one."""
    return values[at] if len(values) > 1 else values[0]


def propagators(course: Course, at: Array, on: Array, off: Array) -> Array:
    """The propagators of some stretches, (B, S, S); see `Course`."""
    states = course.occupancies.shape[0]
    p = jnp.broadcast_to(jnp.eye(states, dtype=on.dtype)[:, None, :], (states, len(at), states))
    for table, ms in ((course.table, on), (course.resting, off)):
        if table is not None:
            p = _after(table, p, at, ms)
    return jnp.moveaxis(p, 1, 0)


def _after(table: Table, p: Array, at: Array, ms: Array) -> Array:
    """Occupancies p, (S, B, S), each column of a start of its own, after stretches of ``ms``, (B,)."""
    generator, step, powers = table
    which = 0 if len(step) == 1 else jnp.repeat(at, p.shape[-1]).reshape(p.shape[1:])
    each = jnp.repeat(ms, p.shape[-1]).reshape(p.shape[1:])

    def apply(powers: Array, generator: Array, step: Array, p: Array, each: Array) -> Array:
        return apply_by_squaring(SquaringTable(generator, step, powers, conserved=len(p)), which, p, each)

    # Stretches shorter than the table's first, as between samples, need none of its powers, for each of which a
    # derivative would keep all p.
    is_long = loops.any_across_batch(~(ms < select(step, at)))
    by_powers = jax.checkpoint(apply, prevent_cse=False)
    after: Array = jax.lax.cond(
        is_long,
        by_powers,
        lambda powers, *rest: apply(powers[:0], *rest),
        *(powers, generator, step, p, each),
    )
    return after
