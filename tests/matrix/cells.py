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
from tests.matrix.calls import FACTORS, FUNCTIONS, LINEAR, PARAMS, SPIKES, VALUES, WEIGHTS, N, kernel_of, state_of
from tests.matrix.transforms import MODES, SECOND, SHAPE, SLOPE, SPLITTING, STACKING, TRANSFORMS, VALUE, mode

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


def is_quantity(x):
    return u is not None and isinstance(x, u.Quantity)


def without_unit(x, unit):
    return x.to_decimal(_unit(unit)) if is_quantity(x) else x


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
    elif probe(cell) is None:
        return "there is nothing else to trace"
    if cell.transform in SPLITTING and cell.traces == "closed" and is_split(cell, cell.argument):
        return "a whole array and parts of others"
    return None


def is_split(cell, name):
    return bool(shape_of(cell)) and (
        name in ("spikes", "state") or (name == "params" == cell.argument and cell.container != "number")
    )


def probe(cell):
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


def _read():
    """The cells of once_failed.txt: those that are tried every time, and the wide ones."""
    for part in (Path(__file__).parent / "once_failed.txt").read_text().split("# Wide"):
        lines = (line.strip() for line in part.splitlines())
        yield tuple(Cell(*line.split(", ")) for line in lines if line.count(", ") == 8 and line[0] != "#")


KNOWN, KNOWN_TOO = _read()
