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

    python -m tests.matrix.forms 3                   all in which any three entries meet: hours
    python -m tests.matrix.forms 2 100 jit_of_grad   of 100 in which two meet, those with this in their name
"""

import functools
import itertools
import os
import random
import re
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

if __name__ == "__main__":  # before JAX starts
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
    os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

import synkin
from tests.helpers.quantities import away, is_plain, u, unit_of
from tests.matrix import calls, transforms
from tests.matrix.calls import FACTORS, FUNCTIONS, LINEAR, PARAMS, VALUES, N, kernel_of
from tests.matrix.transforms import MODES, SECOND, SHAPE, SLOPE, SPLITTING, TRANSFORMS, VALUE, mode

# Relative to the largest number: of values, slopes (the reference is a central difference), second derivatives.
TOLERANCE = {"float32": {VALUE: 2e-5, SLOPE: 2e-3, SECOND: 2e-2}, "float64": {VALUE: 1e-10, SLOPE: 1e-6, SECOND: 1e-4}}
PLAIN = ("init", "stepper", "vector_field", "mg_block", "fit")  # whose results have no units
# The size, and shifts by it with their weights.
DIFFERENCES = {SLOPE: (1e-5, {-1: -0.5, 1: 0.5}), SECOND: (3e-4, {-1: 1.0, 0: -2.0, 1: 1.0})}


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


ALL = Cell(
    tuple(FUNCTIONS),
    tuple(dict.fromkeys(name for f in FUNCTIONS.values() for name in f.needs + f.may)),
    (*PARAMS, "none"),
    ("exp_euler", "exact", "none"),
    ("number", "list", "numpy", "jax", "quantity", "fresh"),
    ("bool", "int", "float32", "float64"),
    tuple(TRANSFORMS),
    ("traced", "closed", "alone"),
    tuple(MODES),
)
VECTORS = ("times", "spike_times", "edges", "concentrations", "weights", "trace")
ONE_STEP = ("step", "step ignore", "object update")

# Forms


def shape_of(cell):
    """The shape of the state: one synapse where each of its fields is one number."""
    scalar = cell.function.startswith(("respond", "fit")) or (cell.argument, cell.container) == ("state", "number")
    return () if scalar else (N,)


def value(cell, name):
    """An argument as NumPy arrays in double precision, cast to what the cell's dtype can hold."""
    shape, kernel, in_question = shape_of(cell), kernel_of(cell.kernel), name == cell.argument
    number = in_question and cell.container == "number"
    if name == "params":
        found = kernel.Params(*PARAMS[cell.kernel])
        if in_question and shape and not number:
            found = kernel.Params(*(x * FACTORS for x in found))
    elif name == "state":
        found = kernel.State(
            *(x * (FACTORS if shape else 1.0) * (cell.container != "fresh") for x in calls.state_of(kernel))
        )
    elif name == "spikes":
        found = (calls.WEIGHTS if cell.kernel in LINEAR else calls.SPIKES)[: FUNCTIONS[cell.function].steps]
        found = found if shape else found[:, 0]
        found = found[0] if cell.function in ONE_STEP else found
    else:
        found = _trace(cell.kernel) if name == "trace" else VALUES[name][0]
    if number and name not in ("params", "state"):
        found = np.ravel(found)[0]
    found = jax.tree.map(lambda x: np.asarray(x, float), found, is_leaf=lambda x: isinstance(x, list))
    if in_question and cell.dtype in ("bool", "int"):
        return jax.tree.map(lambda x: (np.ceil(x) if cell.dtype == "int" else x != 0).astype(float), found)
    return found


@functools.cache
def _trace(name):
    """A recording to fit, in whole numbers: 64 times a response, of parameters that `PARAMS` are not."""
    kernel, (first, *others) = kernel_of(name), PARAMS[name]
    with mode("x64"):
        given = (np.ceil(VALUES[name][0]) for name in ("spike_times", "times"))
        return np.ceil(64 * np.asarray(synkin.respond(kernel, kernel.Params(first * 1.25, *others), *given)))


def formed(cell):
    """The argument in question in its form."""
    if cell.container == "fresh":
        kernel = kernel_of(cell.kernel)
        return kernel.init(kernel.Params(*PARAMS[cell.kernel]), shape_of(cell))
    dtypes = {"bool": bool, "int": int, "float32": np.float32, "float64": np.float64}
    arrays = jax.tree.map(lambda x: np.asarray(x, dtypes[cell.dtype]), value(cell, cell.argument))
    if cell.container in ("number", "list"):
        return jax.tree.map(lambda x: x.tolist(), arrays)
    if cell.container == "jax" or (cell.container == "quantity" and cell.dtype != "float64"):
        arrays = jax.tree.map(jnp.asarray, arrays)
    return in_units(cell, arrays)


