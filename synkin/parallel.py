"""The recurrence of `synkin.recurrence` in log(T) passes, for few synapses and many steps on an accelerator.

Given its drive every gate is a scalar recurrence ``y <- a y + b``, and maps of this kind compose associatively.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from synkin import transmitter


def trace(
    kernel: Any, overlap: str, coefficients: Any, gates: Any, steps: Array | None, spikes: Array
) -> tuple[Any, Array | None, tuple[Any, Array | None]]:
    """Gates and steps at the end, and both after every step, (T, *shape).

    The gates are taken in turn, each with the finished trace of those that drive it.
    """
    drive, after = spikes, None
    if steps is not None:
        drive, after, steps = _counts(overlap, coefficients.pulse, steps, spikes)
    before = jax.tree.map(lambda y: jnp.zeros(drive.shape, y.dtype), gates)
    solved = {}
    for name, start in gates._asdict().items():
        a, b = jax.vmap(partial(_affine, kernel, coefficients, name))(before, drive)
        a, b = jax.lax.associative_scan(_compose, (a, b))
        solved[name] = jax.vmap(lambda a, b, start=start: a * start + b)(a, b)
        before = before._replace(**{name: jnp.concatenate([start[None], solved[name][:-1]])})
    passed = type(gates)(**solved)
    return jax.tree.map(lambda y: y[-1], passed), steps, (passed, after)


def _affine(kernel: Any, coefficients: Any, name: str, before: Any, drive: Array) -> tuple[Array, Array]:
    """``(a, b)`` of one gate's step: its value from 0, and its slope."""

    def step(y: Array) -> Array:
        return getattr(kernel.gate(coefficients, before._replace(**{name: y}), drive), name)

    start = jnp.zeros_like(getattr(before, name))
    b, a = jax.jvp(step, (start,), (jnp.ones_like(start),))
    return a, b


def _compose(first: tuple[Array, Array], then: tuple[Array, Array]) -> tuple[Array, Array]:
    """``first``, and ``then`` after it, as one map."""
    return then[0] * first[0], then[0] * first[1] + then[1]


def _counts(overlap: str, pulse: transmitter.Pulse, steps: Array, spikes: Array) -> tuple[Array, Array, Array]:
    """The pulse's count during and after every step, (T, *shape), and after the last."""
    if overlap == "ignore":  # whether a spike counts depends on those before it: one cheap scan

        def body(steps: Array, spike: Array) -> tuple[Array, tuple[Array, Array]]:
            during = transmitter.arrive(pulse, steps, spike, overlap)
            after = transmitter.pass_step(during)
            return after, (during, after)

        steps, (during, after) = jax.lax.scan(body, steps, spikes)
        return during, after, steps
    i = jnp.arange(len(spikes), dtype=jnp.int32)
    own = jax.vmap(lambda i, spike: jnp.where(spike, i, -1))(i, spikes.astype(bool))
    latest = jax.lax.associative_scan(jnp.maximum, own)  # the row of the latest spike, -1 before the first

    def count(i: Array, latest: Array) -> Array:
        started = jnp.maximum(pulse.steps - (i - latest), 0)
        under_way = jnp.sign(steps) * jnp.maximum(jnp.abs(steps) - i, 0)
        return jnp.where(latest >= 0, started, under_way)

    during = jax.vmap(count)(i, latest)
    after = transmitter.pass_step(during)
    return during, after, after[-1]
