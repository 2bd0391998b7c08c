"""The table of `test_forms.py`: every public call x every form of an argument x every transformation x every mode.

A cell is one call. One of its arguments comes in some form (a Python number, a list, an array of NumPy or JAX, a
quantity; booleans, integers, floats), and the call stands under a transformation of JAX, which traces

    traced    that argument,
    closed    another one, a plain array, while that argument is closed over,
    alone     nothing: all arguments are closed over,

while JAX is in some mode. A cell passes if it gives what the plain eager call gives with NumPy arrays in double
precision, with the right shape and dtype and without a warning; slopes are compared with finite differences of that
call. What is documented as refused (`may_refuse`) may instead raise its one sentence. Cells that mean nothing are left
out for a reason that `meaningless` gives, and are counted.

Every number below is exact in single precision and no integer (numbers are rounded up for those) is out of range. No
pulse ends on a sample but where a whole T_dur is a whole number of steps: there a slope is that from the left or that
from the right, and anything else is wrong.
"""

import argparse
import functools
import itertools
import random
import re
import time
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import synkin
from synkin import environ
from synkin.solving import loops

try:
    import saiunit as u
except ImportError:  # optional
    u = None

STEPS, N, DT = 8, 4, 0.375
FACTORS = np.array([1.0, 1.25, 0.75, 1.75])  # of what differs between synapses


class Cell(NamedTuple):
    """One call of the table."""

    function: str
    argument: str  # the one that comes in a form
    kernel: str
    method: str
    container: str
    dtype: str
    transform: str
    traces: str
    mode: str

    def __str__(self) -> str:
        return "-".join(self).replace(" ", "_")


# What is called ------------------------------------------------------------------------------------------------------

PARAMS = {
    "alpha": (5.25,),
    "ampa": (0.875, 0.25, 0.75, 1.1875),
    "gabaa": (0.5, 0.125, 1.5, 1.25),
    "bionmda": (1.75, 0.0625, 0.875, 0.5, 1.25, 1.1875),
    "expon": (5.25,),
    "dual_expon": (6.5, 1.25, 1.5),
}
# A scheme, which has rows of its own: kon, koff, kd, kr, beta, alpha, T, T_dur.
SCHEMES = {"nmda5": (1.75, 0.25, 0.125, 0.0625, 0.5, 0.375, 0.75, 1.1875)}
# Sums, which have rows of their own, in `sums`: the parameters of the parts, and between them a relative conductance.
SUMS = {
    "ampa+nmda5": (*PARAMS["ampa"], 0.75, *SCHEMES["nmda5"]),
    "ampa+bionmda": (*PARAMS["ampa"], 0.75, *PARAMS["bionmda"]),
    "expon+dual_expon": (*PARAMS["expon"], 0.75, *PARAMS["dual_expon"]),
}
LINEAR = ("alpha", "expon", "dual_expon", "expon+dual_expon")
STATE = {"C1": 0.0625, "C2": 0.125, "D": 0.0625, "O": 0.125}
STATE |= {"g": 0.25, "h": 1.5, "x": 0.5, "pulse_left": 0.625, "g_rise": 0.75, "w": 1.25}
OBJECTS = {
    "alpha": "Alpha",
    "ampa": "AMPA",
    "gabaa": "GABAa",
    "bionmda": "BioNMDA",
    "expon": "Expon",
    "dual_expon": "DualExpon",
}
SPIKES = np.array([[1, 1, 1, 1], [0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]] + [[0] * N] * 2)
WEIGHTS = SPIKES * np.array([1.25, -0.75, 2.5, 0.5])
VALUES = {
    "dt": DT,
    "t": 0.25,
    "t0": 0.25,
    "spike_times": np.array([1.5, 2.25, 6.5]),
    "weights": np.array([1.25, -0.75, 2.5]),
    "edges": np.array([1.0, 2.25, 4.5, 6.5]),
    "concentrations": np.array([0.75, 0.25, 1.5]),
    "times": np.array([1.3125, 2.5, 3.3125, 4.8125, 9.0625]),
    "g": 0.75 * FACTORS,
    "V": -65.5 * FACTORS,
    "E": -10.25,
    "g_max": 1.5,
    "scale": 2.5,
    "Mg": 1.25,
    "gain": 1.5,
}
UNITS = {
    **{"dt": "ms", "t": "ms", "t0": "ms", "spike_times": "ms", "times": "ms", "weights": "mS", "g": "mS", "V": "mV"},
    **{"edges": "ms", "concentrations": "mM", "C1": "1", "C2": "1", "D": "1", "O": "1"},
    **{"E": "mV", "g_max": "1", "scale": "mV", "Mg": "mM", "trace": "mS", "gain": "1"},
    **{"h": "mS", "x": "1", "pulse_left": "ms", "g_rise": "mS", "w": "mS*ms"},
}
for _part, _fields in {"ampa": 2, "bionmda": 3, "nmda5": 5, "expon": 1, "dual_expon": 2}.items():
    _own = getattr(synkin.schemes if _part in SCHEMES else synkin, _part).State._fields
    assert len(_own) == _fields
    STATE |= {f"{_part}_{field}": STATE[field] for field in _own}
    UNITS |= {f"{_part}_{field}": UNITS.get(field, "1" if _part != "expon" else "mS") for field in _own}
RESULT_UNITS = {"coba": "uA", "cuba": "uA", "mg_block": "1"}  # else mS


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
    state, g = synkin.simulate(kernel, a["params"], a["spikes"], a["dt"], method=method, **given, **options)
    return {"state": state, "g": g}


def _simulate_readout(kernel, method, a, shape):
    return _simulate(kernel, method, a, shape, readout=lambda state, g: jnp.asarray(a["gain"], g.dtype) * g)


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
            return {"state": stepper.state(carry), "g": jnp.stack([_plain(g, "mS") for g in gs])}
        carry, g = jax.lax.scan(stepper.step, carry, a["spikes"])
        return {"state": stepper.state(carry), "g": g}

    return jax.jit(run)(stepper, carry) if passed else run(stepper, carry)


