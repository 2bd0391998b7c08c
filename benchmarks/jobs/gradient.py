"""Gradient: a mean square of the whole trace, with its derivatives with respect to all rates and concentrations."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from benchmarks import contenders, limit, textbook
from benchmarks.contenders import Run, whole
from benchmarks.timing import Call, Row, compare
from benchmarks.workloads import DT, Scale, default_params, distinct, spikes

UNIT = "ms"
TOLERANCE = 1e-4  # of each derivative, float32


def rows(scale: Scale) -> Iterator[Row]:
    train = spikes(scale.square, scale.square)
    given = jnp.asarray(train)
    for kernel in distinct(scale.kernels):
        params = default_params(kernel)
        expected = {
            method: without_T_dur(textbook.gradient(mean_square, kernel, params, train, DT, method))
            for method in ("exp_euler", "exact")
        }
        calls = {}
        machine = limit.gradient(kernel, params, train)
        if machine is not None:
            calls["limit"] = Call(machine, expected["exp_euler"], without_T_dur)
        for name, run in contenders.runs().items():
            compiled = jax.jit(value_and_grad(run, kernel))
            arrays = free(params)
            right = expected["exact" if "exact" in name else "exp_euler"]
            calls[name] = Call(lambda compiled=compiled, arrays=arrays: compiled(arrays, given), right)
        figures = compare(calls, per=1e3, tolerance=TOLERANCE, scale=scale)
        yield Row({"kernel": kernel, "N": scale.square, "T": scale.square}, figures)


def value_and_grad(run: Run, kernel: str) -> Callable[[dict[str, Array], Array], Any]:
    """Of the mean square, as a function of the free parameters and the spikes."""

    def loss(free: dict[str, Array], spikes: Array) -> Array:
        return mean_square(run(kernel, default_params(kernel)._replace(**free), spikes, whole))

    return jax.value_and_grad(loss)


def free(params: Any) -> dict[str, Array]:
    """The parameters that are differentiated: all but T_dur, in which brainpy.state has no derivative."""
    return {name: jnp.float32(value) for name, value in params._asdict().items() if name != "T_dur"}


def mean_square(g: Array) -> Array:
    return jnp.mean(g**2)


def without_T_dur(result: Any) -> Any:
    value, slopes = result
    return value, {name: slope for name, slope in slopes._asdict().items() if name != "T_dur"}
