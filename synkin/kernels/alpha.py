"""The alpha synapse: a conductance that rises and decays with one time constant.

    h' = -h / tau        g' = (h - g) / tau        an input of w mS adds w to h

A unit input gives g(s) = (s / tau) exp(-s / tau), with its peak 1/e at s = tau.
Source: Rall 1967, J. Neurophysiol. 30:1138. "exact" uses the closed form over a step; "exp_euler" steps g with
the old h held still, as brainpy.state does.
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

    tau: ArrayLike = 8.0  # ms


UNITS = Params(tau="ms")  # type: ignore[arg-type]


class State(NamedTuple):
    """State, each of the shape given to `init`."""

    g: Array  # conductance, mS
    h: Array  # its drive, mS


class Coefficients(NamedTuple):
    """What a step of one length needs."""

    lost: Array  # the fraction of g and of h that decays over the step
    drive: Array  # what the old h adds to g


class Gates(NamedTuple):
    """What a run carries from step to step; g is driven by h."""

    h: Array
    g: Array


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
    return State(g=zeros, h=zeros)


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
        params: `Params`, tau in ms.
        state: `State` at ``t``.
        t: time at the start of the step in ms; not needed.
        spike: input in mS (or booleans for 1 mS), shape of the state.
        dt: step in ms.
        method: "exp_euler" (brainpy.state's scheme) or "exact".

    Returns:
        The state and g in mS, both at ``t + dt``.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.
    """
    del t
    checks.state_dtype(State, state)
    spike = checks.spike_input(spike, state.g)
    coefficients, gates, _ = prepare(params, state, dt, method=method)
    gates = gate(coefficients, gates, spike)
    return finish(coefficients, gates, None), gates.g


def prepare(params: Params, state: State, dt: ArrayLike, *, method: str) -> tuple[Coefficients, Gates, None]:
    """What a run computes once: the coefficients, the gates at the start, and no pulse under way."""
    checks.choice("method", method, checks.METHODS)
    checks.positive_dt(dt)
    tau = checks.aligned(params, state.g, Params).tau
    return _coefficients(tau, jnp.asarray(dt, state.g.dtype), method), Gates(state.h, state.g), None


def gate(coefficients: Coefficients, gates: Gates, weight: Array) -> Gates:
    """One step of a prepared run, with an input of ``weight`` mS at its end."""
    lost, drive = coefficients
    h = gates.h - lost * gates.h + weight.astype(gates.h.dtype)
    return Gates(h, g=gates.g + (drive * gates.h - lost * gates.g))


def output(coefficients: Coefficients, g: Array) -> Array:
    """g in mS, the last gate."""
    del coefficients
    return g


def finish(coefficients: Coefficients, gates: Gates, count: None) -> State:
    """The state that the gates of a run stand for."""
    del coefficients, count
    return State(g=gates.g, h=gates.h)


def receive(params: Any, state: State, weight: Array) -> State:
    """The state right after an input of ``weight`` mS."""
    del params
    return state._replace(h=state.h + weight)


def evolve(params: Any, state: State, duration: Array) -> State:
    """The state ``duration`` ms later, without input, exactly."""
    lost, drive = _coefficients(params.tau, duration, "exact")
    return State(state.g + (drive * state.h - lost * state.g), state.h - lost * state.h)


def conductance(params: Any, state: State) -> Array:
    """g in mS."""
    del params
    return state.g


def _coefficients(tau: Array, dt: Array, method: str) -> Coefficients:
    elapsed = dt / tau
    drive = elapsed * (jnp.exp(-elapsed) if method == "exact" else phi(-elapsed))
    return Coefficients(decay(1 / tau, dt), drive)
