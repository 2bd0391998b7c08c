"""Carry the gates of a kernel through time: one scan, whose derivative costs little more than the scan itself.

A scan that JAX differentiates by itself keeps every intermediate of every step. Here the derivative is stated: the
tangent of a step depends only on the gates before it and on what drove it, so the run keeps these two and nothing
else, and a second scan, which JAX can transpose for reverse mode, carries the tangent. As the rule is one of forward
mode, `jax.jvp`, `jax.grad`, `jax.linearize`, `jax.hessian` and `jax.vmap` all follow from it.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.custom_derivatives import SymbolicZero

from synkin import parallel, transmitter

# Synapses times steps that a parallel run holds at once: some tens of MB of coefficients.
_PARALLEL_ELEMENTS = 2**21


class Plan(NamedTuple):
    """What of a run is no array."""

    kernel: Any
    overlap: str
    readout: Callable[..., Any] | None  # (state, g, *closed_over) -> what is kept; None keeps g


def run(
    kernel: Any,
    coefficients: Any,
    gates: Any,
    steps: Array | None,
    spikes: Array,
    *,
    overlap: str,
    readout: Callable[[Any, Array], Any] | None,
    checkpoint: int | None = None,
    in_parallel: bool = False,
) -> tuple[Any, Array | None, Any]:
    """The gates and the count of the pulse at the end, and what was kept of each step, (T, ...).

    Args:
        kernel: the kernel module.
        coefficients, gates, steps: what its ``prepare`` returned.
        spikes: (T, *shape).
        overlap: what a spike during a pulse does.
        readout: ``readout(state, g)``, what to keep; None keeps g.
        checkpoint: steps a block, of which a gradient keeps only the start; None for no blocks.
        in_parallel: whether to go through time in parallel.
    """
    closed_over: list[Array] = []
    if readout is not None:
        # What the readout closes over may be differentiated too, and so has to be an argument.
        state, g = kernel.finish(coefficients, gates, steps), kernel.output(coefficients, gates)
        readout, closed_over = jax.closure_convert(readout, state, g)
    plan, constants = Plan(kernel, overlap, readout), (coefficients, closed_over)

    def block(carry: tuple[Any, Array | None], spikes: Array) -> tuple[tuple[Any, Array | None], Any]:
        if in_parallel:
            gates, steps, passed = parallel.trace(kernel, overlap, coefficients, *carry, spikes)
            return (gates, steps), jax.vmap(lambda gates, steps: _kept(plan, constants, gates, steps))(*passed)
        gates, steps, _, kept = _run(plan, False, constants, *carry, spikes)
        return (gates, steps), kept

    length = len(spikes)
    if in_parallel:  # so that the memory it needs stays bounded, however long the run
        length = max(_PARALLEL_ELEMENTS // max(math.prod(spikes.shape[1:]), 1), 1)
    if checkpoint is not None:
        length = min(length, checkpoint)
        block = jax.checkpoint(block, prevent_cse=False)
    (gates, steps), kept = _in_blocks(block, (gates, steps), spikes, length)
    return gates, steps, kept


def _in_blocks(block: Callable[..., Any], carry: Any, spikes: Array, length: int) -> tuple[Any, Any]:
    """``block`` over stretches of ``length`` steps one after the other, and over what remains."""
    whole = len(spikes) // length if length else 0
    if whole <= 1 and len(spikes) <= length:
        return block(carry, spikes)
    cut = whole * length
    carry, kept = jax.lax.scan(block, carry, spikes[:cut].reshape(whole, length, *spikes.shape[1:]))
    kept = jax.tree.map(lambda k: k.reshape(cut, *k.shape[2:]), kept)
    if cut < len(spikes):
        carry, rest = block(carry, spikes[cut:])
        kept = jax.tree.map(lambda *parts: jnp.concatenate(parts), kept, rest)
    return carry, kept


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _run(
    plan: Plan, keep_trace: bool, constants: Any, gates: Any, steps: Array | None, spikes: Array
) -> tuple[Any, Array | None, Any, Any]:
    """Gates and steps at the end; the trace ``(gates, drive)`` of every step or None; what the readout kept."""

    def body(carry: tuple[Any, Array | None], spike: Array) -> tuple[Any, Any]:
        gates, steps = carry
        if steps is None:
            drive = spike
        else:
            drive = steps = transmitter.arrive(constants[0].pulse, steps, spike, plan.overlap)
            steps = transmitter.pass_step(steps)
        gates = plan.kernel.gate(constants[0], gates, drive)
        if not keep_trace:
            return (gates, steps), _kept(plan, constants, gates, steps)
        drive_kept = None if steps is None else _small(plan, drive)
        return (gates, steps), (gates, drive_kept, _read(plan, constants, gates, steps))

    (gates, steps), kept = jax.lax.scan(body, (gates, steps), spikes)
    if not keep_trace:
        return gates, steps, None, kept
    trace, drives, kept = kept
    return gates, steps, (trace, drives), _output(plan, constants, trace) if plan.readout is None else kept


@partial(_run.defjvp, symbolic_zeros=True)
def _run_jvp(plan: Plan, keep_trace: bool, primals: Any, tangents: Any) -> tuple[Any, Any]:
    constants, first, steps, spikes = primals
    d_constants, d_first, _, d_spikes = tangents
    d_constants, d_first = jax.tree.map(_instantiate, (d_constants, d_first), is_leaf=_is_zero)
    # By this call, and not by a plain scan, a derivative of the derivative finds this rule again.
    gates, steps, (trace, drives), kept = _run(plan, True, constants, first, steps, spikes)

    # One derivative a synapse, summed over the synapses after the run and not at each of its steps.
    spread = partial(_spread, shape=jax.tree.leaves(first)[0].shape)
    wide = (jax.tree.map(spread, constants[0]), constants[1])
    d_wide = (jax.tree.map(spread, d_constants[0]), d_constants[1])

    @partial(jax.checkpoint, prevent_cse=False)
    def body(d_gates: Any, step: tuple[Any, ...]) -> tuple[Any, Any]:
        i, drive, spike, d_spike = step
        before = jax.tree.map(lambda start, kept: jnp.where(i == 0, start, kept[jnp.maximum(i - 1, 0)]), first, trace)

        def move(constants: Any, gates: Any, spike: Array) -> tuple[Any, Any]:
            gates = plan.kernel.gate(constants[0], gates, spike if drive is None else drive)
            return gates, _read(plan, constants, gates, None if drive is None else transmitter.pass_step(drive))

        d_spike = jax.tree.map(_no_tangent, spike) if d_spike is None else d_spike
        _, (d_gates, d_kept) = jax.jvp(move, (wide, before, spike), (d_wide, d_gates, d_spike))
        return d_gates, (d_gates if keep_trace or plan.readout is None else None, d_kept)

    # The spikes themselves drive a linear kernel; a receptor's are in its counts already.
    d_spikes = None if _is_zero(d_spikes) else d_spikes
    by_step = (jnp.arange(len(spikes)), drives, spikes if drives is None else None, d_spikes)
    d_gates, (d_trace, d_kept) = jax.lax.scan(body, d_first, by_step)
    if plan.readout is None:
        _, d_kept = jax.jvp(partial(_output, plan), (constants, trace), (d_constants, d_trace))

    # No tangent to what is counted.
    d_steps, d_drives = jax.tree.map(_no_tangent, (steps, drives))
    if not keep_trace:
        return (gates, steps, None, kept), (d_gates, d_steps, None, d_kept)
    return (gates, steps, (trace, drives), kept), (d_gates, d_steps, (d_trace, d_drives), d_kept)


def _kept(plan: Plan, constants: Any, gates: Any, steps: Array | None) -> Any:
    """What is kept of one step: the readout's choice, or g."""
    return plan.kernel.output(constants[0], gates) if plan.readout is None else _read(plan, constants, gates, steps)


