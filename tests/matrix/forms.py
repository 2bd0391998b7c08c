"""Any argument in any form, under any transformation, in any mode: a table of calls.

A cell is one call. One of its arguments comes in some form (a Python number, a list, an array of NumPy or JAX, a
quantity; booleans, integers, floats), and the call stands under a transformation of JAX, which traces

    traced    that argument,
    closed    another one, a plain array, while that argument is closed over,
    alone     nothing: all arguments are closed over,

while JAX is in some mode. A cell passes if it gives what the plain eager call gives with NumPy arrays in double
precision, with the right shape and dtype and without a warning; slopes are compared with finite differences of that
call. What is documented as refused (`may_refuse`) may instead raise its one sentence. Cells that mean nothing are left
out for a reason that `meaningless` gives.

    pytest tests/matrix                              what once failed
    pytest tests/matrix -m wide                      a choice of the cells in which two or three entries meet
    python -m tests.matrix.forms --strength 3        all in which any three meet: hours
"""

import argparse
import functools
import itertools
import os
import random
import re
import warnings
from contextlib import contextmanager
from typing import NamedTuple

if __name__ == "__main__":  # before JAX starts
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
    os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

import synkin
from tests.matrix.calls import (
    FACTORS,
    FUNCTIONS,
    LINEAR,
    PARAMS,
    RESULT_UNITS,
    SPIKES,
    VALUES,
    WEIGHTS,
    N,
    kernel_of,
    state_of,
)
from tests.matrix.transforms import (
    MODES,
    ON_DEVICES,
    SECOND,
    SHAPE,
    SLOPE,
    SPLITTING,
    STACKING,
    TRANSFORMS,
    VALUE,
    Problem,
    mode,
    weights,
)

try:
    import saiunit as u
except ImportError:  # optional
    u = None


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


CONTAINERS = ("number", "list", "numpy", "jax", "quantity", "fresh")
DTYPES = ("bool", "int", "float32", "float64")
ALL = Cell(
    tuple(FUNCTIONS),
    tuple(dict.fromkeys(name for f in FUNCTIONS.values() for name in f.needs + f.may)),
    (*PARAMS, "none"),
    ("exp_euler", "exact", "none"),
    CONTAINERS,
    DTYPES,
    tuple(TRANSFORMS),
    ("traced", "closed", "alone"),
    tuple(MODES),
)

# Forms ----------------------------------------------------------------------------------------------------------------


def shape_of(cell):
    """The shape of the state: one synapse where each of its fields is one number."""
    scalar = cell.function.startswith(("respond", "fit")) or (cell.argument, cell.container) == ("state", "number")
    return () if scalar else (N,)


def value(cell, name):
    """An argument as NumPy arrays in double precision, cast to what the cell's dtype can hold."""
    shape, kernel, in_question = shape_of(cell), kernel_of(cell.kernel), name == cell.argument
    if name == "params":
        spread = in_question and shape and cell.container != "number"
        found = kernel.Params(*(p * FACTORS if spread else np.asarray(p) for p in PARAMS[cell.kernel]))
    elif name == "state":
        rest = 0.0 if cell.container == "fresh" else 1.0
        found = jax.tree.map(lambda x: rest * x * (FACTORS if shape else 1), state_of(kernel))
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
        found = VALUES[name][0]
        if in_question and cell.container == "number":
            found = np.ravel(found)[0]
    found = jax.tree.map(lambda x: np.asarray(x, float), found)
    if not in_question or cell.dtype not in ("bool", "int"):
        return found
    return jax.tree.map(lambda x: (np.ceil(x) if cell.dtype == "int" else x != 0).astype(float), found)


@functools.cache
def _trace(name):
    """A recording to fit, in whole numbers: 64 times a response, of parameters that `PARAMS` are not."""
    kernel = kernel_of(name)
    params = kernel.Params(*PARAMS[name])
    params = params._replace(**{kernel.Params._fields[0]: params[0] * 1.25})
    with mode(**MODES["x64"]):
        g = synkin.respond(kernel, params, *(np.ceil(VALUES[name][0]) for name in ("spike_times", "times")))
    return np.ceil(64 * np.asarray(g))


def plain(tree, dtype):
    """Arguments that are not in question: plain arrays of JAX."""
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), tree)


