"""Run the synapses of brainpy.state 0.1.0 and keep what they give.

    python tests/data/make_golden.py    # writes golden.npz beside this file

Nothing of synkin is used here. The file holds, for each synapse model, its parameters, its input and its
conductance at the end of each step; and the output models' currents; all in float64. The first synapse of each model
has the default parameters.
"""

from importlib.metadata import version
from pathlib import Path

import brainpy.state as reference
import brainstate
import brainunit as u
import numpy as np

VERSION = "0.1.0"
DT = 0.125  # ms, a power of two: t = i dt is exact, and so is the reference's test of a pulse's end
STEPS, SYNAPSES = 240, 6
RATE = 0.06  # spikes a step
PER_MS, PER_MS_MM, ANY = 1 / u.ms, 1 / (u.ms * u.mM), None
# For each model: its class, and for each parameter its default, its unit and its range.
PULSE = {"T": (1.0, u.mM, (0.1, 2.0)), "T_dur": (1.0, u.ms, ANY)}
BINDING = {"alpha": (0.98, PER_MS_MM, (0.1, 3.0)), "beta": (0.18, PER_MS, (0.01, 1.0))}
TAU = {"tau": (8.0, u.ms, (0.5, 20.0))}
MODELS = {
    "alpha": (reference.Alpha, TAU),
    "ampa": (reference.AMPA, BINDING | {"T": (0.5, u.mM, (0.1, 2.0)), "T_dur": (0.5, u.ms, ANY)}),
    "gabaa": (reference.GABAa, BINDING | {"alpha": (0.53, PER_MS_MM, (0.1, 3.0))} | PULSE),
    "bionmda": (reference.BioNMDA, {
        "alpha1": (2.0, PER_MS, (0.1, 4.0)), "beta1": (0.01, PER_MS, (0.003, 0.3)),
        "alpha2": (1.0, PER_MS_MM, (0.1, 3.0)), "beta2": (0.5, PER_MS, (0.05, 1.0)),
    } | PULSE | {"T_dur": (0.5, u.ms, ANY)}),
    "expon": (reference.Expon, TAU),
    "dual_expon": (reference.DualExpon, {
        "tau_decay": (10.0, u.ms, (6.0, 30.0)), "tau_rise": (1.0, u.ms, (0.2, 4.0)), "amplitude": (1.0, 1, (0.5, 2.0)),
    }),
}  # fmt: skip
RECEPTORS = ("ampa", "gabaa", "bionmda")


def draw(name, rng):
    """Parameters (defaults first) and input of a model."""
    params = {}
    for parameter, (default, _, bounds) in MODELS[name][1].items():
        if bounds is None:  # half of the pulses are whole steps, half anything but near the grid
            whole = rng.integers(0, 16, SYNAPSES)
            values = DT * (whole + np.where(rng.random(SYNAPSES) < 0.5, 1.0, rng.uniform(0.01, 0.99, SYNAPSES)))
        else:
            values = np.exp(rng.uniform(*np.log(bounds), SYNAPSES))
        params[parameter] = np.concatenate([[default], values[1:]])
    spikes = rng.random((STEPS, SYNAPSES)) < RATE
    spikes[0] = True
    # Weights of one sign: where they cancel, a relative difference says nothing.
    return params, spikes if name in RECEPTORS else spikes * rng.uniform(0.2, 2.0, spikes.shape)


def run(name, params, inputs):
    """Conductance at the end of each step, mS."""
    model, parameters = MODELS[name]
    units = {parameter: unit for parameter, (_, unit, _) in parameters.items()}
    synapse = model(inputs.shape[1:], **{key: value * units[key] for key, value in params.items()})
    synapse.init_state()

    def step(i, row):
        with brainstate.environ.context(i=i, t=i * DT * u.ms, dt=DT * u.ms):
            return synapse.update(row if name in RECEPTORS else row * u.mS)

    g = brainstate.transform.for_loop(step, np.arange(len(inputs)), inputs)
    return g.to_decimal(u.mS)


def currents(rng):
    """The output models at random conductances and voltages."""
    g, V = rng.random(50), rng.uniform(-100, 50, 50)
    injected = {
        "coba": reference.COBA(E=-70.0 * u.mV).update(g * u.mS, V * u.mV).to_decimal(u.uA),
        "cuba": reference.CUBA().update(g * u.mS, V * u.mV).to_decimal(u.uA),
        "mg_block": reference.MgBlock(E=5.0, cc_Mg=1.5, alpha=0.06, beta=3.3, V_offset=2.0).update(g, V),
    }
    return {"g": g, "V": V, **injected}


def main():
    if version("brainpy-state") != VERSION:
        raise SystemExit(f"brainpy-state must be {VERSION}, but is {version('brainpy-state')}.")
    brainstate.environ.set(precision=64)
    rng, arrays = np.random.default_rng(0), {}
    for name in MODELS:
        params, inputs = draw(name, rng)
        arrays |= {f"{name}/params/{key}": value for key, value in params.items()}
        arrays |= {f"{name}/inputs": inputs, f"{name}/g": run(name, params, inputs)}
    arrays |= {f"currents/{key}": value for key, value in currents(rng).items()}
    np.savez_compressed(Path(__file__).with_name("golden.npz"), **arrays)


if __name__ == "__main__":
    main()
