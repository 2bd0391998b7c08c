"""A forward run of every contender over the same spikes: checked, then timed."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import contenders, limit, textbook
from benchmarks.contenders import Keep, Run, whole
from benchmarks.timing import Call, Figure, compare
from benchmarks.workloads import DT, Scale

UNIT = "ns per synapse and step"
TOLERANCE = 2e-5  # of the largest value, float32
CHECKED = 100_000  # synapses of a whole trace that are checked: the right results of more would fill the memory


def measure(
    kernel: str,
    params: Any,
    spikes: np.ndarray,
    keep: Keep,
    scale: Scale,
    *,
    traced: bool = False,
    runs: dict[str, Run] | None = None,
) -> dict[str, Figure]:
    """One row of figures, in `UNIT`.

    Args:
        kernel: its name.
        params: its ``Params``, numbers or arrays (N,); the limit is there for numbers only.
        spikes: (T, N), bool.
        keep: `jnp.sum` or `contenders.whole`.
        scale: how often to repeat.
        traced: whether the parameters are arguments of the compiled function; if not, constants in it.
        runs: the contenders besides the limit, by default all.

    Raises:
        Wrong: a result is not right.
    """
    checked = spikes[:, :CHECKED] if keep is whole else spikes

    def part(result: Any) -> Any:
        return result[:, :CHECKED] if keep is whole else result

    @functools.cache
    def expected(method: str) -> np.ndarray:
        return textbook.result(kernel, params, checked, DT, method, keep)

    calls = {}
    if all(np.ndim(value) == 0 for value in params):
        machine = (limit.trace if keep is whole else limit.readout)(kernel, params, spikes)
        if machine is not None:
            calls["limit"] = Call(machine, expected("exp_euler") if limit.computes() else None, part)
    for name, run in (runs or contenders.runs()).items():
        method = "exact" if "exact" in name else "exp_euler"
        calls[name] = Call(_jitted(run, kernel, params, spikes, keep, traced), expected(method), part)
    return compare(calls, per=1e9 / spikes.size, tolerance=TOLERANCE, scale=scale)


def _jitted(run: Run, kernel: str, params: Any, spikes: np.ndarray, keep: Keep, traced: bool) -> Any:
    given = jnp.asarray(spikes)
    if not traced:
        compiled = jax.jit(lambda spikes: run(kernel, params, spikes, keep))
        return lambda: compiled(given)
    compiled_for_any = jax.jit(lambda params, spikes: run(kernel, params, spikes, keep))
    arrays = jax.tree.map(lambda value: jnp.asarray(value, jnp.float32), params)
    return lambda: compiled_for_any(arrays, given)
