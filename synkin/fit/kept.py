"""Results in files: all of a `Fit` as JSON, so that what is read back is what was written, to the last bit.

A kernel of the library stands there by its name, a scheme as its text and rates, a sum as its parts, and any other by
its name and parameters alone: it has to be given when the file is read. Numbers that JSON does not have are strings:
"nan", "inf".
"""

import json
import math
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from synkin import checks
from synkin.fit.problem import Problem
from synkin.kernels import KERNELS
from synkin.scheme import Scheme, _scheme
from synkin.sums import added

# What the file says it is.
_FORMAT = "synkin fit 1"
_ARRAY, _TUPLE = "array", "tuple"


def save(fit: Any, path: str | os.PathLike[str]) -> None:
    """Write ``fit`` to a file."""
    found = {field.name: getattr(fit, field.name) for field in fields(fit)}
    problem = {field.name: getattr(found["problem"], field.name) for field in fields(Problem)}
    for part in (found, problem):
        del part["kernel"]
        part["params"] = part["params"]._asdict()
    found["problem"] = problem
    text = json.dumps({"format": _FORMAT, "kernel": _of_kernel(fit.kernel), "fit": _plain(found)}, allow_nan=False)
    Path(path).write_text(text + "\n", encoding="utf-8")


def load(make: Callable[..., Any], path: str | os.PathLike[str], kernel: Any) -> Any:
    """What `save` wrote, given to ``make``.

    Raises:
        OSError: no such file.
        ValueError: a file of another kind, or a kernel that is needed or another one.
    """
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    try:
        read = json.loads(text)
        if read["format"] != _FORMAT:
            raise KeyError("format")
        said, found = read["kernel"], _made(read["fit"])
        kernel = _kernel(said, kernel, path)
        problem = found.pop("problem")
        for part in (found, problem):
            part["kernel"], part["params"] = kernel, kernel.Params(**part["params"])
        return make(**found, problem=Problem(**problem))
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError, IndexError):
        raise ValueError(f"File {path} must be one that `Fit.save` wrote, but is not, or not a whole one.") from None


def _of_kernel(kernel: Any) -> dict[str, Any]:
    """What a file says of a kernel."""
    said: dict[str, Any] = {"name": kernel.name, "parameters": list(kernel.Params._fields)}
    if len(kernel.parts) > 1:
        said["parts"] = [_of_kernel(part) for part in kernel.parts]
    elif KERNELS.get(kernel.name) is not kernel and isinstance(kernel, Scheme):
        with suppress(TypeError):  # a rate that is a function
            said["scheme"] = json.loads(json.dumps(kernel.said))
    return said


def _kernel(said: dict[str, Any], given: Any, path: Any) -> Any:
    """The kernel that a file means."""
    if given is not None:
        checks.kernel(given)
        if (given.name, list(given.Params._fields)) != (said["name"], said["parameters"]):
            raise ValueError(
                f"Argument `kernel` must be {said['name']} with the parameters {', '.join(said['parameters'])}, as in "
                f"{path}, but is {given!r:.80}."
            )
        return given
    if "parts" in said:
        found = [_kernel(part, None, path) for part in said["parts"]]
        return added(*found)
    if "scheme" in said:
        return _scheme(*map(_as_tuple, said["scheme"]))
    known = KERNELS.get(said["name"])
    if known is None or list(known.Params._fields) != said["parameters"]:
        raise ValueError(
            f"Argument `kernel` must be given to read {path}, as {said['name']} is none of the library, but is None."
        )
    return known


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """``value`` as JSON has it."""
    if isinstance(value, np.ndarray):
        return {_ARRAY: _plain(value.tolist()), "dtype": value.dtype.name}
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return {_TUPLE: [_plain(item) for item in value]}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _made(value: Any) -> Any:
    """What `_plain` was given."""
    if isinstance(value, dict) and set(value) == {_ARRAY, "dtype"}:
        return np.array(value[_ARRAY], value["dtype"])
    if isinstance(value, dict):
        return tuple(map(_made, value[_TUPLE])) if set(value) == {_TUPLE} else {k: _made(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_made(item) for item in value]
    return float(value) if value in ("nan", "inf", "-inf") else value