def _respond(kernel, method, a, shape, **options):
    given = {name: a[name] for name in ("weights", "state", "t0") if name in a}
    return {"g": synkin.respond(kernel, a["params"], a["spike_times"], a["times"], **given, **options)}


def _jumps(kernel, method, a, shape):
    given = {"state": a["state"]} if "state" in a else {}
    return {"g": synkin.concentration_jumps(kernel, a["params"], a["edges"], a["concentrations"], a["times"], **given)}


def _object(kernel, method, a, shape):
    synapse = getattr(synkin, OBJECTS[_name(kernel)])(shape, **a["params"]._asdict(), method=method)
    if "state" in a:
        synapse.state = a["state"]
    return synapse


def _object_update(kernel, method, a, shape):
    synapse = _object(kernel, method, a, shape)
    with environ.context(t=a.get("t", 0.0), dt=a["dt"]):
        g = synapse.update(a["spikes"])
    return {"state": synapse.state, "g": g}


def _object_run(kernel, method, a, shape):
    synapse = _object(kernel, method, a, shape)
    g = synapse.run(a["spikes"], a["dt"])
    return {"state": synapse.state, "g": g}


def _fit(kernel, method, a, shape):
    given = {"weights": a["weights"]} if "weights" in a else {}
    found = synkin.fit(
        kernel, a["params"], a["spike_times"], a["times"], a["trace"], free=kernel.Params._fields[:1],
        scale=64.0, starts=1, progress=False, **given,
    )  # fmt: skip
    return {"g": found.params[0]}


_RUN = ("params", "spikes", "dt")
_RECEPTORS = tuple(name for name in PARAMS if name not in LINEAR)
FUNCTIONS = {
    "init": Function(_init, ("params",), methods=("exp_euler",)),
    "step": Function(_step, ("params", "state", "spikes", "dt"), ("t",)),
    "step ignore": Function(
        functools.partial(_step, overlap="ignore"), ("params", "state", "spikes", "dt"), kernels=_RECEPTORS
    ),
    "simulate": Function(_simulate, _RUN, ("state", "t0")),
    "simulate ignore": Function(functools.partial(_simulate, overlap="ignore"), _RUN, kernels=_RECEPTORS),
    "simulate readout": Function(_simulate_readout, (*_RUN, "gain"), ("state",)),
    "simulate checkpoint": Function(functools.partial(_simulate, checkpoint=True), _RUN, ("state",)),
    "simulate parallel": Function(functools.partial(_simulate, parallel=True), _RUN, ("state",)),
    "simulate empty": Function(_simulate, _RUN, ("state",), steps=0),
    "simulate empty parallel": Function(functools.partial(_simulate, parallel=True), _RUN, ("state",), steps=0),
    "respond": Function(_respond, ("params", "spike_times", "times"), ("weights",), methods=("exact",)),
    "respond state": Function(
        _respond, ("params", "spike_times", "times", "state", "t0"), ("weights",), methods=("exact",)
    ),
    "respond ignore": Function(
        functools.partial(_respond, overlap="ignore"),
        ("params", "spike_times", "times"),
        kernels=_RECEPTORS,
        methods=("exact",),
    ),
    "coba": Function(
        lambda k, m, a, s: {"g": synkin.currents.coba(a["g"], a["V"], E=a["E"], g_max=a["g_max"])},
        ("g", "V", "E", "g_max"),
        kernels=("none",),
        methods=("none",),
    ),
    "cuba": Function(
        lambda k, m, a, s: {"g": synkin.currents.cuba(a["g"], scale=a["scale"])},
        ("g", "scale"),
        kernels=("none",),
        methods=("none",),
    ),
    "mg_block": Function(
        lambda k, m, a, s: {"g": synkin.currents.mg_block(a["V"], Mg=a["Mg"], a=0.0625, b=3.5, V_offset=-4.5)},
        ("V", "Mg"),
        kernels=("none",),
        methods=("none",),
    ),
    "fit": Function(
        _fit, ("params", "spike_times", "times", "trace"), ("weights",), methods=("exact",), may_refuse=True
    ),
    "object update": Function(_object_update, _RUN, ("state", "t"), may_refuse=True),
    "object run": Function(_object_run, _RUN, ("state",), may_refuse=True),
}
if hasattr(synkin, "scheme"):
    _scheme = {"kernels": tuple(SCHEMES), "methods": ("exact",)}
    FUNCTIONS |= {
        "init scheme": Function(_init, ("params",), **_scheme),
        "step scheme": Function(_step, ("params", "state", "spikes", "dt"), ("t",), **_scheme),
        "simulate scheme": Function(_simulate, _RUN, ("state",), **_scheme),
        "stepper scheme": Function(_stepper, _RUN, ("state",), **_scheme),
        "respond scheme": Function(_respond, ("params", "spike_times", "times"), **_scheme),
        "respond jumps": Function(
            _jumps, ("params", "edges", "concentrations", "times"), ("state",), (*_RECEPTORS, *SCHEMES), ("exact",)
        ),
    }
if hasattr(synkin, "stepper"):
    FUNCTIONS |= {
        "stepper": Function(_stepper, _RUN, ("state",)),
        "stepper ignore": Function(functools.partial(_stepper, overlap="ignore"), _RUN, kernels=_RECEPTORS),
        "stepper passed": Function(functools.partial(_stepper, passed=True), _RUN, ("state",)),
    }
if hasattr(synkin.ampa, "vector_field"):
    FUNCTIONS["vector_field"] = Function(
        _vector_field, ("params", "state", "T"), kernels=_RECEPTORS, methods=("exp_euler",)
    )
