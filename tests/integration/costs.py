"""What the calls of a kernel cost, counted and kept in costs.txt.

    python -m tests.integration.costs    # counts all of them, and writes the table anew: some minutes

Read its changes before they go in: `git diff tests/integration/costs.txt`.
"""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import synkin
from tests.helpers import counted

FILE = Path(__file__).with_name("costs.txt")
HEAD = """\
# What the calls of a kernel cost, counted with JAX {jax} on a CPU in float32: python -m tests.integration.costs
# run         simulate with a readout, 1,000 steps of 1,000 synapses        gradient  of it, to all parameters
# respond     5 spikes, 40 times                                            step      stepper, and its step in a scan
#
# operations    that JAX traces, with those in its loops and calls
# compilations  of a first call that is not in a jit
# commands      of XLA's CPU for the compiled call, those of a loop as often as it is run: 7,012 are about 7 a step
"""
LINE = "{:12}{:11}{:10}{:>12}{:>14}{:>10}"
DT, STEPS, SYNAPSES = 0.1, 1000, 1000

KERNELS = (
    *(synkin.alpha, synkin.expon, synkin.dual_expon, synkin.ampa, synkin.gabaa, synkin.bionmda, synkin.wang_nmda),
    *(synkin.schemes.nmda5, synkin.schemes.kampa2004, synkin.schemes.glyr_flip),
)


class Case(NamedTuple):
    """A line of the table."""

    kernel: str
    method: str
    call: str

    def __str__(self) -> str:
        return " ".join(self)


class Cost(NamedTuple):
    """The numbers of a line."""

    operations: int
    compilations: int
    commands: int


def cases() -> list[Case]:
    """All of them. `respond` takes no method: it is exact. Gradients of the largest schemes take minutes to compile."""
    return [
        Case(kernel.name, method, call)
        for kernel in KERNELS
        for method in ("exp_euler", "exact")
        for call in ("run", "gradient", "respond", "step")
        if method == "exact" or (kernel.name in synkin.KERNELS and call != "respond")
        if call != "gradient" or kernel.name not in ("kampa2004", "glyr_flip")
    ]


def read() -> tuple[str, dict[Case, Cost]]:
    """The version of JAX that the table is for, and the table."""
    lines = FILE.read_text().splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")][1:]
    return lines[0].split("JAX ")[1].split()[0], {Case(*row[:3]): Cost(*map(int, row[3:])) for row in rows}


def operations(case: Case) -> int:
    """That JAX traces."""
    return counted.equations(jax.make_jaxpr(_function(case))(*_arguments(case)))


def compilations(case: Case) -> int:
    """Of a first call that is not in a jit."""
    function, arguments = _function(case), _arguments(case)
    jax.clear_caches()
    counted.compilations()
    jax.block_until_ready(function(*arguments))
    return counted.compilations()


def commands(case: Case) -> int:
    """Of XLA's CPU."""
    return counted.Program(jax.jit(_function(case)).lower(*_arguments(case)).compile()).commands()


def _kernel(case: Case) -> Any:
    return next(kernel for kernel in KERNELS if kernel.name == case.kernel)


def _arguments(case: Case) -> tuple[Any, np.ndarray]:
    """Params, and spikes or their times."""
    kernel = _kernel(case)
    params = kernel.Params(*map(np.float32, kernel.Params()))
    if case.call == "respond":
        return params, np.arange(0, 15, 3, np.float32)
    spikes = np.zeros((STEPS, SYNAPSES), np.float32 if kernel.input.takes_weights else bool)
    spikes[::100] = 1
    return params, spikes


def _function(case: Case) -> Callable[[Any, Any], Any]:
    kernel, method = _kernel(case), case.method

    def run(params: Any, spikes: Any) -> Any:
        return synkin.simulate(kernel, params, spikes, DT, method=method, readout=lambda state, g: jnp.sum(g))[1]

    def gradient(params: Any, spikes: Any) -> Any:
        return jax.grad(lambda params: jnp.mean(run(params, spikes) ** 2))(params)

    def respond(params: Any, spike_times: Any) -> Any:
        return synkin.respond(kernel, params, spike_times, np.arange(40, dtype=np.float32))

    def step(params: Any, spikes: Any) -> Any:
        stepper = synkin.stepper(kernel, params, DT, method=method)
        return jax.lax.scan(stepper.step, stepper.init(spikes.shape[1:]), spikes)[1]

    return {"run": run, "gradient": gradient, "respond": respond, "step": step}[case.call]


def main() -> None:
    lines = [HEAD.format(jax=version("jax")), LINE.format(*Case._fields, *Cost._fields)]
    for case in cases():
        lines.append(LINE.format(*case, operations(case), compilations(case), commands(case)))
        print(lines[-1], flush=True)
    FILE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