def in_units(cell, x):
    """Numbers of the argument in question in units that are not synkin's, if it is a quantity."""
    if cell.container != "quantity":
        return x
    return away(x, _units(cell) if isinstance(x, tuple) else _units(cell)[0])


def _units(cell):
    kernel = kernel_of(cell.kernel)
    if cell.argument in ("params", "state"):
        return tuple(kernel.UNITS if cell.argument == "params" else kernel.variables.values())
    if cell.argument == "spikes":
        return ("mS" if cell.kernel in LINEAR else "1",)
    return (VALUES[cell.argument][1],)


# Which cells mean something


def is_split(cell, name):
    spread = name == "params" == cell.argument and cell.container != "number"
    return bool(shape_of(cell)) and (name in ("spikes", "state") or spread)


def probe(cell):
    """The argument that is traced where the one in question is closed over."""
    needs = FUNCTIONS[cell.function].needs
    return next((name for name in ("params", "times", "dt", "V", "g") if name in needs and name != cell.argument), None)


def may_refuse(cell):
    """Whether the documentation says that such a call is refused."""
    sloped, traced = TRANSFORMS[cell.transform][0] in (SLOPE, SECOND), cell.traces == "traced"
    return (
        (cell.transform != "eager" and FUNCTIONS[cell.function].refuses)
        or (cell.argument == "state" and cell.dtype == "int")  # a state is of one floating dtype
        or (cell.argument == "spikes" and cell.kernel not in LINEAR and sloped and traced)  # a pulse has no slope
    )


