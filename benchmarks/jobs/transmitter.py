"""Transmitter: a concentration for each synapse and step, and pulses with a height, beside plain pulses."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import synkin
from benchmarks.timing import Call, Row, compare
from benchmarks.workloads import DT, Scale, spikes, steps_for

UNIT = "ns per synapse and step"
TOLERANCE = 2e-5  # of the largest sum, float32
KERNELS = (synkin.ampa, synkin.bionmda, synkin.schemes.nmda5)


def rows(scale: Scale) -> Iterator[Row]:
    for kernel in KERNELS:
        synapses = scale.synapses[0]
        # Pulses of whole steps, so that the concentration of each step says the same as they do.
        params = kernel.Params(T_dur=4 * DT)
        train = spikes(steps_for(scale, synapses), synapses)
        began = [np.roll(train, i, axis=0) & (np.arange(len(train)) >= i)[:, None] for i in range(4)]
        cleft = params.T * np.any(began, axis=0).astype(np.float32)
        right = np.asarray(synkin.simulate(kernel, params, train, DT, method="exact", readout=_sum)[1])
        calls = {
            "synkin": Call(_loop(kernel, params, train), right),
            "T of each": Call(_loop(kernel, params, None, cleft), right),
            "weights": Call(_loop(kernel, params, train.astype(np.float32), weighted=True), right),
        }
        figures = compare(calls, per=1e9 / train.size, tolerance=TOLERANCE, scale=scale)
        yield Row({"kernel": kernel.name, "N": synapses, "T": len(train)}, figures)


def _sum(state: Any, g: Any) -> Any:
    return jnp.sum(g)


def _loop(
    kernel: Any, params: Any, train: np.ndarray | None, cleft: np.ndarray | None = None, **options: Any
) -> Callable[[], Any]:
    """A call for the sum of g in each step, by a scan over a stepper that is ready."""
    given = {} if cleft is None else {"T": cleft}
    ranges = {name: (0.0, float(values.max())) for name, values in given.items()}
    stepper = synkin.stepper(kernel, params, DT, method="exact", varying=ranges, **options)

    @jax.jit
    def run(stepper: Any, carry: Any, train: Any, given: Any) -> Any:
        def step(carry: Any, row: tuple[Any, Any]) -> tuple[Any, Any]:
            carry, g = stepper.step(carry, row[0], **row[1])
            return carry, jnp.sum(g)

        return jax.lax.scan(step, carry, (train, given))[1]

    shape = (train if cleft is None else cleft).shape[1:]
    ready = stepper, stepper.init(shape), *jax.tree.map(jnp.asarray, (train, given))
    return lambda: run(*ready)
