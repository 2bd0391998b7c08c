"""The same steps in plain NumPy, written by hand, in float64."""

from collections.abc import Iterator

import numpy as np

from benchmarks.decision_network import model
from benchmarks.decision_network.model import DT, Network

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)  # over a step of 0.1 ms exact to rounding


def run(net: Network, outside: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each step who fires, bool (N,), and the voltages, before those who fire are reset, (N,) mV.

    Args:
        net: from `model.network`.
        outside: (T, N), the spikes from outside that each neuron gets in each step.
    """
    cells, N, N_E = net.cells, sum(net.sizes), net.excitatory
    groups = np.cumsum((0, *net.sizes[:2]))
    decay_ampa, decay_gaba = np.exp(-DT / model.TAU_AMPA), np.exp(-DT / model.TAU_GABA)
    mean_ampa, mean_gaba = model.mean_of_step(model.TAU_AMPA), model.mean_of_step(model.TAU_GABA)
    V, left = np.full(N, model.V_RESET), np.zeros(N, int)
    fired_before = [np.zeros(N, bool)] * round(model.DELAY / DT)
    g_external, g_ampa, g_gaba, x, opened = np.zeros(N), np.zeros(4), np.zeros(4), np.zeros(N_E), np.zeros(N_E)
    for row in outside:
        arriving = fired_before.pop(0).astype(float)
        g_external = decay_ampa * g_external + cells.external * row
        g_ampa = decay_ampa * g_ampa + net.ampa @ np.add.reduceat(arriving[:N_E], groups)
        g_gaba = decay_gaba * g_gaba + net.gaba * arriving[N_E:].sum()
        x, opened = nmda(x, opened, DT)
        x = x + arriving[:N_E]
        unblocked = 1 / (1 + model.MG / 3.57 * np.exp(-0.062 * V))
        g_nmda = (net.nmda @ np.add.reduceat(opened, groups))[net.population] * unblocked

        # Of the fast conductances the mean over the step, which decays; NMDA changes little.
        g_inhibitory = mean_gaba * g_gaba[net.population]
        g_excitatory = mean_ampa * (g_external + g_ampa[net.population]) + g_nmda
        I = cells.g_leak * (V - model.E_LEAK) + g_inhibitory * (V - model.E_INHIBITORY)
        I = I + g_excitatory * (V - model.E_EXCITATORY)
        V = np.where(left > 0, model.V_RESET, V - DT / cells.C * I)
        fired = V > model.V_THRESHOLD
        yield fired, V
        left = np.where(fired, net.refractory, np.maximum(left - 1, 0))
        V = np.where(fired, model.V_RESET, V)
        fired_before.append(fired)


def nmda(x: np.ndarray, g: np.ndarray, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """x and g after ``dt`` ms without a spike: x decays, and g is the solution of a linear equation with a rate that
    falls with x, whose integral is taken by Gauss's rule."""

    def exponent(s: np.ndarray | float) -> np.ndarray:
        """The integral of the rates of g from 0 to s."""
        opening = model.ALPHA * model.TAU_X * -np.expm1(-s / model.TAU_X)
        return opening * x[:, None] + s / model.TAU_S

    s = dt / 2 * (1 + _NODES)
    at_end = exponent(np.array([dt]))
    opening = model.ALPHA * x[:, None] * np.exp(-s / model.TAU_X)
    opened = dt / 2 * (opening * np.exp(exponent(s) - at_end)) @ _WEIGHTS
    return x * np.exp(-dt / model.TAU_X), g * np.exp(-at_end[:, 0]) + opened
