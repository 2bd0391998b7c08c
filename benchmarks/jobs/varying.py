"""Varying: magnesium inside the channel at a voltage that moves, beside a held one and beside NEURON's KINETIC.

The receptor is `synkin.schemes.kampa2004`, of ten states. Each synapse has a voltage of its own in each step; with
"one V" all have the same. A run of `synkin.simulate` makes its table anew; own stepper has made it before.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import expm

import synkin
from benchmarks import neuron
from benchmarks.jobs.schemes import IN_NEURON
from benchmarks.timing import Call, Figure, Row, compare
from benchmarks.workloads import DT, Scale, spikes, steps_for

UNIT = "ns per synapse and step"
TOLERANCE = 2e-5  # of the largest g of a synapse, float32
KERNEL = synkin.schemes.kampa2004
WAVE = neuron.Wave(middle=-40.0, height=30.0, omega=0.1)
# The functions of the voltage in the scheme, as NMODL has them.
COMPUTED = {"block": "Mg * exp(-0.064 * (V - 40))", "unblock": "exp(0.016 * (V - 40))"}
CHECKED = 4  # synapses, of which all of g is compared


def rows(scale: Scale) -> Iterator[Row]:
    for synapses in scale.synapses[:2]:
        train = spikes(steps_for(scale, synapses), synapses)
        V = WAVE.at(*train.shape, DT).astype(np.float32)
        checked = np.linspace(0, synapses - 1, CHECKED).astype(int)
        right = expected(train[:, checked], V[:, checked])
        right_of_one = expected(train[:, checked], np.broadcast_to(V[:, :1], (len(V), CHECKED)))
        calls = {
            "synkin": Call(_run(train, checked, V), right, part=lambda result: result[1]),
            "own stepper": Call(_loop(train, checked, V), right, part=lambda result: result[1]),
            "one V": Call(_run(train, checked, V[:, 0]), right_of_one, part=lambda result: result[1]),
            "held V": Call(_run(train, checked, None)),
        }
        figures = compare(calls, per=1e9 / train.size, tolerance=TOLERANCE, scale=scale)
        if synapses <= IN_NEURON and neuron.is_there():
            figures["NEURON sparse"] = _in_neuron(train, checked, right)
        yield Row({"kernel": KERNEL.name, "N": synapses, "T": len(train)}, figures)


def at_rest() -> list[float]:
    """The occupancies at the voltage about which it moves."""
    params = KERNEL.Params(V=WAVE.middle)
    return np.asarray(KERNEL.occupancies(KERNEL.steady_state(params)), float).tolist()


def expected(train: np.ndarray, V: np.ndarray) -> np.ndarray:
    """g of a few synapses in float64, by SciPy's matrix exponential of each step; a pulse lasts whole steps."""
    params = KERNEL.Params()
    weights = np.array([KERNEL.open.get(state, 0.0) for state in KERNEL.states])
    left, g = np.zeros(train.shape[1], int), np.zeros(train.shape)
    y = np.tile(at_rest(), (train.shape[1], 1))
    for i, spiked in enumerate(train):
        left = np.where(spiked, round(params.T_dur / DT), left)
        matrices = np.asarray(KERNEL.generator(params._replace(V=V[i]), np.where(left > 0, params.T, 0.0)), float)
        y = np.einsum("nab,nb->na", expm(matrices * DT), y)
        g[i] = y @ weights
        left = np.maximum(left - 1, 0)
    return g


def _run(train: np.ndarray, checked: np.ndarray, V: np.ndarray | None) -> Callable[[], Any]:
    """A call for the sum of g in each step, and g of a few synapses; ``V`` of each step, or None where it is held."""
    state = KERNEL.init(KERNEL.Params(V=WAVE.middle), train.shape[1:])

    def readout(state: Any, g: Any) -> Any:
        return jnp.sum(g), g[checked]

    run = jax.jit(
        partial(synkin.simulate, KERNEL, KERNEL.Params(), dt=DT, method="exact", readout=readout, state=state)
    )
    on_device, varying = jnp.asarray(train), {} if V is None else {"varying": {"V": jnp.asarray(V)}}
    return lambda: run(on_device, **varying)[1]


def _loop(train: np.ndarray, checked: np.ndarray, V: np.ndarray) -> Callable[[], Any]:
    """The same by a scan over a stepper that is ready."""
    bounds = (float(V.min()), float(V.max()))
    stepper = synkin.stepper(KERNEL, KERNEL.Params(), DT, method="exact", varying={"V": bounds})

    @jax.jit
    def run(stepper: Any, carry: Any, train: Any, V: Any) -> Any:
        def step(carry: Any, row: tuple[Any, Any]) -> tuple[Any, Any]:
            carry, g = stepper.step(carry, row[0], V=row[1])
            return carry, (jnp.sum(g), g[checked])

        return jax.lax.scan(step, carry, (train, V))[1]

    ready = stepper, stepper.init(train.shape[1:], V=WAVE.middle), jnp.asarray(train), jnp.asarray(V)
    return lambda: run(*ready)


def _in_neuron(train: np.ndarray, checked: np.ndarray, right: np.ndarray) -> Figure:
    """What NEURON takes, and how far it is off by implicit steps of the same length."""
    seconds, g = neuron.run(neuron.mechanism(KERNEL, COMPUTED, at_rest()), train, DT, WAVE)
    error = float(np.abs(g[:, checked] - right).max() / right.max())
    return Figure(seconds / train.size * 1e9, error=error)
