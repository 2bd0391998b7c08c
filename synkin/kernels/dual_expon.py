"""The dual exponential synapse: separate rise and decay, its peak normalised.

    g_rise' = -g_rise / tau_rise        w' = -w / tau_decay + g_rise        an input of s mS adds s to g_rise
    g = amplitude * w / peak,  peak = the peak of w after a unit input

so a unit input gives g(t) proportional to exp(-t/tau_decay) - exp(-t/tau_rise), with the peak ``amplitude``.
Written as this cascade, and not as a difference of two exponentials, it has a limit and derivatives at
tau_rise = tau_decay, where it is the alpha shape. Both methods are the closed form. Where tau_rise is the longer
one the two exchange roles, as the equations say.
Source: Roth and van Rossum 2009, in: Computational Modeling Methods for Neuroscientists, MIT Press, ch. 6.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from synkin import checks
from synkin.integrate import decay, phi

TAKES_WEIGHTS = True


class Params(NamedTuple):
    """Parameters, each a scalar or an array that broadcasts against the state's shape."""

    tau_decay: ArrayLike = 10.0  # ms
    tau_rise: ArrayLike = 1.0  # ms
    amplitude: ArrayLike = 1.0  # peak of g after a unit input, dimensionless


UNITS = Params(tau_decay="ms", tau_rise="ms", amplitude="1")  # type: ignore[arg-type]


class State(NamedTuple):
    """State, each of the shape given to `init`."""

    g_rise: Array  # the drive, mS
    w: Array  # its decaying sum, mS ms


class Coefficients(NamedTuple):
    """What a step of one length needs."""

    lost_rise: Array  # the fraction of g_rise that decays over the step
    lost: Array  # the fraction of w that decays
    drive: Array  # what the old g_rise adds to w, ms
    gain: Array  # g / w, 1/ms


def init(params: Params, shape: int | tuple[int, ...], *, dtype: Any = None) -> State:
    """State at rest: zeros.

    Args:
        params: `Params`, checked here.
        shape: shape of the state, for example (1000,).
        dtype: floating dtype, by default JAX's default float.

    Returns:
        `State` of zeros.

    Raises:
        TypeError, ValueError: a shape, dtype or parameter that makes no sense.
    """
    zeros = jnp.zeros(*checks.layout(params, shape, dtype, Params))
    return State(g_rise=zeros, w=zeros)


def step(
    params: Params,
    state: State,
    t: ArrayLike,
    spike: ArrayLike,
    dt: ArrayLike,
    *,
    method: str = "exp_euler",
) -> tuple[State, Array]:
    """Advance by one step; the input is added at its end.

    Args:
        params: `Params`, time constants in ms.
        state: `State` at ``t``.
        t: time at the start of the step in ms; not needed.
        spike: input in mS (or booleans for 1 mS), shape of the state.
        dt: step in ms.
        method: "exp_euler" or "exact": the same here.

    Returns:
        The state and g in mS, both at ``t + dt``.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.
    """
    del t
    checks.state_dtype(State, state)
    spike = checks.spike_input(spike, state.w)
    coefficients, state, _ = prepare(params, state, dt, method=method)
    state = gate(coefficients, state, spike)
    return state, output(coefficients, state.w)


def prepare(params: Params, state: State, dt: ArrayLike, *, method: str) -> tuple[Coefficients, State, None]:
    """What a run computes once: the coefficients, the gates (the state itself), and no pulse under way."""
    checks.choice("method", method, checks.METHODS)
    checks.positive_dt(dt)
    return _coefficients(checks.aligned(params, state.w, Params), jnp.asarray(dt, state.w.dtype)), state, None


def gate(coefficients: Coefficients, state: State, weight: Array) -> State:
    """One step of a prepared run, with an input of ``weight`` mS at its end."""
    c = coefficients
    g_rise = state.g_rise - c.lost_rise * state.g_rise + weight.astype(state.g_rise.dtype)
    return State(g_rise, state.w + (c.drive * state.g_rise - c.lost * state.w))


def output(coefficients: Coefficients, w: Array) -> Array:
    """g in mS from the last gate."""
    return coefficients.gain * w


def finish(coefficients: Coefficients, state: State, count: None) -> State:
    """The state that the gates of a run stand for."""
    del coefficients, count
    return state


def receive(params: Any, state: State, weight: Array) -> State:
    """The state right after an input of ``weight`` mS."""
    del params
    return state._replace(g_rise=state.g_rise + weight)


def evolve(params: Any, state: State, duration: Array) -> State:
    """The state ``duration`` ms later, without input, exactly."""
    return gate(_coefficients(params, duration), state, jnp.zeros_like(state.g_rise))


def conductance(params: Any, state: State) -> Array:
    """g in mS."""
    return params.amplitude / peak(params) * state.w


def peak(params: Any) -> Array:
    """Peak of w after a unit input, in ms: smooth through tau_rise = tau_decay, where it is tau / e.

    Args:
        params: `Params` of arrays.

    Returns:
        Array of the parameters' broadcast shape.
    """
    # w' = 0 at the peak, so w = tau_decay exp(-t_peak / tau_rise); t_peak / tau_rise = 1 / phi(-log ratio).
    log_ratio = jnp.log(params.tau_decay) - jnp.log(params.tau_rise)
    return params.tau_decay * jnp.exp(-1 / phi(-log_ratio))


def _coefficients(params: Any, dt: Array) -> Coefficients:
    rate_rise, rate_decay = 1 / params.tau_rise, 1 / params.tau_decay
    # The integral of one exponential against the other is symmetric in them; with the faster one first, phi's
    # argument is never positive and nothing overflows.
    rise_is_faster = rate_rise >= rate_decay
    fast = jnp.where(rise_is_faster, rate_rise, rate_decay)
    slow = jnp.where(rise_is_faster, rate_decay, rate_rise)
    return Coefficients(
        lost_rise=decay(rate_rise, dt),
        lost=decay(rate_decay, dt),
        drive=jnp.exp(-slow * dt) * (dt * phi((slow - fast) * dt)),
        gain=params.amplitude / peak(params),
    )
