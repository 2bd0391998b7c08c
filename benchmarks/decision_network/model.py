"""The network of Wang 2002 in numbers: ms, mV, nS, pF (so that nS times mV is pA), Hz. It needs NumPy alone."""

from typing import NamedTuple

import numpy as np

DT = 0.1  # ms; the paper has 0.02 ms and a method of second order
E_LEAK, E_EXCITATORY, E_INHIBITORY = -70.0, 0.0, -70.0  # mV
V_THRESHOLD, V_RESET = -50.0, -55.0  # mV
TAU_AMPA, TAU_GABA = 2.0, 5.0  # ms
TAU_X, ALPHA, TAU_S = 2.0, 0.5, 100.0  # ms, 1/ms, ms: of the NMDA receptors
MG = 1.0  # mM
DELAY = 0.5  # ms, of all connections within the network
BACKGROUND = 2400.0  # Hz, the rate of the spikes that a neuron gets from outside
STIMULUS, SPREAD, REDRAWN = 40.0, 4.0, 50.0  # Hz, Hz, ms: mean rate, its standard deviation, how often it is drawn
ONSET = 500.0  # ms
SELECTIVE, W_PLUS = 0.15, 1.7  # the fraction of the pyramidal cells in each group, and how strong it excites itself
W_MINUS = 1 - SELECTIVE * (W_PLUS - 1) / (1 - SELECTIVE)  # so that the mean excitation is as without groups
_INTERVAL = round(REDRAWN / DT)  # steps
FULL = 2000  # neurons, for which the conductances of the paper are


class Cell(NamedTuple):
    """A kind of neuron; the conductances are those of one synapse onto it."""

    C: float  # pF
    g_leak: float  # nS
    refractory: float  # ms
    external: float  # nS
    ampa: float  # nS
    nmda: float  # nS
    gaba: float  # nS


PYRAMIDAL = Cell(C=500.0, g_leak=25.0, refractory=2.0, external=2.1, ampa=0.05, nmda=0.165, gaba=1.3)
INTERNEURON = Cell(C=200.0, g_leak=20.0, refractory=1.0, external=1.62, ampa=0.04, nmda=0.13, gaba=1.0)


class Network(NamedTuple):
    """A network of N neurons in the order of their four populations: two selective ones, other pyramidal cells,
    interneurons."""

    sizes: tuple[int, int, int, int]  # neurons of each population
    population: np.ndarray  # (N,), of each neuron
    cells: Cell  # of arrays (N,)
    ampa: np.ndarray  # (4, 3) nS, what a spike of each excitatory population adds in each population
    nmda: np.ndarray  # (4, 3) nS
    gaba: np.ndarray  # (4,) nS, what a spike of an interneuron adds in each population

    @property
    def excitatory(self) -> int:
        """The number of pyramidal cells."""
        return sum(self.sizes[:3])

    @property
    def refractory(self) -> np.ndarray:
        """(N,) steps."""
        return np.round(self.cells.refractory / DT).astype(np.int32)


def network(neurons: int = FULL) -> Network:
    """The network, or a smaller one whose conductances are larger in proportion."""
    excitatory = round(0.8 * neurons)
    group = round(SELECTIVE * excitatory)
    sizes = (group, group, excitatory - 2 * group, neurons - excitatory)
    population = np.repeat(np.arange(4, dtype=np.int32), sizes)
    of_population = (PYRAMIDAL, PYRAMIDAL, PYRAMIDAL, INTERNEURON)
    cells = Cell(*(np.array(values)[population] for values in zip(*of_population, strict=True)))
    relative = np.array([[W_PLUS, W_MINUS, W_MINUS], [W_MINUS, W_PLUS, W_MINUS], [1, 1, 1], [1, 1, 1]])
    one_synapse = Cell(*(np.array(values) * FULL / neurons for values in zip(*of_population, strict=True)))
    ampa, nmda = (relative * g[:, None] for g in (one_synapse.ampa, one_synapse.nmda))
    return Network(sizes, population, cells, ampa, nmda, one_synapse.gaba)


def mean_of_step(tau: float) -> float:
    """The mean over a step of a conductance that decays, as a fraction of its value at the start.

    Steps of V that take the mean get the charge of the conductance; with the value at the start they get 2.5 % too much
    of AMPA.
    """
    return float(-np.expm1(-DT / tau) * tau / DT)


def stimulus_rates(steps: int, *, coherence: float = 12.8, onset: float = ONSET, seed: int = 0) -> np.ndarray:
    """(intervals, 2) Hz: the rate of the stimulus in each interval of 50 ms, for a neuron of each selective group.

    Args:
        steps: of the run.
        coherence: of the stimulus, in %: positive is evidence for the first group.
        onset: of the stimulus, ms.
        seed: of its fluctuations.
    """
    intervals = -(-steps // _INTERVAL)
    spread = SPREAD * np.random.default_rng(seed).standard_normal((intervals, 2))
    rates = np.maximum(STIMULUS * (1 + np.array([1, -1]) * coherence / 100) + spread, 0.0)
    return np.where(np.arange(intervals)[:, None] * REDRAWN >= onset, rates, 0.0)


def spikes_from_outside(net: Network, steps: int, rates: np.ndarray, seed: int = 0) -> np.ndarray:
    """(steps, N) uint8: how many spikes each neuron gets from outside in each step.

    They come at random, each neuron's independently: a Poisson process, drawn as the number of all spikes of an
    interval, and then a place for each.

    Args:
        net: from `network`.
        steps: of the run.
        rates: of the stimulus, from `stimulus_rates`.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    N, group = sum(net.sizes), net.sizes[0]
    spikes = np.zeros((steps, N), np.uint8)
    for interval, stimulus in enumerate(rates):
        block = spikes[interval * _INTERVAL :][:_INTERVAL]
        for first, neurons, rate in ((0, N, BACKGROUND), (0, group, stimulus[0]), (group, group, stimulus[1])):
            count = rng.poisson(rate * DT / 1000 * len(block) * neurons)
            step, neuron = rng.integers(len(block), size=count), rng.integers(first, first + neurons, size=count)
            np.add.at(block.reshape(-1), step * N + neuron, np.uint8(1))
    return spikes
