"""A whole run of a `synkin.stepper`: one scan, whose derivative costs little more than the scan itself.

A scan that JAX differentiates by itself keeps every intermediate of every step. Here the derivative is stated: the
tangent of a step depends only on the variables before it and on what drove it, its drive. Where g is read off a last
variable, which drives no other, the run keeps that, for it is the result, and the drive; all other variables are
rematerialised, a block of steps at a time. A second scan, which JAX can transpose for reverse mode, carries the
tangent. As the rule is one of forward mode, `jax.jvp`, `jax.grad`, `jax.linearize`, `jax.hessian` and `jax.vmap` all
follow from it.

`synkin.simulate` calls `run`; the loops are in `synkin.solving.loops`.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_derivatives import SymbolicZero

from synkin.solving import coefficients, loops, parallel_in_time, pulses, steps
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators import equations
from synkin.solving.stepper import state_of
from synkin.tracing.readouts import Program

# Synapses times steps that a parallel run holds at once: some tens of MB of coefficients.
_PARALLEL_ELEMENTS = 2**21


class Trace(NamedTuple):
    """What a derivative needs to know of a run."""

    starts: Any  # the variables that are rematerialised, at the start of each block, (blocks, *shape)
    last: Array | None  # the last variable after each step, (T, *shape), if that is kept
    drives: Array | None  # the count of each step, (T, *shape), which drives a receptor


class Plan(NamedTuple):
    """The static options of a run: all that is no array."""

    kernel: Kernel
    method: str
    overlap: str
    readout: Callable[..., Any] | None  # (state, g, *readout_constants) -> what is kept; None keeps g

    @property
    def rematerialised(self) -> int:
        """How many variables, from the first on, a derivative computes again instead of keeping them."""
        found = self.kernel.structure
        return found.size - 1 if found.ends_in_g else found.size

    @property
    def reads(self) -> bool:
        """Whether something is read off every step, and not off the trace of the last variable afterwards."""
        return self.readout is not None or not self.kernel.structure.ends_in_g


def run(
    kernel: Kernel,
    method: str,
    overlap: str,
    coefs: coefficients.StepCoefficients,
    y: tuple[Array, ...],
    count: Array | None,
    spikes: Array,
    readout: Callable[..., Any] | None,
    readout_constants: Any,
    *,
    checkpoint: int | None = None,
    in_parallel: bool = False,
) -> tuple[Any, Array | None, Any]:
    """The variables and the count of the pulse at the end, and what was kept of each step, (T, ...).

    Args:
        kernel, method, overlap: of the stepper.
        coefs, y, count: what `synkin.solving.stepper.initial_carry` returned.
        spikes: (T, *shape).
        readout: ``readout(state, g, *readout_constants)``, what to keep; None keeps g.
        readout_constants: arrays.
        checkpoint: steps a block, of which a gradient keeps only the start; None for no blocks.
        in_parallel: whether to go through time in parallel.
    """
    plan, constants = Plan(kernel, method, overlap, readout), (coefs, readout_constants)
    y, count = loops.match_varying((y, count), (constants, y, count, spikes))
    if not len(spikes):
        one = jax.eval_shape(partial(_read, plan, constants), y, count)
        return y, count, jax.tree.map(lambda kept: jnp.zeros((0, *kept.shape), kept.dtype), one)

    def block(carry: tuple[Any, Array | None], spikes: Array) -> tuple[tuple[Any, Array | None], Any]:
        if in_parallel:
            y, count, passed = parallel_in_time.trace(kernel, method, overlap, coefs, *carry, spikes)
            if isinstance(readout, Program) and readout.calls_python:  # for one step at a time, as in a scan
                return (y, count), jax.lax.map(lambda step: _read(plan, constants, *step), passed)
            return (y, count), jax.vmap(lambda y, count: _read(plan, constants, y, count))(*passed)
        y, count, _, kept = _run(plan, False, constants, *carry, spikes)
        return (y, count), kept

    length = min(len(spikes), pulses.MOST_ROWS)
    if in_parallel:  # so that the memory it needs stays bounded, however long the run
        length = max(_PARALLEL_ELEMENTS // max(math.prod(spikes.shape[1:]), 1), 1)
    if checkpoint is not None:
        length = min(length, checkpoint)
        block = jax.checkpoint(block, prevent_cse=False)
    (y, count), kept = loops.in_blocks(block, (y, count), spikes, len(spikes), length)
    return y, count, kept


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _run(
    plan: Plan, keep_trace: bool, constants: Any, y: Any, count: Array | None, spikes: Array
) -> tuple[Any, Array | None, Any, Any]:
    """Variables and count at the end; the `Trace` of the run or None; what was kept."""

    def body(carry: tuple[Any, Array | None], row: Array, spike: Array) -> tuple[Any, Any]:
        y, ends = carry
        drive: Array = spike
        given: Any = spike
        if ends is not None:
            coefs = constants[0]
            ends = pulses.on_spike(coefs.pulse, coefs.carried_pulse, ends, spike, row, plan.overlap)
            drive, given = pulses.count(ends, row), (ends, row)
        y = _step(plan, constants, y, given)
        after = None if ends is None else pulses.pass_step(drive)
        if not keep_trace:
            return (y, ends), _read(plan, constants, y, after)
        counted = None if ends is None else _compact_count(plan, constants[0], drive)
        last = y[-1] if plan.rematerialised < len(y) else None
        return (y, ends), (last, counted, _read(plan, constants, y, after) if plan.reads else None)

    def block(carry: tuple[Any, Array | None], spikes: Array) -> tuple[Any, Any]:
        start = jax.tree.map(lambda x: x[None], carry[0][: plan.rematerialised])
        (y, ends), kept = loops.scan(body, carry, spikes)
        # Counted anew from the row that follows; a pulse that is over counts nothing.
        count = None if ends is None else jnp.maximum(pulses.count(ends, len(spikes)), 0)
        return (y, count), (start, *kept) if keep_trace else kept

    if not keep_trace:
        (y, count), kept = block((y, count), spikes)
        return loops.batch_first((y, count, None, kept))
    total = len(spikes)
    (y, count), (*trace, kept) = loops.in_blocks(block, (y, count), spikes, total, _length(plan, total))
    kept = kept if plan.reads else _outputs(plan, constants[0].output_weights, trace[1])
    return loops.batch_first((y, count, Trace(*trace), kept))


@partial(_run.defjvp, symbolic_zeros=True)
def _run_jvp(plan: Plan, keep_trace: bool, primals: Any, tangents: Any) -> tuple[Any, Any]:
    constants, first, count, spikes = primals
    d_constants, d_first, _, d_spikes = tangents
    # By this call, and not by a plain scan, a derivative of the derivative finds this rule again.
    y, count, trace, kept = _run(plan, True, constants, first, count, spikes)
    # What a readout does to the world outside it has done by now.
    if isinstance(plan.readout, Program):
        plan = plan._replace(readout=plan.readout.without_effects())

    d_leaves, leaves, whole = _differentiated(constants, d_constants, first[-1].shape)
    drives = spikes if trace.drives is None else trace.drives
    d_drives = [] if trace.drives is not None or _is_zero(d_spikes) else [d_spikes]

    @partial(jax.checkpoint, prevent_cse=False)
    def body(d_y: Any, step: tuple[Any, ...]) -> tuple[Any, Any]:
        row, before, d_drive = step
        drive = drives[row]
        if trace.last is not None:
            before = (*before, jnp.where(row == 0, first[-1], trace.last[jnp.maximum(row - 1, 0)]))

        def step_and_read(leaves: list[Array], y: object, *weight: Array) -> tuple[Any, Any]:
            constants = whole(leaves)
            y = _step(plan, constants, y, *weight or (drive,))
            after = None if trace.drives is None else pulses.pass_step(drive)
            return y, _read(plan, constants, y, after) if plan.reads else None

        at, d_at = (leaves(), before, *(drive for _ in d_drive)), (d_leaves, d_y, *d_drive)
        _, (d_y, d_kept) = jax.jvp(step_and_read, at, d_at)
        return d_y, (d_y[-1] if trace.last is not None and (keep_trace or not plan.reads) else None, d_kept)

    @partial(jax.checkpoint, prevent_cse=False)
    def block(d_y: Any, steps: tuple[Any, ...]) -> tuple[Any, Any]:
        start, row, d_drive = steps
        d_start = jax.tree.map(lambda x: x[None], d_y[: plan.rematerialised])
        before = _rematerialised(plan, constants, first, jax.tree.map(lambda x: x[0], start), drives, row)
        d_y, (d_last, d_kept) = jax.lax.scan(body, d_y, (row, before, d_drive))
        return d_y, (d_start, d_last, d_kept)

    total = len(spikes)
    d_first = jax.tree.map(_instantiate, d_first, is_leaf=_is_zero)
    d_first = loops.match_varying(d_first, (d_first, d_leaves, d_drives, trace, first))
    steps = (trace.starts, jnp.arange(total, dtype=jnp.int32), d_drives)
    d_y, (d_starts, d_last, d_kept) = loops.in_blocks(block, d_first, steps, total, _length(plan, total))
    if not plan.reads:
        d_output = jax.tree.map(_instantiate, d_constants[0].output_weights, is_leaf=_is_zero)
        _, d_kept = jax.jvp(partial(_outputs, plan), (constants[0].output_weights, trace.last), (d_output, d_last))

    # No tangent to what is counted.
    d_count, d_counts = jax.tree.map(_no_tangent, (count, trace.drives))
    if not keep_trace:
        return (y, count, None, kept), (d_y, d_count, None, d_kept)
    return (y, count, trace, kept), (d_y, d_count, Trace(d_starts, d_last, d_counts), d_kept)


def _differentiated(
    constants: Any, d_constants: Any, shape: tuple[int, ...]
) -> tuple[list[Array], Callable[[], list[Array]], Callable[[list[Array]], Any]]:
    """Tangents of those leaves alone that have one, a function that gives these leaves, and one from them to all.

    Of coefficients there is one derivative a synapse, which are summed over the synapses after the run and not at each
    of its steps. The leaves come from a function so that they are spread out within a step, which XLA does for nothing.
    """
    leaves, structure = jax.tree.flatten(constants)
    coefs, readout_constants = map(jax.tree.leaves, constants)
    # Those that a step seldom looks at stay as they are: it costs less to sum them in those steps.
    seldom = {id(x) for x in jax.tree.leaves(constants[0].gate_rates)}
    shapes = [x.shape if id(x) in seldom else jnp.broadcast_shapes(x.shape, shape) for x in coefs]
    shapes += [x.shape for x in readout_constants]
    tangents = dict(enumerate(jax.tree.leaves(d_constants, is_leaf=_is_zero)))
    tangents = {
        i: jnp.broadcast_to(tangent, shapes[i])
        for i, tangent in tangents.items()
        if not _is_zero(tangent) and tangent.dtype != jax.dtypes.float0
    }

    def differentiated() -> list[Array]:
        return [jnp.broadcast_to(leaves[i], shapes[i]) for i in tangents]

    def whole(replaced: list[Array]) -> Any:
        given = dict(enumerate(leaves)) | dict(zip(tangents, replaced, strict=True))
        return jax.tree.unflatten(structure, given.values())

    return list(tangents.values()), differentiated, whole


def _rematerialised(plan: Plan, constants: Any, first: Any, start: Any, drives: Array, rows: Array) -> Any:
    """The variables that were not kept, before each step of a block, from its start on."""
    if not start:
        return start

    def body(y: Any, row: Array) -> tuple[Any, Any]:
        # A last variable that was kept drives none of them: whatever it is, nothing of it is computed.
        y_and_last = (*y, *first[len(y) :])
        if len(y) == len(y_and_last):
            return _step(plan, constants, y, drives[row]), y
        return steps.step_drivers(plan.kernel, plan.method, constants[0], y_and_last, drives[row]), y

    return jax.lax.scan(body, start, rows)[1]


def _length(plan: Plan, total: int) -> int:
    """Steps a block of a derivative: where variables are rematerialised a divisor of the total, about its root."""
    if not plan.rematerialised:
        return total
    return next((n for n in range(math.isqrt(max(total - 1, 0)) + 1, total) if total % n == 0), total)


def _step(plan: Plan, constants: Any, y: Any, drive: Any) -> Any:
    return steps.step(plan.kernel, plan.method, constants[0], y, drive)


def _read(plan: Plan, constants: Any, y: Any, count: Array | None) -> Any:
    """What is kept of one step: the readout's choice, or g."""
    coefs, readout_constants = constants
    g = equations.conductance(plan.kernel, coefs.output_weights, y)
    return g if plan.readout is None else plan.readout(state_of(plan.kernel, coefs, y, count), g, *readout_constants)


def _outputs(plan: Plan, weights: object, last: Array) -> Array:
    """g of a whole trace of the last variable: one pass after the run, and none at all where that is g."""
    others = (jnp.zeros((), last.dtype),) * plan.rematerialised
    return jax.vmap(lambda last: equations.conductance(plan.kernel, weights, (*others, last)))(last)


def _compact_count(plan: Plan, coefs: coefficients.StepCoefficients, count: Array) -> Array:
    """A count as small as the derivative can do with: only a readout may need more than what a step looks at."""
    if plan.readout is not None:
        return count
    small = jnp.clip(count, 0, 4)
    if coefs.carried_pulse is not None:  # an odd count stays odd: it is of a pulse that was under way at the start
        small = jnp.where(count > 4, 4 + count % 2, small)
    return small.astype(jnp.int8)


def _is_zero(tangent: object) -> bool:
    return isinstance(tangent, SymbolicZero)


def _instantiate(tangent: Any) -> Any:
    return jnp.zeros(tangent.shape, tangent.dtype) if _is_zero(tangent) else tangent


def _no_tangent(x: Array) -> SymbolicZero:
    """The tangent of an array of integers."""
    return SymbolicZero(jax.typeof(x).to_tangent_aval())