VALUES["T"], UNITS["T"] = 0.75, "mM"
_sum: dict[str, Any] = {"kernels": tuple(SUMS), "methods": ("exact",)}
_of_receptors = {"kernels": ("ampa+nmda5", "ampa+bionmda"), "methods": ("exact",)}
SUM_ROWS = {
    "init sum": Function(_init, ("params",), **_sum),
    "step sum": Function(_step, ("params", "state", "spikes", "dt"), ("t",), **_sum),
    "simulate sum": Function(_simulate, _RUN, ("state", "t0"), **_sum),
    "simulate sum readout": Function(_simulate_readout, (*_RUN, "gain"), ("state",), **_sum),
    "simulate sum checkpoint": Function(functools.partial(_simulate, checkpoint=True), _RUN, ("state",), **_sum),
    "simulate sum parallel": Function(functools.partial(_simulate, parallel=True), _RUN, ("state",), **_sum),
    "simulate empty sum": Function(_simulate, _RUN, ("state",), steps=0, **_sum),
    "stepper sum": Function(_stepper, _RUN, ("state",), **_sum),
    "stepper sum passed": Function(functools.partial(_stepper, passed=True), _RUN, ("state",), **_sum),
    "respond sum": Function(_respond, ("params", "spike_times", "times"), ("weights",), **_sum),
    "respond sum state": Function(_respond, ("params", "spike_times", "times", "state", "t0"), **_sum),
    "respond sum jumps": Function(_jumps, ("params", "edges", "concentrations", "times"), ("state",), **_of_receptors),
    "vector_field sum": Function(_vector_field, ("params", "state", "T"), **_of_receptors),
}


def _name(kernel):
    return next(name for name, other in synkin.KERNELS.items() if other is kernel)


def _kernel(name):
    if name in SUMS:
        first, second = map(_kernel, name.split("+"))
        return first + second
    return getattr(synkin.schemes, name) if name in SCHEMES else synkin.KERNELS.get(name)


def _params(name):
    return SUMS.get(name) or SCHEMES.get(name) or PARAMS[name]


# Forms ---------------------------------------------------------------------------------------------------------------

CONTAINERS = ("number", "list", "numpy", "jax", "quantity", "fresh")
DTYPES = ("bool", "int", "float32", "float64")


def shape_of(cell):
    """The shape of the state: one synapse where each of its fields is one number."""
    scalar = cell.function.startswith(("respond", "fit")) or (cell.argument, cell.container) == ("state", "number")
    return () if scalar else (N,)


def value(cell, name):
    """An argument as NumPy arrays in double precision, cast to what the cell's dtype can hold."""
    shape, kernel, in_question = shape_of(cell), _kernel(cell.kernel), name == cell.argument
    if name == "params":
        spread = in_question and shape and cell.container != "number"
        found = kernel.Params(*(p * FACTORS if spread else np.asarray(p) for p in _params(cell.kernel)))
    elif name == "state":
        rest = 0.0 if cell.container == "fresh" else 1.0
        found = kernel.State(*(rest * STATE[f] * (FACTORS if shape else 1) for f in kernel.State._fields))
    elif name == "spikes":
        found = (WEIGHTS if cell.kernel in LINEAR else SPIKES).astype(float)[: FUNCTIONS[cell.function].steps]
        found = found if shape else found[:, 0]
        if _one_step(cell.function):
            found = found[0]
        if in_question and cell.container == "number":
            found = found.flat[0]
    elif name == "trace":
        found = _trace(cell.kernel)
    else:
        found = VALUES[name]
        if in_question and cell.container == "number":
            found = np.ravel(found)[0]
    found = jax.tree.map(lambda x: np.asarray(x, float), found)
    if not in_question or cell.dtype not in ("bool", "int"):
        return found
    return jax.tree.map(lambda x: (np.ceil(x) if cell.dtype == "int" else x != 0).astype(float), found)


@functools.cache
def _trace(name):
    """A recording to fit, in whole numbers: 64 times a response, of parameters that `PARAMS` are not."""
    kernel = _kernel(name)
    params = kernel.Params(*_params(name))
    params = params._replace(**{kernel.Params._fields[0]: params[0] * 1.25})
    with mode(**MODES["x64"]):
        g = synkin.respond(kernel, params, np.ceil(VALUES["spike_times"]), np.ceil(VALUES["times"]))
    return np.ceil(64 * np.asarray(g))


def plain(tree, dtype):
    """Arguments that are not in question: plain arrays of JAX."""
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), tree)


def formed(cell):
    """The argument in question in its form."""
    if cell.container == "fresh":
        kernel = _kernel(cell.kernel)
        return kernel.init(kernel.Params(*_params(cell.kernel)), shape_of(cell))
    dtypes = {"bool": bool, "int": int, "float32": np.float32, "float64": np.float64}
    arrays = jax.tree.map(lambda x: np.asarray(x, dtypes[cell.dtype]), value(cell, cell.argument))
    if cell.container in ("number", "list"):
        return jax.tree.map(lambda x: x.tolist(), arrays)
    if cell.container == "numpy":
        return arrays
    if cell.container == "jax" or cell.dtype != "float64":
        arrays = jax.tree.map(jnp.asarray, arrays)
    if cell.container == "jax":
        return arrays
    if cell.argument in ("params", "state"):
        return type(arrays)(*(_quantity(x, unit) for x, unit in zip(arrays, _units(cell), strict=True)))
    return _quantity(arrays, _units(cell)[0])


def _units(cell):
    kernel = _kernel(cell.kernel)
    if cell.argument == "params":
        return tuple(kernel.UNITS)
    if cell.argument == "state":
        return tuple(UNITS[field] for field in kernel.State._fields)
    if cell.argument == "spikes":
        return ("mS" if cell.kernel in LINEAR else "1",)
    return (UNITS[cell.argument],)


