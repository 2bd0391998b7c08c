"""Run a kernel over spikes on a time grid: one `jax.lax.scan` whose coefficients are computed once."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jax import Array
from jax.typing import ArrayLike

from synkin import checks, recurrence, units


def simulate(
    kernel: Any,
    params: Any,
    spikes: ArrayLike,
    dt: ArrayLike,
    *,
    state: Any = None,
    t0: ArrayLike = 0.0,
    method: str = "exp_euler",
    overlap: str = "restart",
    readout: Callable[[Any, Array], Any] | None = None,
    checkpoint: bool | int = False,
    parallel: bool = False,
    dtype: Any = None,
) -> tuple[Any, Any]:
    """The conductance of a kernel over a train of spikes on the grid ``t0 + i dt``.

    Works under jit, vmap, grad and sharded inputs. Memory is what ``readout`` keeps; a gradient keeps the trace.

    Args:
        kernel: a kernel module such as `synkin.ampa`.
        params: the kernel's ``Params``; scalars, or arrays that broadcast against the state.
        spikes: (T, *shape); row i holds the input of step i. Booleans (or 0 and 1) for the receptors, where a
            spike acts from the start of its step; weights in mS for the linear kernels, added at its end.
        dt: step in ms.
        state: the kernel's ``State`` to start from, of shape ``shape``; by default at rest.
        t0: time of the first step's start in ms. No kernel here needs it.
        method: "exp_euler" (brainpy.state's scheme; its pulses last whole steps, so that the derivative with respect
            to T_dur is 0) or "exact".
        overlap: for the receptors, "restart" (a spike during a pulse starts it anew) or "ignore".
        readout: ``readout(state, g)``, what is kept of each step, any pytree; by default g.
        checkpoint: for the gradient of a run whose trace does not fit: keep the state of every n-th step only, and
            compute the steps between again. True takes n = sqrt(T).
        parallel: go through time in parallel instead of step by step; for few synapses and many steps on an
            accelerator. The same numbers but for rounding.
        dtype: floating dtype of the state where none is given.

    Returns:
        The final state, and what was kept, with the time axis first: by default g in mS at the steps' ends,
        (T, *shape).

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.

    ``params``, ``spikes``, ``dt``, ``state`` and ``t0`` may be quantities of saiunit. If one is, g is a quantity in mS,
    for the ``readout`` too; a state is always plain.
    """
    checks.kernel(kernel)
    has_units = units.among(params, spikes, dt, state, t0)
    params, state = units.params(kernel, params), units.state(state)
    spikes, dt = units.plain("spikes", spikes, units.of_input(kernel)), units.plain("dt", dt, "ms")
    units.plain("t0", t0, "ms")
    checks.positive_dt(dt)
    checks.choice("method", method, checks.METHODS)
    checks.overlap(overlap, takes_weights=kernel.TAKES_WEIGHTS)
    shape = None
    if state is not None:
        checks.state_dtype(kernel.State, state)
        shape = state[0].shape
        checks.params(params, shape, kernel.Params)
    spikes = checks.spike_train(spikes, shape, takes_weights=kernel.TAKES_WEIGHTS)
    if state is None:
        state = kernel.init(params, spikes.shape[1:], dtype=dtype)
    if isinstance(checkpoint, bool):
        block = math.isqrt(len(spikes) - 1) + 1 if checkpoint and len(spikes) else None
    else:
        expected = "True, False or a whole number of steps"
        checks.number("checkpoint", checkpoint, lambda n: n >= 1 and n == int(n), expected)
        block = int(checkpoint)
    if readout is None:
        final, g = _trace(kernel, params, spikes, dt, state, method, overlap, block, bool(parallel))
        return final, units.quantity(g, "mS") if has_units else g
    if has_units:
        readout = partial(_read_quantity, readout)
    # Not under a jit of ours: it would keep what the readout closes over as it was at the first call.
    return _run(kernel, params, spikes, dt, state, method, overlap, block, bool(parallel), readout)


def _read_quantity(readout: Callable[[Any, Any], Any], state: Any, g: Array) -> Any:
    return readout(state, units.quantity(g, "mS"))


def _run(
    kernel: Any,
    params: Any,
    spikes: Array,
    dt: ArrayLike,
    state: Any,
    method: str,
    overlap: str,
    checkpoint: int | None,
    parallel: bool,
    readout: Callable[[Any, Array], Any] | None = None,
) -> tuple[Any, Any]:
    coefficients, gates, steps = kernel.prepare(params, state, dt, method=method)
    gates, steps, kept = recurrence.run(
        kernel,
        coefficients,
        gates,
        steps,
        spikes,
        overlap=overlap,
        readout=readout,
        checkpoint=checkpoint,
        in_parallel=parallel,
    )
    return kernel.finish(coefficients, gates, steps), kept


_trace = partial(jax.jit, static_argnames=("kernel", "method", "overlap", "checkpoint", "parallel"))(_run)
