"""The NMDA receptor in two steps: transmitter opens x, and x opens g.

    x' = alpha2 T(t) (1 - x) - beta2 x        g' = alpha1 x (1 - g) - beta1 g
    T(t) = T for T_dur ms from a spike on, else 0

"exp_euler" is brainpy.state's scheme: x is stepped first and g sees the new x, held still. "exact" ends a pulse
within a step and takes x in closed form; g is then a linear equation with the known rate
R(s) = alpha1 x(s) + beta1, so

    g(h) = exp(-B(0)) g(0) + integral over s from 0 to h of alpha1 x(s) exp(-B(s)),   B(s) = integral of R from s to h

where B has a closed form and the outer integral, which has none, is a sum over Gauss-Legendre nodes. The same sum over
R(s) exp(-B(s)), whose integral is 1 - exp(-B(0)), tells its error, and takes it out.
Source: the equations of brainpy.state's BioNMDA, after Destexhe, Mainen and Sejnowski 1994, Neural Comput. 6:14.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin import checks, transmitter
from synkin.integrate import decay, gauss_legendre, open_gate, phi, phi2, relaxation, tanh_sinh

TAKES_WEIGHTS = False

# Over a step the integrand is smooth: with the default rates 6 nodes reach rounding at dt = 0.1 and 1e-12 at 1 ms. The
# long stretches between events have it next to one end, which is what tanh-sinh nodes are for.
_STEP_RULE = gauss_legendre(6)
_STRETCH_RULE = tanh_sinh(96)


class Params(NamedTuple):
    """Parameters, each a scalar or an array that broadcasts against the state's shape."""

    alpha1: ArrayLike = 2.0  # opening rate of g per x, /ms
    beta1: ArrayLike = 0.01  # closing rate of g, /ms
    alpha2: ArrayLike = 1.0  # binding rate of x, /ms/mM
    beta2: ArrayLike = 0.5  # unbinding rate of x, /ms
    T: ArrayLike = 1.0  # transmitter concentration during a pulse, mM
    T_dur: ArrayLike = 0.5  # length of a pulse, ms


UNITS = Params(alpha1="1/ms", beta1="1/ms", alpha2="1/ms/mM", beta2="1/ms", T="mM", T_dur="ms")  # type: ignore[arg-type]


class State(NamedTuple):
    """State, each of the shape given to `init`."""

    g: Array  # conductance as the fraction of open receptors, 0 to 1
    x: Array  # the intermediate that opens them, 0 to 1
    pulse_left: Array  # transmitter still to come, ms


class HeldCoefficients(NamedTuple):
    """For "exp_euler": x as in `synkin.ampa`, g from the new x held over the step."""

    pulse: transmitter.Pulse
    dt: Array
    alpha1: Array
    beta1: Array
    whole: tuple[Array, Array]  # (lost, gained) of x with transmitter
    none: Array  # lost without it, when nothing is gained


class ExactCoefficients(NamedTuple):
    """For "exact": the parameters themselves, as x acts on g all through the step."""

    pulse: transmitter.Pulse
    dt: Array
    params: Params


class Gates(NamedTuple):
    """What a run carries from step to step, besides the count of the pulse; g is driven by x."""

    x: Array
    g: Array


