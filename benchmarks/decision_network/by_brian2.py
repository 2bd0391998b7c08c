"""The network in Brian2, compiled to a program of its own, in a process of its own.

python -m benchmarks.decision_network.by_brian2 NEURONS STEPS PRECISION

It says "ready" when the program is compiled. For each line on its input it then runs it once, and answers with the
seconds it took, those of the CPU in its loop over the steps, and the mean rates of the four populations from the onset
of the stimulus on, in Hz. It needs Brian2, NumPy and a C++ compiler.
"""

import json
import sys
import tempfile
import time
from typing import Any

import brian2 as b
import numpy as np
from brian2 import Hz, ms, mV, nS, pF

from benchmarks.decision_network import model

NEURON = """
    dV/dt = -(g_leak * (V - E_leak) + g_inh * (V - E_inh) + (g_outside + g_ampa + g_nmda * unblocked) * (V - E_exc)) / C
        : volt (unless refractory)
    unblocked = 1 / (1 + Mg / 3.57 * exp(-0.062 * V / mV)) : 1
    dg_outside/dt = -g_outside / tau_ampa : siemens
    g_ampa : siemens (linked)
    g_nmda : siemens (linked)
    g_inh : siemens (linked)
"""
SPEAKS = """
    dx/dt = -x / tau_x : 1
    ds/dt = alpha * x * (1 - s) - s / tau_s : 1
"""
# What all neurons of a population hear alike.
POPULATION = """
    dg_ampa/dt = -g_ampa / tau_ampa : siemens
    dg_inh/dt = -g_inh / tau_gaba : siemens
    g_nmda : siemens
"""


def build(net: model.Network, steps: int) -> tuple[b.Network, tuple[b.SpikeMonitor, b.SpikeMonitor]]:
    """The network, and what records the spikes of pyramidal cells and interneurons."""
    constants = {
        "E_leak": model.E_LEAK * mV,
        "E_exc": model.E_EXCITATORY * mV,
        "E_inh": model.E_INHIBITORY * mV,
        "tau_ampa": model.TAU_AMPA * ms,
        "tau_gaba": model.TAU_GABA * ms,
        "tau_x": model.TAU_X * ms,
        "tau_s": model.TAU_S * ms,
        "alpha": model.ALPHA / ms,
        "Mg": model.MG,
        "V_threshold": model.V_THRESHOLD * mV,
        "V_reset": model.V_RESET * mV,
    }
    delay, N_E = model.DELAY * ms, net.excitatory
    # After the neurons, so that a step of V sees the conductance at its start. By Euler's rule that conserves charge.
    heard = b.NeuronGroup(4, POPULATION, method="euler", order=1, namespace=constants)
    pyramidal, interneurons = (
        _neurons(cell, net.population[part], heard, constants)
        for cell, part in ((model.PYRAMIDAL, slice(N_E)), (model.INTERNEURON, slice(N_E, None)))
    )

    def onto_populations(source: b.NeuronGroup, weights: np.ndarray, more: str = "", **options: Any) -> b.Synapses:
        """Connections of all neurons of a source to the four populations; weights: (4, neurons) nS."""
        synapses = b.Synapses(source, heard, f"w : siemens (constant)\n{more}", **options)
        synapses.connect()
        synapses.w = weights.T.ravel() * nS
        return synapses

    speaker = net.population[:N_E]
    connections = [
        onto_populations(pyramidal, net.ampa[:, speaker], on_pre="g_ampa_post += w", delay=delay),
        onto_populations(pyramidal, net.nmda[:, speaker], "g_nmda_post = w * s_pre : siemens (summed)"),
        onto_populations(
            interneurons, np.repeat(net.gaba[:, None], net.sizes[3], 1), on_pre="g_inh_post += w", delay=delay
        ),
    ]
    opens = b.Synapses(pyramidal, pyramidal, on_pre="x_post += 1", delay=delay)
    opens.connect(j="i")

    sources = 1000  # of each neuron
    outside = [
        b.PoissonInput(group, "g_outside", sources, model.BACKGROUND / sources * Hz, weight=cell.external * nS)
        for group, cell in ((pyramidal, model.PYRAMIDAL), (interneurons, model.INTERNEURON))
    ]
    size = net.sizes[0]
    table = b.TimedArray(model.stimulus_rates(steps) * Hz, dt=model.REDRAWN * ms)
    stimulus = b.PoissonGroup(2 * size, rates="table(t, i // size)", namespace={"table": table, "size": size})
    drive = model.PYRAMIDAL.external * nS
    stimulates = b.Synapses(stimulus, pyramidal, on_pre="g_outside_post += drive", namespace={"drive": drive})
    stimulates.connect(j="i")
    counted = b.SpikeMonitor(pyramidal), b.SpikeMonitor(interneurons)
    parts = [heard, pyramidal, interneurons, *connections, opens, *outside, stimulus, stimulates, *counted]
    return b.Network(parts), counted


def _neurons(
    cell: model.Cell, population: np.ndarray, heard: b.NeuronGroup, constants: dict[str, Any]
) -> b.NeuronGroup:
    """Neurons of one kind."""
    own = {"C": cell.C * pF, "g_leak": cell.g_leak * nS}
    neurons = b.NeuronGroup(
        len(population),
        NEURON + (SPEAKS if cell is model.PYRAMIDAL else ""),
        method="euler",
        threshold="V > V_threshold",
        reset="V = V_reset",
        refractory=cell.refractory * ms,
        namespace=constants | own,
    )
    for name in ("g_ampa", "g_nmda", "g_inh"):
        setattr(neurons, name, b.linked_var(heard, name, index=population.astype(int)))
    neurons.V = model.V_RESET * mV
    return neurons


def main(neurons: int, steps: int, precision: int) -> None:
    net = model.network(neurons)
    with tempfile.TemporaryDirectory() as folder:
        b.set_device("cpp_standalone", build_on_run=False, directory=folder)
        b.prefs.core.default_float_dtype = np.dtype(f"float{precision}").type
        b.defaultclock.dt = model.DT * ms
        network, counted = build(net, steps)
        network.run(steps * model.DT * ms)
        b.device.build(directory=folder, compile=True, run=False, with_output=False)
        print("ready", flush=True)
        for _ in sys.stdin:
            start = time.perf_counter()
            b.device.run(directory=folder, with_output=False, run_args=[])
            wall = time.perf_counter() - start
            spikes = np.zeros(4)
            for monitor, first in zip(counted, (0, net.excitatory), strict=True):
                fired = net.population[first + np.asarray(monitor.i)[np.asarray(monitor.t / ms) >= model.ONSET]]
                spikes += np.bincount(fired, minlength=4)
            rates = spikes / net.sizes / (steps * model.DT - model.ONSET) * 1000
            print(json.dumps({"wall": wall, "cpu": b.device._last_run_time, "rates": rates.tolist()}), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
