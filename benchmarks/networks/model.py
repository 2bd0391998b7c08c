"""The networks: all numbers, and the connections, drawn once for all contenders.

"lif": each neuron hears 100 others, 80 % of them excitatory, by exponential synapses, each with a delay of its own.
"brunel": N. Brunel 2000, J. Comput. Neurosci. 8:183, with 5,000 neurons, 500 inputs each that act at once, and one
delay of 1.5 ms; g = 5 and an outside input of twice the threshold, the asynchronous irregular regime. The outside
spikes are replaced by a Gaussian current of their mean and variance, which costs all contenders the same.
"""

from typing import NamedTuple

import numpy as np

DT = 0.1  # ms
TAU, THRESHOLD, RESET = 20.0, 20.0, 10.0  # ms, mV, mV
TAU_EXC, TAU_INH = 5.0, 10.0  # ms


class Model(NamedTuple):
    """One network. Weights are in mV."""

    neurons: int
    excitatory: int
    pre: np.ndarray  # (C,), in the order of the postsynaptic neurons
    post: np.ndarray  # (C,)
    delays: np.ndarray  # (C,) ms
    exc: float  # weight
    inh: float
    mean: float  # of the drive, mV
    sigma: float  # of the noise, mV: the standard deviation of a V without threshold times sqrt(2)
    at_once: bool  # whether an input is added to V itself
    refractory: int  # steps after a spike in which V stays at the reset


def lif(neurons: int) -> Model:
    rng = np.random.default_rng(0)
    excitatory = neurons * 4 // 5
    inputs = np.concatenate(
        [rng.integers(0, excitatory, (neurons, 80)), rng.integers(excitatory, neurons, (neurons, 20))], axis=1
    )
    delays = rng.integers(1, 16, inputs.size) * DT
    post = np.repeat(np.arange(neurons), 100)
    return Model(neurons, excitatory, inputs.ravel(), post, delays, 0.1, -0.5, 19.5, 5.0, False, 0)


def brunel(neurons: int) -> Model:
    rng = np.random.default_rng(0)
    excitatory = neurons * 4 // 5
    exc, inh = excitatory // 10, (neurons - excitatory) // 10
    inputs = np.concatenate(
        [rng.integers(0, excitatory, (neurons, exc)), rng.integers(excitatory, neurons, (neurons, inh))], axis=1
    )
    post = np.repeat(np.arange(neurons), exc + inh)
    # eta = 2: the outside input's mean is 2 thresholds; its variance is that of Poisson spikes of 0.1 mV.
    sigma = np.sqrt(0.1 * 2 * THRESHOLD)
    delays, mean, refractory = np.full(inputs.size, 1.5), 2 * THRESHOLD, round(2.0 / DT)
    return Model(neurons, excitatory, inputs.ravel(), post, delays, 0.1, -0.5, mean, sigma, True, refractory)


NETWORKS = {"lif": lif, "brunel": brunel}
