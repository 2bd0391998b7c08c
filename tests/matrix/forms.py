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
import os
import re
import sys
import warnings

if __name__ == "__main__":  # before JAX starts
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
    os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from tests.helpers.quantities import is_plain, is_quantity, unit_of
from tests.matrix import cells
from tests.matrix.calls import FUNCTIONS, LINEAR, RESULT_UNITS, N, kernel_of
from tests.matrix.cells import formed, in_units, is_split, may_refuse, probe, shape_of, value
from tests.matrix.transforms import SECOND, SHAPE, SLOPE, SPLITTING, TRANSFORMS, VALUE, Problem, mode, weights

# Relative to the largest number: of values, slopes (the reference is a central difference), second derivatives.
TOLERANCE = {"float32": {VALUE: 2e-5, SLOPE: 2e-3, SECOND: 2e-2}, "float64": {VALUE: 1e-10, SLOPE: 1e-6, SECOND: 1e-4}}
PLAIN = ("init", "stepper", "vector_field", "mg_block", "fit")  # whose results have no units
# The size, and shifts by it with their weights.
DIFFERENCES = {SLOPE: (1e-5, {-1: -0.5, 1: 0.5}), SECOND: (3e-4, {-1: 1.0, 0: -2.0, 1: 1.0})}


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
    kernel, unit = kernel_of(cell.kernel), RESULT_UNITS.get(cell.function, "mS")

    def f(traced):
        given = {name: x for name, x in {**arguments, **traced}.items() if name != "nothing"}
        out = function.call(kernel, cell.method, given, shape_of(cell))
        given_unit = cell.container == "quantity" and not cell.function.startswith(PLAIN)
        assert is_quantity(out["g"]) == given_unit, "g has a unit where one went in"
        assert is_plain(out.get("state")), "states have no units"
        return out | {"g": out["g"].to_decimal(unit_of(unit)) if given_unit else out["g"]}

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

    return Problem(f, y, direction, split, expected)


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
        return float(np.sum(g * weights(g.shape)))

    h, shifts = DIFFERENCES[kind]
    return sum(weight * loss(k * h) for k, weight in shifts.items()) / (h if kind == SLOPE else h * h)


def _differs(cell, kind, result, expected):
    dtype, scale = dtype_of(cell), None
    tolerance = 1e-4 if cell.function == "fit" else TOLERANCE[dtype].get(kind)
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
    chosen = dict.fromkeys(cells.KNOWN + cells.KNOWN_TOO + cells.covering(int(strength), int(number or 0) or None))
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
