"""Run a kernel over spikes on a time grid: a scan of `synkin.stepper`'s step, with a derivative of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.choices import check_flag, check_function, check_kernel
from synkin.arguments.inputs import check_spike_train
from synkin.arguments.numbers import as_array, check_number, check_whole
from synkin.arguments.params_and_states import check_params, check_state, nan_if_invalid, nan_if_invalid_state
from synkin.arguments.times import check_dt, nan_if_invalid_dt
from synkin.solving import loops, run
from synkin.solving.stepper import StepperOfSum, begun, prepared, state_of, warn_of_rounding
from synkin.tracing import readouts
from synkin.tracing.readouts import Program

# Synapses times steps of which a sum's variables are kept at once for a readout: some tens of MB.
_ELEMENTS = 2**20


def simulate(
    kernel: Any,
    params: Any,
    spikes: ArrayLike,
    dt: ArrayLike,
    *,
    state: Any = None,
    t0: ArrayLike = 0.0,
    method: str | None = None,
    overlap: str = "restart",
    readout: Callable[[Any, Array], Any] | None = None,
    checkpoint: bool | int = False,
    parallel: bool = False,
    dtype: Any = None,
) -> tuple[Any, Any]:
    """The conductance of a kernel over a train of spikes on the grid ``t0 + i dt``.

    Works under jit, vmap, grad, shard_map and sharded inputs. Memory is what ``readout`` keeps; a gradient keeps the
    trace.

    Args:
        kernel: a kernel such as `synkin.ampa`.
        params: the kernel's ``Params``; scalars, or arrays that broadcast against the state.
        spikes: (T, *shape); row i holds the input of step i. Booleans (or 0 and 1) for the receptors, where a
            spike acts from the start of its step; weights in mS for the linear kernels, added at its end.
        dt: step in ms.
        state: the kernel's ``State`` to start from, of shape ``shape``; by default at rest.
        t0: time of the first step's start in ms. No kernel here needs it.
        method: "exp_euler" (brainpy.state's scheme, and the default where there is one; its pulses last whole steps, so
            that the derivative with respect to T_dur is 0) or "exact".
        overlap: for the receptors, "restart" (a spike during a pulse starts it anew) or "ignore".
        readout: ``readout(state, g)``, what is kept of each step, any pytree; by default g. What it closes over is
            looked at anew with every call. Readouts that differ in arrays and floating numbers alone are compiled once;
            a number within an inner loop, a derivative rule or an exponent, and another callback, are compiled for.
            Where it calls Python that acts on the world outside, that acts once a step.
        checkpoint: for the gradient of a run whose trace does not fit: keep the state of every n-th step only, and
            compute the steps between again. True takes n = sqrt(T).
        parallel: go through time in parallel instead of step by step; for few synapses and many steps on an
            accelerator. The same numbers but for rounding.
        dtype: floating dtype of the state where none is given.

    Returns:
        The final state, and what was kept, with the time axis first: by default g in mS at the steps' ends,
        (T, *shape).

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension; a derivative of a run whose
            ``readout`` uses what an `io_callback` returns.

    ``params``, ``spikes``, ``dt``, ``state`` and ``t0`` may be quantities of saiunit. If one is, g is a quantity in mS,
    for the ``readout`` too; a state is always plain.
    """
    check_kernel(kernel)
    has_units = units.among(params, spikes, dt, state, t0)
    params, state = units.params(kernel, params), units.state(state, kernel)
    spikes, dt = units.plain("spikes", spikes, units.of_input(kernel)), units.plain("dt", dt, "ms")
    check_number("t0", units.plain("t0", t0, "ms"), np.isfinite, "a finite number of ms")
    dt = nan_if_invalid_dt(check_dt(dt))
    kernel.check_options(method, overlap)
    method = kernel.solved_by(method)
    if readout is not None:
        check_function("readout", readout)
    parallel = check_flag("parallel", parallel)
    shape, at_rest = None, state is None
    if not at_rest:
        state = check_state(kernel, state)
        shape = state[0].shape
    given = spikes
    spikes = check_spike_train(spikes, shape, takes_weights=kernel.TAKES_WEIGHTS)
    params = nan_if_invalid(check_params(params, spikes.shape[1:], kernel), kernel)
    warn_of_rounding(kernel, params, dt, method)
    if at_rest:
        state = kernel.init(params, spikes.shape[1:], dtype=dtype)
    state = nan_if_invalid_state(state, params, given, takes_weights=kernel.TAKES_WEIGHTS)
    if isinstance(checkpoint, bool | np.bool_):
        block = math.isqrt(len(spikes) - 1) + 1 if checkpoint and len(spikes) else None
    else:
        block = check_whole("checkpoint", checkpoint, "True, False or a whole number of steps")
    arrays = jax.tree.map(partial(as_array, dtype=state[0].dtype), params)
    dt = as_array(dt, state[0].dtype)
    run = (kernel, arrays, spikes, dt, state)
    if readout is None:
        final, kept = _keeps_g(*run, [], method, overlap, block, parallel, at_rest)
        return final, units.quantity(kept, "mS") if has_units else kept
    if has_units:
        readout = partial(_read_quantity, readout)
    # Within shard_map it is to read what a step gives, which varies as the inputs do.
    program, closed_over, structure = readouts.opened(readout, loops.alike(state, run[1:]))
    if program.compiled is None:
        program.compiled = _compiled(program)
    final, kept = program.compiled(*run, closed_over, method, overlap, block, parallel, at_rest)
    return final, jax.tree.unflatten(structure, kept)


def _read_quantity(readout: Callable[[Any, Any], Any], state: Any, g: Array) -> Any:
    return readout(state, units.quantity(g, "mS"))


def _compiled(readout: Program | None) -> Any:
    """`_run` with a readout of its own: whoever lets go of it lets go of all that was compiled for it."""
    return jax.jit(
        partial(_run, readout), static_argnames=("kernel", "method", "overlap", "checkpoint", "parallel", "at_rest")
    )


def _run(
    readout: Program | None,
    kernel: Any,
    params: Any,
    spikes: Array,
    dt: Array,
    state: Any,
    closed_over: list[Any],
    method: str,
    overlap: str,
    checkpoint: int | None,
    parallel: bool,
    at_rest: bool,
) -> tuple[Any, Any]:
    ready = prepared(kernel, params, dt, method, overlap, state[0].dtype)
    if isinstance(ready, StepperOfSum):
        return _run_parts(ready, spikes, state, closed_over, checkpoint, parallel, readout, at_rest)
    own, y, count = begun(ready, state, at_rest=at_rest)
    y, count, kept = run.run(
        kernel,
        ready.method,
        overlap,
        own,
        y,
        count,
        spikes,
        readout,
        closed_over,
        checkpoint=checkpoint,
        in_parallel=parallel,
    )
    return state_of(kernel, own, y, count), kept


def _run_parts(
    ready: StepperOfSum,
    spikes: Array,
    state: Any,
    closed_over: list[Any],
    checkpoint: int | None,
    parallel: bool,
    readout: Program | None,
    at_rest: bool,
) -> tuple[Any, Any]:
    """`_run` of a sum: each part by itself, through all of it where only g is kept."""
    kernel, parts = ready.kernel, ready.parts
    begins = [begun(part, at, at_rest=at_rest) for part, at in zip(parts, kernel.states_of(state), strict=True)]

    def block(carry: Any, spikes: Array, checkpoint: int | None = None) -> tuple[Any, Any]:
        runs = [
            run.run(
                part.kernel,
                part.method,
                part.overlap,
                own,
                y,
                count,
                spikes,
                None if readout is None else _all,
                [],
                checkpoint=checkpoint,
                in_parallel=parallel,
            )
            for part, (own, *_), (y, count) in zip(parts, begins, carry, strict=True)
        ]
        kept = [kept for *_, kept in runs]
        if readout is not None:

            def read(states: Any, gs: Any) -> Any:
                return readout(kernel.state_of(states), kernel.total(ready.relative, gs), *closed_over)

            states_and_gs = tuple(zip(*kept, strict=True))
            # What calls Python is called as it is in a run of one kernel: for one step at a time.
            if readout.calls_python:
                kept = jax.lax.map(lambda step: read(*step), states_and_gs)
            else:
                kept = jax.vmap(read)(*states_and_gs)
        else:
            kept = jax.vmap(lambda *gs: kernel.total(ready.relative, gs))(*kept)
        return [(y, count) for y, count, _ in runs], kept

    carry = [(y, count) for _, y, count in begins]
    if readout is None:
        carry, kept = block(carry, spikes, checkpoint)
    else:
        # What a readout may look at is there for a block of steps at a time, however long the run is.
        carry = loops.alike(carry, (begins, carry, spikes))
        length = max(_ELEMENTS // max(math.prod(spikes.shape[1:]), 1), 1)
        if checkpoint is not None:
            length, block = min(length, checkpoint), jax.checkpoint(block, prevent_cse=False)
        carry, kept = loops.in_blocks(block, carry, spikes, len(spikes), length)
    ends = zip(parts, begins, carry, strict=True)
    return kernel.state_of(state_of(part.kernel, own, y, count) for part, (own, *_), (y, count) in ends), kept


_keeps_g = _compiled(None)


def _all(state: Any, g: Array) -> tuple[Any, Array]:
    return state, g
