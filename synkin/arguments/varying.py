"""Parameters that vary during a run: their names, and their values, which are held over a step or a stretch."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from synkin.arguments import fields, units
from synkin.arguments.choices import check_flag
from synkin.arguments.declaration import AnyParams, AnyState, KernelDeclaration
from synkin.arguments.inputs import StartsPulse, StartsWeightedPulse
from synkin.arguments.known import concrete_value
from synkin.arguments.messages import describe
from synkin.arguments.numbers import (
    Shape,
    as_array,
    as_float64,
    as_floating,
    as_real,
    broadcasts,
    check_number,
    float_dtype,
    in_range,
    nan_unless,
)
from synkin.arguments.params_and_states import check_params, check_range, check_state, nan_if_invalid
from synkin.arguments.times import check_dt, check_in_order, check_times, nan_if_invalid_dt, nan_if_unordered

# The range of a parameter in mV where nothing else is known of it: that of membranes.
_VOLTAGES = (-120.0, 80.0)


def check_mapping(varying: object) -> None:
    """Raise TypeError unless ``varying`` has names and values."""
    if not isinstance(varying, Mapping):
        raise TypeError(
            f"Argument `varying` must be a dict of names and values, as in {{'V': values}}, but is {describe(varying)}."
        )


def check_names(kernel: KernelDeclaration, names: Iterable[str]) -> tuple[str, ...]:
    """The names of parameters that vary.

    Raises:
        TypeError: not names.
        ValueError: a name that is no parameter, or that of a parameter that cannot vary.
    """
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"Argument `varying` must be names of parameters, as in ('V',), but is {describe(names)}.")
    for name in names:
        if name not in kernel.parameters:
            listed = ", ".join(kernel.parameters)
            raise ValueError(f"Parameter `{name}`, which varies, must be one of {kernel.name} ({listed}), but is none.")
        if isinstance(kernel.input, StartsPulse) and kernel.bare(name) == "T_dur":
            raise ValueError(
                f"Parameter `{name}` must not vary, as the length of a pulse is counted in steps: give each "
                "synapse its own, or let T vary."
            )
        if name.startswith("g_") and kernel.bare(name) == "g":
            raise ValueError(
                f"Parameter `{name}` must not vary, as it is a relative conductance: multiply the parts yourself."
            )
    return tuple(names)


def check_value(kernel: KernelDeclaration, name: str, value: Any, rows: int | None, shape: Shape | None) -> Any:
    """Values of one parameter, in its unit; where they are traced and out of range NaN.

    Args:
        kernel: its kernel.
        name: of the parameter.
        value: numbers.
        rows: the length of the first axis, None where there is no such axis.
        shape: to which all other axes broadcast, None where that is not known yet.

    Raises:
        TypeError, ValueError: not real numbers, of another dimension, of a shape that does not fit, or out of range.
    """
    value = as_real(name, units.parameter(kernel, name, value), "Parameter")
    got = np.shape(value)
    if rows is not None and (not got or got[0] != rows):
        raise ValueError(
            f"Parameter `{name}`, which varies, must have {rows} value{'s' * (rows != 1)}, but has shape {got}."
        )
    own = got if rows is None else got[1:]
    if shape is not None and not broadcasts(own, shape):
        expected = str(shape) if rows is None else "(" + ", ".join(map(str, (rows, *shape))) + ")"
        raise ValueError(f"Parameter `{name}`, which varies, must broadcast to shape {expected}, but has shape {got}.")
    record, known = kernel.parameters[name], concrete_value(value)
    if known is None:
        return nan_unless(value, in_range(record, as_floating(value), jnp))
    check_range(name, known, record)
    return value


def check_recordings(kernel: KernelDeclaration, name: str, value: Any, count: int | None, shape: Shape | None) -> Any:
    """As `check_value`, but the values of R recordings may have a row each, (R, count)."""
    value = as_float64(name, units.parameter(kernel, name, value))
    for row in np.atleast_2d(value):
        check_value(kernel, name, row, count, shape)
    return value


# What checks the values of one parameter: `check_value`, or `check_recordings`.
Check: TypeAlias = Callable[[KernelDeclaration, str, Any, int | None, Shape | None], Any]


def check_stretches(
    kernel: KernelDeclaration, varying: Mapping[str, Any], count: int, check: Check = check_value
) -> dict[str, Any]:
    """Values of parameters that are constant over each of ``count`` stretches between edges; ``check`` checks them.

    Raises:
        TypeError, ValueError: names or values that make no sense, or those of T, which the concentrations are.
    """
    names = check_names(kernel, varying)
    for name in names:
        if kernel.bare(name) == "T":
            raise ValueError(f"Argument `varying` must not have `{name}`, as the concentrations are given, but has.")
    return {name: check(kernel, name, varying[name], count, ()) for name in names}


def bind_pieces(
    kernel: KernelDeclaration, varying: Mapping[str, Any], check: Check = check_value
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The edges in ms and the values of parameters that are constant between edges; ``check`` checks the values.

    Raises:
        TypeError, ValueError: names, edges or values that make no sense.
    """
    check_mapping(varying)
    edges, values = {}, {}
    for name in check_names(kernel, varying):
        if isinstance(kernel.input, StartsPulse) and kernel.bare(name) == "T":
            raise ValueError(
                f"Argument `varying` must not have `{name}`, which pulses have: give their heights as `weights`, or "
                "take synkin.concentration_jumps."
            )
        pair = varying[name]
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise TypeError(f"Argument `varying` must give `{name}` as (edges, values), but gives {describe(pair)}.")
        own = check_times("edges", units.strip_unit("edges", pair[0], "ms"), sort=False)
        check_in_order("edges", own)
        if np.ndim(own) != 1 or len(own) < 2:
            raise ValueError(f"The edges of `{name}` must have shape (E + 1,), but have shape {np.shape(own)}.")
        edges[name] = nan_if_unordered(own)
        values[name] = check(kernel, name, pair[1], len(own) - 1, ())
    return edges, values


