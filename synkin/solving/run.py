"""A whole run of a `synkin.stepper`: one scan, whose derivative costs little more than the scan itself.

A scan that JAX differentiates by itself keeps every intermediate of every step. Here the derivative is a rule of its
own: the tangent of a step depends only on the variables before the step and on what drove it, its drive. The run keeps
the drives and, where g is read off a last variable that drives no other, this variable. All other variables are
rematerialised, a block of steps at a time. A second scan, which JAX can transpose for reverse mode, carries the
tangent. The rule is one of forward mode, so that `jax.jvp`, `jax.grad`, `jax.linearize`, `jax.hessian` and `jax.vmap`
all follow from it.

`synkin.simulate` calls `run`; the loops are in `synkin.solving.loops`.
"""

import math
import operator
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_derivatives import SymbolicZero

from synkin.arguments.declaration import AnyParams, Pytree
from synkin.solving import gate_derivative, loops, mean_output, parallel_in_time, pulses, steps
from synkin.solving.coefficients import StepCoefficients, StepKind, pulse_of
from synkin.solving.first_carry import state_of
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators import equations, gate_tables
from synkin.solving.propagators.equations import Variables
from synkin.solving.propagators.of_kernel import as_matrix
from synkin.tracing.program import Program

# (state, g, *readout_constants) -> what is kept of a step.
Readout: TypeAlias = Callable[..., Pytree]
# What goes from step to step: the variables, and the count of the pulse (or ``ends``) for a receptor.
RunCarry: TypeAlias = tuple[Variables, Array | None]
# The same within a loop, see `synkin.solving.loops.pack`.
Packed: TypeAlias = Variables | Array
LoopCarry: TypeAlias = tuple[Packed, Array | None]

# Up to so many synapses a CPU takes the derivative of a gate faster for all steps of a block at once; measured.
_FEW = 1024
# The maximum number of synapses times steps that a parallel run holds at once: some tens of MB of coefficients.
_PARALLEL_ELEMENTS = 2**21


class Trace(NamedTuple):
    """What a derivative needs of a run."""

    starts: Variables  # the rematerialised variables at the start of each block, (blocks, *shape)
    last: Array | None  # the last variable after each step, (T, *shape), if it is kept
    drives: Array | None  # for a receptor the count of each step, (T, *shape)


class Constants(NamedTuple):
    """The arrays that are the same in every step."""

    coefs: StepCoefficients
    readout_constants: list[Array]


class Plan(NamedTuple):
    """The static options of a run."""

    kernel: Kernel
    method: str
    overlap: str
    readout: Readout | None  # None keeps g
    spikes_at: str  # whether a spike acts at the "start" or at the "end" of its step
    output: str  # whether g is that at the "end" of a step or its "mean"

    @property
    def rematerialised(self) -> int:
        """The number of variables, from the first on, that a derivative computes again instead of keeping them."""
        structure = self.kernel.structure
        return structure.size - 1 if structure.ends_in_g else structure.size

    @property
    def reads(self) -> bool:
        """Whether each step is read as it is taken, and not g afterwards off the trace of the last variable."""
        return self.readout is not None or self.output == "mean" or not self.kernel.structure.ends_in_g