def formed(cell):
    """The argument in question in its form."""
    if cell.container == "fresh":
        kernel = kernel_of(cell.kernel)
        return kernel.init(kernel.Params(*PARAMS[cell.kernel]), shape_of(cell))
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
    kernel = kernel_of(cell.kernel)
    if cell.argument == "params":
        return tuple(kernel.UNITS)
    if cell.argument == "state":
        return tuple(kernel.variables.values())
    if cell.argument == "spikes":
        return ("mS" if cell.kernel in LINEAR else "1",)
    return (VALUES[cell.argument][1],)


def _unit(name):
    """The unit of a name such as 1/ms/mM or mS*ms."""
    over, *below = name.split("/")
    unit = u.UNITLESS
    for part in over.split("*"):
        unit = unit if part == "1" else unit * getattr(u, part)
    for part in below:
        unit = unit / getattr(u, part)
    return unit


def _quantity(x, unit):
    return x if unit == "1" else u.Quantity(x, unit=_unit(unit))


def _plain(x, unit):
    return x.to_decimal(_unit(unit)) if u is not None and isinstance(x, u.Quantity) else x


# Cells --------------------------------------------------------------------------------------------------------------


def meaningless(cell):
    """Why a cell is no call at all, or None."""
    function = FUNCTIONS[cell.function]
    if cell.argument not in function.needs + function.may:
        return "no such argument"
    if cell.kernel not in function.kernels or cell.method not in function.methods:
        return "no such kernel or method"
    if ("+" in cell.kernel or cell.kernel == "nmda5") and cell.method == "exp_euler":
        return "schemes and sums are solved by the exact method here"
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
    return function in ("step", "step ignore", "object update")


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
def covering(strength, number=None, seed=0):
    """Few cells in which any ``strength`` entries that can stand together do so somewhere; always the same ones.

    ``number`` of them, if it is given, and then none that takes long.
    """
    rng = random.Random(seed)
    columns = list(itertools.combinations(range(len(Cell._fields)), strength))
    missing = [(at, entries) for at in columns for entries in itertools.product(*(ALL[i] for i in at))]
    rng.shuffle(missing)
    seen, chosen = set(), []

    def new(cell):
        return {(at, tuple(cell[i] for i in at)) for at in columns} - seen

    for at, entries in missing:
        if len(chosen) == number:
            break
        if (at, entries) in seen:
            continue
        found = [cell for _ in range(8) if (cell := _complete(rng, dict(zip(at, entries, strict=True))))]
        found = [cell for cell in found if number is None or _cost(cell) <= 4]
        if found:
            best = max(found, key=lambda cell: len(new(cell)) / _cost(cell))
            seen |= new(best)
            chosen.append(best)
    return tuple(chosen)


def _cost(cell):
    """About how long a cell takes, beside others."""
    slow = "bionmda" in cell.kernel and cell.method == "exact"
    sloped = TRANSFORMS[cell.transform][0] in (SLOPE, SECOND)
    by_step = cell.mode == "disable_jit" and (sloped or cell.function == "fit" or "+" in cell.kernel)
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


def _cells(table):
    rows = table.strip().splitlines()
    return tuple(Cell(*row.split(", ")) for row in rows if not row.startswith("#"))


