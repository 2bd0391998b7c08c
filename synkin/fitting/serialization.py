"""Results in files: all of a `Fit` as JSON, so that what is read back is what was written, to the last bit.

A file says of its kernel what identifies it (`synkin.fitting.identity`), and is read with a kernel of these equations
alone: that of the library of that name, one made of the text of a scheme, or one that is given. It holds a checksum of
all else, so that a file that was changed by hand is none. Numbers that JSON does not have are strings: "nan", "inf".

Files of format 1 hold a kernel's name and parameters only, and no checksum. They are read if the kernel gives the very
curve that they hold at the parameters that they hold.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import jax
import numpy as np

from synkin.arguments.choices import check_kernel
from synkin.arguments.known import double_precision
from synkin.declaring.scheme import Scheme, scheme_from_record
from synkin.declaring.sums import added
from synkin.fitting.identity import difference, identity, versions
from synkin.fitting.model import curve
from synkin.fitting.problem import Problem
from synkin.kernels import KERNELS
from synkin.recordings import writing

# What the file says it is.
_FORMAT, _FIRST = "synkin fit 2", "synkin fit 1"
_ARRAY, _TUPLE = "array", "tuple"
# A curve of format 1 is the kernel's to this part of its height, and its parameters the problem's.
_SAME = 1e-6

# What reading something that is not as it should be raises.
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)


def save(fit: Any, path: str | os.PathLike[str]) -> None:
    """Write ``fit`` to a file."""
    found = {field.name: getattr(fit, field.name) for field in fields(fit)}
    problem = {field.name: getattr(found["problem"], field.name) for field in fields(Problem)}
    for part in (found, problem):
        del part["kernel"]
        part["params"] = part["params"]._asdict()
    found["problem"] = problem
    said = _plain(_with_words(identity(fit.kernel, fit.params), fit.kernel))
    content = {"format": _FORMAT, "by": versions(), "kernel": said, "fit": _plain(found)}
    text = json.dumps(content | {"checksum": _checksum(content)}, allow_nan=False)
    with writing.replacing(path) as file:
        file.write(text.encode() + b"\n")


def load(make: Callable[..., Any], path: str | os.PathLike[str], kernel: Any) -> Any:
    """What `save` wrote, given to ``make``.

    Raises:
        OSError: no such file.
        ValueError: a file of another kind or that was changed, or a kernel that is needed or another one.
    """
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    try:
        read = json.loads(text)
        form, said, found = read["format"], read["kernel"], _made(read["fit"])
        if form not in (_FORMAT, _FIRST):
            raise KeyError("format")
        is_whole = form == _FIRST or read.pop("checksum") == _checksum(read)
        by = read["by"] if form == _FORMAT else {}
    except _UNREADABLE:
        raise _other(path) from None
    if not is_whole:
        raise ValueError(
            f"File {path} must be as `Fit.save` wrote it, but its content was changed since: its checksum is not its "
            "own."
        )
    if kernel is not None:
        check_kernel(kernel)
    try:
        said = _made(said)
        kernel = _kernel(said, kernel, path, by, is_first=form == _FIRST)
        problem = found.pop("problem")
        for part in (found, problem):
            part["kernel"], part["params"] = kernel, kernel.Params(**part["params"])
        fit = make(**found, problem=Problem(**problem))
    except _Refused as refused:
        raise ValueError(str(refused)) from None
    except _UNREADABLE:
        raise _other(path) from None
    if form == _FIRST:
        _check_curve(fit, path)
    return fit


class _Refused(Exception):
    """A kernel that is not that of the file: the sentence that says so."""


def _other(path: Any) -> ValueError:
    return ValueError(f"File {path} must be one that `Fit.save` wrote, but is not, or not a whole one.")


def _checksum(content: dict[str, Any]) -> str:
    """That of JSON's content, however it is laid out."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _with_words(said: dict[str, Any], kernel: Any) -> dict[str, Any]:
    """What a file says of a kernel: what identifies it, and of a scheme that is not found by its name its words."""
    if len(kernel.parts) > 1:
        parts = zip(said["parts"], kernel.parts, strict=True)
        return said | {"parts": [_with_words(one, part) for one, part in parts]}
    if KERNELS.get(kernel.name) is not kernel and isinstance(kernel, Scheme):
        with suppress(TypeError):  # a rate that is a function
            said = said | {"scheme": json.loads(json.dumps(kernel.said))}
    return said


def _kernel(said: dict[str, Any], given: Any, path: Any, by: dict[str, str], *, is_first: bool) -> Any:
    """The kernel that a file means.

    Raises:
        _Refused: there is none, or ``given`` is another one.
    """
    name, parameters = said["name"], said["parameters"]
    if given is not None:
        if (given.name, list(given.Params._fields)) != (name, parameters):
            raise _Refused(
                f"Argument `kernel` must be {name} with the parameters {', '.join(parameters)}, as in {path}, but is "
                f"{given!r:.80}."
            )
        other = None if is_first else difference(said, given, by)
        if other:
            raise _Refused(f"Argument `kernel` must be the {name} of {path}, but that which is given {other}.")
        return given
    if "parts" in said:
        return added(*(_kernel(part, None, path, by, is_first=is_first) for part in said["parts"]))
    known, what = KERNELS.get(name), "the library"
    if "scheme" in said:
        known, what = None, "its text"
        with suppress(ValueError, TypeError):  # text that this version reads no more
            known = scheme_from_record(*map(_as_tuple, said["scheme"]))
    other = "is none" if known is None else None
    if known is not None and list(known.Params._fields) != parameters:
        other = f"has the parameters {', '.join(known.Params._fields)}"
    elif known is not None and not is_first:
        other = difference(said, known, by)
    if other == "is none":
        raise _Refused(f"Argument `kernel` must be given to read {path}, as {name} is none of {what}, but is None.")
    if other:
        raise _Refused(f"Argument `kernel` must be given to read {path}, as the {name} of {what} {other}, but is None.")
    return known


def _check_curve(fit: Any, path: Any) -> None:
    """Raise ValueError unless a fit's curve and parameters are those of its problem: for files without a checksum."""
    try:
        problem = fit.problem
        with double_precision(), jax.ensure_compile_time_eval(), np.errstate(over="ignore", invalid="ignore"):
            value, params = curve(problem, fit.point).value, problem.params_at(fit.point)
            own = problem.split(fit.point)
        trace = np.where(problem.present, problem.trace, np.nan)
        pairs = [(fit.predicted, value), (fit.trace, trace), (fit.residuals, trace - value), (fit.params, params)]
        pairs += [(getattr(fit, name), values) for name, values in own.items()]
        height = np.abs(value).max()
        is_own = all(
            np.allclose(np.ravel(np.broadcast_to(a, np.shape(b))), np.ravel(b), _SAME, _SAME * height * (i < 3), True)
            for i, (a, b) in enumerate(pairs)
        )
    except _UNREADABLE:
        raise _other(path) from None
    if not is_own:
        raise ValueError(
            f"File {path} must hold the curve that {fit.kernel.name} gives with the parameters in it, but holds "
            "another one: it was changed since, or fitted with another kernel, which `kernel=` gives."
        )


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
