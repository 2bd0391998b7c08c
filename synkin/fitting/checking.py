"""The arguments of a fit, checked and turned into a `Problem`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.choices import check_kernel
from synkin.arguments.declaration import AnyParams, Pytree
from synkin.arguments.messages import describe, describe_tuple
from synkin.arguments.numbers import as_float64, check_number
from synkin.arguments.params_and_states import check_params
from synkin.arguments.times import check_delay
from synkin.declaring.kernel import Kernel
from synkin.fitting import samples
from synkin.fitting.curves import AnyCurve, KernelCurve
from synkin.fitting.free import check_free
from synkin.fitting.functions import by_number, function_curve, numbers_of
from synkin.fitting.priors import as_priors
from synkin.fitting.problem import OWN, REACH, Problem, Tie, default_onset
from synkin.fitting.ties import as_ties, reversible_ties
from synkin.networks.plasticity import tsodyks_markram
from synkin.recordings.exclusion import Exclude, without
from synkin.runs.protocol import Jumps
from synkin.solving import limits
from synkin.solving.filters import Filter

# Where the search for a Q10 starts.
_Q10 = 2.5

Bounds = Mapping[str, tuple[float, float]]


class Asked(NamedTuple):
    """The arguments that `synkin.fit` and `synkin.fit_curve` have in common."""

    free: str | Sequence[str]
    held: Mapping[str, bool | float | str]  # scale, offset and onset
    own: str | Sequence[str] = ()
    bounds: Bounds | None = None
    sigma: ArrayLike | None = None
    tie: Mapping[str, str] | None = None
    unit: str = ""
    reversible: bool = False
    prior: Mapping[str, Sequence[Any]] | None = None
    filters: tuple[Filter, ...] = ()
    exclude: Exclude = None


class _Stimulus(NamedTuple):
    """What evoked the response, as the fields of `Problem` say."""

    spike_times: np.ndarray
    delay: float
    sent: np.ndarray
    weights: np.ndarray
    varying: samples.Varying


class _Samples(NamedTuple):
    """What was recorded."""

    times: np.ndarray  # (M,) or (R, M) ms
    trace: np.ndarray  # (R, M)
    is_single: bool
    unit: str  # that comes with the trace


def kernel_problem(
    kernel: Kernel,
    params: AnyParams,
    spike_times: ArrayLike | Jumps,
    times: ArrayLike | Sequence[ArrayLike],
    trace: ArrayLike | Sequence[ArrayLike],
    asked: Asked,
    *,
    weights: ArrayLike | str | None = None,
    release: AnyParams | None = None,
    overlap: str = "restart",
    delay: ArrayLike = 0.0,
    varying: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    temperature: ArrayLike | None = None,
) -> Problem:
    """The problem that the arguments of `synkin.fit` pose.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.
    """
    check_kernel(kernel)
    params = units.params(kernel, params)
    jumps = isinstance(spike_times, Jumps)
    with_free_weights = _asks_for_weights(weights, release, jumps)
    given_weights = None if isinstance(weights, str) else weights
    weighted = not jumps and not kernel.input.takes_weights and (weights is not None or release is not None)
    times_of_spikes: ArrayLike
    if isinstance(spike_times, Jumps):
        times_of_spikes, given_weights, varies = samples.as_protocol(kernel, spike_times, given_weights, varying)
    else:
        times_of_spikes, given_weights = (
            units.strip_unit("spike_times", spike_times, "ms"),
            units.strip_unit("weights", given_weights, kernel.input.unit),
        )
        varies = samples.as_pieces(kernel, varying)
    own = _as_names("own", asked.own)
    params = _kernel_params(kernel, params, own)
    kernel.input.check_overlap(overlap)
    recorded = _as_samples(times, trace, asked.exclude)
    stimulus = _as_stimulus(kernel, times_of_spikes, given_weights, varies, delay, recorded, jumps)
    curve = KernelCurve(kernel, overlap, jumps, weighted, filters=asked.filters)
    values = dict(params._asdict())
    if temperature is not None:
        degrees = _temperatures(temperature, len(recorded.trace))
        curve, own = replace(curve, reference=float(degrees[0])), (*own, "temperature")
        values |= {"Q10": _Q10, "temperature": degrees}
    asked = asked._replace(own=own)
    if release is not None:
        curve = replace(curve, releases=True)
        values |= _plasticity(release)
    elif with_free_weights:
        curve = replace(curve, free_weights=int(np.isfinite(np.atleast_2d(stimulus.sent)).sum(axis=1).max()))
        values |= dict.fromkeys(curve.weight_names, 1.0)
        asked = _with_weights(asked, curve, kernel)
    return _posed(curve, values, stimulus, recorded, asked)


def function_problem(
    function: Callable[[Pytree, jax.Array], jax.Array],
    start: Pytree,
    times: ArrayLike | Sequence[ArrayLike],
    trace: ArrayLike | Sequence[ArrayLike],
    asked: Asked,
    *,
    given_units: Mapping[str, str],
) -> Problem:
    """The problem that the arguments of `synkin.fit_curve` pose.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.
    """
    if not callable(function):
        raise TypeError(f"Argument `curve` must be a function of parameters and times, but is {describe(function)}.")
    recorded = _as_samples(times, trace, asked.exclude)
    own = _as_names("own", asked.own)
    curve, values, groups = function_curve(function, start, own, len(recorded.trace), given_units)
    free = asked.free
    if isinstance(free, str | Sequence):
        free = numbers_of((free,) if isinstance(free, str) else free, values, groups)
    bounds = by_number(asked.bounds, values, groups) if isinstance(asked.bounds, Mapping) else asked.bounds
    asked = asked._replace(free=free, own=numbers_of(own, values, groups), bounds=bounds)
    empty = np.zeros(0)
    curve = replace(curve, filters=asked.filters)
    return _posed(curve, values, _Stimulus(empty, 0.0, empty, empty, {}), recorded, asked)


def _posed(curve: AnyCurve, values: dict[str, Any], stimulus: _Stimulus, recorded: _Samples, asked: Asked) -> Problem:
    """The problem, given what is fitted, the parameters by name, stimulus and recording."""
    recordings, known = len(recorded.trace), curve.known
    _check_own(curve, values, tuple(asked.own), stimulus.varying, recorded)
    signed = {name: own.signed for name, own in known.items()}
    free = check_free(curve.name, signed, values, asked.free, stimulus.varying)
    held = {name: _as_held(name, value) for name, value in asked.held.items()}
    ties = as_ties(curve, free, (*stimulus.varying, *asked.own), asked.tie)
    if asked.reversible and isinstance(curve, KernelCurve):
        taken = (*stimulus.varying, *asked.own, *(tie.name for tie in ties))
        ties += reversible_ties(curve.kernel, values, free, taken)
        free = tuple(name for name in free if name not in {tie.name for tie in ties})
    own_parameters = tuple(name for name in free if name in asked.own)
    free = tuple(name for name in free if name not in asked.own)
    own = own_parameters + tuple(name for name, value in held.items() if value is None)
    shared = tuple(name for name in own if isinstance(asked.held.get(name), str))
    present = np.isfinite(recorded.trace)
    samples.check_trace(recorded.trace, present, recorded.is_single, len(free) + len(shared), len(own) - len(shared))
    bounds = {} if asked.bounds is None else asked.bounds
    if not isinstance(bounds, Mapping):
        raise TypeError(f"Argument `bounds` must be a dict from names to pairs of numbers, but is {describe(bounds)}.")
    fitted = (*free, *own_parameters)
    logarithmic = tuple(_is_logarithmic(curve, name, values[name], bounds) for name in fitted)
    first = stimulus.spike_times[..., :1] if isinstance(curve, KernelCurve) and curve.jumps else stimulus.spike_times
    default = {"onset": default_onset(first, recorded.times)} if "onset" in own else {}
    for name, is_logarithm in zip(fitted, logarithmic, strict=True):
        if is_logarithm:
            low, high = np.min(values[name]) / REACH, np.max(values[name]) * REACH
            default[name] = float(low), float(min(high, known[name].most))
        elif isinstance(curve, KernelCurve) and name in curve.weight_names:
            default[name] = (-np.inf if curve.kernel.input.takes_weights else 0.0), np.inf
    start = {name: values[name] for name in fitted}
    lower, upper = _limits((*free, *own), start, dict(zip(fitted, logarithmic, strict=True)), bounds, default)
    repeats = [1] * len(free) + [1 if name in shared else recordings for name in own]
    for tie in ties:
        values = values | {tie.name: _tied(tie, values)}
    return Problem(
        curve=curve,
        params={name: _number_or_row(value) for name, value in values.items()},
        spike_times=stimulus.spike_times,
        delay=stimulus.delay,
        sent=stimulus.sent,
        weights=stimulus.weights,
        times=recorded.times,
        trace=np.where(present, recorded.trace, 0.0),
        present=present,
        importance=samples.importance(asked.sigma, present, recorded.is_single),
        is_single=recorded.is_single,
        unit=recorded.unit or asked.unit,
        free=free,
        logarithmic=logarithmic,
        ties=ties,
        own=own,
        shared=shared,
        held={name: value for name, value in held.items() if value is not None},
        lower=np.repeat(lower, repeats),
        upper=np.repeat(upper, repeats),
        varying=stimulus.varying,
        priors=as_priors(asked.prior, (*free, *own), dict(zip(fitted, logarithmic, strict=True))),
    )


def _tied(tie: Tie, values: dict[str, Any]) -> Any:
    """The value of a tied parameter at the start."""
    with np.errstate(all="ignore"):
        value = tie.rate.of({name: np.asarray(value, float) for name, value in values.items()})
    if not np.isfinite(value).all():
        raise ValueError(f"Parameter `{tie.name}`, tied as `{tie.rate}`, must be finite at the start, but is {value}.")
    return value


def _number_or_row(value: Any) -> float | np.ndarray:
    return float(value) if np.ndim(value) == 0 else np.asarray(value, float)


def _as_names(argument: str, given: str | Sequence[str]) -> tuple[str, ...]:
    if isinstance(given, str):
        return (given,)
    if not isinstance(given, Sequence) or not all(isinstance(name, str) for name in given):
        raise TypeError(f"Argument `{argument}` must be a name or a list of names, but is {describe(given)}.")
    return tuple(dict.fromkeys(given))


def _kernel_params(kernel: Kernel, params: AnyParams, own: tuple[str, ...]) -> AnyParams:
    """The kernel's ``Params`` as floats, or (R,) for those in ``own``."""
    if getattr(params, "_fields", None) != kernel.Params._fields or isinstance(params, type):
        check_params(params, (), kernel)  # which says what came
    for name, value in params._asdict().items():
        if np.ndim(value) and name not in own:
            raise ValueError(
                f"Parameter `{name}` must be one number unless `own` names it, but has shape {np.shape(value)}."
            )
    rows = {
        name: as_float64(f"params.{name}", getattr(params, name))
        for name in own
        if name in params._fields and np.ndim(getattr(params, name)) == 1
    }
    check_params(params._replace(**{name: row[0] if row.size else row for name, row in rows.items()}), (), kernel)
    found = params._make(
        rows[name] if name in rows else float(as_float64(f"params.{name}", value))
        for name, value in params._asdict().items()
    )
    for r in range(max((len(row) for row in rows.values()), default=1)):
        one = found._replace(**{name: float(row[r]) for name, row in rows.items() if r < len(row)})
        check_params(one, (), kernel)
        limits.rests(kernel, one)
    return found


