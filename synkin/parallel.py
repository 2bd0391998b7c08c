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
    kernel: Any, overlap: str, coefficients: Any, gates: Any, count: Array | None, spikes: Array
) -> tuple[Any, Array | None, tuple[Any, Array | None]]:
    """Gates and count at the end, and both after every step, (T, *shape).

    The gates are taken in turn, each with the finished trace of those that drive it.
    """
    drive, after = spikes, None
    if count is not None:
        drive = _counts(overlap, coefficients.pulse, count, spikes)
        after = jnp.maximum(transmitter.pass_step(drive), 0)
        count = after[-1]
    before = jax.tree.map(lambda y: jnp.zeros(drive.shape, y.dtype), gates)
    solved = {}
    for name, start in gates._asdict().items():
        a, b = jax.vmap(partial(_affine, kernel, coefficients, name))(before, drive)
        a, b = jax.lax.associative_scan(_compose, (a, b))
        solved[name] = jax.vmap(lambda a, b, start=start: a * start + b)(a, b)
        before = before._replace(**{name: jnp.concatenate([start[None], solved[name][:-1]])})
    passed = type(gates)(**solved)
    return jax.tree.map(lambda y: y[-1], passed), count, (passed, after)


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


def _counts(overlap: str, pulse: transmitter.Pulse, under_way: Array, spikes: Array) -> Array:
    """The pulse's count in every step, (T, *shape)."""
    rows = jnp.arange(len(spikes), dtype=jnp.int32)
    if overlap == "ignore":  # whether a spike counts depends on those before it: one cheap scan

        def body(ends: Array, step: tuple[Array, Array]) -> tuple[Array, Array]:
            row, spike = step
            ends = transmitter.arrive(pulse, ends, spike, row, overlap)
            return ends, transmitter.count(ends, row)

        return jax.lax.scan(body, under_way, (rows, spikes))[1]
    own = jax.vmap(lambda row, spike: jnp.where(spike, row, -1))(rows, spikes.astype(bool))
    latest = jax.lax.associative_scan(jnp.maximum, own)  # the row of the latest spike, -1 before the first

    def count(row: Array, latest: Array) -> Array:
        return transmitter.count(jnp.where(latest >= 0, pulse.full + 2 * latest, under_way), row)

    return jax.vmap(count)(rows, latest)
