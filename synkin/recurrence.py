"""Carry the gates of a kernel through time: one scan, whose derivative costs little more than the scan itself.

A scan that JAX differentiates by itself keeps every intermediate of every step. Here the derivative is stated: the
tangent of a step depends only on the gates before it and on what drove it, so the run keeps the last gate, which is g
or the like of it, and the drive; the gates between the two are found again, a block of steps at a time. A second scan,
which JAX can transpose for reverse mode, carries the tangent. As the rule is one of forward mode, `jax.jvp`,
`jax.grad`, `jax.linearize`, `jax.hessian` and `jax.vmap` all follow from it.
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

from synkin import loop, parallel, transmitter

# Synapses times steps that a parallel run holds at once: some tens of MB of coefficients.
_PARALLEL_ELEMENTS = 2**21


class Trace(NamedTuple):
    """What a derivative needs to know of a run."""

    starts: Any  # all gates but the last, at the start of each block, (blocks, *shape)
    last: Array  # the last gate after each step, (T, *shape)
    drives: Array | None  # the count of each step, (T, *shape), which drives a receptor


class Plan(NamedTuple):
    """What of a run is no array."""

    kernel: Any
    overlap: str
    readout: Callable[..., Any] | None  # (state, g, *closed_over) -> what is kept; None keeps g


def run(
    kernel: Any,
    coefficients: Any,
    gates: Any,
    count: Array | None,
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
        coefficients, gates, count: what its ``prepare`` returned.
        spikes: (T, *shape).
        overlap: what a spike during a pulse does.
        readout: ``readout(state, g)``, what to keep; None keeps g.
        checkpoint: steps a block, of which a gradient keeps only the start; None for no blocks.
        in_parallel: whether to go through time in parallel.
    """
    closed_over: list[Array] = []
    if readout is not None:
        # What the readout closes over may be differentiated too, and so has to be an argument.
        state, g = kernel.finish(coefficients, gates, count), kernel.output(coefficients, gates[-1])
        readout, closed_over = jax.closure_convert(readout, state, g)
    plan, constants = Plan(kernel, overlap, readout), (coefficients, closed_over)

    def block(carry: tuple[Any, Array | None], spikes: Array) -> tuple[tuple[Any, Array | None], Any]:
        if in_parallel:
            gates, count, passed = parallel.trace(kernel, overlap, coefficients, *carry, spikes)
            return (gates, count), jax.vmap(lambda gates, count: _kept(plan, constants, gates, count))(*passed)
        gates, count, _, kept = _run(plan, False, constants, *carry, spikes)
        return (gates, count), kept

    length = len(spikes)
    if in_parallel:  # so that the memory it needs stays bounded, however long the run
        length = max(_PARALLEL_ELEMENTS // max(math.prod(spikes.shape[1:]), 1), 1)
    if checkpoint is not None:
        length = min(length, checkpoint)
        block = jax.checkpoint(block, prevent_cse=False)
    (gates, count), kept = loop.in_blocks(block, (gates, count), spikes, len(spikes), length)
    return gates, count, kept


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _run(
    plan: Plan, keep_trace: bool, constants: Any, gates: Any, count: Array | None, spikes: Array
) -> tuple[Any, Array | None, Any, Any]:
    """Gates and count at the end; the `Trace` of the run or None; what the readout kept."""

    def body(carry: tuple[Any, Array | None], row: Array, spike: Array) -> tuple[Any, Any]:
        gates, ends = carry
        drive = spike
        if ends is not None:
            ends = transmitter.arrive(constants[0].pulse, ends, spike, row, plan.overlap)
            drive = transmitter.count(ends, row)
        gates = plan.kernel.gate(constants[0], gates, drive)
        after = None if ends is None else transmitter.pass_step(drive)
        if not keep_trace:
            return (gates, ends), _kept(plan, constants, gates, after)
        counted = None if ends is None else _small(plan, drive)
        return (gates, ends), (gates[-1], counted, _read(plan, constants, gates, after))

    def block(carry: tuple[Any, Array | None], spikes: Array) -> tuple[Any, Any]:
        start = jax.tree.map(lambda x: x[None], carry[0][:-1])
        (gates, ends), kept = loop.scan(body, carry, spikes)
        # Counted anew from the row that follows; a pulse that is over counts nothing.
        count = None if ends is None else jnp.maximum(transmitter.count(ends, len(spikes)), 0)
        return (gates, count), (start, *kept) if keep_trace else kept

    if not keep_trace:
        (gates, count), kept = block((gates, count), spikes)
        return gates, count, None, kept
    total = len(spikes)
    (gates, count), (*trace, kept) = loop.in_blocks(block, (gates, count), spikes, total, _length(gates, total))
    return gates, count, Trace(*trace), _output(plan, constants, trace[1]) if plan.readout is None else kept


@partial(_run.defjvp, symbolic_zeros=True)
def _run_jvp(plan: Plan, keep_trace: bool, primals: Any, tangents: Any) -> tuple[Any, Any]:
    constants, first, count, spikes = primals
    d_constants, d_first, _, d_spikes = tangents
    # By this call, and not by a plain scan, a derivative of the derivative finds this rule again.
    gates, count, trace, kept = _run(plan, True, constants, first, count, spikes)

    d_moved, moved, whole = _differentiated(constants, d_constants, first[-1].shape)
    drives = spikes if trace.drives is None else trace.drives
    d_drives = [] if trace.drives is not None or _is_zero(d_spikes) else [d_spikes]

    @partial(jax.checkpoint, prevent_cse=False)
    def body(d_gates: Any, step: tuple[Any, ...]) -> tuple[Any, Any]:
        row, drivers, d_drive = step
        drive = drives[row]
        gates = type(first)(*drivers, jnp.where(row == 0, first[-1], trace.last[jnp.maximum(row - 1, 0)]))

        def move(moved: list[Array], gates: Any, *weight: Array) -> tuple[Any, Any]:
            constants = whole(moved)
            gates = plan.kernel.gate(constants[0], gates, *weight or (drive,))
            return gates, _read(plan, constants, gates, None if trace.drives is None else transmitter.pass_step(drive))

        at, d_at = (moved(), gates, *(drive for _ in d_drive)), (d_moved, d_gates, *d_drive)
        _, (d_gates, d_kept) = jax.jvp(move, at, d_at)
        return d_gates, (d_gates[-1] if keep_trace or plan.readout is None else None, d_kept)

    @partial(jax.checkpoint, prevent_cse=False)
    def block(d_gates: Any, steps: tuple[Any, ...]) -> tuple[Any, Any]:
        start, row, d_drive = steps
        d_start = jax.tree.map(lambda x: x[None], d_gates[:-1])
        drivers = _drivers(plan, constants, first, jax.tree.map(lambda x: x[0], start), drives, row)
        d_gates, (d_last, d_kept) = jax.lax.scan(body, d_gates, (row, drivers, d_drive))
        return d_gates, (d_start, d_last, d_kept)

    total = len(spikes)
    d_first = jax.tree.map(_instantiate, d_first, is_leaf=_is_zero)
    steps = (trace.starts, jnp.arange(total, dtype=jnp.int32), d_drives)
    d_gates, (d_starts, d_last, d_kept) = loop.in_blocks(block, d_first, steps, total, _length(first, total))
    if plan.readout is None:
        d_constants = jax.tree.map(_instantiate, d_constants, is_leaf=_is_zero)
        _, d_kept = jax.jvp(partial(_output, plan), (constants, trace.last), (d_constants, d_last))

    # No tangent to what is counted.
    d_count, d_counts = jax.tree.map(_no_tangent, (count, trace.drives))
    if not keep_trace:
        return (gates, count, None, kept), (d_gates, d_count, None, d_kept)
    return (gates, count, trace, kept), (d_gates, d_count, Trace(d_starts, d_last, d_counts), d_kept)


def _differentiated(
    constants: Any, d_constants: Any, shape: tuple[int, ...]
) -> tuple[list[Array], Callable[[], list[Array]], Callable[[list[Array]], Any]]:
    """Tangents of those leaves alone that have one, a function that gives these leaves, and one from them to all.

    Of coefficients there is one derivative a synapse, which are summed over the synapses after the run and not at each
    of its steps. The leaves come from a function so that they are spread out within a step, which XLA does for nothing.
    """
    leaves, structure = jax.tree.flatten(constants)
    coefficients, closed_over = map(jax.tree.leaves, constants)
    shapes = [jnp.broadcast_shapes(x.shape, shape) for x in coefficients] + [x.shape for x in closed_over]
    tangents = dict(enumerate(jax.tree.leaves(d_constants, is_leaf=_is_zero)))
    tangents = {i: jnp.broadcast_to(tangent, shapes[i]) for i, tangent in tangents.items() if not _is_zero(tangent)}

    def moved() -> list[Array]:
        return [jnp.broadcast_to(leaves[i], shapes[i]) for i in tangents]

    def whole(moved: list[Array]) -> Any:
        given = dict(enumerate(leaves)) | dict(zip(tangents, moved, strict=True))
        return jax.tree.unflatten(structure, given.values())

    return list(tangents.values()), moved, whole


def _drivers(plan: Plan, constants: Any, first: Any, start: Any, drives: Array, rows: Array) -> Any:
    """All gates but the last before each step of a block, found again from its start on."""
    if not start:
        return start

    def body(drivers: Any, row: Array) -> tuple[Any, Any]:
        # The last gate drives none of them: whatever it is, nothing of it is computed.
        return plan.kernel.gate(constants[0], type(first)(*drivers, first[-1]), drives[row])[:-1], drivers

    return jax.lax.scan(body, start, rows)[1]


def _length(gates: Any, total: int) -> int:
    """Steps a block of a derivative: where there are gates to be found again a divisor of all, about its root."""
    if len(gates) == 1:
        return total
    return next((n for n in range(math.isqrt(max(total - 1, 0)) + 1, total) if total % n == 0), total)


def _kept(plan: Plan, constants: Any, gates: Any, count: Array | None) -> Any:
    """What is kept of one step: the readout's choice, or g."""
    return plan.kernel.output(constants[0], gates[-1]) if plan.readout is None else _read(plan, constants, gates, count)


def _read(plan: Plan, constants: Any, gates: Any, count: Array | None) -> Any:
    """What the readout keeps of a step, None without one."""
    if plan.readout is None:
        return None
    coefficients, closed_over = constants
    state = plan.kernel.finish(coefficients, gates, count)
    return plan.readout(state, plan.kernel.output(coefficients, gates[-1]), *closed_over)


def _output(plan: Plan, constants: Any, last: Array) -> Array:
    """g of a whole trace: one pass after the run, and none at all where g is the last gate."""
    return jax.vmap(lambda last: plan.kernel.output(constants[0], last))(last)


def _small(plan: Plan, count: Array) -> Array:
    """A count as small as the derivative can do with: only a readout may need more than what `pick` looks at."""
    return jnp.clip(count, 0, 4).astype(jnp.int8) if plan.readout is None else count


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