# What once failed, whatever `covering` picks.
KNOWN = _cells("""
# Spikes that are numbers, closed over, were looked at by staged operations.
simulate, spikes, ampa, exp_euler, jax, int, jit, alone, default
simulate, spikes, alpha, exact, jax, float32, make_jaxpr, alone, default
step, spikes, ampa, exp_euler, jax, float32, scan, alone, default
# Lists and numbers.
simulate, params, ampa, exp_euler, list, float64, eager, traced, default
simulate, state, ampa, exact, list, float64, jit, closed, default
simulate, state, alpha, exact, number, float64, eager, traced, default
step, params, ampa, exact, list, int, grad, closed, default
# Whole spike times made the start a whole number too.
respond state, spike_times, expon, exact, list, int, eager, traced, default
# Quantities in the functions for a loop of one's own.
step, params, ampa, exact, quantity, float64, jit, alone, default
step, dt, expon, exact, quantity, float64, eager, traced, default
coba, g, none, none, quantity, float32, eager, traced, default
# A fresh state was one buffer under several names.
step, state, ampa, exact, fresh, float32, donated, traced, default
simulate, state, alpha, exact, fresh, float32, donated, traced, default
# It lay otherwise over the devices than the spikes; in a loop of one's own, too.
simulate, spikes, ampa, exact, numpy, bool, shard_map, traced, default
stepper, spikes, ampa, exp_euler, numpy, float32, shard_map, traced, default
# No steps at all.
simulate empty parallel, spikes, ampa, exact, numpy, bool, eager, traced, default
simulate empty, params, ampa, exact, jax, float32, grad, traced, default
# What a readout closes over may be a number that is differentiated.
simulate readout, gain, ampa, exact, number, float64, grad, traced, default
# The gradient of a batch of runs, of kernels in which one variable drives another.
simulate, params, alpha, exact, jax, float32, grad of vmap, traced, default
# A fit where it cannot be.
fit, trace, ampa, exact, numpy, float64, jit, traced, default
# And a sum.
simulate readout, gain, expon+dual_expon, exact, number, float64, grad, traced, default
""")
# The same of more kernels and on four devices; and a pulse that ends on a sample, where g has two slopes.
KNOWN_TOO = _cells("""
step, state, bionmda, exact, fresh, float32, donated, traced, default
step, state, dual_expon, exact, fresh, float32, donated, traced, default
simulate, spikes, expon, exact, numpy, float32, shard_map on 4, traced, default
simulate, params, bionmda, exact, jax, float32, grad of vmap, traced, default
simulate, params, dual_expon, exact, jax, float32, grad of vmap, traced, default
simulate checkpoint, params, dual_expon, exact, jax, float32, grad of vmap, traced, default
stepper ignore, params, ampa, exact, list, int, grad of checkpoint, closed, rank
step, params, ampa+nmda5, exact, quantity, float64, jit, traced, default
stepper passed, params, ampa+nmda5, exact, jax, float32, grad, traced, default
""")


# A cell is tried -----------------------------------------------------------------------------------------------------

# Relative to the largest number: of values, slopes (the reference is a central difference), second derivatives.
TOLERANCE = {
    "float32": {VALUE: 2e-5, SLOPE: 2e-3, SECOND: 2e-2},
    "float64": {VALUE: 1e-10, SLOPE: 1e-6, SECOND: 1e-4},
}


def try_cell(cell):
    """None, or what is wrong in one line."""
    kind, transform = TRANSFORMS[cell.transform]
    wanted = functools.partial(_expected, _key(cell), kind, _base_argument(cell))
    try:
        with mode(**MODES[cell.mode]), _warnings_are_errors():
            results = jax.block_until_ready(transform(_problem(cell, wanted)))
    except Exception as error:
        refused = may_refuse(cell) and type(error) in (TypeError, ValueError, RuntimeError) and _sentence(str(error))
        return None if refused else _said(error)
    try:
        expected = wanted()
    except Exception as error:
        return f"plain call: {_said(error)}"
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
    kernel, unit = kernel_of(cell.kernel), RESULT_UNITS.get(cell.function, "mS")

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

    return Problem(f, y, direction, split, lambda: expected()[VALUE])


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
            out = function.call(kernel_of(cell.kernel), cell.method, arguments | changed, shape_of(cell))
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
        return float(np.sum(g * weights(g.shape)))

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
        warnings.filterwarnings("ignore", "A pulse of .* lasts")
        for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", category)
            warnings.filterwarnings("error", category=category, module="synkin")
        yield


def _sentence(message):
    return bool(re.fullmatch(r"[^\n]+\.", message)) and not message.startswith("The ")


def _said(error):
    message = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {message}"[:200]


def main():
    """Try the cells that the command line asks for, and print those that fail."""
    parser = argparse.ArgumentParser(prog="python -m tests.matrix.forms", description="Try cells of the table.")
    parser.add_argument("--strength", type=int, default=2, help="entries that meet in all ways: 2 or 3")
    parser.add_argument("--number", type=int, help="of the cells that are tried; by default all")
    parser.add_argument("--only", default="", help="a regular expression that a cell's name must match")
    parser.add_argument("--devices", action="store_true", help="only cells on several devices")
    options = parser.parse_args()
    cells = dict.fromkeys(KNOWN + KNOWN_TOO + covering(options.strength, options.number))
    cells = [cell for cell in cells if re.search(options.only, str(cell))]
    cells = [cell for cell in cells if not options.devices or cell.transform in ON_DEVICES]
    failed = 0
    for count, cell in enumerate(cells, 1):
        if wrong := try_cell(cell):
            failed += 1
            print(f"FAILED {cell}: {wrong}", flush=True)
        if count % 400 == 0:
            jax.clear_caches()  # or what was compiled fills the memory
    print(f"{failed} of {len(cells)} failed")
    return failed


if __name__ == "__main__":
    raise SystemExit(main() > 0)
