"""NEURON's KINETIC of the five-state NMDA receptor, in a process of its own; where NEURON and a compiler are installed.

python -m benchmarks.neuron TRAIN.npy DT OUT.npz
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import numpy as np

# The same scheme and numbers as `synkin.schemes.nmda5`; a square pulse, which a spike starts anew.
MECHANISM = """
NEURON {
    POINT_PROCESS Scheme
    RANGE T, T_dur, conc
}
PARAMETER {
    kon = 5 (/ms)
    koff = 0.0129 (/ms)
    kd = 0.0084 (/ms)
    kr = 0.0068 (/ms)
    beta = 0.0465 (/ms)
    alpha = 0.0738 (/ms)
    T = 1
    T_dur = 1 (ms)
}
ASSIGNED { conc  rb (/ms)  pulses }
STATE { C0 C1 C2 D O }
INITIAL { C0 = 1  C1 = 0  C2 = 0  D = 0  O = 0  conc = 0  pulses = 0 }
BREAKPOINT { SOLVE kin METHOD sparse }
KINETIC kin {
    rb = kon * conc
    ~ C0 <-> C1 (rb, koff)
    ~ C1 <-> C2 (rb, koff)
    ~ C2 <-> D (kd, kr)
    ~ C2 <-> O (beta, alpha)
    CONSERVE C0 + C1 + C2 + D + O = 1
}
NET_RECEIVE(w) {
    if (flag == 0) {
        pulses = pulses + 1
        conc = T
        net_send(T_dur, 1)
    } else {
        pulses = pulses - 1
        if (pulses == 0) { conc = 0 }
    }
}
"""


def is_there() -> bool:
    """Whether NEURON is installed, and what compiles for it."""
    return importlib.util.find_spec("neuron") is not None and shutil.which("g++") is not None


def run(train: np.ndarray, dt: float) -> tuple[float, np.ndarray]:
    """Seconds of a run, and the sum of the open fractions at the end of each step.

    Args:
        train: spikes, bool (T, N).
        dt: ms.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "scheme.mod").write_text(MECHANISM)
        compiler = Path(sysconfig.get_path("scripts")) / "nrnivmodl"
        subprocess.run([compiler, "."], cwd=home, check=True, capture_output=True)
        np.save(home / "train.npy", train)
        here = Path(__file__).parents[1]
        command = [sys.executable, "-m", "benchmarks.neuron", home / "train.npy", str(dt), home / "out.npz"]
        subprocess.run(command, cwd=home, env=os.environ | {"PYTHONPATH": str(here)}, check=True, capture_output=True)
        with np.load(home / "out.npz") as out:
            return float(out["seconds"]), out["sums"]


def _run_here(train: np.ndarray, dt: float) -> tuple[float, np.ndarray]:
    from neuron import h

    h.load_file("stdrun.hoc")
    section = h.Section(name="s")
    synapses = [h.Scheme(section(0.5)) for _ in range(train.shape[1])]
    connections = [h.NetCon(None, synapse) for synapse in synapses]
    for connection in connections:
        connection.delay, connection.weight[0] = 0, 1

    def tell() -> None:
        for connection, spikes in zip(connections, train.T, strict=True):
            for row in np.flatnonzero(spikes):
                # Within the step, so that rounding does not decide in which one it comes.
                connection.event((row + 0.25) * dt)

    start = h.FInitializeHandler(tell)  # noqa: F841  it lives as long as its name
    h.dt, h.steps_per_ms = dt, 1 / dt
    seconds = []
    for _ in range(3):
        h.finitialize(-65)
        begun = time.perf_counter()
        h.continuerun(len(train) * dt)
        seconds.append(time.perf_counter() - begun)
    h.finitialize(-65)
    sums = []
    for _ in range(len(train)):
        h.fadvance()
        sums.append(sum(synapse.O for synapse in synapses))
    return float(np.median(seconds)), np.array(sums)


if __name__ == "__main__":
    seconds, sums = _run_here(np.load(sys.argv[1]), float(sys.argv[2]))
    np.savez(sys.argv[3], seconds=seconds, sums=sums)