def _unit(name):
    return {
        "ms": lambda: u.ms,
        "mM": lambda: u.mM,
        "mS": lambda: u.mS,
        "mV": lambda: u.mV,
        "uA": lambda: u.uA,
        "1/ms": lambda: u.ms**-1,
        "1/ms/mM": lambda: (u.ms * u.mM) ** -1,
        "mS*ms": lambda: u.mS * u.ms,
    }[name]()


def _quantity(x, unit):
    return x if unit == "1" else u.Quantity(x, unit=_unit(unit))


def _plain(x, unit):
    if u is None or not isinstance(x, u.Quantity):
        return x
    return x.to_decimal(_unit(unit)) if unit != "1" else x.to_decimal()


# Transformations -----------------------------------------------------------------------------------------------------


class Problem(NamedTuple):
    """What a transformation gets."""

    f: Callable[..., dict]  # of y
    y: Any
    direction: Any  # in which slopes are taken
    split: Callable[[tuple[int, ...]], PartitionSpec]  # how an array of a shape lies on several devices
    shapes: Any  # of the result

    def loss(self, y):
        """One number that depends on all of g."""
        g = self.f(y)["g"]
        return jnp.sum(g * jnp.asarray(_weights(g.shape), g.dtype))


def _weights(shape):
    return np.cos(np.arange(int(np.prod(shape)))).reshape(shape)


def _pair(y):
    return jax.tree.map(lambda x: (np if isinstance(x, np.ndarray) else jnp).stack([x, x]), y)


def _rows(out):
    return [jax.tree.map(lambda x, i=i: x[i], out) for i in range(2)]


def _dot(a, b):
    leaves = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return sum(jnp.sum(x * jnp.asarray(y, jnp.asarray(x).dtype)) for x, y in leaves)


def _scan(f):
    return lambda ys: jax.lax.scan(lambda count, y: (count + 1, f(y)), 0, ys)[1]


def _slope(p):
    return lambda y: _dot(jax.grad(p.loss)(y), p.direction)


def _flat(p):
    """f of the leaves of y, and those."""
    leaves, structure = jax.tree.flatten(p.y)
    return lambda *leaves: p.f(jax.tree.unflatten(structure, leaves)), leaves


def _shard_map(p, devices):
    f, leaves = _flat(p)
    return jax.jit(
        jax.shard_map(
            f,
            mesh=_mesh(devices),
            in_specs=tuple(p.split(np.shape(x)) for x in leaves),
            out_specs=jax.tree.map(lambda x: p.split(x.shape), p.shapes),
        )
    )(*leaves)


def _sharded_input(p):
    f, leaves = _flat(p)
    put = [jax.device_put(x, NamedSharding(_mesh(DEVICES), p.split(np.shape(x)))) for x in leaves]
    return jax.jit(f)(*put)


def _mesh(devices):
    return Mesh(np.array(jax.devices()[:devices]), ("synapses",))


DEVICES = 4
VALUE, SLOPE, SECOND, SHAPE = "value", "slope", "second", "shape"
# Name: what comes out, and the transformation, which gives a list of results that should all be the same.
TRANSFORMS: dict[str, tuple[str, Callable[[Problem], list]]] = {
    "eager": (VALUE, lambda p: [p.f(p.y)]),
    "jit": (VALUE, lambda p: [jax.jit(p.f)(p.y)]),
    "vmap": (VALUE, lambda p: _rows(jax.vmap(p.f)(_pair(p.y)))),
    "scan": (VALUE, lambda p: _rows(_scan(p.f)(_pair(p.y)))),
    "map": (VALUE, lambda p: _rows(jax.lax.map(p.f, _pair(p.y)))),
    "cond": (VALUE, lambda p: [jax.lax.cond(jnp.asarray(True), p.f, p.f, p.y)]),
    "checkpoint": (VALUE, lambda p: [jax.checkpoint(p.f)(p.y)]),
    "eval_shape": (SHAPE, lambda p: [jax.eval_shape(p.f, p.y)]),
    "make_jaxpr": (SHAPE, lambda p: [jax.make_jaxpr(p.f, return_shape=True)(p.y)[1]]),
    "vmap of jit": (VALUE, lambda p: _rows(jax.vmap(jax.jit(p.f))(_pair(p.y)))),
    "jit of vmap of scan": (
        VALUE,
        lambda p: [row for rows in _rows(jax.jit(jax.vmap(_scan(p.f)))(_pair(_pair(p.y)))) for row in _rows(rows)],
    ),
    "grad": (SLOPE, lambda p: [_slope(p)(p.y)]),
    "jvp": (SLOPE, lambda p: [jax.jvp(p.loss, (p.y,), (p.direction,))[1]]),
    "linearize": (SLOPE, lambda p: [jax.linearize(p.loss, p.y)[1](p.direction)]),
    "jit of grad": (SLOPE, lambda p: [jax.jit(_slope(p))(p.y)]),
    "vmap of grad": (SLOPE, lambda p: list(jax.vmap(_slope(p))(_pair(p.y)))),
    "grad of jit": (SLOPE, lambda p: [_dot(jax.grad(jax.jit(p.loss))(p.y), p.direction)]),
    "grad of checkpoint": (SLOPE, lambda p: [_dot(jax.grad(jax.checkpoint(p.loss))(p.y), p.direction)]),
    "grad of vmap": (
        SLOPE,
        lambda p: [_dot(jax.grad(lambda y: jax.vmap(p.loss)(_pair(y)).mean())(p.y), p.direction)],
    ),
    "grad of scan": (SLOPE, lambda p: [_dot(jax.grad(lambda y: _scan(p.loss)(_pair(y)).mean())(p.y), p.direction)]),
    "jvp of grad": (SECOND, lambda p: [jax.jvp(_slope(p), (p.y,), (p.direction,))[1]]),
    "donated": (VALUE, lambda p: [jax.jit(p.f, donate_argnums=0)(p.y)]),
    "shard_map": (VALUE, lambda p: [_shard_map(p, 1)]),
    "shard_map on 4": (VALUE, lambda p: [_shard_map(p, DEVICES)]),
    "sharded input": (VALUE, lambda p: [_sharded_input(p)]),
}
ON_DEVICES = ("shard_map on 4", "sharded input")  # in a process that was started with so many
SPLITTING = ("shard_map", *ON_DEVICES)
STACKING = ("vmap", "scan", "map", "vmap of jit", "jit of vmap of scan", "vmap of grad", "grad of vmap", "grad of scan")
TRACES = ("traced", "closed", "alone")

