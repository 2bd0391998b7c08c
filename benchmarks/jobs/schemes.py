"""Schemes: a receptor of 5 and one of 10 states beside "exact" of simpler kernels, and beside NEURON's KINETIC."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import expm

import synkin
from benchmarks import neuron
from benchmarks.timing import Call, Figure, Row, compare
from benchmarks.workloads import DT, Scale, spikes, steps_for

UNIT = "ns per synapse and step"
TOLERANCE = 2e-5  # of the largest sum, float32
SCHEMES = (synkin.schemes.nmda5, synkin.schemes.glyr_flip)
BESIDE = {"ampa exact": synkin.ampa, "bionmda exact": synkin.bionmda}
# NEURON holds an object a synapse, and takes about 100 times as long.
IN_NEURON = 1_000


def rows(scale: Scale) -> Iterator[Row]:
    for kernel in SCHEMES:
        for synapses in scale.synapses[:2]:
            train = spikes(steps_for(scale, synapses), synapses)
            calls = {"synkin": Call(_summed(kernel, train), expected(kernel, train))}
            calls |= {name: Call(_summed(other, train)) for name, other in BESIDE.items()}
            figures = compare(calls, per=1e9 / train.size, tolerance=TOLERANCE, scale=scale)
            if kernel is SCHEMES[0] and synapses <= IN_NEURON and neuron.is_there():
                figures["NEURON sparse"] = _in_neuron(kernel, train)
            yield Row({"kernel": kernel.name, "N": synapses, "T": len(train)}, figures)


def _summed(kernel: Any, train: np.ndarray) -> Callable[[], Any]:
    def readout(state: Any, g: Any) -> Any:
        return jnp.sum(g)

    run = jax.jit(partial(synkin.simulate, kernel, kernel.Params(), dt=DT, method="exact", readout=readout))
    on_device = jnp.asarray(train)
    return lambda: run(on_device)[1]


def expected(kernel: Any, train: np.ndarray) -> np.ndarray:
    """The sum of g at each step in float64, by SciPy's matrix exponential; a pulse lasts whole steps."""
    params = kernel.Params()
    moves = [expm(np.asarray(kernel.generator(params, T), float) * DT) for T in (0.0, params.T)]
    weights = np.array([kernel.open.get(state, 0.0) for state in kernel.states])
    lasts = round(params.T_dur / DT)
    y = np.zeros((len(weights), train.shape[1]))
    y[0] = 1.0
    left, sums = np.zeros(train.shape[1], int), []
    for row in train:
        left = np.where(row, lasts, left)
        y = np.where(left > 0, moves[1] @ y, moves[0] @ y)
        left = np.maximum(left - 1, 0)
        sums.append(weights @ y.sum(axis=1))
    return np.array(sums)


def _in_neuron(kernel: Any, train: np.ndarray) -> Figure:
    """What NEURON takes, and how far it is off by implicit steps of the same length."""
    at_rest = np.arange(len(kernel.states)) == 0
    seconds, g = neuron.run(neuron.mechanism(kernel, {}, at_rest.astype(float).tolist()), train, DT)
    right = expected(kernel, train)
    error = float(np.abs(g.sum(axis=1) - right).max() / right.max())
    return Figure(seconds / train.size * 1e9, error=error)
