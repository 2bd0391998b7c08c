"""Cells of the table of `forms`: an argument in each of its forms, what means nothing, and what is chosen."""

import functools
import itertools
import random
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import synkin
from tests.helpers.quantities import away, u
from tests.matrix.calls import FACTORS, FUNCTIONS, LINEAR, PARAMS, SPIKES, VALUES, WEIGHTS, N, kernel_of, state_of
from tests.matrix.transforms import MODES, SECOND, SHAPE, SLOPE, SPLITTING, STACKING, TRANSFORMS, VALUE, mode


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
        found = kernel.State(*(x * (FACTORS if shape else 1.0) * (cell.container != "fresh") for x in state_of(kernel)))
    elif name == "spikes":
        found = (WEIGHTS if cell.kernel in LINEAR else SPIKES)[: FUNCTIONS[cell.function].steps]
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
    under = cell.transform != "eager" and FUNCTIONS[cell.function].refuses
    return under or (cell.argument == "state" and cell.dtype == "int")  # a state is of one floating dtype


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
        "numbers are not stacked": traced and container == "number" and transform in STACKING,
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


def _is_slow(cell):
    sloped, by_step = TRANSFORMS[cell.transform][0] in (SLOPE, SECOND), cell.mode == "disable_jit"
    costly = "bionmda" in cell.kernel and cell.method == "exact" and sloped
    return costly or (by_step and (sloped or cell.function == "fit" or "+" in cell.kernel))


def _complete(rng, given, quick):
    """A random cell with these entries, or None."""
    for _ in range(400):
        name = given.get(0) or rng.choice(ALL.function)
        row = FUNCTIONS[name]
        options = ((name,), row.needs + row.may, row.kernels, row.methods, *ALL[4:])
        cell = Cell(*(given.get(i) or rng.choice(some) for i, some in enumerate(options)))
        if meaningless(cell) is None and not (quick and _is_slow(cell)):
            return cell
    return None


def _read():
    """The cells of once_failed.txt: those that are tried every time, and the wide ones."""
    for part in (Path(__file__).parent / "once_failed.txt").read_text().split("# Wide"):
        yield tuple(Cell(*line.split(", ")) for line in part.splitlines() if line.count(", ") == 8 and line[0] != "#")


KNOWN, KNOWN_TOO = _read()
