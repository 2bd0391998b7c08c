"""The networks in Brian2, by Cython or as a C++ program. It needs Brian2, NumPy and a C++ compiler."""

import tempfile
import time

import brian2 as b
import numpy as np
from brian2 import ms

from benchmarks.networks.model import DT, RESET, TAU, TAU_EXC, TAU_INH, THRESHOLD, Model


def times(model: Model, steps: int, repeats: int, *, standalone: bool) -> tuple[list[float], float, float]:
    """Seconds of each run, of building, and the mean rate in Hz."""
    began = time.perf_counter()
    b.prefs.core.default_float_dtype = np.float32
    if standalone:
        b.set_device("cpp_standalone", build_on_run=False)
    else:
        b.prefs.codegen.target = "cython"
        b.prefs.codegen.runtime.cython.cache_dir = tempfile.mkdtemp()  # so that it compiles, as in a first run
    b.defaultclock.dt = DT * ms
    # Euler's rule with these time constants is the exact decay.
    tau_exc, tau_inh = (DT / (1 - np.exp(-DT / tau)) for tau in (TAU_EXC, TAU_INH))
    names = {"tau": TAU * ms, "tau_e": tau_exc * ms, "tau_i": tau_inh * ms, "mu": model.mean}
    names |= {"sigma": model.sigma, "theta": THRESHOLD, "reset": RESET}
    equations = "dV/dt = (mu + ge + gi - V) / tau + sigma * xi / tau**0.5 : 1\n"
    equations += "dge/dt = -ge / tau_e : 1\ndgi/dt = -gi / tau_i : 1"
    if model.at_once:
        equations = "dV/dt = (mu - V) / tau + sigma * xi / tau**0.5 : 1 (unless refractory)"
    options = {"refractory": model.refractory * DT * ms} if model.refractory else {}
    neurons = b.NeuronGroup(
        model.neurons, equations, threshold="V > theta", reset="V = reset", method="euler", namespace=names, **options
    )
    neurons.V = np.random.default_rng(1).uniform(0.0, THRESHOLD, model.neurons)
    net = b.Network(neurons)
    is_exc = model.pre < model.excitatory
    for at, weight, variable in ((is_exc, model.exc, "ge"), (~is_exc, model.inh, "gi")):
        target = "V" if model.at_once else variable
        synapses = b.Synapses(neurons, neurons, on_pre=f"{target} += {weight}")
        synapses.connect(i=model.pre[at], j=model.post[at])
        synapses.delay = 1.5 * ms if model.at_once else model.delays[at] * ms
        net.add(synapses)
    counter = b.SpikeMonitor(neurons, record=False)
    net.add(counter)
    duration = steps * DT * ms
    if standalone:
        net.run(duration)
        with tempfile.TemporaryDirectory() as folder:
            b.device.build(directory=folder, compile=True, run=False, debug=False)
            built, found = time.perf_counter() - began, []
            for _ in range(repeats):
                b.device.run(folder, with_output=False, run_args=[])
                found.append(float(b.device._last_run_time))
            rate = counter.num_spikes / model.neurons / (steps * DT / 1000)
        return found, built, rate
    net.run(DT * ms)
    built, found = time.perf_counter() - began, []
    for _ in range(repeats):
        before = counter.num_spikes
        start = time.perf_counter()
        net.run(duration)
        found.append(time.perf_counter() - start)
    return found, built, (counter.num_spikes - before) / model.neurons / (steps * DT / 1000)