def _as_samples(
    times: ArrayLike | Sequence[ArrayLike], trace: ArrayLike | Sequence[ArrayLike], exclude: Exclude
) -> _Samples:
    trace, own_unit = samples.split_unit(trace)
    times, rows, is_single = samples.as_samples(times, trace)
    return _Samples(times, without(times, rows, exclude), is_single, own_unit)


def _as_stimulus(
    kernel: Kernel,
    spike_times: ArrayLike,
    weights: ArrayLike | None,
    varies: samples.Varying,
    delay: ArrayLike,
    recorded: _Samples,
    jumps: bool,
) -> _Stimulus:
    """Spikes or protocol, checked against the recording."""
    recordings, is_single = len(recorded.trace), recorded.is_single
    spike_times, wait = as_float64("spike_times", spike_times), _as_delay(delay)
    if jumps:
        weights = as_float64("weights", weights)
        samples.check_edges(spike_times, weights, wait, recorded.times, recordings, is_single)
    else:
        samples.check_spikes(spike_times, wait, recorded.times, recordings, is_single)
        if weights is not None:
            weights = as_float64("weights", weights)
            kernel.input.check_weights(weights, spike_times.shape)
    samples.check_varying(varies, recordings, is_single)
    sent, sorted_weights = samples.in_order_of_time(
        spike_times, np.ones_like(spike_times) if weights is None else weights
    )
    return _Stimulus(sent + wait, wait, sent, sorted_weights, varies)


