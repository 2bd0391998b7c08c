"""All arguments of a public function at once: units removed, values checked and cast.

Each function here takes the arguments of a public function as they were given, and returns a small record of the values
to compute with. A traced value cannot be refused: the record holds NaN in place of an invalid one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from synkin.arguments import units
from synkin.arguments.choices import check_kernel, check_random_key
from synkin.arguments.declaration import AnyParams, AnyState, Declaration, KernelDeclaration
from synkin.arguments.inputs import AddsWeight, StartsPulse
from synkin.arguments.known import concrete_value
from synkin.arguments.numbers import (
    Real,
    as_array,
    check_concentration,
    check_number,
    check_whole,
    float_dtype,
)
from synkin.arguments.params_and_states import check_params, check_state, common_shape, nan_if_invalid
from synkin.arguments.times import (
    Times,
    arrivals,
    check_delay,
    check_delays,
    check_dt,
    check_in_order,
    check_not_before,
    check_times,
    nan_if_invalid_dt,
    nan_if_invalid_times,
    nan_if_unordered,
    ordered,
    padded,
)
from synkin.arguments.varying import check_mapping, check_stretches

AnyKernel = TypeVar("AnyKernel", bound=KernelDeclaration)
# A train whose spikes are delayed may hold any finite numbers, or booleans.
_ANY_NUMBERS = AddsWeight(())
# Takes the kernel, its checked parameters and a dtype.
RestState: TypeAlias = Callable[[AnyKernel, AnyParams, DTypeLike], AnyState]


@dataclass(frozen=True)
class Steps:
    """The parameters and dt of steps on a grid."""

    given_params: AnyParams  # checked, of any dtype; still concrete if they were given so
    params: AnyParams  # arrays of the dtype of the state
    given_dt: Real  # ms, checked; still concrete if it was given so
    dt: Array  # ms, of the dtype of the state
    dtype: np.dtype
    has_units: bool  # whether the result is to be a quantity


@dataclass(frozen=True)
class OneStep(Steps):
    """A step: one spike, broadcast to the shape of the state."""

    spike: Array
    state: AnyState


@dataclass(frozen=True)
class Train(Steps):
    """A run on a grid."""

    spikes: Array  # (T, *shape)
    state: AnyState
    at_rest: bool  # whether no state was given


@dataclass(frozen=True)
class Events:
    """A run between spike times."""

    params: AnyParams  # arrays
    state: AnyState
    spike_times: Times  # (K,) ms, sorted and padded
    inputs: Array  # (K,) weights, or True for spikes of a receptor
    times: Times  # (M,) ms
    start: Real | None  # ms, the time of the given state; None if none was given
    dtype: np.dtype
    has_units: bool  # whether the result is to be a quantity


@dataclass(frozen=True)
class Protocol:
    """A run through concentrations that are constant between edges."""

    params: AnyParams  # arrays
    state: AnyState
    edges: Times  # (K + 1,) ms
    concentrations: Real  # (K,) mM
    times: Times  # (M,) ms
    dtype: np.dtype
    has_units: bool  # whether the result is to be a quantity
    values: dict[str, Array]  # (K + 1,) of each parameter that varies, the last one after the last edge


@dataclass(frozen=True)
class Releases:
    """The spikes of one synapse with short-term plasticity, from rest."""

    given_params: AnyParams  # checked, of any dtype; still concrete if they were given so
    state: AnyState
    spike_times: Times  # (K,) ms, in the order in which they were given
    dtype: np.dtype


@dataclass(frozen=True)
class Delays:
    """A spike train on a grid, whose spikes are to arrive later."""

    spikes: Array  # (T, *shape)
    delay: Real  # ms
    dt: Real  # ms
    unit: str  # of the spikes: "mS" or "1"
    has_units: bool  # whether the result is to be a quantity


def bind_steps(declared: Declaration, params: AnyParams, dt: ArrayLike, *, dtype: DTypeLike | None) -> Steps:
    """The arguments of `synkin.stepper`, or of the stepper of short-term plasticity.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.
    """
    params = units.params(declared, params)
    params = nan_if_invalid(check_params(params, common_shape(params, declared), declared), declared)
    dt = _dt(dt)
    wanted = float_dtype(dtype)
    return Steps(params, cast(params, wanted), dt, as_array(dt, wanted), wanted, False)


def bind_step(
    declared: Declaration, params: AnyParams, state: AnyState, t: ArrayLike, spike: ArrayLike, dt: ArrayLike
) -> OneStep:
    """The arguments of a ``step`` of a kernel, or of short-term plasticity.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.
    """
    has_units = units.among(params, state, t, spike, dt)
    params, state = units.params(declared, params), check_state(declared, units.state(state, declared))
    units.strip_unit("t", t, "ms")
    dt = _dt(dt)
    params = nan_if_invalid(check_params(params, state[0].shape, declared), declared)
    plain = units.strip_unit("spike", spike, declared.input.unit)
    checked = declared.input.check_spike(plain, state[0])
    state = declared.input.nan_if_invalid_state(state, params, plain)
    dtype = state[0].dtype
    return OneStep(params, cast(params, dtype), dt, as_array(dt, dtype), dtype, has_units, checked, state)


def bind_train(
    declared: Declaration,
    params: AnyParams,
    spikes: ArrayLike,
    dt: ArrayLike,
    *,
    state: AnyState,
    dtype: DTypeLike | None,
    t0: ArrayLike = 0.0,
) -> Train:
    """The arguments of a run on a grid.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.
    """
    has_units = units.among(params, spikes, dt, state, t0)
    params, state = units.params(declared, params), units.state(state, declared)
    plain, dt = units.strip_unit("spikes", spikes, declared.input.unit), units.strip_unit("dt", dt, "ms")
    check_number("t0", units.strip_unit("t0", t0, "ms"), np.isfinite, "a finite number of ms")
    dt = _dt(dt)
    at_rest = state is None
    if not at_rest:
        state = check_state(declared, state)
    checked = declared.input.check_train(plain, None if at_rest else state[0].shape)
    shape = checked.shape[1:]
    params = nan_if_invalid(check_params(params, shape, declared), declared)
    if at_rest:
        state = declared.rest_state(params, shape, float_dtype(dtype))
    state = declared.input.nan_if_invalid_state(state, params, plain)
    wanted = state[0].dtype
    return Train(params, cast(params, wanted), dt, as_array(dt, wanted), wanted, has_units, checked, state, at_rest)


def bind_events(
    kernel: AnyKernel,
    params: AnyParams,
    spike_times: ArrayLike,
    times: ArrayLike,
    *,
    weights: ArrayLike | None,
    delay: ArrayLike,
    state: AnyState,
    t0: ArrayLike,
    overlap: str,
    dtype: DTypeLike | None,
    rest: RestState[AnyKernel],
    weighted: bool = False,
) -> Events:
    """The arguments of `synkin.respond`; ``rest`` gives the state at rest of checked parameters.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.
    """
    check_kernel(kernel)
    has_units = units.among(params, spike_times, times, weights, delay, state, t0)
    params, state = units.params(kernel, params), units.state(state, kernel)
    spike_times, times = units.strip_unit("spike_times", spike_times, "ms"), units.strip_unit("times", times, "ms")
    weights = units.strip_unit("weights", weights, kernel.input.unit)
    t0 = units.strip_unit("t0", t0, "ms")
    kernel.input.check_overlap(overlap)
    params = check_params(params, (), kernel)
    if state is not None:
        state = check_state(kernel, state, ())
    wanted = float_dtype(dtype) if state is None else state[0].dtype
    spike_times = check_times("spike_times", spike_times, sort=True)
    spike_times = arrivals(spike_times, check_delay(units.strip_unit("delay", delay, "ms")))
    times = check_times("times", times, sort=False)
    t0 = check_number("t0", t0, np.isfinite, "a finite number of ms")
    if weights is not None:
        weights = kernel.input.check_weights(weights, np.shape(spike_times))
    start = None if state is None else t0
    if start is not None:
        check_not_before("spike_times", spike_times, t0)
        check_not_before("times", times, t0)
    spike_times = nan_if_invalid_times(spike_times, start, sort=True)
    times = nan_if_invalid_times(times, start, sort=False)
    if state is None:
        state = rest(kernel, params, wanted)
    inputs = None
    if weighted or kernel.input.takes_weights:
        inputs = jnp.ones(np.shape(spike_times), wanted) if weights is None else as_array(weights, wanted)
    spike_times, inputs = ordered(*padded(spike_times, inputs))
    if inputs is None:
        inputs = jnp.ones(np.shape(spike_times), bool)
    params = nan_if_invalid(params, kernel)
    state = kernel.input.nan_if_invalid_state(state, params, True)
    return Events(cast(params, wanted), state, spike_times, inputs, times, start, wanted, has_units)


def bind_protocol(
    kernel: AnyKernel,
    params: AnyParams,
    edges: ArrayLike,
    concentrations: ArrayLike,
    times: ArrayLike,
    *,
    varying: Mapping[str, ArrayLike] | None,
    state: AnyState,
    dtype: DTypeLike | None,
    rest: RestState[AnyKernel],
) -> Protocol:
    """The arguments of `synkin.concentration_jumps`; ``rest`` as for `bind_events`.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.
    """
    check_kernel(kernel)
    if not isinstance(kernel.input, StartsPulse):
        raise ValueError(
            f"Argument `kernel` must be a receptor, which has a transmitter, but {kernel.name} is a linear kernel."
        )
    check_mapping(varying or {})
    has_units = units.among(params, edges, concentrations, times, state, *(varying or {}).values())
    params, state = units.params(kernel, params), units.state(state, kernel)
    edges, times = units.strip_unit("edges", edges, "ms"), units.strip_unit("times", times, "ms")
    concentrations = units.strip_unit("concentrations", concentrations, "mM")
    values = check_stretches(kernel, varying or {}, np.size(concentrations))
    begins = params._replace(**{name: value[0] for name, value in values.items()}) if values else params
    params = nan_if_invalid(check_params(begins, (), kernel), kernel)
    edges = check_times("edges", edges, sort=False)
    times = check_times("times", times, sort=False)
    concentrations = check_concentration("concentrations", concentrations)
    if np.shape(edges) != (np.size(concentrations) + 1,) or np.ndim(concentrations) != 1:
        raise ValueError(
            "Argument `edges` must have shape (K + 1,) for `concentrations` of shape (K,), but they have shapes "
            f"{np.shape(edges)} and {np.shape(concentrations)}."
        )
    check_in_order("edges", edges)
    start = None
    if state is not None:
        state = check_state(kernel, state, ())
        start = as_array(edges)[0] if concrete_value(edges) is None else np.asarray(edges)[0]
        check_not_before("times", times, start)
    wanted = float_dtype(dtype) if state is None else state[0].dtype
    edges = nan_if_unordered(edges)
    times = nan_if_invalid_times(times, start, sort=False)
    if state is None:
        state = rest(kernel, params, wanted)
    after = {name: as_array(value, wanted) for name, value in values.items()}
    after = {name: jnp.concatenate([value, value[-1:]]) for name, value in after.items()}
    return Protocol(cast(params, wanted), state, edges, concentrations, times, wanted, has_units, after)


def bind_releases(
    declared: Declaration, params: AnyParams, spike_times: ArrayLike, *, dtype: DTypeLike | None
) -> Releases:
    """The arguments of `synkin.tsodyks_markram.release`, without those of random release.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.
    """
    params = units.params(declared, params)
    params = nan_if_invalid(check_params(params, (), declared), declared)
    wanted = float_dtype(dtype)
    times = check_times("spike_times", units.strip_unit("spike_times", spike_times, "ms"), sort=True)
    times = nan_if_invalid_times(times, sort=True)
    rest = declared.rest_state(params, (), wanted)
    state = declared.input.nan_if_invalid_state(rest, params, True)
    return Releases(params, state, times, wanted)


def bind_random(key: object, n: object) -> int | None:
    """The number of release sites ``n``, or None if release is not random, when neither ``key`` nor ``n`` is given.

    Raises:
        TypeError, ValueError: no random key, no whole number of sites, or one without the other.
    """
    if key is None and n is None:
        return None
    if key is None or n is None:
        missing = "key" if key is None else "n"
        raise ValueError(f"Arguments `key` and `n` must be given together, but `{missing}` is not.")
    check_random_key("key", key)
    return check_whole("n", n)


def bind_delays(spikes: ArrayLike, delay: ArrayLike, dt: ArrayLike) -> Delays:
    """The arguments of `synkin.delayed`.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.
    """
    unit = "mS" if units.has_dimension(spikes, "mS") else "1"
    has_units = units.is_quantity(spikes)
    train = _ANY_NUMBERS.check_train(units.strip_unit("spikes", spikes, unit), None)
    step = _dt(dt)
    checked = check_delays(units.strip_unit("delay", delay, "ms"), train.shape[1:])
    return Delays(train, checked, step, unit, has_units)


def cast(params: AnyParams, dtype: DTypeLike) -> AnyParams:
    """Checked parameters as arrays of ``dtype``."""
    return jax.tree.map(partial(as_array, dtype=dtype), params)


def _dt(dt: object) -> Real:
    return nan_if_invalid_dt(check_dt(units.strip_unit("dt", dt, "ms")))
