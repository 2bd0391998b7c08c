"""The arguments of a fit, checked and turned into a `Problem`."""

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.choices import check_kernel
from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_float64, check_number
from synkin.arguments.params_and_states import check_params
from synkin.arguments.times import check_delay
from synkin.declaring.kernel import Kernel
from synkin.fitting import samples
from synkin.fitting.problem import OWN, REACH, Problem, default_onset
from synkin.runs.protocol import Jumps
from synkin.solving import limits


def as_problem(
    kernel: Kernel,
    params: NamedTuple,
    spike_times: ArrayLike | Jumps,
    times: ArrayLike | Sequence[ArrayLike],
    trace: ArrayLike | Sequence[ArrayLike],
    *,
    free: str | Sequence[str],
    held: Mapping[str, bool | float | str],
    weights: ArrayLike | None,
    bounds: Mapping[str, tuple[float, float]],
    overlap: str,
    unit: str,
    delay: ArrayLike = 0.0,
    sigma: ArrayLike | None = None,
    tie: Mapping[str, str] | None = None,
    varying: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
) -> Problem:
    """The problem that the arguments of `synkin.fit` pose.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.
    """
    check_kernel(kernel)
    params = units.params(kernel, params)
    jumps = isinstance(spike_times, Jumps)
    weighted = weights is not None and not kernel.input.takes_weights
    if isinstance(spike_times, Jumps):
        spike_times, weights, varies = samples.as_protocol(kernel, spike_times, weights, varying)
    else:
        spike_times, weights = (
            units.strip_unit("spike_times", spike_times, "ms"),
            units.strip_unit("weights", weights, kernel.input.unit),
        )
        varies = samples.as_pieces(kernel, varying)
    trace, own_unit = samples.split_unit(trace)
    check_params(params, (), kernel)
    kernel.input.check_overlap(overlap)
    params = params._make(float(as_float64(f"params.{name}", value)) for name, value in params._asdict().items())
    limits.rests(kernel, params)
    times, trace, is_single = samples.as_samples(times, trace)
    spike_times, delay = as_float64("spike_times", spike_times), _as_delay(delay)
    if jumps:
        weights = as_float64("weights", weights)
        samples.check_edges(spike_times, weights, delay, times, len(trace), is_single)
    else:
        samples.check_spikes(spike_times, delay, times, len(trace), is_single)
        if weights is not None:
            weights = as_float64("weights", weights)
            kernel.input.check_weights(weights, spike_times.shape)
    samples.check_varying(varies, len(trace), is_single)
    sent, weights = samples.in_order_of_time(spike_times, np.ones_like(spike_times) if weights is None else weights)
    spike_times = sent + delay
    free = _check_free(kernel, params, free, varies)
    values = {name: _as_held(name, value) for name, value in held.items()}
    ties = _as_ties(kernel, params, free, varies, tie)
    own = tuple(name for name, value in values.items() if value is None)
    shared = tuple(name for name in own if isinstance(held[name], str))
    present = np.isfinite(trace)
    samples.check_trace(trace, present, is_single, len(free) + len(shared), len(own) - len(shared))
    lower, upper = _limits(kernel, params, free, own, bounds, spike_times[..., :1] if jumps else spike_times, times)
    repeats = [1] * len(free) + [1 if name in shared else len(trace) for name in own]
    return Problem(
        kernel=kernel,
        params=params._replace(**{name: getattr(params, other) for name, other in ties}),
        spike_times=spike_times,
        delay=delay,
        sent=sent,
        weights=weights,
        jumps=jumps,
        times=times,
        trace=np.where(present, trace, 0.0),
        present=present,
        importance=samples.importance(sigma, present, is_single),
        is_single=is_single,
        overlap=overlap,
        unit=own_unit or unit,
        free=free,
        logarithmic=tuple(not kernel.parameters[name].signed for name in free),
        ties=ties,
        own=own,
        shared=shared,
        held={name: value for name, value in values.items() if value is not None},
        lower=np.repeat(lower, repeats),
        upper=np.repeat(upper, repeats),
        weighted=weighted,
        varying=varies,
    )