def bounds(kernel: KernelDeclaration, values: Mapping[str, Any], dtype: Any) -> dict[str, tuple[Array, Array]]:
    """The lowest and highest value of each parameter of which that is known; of a voltage those of membranes."""
    found = {}
    for name, value in values.items():
        known = concrete_value(value)
        if known is not None and known.size:
            found[name] = (float(known.min()), float(known.max()))
        elif kernel.parameters[name].unit == "mV":
            found[name] = _VOLTAGES
    return {name: (as_array(low, dtype), as_array(high, dtype)) for name, (low, high) in found.items()}


def given_bounds(
    kernel: KernelDeclaration, given: Mapping[str, Any] | Iterable[str], dtype: Any
) -> tuple[tuple[str, ...], dict[str, tuple[Array, Array]]]:
    """The names that vary in a stepper, and the bounds that are given for them or known.

    Raises:
        TypeError, ValueError: names or bounds that make no sense.
    """
    names = check_names(kernel, given if isinstance(given, Mapping) else tuple(given))
    found: dict[str, tuple[float, float]] = {}
    for name in names:
        bound = given[name] if isinstance(given, Mapping) else None
        if bound is None:
            if kernel.parameters[name].unit == "mV":
                found[name] = _VOLTAGES
            continue
        pair = [concrete_value(check_value(kernel, name, end, None, ())) for end in bound]
        ends = [float(end) for end in pair if end is not None]
        if len(pair) != 2 or len(ends) != 2 or not ends[0] < ends[1]:
            raise ValueError(
                f"Argument `varying` must give `{name}` as (lowest, highest), two numbers that are known, but gives "
                f"{describe(bound)}."
            )
        found[name] = (ends[0], ends[1])
    return names, {name: (as_array(low, dtype), as_array(high, dtype)) for name, (low, high) in found.items()}


def transmitter_varies(kernel: KernelDeclaration, names: Iterable[str]) -> bool:
    """Whether the concentration in the cleft is given, in place of spikes.

    Raises:
        ValueError: it is given for some parts of a sum and not for others.
    """
    if not isinstance(kernel.input, StartsPulse):
        return False
    concentrations = [name for name in kernel.parameters if kernel.bare(name) == "T"]
    given = [name for name in concentrations if name in (*names,)]
    if given and len(given) < len(concentrations):
        missing = next(name for name in concentrations if name not in given)
        raise ValueError(
            f"Parameter `{missing}` must vary, too, where that of another part of {kernel.name} does, but does not."
        )
    return bool(given)


def check_spikes_given(spikes: object, T_varies: bool, name: str = "spikes") -> None:
    """Raise ValueError unless there are either spikes or a concentration that varies."""
    if T_varies and spikes is not None:
        raise ValueError(f"Argument `{name}` must be None where T varies, as T is the concentration in the cleft then.")
    if not T_varies and spikes is None:
        raise ValueError(f"Argument `{name}` must be given, but is None, which is only for a T that varies.")


