"""The exponential synapse: a conductance that jumps and decays.

    g' = -g / tau        an input of w mS adds w to g

Both methods are the closed form. Source: Destexhe, Mainen and Sejnowski 1994, Neural Comput. 6:14.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from synkin import checks
from synkin.integrate import decay

TAKES_WEIGHTS = True


class Params(NamedTuple):
    """Parameters, each a scalar or an array that broadcasts against the state's shape."""

    tau: ArrayLike = 8.0  # ms


UNITS = Params(tau="ms")  # type: ignore[arg-type]


class State(NamedTuple):
    """State, each of the shape given to `init`."""

    g: Array  # conductance, mS


class Coefficients(NamedTuple):
    """What a step of one length needs."""

    lost: Array  # the fraction of g that decays over the step


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
    return State(g=zeros)


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
        method: "exp_euler" or "exact": the same here.

    Returns:
        The state and g in mS, both at ``t + dt``.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.
    """
    del t
    checks.state_dtype(State, state)
    spike = checks.spike_input(spike, state.g)
    coefficients, state, _ = prepare(params, state, dt, method=method)
    state = gate(coefficients, state, spike)
    return state, output(coefficients, state.g)


def prepare(params: Params, state: State, dt: ArrayLike, *, method: str) -> tuple[Coefficients, State, None]:
    """What a run computes once: the coefficients, the gates (the state itself), and no pulse under way."""
    checks.choice("method", method, checks.METHODS)
    checks.positive_dt(dt)
    tau = checks.aligned(params, state.g, Params).tau
    return Coefficients(decay(1 / tau, jnp.asarray(dt, state.g.dtype))), state, None


def gate(coefficients: Coefficients, state: State, weight: Array) -> State:
    """One step of a prepared run, with an input of ``weight`` mS at its end."""
    return State(state.g - coefficients.lost * state.g + weight.astype(state.g.dtype))


def output(coefficients: Coefficients, g: Array) -> Array:
    """g in mS, the last gate."""
    del coefficients
    return g


def finish(coefficients: Coefficients, state: State, count: None) -> State:
    """The state that the gates of a run stand for."""
    del coefficients, count
    return state


def receive(params: Any, state: State, weight: Array) -> State:
    """The state right after an input of ``weight`` mS."""
    del params
    return State(state.g + weight)


def evolve(params: Any, state: State, duration: Array) -> State:
    """The state ``duration`` ms later, without input, exactly."""
    return State(state.g - decay(1 / params.tau, duration) * state.g)


def conductance(params: Any, state: State) -> Array:
    """g in mS."""
    del params
    return state.g