MODES = {
    "default": {},
    "x64": {"jax_enable_x64": True},
    "strict": {"jax_numpy_dtype_promotion": "strict"},
    "rank": {"jax_numpy_rank_promotion": "raise"},
    "debug_nans": {"jax_debug_nans": True},
    "disable_jit": {"jax_disable_jit": True},
}
_USUAL = {
    "jax_enable_x64": False,
    "jax_numpy_dtype_promotion": "standard",
    "jax_numpy_rank_promotion": "allow",
    "jax_debug_nans": False,
    "jax_disable_jit": False,
}


@contextmanager
def mode(**flags):
    """JAX as it is by default but for these flags."""
    before = {name: getattr(jax.config, name) for name in _USUAL}
    try:
        for name, setting in (_USUAL | flags).items():
            jax.config.update(name, setting)
        yield
    finally:
        for name, setting in before.items():
            jax.config.update(name, setting)


# Cells ---------------------------------------------------------------------------------------------------------------

ALL = Cell(
    tuple(FUNCTIONS),
    tuple(dict.fromkeys(name for f in FUNCTIONS.values() for name in f.needs + f.may)),
    (*PARAMS, *SCHEMES, "none"),
    ("exp_euler", "exact", "none"),
    CONTAINERS,
    DTYPES,
    tuple(TRANSFORMS),
    TRACES,
    tuple(MODES),
)


FUNCTIONS |= SUM_ROWS  # in no table of all: `sums` draws cells of theirs


def meaningless(cell):
    """Why a cell is no call at all, or None."""
    function = FUNCTIONS[cell.function]
    if cell.argument not in function.needs + function.may:
        return "no such argument"
    if cell.kernel not in function.kernels or cell.method not in function.methods:
        return "no such kernel or method"
    if cell.argument == "weights" and cell.kernel not in LINEAR:
        return "a receptor takes no weights"
    return _no_form(cell) or _no_transform(cell)


def _no_form(cell):
    scalar = cell.argument in ("dt", "t", "t0", "T", "gain")
    vector = cell.argument in ("times", "spike_times", "edges", "concentrations", "weights", "trace")
    if cell.container == "fresh":
        return None if cell.argument == "state" and cell.dtype == "float32" else "only a state comes from init"
    if cell.dtype == "bool" and cell.argument != "spikes":
        return "only spikes are booleans"
    if cell.dtype == "float32" and cell.container in ("number", "list"):
        return "Python has no such numbers"
    if (cell.container, cell.dtype) == ("jax", "float64") and cell.mode != "x64":
        return "JAX has no such arrays in this mode"
    if cell.container == "number" and (vector or (cell.argument == "spikes" and not _one_step(cell.function))):
        return "a train or a recording is no number"
    if cell.container == "list" and (scalar or _scalars(cell)):
        return "a scalar is no list"
    if cell.container == "list" and cell.argument == "spikes" and not FUNCTIONS[cell.function].steps:
        return "an empty list has no second axis"
    unitless = u is None or cell.dtype == "bool" or all(unit == "1" for unit in _units(cell))
    return "a number without a unit" if cell.container == "quantity" and unitless else None


def _one_step(function):
    return function in ("step", "step scheme", "step sum", "step ignore", "object update")


def _scalars(cell):
    return cell.argument in ("params", "state") and cell.function.startswith(("respond", "fit"))


def _no_transform(cell):
    kind = TRANSFORMS[cell.transform][0]
    if cell.mode == "disable_jit" and cell.function.startswith("simulate empty"):
        return "JAX scans nothing there"
    if cell.transform == "eager":
        return None if cell.traces == "traced" else "nothing is traced"
    if cell.mode == "disable_jit" and cell.transform in (*SPLITTING, "donated"):
        return "needs jit"
    if cell.function == "init" and cell.transform in SPLITTING:
        return "a shape is given, and not split"
    if cell.transform == "donated":
        returned = cell.function.startswith(("step", "simulate"))
        fresh = returned and (cell.container, cell.traces) == ("fresh", "traced")
        return None if fresh else "donated is a fresh state, for the next"
    if cell.function == "fit" and (kind != VALUE or cell.transform in SPLITTING):
        return "a fit is not differentiated or split"
    if FUNCTIONS[cell.function].may_refuse and kind != VALUE:
        return "objects are not differentiated"
    if cell.traces == "alone":
        return None if kind in (VALUE, SHAPE) else "nothing to differentiate"
    if cell.traces == "traced":
        if cell.container == "list":
            return "a list is traced as its elements"
        if kind in (SLOPE, SECOND) and cell.dtype in ("bool", "int"):
            return "integers have no derivatives"
        if cell.container == "number" and cell.transform in STACKING:
            return "numbers are not stacked"
    elif _probe(cell) is None:
        return "there is nothing else to trace"
    if cell.transform in SPLITTING and cell.traces == "closed" and _is_split(cell, cell.argument):
        return "a whole array and parts of others"
    return None


def _is_split(cell, name):
    return bool(shape_of(cell)) and (
        name in ("spikes", "state") or (name == "params" == cell.argument and cell.container != "number")
    )


def _probe(cell):
    """The argument that is traced where the one in question is closed over."""
    needs = FUNCTIONS[cell.function].needs
    order = ("params", "times", "dt", "V", "g")
    return next((name for name in order if name in needs and name != cell.argument), None)


