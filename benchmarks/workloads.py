"""How much is measured: sizes, spikes, parameters. The same in every run."""

from typing import Any, NamedTuple

import jax
import numpy as np

import synkin

# ms. A power of two, so that t = i dt and every pulse length here are exact in float32: with 0.1 brainpy.state's
# pulses would last a step more or less, as rounding has it, and could not be checked.
DT = 0.125
RATE = 0.002  # spikes of a synapse a step


class Scale(NamedTuple):
    """How large a run of the benchmarks is."""

    kernels: tuple[str, ...] = ("ampa", "gabaa", "bionmda", "alpha")
    synapses: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)  # N of the forward jobs
    elements: int = 30_000_000  # N times T of the forward jobs, about: T lies between
    steps: tuple[int, int] = (100, 1_000)  # these
    square: int = 1_000  # N = T of the gradient
    long: int = 1_000_000  # steps of the one synapse, and of the long gradient
    along: int = 1_000  # synapses of the latter
    updates: int = 100  # of an object, in one sample
    processes: int = 3  # started for the cold start
    repeats: int = 7  # of each call, at least
    seconds: float = 1.0  # to spend on a case, about, where more repeats fit


FULL = Scale()
# Enough for a step to outweigh its kernel's launch: there a run is as good as its use of the memory's bandwidth.
ACCELERATOR = FULL._replace(elements=1_000_000_000)
QUICK = Scale(
    synapses=(1_000, 10_000),
    elements=1_000_000,
    steps=(100, 200),
    square=200,
    long=10_000,
    along=100,
    updates=10,
    processes=1,
    repeats=3,
    seconds=0.0,
)
# Every job in seconds, only to see that it runs.
TINY = Scale(
    kernels=("alpha",),
    synapses=(20,),
    elements=1_000,
    steps=(20, 50),
    square=20,
    long=1_000,
    along=20,
    updates=2,
    processes=1,
    repeats=1,
    seconds=0.0,
)


def full() -> Scale:
    """The full size for the device that is there."""
    return FULL if jax.default_backend() == "cpu" else ACCELERATOR


def distinct(kernels: tuple[str, ...]) -> list[str]:
    """Those of the kernels that have equations of their own: gabaa has ampa's."""
    return list({synkin.KERNELS[kernel].equations: kernel for kernel in reversed(kernels)}.values())[::-1]


def steps_for(scale: Scale, synapses: int) -> int:
    """T of a forward job with ``synapses``."""
    least, largest = scale.steps
    return min(max(scale.elements // synapses, least), largest)


def spikes(steps: int, synapses: int) -> np.ndarray:
    """Spikes of independent synapses, bool of shape (steps, synapses)."""
    train = np.random.default_rng(0).random((steps, synapses), dtype=np.float32) < RATE
    train[0, 0] = True  # so that even the smallest run has something to be checked by
    return train


def sparse_spikes(steps: int, synapses: int) -> np.ndarray:
    """Spikes at the same rate, where a number for each place would be too many."""
    rng = np.random.default_rng(0)
    train = np.zeros(steps * synapses, bool)
    train[rng.integers(train.size, size=round(RATE * train.size) + 1)] = True
    return train.reshape(steps, synapses)


def default_params(kernel: str) -> Any:
    """The kernel's ``Params`` as Python numbers."""
    return synkin.KERNELS[kernel].Params()


def scattered_params(kernel: str, synapses: int) -> Any:
    """``Params`` of arrays, 20 % around the defaults, float32 of shape (synapses,); pulses last whole steps."""
    rng = np.random.default_rng(1)
    params = {}
    for field, default in default_params(kernel)._asdict().items():
        values = default * rng.uniform(0.8, 1.2, synapses)
        params[field] = (np.round(values / DT) * DT if field == "T_dur" else values).astype(np.float32)
    return synkin.KERNELS[kernel].Params(**params)