def _check_free(
    kernel: Kernel, params: NamedTuple, free: str | Sequence[str], varying: Container[str]
) -> tuple[str, ...]:
    listed, name = ", ".join(params._fields), kernel.name
    if not isinstance(free, str | Sequence):
        raise TypeError(
            f"Argument `free` must be a name of {name}'s parameters or a list of them ({listed}), "
            f"but is {describe(free)}."
        )
    free = (free,) if isinstance(free, str) else tuple(free)
    if not free:
        raise ValueError(f"Argument `free` must name at least one parameter of {name} ({listed}), but is empty.")
    for parameter in free:
        if parameter not in params._fields:
            raise ValueError(f"Argument `free` must name parameters of {name} ({listed}), but has {parameter!r}.")
        if parameter in varying:
            raise ValueError(f"Argument `free` must not name `{parameter}`, which varies: its values are given.")
        if not kernel.parameters[parameter].signed and getattr(params, parameter) <= 0:
            raise ValueError(
                f"Parameter `{parameter}` must be positive to be fitted, but starts at {getattr(params, parameter)}."
            )
    if len(set(free)) < len(free):
        raise ValueError(f"Argument `free` must name each parameter once, but is {', '.join(free)}.")
    return free


def _as_held(name: str, value: object) -> float | None:
    """The value at which scale, offset or onset is held. None if it is fitted, for which True and "shared" stand."""
    if isinstance(value, str) and value == "shared":
        return None
    if isinstance(value, bool | np.bool_):
        return None if value else OWN[name]
    if isinstance(value, str):
        raise TypeError(f"Argument `{name}` must be True, False, 'shared' or a finite number, but is {value!r}.")
    return float(check_number(name, value, np.isfinite, "True, False, 'shared' or a finite number"))


def _as_delay(value: object) -> float:
    """``value``, a delay in ms that is known now."""
    if isinstance(value, bool | np.bool_):
        raise TypeError(
            "Argument `delay` must be a number of ms, but is "
            f"{value}: to fit a delay, fit an onset with bounds, as onset=True, bounds={{'onset': (0.0, 5.0)}}."
        )
    value = units.strip_unit("delay", value, "ms")
    as_float64("delay", value)
    return float(check_delay(value))


def _as_ties(
    kernel: Kernel,
    params: NamedTuple,
    free: tuple[str, ...],
    varying: Container[str],
    tie: Mapping[str, str] | None,
) -> tuple[tuple[str, str], ...]:
    """Each tied parameter with the free parameter whose value it has."""
    if tie is None:
        return ()
    if not isinstance(tie, Mapping):
        raise TypeError(f"Argument `tie` must be a dict from a parameter to a free one, but is {describe(tie)}.")
    for name, other in tie.items():
        held = [field for field in params._fields if field not in free and field not in varying]
        if name not in held:
            those = ", ".join(held) or "none left"
            raise ValueError(
                f"Argument `tie` must tie parameters of {kernel.name} that are not free ({those}), but has {name!r}."
            )
        if other not in free:
            raise ValueError(f"Argument `tie` must tie to what is free ({', '.join(free)}), but has {other!r}.")
        if kernel.parameters[name].signed != kernel.parameters[other].signed:
            raise ValueError(
                f"Parameters `{name}` and `{other}` must both be positive, or both of any sign, to be tied, but are "
                "not."
            )
    return tuple(tie.items())


def _limits(
    kernel: Kernel,
    params: NamedTuple,
    free: tuple[str, ...],
    own: tuple[str, ...],
    bounds: Mapping[str, tuple[float, float]],
    spike_times: np.ndarray,
    times: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bound of each free quantity in the search's coordinates, (P,) each."""
    start = {name: getattr(params, name) for name in free}
    positive = [name for name in free if not kernel.parameters[name].signed]
    default = {
        **{name: (start[name] / REACH, start[name] * REACH) for name in positive},
        "onset": default_onset(spike_times, times),
    }
    for name in bounds:
        if name not in (*free, *own):
            raise ValueError(
                f"Argument `bounds` must name what is free ({', '.join((*free, *own))}), but has {name!r}."
            )
    pairs = []
    for name in (*free, *own):
        given = bounds.get(name, default.get(name, (-np.inf, np.inf)))
        pair = as_float64("bounds", given)
        if pair.shape != (2,) or not pair[0] < pair[1]:
            raise ValueError(
                f"Argument `bounds` must have a lower and a higher number for `{name}`, but has {given!r:.60}."
            )
        if name in positive and pair[0] < 0:
            raise ValueError(f"Argument `bounds` must not be negative for `{name}`, but has {pair[0]}.")
        if name in start and not pair[0] <= start[name] <= pair[1]:
            raise ValueError(
                f"Parameter `{name}` must start within its bounds, {pair[0]} to {pair[1]}, but starts at {start[name]}."
            )
        with np.errstate(divide="ignore"):  # a lower bound of 0 has the logarithm -inf
            pairs.append(np.log(pair) if name in positive else pair)
    lower, upper = np.array(pairs).T.copy()
    return lower, upper