def run(
    kernel: Kernel,
    method: str,
    overlap: str,
    coefs: StepCoefficients,
    y: Variables,
    count: Array | None,
    spikes: Array,
    readout: Readout | None,
    readout_constants: list[Array],
    *,
    spikes_at: str,
    output: str,
    checkpoint: int | None = None,
    in_parallel: bool = False,
) -> tuple[Variables, Array | None, Pytree]:
    """The variables and the count of the pulse at the end, and what was kept of each step, (T, ...).

    Args:
        kernel, method, overlap: of the stepper.
        coefs, y, count: what `synkin.solving.stepper.initial_carry` returned.
        spikes: (T, *shape).
        readout: ``readout(state, g, *readout_constants)`` returns what to keep of a step; None keeps g.
        readout_constants: arrays.
        spikes_at, output: of the stepper.
        checkpoint: the number of steps of a block, of which a gradient keeps only the start; None for no blocks.
        in_parallel: whether to go through time in parallel.
    """
    plan, constants = Plan(kernel, method, overlap, readout, spikes_at, output), Constants(coefs, readout_constants)
    y, count = loops.match_varying((y, count), (constants, y, count, spikes))
    if not len(spikes):
        one = jax.eval_shape(partial(_read, plan, constants), y, count)
        return y, count, jax.tree.map(lambda kept: jnp.zeros((0, *kept.shape), kept.dtype), one)

    def block(carry: RunCarry, spikes: Array) -> tuple[RunCarry, Pytree]:
        if in_parallel:
            y, count, trace, before = parallel_in_time.trace(kernel, method, overlap, spikes_at, coefs, *carry, spikes)
            g = jax.vmap(partial(_mean, plan, constants))(*before)
            if isinstance(readout, Program) and readout.calls_python:  # one step at a time, as in a scan
                return (y, count), jax.lax.map(lambda step: _read(plan, constants, *step), (*trace, g))
            return (y, count), jax.vmap(partial(_read, plan, constants))(*trace, g)
        y, count, _, kept = _run(plan, False, constants, *carry, spikes)
        return (y, count), kept

    length = min(len(spikes), pulses.MOST_ROWS)
    if in_parallel:  # so that its memory is bounded, however long the run is
        length = max(_PARALLEL_ELEMENTS // max(math.prod(spikes.shape[1:]), 1), 1)
    if checkpoint is not None:
        length = min(length, checkpoint)
        block = jax.checkpoint(block, prevent_cse=False)
    (y, count), kept = loops.in_blocks(block, (y, count), spikes, len(spikes), length)
    return y, count, kept


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _run(
    plan: Plan, keep_trace: bool, constants: Constants, y: Variables, count: Array | None, spikes: Array
) -> tuple[Variables, Array | None, Trace | None, Pytree]:
    """The variables and the count at the end; the `Trace` of the run, or None; what was kept of each step."""

    def body(carry: LoopCarry, row: Array, spike: Array) -> tuple[LoopCarry, Pytree]:
        packed, ends = carry
        y = loops.unpack(packed)
        drive: steps.Drive = spike
        after, count = None, spike
        if ends is not None:
            coefs = constants.coefs
            start = partial(pulses.on_spike, pulse_of(coefs), coefs.carried_pulse, overlap=plan.overlap)
            if plan.spikes_at == "start":
                ends = start(ends, spike, row)
            count, drive = pulses.count(ends, row), (ends, row)
            after = pulses.pass_step(count)
            if plan.spikes_at == "end":  # the pulse begins with the next step
                ends = start(ends, spike, row + 1)
                after = pulses.count(ends, row + 1)
        mean = _mean(plan, constants, y, drive)
        y = _step(plan, constants, y, drive)
        if not keep_trace:
            return (loops.pack(y), ends), _read(plan, constants, y, after, mean)
        compact = None if ends is None else _compact_count(plan, constants.coefs, count)
        last = y[-1] if plan.rematerialised < len(y) else None
        return (loops.pack(y), ends), (last, compact, _read(plan, constants, y, after, mean) if plan.reads else None)

    def block(carry: RunCarry, spikes: Array) -> tuple[RunCarry, Pytree]:
        start = jax.tree.map(lambda x: x[None], carry[0][: plan.rematerialised])
        (packed, ends), kept = loops.scan(body, (loops.pack(carry[0]), carry[1]), spikes)
        y = loops.unpack(packed)
        # The next block counts its rows from 0; the count of a pulse that is over is 0.
        count = None if ends is None else jnp.maximum(pulses.count(ends, len(spikes)), 0)
        return (y, count), (start, *kept) if keep_trace else kept

    if not keep_trace:
        (y, count), kept = block((y, count), spikes)
        return loops.batch_first((y, count, None, kept))
    total = len(spikes)
    (y, count), (*trace, kept) = loops.in_blocks(block, (y, count), spikes, total, _length(plan, total))
    kept = kept if plan.reads else _outputs(plan, constants.coefs.output_weights, trace[1])
    return loops.batch_first((y, count, Trace(*trace), kept))


@partial(_run.defjvp, symbolic_zeros=True)
def _run_jvp(
    plan: Plan, keep_trace: bool, primals: tuple[Constants, Variables, Array | None, Array], tangents: Pytree
) -> tuple[Pytree, Pytree]:
    constants, first, count, spikes = primals
    d_constants, d_first, _, d_spikes = tangents
    # This call, in place of a plain scan, makes this rule apply to a derivative of the derivative too.
    y, count, trace, kept = _run(plan, True, constants, first, count, spikes)
    assert trace is not None
    # The callbacks of a readout have been called by now.
    if isinstance(plan.readout, Program):
        plan = plan._replace(readout=plan.readout.without_effects())

    total = len(spikes)
    d_matrices = d_tables = None
    # A gate's steps are taken a block at a time, unless the arrays of a block are too long for the caches of a CPU.
    few = jax.default_backend() != "cpu" or first[-1].size <= _FEW
    table_range = constants.coefs.table_range if plan.output == "end" and few else None
    if table_range is not None and not table_range.most.ndim:
        d_tables, d_constants = _split_tables(constants, d_constants)
    if _is_by_matrix(plan, constants):
        d_matrices, d_constants = _split_matrices(constants, d_constants)
    d_leaves, leaves, whole = _differentiated(constants, d_constants, first[-1].shape)
    drives = spikes if trace.drives is None else trace.drives
    d_drives = [] if trace.drives is not None or _is_zero(d_spikes) else [d_spikes]

    keeps_last = trace.last is not None and (keep_trace or not plan.reads)

    def last_before(row: Array) -> Variables:
        """The last variable before a step, or before each of several, if it was kept."""
        if trace.last is None:
            return ()
        is_first = (row == 0).reshape(*row.shape, *(1,) * first[-1].ndim)
        return (jnp.where(is_first, first[-1], trace.last[jnp.maximum(row - 1, 0)]),)

    def count_after(row: Array) -> Array | None:
        if trace.drives is None:
            return None
        if plan.spikes_at == "start":
            return pulses.pass_step(drives[row])
        assert count is not None
        return jnp.where(row + 1 < total, drives[jnp.minimum(row + 1, total - 1)], count)

    @partial(jax.checkpoint, prevent_cse=False)
    def body(d_y: Variables, step: tuple[Array, Packed, list[Array], Packed]) -> tuple[Variables, Pytree]:
        row, packed, d_drive, d_packed = step
        before, d_changes, drive = loops.unpack(packed), loops.unpack(d_packed), drives[row]

        def step_and_read(
            leaves: list[Array], y: Variables, changes: Variables, *weight: Array
        ) -> tuple[Variables, Pytree]:
            constants, driven_by = whole(leaves), weight[0] if weight else drive
            mean = _mean(plan, constants, y, driven_by)
            y = _step(plan, constants, y, driven_by)
            y = tuple(map(operator.add, y, changes)) if changes else y
            return y, _read(plan, constants, y, count_after(row), mean) if plan.reads else None

        at = leaves(), (*before, *last_before(row)), jax.tree.map(jnp.zeros_like, d_changes), *(drive for _ in d_drive)
        _, (d_y, d_kept) = jax.jvp(step_and_read, at, (d_leaves, d_y, d_changes, *d_drive))
        return d_y, (d_y[-1] if keeps_last else None, d_kept)

    def gate_body(
        d_y: Variables, step: tuple[Array, Variables, gate_derivative.Tangents, list[Array]]
    ) -> tuple[Variables, Pytree]:
        row, y, tangents, d_drive = step
        d_y = gate_derivative.after_step(tangents, add_weight(d_y, *d_drive, at="start"))
        d_y, d_kept = add_weight(d_y, *d_drive, at="end"), None
        if plan.reads:
            _, d_kept = jax.jvp(
                lambda leaves, y: _read(plan, whole(leaves), y, count_after(row)), (leaves(), y), (d_leaves, d_y)
            )
        return d_y, (d_y[-1] if keeps_last else None, d_kept)

    def add_weight(y: Variables, *weight: Array, at: str) -> Variables:
        """Variables, or their tangents, after what a spike adds to one of them, if it does so then."""
        return steps.add_weight(plan.kernel, y, *weight) if weight and plan.spikes_at == at else y

    @partial(jax.checkpoint, prevent_cse=False)
    def block(d_y: Variables, rows: tuple[Variables, Array, list[Array]]) -> tuple[Variables, Pytree]:
        start, row, d_drive = rows
        d_start = jax.tree.map(lambda x: x[None], d_y[: plan.rematerialised])
        before = _rematerialised(plan, constants, first, jax.tree.map(lambda x: x[0], start), drives, row)
        if table_range is not None:
            weights, counts = ([drives[row]], None) if trace.drives is None else ([], drives[row])
            y = add_weight((*loops.unpack(before), *last_before(row)), *weights, at="start")
            coefs = lambda leaves: whole(leaves).coefs  # noqa: E731
            y, tangents = gate_derivative.of_block(
                plan.kernel.structure, coefs, leaves(), d_leaves, d_tables, y, counts
            )
            y = add_weight(y, *weights, at="end")
            d_y, (d_last, d_kept) = jax.lax.scan(gate_body, d_y, (row, y, tangents, d_drive))
            return d_y, (d_start, d_last, d_kept)
        d_changes = (
            () if d_matrices is None else steps.changes_of_steps(d_matrices, before, drives[row], constants.coefs)
        )
        d_y, (d_last, d_kept) = jax.lax.scan(body, d_y, (row, before, d_drive, d_changes))
        return d_y, (d_start, d_last, d_kept)

    d_first = jax.tree.map(_instantiate, d_first, is_leaf=_is_zero)
    d_first = loops.match_varying(d_first, (d_first, d_leaves, d_drives, trace, first))
    rows = (trace.starts, jnp.arange(total, dtype=jnp.int32), d_drives)
    d_y, (d_starts, d_last, d_kept) = loops.in_blocks(block, d_first, rows, total, _length(plan, total))
    if not plan.reads:
        d_output = jax.tree.map(_instantiate, d_constants.coefs.output_weights, is_leaf=_is_zero)
        _, d_kept = jax.jvp(partial(_outputs, plan), (constants.coefs.output_weights, trace.last), (d_output, d_last))

    # Counts are integers and have no tangents.
    d_count, d_counts = jax.tree.map(_no_tangent, (count, trace.drives))
    if not keep_trace:
        return (y, count, None, kept), (d_y, d_count, None, d_kept)
    return (y, count, trace, kept), (d_y, d_count, Trace(d_starts, d_last, d_counts), d_kept)


def _is_by_matrix(plan: Plan, constants: Constants) -> bool:
    """Whether the derivative of a block of steps with respect to the propagators is one product of matrices.

    It is where all synapses have the same propagators, and these have many coefficients: taken step by step, and
    synapse by synapse, the derivative of each would be read and written in every step.
    """
    if plan.kernel.structure.kind != "occupancies" or plan.output == "mean":
        return False
    return all(not x.ndim for kind in steps.kinds(constants.coefs) for x in jax.tree.leaves(kind.propagator))


def _split_matrices(constants: Constants, d_constants: Pytree) -> tuple[Array | None, Pytree]:
    """The tangents of the propagators as `steps.changes_of_steps` takes them, or None, and those of all else."""
    tangents, d_constants = _split(constants, d_constants, "propagator")
    matrices = [as_matrix(each) for each in tangents]
    return jnp.concatenate(matrices) if matrices else None, d_constants


def _split_tables(constants: Constants, d_constants: Pytree) -> tuple[Array | None, Pytree]:
    """The tangents of the tables of a gate as `gate_derivative.of_block` takes them, or None, and those of all else."""
    tangents, d_constants = _split(constants, d_constants, "gate")
    matrices = [gate_tables.as_matrix(each) for each in tangents if each is not None]
    return jnp.concatenate(matrices) if matrices else None, d_constants


def _split(constants: Constants, d_constants: Pytree, field: str) -> tuple[list[Pytree], Pytree]:
    """The tangents of one field of each kind of steps, an empty list if all are zero; and those of all else."""
    coefs, d_coefs = constants.coefs, d_constants.coefs
    tangents = [getattr(kind, field) for kind in steps.kinds(d_coefs)]
    if all(map(_is_zero, jax.tree.leaves(tangents, is_leaf=_is_zero))):
        return [], d_constants
    others = {
        name: getattr(d_coefs, name)._replace(**{field: jax.tree.map(_no_tangent, getattr(kind, field))})
        for name, kind in coefs._asdict().items()
        if isinstance(kind, StepKind)
    }
    tangents = jax.tree.map(_instantiate, tangents, is_leaf=_is_zero)
    return tangents, d_constants._replace(coefs=d_coefs._replace(**others))


def _differentiated(
    constants: Constants, d_constants: Pytree, shape: tuple[int, ...]
) -> tuple[list[Array], Callable[[], list[Array]], Callable[[list[Array]], Constants]]:
    """The leaves of the constants that have a tangent.

    Returns:
        Their tangents; a function that returns the leaves; and a function that returns all constants, given the leaves.

    Coefficients are broadcast to one for each synapse, so that their derivatives are summed over synapses after the run
    and not in each step. The leaves come from a function so that they are broadcast within a step, where it costs
    nothing.
    """
    leaves, structure = jax.tree.flatten(constants)
    coefs, readout_constants = map(jax.tree.leaves, constants)
    # Rates that few steps use are not broadcast: it costs less to sum their derivatives in those steps.
    seldom = {id(x) for x in jax.tree.leaves(constants.coefs.gate_rates)}
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

    def whole(replaced: list[Array]) -> Constants:
        given = dict(enumerate(leaves)) | dict(zip(tangents, replaced, strict=True))
        all_constants: Constants = jax.tree.unflatten(structure, given.values())
        return all_constants

    return list(tangents.values()), differentiated, whole


def _rematerialised(
    plan: Plan, constants: Constants, first: Variables, start: Variables, drives: Array, rows: Array
) -> Packed:
    """The variables that were not kept, before each step of a block.

    Args:
        first: all variables at the start of the run.
        start: the variables that were not kept, at the start of the block.
        drives: the drive of each step of the run.
        rows: the rows of the block.
    """
    if not start:
        return start
    shared = constants.coefs

    def body(packed: Packed, row: Array) -> tuple[Packed, Packed]:
        # Else JAX takes out of the loop, as an array of all synapses, each coefficient that they share.
        coefs, packed = jax.lax.optimization_barrier((shared, packed))
        y = loops.unpack(packed)
        # A last variable that was kept drives none of the others, so that any value will do.
        y_and_last = (*y, *first[len(y) :])
        if len(y) == len(y_and_last):
            return loops.pack(_step(plan, constants._replace(coefs=coefs), y, drives[row])), packed
        given = (plan.kernel, plan.method, coefs, y_and_last, drives[row], plan.spikes_at)
        return loops.pack(steps.step_drivers(*given)), packed

    return jax.lax.scan(body, loops.pack(start), rows)[1]


def _length(plan: Plan, total: int) -> int:
    """The number of steps of a block: a divisor of the total, about its root, if variables are rematerialised.

    About half of it where a step of a block takes more memory than the start of one, see `_is_by_matrix`.
    """
    if not plan.rematerialised:
        return total
    root = math.isqrt(max(total - 1, 0)) + 1
    least = -(-root // 2) if plan.kernel.structure.kind == "occupancies" else root
    return next((n for n in range(least, total) if total % n == 0), total)


def _step(plan: Plan, constants: Constants, y: Variables, drive: steps.Drive) -> Variables:
    return steps.step(plan.kernel, plan.method, constants.coefs, y, drive, plan.spikes_at)


def _mean(plan: Plan, constants: Constants, y: Variables, drive: steps.Drive) -> Array | None:
    """g averaged over the step that begins with ``y``; None where g is that at its end."""
    if plan.output == "end":
        return None
    return mean_output.mean(plan.kernel, constants.coefs, y, drive, plan.spikes_at)


def _read(plan: Plan, constants: Constants, y: Variables, count: Array | None, g: Array | None = None) -> Pytree:
    """What is kept of one step: the readout's choice, or g, which is that of ``y`` unless it is given."""
    coefs, readout_constants = constants
    if g is None:
        g = equations.conductance(plan.kernel, coefs.output_weights, y)
    return g if plan.readout is None else plan.readout(state_of(plan.kernel, coefs, y, count), g, *readout_constants)


def _outputs(plan: Plan, weights: AnyParams, last: Array) -> Array:
    """g of a whole trace of the last variable."""
    others = (jnp.zeros((), last.dtype),) * plan.rematerialised
    return jax.vmap(lambda last: equations.conductance(plan.kernel, weights, (*others, last)))(last)


def _compact_count(plan: Plan, coefs: StepCoefficients, count: Array) -> Array:
    """A count as int8, which suffices for the derivative of a step; a readout may need the whole count."""
    if plan.readout is not None:
        return count
    small = jnp.clip(count, 0, 4)
    if coefs.carried_pulse is not None:  # the count of such a pulse stays odd
        small = jnp.where(count > 4, 4 + count % 2, small)
    return small.astype(jnp.int8)


def _is_zero(tangent: object) -> bool:
    return isinstance(tangent, SymbolicZero)


def _instantiate(tangent: Array | SymbolicZero) -> Array:
    return jnp.zeros(tangent.shape, tangent.dtype) if isinstance(tangent, SymbolicZero) else tangent


def _no_tangent(x: Array) -> SymbolicZero:
    """The tangent of an array of integers, or of what does not change."""
    return SymbolicZero(jax.typeof(x).to_tangent_aval())
