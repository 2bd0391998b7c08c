"""Run the synapses of brainpy.state 0.1.0 and keep what they give.

    python tests/data/make_golden.py                        writes golden.npz beside this file
    python tests/data/make_golden.py --precision 32 64 --synapses 50 --seed 1 --out FOLDER

Nothing of synkin is used here. Each file holds, for each synapse model, its parameters, its input and its
conductance at the end of each step; and the output models' currents. Arrays are float64 in golden.npz. The first
synapse of each model has the default parameters.
"""

import argparse
from importlib.metadata import version
from pathlib import Path

import brainpy.state as reference
import brainstate
import brainunit as u
import numpy as np

VERSION = "0.1.0"
DT = 0.125  # ms, a power of two: t = i dt is exact, and so is the reference's test of a pulse's end
STEPS = 240
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


def draw(name, rng, synapses, dtype):
    """Parameters (defaults first) and input of a model."""
    params = {}
    for parameter, (default, _, bounds) in MODELS[name][1].items():
        if bounds is None:  # half of the pulses are whole steps, half anything but near the grid
            whole = rng.integers(0, 16, synapses)
            values = DT * (whole + np.where(rng.random(synapses) < 0.5, 1.0, rng.uniform(0.01, 0.99, synapses)))
        else:
            values = np.exp(rng.uniform(*np.log(bounds), synapses))
        params[parameter] = np.concatenate([[default], values[1:]]).astype(dtype)
    spikes = rng.random((STEPS, synapses)) < RATE
    spikes[0] = True
    # Weights of one sign: where they cancel, a relative difference says nothing.
    return params, spikes if name in RECEPTORS else (spikes * rng.uniform(0.2, 2.0, spikes.shape)).astype(dtype)


def run(name, params, inputs, dt):
    """Conductance at the end of each step, mS."""
    model, parameters = MODELS[name]
    units = {parameter: unit for parameter, (_, unit, _) in parameters.items()}
    synapse = model(inputs.shape[1:], **{key: value * units[key] for key, value in params.items()})
    synapse.init_state()

    def step(i, row):
        with brainstate.environ.context(i=i, t=i * dt * u.ms, dt=dt * u.ms):
            return synapse.update(row if name in RECEPTORS else row * u.mS)

    g = brainstate.transform.for_loop(step, np.arange(len(inputs)), inputs)
    return g.to_decimal(u.mS)


def currents(rng, dtype):
    """The output models at random conductances and voltages."""
    g, V = rng.random(50).astype(dtype), rng.uniform(-100, 50, 50).astype(dtype)
    injected = {
        "coba": reference.COBA(E=-70.0 * u.mV).update(g * u.mS, V * u.mV).to_decimal(u.uA),
        "cuba": reference.CUBA().update(g * u.mS, V * u.mV).to_decimal(u.uA),
        "mg_block": reference.MgBlock(E=5.0, cc_Mg=1.5, alpha=0.06, beta=3.3, V_offset=2.0).update(g, V),
    }
    return {"g": g, "V": V, **injected}


def record(precision, synapses, seed):
    """All arrays of one file, by name."""
    brainstate.environ.set(precision=precision)
    dtype = f"float{precision}"
    rng, arrays = np.random.default_rng(seed), {}
    for name in MODELS:
        params, inputs = draw(name, rng, synapses, dtype)
        arrays |= {f"{name}/params/{key}": value for key, value in params.items()}
        arrays |= {f"{name}/inputs": inputs, f"{name}/g": run(name, params, inputs, DT)}
    arrays |= {f"currents/{key}": value for key, value in currents(rng, dtype).items()}
    return {key: np.asarray(value) for key, value in arrays.items()}


def main():
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description="Keep what brainpy.state's synapses give.")
    parser.add_argument("--precision", type=int, nargs="+", default=[64], choices=[32, 64])
    parser.add_argument("--synapses", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="folder for float32.npz and float64.npz")
    options = parser.parse_args()
    if version("brainpy-state") != VERSION:
        parser.error(f"brainpy-state must be {VERSION}, but is {version('brainpy-state')}.")
    for precision in options.precision:
        file = options.out / f"float{precision}.npz" if options.out else here / "golden.npz"
        np.savez_compressed(file, **record(precision, options.synapses, options.seed))
        print(f"{file}: {file.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