def _read(plan: Plan, constants: Any, gates: Any, steps: Array | None) -> Any:
    """What the readout keeps of a step, None without one."""
    if plan.readout is None:
        return None
    coefficients, closed_over = constants
    state = plan.kernel.finish(coefficients, gates, steps)
    return plan.readout(state, plan.kernel.output(coefficients, gates), *closed_over)


def _output(plan: Plan, constants: Any, trace: Any) -> Array:
    """g of a whole trace: one pass after the run, and none at all where g is one of the gates."""
    return jax.vmap(partial(plan.kernel.output, constants[0]))(trace)


def _small(plan: Plan, steps: Array) -> Array:
    """A count as small as the derivative can do with: only a readout may need more than what `pick` looks at."""
    return jnp.clip(steps, -2, 2).astype(jnp.int8) if plan.readout is None else steps


def _spread(x: Array, shape: tuple[int, ...]) -> Array | np.ndarray:
    if x.dtype == jax.dtypes.float0:
        return np.broadcast_to(x, shape)
    return jnp.broadcast_to(x, shape)


def _is_zero(tangent: Any) -> bool:
    return isinstance(tangent, SymbolicZero)


def _instantiate(tangent: Any) -> Any:
    if not _is_zero(tangent):
        return tangent
    make = np.zeros if tangent.dtype == jax.dtypes.float0 else jnp.zeros
    return make(tangent.shape, tangent.dtype)


def _no_tangent(x: Array) -> np.ndarray:
    """The tangent of an array of integers or booleans; of zeros for a float that is not differentiated."""
    dtype = jax.dtypes.float0 if not jnp.issubdtype(x.dtype, jnp.floating) else x.dtype
    return (np if dtype == jax.dtypes.float0 else jnp).zeros(x.shape, dtype)