def may_refuse(cell):
    """Whether the documentation says that such a call is refused."""
    under = cell.transform != "eager" and FUNCTIONS[cell.function].may_refuse
    return under or (cell.argument == "state" and cell.dtype == "int")  # a state is of one floating dtype


@functools.cache
def covering(strength, tries=8, seed=0):
    """Few cells in which any ``strength`` entries that can stand together do so somewhere; always the same ones."""
    rng = random.Random(seed)
    columns = list(itertools.combinations(range(len(Cell._fields)), strength))
    missing = [(at, entries) for at in columns for entries in itertools.product(*(ALL[i] for i in at))]
    rng.shuffle(missing)
    seen, chosen = set(), []

    def new(cell):
        return {(at, tuple(cell[i] for i in at)) for at in columns} - seen

    for at, entries in missing:
        if (at, entries) in seen:
            continue
        found = [cell for _ in range(tries) if (cell := _complete(rng, dict(zip(at, entries, strict=True))))]
        if found:
            best = max(found, key=lambda cell: len(new(cell)) / _cost(cell))
            seen |= new(best)
            chosen.append(best)
    return tuple(chosen)


@functools.cache
def sums(number, seed=0):
    """So many cells of each row of the sums, on one device; always the same ones. One of each is of what is compiled
    in less time."""
    rng = random.Random(seed)
    kernels = [name for name in SUMS if number > 1 or "bionmda" not in name]
    cells = []
    for function in SUM_ROWS:
        found = []
        while len(found) < number:
            cell = _complete(
                rng,
                {
                    0: function,
                    2: rng.choice(kernels),
                    6: rng.choice([name for name in TRANSFORMS if name not in ON_DEVICES]),
                },
            )
            if cell and cell.mode != "disable_jit" and cell not in found:
                found.append(cell)
        cells += found
    return tuple(cells)


def _cost(cell):
    """About how long a cell takes, beside others."""
    slow = (cell.kernel, cell.method) == ("bionmda", "exact")
    sloped = TRANSFORMS[cell.transform][0] in (SLOPE, SECOND)
    by_step = cell.mode == "disable_jit" and (sloped or cell.function == "fit")
    return 1 + 3 * slow + 8 * by_step + 24 * (slow and by_step) + 2 * sloped


def _complete(rng, given, attempts=60):
    """A random cell with these entries, or None."""
    for _ in range(attempts):
        cell = [given.get(i) for i in range(len(Cell._fields))]
        function = cell[0] = cell[0] or rng.choice(ALL.function)
        row = FUNCTIONS[function]
        for i, options in ((1, row.needs + row.may), (2, row.kernels), (3, row.methods)):
            cell[i] = cell[i] or rng.choice(options)
        cell = Cell(*(entry or rng.choice(options) for entry, options in zip(cell, ALL, strict=True)))
        if meaningless(cell) is None:
            return cell
    return None


# What once failed, whatever `covering` picks.
KNOWN = (
    # Spikes that are numbers, closed over, were looked at by staged operations.
    *(
        Cell(function, "spikes", "ampa", "exp_euler", container, dtype, transform, "alone", "default")
        for function, container, dtype in (("simulate", "jax", "int"), ("step", "jax", "float32"))
        for transform in ("jit", "scan", "cond", "map", "checkpoint", "eval_shape", "make_jaxpr")
    ),
    Cell("simulate", "spikes", "alpha", "exact", "jax", "float32", "jit", "alone", "default"),
    # Lists and numbers.
    Cell("simulate", "params", "ampa", "exp_euler", "list", "float64", "eager", "traced", "default"),
    Cell("step", "params", "gabaa", "exact", "list", "int", "grad", "closed", "default"),
    Cell("simulate", "state", "ampa", "exact", "list", "float64", "jit", "closed", "default"),
    Cell("simulate", "state", "alpha", "exact", "number", "float64", "eager", "traced", "default"),
    # Whole spike times made the start a whole number too.
    Cell("respond state", "spike_times", "expon", "exact", "list", "int", "eager", "traced", "default"),
    # Quantities in the functions for a loop of one's own.
    Cell("step", "params", "ampa", "exact", "quantity", "float64", "jit", "alone", "default"),
    Cell("step", "dt", "expon", "exact", "quantity", "float64", "eager", "traced", "default"),
    Cell("coba", "g", "none", "none", "quantity", "float32", "eager", "traced", "default"),
    # A fresh state was one buffer under several names.
    *(
        Cell(function, "state", kernel, "exact", "fresh", "float32", "donated", "traced", "default")
        for function, kernel in (("step", "ampa"), ("step", "bionmda"), ("simulate", "alpha"), ("step", "dual_expon"))
    ),
    # A fresh state lay otherwise over the devices than the spikes.
    Cell("simulate", "spikes", "ampa", "exact", "numpy", "bool", "shard_map", "traced", "default"),
    Cell("simulate", "spikes", "expon", "exact", "numpy", "float32", "shard_map on 4", "traced", "default"),
    # No steps at all.
    Cell("simulate empty parallel", "spikes", "ampa", "exact", "numpy", "bool", "eager", "traced", "default"),
    Cell("simulate empty", "params", "ampa", "exact", "jax", "float32", "grad", "traced", "default"),
    # What a readout closes over may be a number that is differentiated.
    Cell("simulate readout", "gain", "ampa", "exact", "number", "float64", "grad", "traced", "default"),
    # The gradient of a batch of runs, of kernels in which one variable drives another.
    *(
        Cell(function, "params", kernel, "exact", "jax", "float32", "grad of vmap", "traced", "default")
        for function, kernel in (
            ("simulate", "alpha"),
            ("simulate", "bionmda"),
            ("simulate", "dual_expon"),
            ("simulate checkpoint", "dual_expon"),
        )
    ),
    # A pulse that ends on a sample, where g has two slopes.
    Cell("stepper ignore", "params", "ampa", "exact", "list", "int", "grad of checkpoint", "closed", "rank"),
    # A loop of one's own over several devices, from a fresh carry.
    Cell("stepper", "spikes", "ampa", "exp_euler", "numpy", "float32", "shard_map", "traced", "default"),
    # A fit where it cannot be.
    Cell("fit", "trace", "ampa", "exact", "numpy", "float64", "jit", "traced", "default"),
)