def meaningless(cell):
    """Why a cell is no call at all, or None."""
    function, argument, kernel, method, container, dtype, transform, traces, in_mode = cell
    row, kind = FUNCTIONS[function], TRANSFORMS[transform][0]
    if argument not in row.needs + row.may or kernel not in row.kernels or method not in row.methods:
        return "no such argument, kernel or method"
    vector, spikes, state = argument in VECTORS, argument == "spikes", argument == "state"
    scalar = argument in ("dt", "t", "t0", "T", "gain") or (argument in ("params", "state") and not shape_of(cell))
    sloped, splits, whole = kind in (SLOPE, SECOND), transform in SPLITTING, dtype in ("bool", "int")
    empty, fresh, no_jit = row.steps == 0, container == "fresh", in_mode == "disable_jit"
    unitless = container == "quantity" and (u is None or dtype == "bool" or set(_units(cell)) == {"1"})
    returned = fresh and traces == "traced" and function.startswith(("step", "simulate"))
    traced, closed = (traces == name and transform != "eager" for name in ("traced", "closed"))
    reasons = {
        "schemes and sums are solved by the exact method here": kernel not in synkin.KERNELS and method == "exp_euler",
        "a receptor takes no weights": argument == "weights" and kernel not in LINEAR,
        "only a state comes from init": fresh and not (state and dtype == "float32"),
        "only spikes are booleans": dtype == "bool" and not spikes,
        "Python has no such numbers": dtype == "float32" and container in ("number", "list"),
        "JAX has no such arrays in this mode": (container, dtype) == ("jax", "float64") and in_mode != "x64",
        "a train is no number": container == "number" and (vector or (spikes and function not in ONE_STEP)),
        "a scalar is no list": container == "list" and scalar,
        "an empty list has no second axis": container == "list" and spikes and empty,
        "a number without a unit": unitless,
        "JAX scans nothing there": no_jit and empty,
        "nothing is traced": transform == "eager" and traces != "traced",
        "needs jit": no_jit and (splits or transform == "donated"),
        "a shape is given, and not split": function == "init" and splits,
        "donated is a fresh state, for the next": transform == "donated" and not returned,
        "a fit is not split": function == "fit" and (splits or kind == SHAPE),
        "objects and fits are not differentiated": row.refuses and kind != VALUE,
        "nothing to differentiate": traces == "alone" and sloped,
        "a list is traced as its elements": traced and container == "list",
        "integers have no derivatives": traced and sloped and whole,
        "numbers are not stacked": traced and container == "number" and transform in transforms.STACKING,
        "there is nothing else to trace": closed and probe(cell) is None,
        "a whole array and parts of others": closed and splits and is_split(cell, argument),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


# Which cells are tried


@functools.cache
def covering(strength, number=None):
    """Few cells in which any ``strength`` entries that can stand together do so somewhere; always the same ones.

    ``number`` of them, if it is given, and then none that takes long.
    """
    rng = random.Random(0)
    columns = list(itertools.combinations(range(len(ALL)), strength))
    missing = [(at, entries) for at in columns for entries in itertools.product(*(ALL[i] for i in at))]
    rng.shuffle(missing)
    seen, chosen = set(), []

    for at, entries in missing:
        if len(chosen) == number:
            break
        if (at, entries) not in seen and (cell := _complete(rng, dict(zip(at, entries, strict=True)), number)):
            chosen.append(cell)
            seen |= {(at, tuple(cell[i] for i in at)) for at in columns}
    return tuple(chosen)


def _cost(cell):
    """About how long a cell takes, beside others."""
    slow, sloped = "bionmda" in cell.kernel and cell.method == "exact", TRANSFORMS[cell.transform][0] in (SLOPE, SECOND)
    by_step = cell.mode == "disable_jit" and (sloped or cell.function == "fit" or "+" in cell.kernel)
    return 1 + 3 * slow + 8 * by_step + 2 * sloped


def _complete(rng, given, quick):
    """A random cell with these entries, or None."""
    for _ in range(400):
        name = given.get(0) or rng.choice(ALL.function)
        row = FUNCTIONS[name]
        options = ((name,), row.needs + row.may, row.kernels, row.methods, *ALL[4:])
        cell = Cell(*(given.get(i) or rng.choice(some) for i, some in enumerate(options)))
        if meaningless(cell) is None and not (quick and (_cost(cell) > 4 or rng.random() > 1 / _cost(cell))):
            return cell
    return None


def _read():
    """The cells of once_failed.txt: those that are tried every time, and the wide ones."""
    for part in (Path(__file__).parent / "once_failed.txt").read_text().split("# Wide"):
        yield tuple(Cell(*line.split(", ")) for line in part.splitlines() if line.count(", ") == 8 and line[0] != "#")


KNOWN, KNOWN_TOO = _read()

# What a cell gives


def try_cell(cell):
    """None, or what is wrong in one line."""
    kind, transform = TRANSFORMS[cell.transform]
    wanted = functools.partial(_expected, _key(cell), kind, _base_argument(cell))
    try:
        with mode(cell.mode), warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", "A pulse of .* lasts")
            for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
                warnings.simplefilter("ignore", category)
                warnings.filterwarnings("error", category=category, module="synkin")
            results = jax.block_until_ready(transform(_problem(cell, wanted)))
    except Exception as error:
        message = f"{error}"
        sentence = re.fullmatch(r"[^\n]+\.", message) and not message.startswith("The ")
        refused = may_refuse(cell) and type(error) in (TypeError, ValueError, RuntimeError) and sentence
        return None if refused else f"{type(error).__name__}: {message}".splitlines()[0][:200]
    return next(filter(None, (_differs(cell, kind, result, wanted()) for result in results)), None)


def dtype_of(cell):
    """The dtype of the result."""
    narrow = (
        cell.dtype == "float32" and cell.container != "fresh" and (cell.argument == "state" or cell.kernel == "none")
    )
    return "float64" if cell.mode == "x64" and not narrow else "float32"


def _plain(cell, name):
    return jax.tree.map(lambda x: jnp.asarray(x, dtype_of(cell)), value(cell, name))


def _usual(cell, name):
    """What is not in question, as a person gives it most often: numbers, and arrays of NumPy or, of states, JAX."""
    if name == "state":
        return _plain(cell, name)
    if name == "spikes" and cell.kernel not in LINEAR:
        return value(cell, name).astype(bool)
    return jax.tree.map(lambda x: x.astype(dtype_of(cell)) if x.ndim else x.tolist(), value(cell, name))


def _problem(cell, expected):
    function = FUNCTIONS[cell.function]
    arguments = {name: _usual(cell, name) for name in function.needs} | {cell.argument: formed(cell)}
    # What is traced is the argument in question or a plain array, and under a split all that is split.
    own = _base_argument(cell)
    traced = {own: arguments[own] if own == cell.argument else _plain(cell, own)} if own else {}
    if own and cell.transform in SPLITTING:
        traced = {name: x for name, x in arguments.items() if is_split(cell, name)} | traced
    kernel, unit = kernel_of(cell.kernel), calls.RESULT_UNITS.get(cell.function, "mS")

    def f(traced):
        given = {name: x for name, x in {**arguments, **traced}.items() if name != "nothing"}
        out = function.call(kernel, cell.method, given, shape_of(cell))
        assert is_plain(out.get("state")), "states have no units"
        if cell.container != "quantity" or cell.function.startswith(PLAIN):
            assert is_plain(out), "nor has g"
            return out
        assert out["g"].unit == unit_of(unit), "g has a unit where one went in"
        return out | {"g": out["g"].mantissa}

    y = traced or {"nothing": jnp.zeros(())}
    direction = None
    if TRANSFORMS[cell.transform][0] in (SLOPE, SECOND):
        along = _direction(value(cell, own))
        leaves, structure = jax.tree.flatten(y)
        along = jax.tree.leaves(in_units(cell, along) if own == cell.argument else along)
        direction = jax.tree.unflatten(structure, map(_like, leaves, along))

    def split(shape):
        on = any(is_split(cell, name) for name in traced) and shape[-1:] == (N,)
        return PartitionSpec(*[None] * (len(shape) - 1), "synapses") if on else PartitionSpec()

    return transforms.Problem(f, y, direction, split, expected)


def _like(leaf, along):
    if isinstance(leaf, float):
        return float(along)
    return (np if isinstance(leaf, np.ndarray) else jnp).asarray(along, leaf.dtype)


def _direction(given):
    """A change of all numbers by about themselves, in ways that do not cancel."""
    return jax.tree.map(lambda x: np.where(x == 0, 0.5, x) * np.cos(1.0 + np.arange(x.size)).reshape(x.shape), given)


def _base_argument(cell):
    """The argument in whose direction slopes are taken."""
    return cell.argument if cell.traces == "traced" else (probe(cell) if cell.traces == "closed" else None)


def _key(cell):
    """The cell whose plain call gives what a cell expects."""
    dtype = cell.dtype if cell.dtype in ("bool", "int") else "float64"
    container = cell.container if cell.container in ("number", "fresh") else "numpy"
    return cell._replace(container=container, dtype=dtype, transform="eager", traces="traced", mode="x64")


@functools.cache
def _expected(cell, kind, along):
    """The plain eager call with NumPy arrays in double precision, or its slope by finite differences."""
    function = FUNCTIONS[cell.function]
    arguments = {name: value(cell, name) for name in (*function.needs, cell.argument)}

    def call(**changed):
        with mode("x64"):
            out = function.call(kernel_of(cell.kernel), cell.method, arguments | changed, shape_of(cell))
            return jax.tree.map(np.asarray, out)

    if kind not in (SLOPE, SECOND):
        return call()
    if along == "spikes" and cell.kernel not in LINEAR:
        return 0.0  # whether a spike is there moves nothing

    def loss(shift):
        start, towards = arguments[along], _direction(arguments[along])
        g = call(**{along: jax.tree.map(lambda x, d: x + shift * d, start, towards)})["g"]
        return float(np.sum(g * transforms.weights(g.shape)))

    h, shifts = DIFFERENCES[kind]
    return sum(weight * loss(k * h) for k, weight in shifts.items()) / (h if kind == SLOPE else h * h)


def _differs(cell, kind, result, expected):
    dtype, scale = dtype_of(cell), None
    rounded = "float32" if (cell.container, cell.dtype) == ("quantity", "float32") else dtype  # to synkin's unit
    tolerance = 1e-4 if cell.function == "fit" else TOLERANCE[rounded].get(kind)
    if kind in (SLOPE, SECOND):
        dtype, scale = result.dtype, max(abs(expected), 0.1)  # the dtype is that of the argument
        tolerance = TOLERANCE["float32"][kind] if dtype == np.float32 else tolerance
        result, expected = {"g": result}, {"g": np.asarray(expected)}
    got, structure = jax.tree.flatten(result)
    if structure != jax.tree.structure(expected):
        return "another structure of the result"
    for x, wanted in zip(got, jax.tree.leaves(expected), strict=True):
        if np.shape(x) != wanted.shape or (cell.function != "fit" and x.dtype != dtype):
            return f"{x.dtype} of shape {np.shape(x)} instead of {dtype} of shape {wanted.shape}"
        if kind != SHAPE and wanted.size:
            off = np.abs(np.asarray(x, float) - wanted).max() / (scale or max(np.abs(wanted).max(), 1e-3))
            if not off <= tolerance:
                return f"{kind} off by {off:.1g}"
    return None


def main(strength="2", number="", name=""):
    """Try cells, and print those that fail."""
    chosen = dict.fromkeys(KNOWN + KNOWN_TOO + covering(int(strength), int(number or 0) or None))
    chosen = [cell for cell in chosen if re.search(name, str(cell))]
    failed = 0
    for count, cell in enumerate(chosen, 1):
        if wrong := try_cell(cell):
            failed += 1
            print(f"FAILED {cell}: {wrong}", flush=True)
        if count % 400 == 0:
            jax.clear_caches()  # or what was compiled fills the memory
    print(f"{failed} of {len(chosen)} failed")
    return failed or not chosen


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]) > 0)
