"""The AMPA receptor: first-order binding of a square pulse of transmitter.

    g' = alpha T(t) (1 - g) - beta g        T(t) = T for T_dur ms from a spike on, else 0

Source: Destexhe, Mainen and Sejnowski 1994, Neural Comput. 6:14. "exact" ends a pulse within a step, where it
ends; "exp_euler" has it on for whole steps, as brainpy.state does. Over each part g has its closed form.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from synkin import checks, transmitter
from synkin.integrate import Exchange, decay, relaxation

TAKES_WEIGHTS = False


class Params(NamedTuple):
    """Parameters, each a scalar or an array that broadcasts against the state's shape."""

    alpha: ArrayLike = 0.98  # binding rate, /ms/mM
    beta: ArrayLike = 0.18  # unbinding rate, /ms
    T: ArrayLike = 0.5  # transmitter concentration during a pulse, mM
    T_dur: ArrayLike = 0.5  # length of a pulse, ms


UNITS = Params(alpha="1/ms/mM", beta="1/ms", T="mM", T_dur="ms")  # type: ignore[arg-type]


class State(NamedTuple):
    """State, each of the shape given to `init`."""

    g: Array  # conductance as the fraction of open receptors, 0 to 1
    pulse_left: Array  # transmitter still to come, ms


class Coefficients(NamedTuple):
    """What a step does, ``g <- g + (gained - lost g)``, by how far the transmitter reaches into it."""

    pulse: transmitter.Pulse
    dt: Array
    whole: Exchange
    last: Exchange | None  # None where a pulse lasts whole steps
    last_under_way: Exchange | None
    none: Array  # lost alone: without transmitter nothing is gained


class Gates(NamedTuple):
    """What a run carries from step to step, besides the count of the pulse."""

    g: Array


def init(params: Params, shape: int | tuple[int, ...], *, dtype: Any = None) -> State:
    """State at rest: no open receptors, no transmitter.

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
    return State(g=zeros, pulse_left=zeros)


def step(
    params: Params,
    state: State,
    t: ArrayLike,
    spike: ArrayLike,
    dt: ArrayLike,
    *,
    method: str = "exp_euler",
    overlap: str = "restart",
) -> tuple[State, Array]:
    """Advance by one step; a spike acts from its start.

    Args:
        params: `Params`; alpha in /ms/mM, beta in /ms, T in mM, T_dur in ms.
        state: `State` at ``t``.
        t: time at the start of the step in ms; not needed.
        spike: booleans (or numbers, true where not 0), shape of the state.
        dt: step in ms.
        method: "exp_euler" (brainpy.state's scheme) or "exact".
        overlap: "restart" (a spike during a pulse starts it anew) or "ignore" (it does nothing).

    Returns:
        The state and g (as a fraction of the maximum, or mS at 1 mS maximum), both at ``t + dt``.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.
    """
    del t
    checks.state_dtype(State, state)
    checks.overlap(overlap)
    spike = checks.spike_input(spike, state.g)
    coefficients, gates, count = prepare(params, state, dt, method=method)
    count = transmitter.arrive(coefficients.pulse, count, spike, 0, overlap)
    gates = gate(coefficients, gates, count)
    return finish(coefficients, gates, transmitter.pass_step(count)), gates.g


def prepare(params: Params, state: State, dt: ArrayLike, *, method: str) -> tuple[Coefficients, Gates, Array]:
    """What a run computes once: the coefficients, the gates at the start, and the count of the pulse under way."""
    checks.choice("method", method, checks.METHODS)
    checks.positive_dt(dt)
    p = checks.aligned(params, state.g, Params)
    dt = jnp.asarray(dt, state.g.dtype)
    pulse, count = transmitter.start(p.T_dur, state.pulse_left, dt, method)
    last = last_under_way = None
    if method == "exact":
        last, last_under_way = _exchange(p, pulse.last, dt), _exchange(p, pulse.last_under_way, dt)
    coefficients = Coefficients(pulse, dt, _exchange(p, dt, dt), last, last_under_way, none=decay(p.beta, dt))
    return coefficients, Gates(state.g), count


def gate(coefficients: Coefficients, gates: Gates, count: Array) -> Gates:
    """One step of a prepared run, the pulse being at ``count``."""
    c = coefficients
    without = Exchange(c.none, jnp.zeros_like(c.none))
    lost, gained = transmitter.pick(count, c.whole, c.last, c.last_under_way, without)
    return Gates(gates.g + (gained - lost * gates.g))


def output(coefficients: Coefficients, g: Array) -> Array:
    """g, the last gate, as a fraction of the maximum (or in mS at 1 mS maximum)."""
    del coefficients
    return g


def finish(coefficients: Coefficients, gates: Gates, count: Array) -> State:
    """The state that the gates of a run and the count of the next step stand for."""
    return State(gates.g, transmitter.left(coefficients.pulse, count, coefficients.dt))


def receive(params: Any, state: State, spike: Array, *, overlap: str = "restart") -> State:
    """The state right after a spike (bool)."""
    return state._replace(pulse_left=transmitter.refill(state.pulse_left, spike, params.T_dur, overlap))


def evolve(params: Any, state: State, duration: Array) -> State:
    """The state ``duration`` ms later, without a spike, exactly."""
    on, pulse_left = transmitter.drain(state.pulse_left, duration)
    lost, gained = _exchange(params, on, duration)
    return State(state.g + (gained - lost * state.g), pulse_left)


def conductance(params: Any, state: State) -> Array:
    """g as a fraction of the maximum (or in mS at 1 mS maximum)."""
    del params
    return state.g


def _exchange(params: Any, on: Array, duration: Array) -> Exchange:
    """What g loses and gains over ``duration`` ms, the first ``on`` of them with transmitter."""
    binding = params.alpha * params.T
    lost, gained = relaxation(binding, binding + params.beta, on)
    lost_later = decay(params.beta, duration - on)
    return Exchange(lost + lost_later * (1 - lost), gained - lost_later * gained)