def usual():
    """What is tried every time: the cells that once failed, and those of the covering that bring most that is new."""
    return tuple(dict.fromkeys((*KNOWN, *covering(2)[:64])))


# A cell is tried -----------------------------------------------------------------------------------------------------

# Relative to the largest number: of values, slopes (the reference is a central difference), second derivatives.
TOLERANCE = {
    "float32": {VALUE: 2e-5, SLOPE: 2e-3, SECOND: 2e-2},
    "float64": {VALUE: 1e-10, SLOPE: 1e-6, SECOND: 1e-4},
}


def try_cell(cell):
    """None, or what is wrong in one line."""
    kind, transform = TRANSFORMS[cell.transform]
    try:
        expected = _expected(_key(cell), kind, _base_argument(cell))
    except Exception as error:
        return f"plain call: {_said(error)}"
    try:
        with mode(**MODES[cell.mode]), _warnings_are_errors():
            results = jax.block_until_ready(transform(_problem(cell, expected)))
    except Exception as error:
        refused = may_refuse(cell) and type(error) in (TypeError, ValueError, RuntimeError) and _sentence(str(error))
        return None if refused else _said(error)
    for result in results:
        if wrong := _differs(cell, kind, result, expected):
            return wrong
    return None


def dtype_of(cell):
    """The dtype of the result."""
    wide = cell.mode == "x64"
    decides = cell.argument == "state" or cell.kernel == "none"
    narrow = decides and cell.dtype == "float32" and cell.container != "fresh"
    return "float64" if wide and not narrow else "float32"


def _problem(cell, expected):
    function, dtype = FUNCTIONS[cell.function], dtype_of(cell)
    fixed = {name: value(cell, name) for name in function.needs if name != cell.argument}
    # What is not in question comes as a person gives it most often: numbers, and arrays of NumPy or, of states, JAX.
    for name, given in fixed.items():
        if name == "state":
            fixed[name] = plain(given, dtype)
        elif name != "spikes" or cell.kernel in LINEAR:
            fixed[name] = jax.tree.map(lambda x: x.tolist() if x.ndim == 0 else x.astype(dtype), given)
        else:
            fixed[name] = given.astype(bool)
    arguments = {**fixed, cell.argument: formed(cell)}

    if cell.traces == "alone":
        traced = {}
    elif cell.transform in SPLITTING:
        traced = {name: x for name, x in arguments.items() if _is_split(cell, name)}
        own = cell.argument if cell.traces == "traced" else _probe(cell)
        traced[own] = arguments[own] if own == cell.argument else plain(value(cell, own), dtype)
    elif cell.traces == "closed":
        traced = {_probe(cell): plain(value(cell, _probe(cell)), dtype)}
    else:
        traced = {cell.argument: arguments[cell.argument]}
    kernel, unit = _kernel(cell.kernel), RESULT_UNITS.get(cell.function, "mS")

    def f(traced):
        given = {name: x for name, x in {**arguments, **traced}.items() if name != "nothing"}
        out = function.call(kernel, cell.method, given, shape_of(cell))
        return jax.tree.map(
            lambda x: _plain(x, unit), out, is_leaf=lambda x: u is not None and isinstance(x, u.Quantity)
        )

    y = traced or {"nothing": jnp.zeros(())}
    direction = None
    if TRANSFORMS[cell.transform][0] in (SLOPE, SECOND):
        along = _direction(value(cell, _base_argument(cell)))
        leaves, structure = jax.tree.flatten(y)
        towards = zip(leaves, jax.tree.leaves(along), strict=True)
        direction = jax.tree.unflatten(structure, [_like(leaf, to) for leaf, to in towards])

    def split(shape):
        on = any(_is_split(cell, name) for name in traced) and shape[-1:] == (N,)
        return PartitionSpec(*[None] * (len(shape) - 1), "synapses") if on else PartitionSpec()

    return Problem(f, y, direction, split, expected[VALUE])


def _like(leaf, along):
    if isinstance(leaf, float):
        return float(along)
    return (np if isinstance(leaf, np.ndarray) else jnp).asarray(along, leaf.dtype)


def _direction(given):
    """A change of all numbers by about themselves, in ways that do not cancel."""
    return jax.tree.map(lambda x: np.where(x == 0, 0.5, x) * np.cos(1.0 + np.arange(x.size)).reshape(x.shape), given)


def _base_argument(cell):
    """The argument in whose direction slopes are taken."""
    return cell.argument if cell.traces == "traced" else (_probe(cell) if cell.traces == "closed" else None)


def _key(cell):
    """The cell whose plain call gives what a cell expects."""
    dtype = cell.dtype if cell.dtype in ("bool", "int") else "float64"
    container = cell.container if cell.container in ("number", "fresh") else "numpy"
    return cell._replace(container=container, dtype=dtype, transform="eager", traces="traced", mode="x64")


@functools.cache
def _expected(cell, kind, along):
    """The plain eager call with NumPy arrays in double precision, and its slopes by finite differences."""
    function = FUNCTIONS[cell.function]
    arguments = {name: value(cell, name) for name in (*function.needs, cell.argument)}

    def call(**changed):
        with mode(jax_enable_x64=True):
            out = function.call(_kernel(cell.kernel), cell.method, arguments | changed, shape_of(cell))
            return jax.tree.map(np.asarray, out)

    expected = {VALUE: call() if kind in (VALUE, SHAPE) else _expected(cell, VALUE, None)[VALUE]}
    if kind not in (SLOPE, SECOND):
        return expected
    if along == "spikes" and cell.kernel not in LINEAR:
        return expected | {kind: (0.0,)}  # whether a spike is there moves nothing
    start, towards = arguments[along], _direction(arguments[along])

    @functools.cache
    def loss(shift):
        g = call(**{along: jax.tree.map(lambda x, d: x + shift * h * d, start, towards)})["g"]
        return float(np.sum(g * _weights(g.shape)))

    order, h = (1, 1e-5) if kind == SLOPE else (2, 3e-4)
    rules = ONE_SIDED[kind] if _may_end_on_a_sample(arguments) else (CENTRAL[kind],)
    return expected | {kind: tuple(sum(w * loss(k) for k, w in rule.items()) / h**order for rule in rules)}


