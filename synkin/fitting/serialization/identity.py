"""What identifies a kernel in a file, so that a kernel of the same name with other equations is recognised as another.

    names        of the kernel, its parameters, their units, its variables, and which of these takes an input
    values       derivatives, g and the state at rest, at points spread around the parameters of a fit
    operations   a fingerprint of the equations as JAX traces them; of a scheme its states, transitions and open states

Values alone would miss a threshold between the points, and operations alone would miss what a callback does. Another
version of JAX may trace the same equations to other operations, and another version of synkin may write the equations
in another way. Between different versions therefore only the values are compared.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.arguments.known import computed_at_once, double_precision
from synkin.declaring.kernel import Kernel
from synkin.declaring.scheme import Scheme
from synkin.tracing.fingerprint import fingerprint
from synkin.version import __version__

# The number of points at which equations are evaluated. The first has the parameters of the fit, the others are up to
# this factor smaller or larger; parameters that may be negative go as far below 0, and this far at least.
_POINTS, _FACTOR, _SIGNED = 16, 10.0, 100.0
# The largest concentration in mM, and the largest occupancy or conductance.
_LARGEST_T, _LARGEST_Y = 10.0, 1.2
# Values are the same if they differ by less than this fraction of themselves, or of the largest value at the point.
_SAME, _ROUNDING = 1e-9, 1e-12

# Dicts, lists, text and numbers, as in JSON.
Record = dict[str, Any]
_Points = dict[str, list[list[float]]]


class _Point(NamedTuple):
    """Arguments of a kernel's equations."""

    params: NamedTuple
    y: tuple[Array, ...]
    T: Array


def versions() -> dict[str, str]:
    """The versions on which traced operations depend."""
    return {"synkin": __version__, "jax": jax.__version__}


def identity(kernel: Kernel, params: NamedTuple) -> Record:
    """What identifies a kernel; for a sum, what identifies its parts.

    Args:
        kernel: any.
        params: its ``Params``, floats, around which it is evaluated.
    """
    found: Record = {"name": kernel.name, "parameters": list(kernel.Params._fields)}
    if len(kernel.parts) > 1:
        own = zip(kernel.parts, kernel.params_of(params), strict=True)
        return found | {"parts": [identity(part, given) for part, given in own]}
    points = _points(kernel, params)
    operations = _operations(kernel, points)
    return found | _names(kernel) | {"points": points, "values": _values(kernel, points), "does": operations}


def difference(record: Record, kernel: Kernel, by: dict[str, str]) -> str | None:
    """How a kernel differs from a record, as the end of a sentence about the kernel; None if it does not.

    Args:
        record: what `identity` gave.
        kernel: any.
        by: the `versions` that gave it.
    """
    parts = record.get("parts", [record])
    if len(parts) != len(kernel.parts):
        return f"is the sum of {len(kernel.parts)} and not of {len(parts)}"
    for one, part in zip(parts, kernel.parts, strict=True):
        if other := _difference_of_part(one, part, by):
            return other if part is kernel else f"has a part {part.name} that {other}"
    return None


def _difference_of_part(record: Record, kernel: Kernel, by: dict[str, str]) -> str | None:
    if kernel.name != record["name"]:
        return f"is called {kernel.name}"
    if list(kernel.Params._fields) != record["parameters"]:
        return f"has the parameters {', '.join(kernel.Params._fields)}"
    for name in ("variables", "inputs"):
        if _names(kernel)[name] != record[name]:
            return f"has other {name}, {_listed(_names(kernel)[name])} in place of {_listed(record[name])}"
    same = _agree(_values(kernel, record["points"]), record["values"])
    if same and by == versions():
        same = _operations(kernel, record["points"]) == record["does"]
    if not same:
        return "has other equations"
    return None if list(kernel.UNITS) == record["units"] else "has other units"


def _names(kernel: Kernel) -> dict[str, list[str]]:
    return {"units": list(kernel.UNITS), "variables": list(kernel.State._fields), "inputs": list(kernel.inputs)}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(str, names)) or "none"


def _points(kernel: Kernel, params: NamedTuple) -> _Points:
    """Where equations are evaluated: parameters, variables in solving order, and T, a row for each point."""
    rng = np.random.default_rng(0)
    centre = np.array(params, float)
    signed = np.array([known.signed for known in kernel.parameters.values()], bool)
    size = np.where(signed, np.maximum(np.abs(centre), _SIGNED), np.where(centre == 0, 1.0, centre))
    shape = (_POINTS, len(centre))
    near = np.where(signed, size * rng.uniform(-1, 1, shape), size * _FACTOR ** rng.uniform(-1, 1, shape))
    near[0] = centre
    y = rng.uniform(0, _LARGEST_Y, (_POINTS, len(kernel.order)))
    T = np.geomspace(_LARGEST_T / 1e4, _LARGEST_T, _POINTS)
    T[::4] = 0.0
    return {"params": near.tolist(), "variables": y.tolist(), "T": T[:, None].tolist()}


def _rows(kernel: Kernel, points: _Points) -> Iterator[_Point]:
    for params, y, T in zip(points["params"], points["variables"], points["T"], strict=True):
        # NumPy's numbers serve as JAX's arrays here, and nothing is compiled for them.
        variables = cast("tuple[Array, ...]", tuple(map(np.float64, y)))
        yield _Point(kernel.Params(*map(np.float64, params)), variables, cast(Array, np.float64(T[0])))


def _equations(kernel: Kernel, params: NamedTuple, y: tuple[Array, ...], T: Array) -> tuple[Array, ...]:
    return (*kernel.derivatives(params, y, T), kernel.conductance_of(params, y))


def _values(kernel: Kernel, points: _Points) -> list[list[float]]:
    """Derivatives, g, and the state at rest, a row for each point."""
    with double_precision(), computed_at_once(), np.errstate(all="ignore"):
        found = [[float(value) for value in _equations(kernel, *point)] for point in _rows(kernel, points)]
        if kernel.rest is not None:
            params = kernel.Params(*map(jnp.asarray, np.transpose(points["params"])))
            rest = [np.broadcast_to(value, len(found)) for value in kernel.rest(params)]
            found = [[*row, *map(float, own)] for row, own in zip(found, zip(*rest, strict=True), strict=True)]
    return found


def _agree(values: list[list[float]], others: list[list[float]]) -> bool:
    a, b = np.array(values, float), np.array(others, float)
    if a.shape != b.shape:
        return False
    largest = np.nanmax(np.where(np.isfinite(b), np.abs(b), 0.0), axis=1, keepdims=True)
    near = np.isclose(a, b, rtol=_SAME, atol=0.0, equal_nan=True)
    with np.errstate(invalid="ignore"):
        return bool((near | (np.abs(a - b) <= _ROUNDING * largest)).all())


def _operations(kernel: Kernel, points: _Points) -> Record:
    """What the equations do: a scheme of plain rates as text, any other kernel as a fingerprint of its operations."""
    if isinstance(kernel, Scheme) and not kernel.computed:
        return {
            "how": "scheme",
            "states": list(kernel.states),
            "transitions": sorted(
                f"{way.source} -> {way.target} : {way.rate}{' * T' * way.binds}" for way in kernel.transitions
            ),
            "open": {state: float(kernel.open[state]) for state in sorted(kernel.open)},
        }
    with double_precision():
        found = fingerprint(lambda *point: _equations(kernel, *point), *next(_rows(kernel, points)))
    return {"how": "operations", "hash": found}
