"""Run a kernel over spikes on a time grid: a scan of `synkin.stepper`'s step, with a derivative of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import jax
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from synkin.arguments import units
from synkin.arguments.bind import bind_train
from synkin.arguments.choices import check_flag, check_function, check_kernel, check_spikes_at
from synkin.arguments.declaration import AnyParams, AnyState, Pytree
from synkin.arguments.numbers import check_whole
from synkin.arguments.varying import WeightedState, bind_varying_train, check_spikes_given
from synkin.runs import varying as varying_runs
from synkin.solving import loops, run
from synkin.solving.first_carry import initial_carry, state_of
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.mean_output import check_mean_of_varying, check_output
from synkin.solving.rounding import warn_of_rounding
from synkin.solving.run import Readout, RunCarry
from synkin.solving.stepper import Stepper, make_stepper
from synkin.tracing.program import Program

# The maximum number of synapses times steps for which a sum's variables are kept for a readout: some tens of MB.
_ELEMENTS = 2**20
# The arguments of a run that are compiled for.
_STATIC = ("kernel", "method", "overlap", "checkpoint", "parallel", "at_rest", "output", "spikes_at")


def simulate(
    kernel: Kernel,
    params: AnyParams,
    spikes: ArrayLike | None,
    dt: ArrayLike,
    *,
    varying: Mapping[str, ArrayLike] | None = None,
    weighted: bool = False,
    output: str = "end",
    spikes_at: str | None = None,
    state: AnyState = None,
    t0: ArrayLike = 0.0,
    method: str | None = None,
    overlap: str = "restart",
    readout: Callable[[AnyState, Array], Pytree] | None = None,
    checkpoint: bool | int = False,
    parallel: bool = False,
    dtype: DTypeLike | None = None,
) -> tuple[AnyState, Pytree]:
    """The conductance of a kernel over time, given which synapse gets a spike in which step.

    Step i begins at ``t0 + i dt``. It works under jit, vmap, grad, shard_map and with sharded inputs. A run needs
    memory for what ``readout`` keeps, and its gradient also for the state at every step: see ``checkpoint``.

    Args:
        kernel: a kernel such as `synkin.ampa`.
        params: the kernel's ``Params``; scalars, or arrays that broadcast against the state.
        spikes: (T, *shape); row i is the input of step i. For a receptor, booleans (or 0 and 1): a spike acts from the
            start of its step. For a linear kernel, weights in mS: they are added at the end of the step.
        dt: step in ms.
        varying: parameters that vary over time, by name, as in ``{"V": V}``: each (T, *shape), or a shape that
            broadcasts to it, such as (T,). Row i is the value during the whole of step i. If T varies, it is the
            concentration in the cleft, and ``spikes`` must be None. For a scheme, `synkin.stepper` says how values are
            looked up in a table.
        weighted: if True, the spikes of a receptor are weights of 0 or more: a pulse then has the height weight times
            T, and a weight of 0 is no spike. A spike that restarts a pulse also replaces its height. The final state is
            then a pair: the state, and the height of its pulses.
        output: which g is returned for a step: "end" for g at its end, or "mean" for g averaged over the step. With
            "mean" the sum of g dt is right at any dt; the method is then "exact".
        spikes_at: when row i acts, for any kernel: at the "start" of step i, ``t0 + i dt``, or at its "end". By default
            as said for ``spikes``.
        state: the kernel's ``State`` to start from, of shape ``shape``; by default the state at rest, ``kernel.init``.
            If a parameter varies, this is the rest at its first row.
        t0: the time in ms at which the first step begins. The result does not depend on it.
        method: "exact", or "exp_euler", brainpy.state's scheme, which is the default if the kernel has it. With
            "exp_euler" a pulse lasts a whole number of steps, so the derivative with respect to ``T_dur`` is 0.
        overlap: for a receptor: what a spike during a pulse does. "restart": the pulse begins again. "ignore": nothing.
        readout: a function ``readout(state, g)`` of each step, whose result, any pytree, is kept in place of g. Arrays
            and floats that it closes over may change between calls without being compiled again, except for numbers
            within an inner loop, a derivative rule or an exponent. If it calls back to Python, as `jax.debug.print`
            does, this is done once in each step.
        checkpoint: for gradients that need too much memory: keep the state of every n-th step only, and compute the
            steps in between again. True stands for n = sqrt(T).
        parallel: whether to compute all steps in parallel instead of one after the other, which is faster for few
            synapses and many steps on an accelerator. Results differ by rounding only.
        dtype: floating dtype of the state, if ``state`` is not given.

    Returns:
        The final state, and g in mS of each step, (T, *shape); or what ``readout`` gave, with time as the first axis.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension; or a derivative is asked for,
            and ``readout`` uses the result of an `io_callback`.

    ``params``, ``spikes``, ``dt``, ``state`` and ``t0`` may be quantities of saiunit. If one of them is, g is a
    quantity in mS, also in ``readout``. A state never has units.

    Example:
        >>> spikes = np.arange(40)[:, None] == [10, 20]  # two synapses, which spike at 1 and at 2 ms
        >>> final, g = synkin.simulate(synkin.ampa, synkin.ampa.Params(), spikes, 0.1, method="exact")
        >>> g.shape
        (40, 2)
        >>> print(g.max(axis=0).round(3))
        [0.208 0.208]
        >>> weights = jnp.array([2.0, 1.0])
        >>> readout = lambda state, g: weights @ g  # keeps one number a step
        >>> final, total = synkin.simulate(
        ...     synkin.ampa, synkin.ampa.Params(), spikes, 0.1, method="exact", readout=readout
        ... )
        >>> total.shape
        (40,)
    """
    check_kernel(kernel)
    kernel.check_options(method, overlap)
    method = check_output(kernel, output, method)
    spikes_at = check_spikes_at(spikes_at, acts_at_end=kernel.input.acts_at_end)
    if readout is not None:
        check_function("readout", readout)
    parallel = check_flag("parallel", parallel)
    if varying or weighted:
        if parallel:
            raise ValueError(
                "Argument `parallel` must be False where parameters vary or spikes are weights, but is True."
            )
        given_options = {"method": method, "overlap": overlap, "output": output, "spikes_at": spikes_at}
        return _simulate_varying(
            kernel, params, spikes, dt, varying or {}, weighted, state, t0, readout, checkpoint, dtype, given_options
        )
    check_spikes_given(spikes, False)
    assert spikes is not None
    given = bind_train(kernel, params, spikes, dt, state=state, t0=t0, dtype=dtype)
    warn_of_rounding(kernel, given.given_params, given.given_dt, method)
    block = _block_length(checkpoint, len(given.spikes))
    arrays = (given.params, given.spikes, given.dt, given.state)
    options = (kernel.solved_by(method), overlap, block, parallel, given.at_rest, output, spikes_at)
    if readout is None:
        final, kept = _keeps_g(kernel, *arrays, [], *options)
        return final, units.quantity(kept, "mS") if given.has_units else kept
    if given.has_units:
        readout = partial(_read_quantity, readout)
    from synkin.tracing import readouts  # it needs parts of JAX that are slow to import

    # Within shard_map the readout gets what a step returns, which varies as the inputs do.
    program, readout_constants, structure = readouts.opened(readout, loops.match_varying(given.state, arrays))
    if program.compiled is None:
        program.compiled = _compiled(program)
    final, kept = program.compiled(kernel, *arrays, readout_constants, *options)
    return final, jax.tree.unflatten(structure, kept)


def _simulate_varying(
    kernel: Kernel,
    params: AnyParams,
    spikes: ArrayLike | None,
    dt: ArrayLike,
    varying: Mapping[str, ArrayLike],
    weighted: bool,
    state: AnyState,
    t0: ArrayLike,
    readout: Callable[..., Pytree] | None,
    checkpoint: bool | int,
    dtype: DTypeLike | None,
    given_options: Mapping[str, str | None],
) -> tuple[Pytree, Pytree]:
    given = bind_varying_train(
        kernel,
        params,
        spikes,
        dt,
        varying=varying,
        weighted=weighted,
        state=state,
        t0=t0,
        dtype=dtype,
    )
    if given_options["output"] == "mean":
        check_mean_of_varying(kernel, tuple(varying), weighted=weighted)
    method = given_options["method"]
    if given.spikes is not None:
        warn_of_rounding(kernel, given.params, given.given_dt, method)
    ranges = given.bounds, given.highest_weight
    arrays = (given.params, given.spikes, given.values, *ranges, given.dt, given.state, given.weight)
    options = {
        **given_options,
        "names": tuple(varying),
        "weighted": bool(weighted),
        "method": kernel.solved_by(method),
        "checkpoint": _block_length(checkpoint, given.rows),
        "at_rest": given.at_rest,
    }
    if readout is None:
        final, weight, kept = varying_runs.keeps_g(kernel, *arrays, [], **options)
        kept = units.quantity(kept, "mS") if given.has_units else kept
    else:
        if given.has_units:
            readout = partial(_read_quantity, readout)
        from synkin.tracing import readouts  # as above

        program, constants, structure = readouts.opened(readout, loops.match_varying(given.state, arrays))
        if program.compiled_varying is None:
            program.compiled_varying = varying_runs.compiled(program)
        final, weight, kept = program.compiled_varying(kernel, *arrays, constants, **options)
        kept = jax.tree.unflatten(structure, kept)
    return (WeightedState(final, weight) if weighted else final), kept


def _block_length(checkpoint: bool | int, total: int) -> int | None:
    """The number of steps in a block, of which a gradient keeps only the start; None for no blocks."""
    if not isinstance(checkpoint, bool | np.bool_):
        return check_whole("checkpoint", checkpoint, "True, False or a whole number of steps")
    return math.isqrt(total - 1) + 1 if checkpoint and total else None


def _read_quantity(readout: Callable[[AnyState, Array], Pytree], state: AnyState, g: Array) -> Pytree:
    return readout(state, units.quantity(g, "mS"))


def _compiled(readout: Program | None) -> Callable[..., tuple[AnyState, Pytree]]:
    """`_run` with this readout, compiled; what JAX compiled is freed with the returned function."""
    return jax.jit(partial(_run, readout), static_argnames=_STATIC)


def _run(
    readout: Program | None,
    kernel: Kernel,
    params: AnyParams,
    spikes: Array,
    dt: Array,
    state: AnyState,
    readout_constants: list[Array],
    method: str,
    overlap: str,
    checkpoint: int | None,
    parallel: bool,
    at_rest: bool,
    output: str,
    spikes_at: str,
) -> tuple[AnyState, Pytree]:
    dtype = state[0].dtype
    ready = make_stepper(kernel, params, dt, method, overlap, dtype, output=output, spikes_at=spikes_at)
    states = zip(ready.parts, kernel.states_of(state), strict=True)
    begins = [initial_carry(part, at, at_rest=at_rest) for part, at in states]
    inside = _readout_of_parts(readout, ready.parts)

    def block(carry: list[RunCarry], spikes: Array, checkpoint: int | None = None) -> tuple[list[RunCarry], Pytree]:
        runs = [
            run.run(
                part.kernel,
                part.method,
                part.overlap,
                coefs,
                y,
                count,
                spikes,
                inside,
                readout_constants if inside is readout else [],
                spikes_at=spikes_at,
                output=output,
                checkpoint=checkpoint,
                in_parallel=parallel,
            )
            for part, (coefs, *_), (y, count) in zip(ready.parts, begins, carry, strict=True)
        ]
        kept: Pytree = [kept for *_, kept in runs]
        if readout is None:
            kept = jax.vmap(lambda *gs: kernel.total(ready.relative, gs))(*kept)
        elif inside is readout:
            (kept,) = kept
        else:
            kept = _read_together(ready, kept, readout, readout_constants)
        return [(y, count) for y, count, _ in runs], kept

    carry = [(y, count) for _, y, count in begins]
    if inside is readout:
        carry, kept = block(carry, spikes, checkpoint)
    else:
        # All that the readout may need is kept for one block of steps at a time, so that memory is bounded.
        carry = loops.match_varying(carry, (begins, carry, spikes))
        length = max(_ELEMENTS // max(math.prod(spikes.shape[1:]), 1), 1)
        whole: Callable[[list[RunCarry], Array], tuple[list[RunCarry], Pytree]] = block
        if checkpoint is not None:
            length, whole = min(length, checkpoint), jax.checkpoint(block, prevent_cse=False)
        carry, kept = loops.in_blocks(whole, carry, spikes, len(spikes), length)
    ends = zip(ready.parts, begins, carry, strict=True)
    return kernel.state_of(state_of(part.kernel, coefs, y, count) for part, (coefs, *_), (y, count) in ends), kept


def _readout_of_parts(readout: Program | None, parts: tuple[Stepper, ...]) -> Readout | None:
    """The readout for the run of each part.

    The readout of a kernel of one part runs within the scan, which keeps nothing else. One of several parts needs the
    states of all of them: each run keeps its states and g, a block of steps at a time.
    """
    return readout if readout is None or len(parts) == 1 else _keep_state_and_g


def _read_together(ready: Stepper, kept: Pytree, readout: Program, readout_constants: list[Array]) -> Pytree:
    """What a readout keeps of each step, given the states and g that the runs of all parts kept."""
    kernel = ready.kernel

    def read(states: tuple[AnyState, ...], gs: tuple[Array, ...]) -> Pytree:
        return readout(kernel.state_of(states), kernel.total(ready.relative, gs), *readout_constants)

    states_and_gs = tuple(zip(*kept, strict=True))
    # A callback to Python is called for one step at a time, as in the run of a single kernel.
    if readout.calls_python:
        return jax.lax.map(lambda step: read(*step), states_and_gs)
    return jax.vmap(read)(*states_and_gs)


_keeps_g = _compiled(None)


def _keep_state_and_g(state: AnyState, g: Array) -> tuple[AnyState, Array]:
    return state, g