def _temperatures(given: ArrayLike, recordings: int) -> np.ndarray:
    """The temperature of each recording in deg C.

    Raises:
        ValueError: not one for each of several recordings, or all the same.
    """
    degrees = as_float64("temperature", given)
    if recordings < 2 or degrees.shape != (recordings,) or not np.isfinite(degrees).all():
        raise ValueError(
            f"Argument `temperature` must have a finite number for each of several recordings, here ({recordings},), "
            f"but is {describe(given)}."
        )
    if np.ptp(degrees) == 0:
        raise ValueError(f"Argument `temperature` must differ between recordings, but is {degrees[0]} for all.")
    return degrees


def _asks_for_weights(weights: object, release: object, jumps: bool) -> bool:
    """Whether each spike has a free weight."""
    if isinstance(weights, str) and weights != "free":
        raise ValueError(f"Argument `weights` must be 'free' or numbers, but is {weights!r}.")
    if jumps and (isinstance(weights, str) or release is not None):
        name = "release" if release is not None else "weights"
        raise ValueError(f"Argument `{name}` must be left out with a protocol of concentrations, which has no spikes.")
    if isinstance(weights, str) and release is not None:
        raise ValueError(
            "Arguments `weights` and `release` must not both be given: a release is the weight of a spike."
        )
    return isinstance(weights, str)