# Shifts and their weights: of a slope over h, of a second derivative over h**2.
CENTRAL = {SLOPE: {-1: -0.5, 1: 0.5}, SECOND: {-1: 1.0, 0: -2.0, 1: 1.0}}
ONE_SIDED = {
    SLOPE: ({0: 1.5, -1: -2.0, -2: 0.5}, {0: -1.5, 1: 2.0, 2: -0.5}),
    SECOND: ({0: 2.0, -1: -5.0, -2: 4.0, -3: -1.0}, {0: 2.0, 1: -5.0, 2: 4.0, 3: -1.0}),
}


def _may_end_on_a_sample(arguments):
    """Whether a pulse lasts whole steps, so that g at its end has two slopes."""
    params, dt = arguments.get("params"), arguments.get("dt")
    return dt is not None and hasattr(params, "T_dur") and bool((params.T_dur % dt == 0).any())


def _differs(cell, kind, result, expected):
    dtype, tolerance = dtype_of(cell), TOLERANCE[dtype_of(cell)]
    if kind in (SLOPE, SECOND):
        dtype = result.dtype  # that of the argument
        tolerance = TOLERANCE["float32"] if dtype == np.float32 else tolerance
        nearest = min(expected[kind], key=lambda slope: abs(float(result) - slope))
        result, expected, scale = {"g": result}, {"g": np.asarray(nearest)}, max(abs(nearest), 0.1)
    else:
        expected, scale = expected[VALUE], None
    got, structure = jax.tree.flatten(result)
    if structure != jax.tree.structure(expected):
        return "another structure of the result"
    for x, wanted in zip(got, jax.tree.leaves(expected), strict=True):
        if np.shape(x) != wanted.shape:
            return "another shape of the result"
        if cell.function != "fit" and x.dtype != dtype:
            return f"{x.dtype} instead of {dtype}"
        if kind != SHAPE and wanted.size:
            size = scale or max(np.abs(wanted).max(), 1e-3)
            off = np.abs(np.asarray(x, float) - wanted).max() / size
            limit = 1e-4 if cell.function == "fit" else tolerance[kind]
            if not off <= limit:
                return f"{kind} off" if np.isfinite(off) else f"{kind} not finite"
    return None


@contextmanager
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", category)
            warnings.filterwarnings("error", category=category, module="synkin")
        yield


def _sentence(message):
    return bool(re.fullmatch(r"[^\n]+\.", message)) and not message.startswith("The ")


def _said(error):
    message = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {message}"[:200]


# Report --------------------------------------------------------------------------------------------------------------


def main():
    """Try the cells that the command line asks for, and print the counts."""
    parser = argparse.ArgumentParser(description="Try the table and count.")
    parser.add_argument("--strength", type=int, default=2, help="entries that meet in all ways: 2 or 3; 0: usual cells")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--only", default="", help="a regular expression that a cell's name must match")
    parser.add_argument("--devices", action="store_true", help="only cells on several devices")
    parser.add_argument("--quiet", action="store_true", help="print only the cells that fail")
    options = parser.parse_args()
    cells = dict.fromkeys(KNOWN + covering(options.strength)) if options.strength else usual()
    cells = [cell for cell in cells if re.search(options.only, str(cell))]
    if options.devices:
        cells = [cell for cell in cells if cell.transform in ON_DEVICES]
    started, tried, failures = time.monotonic(), [], []
    for cell in cells:
        if time.monotonic() - started > options.seconds:
            break
        tried.append(cell)
        if wrong := try_cell(cell):
            failures.append((cell, wrong))
            print(f"FAILED {cell}: {wrong}", flush=True)
        if len(tried) % 400 == 0:
            jax.clear_caches()  # or what was compiled fills the memory
    if not options.quiet:
        count()
        report(tried, failures)
        print(f"{len(cells) - len(tried)} not reached, {time.monotonic() - started:.0f} s")


def report(tried, failures):
    """Counts by what a cell is made of, and by what went wrong."""
    failed = [cell for cell, _ in failures]
    for field in Cell._fields:
        all_of_them, bad = (Counter(getattr(cell, field) for cell in group) for group in (tried, failed))
        print(f"\n{field:24}  tried failed")
        for entry in getattr(ALL, field):
            if all_of_them[entry]:
                print(f"{entry:24} {all_of_them[entry]:6} {bad[entry] or '':6}")
    examples = {}
    for cell, wrong in failures:
        examples.setdefault(re.sub(r"[-\[]?\d[\d.e+-]*|\[.*", "#", wrong)[:90], []).append(cell)
    print("\nfailures by kind, each with an example")
    for kind, cells in sorted(examples.items(), key=lambda item: -len(item[1])):
        print(f"{len(cells):6} {kind}\n         {cells[0]}")
    print(f"\n{len(tried)} cells tried, {len(failed)} failed")


def count():
    """How many cells a random sample says there are, and why the rest means nothing."""
    rng, tries = random.Random(0), 200_000
    size = np.prod([float(len(options)) for options in ALL])
    why = Counter(meaningless(Cell(*map(rng.choice, ALL))) for _ in range(tries))
    print(f"{size:.3g} combinations, of which mean")
    for reason, n in why.most_common():
        print(f"{n / tries * size:10.2g} {reason or 'a call'}")
