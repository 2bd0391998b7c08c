"""What the table of `forms` calls: every public function, as calls.toml lists them."""

import tomllib
from functools import cache, partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import synkin
from synkin import environ
from synkin.solving import loops

_TOML = tomllib.loads((Path(__file__).parent / "calls.toml").read_text())
PARAMS, VALUES, FACTORS = _TOML["params"], _TOML["values"], np.array(_TOML["factors"])
N = len(FACTORS)
OBJECTS = dict(alpha="Alpha", ampa="AMPA", gabaa="GABAa", bionmda="BioNMDA", expon="Expon", dual_expon="DualExpon")
LINEAR = ("alpha", "expon", "dual_expon", "expon+dual_expon")
KERNELS = {"all": tuple(PARAMS), "none": ("none",), "objects": tuple(OBJECTS)}
KERNELS["receptors"] = tuple(name for name in PARAMS if name not in LINEAR)
SPIKES = np.array(_TOML["spikes"]["rows"], float)
WEIGHTS = SPIKES * _TOML["spikes"]["weights"]
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
    given = _TOML["state"].items()
    return kernel.State(
        *(next(x for end, x in given if f"_{name}".endswith(f"_{end}")) for name in kernel.State._fields)
    )


# The calls: kernel, method, arguments, shape of the state, and options of a row -> {"g": ..., "state": ...}


def init(kernel, method, a, shape):
    state = kernel.init(a["params"], shape)
    return {"state": state, "g": state[0]}


def step(kernel, method, a, shape, **options):
    given = a["params"], a["state"], a.get("t", 0.0), a["spikes"], a["dt"]
    return dict(zip(("state", "g"), kernel.step(*given, method=method, **options), strict=True))


def vector_field(kernel, method, a, shape):
    slopes = kernel.vector_field(a["params"], a["state"], a["T"])
    return {"state": slopes, "g": slopes[0]}


def simulate(kernel, method, a, shape, **options):
    a = dict(a)
    if "gain" in a:
        gain = a.pop("gain")
        options["readout"] = lambda state, g: jnp.asarray(gain, g.dtype) * g
    return dict(zip(("state", "g"), synkin.simulate(kernel, method=method, **a, **options), strict=True))


def stepper(kernel, method, a, shape, passed=False, **options):
    made, spikes = synkin.stepper(kernel, a["params"], a["dt"], method=method, **options), a["spikes"]
    if "state" in a:
        carry = made.init(state=a["state"])
    else:  # of the synapses that are here, on several devices
        carry = made.init(spikes.shape[1:] if hasattr(spikes, "shape") else shape)
        # JAX wants what a loop within shard_map carries to vary over the devices as what it takes in does, and leaves
        # it to who writes the loop (`jax.lax.pcast`).
        carry = loops.match_varying(carry, (a["params"], spikes))

    def steps(made, carry):
        if not isinstance(spikes, list):
            carry, g = jax.lax.scan(made.step, carry, spikes)
            return {"state": made.state(carry), "g": g}
        gs = []
        for spike in spikes:
            carry, g = made.step(carry, spike)
            gs.append(g)
        return {"state": made.state(carry), "g": jnp.stack(gs)}

    return (jax.jit(steps) if passed else steps)(made, carry)


def respond(kernel, method, a, shape, **options):
    return {"g": synkin.respond(kernel, **a, **options)}


def jumps(kernel, method, a, shape):
    return {"g": synkin.concentration_jumps(kernel, **a)}


def current(kernel, method, arguments, shape, /, name, **options):
    return {"g": getattr(synkin.currents, name)(**arguments, **options)}


def fit(kernel, method, a, shape):
    free = kernel.Params._fields[:1]
    return {"g": synkin.fit(kernel, **a, free=free, scale=64.0, starts=1, progress=False).params[0]}


def synapse(kernel, method, a, shape, run):
    made = getattr(synkin, OBJECTS[kernel.name])(shape, **a["params"]._asdict(), method=method)
    if "state" in a:
        made.state = a["state"]
    with environ.context(t=a.get("t", 0.0), dt=a["dt"]):
        g = made.run(a["spikes"], a["dt"]) if run else made.update(a["spikes"])
    return {"state": made.state, "g": g}


class Function:
    """A row of the functions in calls.toml; `steps` is how many rows of `SPIKES` it takes."""

    def __init__(
        self, call, needs, may="", kernels="all", methods="exp_euler exact", steps=None, refuses=False, **given
    ):
        self.call, self.steps, self.refuses = partial(globals()[call], **given), steps, refuses
        self.needs, self.may, self.methods = (tuple(names.split()) for names in (needs, may, methods))
        self.kernels = KERNELS[kernels]


FUNCTIONS = {name: Function(**row) for name, row in _TOML["functions"].items()}