def _plasticity(release: AnyParams) -> dict[str, float]:
    """The parameters of short-term plasticity by name."""
    if getattr(release, "_fields", None) != tsodyks_markram.Params._fields or isinstance(release, type):
        raise TypeError(
            f"Argument `release` must be a synkin.tsodyks_markram.Params, but is {describe_tuple(release)}."
        )
    checked = check_params(units.params(tsodyks_markram, release), (), tsodyks_markram)
    return {name: float(as_float64(f"release.{name}", value)) for name, value in checked._asdict().items()}


def _with_weights(asked: Asked, curve: KernelCurve, kernel: Kernel) -> Asked:
    """The arguments in which the weights are free too, but for the first if the scale is free."""
    scale = asked.held["scale"]
    names = curve.weight_names[1:] if scale is True or isinstance(scale, str) else curve.weight_names
    return asked._replace(free=tuple(dict.fromkeys((*_as_names("free", asked.free), *names))))


def _check_own(
    curve: AnyCurve,
    values: dict[str, Any],
    own: tuple[str, ...],
    varying: Mapping[str, object],
    recorded: _Samples,
) -> None:
    recordings = len(recorded.trace)
    for name in own:
        if name not in curve.known:
            raise ValueError(
                f"Argument `own` must name parameters of {curve.name} ({', '.join(curve.known)}), but has {name!r}."
            )
        if recorded.is_single:
            raise ValueError(f"Argument `own` must be left out with a single recording, but has {name!r}.")
        if name in varying:
            raise ValueError(f"Argument `own` must not name `{name}`, which varies: its values are given.")
        if np.ndim(values[name]) and len(values[name]) != recordings:
            raise ValueError(
                f"Parameter `{name}` must be one number or {recordings}, one a recording, but has shape "
                f"{np.shape(values[name])}."
            )


def _is_logarithmic(curve: AnyCurve, name: str, value: Any, bounds: Bounds) -> bool:
    """Whether a parameter is positive and searched on a logarithmic scale.

    A function says nothing of its parameters. One that starts above 0 is taken to be positive, unless its bounds reach
    below 0.
    """
    if isinstance(curve, KernelCurve):
        return not curve.known[name].signed
    return bool(np.min(value) > 0 and np.ravel(as_float64("bounds", bounds.get(name, 0.0)))[0] >= 0)


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


def _limits(
    names: tuple[str, ...],
    start: dict[str, Any],
    logarithmic: dict[str, bool],
    bounds: Bounds,
    default: dict[str, tuple[float, float]],
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bound of each free quantity in the search's coordinates, (n,) each.

    Args:
        names: of what is free.
        start: values of those that are parameters.
        logarithmic: which parameters are searched on a logarithmic scale.
        bounds: the argument.
        default: the bounds of what has no bounds in the argument, and is bounded all the same.
    """
    for name in bounds:
        if name not in names:
            raise ValueError(f"Argument `bounds` must name what is free ({', '.join(names)}), but has {name!r}.")
    pairs = []
    for name in names:
        given = bounds.get(name, default.get(name, (-np.inf, np.inf)))
        pair = as_float64("bounds", given)
        if pair.shape != (2,) or not pair[0] < pair[1]:
            raise ValueError(
                f"Argument `bounds` must have a lower and a higher number for `{name}`, but has {given!r:.60}."
            )
        if logarithmic.get(name) and pair[0] < 0:
            raise ValueError(f"Argument `bounds` must not be negative for `{name}`, but has {pair[0]}.")
        for value in np.ravel(start.get(name, ())):
            if not pair[0] <= value <= pair[1]:
                raise ValueError(
                    f"Parameter `{name}` must start within its bounds, {pair[0]} to {pair[1]}, but starts at {value}."
                )
        with np.errstate(divide="ignore"):  # a lower bound of 0 has the logarithm -inf
            pairs.append(np.log(pair) if logarithmic.get(name) else pair)
    lower, upper = np.array(pairs).T.copy()
    return lower, upper
