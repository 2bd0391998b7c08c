"""What the table of `forms` calls: every public function with arguments that are exact in single precision.

No number that is rounded up to a whole one is out of range. No pulse ends on a sample but where a whole T_dur is a
whole number of steps: there a slope is that from the left or that from the right, and anything else is wrong.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import synkin
from synkin import environ
from synkin.solving import loops

STEPS, N, DT = 8, 4, 0.375
FACTORS = np.array([1.0, 1.25, 0.75, 1.75])  # of what differs between synapses
OBJECTS = {"alpha": "Alpha", "ampa": "AMPA", "gabaa": "GABAa", "bionmda": "BioNMDA"}
OBJECTS |= {"expon": "Expon", "dual_expon": "DualExpon"}
PARAMS = {
    "alpha": (5.25,),
    "ampa": (0.875, 0.25, 0.75, 1.1875),
    "gabaa": (0.5, 0.125, 1.5, 1.25),
    "bionmda": (1.75, 0.0625, 0.875, 0.5, 1.25, 1.1875),
    "expon": (5.25,),
    "dual_expon": (6.5, 1.25, 1.5),
    "nmda5": (1.75, 0.25, 0.125, 0.0625, 0.5, 0.375, 0.75, 1.1875),
}
SUMS = ("ampa+nmda5", "ampa+bionmda", "expon+dual_expon")
for _name in SUMS:  # the parameters of the parts, and between them a relative conductance
    _first, _second = _name.split("+")
    PARAMS[_name] = (*PARAMS[_first], 0.75, *PARAMS[_second])
LINEAR = ("alpha", "expon", "dual_expon", "expon+dual_expon")
RECEPTORS = tuple(name for name in PARAMS if name not in LINEAR)
STATE = {"C1": 0.0625, "C2": 0.125, "D": 0.0625, "O": 0.125}
STATE |= {"g": 0.25, "h": 1.5, "x": 0.5, "pulse_left": 0.625, "g_rise": 0.75, "w": 1.25}
SPIKES = np.array([[1, 1, 1, 1], [0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]] + [[0] * N] * 2)
WEIGHTS = SPIKES * np.array([1.25, -0.75, 2.5, 0.5])
# Of all other arguments, the value and its unit.
VALUES = {
    "dt": (DT, "ms"),
    "t": (0.25, "ms"),
    "t0": (0.25, "ms"),
    "spike_times": (np.array([1.5, 2.25, 6.5]), "ms"),
    "weights": (np.array([1.25, -0.75, 2.5]), "mS"),
    "edges": (np.array([1.0, 2.25, 4.5, 6.5]), "ms"),
    "concentrations": (np.array([0.75, 0.25, 1.5]), "mM"),
    "times": (np.array([1.3125, 2.5, 3.3125, 4.8125, 9.0625]), "ms"),
    "T": (0.75, "mM"),
    "g": (0.75 * FACTORS, "mS"),
    "V": (-65.5 * FACTORS, "mV"),
    "E": (-10.25, "mV"),
    "g_max": (1.5, "1"),
    "scale": (2.5, "mV"),
    "Mg": (1.25, "mM"),
    "gain": (1.5, "1"),
    "trace": (None, "mS"),
}
RESULT_UNITS = {"coba": "uA", "cuba": "uA", "mg_block": "1"}  # else mS


@cache
def kernel_of(name):
    """The kernel, scheme or sum of a name; None of "none"."""
    if "+" in name:
        first, second = map(kernel_of, name.split("+"))
        return first + second
    return synkin.KERNELS.get(name) or getattr(synkin.schemes, name, None)


def state_of(kernel):
    """A state that is not at rest."""
    return kernel.State(
        *(next(x for name, x in STATE.items() if f"_{field}".endswith(f"_{name}")) for field in kernel.State._fields)
    )


class Function(NamedTuple):
    """A row: one public function, perhaps with options of its own."""

    call: Callable[..., dict]  # (kernel, method, arguments, shape of the state) -> {"g": ..., "state": ...}
    needs: tuple[str, ...]  # arguments that are always given
    may: tuple[str, ...] = ()  # arguments given only where they are the ones in question
    kernels: tuple[str, ...] = tuple(PARAMS)
    methods: tuple[str, ...] = ("exp_euler", "exact")
    steps: int = STEPS
    may_refuse: bool = False  # under transformations, in a documented sentence


def _init(kernel, method, a, shape):
    state = kernel.init(a["params"], shape)
    return {"state": state, "g": state[0]}


def _step(kernel, method, a, shape, **options):
    state, g = kernel.step(a["params"], a["state"], a.get("t", 0.0), a["spikes"], a["dt"], method=method, **options)
    return {"state": state, "g": g}


def _vector_field(kernel, method, a, shape):
    slopes = kernel.vector_field(a["params"], a["state"], a["T"])
    return {"state": slopes, "g": slopes[0]}


def _simulate(kernel, method, a, shape, **options):
    given = {name: a[name] for name in ("state", "t0") if name in a}
    if "gain" in a:
        given["readout"] = lambda state, g: jnp.asarray(a["gain"], g.dtype) * g
    state, g = synkin.simulate(kernel, a["params"], a["spikes"], a["dt"], method=method, **given, **options)
    return {"state": state, "g": g}


def _stepper(kernel, method, a, shape, passed=False, **options):
    stepper = synkin.stepper(kernel, a["params"], a["dt"], method=method, **options)
    if "state" in a:
        carry = stepper.init(state=a["state"])
    else:  # of the synapses that are here, on several devices
        carry = stepper.init(a["spikes"].shape[1:] if hasattr(a["spikes"], "shape") else shape)
        # JAX wants what a loop within shard_map carries to vary over the devices as what it takes in does, and leaves
        # it to who writes the loop (`jax.lax.pcast`).
        carry = loops.match_varying(carry, (a["params"], a["spikes"]))

    def run(stepper, carry):
        if isinstance(a["spikes"], list):
            gs = []
            for spike in a["spikes"]:
                carry, g = stepper.step(carry, spike)
                gs.append(g)
            return {"state": stepper.state(carry), "g": jnp.stack(gs)}
        carry, g = jax.lax.scan(stepper.step, carry, a["spikes"])
        return {"state": stepper.state(carry), "g": g}

    return jax.jit(run)(stepper, carry) if passed else run(stepper, carry)


def _respond(kernel, method, a, shape, **options):
    given = {name: a[name] for name in ("weights", "state", "t0") if name in a}
    return {"g": synkin.respond(kernel, a["params"], a["spike_times"], a["times"], **given, **options)}


def _jumps(kernel, method, a, shape):
    given = {"state": a["state"]} if "state" in a else {}
    return {"g": synkin.concentration_jumps(kernel, a["params"], a["edges"], a["concentrations"], a["times"], **given)}


def _object(kernel, method, a, shape, run):
    synapse = getattr(synkin, OBJECTS[kernel.name])(shape, **a["params"]._asdict(), method=method)
    if "state" in a:
        synapse.state = a["state"]
    if run:
        g = synapse.run(a["spikes"], a["dt"])
    else:
        with environ.context(t=a.get("t", 0.0), dt=a["dt"]):
            g = synapse.update(a["spikes"])
    return {"state": synapse.state, "g": g}


def _fit(kernel, method, a, shape):
    given = {name: a[name] for name in ("weights", "spike_times", "times", "trace") if name in a}
    free = kernel.Params._fields[:1]
    found = synkin.fit(kernel, a["params"], free=free, scale=64.0, starts=1, progress=False, **given)
    return {"g": found.params[0]}


_RUN, _STEP, _EVENTS = (
    ("params", "spikes", "dt"),
    ("params", "state", "spikes", "dt"),
    ("params", "spike_times", "times"),
)
_CURRENT = {"kernels": ("none",), "methods": ("none",)}
_OBJECT = {"kernels": tuple(OBJECTS), "may_refuse": True}
_ignore = {"overlap": "ignore"}
FUNCTIONS = {
    "init": Function(_init, ("params",), methods=("exact",)),
    "step": Function(_step, _STEP, ("t",)),
    "step ignore": Function(partial(_step, **_ignore), _STEP, kernels=RECEPTORS),
    "simulate": Function(_simulate, _RUN, ("state", "t0")),
    "simulate ignore": Function(partial(_simulate, **_ignore), _RUN, kernels=RECEPTORS),
    "simulate readout": Function(_simulate, (*_RUN, "gain"), ("state",)),
    "simulate checkpoint": Function(partial(_simulate, checkpoint=True), _RUN, ("state",)),
    "simulate parallel": Function(partial(_simulate, parallel=True), _RUN, ("state",)),
    "simulate empty": Function(_simulate, _RUN, ("state",), steps=0),
    "simulate empty parallel": Function(partial(_simulate, parallel=True), _RUN, ("state",), steps=0),
    "stepper": Function(_stepper, _RUN, ("state",)),
    "stepper ignore": Function(partial(_stepper, **_ignore), _RUN, kernels=RECEPTORS),
    "stepper passed": Function(partial(_stepper, passed=True), _RUN, ("state",)),
    "respond": Function(_respond, _EVENTS, ("weights",), methods=("exact",)),
    "respond state": Function(_respond, (*_EVENTS, "state", "t0"), ("weights",), methods=("exact",)),
    "respond ignore": Function(partial(_respond, **_ignore), _EVENTS, kernels=RECEPTORS, methods=("exact",)),
    "respond jumps": Function(
        _jumps, ("params", "edges", "concentrations", "times"), ("state",), RECEPTORS, methods=("exact",)
    ),
    "vector_field": Function(_vector_field, ("params", "state", "T"), kernels=RECEPTORS, methods=("exact",)),
    "coba": Function(
        lambda k, m, a, s: {"g": synkin.currents.coba(a["g"], a["V"], E=a["E"], g_max=a["g_max"])},
        ("g", "V", "E", "g_max"),
        **_CURRENT,
    ),
    "cuba": Function(
        lambda k, m, a, s: {"g": synkin.currents.cuba(a["g"], scale=a["scale"])}, ("g", "scale"), **_CURRENT
    ),
    "mg_block": Function(
        lambda k, m, a, s: {"g": synkin.currents.mg_block(a["V"], Mg=a["Mg"], a=0.0625, b=3.5, V_offset=-4.5)},
        ("V", "Mg"),
        **_CURRENT,
    ),
    "fit": Function(_fit, (*_EVENTS, "trace"), ("weights",), tuple(OBJECTS), ("exact",), may_refuse=True),
    "object update": Function(partial(_object, run=False), _RUN, ("state", "t"), **_OBJECT),
    "object run": Function(partial(_object, run=True), _RUN, ("state",), **_OBJECT),
}
