"""How long a person waits for the first result: each in a fresh process, with nothing compiled before.

    python -m benchmarks.first_results [--repeats 5] [NAME ...]
    python -m benchmarks.first_results --again   # and in a process that finds what an earlier one has compiled

Prints the median of the seconds, from the import on. What a name does is in `RESULTS`. With ``--again`` each is also
measured where `JAX_COMPILATION_CACHE_DIR` names a folder that an earlier process has filled; commands have one anyway.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from benchmarks import processes

N, T, DT = 100, 1000, 0.1
_FREE = {
    "ampa": ("alpha", "beta", "T_dur"),
    "dual_expon": ("tau_decay", "tau_rise"),
    "bionmda": ("alpha1", "beta1", "alpha2", "beta2"),
}


def _spikes():
    import numpy as np

    return np.random.default_rng(0).random((T, N)) < 0.002


def _gradient(name: str, method: str) -> None:
    import jax

    import synkin

    kernel, spikes = _kernel(name), _spikes()

    def loss(params):
        _, g = synkin.simulate(kernel, params, spikes, DT, method=method)
        return (g**2).mean()

    jax.block_until_ready(jax.grad(loss)(kernel.Params()))


def _gradient_by_hand() -> None:
    """The pulses of ampa counted in steps, and exponential Euler."""
    import jax
    import jax.numpy as jnp

    spikes = _spikes()

    def loss(params):
        alpha, beta, T_conc = params
        rate = alpha * T_conc + beta
        rest, decay, decay_free = alpha * T_conc / rate, jnp.exp(-rate * DT), jnp.exp(-beta * DT)

        def step(carry, spike):
            g, left = carry
            left = jnp.where(spike, 10, left)
            g = jnp.where(left > 0, rest + (g - rest) * decay, g * decay_free)
            return (g, jnp.maximum(left - 1, 0)), g

        _, g = jax.lax.scan(step, (jnp.zeros(N), jnp.zeros(N, int)), spikes)
        return (g**2).mean()

    jax.block_until_ready(jax.grad(loss)((0.98, 0.18, 0.5)))


def _kernel(name: str):
    import synkin

    return getattr(synkin, name, None) or getattr(synkin.schemes, name)


def _simulate(name: str, method: str) -> None:
    import jax

    import synkin

    kernel = _kernel(name)
    jax.block_until_ready(synkin.simulate(kernel, kernel.Params(), _spikes(), DT, method=method))


def _respond(name: str) -> None:
    import jax
    import numpy as np

    import synkin

    kernel = _kernel(name)
    jax.block_until_ready(synkin.respond(kernel, kernel.Params(), [1.0, 20.0], np.arange(0.0, 50.0, 0.1)))


def _stepper() -> None:
    import jax
    import numpy as np

    import synkin

    stepper = synkin.stepper(synkin.ampa, synkin.ampa.Params(), DT)
    jax.block_until_ready(stepper.step(stepper.init((N,)), np.zeros(N, bool)))


def _fit(name: str) -> None:
    import numpy as np

    import synkin

    kernel, times = _kernel(name), np.arange(0.0, 50.0, 0.1)
    rng = np.random.default_rng(1)
    # A response that no kernel makes exactly, with noise.
    trace = 12.0 * (np.exp(-(times - 5) / 6.0) - np.exp(-(times - 5) / 0.8)) * (times > 5) + rng.normal(
        0, 0.3, times.size
    )
    synkin.fit(kernel, kernel.Params(), [5.0], times, trace, free=_FREE[name], scale=True, progress=False)


RESULTS: dict[str, Callable[[], None]] = {
    "simulate ampa": lambda: _simulate("ampa", "exp_euler"),
    "simulate bionmda exact": lambda: _simulate("bionmda", "exact"),
    "gradient by hand, ampa": _gradient_by_hand,
    "gradient ampa": lambda: _gradient("ampa", "exp_euler"),
    "gradient bionmda exact": lambda: _gradient("bionmda", "exact"),
    "gradient nmda5": lambda: _gradient("nmda5", "exact"),
    "respond bionmda": lambda: _respond("bionmda"),
    "stepper": _stepper,
    "fit ampa": lambda: _fit("ampa"),
    "fit dual_expon": lambda: _fit("dual_expon"),
    "fit bionmda": lambda: _fit("bionmda"),
}
COMMANDS = {
    "synkin list": ["list"],
    "synkin simulate --sample": ["simulate", "--sample"],
    "synkin fit --sample": ["fit", "--sample"],
}
IMPORT = "import synkin, after JAX's"


def once(name: str, cache: str | None = None) -> float:
    """Seconds in a fresh process, which keeps what it compiles in the folder ``cache`` if there is one."""
    if name not in COMMANDS:
        kept = {"JAX_COMPILATION_CACHE_DIR": cache, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"} if cache else {}
        return processes.fresh("first_results", "--here", name, **kept)
    with tempfile.TemporaryDirectory() as folder:
        environment = {k: v for k, v in os.environ.items() if k not in processes.NOT_INHERITED}
        environment |= {"PYTHONPATH": os.pathsep.join((str(processes.ROOT), *filter(None, sys.path)))}
        environment |= {"XDG_CACHE_HOME": cache or folder}
        start = time.perf_counter()
        command = [sys.executable, "-m", "synkin", *COMMANDS[name]]
        subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True)
        return time.perf_counter() - start


def again(name: str) -> float:
    """Seconds in a process that comes after another one."""
    with tempfile.TemporaryDirectory() as cache:
        once(name, cache)
        return once(name, cache)


def here(name: str) -> float:
    """Seconds in this process, which has only JAX so far."""
    import jax

    jax.block_until_ready(jax.numpy.zeros(1) + 1)
    start = time.perf_counter()
    import synkin  # noqa: F401

    if name != IMPORT:
        start = time.perf_counter()
        RESULTS[name]()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="of the table; all by default")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--again", action="store_true", help="also with what an earlier process has compiled")
    parser.add_argument("--here", metavar="NAME", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        print(json.dumps(here(given.here)))
        return
    names = given.names or [IMPORT, *RESULTS, *COMMANDS]
    samples = {(name, measure): [] for name in names for measure in (once, again)[: 1 + given.again]}
    for _ in range(given.repeats):
        for (name, measure), seconds in samples.items():
            seconds.append(measure(name))
    for (name, measure), seconds in samples.items():
        what = name if measure is once else "    again"
        print(f"{what:28} {statistics.median(seconds):6.2f} s   ({min(seconds):.2f} to {max(seconds):.2f})")


if __name__ == "__main__":
    main()