def init(params: Params, shape: int | tuple[int, ...], *, dtype: Any = None) -> State:
    """State at rest: nothing bound, nothing open, no transmitter.

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
    return State(g=zeros, x=zeros, pulse_left=zeros)


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
        params: `Params`; alpha1, beta1, beta2 in /ms, alpha2 in /ms/mM, T in mM, T_dur in ms.
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
    return finish(coefficients, gates, count - 2), gates.g


def prepare(
    params: Params, state: State, dt: ArrayLike, *, method: str
) -> tuple[HeldCoefficients | ExactCoefficients, Gates, Array]:
    """What a run computes once: the coefficients, the gates at the start, and the count of the pulse under way."""
    checks.choice("method", method, checks.METHODS)
    checks.positive_dt(dt)
    p = checks.aligned(params, state.g, Params)
    dt = jnp.asarray(dt, state.g.dtype)
    pulse, count = transmitter.start(p.T_dur, state.pulse_left, dt, method)
    gates = Gates(state.x, state.g)
    if method == "exact":
        return ExactCoefficients(pulse, dt, p), gates, count
    binding = p.alpha2 * p.T
    whole = relaxation(binding, binding + p.beta2, dt)
    none = decay(p.beta2, dt)
    return HeldCoefficients(pulse, dt, p.alpha1, p.beta1, whole, none), gates, count


def gate(coefficients: HeldCoefficients | ExactCoefficients, gates: Gates, count: Array) -> Gates:
    """One step of a prepared run, the pulse being at ``count``."""
    if isinstance(coefficients, ExactCoefficients):
        return _gate_exact(coefficients, gates, count)
    return _gate_held(coefficients, gates, count)


def output(coefficients: HeldCoefficients | ExactCoefficients, g: Array) -> Array:
    """g, the last gate, as a fraction of the maximum (or in mS at 1 mS maximum)."""
    del coefficients
    return g


def finish(coefficients: HeldCoefficients | ExactCoefficients, gates: Gates, count: Array) -> State:
    """The state that the gates of a run and the count of the next step stand for."""
    return State(gates.g, gates.x, transmitter.left(coefficients.pulse, count, coefficients.dt))


def receive(params: Any, state: State, spike: Array, *, overlap: str = "restart") -> State:
    """The state right after a spike (bool)."""
    return state._replace(pulse_left=transmitter.refill(state.pulse_left, spike, params.T_dur, overlap))


def evolve(params: Any, state: State, duration: Array) -> State:
    """The state ``duration`` ms later, without a spike: x exactly, g to 1e-7 or better."""
    on, pulse_left = transmitter.drain(state.pulse_left, duration)
    x, g = _open(params, state.x, state.g, on, duration, _STRETCH_RULE)
    return State(g, x, pulse_left)


def conductance(params: Any, state: State) -> Array:
    """g as a fraction of the maximum (or in mS at 1 mS maximum)."""
    del params
    return state.g


def _gate_held(c: HeldCoefficients, gates: Gates, count: Array) -> Gates:
    lost, gained = transmitter.pick(count, c.whole, None, None, (c.none, jnp.zeros_like(c.none)))
    x = gates.x + (gained - lost * gates.x)
    return Gates(x, open_gate(gates.g, c.alpha1 * x, c.beta1, c.dt))


def _gate_exact(c: ExactCoefficients, gates: Gates, count: Array) -> Gates:
    on = transmitter.pick(count, c.dt, c.pulse.last, c.pulse.last_under_way, jnp.zeros_like(c.dt))
    return Gates(*_open(c.params, gates.x, gates.g, on, c.dt, _STEP_RULE))


def _open(
    params: Any, x: Array, g: Array, on: Array, duration: Array, rule: tuple[np.ndarray, np.ndarray]
) -> tuple[Array, Array]:
    """x and g after ``duration`` ms, the first ``on`` of them with transmitter."""
    x, g = _stretch(params, params.alpha2 * params.T, x, g, on, rule)
    return _stretch(params, None, x, g, duration - on, rule)


def _stretch(
    params: Any, binding: Array | None, x: Array, g: Array, duration: Array, rule: tuple[np.ndarray, np.ndarray]
) -> tuple[Array, Array]:
    """x and g after ``duration`` ms in which transmitter binds at one rate, or (None) not at all."""
    rate = params.beta2 if binding is None else params.beta2 + binding

    def x_after(s: Array) -> Array:
        if binding is None:
            return x - decay(rate, s) * x
        lost, gained = relaxation(binding, rate, s)
        return x + (gained - lost * x)

    def closing_exponent(s: Array) -> Array:  # integral of R from 0 to s
        z = -rate * s
        summed_x = x * (s * phi(z))
        if binding is not None:
            summed_x = summed_x + binding * (s**2 * phi2(z))
        return params.beta1 * s + params.alpha1 * summed_x

    total = closing_exponent(duration)
    nodes, weights = (jnp.asarray(r, x.dtype) for r in rule)
    x_there = jax.vmap(lambda node: x_after(node * duration))(nodes)
    remaining = jax.vmap(lambda node: total - closing_exponent(node * duration))(nodes)
    # Over a stretch in which everything closes many times over, exp(-remaining) may vanish at every node. The factor
    # that is divided out here cancels below.
    nearest = jax.lax.stop_gradient(remaining.min(axis=0))
    still_open = jax.vmap(lambda weight, b: weight * jnp.exp(nearest - b))(weights, remaining)
    opened = params.alpha1 * (still_open * x_there).sum(axis=0)
    # The integral of R exp(-B) is known, 1 - exp(-B(0)), so the sum's own error is taken out: g stays within 0 and 1.
    summed = opened + params.beta1 * still_open.sum(axis=0)
    lost = -jnp.expm1(-total)
    quiet = summed == 0  # R = 0 all along, and the sum needs no correction
    factor = jnp.where(quiet, duration, lost / jnp.where(quiet, jnp.ones_like(summed), summed))
    return x_after(duration), g + (factor * opened - lost * g)
