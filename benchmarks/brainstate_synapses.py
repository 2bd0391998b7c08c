"""The six synapses under brainstate's transformations: synkin's beside brainpy.state's, numbers and times.

    python -m benchmarks.brainstate_synapses             as in results/brainstate-synapses.txt
    python -m benchmarks.brainstate_synapses --quick     only to see that it runs

For each, with the parameters of the constructor and dt 0.125 ms: the largest difference in float64, over the largest
number; then in float32 the seconds of the first call (trace, compile, run) and the median of those that follow, taken
in turn in one process. Needs the extra ``brainstate``.

    for_loop    g of N synapses over T steps, under `jit`
    jit         one update of N synapses, called T / 10 times by hand
    grad        gradient of the mean square of that g in the parameters, T_dur apart (brainpy.state's is 0 there)
    vmap        4 sets of parameters and spikes side by side, N / 4 synapses each
"""

import argparse
import importlib.util
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import synkin
from benchmarks.ei_network import kinds, seconds
from benchmarks.textbook import x64

DT, RATE = 0.125, 0.01  # ms, spikes a step
SYNAPSES = {
    "AMPA": synkin.ampa,
    "GABAa": synkin.gabaa,
    "BioNMDA": synkin.bionmda,
    "Alpha": synkin.alpha,
    "Expon": synkin.expon,
    "DualExpon": synkin.dual_expon,
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.brainstate_synapses", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--quick", action="store_true", help="few synapses, steps and repeats")
    given = parser.parse_args(arguments)
    if importlib.util.find_spec("brainpy_state") is None:
        parser.error("brainpy.state is not installed: `pip install 'synkin[brainstate]'` adds it.")
    N, T, repeats = (8, 40, 3) if given.quick else (1000, 1000, 15)
    print(f"N = {N}, T = {T}; seconds of the first call, milliseconds of the others; ratios are brainpy.state/synkin")
    print(f"{'':>20}{'difference':>12}{'first call':>20}{'ratio':>7}{'median, ms':>20}{'ratio':>7}")
    for name in SYNAPSES:
        for kind, make in TRANSFORMS.items():
            print(f"{name:>10}{kind:>10}{line(name, make, N, T, repeats)}", flush=True)


def line(name: str, make: Callable[..., Any], N: int, T: int, repeats: int) -> str:
    """One row of the table."""
    import brainstate

    with x64(True), brainstate.environ.context(precision=64):
        theirs, ours = (jax.tree.map(np.asarray, make(module, name, min(N, 100), min(T, 200))()) for module in both())
    off = max(map(_difference, jax.tree.leaves(ours), jax.tree.leaves(theirs)))
    calls = [make(module, name, N, T) for module in both()]
    first = [seconds(call) for call in calls]
    samples = np.array([[seconds(call) for call in calls] for _ in range(repeats)])
    median = 1e3 * np.median(samples, axis=0)
    ratio = np.median(samples[:, 0] / samples[:, 1])
    cells = f"{first[0]:>11.2f} to {first[1]:5.2f}{first[0] / first[1]:7.2f}"
    return f"{off:12.1e}{cells}{median[0]:>11.3g} to {median[1]:5.3g}{ratio:7.2f}"


def both() -> list[ModuleType]:
    return list(kinds().values())


def _difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def _takes_weights(name: str) -> bool:
    return SYNAPSES[name].input.takes_weights


def _spikes(name: str, *shape: int) -> jax.Array:
    spikes = np.random.default_rng(0).random(shape) < RATE
    spikes[..., 0, :] = True
    return jnp.asarray(spikes.astype(float) if _takes_weights(name) else spikes)


def _params(name: str) -> dict[str, Any]:
    """The defaults, with units, but for the length of a pulse."""
    import brainunit as u

    kernel = SYNAPSES[name]
    units = {"ms": u.ms, "mM": u.mM, "1/ms": 1 / u.ms, "1/ms/mM": 1 / (u.ms * u.mM), "1": 1.0}
    names = kernel.UNITS._asdict()
    return {
        field: jnp.asarray(value, float) * units[names[field]]
        for field, value in kernel.Params()._asdict().items()
        if field != "T_dur"
    }


def _update(synapse: Any, name: str, i: Any, row: Any) -> Any:
    """g in mS, without the unit."""
    import brainstate
    import brainunit as u

    with brainstate.environ.context(t=i * DT * u.ms, dt=DT * u.ms):
        return synapse.update(row * u.mS if _takes_weights(name) else row).mantissa


def _trace(synapse: Any, name: str, rows: Any) -> Any:
    import brainstate

    synapse.init_state()
    steps = jnp.arange(len(rows), dtype=float)
    return brainstate.transform.for_loop(lambda i, row: _update(synapse, name, i, row), steps, rows)


def for_loop(module: ModuleType, name: str, N: int, T: int) -> Callable[[], Any]:
    import brainstate

    rows = _spikes(name, T, N)
    synapse = getattr(module, name)(N)
    synapse.init_state()

    @brainstate.transform.jit
    def run(rows: Any) -> Any:
        synapse.reset_state()
        steps = jnp.arange(T, dtype=float)
        return brainstate.transform.for_loop(lambda i, row: _update(synapse, name, i, row), steps, rows)

    return lambda: run(rows)


def jit(module: ModuleType, name: str, N: int, T: int) -> Callable[[], Any]:
    import brainstate

    rows = list(_spikes(name, T // 10, N))
    synapse = getattr(module, name)(N)
    synapse.init_state()
    step = brainstate.transform.jit(lambda i, row: _update(synapse, name, i, row))

    def run() -> Any:
        synapse.reset_state()
        return [step(float(i), row) for i, row in enumerate(rows)][-1]

    return run


def grad(module: ModuleType, name: str, N: int, T: int) -> Callable[[], Any]:
    import brainstate

    rows, params = _spikes(name, T, N), _params(name)

    @brainstate.transform.jit
    def run(params: Any, rows: Any) -> Any:
        def loss(params: Any) -> Any:
            return jnp.mean(_trace(getattr(module, name)(N, **params), name, rows) ** 2)

        return brainstate.transform.grad(loss)(params)

    return lambda: run(params, rows)


def vmap(module: ModuleType, name: str, N: int, T: int) -> Callable[[], Any]:
    import brainstate

    rows = _spikes(name, 4, T, N // 4)
    params = {field: value * jnp.asarray([0.8, 0.9, 1.1, 1.2]) for field, value in _params(name).items()}

    @brainstate.transform.jit
    def run(params: Any, rows: Any) -> Any:
        def one(params: Any, rows: Any) -> Any:
            return _trace(getattr(module, name)(N // 4, **params), name, rows)

        return brainstate.transform.vmap(one)(params, rows)

    return lambda: run(params, rows)


TRANSFORMS = {"for_loop": for_loop, "jit": jit, "grad": grad, "vmap": vmap}


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"({time.perf_counter() - started:.0f} s)")
