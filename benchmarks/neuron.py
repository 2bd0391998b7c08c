"""NEURON's KINETIC of a scheme of synkin, in a process of its own; where NEURON and a compiler are installed.

python -m benchmarks.neuron TRAIN.npy DT WAVE OUT.npz

The environment variable NEURON_PYTHON names a Python that has NEURON; by default it is this one.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

PYTHON = os.environ.get("NEURON_PYTHON", sys.executable)

# A square pulse, which a spike starts anew. The voltage is that of a wave with a phase of each synapse's own.
MECHANISM = """
NEURON {{
    POINT_PROCESS Scheme
    RANGE conc, pulses, V, phase, middle, height, omega, g
}}
PARAMETER {{
    {parameters}
    phase = 0
    middle = 0
    height = 0
    omega = 0
}}
ASSIGNED {{ conc  pulses  V  g  {rates} }}
STATE {{ {states} }}
INITIAL {{ conc = 0  pulses = 0  {initial} }}
BREAKPOINT {{
    SOLVE kin METHOD sparse
    g = {conductance}
}}
KINETIC kin {{
    V = middle + height * sin(omega * (t - dt / 2) + phase)
    {computed}
    {reactions}
    CONSERVE {states_sum} = 1
}}
NET_RECEIVE(w) {{
    if (flag == 0) {{
        pulses = pulses + 1
        conc = T
        net_send(T_dur, 1)
    }} else {{
        pulses = pulses - 1
        if (pulses == 0) {{ conc = 0 }}
    }}
}}
"""


class Wave(NamedTuple):
    """A voltage that moves: mV and 1/ms; each synapse has a phase of its own."""

    middle: float = -40.0
    height: float = 30.0
    omega: float = 0.1

    def at(self, steps: int, synapses: int, dt: float) -> np.ndarray:
        """(steps, synapses) mV, in the middle of each step."""
        phases = 2 * np.pi * np.arange(synapses) / synapses
        return self.middle + self.height * np.sin(self.omega * dt * (np.arange(steps)[:, None] + 0.5) + phases)


def mechanism(kernel: Any, computed: Mapping[str, str], initial: Iterable[float]) -> str:
    """The text of a .mod file of a scheme.

    Args:
        kernel: made by `synkin.scheme`.
        computed: the formula, in NMODL, of each rate that is a function of the parameters.
        initial: the occupancy of each state at the start.
    """
    reactions: dict[tuple[str, str], list[str]] = {}
    for one in kernel.transitions:
        rate = f"conc * ({one.rate})" if one.binds else str(one.rate)
        if (one.target, one.source) in reactions:
            reactions[one.target, one.source][1] = rate
        else:
            reactions[one.source, one.target] = [rate, "0"]
    held = kernel.Params()._asdict()
    held.pop("V", None)
    return MECHANISM.format(
        parameters="\n    ".join(f"{name} = {value}" for name, value in held.items()),
        rates="  ".join(computed),
        states=" ".join(kernel.states),
        initial="  ".join(f"{state} = {value!r}" for state, value in zip(kernel.states, initial, strict=True)),
        conductance=" + ".join(f"{weight} * {state}" for state, weight in kernel.open.items()),
        computed="\n    ".join(f"{name} = {formula}" for name, formula in computed.items()),
        reactions="\n    ".join(f"~ {a} <-> {b} ({on}, {off})" for (a, b), (on, off) in reactions.items()),
        states_sum=" + ".join(kernel.states),
    )


def is_there() -> bool:
    """Whether NEURON is installed, and what compiles for it."""
    return _compiler().exists() and shutil.which("g++") is not None


def run(text: str, train: np.ndarray, dt: float, wave: Wave | None = None) -> tuple[float, np.ndarray]:
    """Seconds of a run, and the conductance of all synapses at the end of each step, (T, N).

    Args:
        text: from `mechanism`.
        train: spikes, bool (T, N).
        dt: ms.
        wave: the voltage, where the mechanism depends on it.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "scheme.mod").write_text(text)
        subprocess.run([_compiler(), "."], cwd=home, check=True, capture_output=True)
        np.save(home / "train.npy", train)
        here = Path(__file__).parents[1]
        waves = json.dumps((wave or Wave(0.0, 0.0, 0.0))._asdict())
        command = [PYTHON, "-m", "benchmarks.neuron", home / "train.npy", str(dt), waves, home / "out.npz"]
        subprocess.run(command, cwd=home, env=os.environ | {"PYTHONPATH": str(here)}, check=True, capture_output=True)
        with np.load(home / "out.npz") as out:
            return float(out["seconds"]), out["g"]


def _compiler() -> Path:
    return Path(PYTHON).with_name("nrnivmodl")


def _run_here(train: np.ndarray, dt: float, wave: dict[str, float]) -> tuple[float, np.ndarray]:
    from neuron import h

    h.load_file("stdrun.hoc")
    section = h.Section(name="s")
    synapses = [h.Scheme(section(0.5)) for _ in range(train.shape[1])]
    for i, synapse in enumerate(synapses):
        synapse.phase = 2 * np.pi * i / len(synapses)
        for name, value in wave.items():
            setattr(synapse, name, value)
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
    gs = []
    for _ in range(len(train)):
        h.fadvance()
        gs.append([synapse.g for synapse in synapses])
    return float(np.median(seconds)), np.array(gs)


if __name__ == "__main__":
    seconds, g = _run_here(np.load(sys.argv[1]), float(sys.argv[2]), json.loads(sys.argv[3]))
    np.savez(sys.argv[4], seconds=seconds, g=g)
