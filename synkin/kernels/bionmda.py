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

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin import checks, transmitter
from synkin.integrate import Exchange, decay, gauss_legendre, open_gate, phi, phi2, relaxation, tanh_sinh

TAKES_WEIGHTS = False

Rule = tuple[np.ndarray, np.ndarray]  # nodes and weights on [0, 1]
# Over a step the integrand is smooth: with the default rates 6 nodes reach rounding at dt = 0.1 and 1e-11 at 1 ms. The
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
    whole: Exchange  # of x with transmitter
    none: Array  # lost without it, when nothing is gained


class Passed(NamedTuple):
    """What time has done since the start of a stretch, linear in the x that was there."""

    lost: Array  # x <- x + (gained - lost x)
    gained: Array
    base: Array  # the integral of R is base + slope x
    slope: Array


class Stretch(NamedTuple):
    """A stretch of known length, all of it with transmitter or all without."""

    duration: Array  # ms
    end: Passed
    # At each node of the sum, with a leading axis; of the integral of R what is still to come until the last node.
    nodes: Passed


class ExactCoefficients(NamedTuple):
    """For "exact": a step is two stretches, as x acts on g all through them."""

    pulse: transmitter.Pulse
    dt: Array
    alpha1: Array
    beta1: Array
    whole: Stretch  # a half of a step with transmitter
    last: tuple[Stretch, Stretch]  # the part of a step with transmitter, and the rest
    last_under_way: tuple[Stretch, Stretch]
    none: Stretch  # a half of a step without transmitter


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
    return finish(coefficients, gates, transmitter.pass_step(count)), gates.g


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
        stretch = partial(_stretch, p, rule=_STEP_RULE, ndim=state.g.ndim)
        parts: Any = (
            stretch(dt / 2, with_transmitter=True),
            *((stretch(on, with_transmitter=True), stretch(dt - on, with_transmitter=False)) for on in pulse[1:]),
            stretch(dt / 2, with_transmitter=False),
        )
        return ExactCoefficients(pulse, dt, p.alpha1, p.beta1, *parts), gates, count
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
    x, g = state.x, state.g
    for length, with_transmitter in ((on, True), (duration - on, False)):
        stretch = _stretch(params, length, with_transmitter=with_transmitter, rule=_STRETCH_RULE)
        x, g = _through(stretch, params.alpha1, params.beta1, x, g, _STRETCH_RULE)
    return State(g, x, pulse_left)


def conductance(params: Any, state: State) -> Array:
    """g as a fraction of the maximum (or in mS at 1 mS maximum)."""
    del params
    return state.g


def _gate_held(c: HeldCoefficients, gates: Gates, count: Array) -> Gates:
    lost, gained = transmitter.pick(count, c.whole, None, None, Exchange(c.none, jnp.zeros_like(c.none)))
    x = gates.x + (gained - lost * gates.x)
    return Gates(x, open_gate(gates.g, c.alpha1 * x, c.beta1, c.dt))


def _gate_exact(c: ExactCoefficients, gates: Gates, count: Array) -> Gates:
    pick = partial(transmitter.pick, count)
    x, g = gates
    for last, last_under_way in zip(c.last, c.last_under_way, strict=True):
        durations, ends, nodes = zip(c.whole, last, last_under_way, c.none, strict=True)
        stretch = Stretch(pick(*durations), pick(*ends), jax.vmap(pick)(*nodes))
        x, g = _through(stretch, c.alpha1, c.beta1, x, g, _STEP_RULE)
    return Gates(x, g)


def _stretch(params: Any, duration: Array, *, with_transmitter: bool, rule: Rule, ndim: int = 0) -> Stretch:
    """All that ``duration`` ms do, for a state of ``ndim`` axes."""
    binding = params.alpha2 * params.T if with_transmitter else None
    rate = params.beta2 if binding is None else params.beta2 + binding

    def passed(s: Array) -> Passed:
        base, slope = params.beta1 * s, params.alpha1 * (s * phi(-rate * s))
        if binding is None:
            lost = decay(rate, s)
            return Passed(lost, jnp.zeros_like(lost), base, slope)
        return Passed(*relaxation(binding, rate, s), base + params.alpha1 * binding * (s**2 * phi2(-rate * s)), slope)

    def aligned(at_nodes: Array) -> Array:
        own = at_nodes.shape[1:]
        return at_nodes.reshape(len(at_nodes), *(1,) * (ndim - len(own)), *own)

    nodes = jax.tree.map(aligned, jax.vmap(lambda node: passed(node * duration))(jnp.asarray(rule[0], duration.dtype)))
    nodes = nodes._replace(base=nodes.base[-1:] - nodes.base, slope=nodes.slope[-1:] - nodes.slope)
    return Stretch(duration, passed(duration), nodes)


def _through(stretch: Stretch, alpha1: Array, beta1: Array, x: Array, g: Array, rule: Rule) -> tuple[Array, Array]:
    """x and g after the stretch."""

    def at(weight: Array, node: Passed) -> tuple[Array, Array]:
        # Counted up to the last node only: over a stretch in which everything closes many times over, what is still
        # open at its end may vanish. The factor that is left out cancels below.
        still_open = weight * jnp.exp(-(node.base + node.slope * x))
        return still_open, still_open * (x + (node.gained - node.lost * x))

    still_open, opened = (each.sum(axis=0) for each in jax.vmap(at)(jnp.asarray(rule[1], x.dtype), stretch.nodes))
    # The integral of R exp(-B) is known, 1 - exp(-B(0)), so the sum's own error is taken out: g stays within 0 and 1.
    opened = alpha1 * opened
    summed = opened + beta1 * still_open
    end = stretch.end
    lost = -jnp.expm1(-(end.base + end.slope * x))
    quiet = summed == 0  # R = 0 all along, and the sum needs no correction
    factor = jnp.where(quiet, stretch.duration, lost / jnp.where(quiet, jnp.ones_like(summed), summed))
    return x + (end.gained - end.lost * x), g + (factor * opened - lost * g)
