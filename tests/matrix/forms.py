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
import os
import re
import warnings
from contextlib import contextmanager

if __name__ == "__main__":  # before JAX starts
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"
    os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from tests.matrix.calls import FUNCTIONS, LINEAR, RESULT_UNITS, N, kernel_of
from tests.matrix.cells import (
    KNOWN,
    KNOWN_TOO,
    covering,
    formed,
    is_quantity,
    is_split,
    may_refuse,
    plain,
    probe,
    shape_of,
    value,
    without_unit,
)
from tests.matrix.transforms import (
    MODES,
    ON_DEVICES,
    SECOND,
    SHAPE,
    SLOPE,
    SPLITTING,
    TRANSFORMS,
    VALUE,
    Problem,
    mode,
    weights,
)

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
        traced = {name: x for name, x in arguments.items() if is_split(cell, name)}
        own = cell.argument if cell.traces == "traced" else probe(cell)
        traced[own] = arguments[own] if own == cell.argument else plain(value(cell, own), dtype)
    elif cell.traces == "closed":
        traced = {probe(cell): plain(value(cell, probe(cell)), dtype)}
    else:
        traced = {cell.argument: arguments[cell.argument]}
    kernel, unit = kernel_of(cell.kernel), RESULT_UNITS.get(cell.function, "mS")

    def f(traced):
        given = {name: x for name, x in {**arguments, **traced}.items() if name != "nothing"}
        out = function.call(kernel, cell.method, given, shape_of(cell))
        return jax.tree.map(lambda x: without_unit(x, unit), out, is_leaf=is_quantity)

    y = traced or {"nothing": jnp.zeros(())}
    direction = None
    if TRANSFORMS[cell.transform][0] in (SLOPE, SECOND):
        along = _direction(value(cell, _base_argument(cell)))
        leaves, structure = jax.tree.flatten(y)
        towards = zip(leaves, jax.tree.leaves(along), strict=True)
        direction = jax.tree.unflatten(structure, [_like(leaf, to) for leaf, to in towards])

    def split(shape):
        on = any(is_split(cell, name) for name in traced) and shape[-1:] == (N,)
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
    return cell.argument if cell.traces == "traced" else (probe(cell) if cell.traces == "closed" else None)


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