@dataclass(frozen=True)
class VaryingTrain:
    """A run on a grid in which parameters vary, or in which each pulse has a height."""

    params: AnyParams  # arrays of the dtype of the state
    spikes: Array | None  # (T, *shape)
    values: dict[str, Array]  # (T, ...) of each parameter that varies
    bounds: dict[str, tuple[Array, Array]]
    highest_weight: Array  # of all weights, but 1 at least; where these are traced 1
    dt: Array
    given_dt: Any  # ms, checked
    state: AnyState
    weight: Array | None  # of the pulses that are under way
    at_rest: bool
    has_units: bool
    rows: int


def bind_varying_train(
    kernel: KernelDeclaration,
    params: AnyParams,
    spikes: ArrayLike | None,
    dt: ArrayLike,
    *,
    varying: Mapping[str, ArrayLike],
    weighted: bool,
    state: AnyState,
    t0: ArrayLike,
    dtype: DTypeLike | None,
) -> VaryingTrain:
    """The arguments of a run on a grid with ``varying=`` or ``weighted=True``.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.
    """
    check_mapping(varying)
    names = check_names(kernel, varying)
    weighted = check_weighted(kernel, check_flag("weighted", weighted), names)
    T_varies = transmitter_varies(kernel, names)
    check_spikes_given(spikes, T_varies)
    has_units = units.among(params, spikes, dt, state, t0, *varying.values())
    params, weight = units.params(kernel, params), None
    if weighted and isinstance(state, WeightedState):
        state, weight = state
    state = units.state(state, kernel)
    check_number("t0", units.strip_unit("t0", t0, "ms"), np.isfinite, "a finite number of ms")
    dt = nan_if_invalid_dt(check_dt(units.strip_unit("dt", dt, "ms")))
    at_rest = state is None
    if not at_rest:
        state = check_state(kernel, state)
    shape = None if at_rest else state[0].shape
    kind = StartsWeightedPulse() if weighted else kernel.input
    train, plain = None, None
    if spikes is not None:
        plain = units.strip_unit("spikes", spikes, kind.unit)
        train = kind.check_train(plain, shape)
        rows, shape = len(train), train.shape[1:]
    else:
        sizes = {name: np.shape(as_real(name, units.parameter(kernel, name, varying[name]))) for name in names}
        rows = max((size[0] for size in sizes.values() if size), default=0)
        if shape is None:
            shape = np.broadcast_shapes(*(size[1:] for size in sizes.values()))
    values = {name: check_value(kernel, name, varying[name], rows, shape) for name in names}
    begins = params
    if rows:
        begins = params._replace(**{name: value[0] for name, value in values.items()})
    begins = nan_if_invalid(check_params(begins, shape, kernel), kernel)
    if at_rest:
        state = kernel.rest_state(begins, shape, float_dtype(dtype))
    state = kind.nan_if_invalid_state(state, begins, True if plain is None else plain)
    wanted = state[0].dtype
    known = concrete_value(plain) if weighted else None
    highest = 1.0 if known is None or not known.size else max(1.0, float(known.max()))
    return VaryingTrain(
        params=jax.tree.map(partial(as_array, dtype=wanted), begins),
        spikes=train,
        values={name: as_array(value, wanted) for name, value in values.items()},
        bounds=bounds(kernel, values, wanted),
        highest_weight=as_array(highest, wanted),
        dt=as_array(dt, wanted),
        given_dt=dt,
        state=state,
        weight=None if weight is None else as_array(as_real("state.weight", weight), wanted),
        at_rest=at_rest,
        has_units=has_units,
        rows=rows,
    )


@fields.described
class WeightedState(NamedTuple):
    """The state of a run with ``weighted=True``, which a later one may start from."""

    state: Annotated[Any, "the kernel's ``State``"]
    weight: Annotated[
        Array | None,
        "the height of the latest pulses, in units of T: shape of the state, or (parts, *shape); None for 1",
    ]


def check_weighted(kernel: KernelDeclaration, weighted: bool, names: Iterable[str]) -> bool:
    """``weighted``, where pulses may have a height each.

    Raises:
        ValueError: a kernel whose inputs are weights anyway, or one in which T varies.
    """
    if weighted and not isinstance(kernel.input, StartsPulse):
        raise ValueError(
            f"Argument `weighted` is for receptors, whose spikes start pulses, but {kernel.name} takes weights anyway."
        )
    if weighted and transmitter_varies(kernel, names):
        raise ValueError("Argument `weighted` must be False where T varies, as there are no spikes then, but is True.")
    return weighted
