"""What identifies a kernel in a file: enough to tell whether one of that name has the same equations.

    what they are called   the kernel, its parameters with their units, its variables, and which of these takes an input
    what they give         derivatives, g and the state at rest, at points spread around the parameters of a fit
    what they do           a hash of their operations, and of those of their derivative, as JAX traces them; of a scheme
                           its states, transitions and what conducts instead

Numbers alone would miss a threshold between the points, and operations alone what a callback does. JAX may trace the
same equations to other operations in another version of it, and a kernel of the library may come to be written in
another way: between versions the numbers decide.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import synkin
from synkin.arguments.known import double_precision
from synkin.declaring.scheme import Scheme

# Points at which equations are evaluated; the first has the parameters of the fit. The others are up to so many times
# smaller or larger; parameters that may be negative reach as far below 0, and this far at the least.
_POINTS, _FACTOR, _SIGNED = 16, 10.0, 100.0
# Concentrations, in mM, and occupancies or conductances up to these.
_MOST_T, _MOST_Y = 10.0, 1.2
# Derivatives are the same to this part of themselves, and to this part of the largest at the point.
_SAME, _ROUNDING = 1e-9, 1e-12


def versions() -> dict[str, str]:
    """Those that what is traced depends on."""
    return {"synkin": synkin.__version__, "jax": jax.__version__}


def identity(kernel: Any, params: Any) -> dict[str, Any]:
    """What identifies a kernel, of a sum that of its parts: dicts, lists, text and numbers.

    Args:
        kernel: any.
        params: its ``Params``, floats, near which it is evaluated.
    """
    found: dict[str, Any] = {"name": kernel.name, "parameters": list(kernel.Params._fields)}
    if len(kernel.parts) > 1:
        own = zip(kernel.parts, kernel.params_of(params), strict=True)
        return found | {"parts": [identity(part, given) for part, given in own]}
    points = _points(kernel, params)
    return found | _names(kernel) | {"points": points, "values": _values(kernel, points), "does": _does(kernel, points)}


def difference(said: dict[str, Any], kernel: Any, by: dict[str, str]) -> str | None:
    """What a kernel has that is not as in ``said``, in words that follow its name; None if it is that kernel.

    Args:
        said: what `identity` gave.
        kernel: any.
        by: the `versions` that gave it.
    """
    if "parts" in said or len(kernel.parts) > 1:
        parts = said.get("parts", [said])
        if len(parts) != len(kernel.parts):
            return f"is the sum of {len(kernel.parts)} and not of {len(parts)}"
        for one, part in zip(parts, kernel.parts, strict=True):
            if other := difference(one, part, by):
                return f"has a part {part.name} that {other}"
        return None
    if kernel.name != said["name"]:
        return f"is called {kernel.name}"
    if list(kernel.Params._fields) != said["parameters"]:
        return f"has the parameters {', '.join(kernel.Params._fields)}"
    for name in ("variables", "inputs"):
        if _names(kernel)[name] != said[name]:
            return f"has other {name}, {_listed(_names(kernel)[name])} in place of {_listed(said[name])}"
    same = _alike(_values(kernel, said["points"]), said["values"])
    if same and by == versions():  # another version may say the same in another way
        same = _does(kernel, said["points"]) == said["does"]
    if not same:
        return "has other equations"
    return None if list(kernel.UNITS) == said["units"] else "has other units"


def _names(kernel: Any) -> dict[str, list[Any]]:
    return {"units": list(kernel.UNITS), "variables": list(kernel.State._fields), "inputs": list(kernel.inputs)}


def _listed(names: list[Any]) -> str:
    return ", ".join(map(str, names)) or "none"


def _points(kernel: Any, params: Any) -> dict[str, list[list[float]]]:
    """Where equations are evaluated: parameters, variables in solving order, and T, a row for each point."""
    rng = np.random.default_rng(0)
    centre = np.array(params, float)
    signed = np.array([known.signed for known in kernel.parameters.values()], bool)
    size = np.where(signed, np.maximum(np.abs(centre), _SIGNED), np.where(centre == 0, 1.0, centre))
    shape = (_POINTS, len(centre))
    near = np.where(signed, size * rng.uniform(-1, 1, shape), size * _FACTOR ** rng.uniform(-1, 1, shape))
    near[0] = centre
    y = rng.uniform(0, _MOST_Y, (_POINTS, len(kernel.order)))
    T = np.geomspace(_MOST_T / 1e4, _MOST_T, _POINTS)
    T[::4] = 0.0
    return {"params": near.tolist(), "variables": y.tolist(), "T": T[:, None].tolist()}


def _rows(kernel: Any, points: dict[str, list[list[float]]]) -> Iterator[tuple[Any, tuple[Any, ...], Any]]:
    for params, y, T in zip(points["params"], points["variables"], points["T"], strict=True):
        yield kernel.Params(*map(np.float64, params)), tuple(map(np.float64, y)), np.float64(T[0])


def _equations(kernel: Any, params: Any, y: tuple[Any, ...], T: Any) -> tuple[Any, ...]:
    return (*kernel.derivatives(params, y, T), kernel.conductance_of(params, y))


def _values(kernel: Any, points: dict[str, list[list[float]]]) -> list[list[float]]:
    """Derivatives, g, and the state at rest, a row for each point."""
    with double_precision(), jax.ensure_compile_time_eval(), np.errstate(all="ignore"):
        found = [[float(value) for value in _equations(kernel, *row)] for row in _rows(kernel, points)]
        if kernel.rest is not None:
            params = kernel.Params(*map(jnp.asarray, np.transpose(points["params"])))
            rest = [np.broadcast_to(value, len(found)) for value in kernel.rest(params)]
            found = [[*row, *map(float, own)] for row, own in zip(found, zip(*rest, strict=True), strict=True)]
    return found


def _alike(values: list[list[float]], others: list[list[float]]) -> bool:
    a, b = np.array(values, float), np.array(others, float)
    if a.shape != b.shape:
        return False
    largest = np.nanmax(np.where(np.isfinite(b), np.abs(b), 0.0), axis=1, keepdims=True)
    near = np.isclose(a, b, rtol=_SAME, atol=0.0, equal_nan=True)
    with np.errstate(invalid="ignore"):
        return bool((near | (np.abs(a - b) <= _ROUNDING * largest)).all())


def _does(kernel: Any, points: dict[str, list[list[float]]]) -> dict[str, Any]:
    """What the equations do: of a scheme of plain rates as text, of all else as a hash of the operations."""
    if isinstance(kernel, Scheme) and not kernel.computed:
        return {
            "how": "scheme",
            "states": list(kernel.states),
            "transitions": sorted(
                f"{way.source} -> {way.target} : {way.rate}{' * T' * way.binds}" for way in kernel.transitions
            ),
            "open": {state: float(kernel.open[state]) for state in sorted(kernel.open)},
        }
    at = next(_rows(kernel, points))

    def slope(at: Any, along: Any) -> Any:
        return jax.jvp(lambda *given: _equations(kernel, *given), at, along)

    with double_precision():
        text = _text(jax.make_jaxpr(lambda *given: _equations(kernel, *given))(*at))
        try:
            text += _text(jax.make_jaxpr(slope)(at, at))
        except TypeError:  # a rule for reverse mode alone: no fit differentiates it
            text += "no slope"
    return {"how": "operations", "hash": hashlib.sha256(text.encode()).hexdigest()}


def _text(traced: Any) -> str:
    """The operations of a traced function, the same in every process.

    Variables are numbered as they come, constants are told by their values, and functions within operations are
    followed. What only says where code is, or is an object of this process, is left out.
    """
    jaxpr = getattr(traced, "jaxpr", traced)
    numbers: dict[Any, int] = {}

    def written(variable: Any) -> str:
        kind = f"{variable.aval.dtype}{variable.aval.shape}" if hasattr(variable.aval, "dtype") else "?"
        if hasattr(variable, "val"):  # a constant
            return f"{_constant(variable.val)}:{kind}"
        return f"{numbers.setdefault(variable, len(numbers))}:{kind}"

    lines = [
        f"constants {[written(variable) for variable in jaxpr.constvars]} {_option(getattr(traced, 'consts', ()))}",
        f"given {[written(variable) for variable in jaxpr.invars]}",
    ]
    for step in jaxpr.eqns:
        options = {key: _option(value) for key, value in sorted(step.params.items()) if key != "name"}
        before, after = [written(v) for v in step.invars], [written(v) for v in step.outvars]
        lines.append(f"{step.primitive.name} {options} {before} {after}")
    lines.append(f"gives {[written(variable) for variable in jaxpr.outvars]}")
    return "\n".join(lines)


def _constant(value: Any) -> str:
    try:
        array = np.ascontiguousarray(value)
    except (TypeError, ValueError):  # a key of jax.random
        array = np.ascontiguousarray(jax.random.key_data(value))
    return f"{array.dtype}{array.shape}{hashlib.sha256(array.tobytes()).hexdigest()}"


def _option(value: Any) -> str:
    """An option of an operation."""
    if hasattr(value, "eqns") or hasattr(getattr(value, "jaxpr", None), "eqns"):
        return f"({_text(value)})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_option(item)}' for key, item in sorted(value.items()))}}}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_option, value))}]"
    if isinstance(value, np.ndarray | jax.Array):
        return _constant(value)
    if value is None or isinstance(value, bool | int | float | complex | str | np.generic | np.dtype):
        return repr(value)
    return type(value).__name__
