"""What the machine can do, measured on the spot: the column "limit".

On a CPU a compiled loop over the same data (numba, where installed) into memory that it already holds, on an
accelerator a copy of as many bytes. Without either a function here gives None, and the column stays empty.
"""

import importlib.util
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import synkin
from benchmarks.workloads import DT


def what() -> str:
    """What the limit is here, in words."""
    if _on_accelerator():
        return "a copy of as many bytes"
    return "a compiled loop over the same data" if _numba_installed() else "not measured: numba is not installed"


def computes() -> bool:
    """Whether the limit gives the right result, as a loop does and a copy does not."""
    return not _on_accelerator()


def readout(kernel: str, params: Any, spikes: np.ndarray) -> Callable[[], Any] | None:
    """A call that sums g over the synapses, (T,). The copy only reads the spikes."""
    return _forward(kernel, params, spikes, keep_trace=False)


def trace(kernel: str, params: Any, spikes: np.ndarray) -> Callable[[], Any] | None:
    """A call that keeps g, (T, N). The copy reads the spikes, a byte each, and writes float32."""
    return _forward(kernel, params, spikes, keep_trace=True)


def gradient(kernel: str, params: Any, spikes: np.ndarray) -> Callable[[], Any] | None:
    """A call that gives the mean square of g and its gradient: ``Params``, 0 for T_dur."""
    if _on_accelerator() or not _numba_installed():
        return None
    from benchmarks import loops

    loop = {"bionmda": loops.cascade_gradient, "alpha": loops.alpha_gradient}.get(kernel, loops.first_order_gradient)
    steps, plain = _arguments(kernel, params)
    width = loops.width(spikes.shape[1], loops.WIDEST_KEPT)
    blocks = -(-spikes.shape[1] // width)
    # From the loop's coefficients to the parameters, for all runs.
    chain = _jacobian(kernel, params)
    seen = spikes.view(np.uint8)

    def run() -> Any:
        sums = np.zeros((blocks, 1 + len(plain)))
        loop(width, seen, *steps, *plain, *_dt(kernel), sums)
        loss, *slopes = sums.sum(axis=0) / spikes.size
        return loss, type(params)(*(np.array(slopes) @ chain))

    return run


def coefficients(kernel: str, params: Any) -> np.ndarray:
    """What the loops multiply and add by, float64, T_dur apart."""
    p = type(params)(*map(float, params))
    if kernel == "alpha":
        decay = np.exp(-DT / p.tau)
        return np.array([decay, 1 - decay])
    binding, unbinding = (p.alpha2 * p.T, p.beta2) if kernel == "bionmda" else (p.alpha * p.T, p.beta)
    a_on, a_off = np.exp(-(binding + unbinding) * DT), np.exp(-unbinding * DT)
    found = [a_on, (1 - a_on) * binding / (binding + unbinding), a_off]
    return np.array([*found, p.alpha1, p.beta1] if kernel == "bionmda" else found)


def _forward(kernel: str, params: Any, spikes: np.ndarray, *, keep_trace: bool) -> Callable[[], Any] | None:
    if _on_accelerator():
        seen = jnp.asarray(spikes)
        move = jax.jit(lambda spikes: spikes.astype(jnp.float32) if keep_trace else spikes.sum(axis=1))
        return lambda: move(seen)
    if not _numba_installed():
        return None
    from benchmarks import loops

    steps, plain = _arguments(kernel, params)
    T, N = spikes.shape
    if N == 1 and keep_trace:
        loop = {"bionmda": loops.cascade_one, "alpha": loops.alpha_one}.get(kernel, loops.first_order_one)
        return lambda: loop(spikes[:, 0].view(np.uint8), *steps, *plain, *_dt(kernel))[:, None]
    loop = {"bionmda": loops.cascade, "alpha": loops.alpha}.get(kernel, loops.first_order)
    width = loops.width(N, loops.WIDEST)
    blocks = -(-N // width)
    seen = spikes.view(np.uint8)

    # Held, and written over by each call: a fresh array costs more in page faults than in arithmetic.
    sums = np.empty((0, 0) if keep_trace else (blocks, T), np.float32)
    out = np.empty((T, N) if keep_trace else (0, 0), np.float32)

    def run() -> np.ndarray:
        loop(width, seen, *steps, *plain, *_dt(kernel), sums, out)
        return out if keep_trace else sums.sum(axis=0)

    return run


def _arguments(kernel: str, params: Any) -> tuple[list[np.float32], list[np.float32]]:
    """The steps of a pulse, where there are pulses, and the coefficients."""
    steps = [] if synkin.KERNELS[kernel].input.takes_weights else [np.float32(round(params.T_dur / DT))]
    return steps, [np.float32(c) for c in coefficients(kernel, params)]


def _dt(kernel: str) -> list[np.float32]:
    return [np.float32(DT)] if kernel == "bionmda" else []


def _jacobian(kernel: str, params: Any) -> np.ndarray:
    """d coefficients / d params, (coefficients, params), by central differences in float64."""
    columns = []
    for i, value in enumerate(params):
        h = 1e-6 * value
        up, down = (params._replace(**{params._fields[i]: value + sign * h}) for sign in (1, -1))
        columns.append((coefficients(kernel, up) - coefficients(kernel, down)) / (2 * h))
    return np.stack(columns, axis=1)


def _on_accelerator() -> bool:
    return jax.default_backend() != "cpu"


def _numba_installed() -> bool:
    return importlib.util.find_spec("numba") is not None
