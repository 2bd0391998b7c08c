"""`synkin.respond` of a kernel with a gate: from each moment to the next, be it a spike or a sample.

What opens the gate, x, has a closed form over any time, and the gate has none: its integrals over a stretch are sums
over nodes, of which a short stretch needs few. So the gate goes from sample to sample, where all other kernels go from
the latest spike to each sample. All stretches are integrated at once, and then the gate is taken through them.
"""

from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.inputs import StartsPulse
from synkin.solving import loops, pulses
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators import of_kernel
from synkin.solving.propagators.closed_forms import open_gate
from synkin.solving.propagators.equations import Variables
from synkin.solving.propagators.gate_integrals import integrals_of_step
from synkin.solving.propagators.gate_rates import gate_rates
from synkin.solving.propagators.of_kernel import Stretches

_Pair: TypeAlias = tuple[Array, Array]


class Moments(NamedTuple):
    """The M samples and the K spikes in the order of time; a spike comes after the samples before it."""

    follows: Array  # (M + K,) what each follows: 0 the start, k the k-th spike
    earlier: Array  # (M + K,) ms from that to the moment before
    elapsed: Array  # (M + K,) ms from that to each, which is `earlier` of the next
    ms: Array  # (M + K,) ms from the moment before to each
    sample_or_spike: Array  # (M + K,) which it is: the samples are 0 to M - 1, then come the spikes
    place: Array  # (M,) where each sample is


def moments(before: Any, latest: Any, since: Any) -> Moments:
    """The order of samples and spikes.

    Args:
        before: (K,) ms from the spike before, or the start, to each spike.
        latest: (M,) what each sample follows: 0 the start, k the k-th spike.
        since: (M,) ms since then. All are arrays of NumPy, or of JAX.
    """
    xp = np if isinstance(since, np.ndarray) else jnp
    follows = xp.concatenate([latest, xp.arange(len(before), dtype=latest.dtype)])
    elapsed = xp.concatenate([since, before])
    order = xp.lexsort((elapsed, follows))  # it keeps the order of what is at one time
    follows, elapsed = follows[order], elapsed[order]
    goes_on = xp.concatenate([follows[:1] < 0, follows[1:] == follows[:-1]])
    earlier = xp.where(goes_on, xp.roll(elapsed, 1), xp.zeros_like(elapsed))
    return Moments(follows, earlier, elapsed, elapsed - earlier, order, xp.argsort(order)[: len(since)])


def samples(
    kernel: Kernel,
    params: AnyParams,
    state: AnyState,
    inputs: Array,
    before: Array,
    at: Moments,
    overlap: str,
) -> Variables:
    """The variables at the samples, each (M,).

    Args:
        kernel: a kernel of one part, with a gate.
        params: its ``Params``, scalars.
        state: at the start.
        inputs: (K,) what comes with each spike: whether there is one, or what it adds.
        before: (K,) ms from the spike before, or the start, to each spike.
        at: see `moments`.
        overlap: as of `synkin.respond`.
    """
    structure, has_pulses = kernel.structure, isinstance(kernel.input, StartsPulse)
    added_to = () if has_pulses else kernel.input.variables
    x_name, g_name = kernel.order

    def stretches(left: Array, ms: Array) -> Stretches:
        if not has_pulses:
            return [(ms, False)]
        on, _ = pulses.consume(left, ms)
        return [(on, True), (ms - on, False)]

    def relax(x: Array, over: Stretches) -> Array:
        propagator = of_kernel.exact_propagator(kernel, params, over)
        return of_kernel.apply(structure, propagator, (x, x), False, conserved=False)[0]

    # x and the transmitter that is left, right after each spike: the gate acts on neither.
    def event(
        carry: tuple[Array, Array], given: tuple[Array, Array]
    ) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        (x, left), (ms, spike) = carry, given
        x = relax(x, stretches(left, ms))
        if has_pulses:
            left = pulses.restart(pulses.consume(left, ms)[1], spike, params.T_dur, overlap)
        elif x_name in added_to:
            x = x + spike
        return (x, left), (x, left)

    x, g = getattr(state, x_name), getattr(state, g_name)
    left = state.pulse_left if has_pulses else jnp.zeros_like(x)
    x, left, g = loops.match_varying((x, left, g), (params, state, inputs, before, at))
    _, after = jax.lax.scan(event, (x, left), (before, inputs))
    xs, lefts = (jnp.concatenate([first[None], rest]) for first, rest in zip((x, left), after, strict=True))

    x, left = xs[at.follows], lefts[at.follows]
    x = relax(x, stretches(left, at.earlier))
    own = stretches(pulses.consume(left, at.earlier)[1], at.ms)
    opened, closed = integrals_of_step(gate_rates(kernel, params), x, own)
    added = jnp.zeros_like(opened)
    if g_name in added_to:
        none = jnp.zeros(len(at.place), inputs.dtype)
        added = jnp.concatenate([none, inputs])[at.sample_or_spike]
    return relax(x, own)[at.place], _through(g, opened, closed, added)[at.place]


def _through(g: Array, opened: Array, closed: Array, added: Array) -> Array:
    """The gate after each stretch, of the integrals over each and of what is added at its end.

    The stretches are taken in blocks: first through all blocks at once from 0 on, then from block to block. That is a
    scan of twice the root of their number, in which fewer rounding errors add up, too.
    """
    total = len(opened)
    length = max(int(np.ceil(np.sqrt(total))), 1)
    blocks = -(-total // length)

    def split(x: Array) -> Array:
        return jnp.pad(x, (0, blocks * length - total)).reshape(blocks, length).T

    def within(carry: _Pair, given: tuple[Array, Array, Array]) -> tuple[_Pair, _Pair]:
        (gained, forgotten), (opened, closed, added) = carry, given
        carry = open_gate(gained, opened, closed) + added, forgotten + opened + closed
        return carry, carry

    def next_block(g: Array, given: _Pair) -> tuple[Array, Array]:
        gained, forgotten = given
        return gained + jnp.exp(-forgotten) * g, g

    zeros = loops.match_varying(jnp.zeros(blocks, opened.dtype), (opened, closed, added))
    steps = split(opened), split(closed), split(added)
    at_end, (gained, forgotten) = jax.lax.scan(within, (zeros, zeros), steps)
    _, starts = jax.lax.scan(next_block, g, at_end)
    return (gained + jnp.exp(-forgotten) * starts[None]).T.reshape(blocks * length)[:total]
