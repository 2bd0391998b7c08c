"""A `Fit` as a JSON file. What is read equals what was written, to the last bit.

The file identifies its kernel (`synkin.fitting.serialization.identity`). It is read only with a kernel of the same
equations: the library's kernel of that name, a scheme made from the text in the file, or a kernel that is given. A
checksum shows whether the file was changed by hand. Numbers that JSON does not have are strings: "nan", "inf".

Files of format 1 hold only the kernel's name and parameters, and no checksum. They are read if the kernel gives the
curve in the file at the parameters in the file.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import Field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import jax
import numpy as np
from numpy.typing import ArrayLike

from synkin.arguments.choices import check_kernel
from synkin.arguments.known import computed_at_once, double_precision
from synkin.declaring.expression import product
from synkin.declaring.kernel import Kernel
from synkin.declaring.scheme import Scheme, scheme_from_record
from synkin.declaring.sums import added
from synkin.fitting.curves import AnyCurve, FunctionCurve, KernelCurve
from synkin.fitting.model import curve
from synkin.fitting.priors import Prior
from synkin.fitting.problem import Problem, Tie
from synkin.fitting.serialization.functions import function_of_record, function_record
from synkin.fitting.serialization.identity import Record, difference, identity, versions
from synkin.kernels import KERNELS
from synkin.recordings import writing
from synkin.solving.filters import Bessel, bessel, one_pole

# The name of the format, in the file; and how arrays and tuples are marked there.
_FORMAT, _FIRST = "synkin fit 2", "synkin fit 1"
# The options of a `KernelCurve`. A file says only those that its version knew.
_OPTIONS = ("overlap", "jumps", "weighted", "free_weights", "releases", "reference", "filters")
_FILTERS: dict[str, Callable[..., Any]] = {"bessel": bessel, "one_pole": one_pole}
_ARRAY, _TUPLE = "array", "tuple"
# A curve of format 1 agrees with the kernel's to this fraction of its height.
_SAME = 1e-6

# What is raised by reading content of the wrong form.
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)


_Fit = TypeVar("_Fit")
_Path = str | os.PathLike[str]


class _Saved(Protocol):
    """A `synkin.Fit`, as far as it is named here: a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def problem(self) -> Problem:
        """What was to be fitted."""

    @property
    def point(self) -> np.ndarray:
        """The result in the coordinates of the problem."""


def save(fit: _Saved, path: _Path) -> None:
    """Write a `Fit` to a file."""
    values = {field.name: getattr(fit, field.name) for field in fields(fit)}
    problem = {field.name: getattr(fit.problem, field.name) for field in fields(Problem)}
    del values["kernel"]
    values["params"] = fit.problem.params_at(fit.point)
    curve, options = problem.pop("curve"), {}
    if isinstance(curve, KernelCurve):
        options = {name: getattr(curve, name) for name in _OPTIONS[:-1]}
        at = curve.as_given({name: float(np.mean(value)) for name, value in values["params"].items()})
        record = _to_json(_with_scheme(identity(curve.kernel, at), curve.kernel))
    else:
        record = _to_json(function_record(curve))
    options["filters"] = tuple(
        ("bessel", each.order, each.kHz) if isinstance(each, Bessel) else ("one_pole", each.tau)
        for each in curve.filters
    )
    problem["ties"] = tuple((tie.name, str(tie.rate)) for tie in fit.problem.ties)
    problem["priors"] = tuple(tuple(prior) for prior in fit.problem.priors)
    values["problem"] = problem | options
    content = {"format": _FORMAT, "by": versions(), "kernel": record, "fit": _to_json(values)}
    text = json.dumps(content | {"checksum": _checksum(content)}, allow_nan=False)
    with writing.replacing(path) as file:
        file.write(text.encode() + b"\n")


def load(make: Callable[..., _Fit], path: _Path, kernel: Any) -> _Fit:
    """The `Fit` that `save` wrote, made by ``make``.

    Raises:
        OSError: no such file.
        ValueError: a file that `save` did not write or that was changed, or a kernel that is missing or a wrong one.
    """
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    try:
        read = json.loads(text)
        form, record, values = read["format"], read["kernel"], _from_json(read["fit"])
        if form not in (_FORMAT, _FIRST):
            raise KeyError("format")
        is_whole = form == _FIRST or read.pop("checksum") == _checksum(read)
        by = read["by"] if form == _FORMAT else {}
    except _UNREADABLE:
        raise _not_a_fit(path) from None
    if not is_whole:
        raise ValueError(
            f"File {path} must be as `Fit.save` wrote it, but its content was changed since: its checksum does not "
            "match."
        )
    is_function = form == _FORMAT and isinstance(record, dict) and "function" in record
    if kernel is not None and not is_function:
        check_kernel(kernel)
    try:
        record = _from_json(record)
        problem = values.pop("problem")
        problem["ties"] = tuple(Tie(name, product("File", text)) for name, text in problem["ties"])
        problem["priors"] = tuple(Prior(*prior) for prior in problem.get("priors", ()))
        options = {name: problem.pop(name) for name in _OPTIONS if name in problem}
        options["filters"] = tuple(_FILTERS[kind](*numbers) for kind, *numbers in options.get("filters", ()))
        curve: AnyCurve
        if is_function:
            curve = _function(record, kernel, problem["times"].shape[-1], path)
            curve = replace(curve, filters=options["filters"])
            values["kernel"] = curve.function
        else:
            values["kernel"] = _kernel(record, kernel, path, by, is_first=form == _FIRST)
            curve = KernelCurve(values["kernel"], **options)
        posed = Problem(curve=curve, **problem)
        if not isinstance(values["free"], dict):  # an earlier version wrote the names alone
            both = values | values["params"]
            values["free"] = {name: both[name] for name in values["free"]}
        values["params"] = curve.as_given(values["params"])
        fit = make(**values, problem=posed)
        if form == _FIRST or is_function:
            _check_curve(values, posed, path)
    except _RefusedError as refused:
        raise ValueError(str(refused)) from None
    except _UNREADABLE:
        raise _not_a_fit(path) from None
    return fit


class _RefusedError(Exception):
    """A file that cannot be read with this kernel; its text is the message for the user."""


def _not_a_fit(path: _Path) -> ValueError:
    return ValueError(f"File {path} must be one that `Fit.save` wrote, but is not, or is incomplete.")


def _checksum(content: Record) -> str:
    """The checksum of the content of a JSON file, which does not depend on the layout of the file."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _with_scheme(record: Record, kernel: Kernel) -> Record:
    """``record``, with the text of each scheme in it that is not in the library."""
    if "parts" in record:
        parts = zip(record["parts"], kernel.parts, strict=True)
        return record | {"parts": [_with_scheme(one, part) for one, part in parts]}
    if KERNELS.get(kernel.name) is not kernel and isinstance(kernel, Scheme):
        with suppress(TypeError):  # a rate that is a function
            record = record | {"scheme": json.loads(json.dumps(kernel.said))}
    return record


def _kernel(record: Record, given: Kernel | None, path: _Path, by: dict[str, str], *, is_first: bool) -> Kernel:
    """The kernel of a file.

    Raises:
        _RefusedError: it must be given and is not, or ``given`` is another one.
    """
    name, parameters = record["name"], record["parameters"]
    if given is not None:
        if (given.name, list(given.Params._fields)) != (name, parameters):
            raise _RefusedError(
                f"Argument `kernel` must be {name} with the parameters {', '.join(parameters)}, as in {path}, but is "
                f"{given!r:.80}."
            )
        differs = None if is_first else difference(record, given, by)
        if differs:
            raise _RefusedError(f"Argument `kernel` must be the {name} of {path}, but the given one {differs}.")
        return given
    if "parts" in record:
        return added(*(_kernel(part, None, path, by, is_first=is_first) for part in record["parts"]))
    from synkin.schemes import SCHEMES  # only here, because its schemes take a while to declare

    known, source = (KERNELS | SCHEMES).get(name), "the library"
    if "scheme" in record:
        known, source = None, "its text"
        with suppress(ValueError, TypeError):  # text that this version cannot read
            known = scheme_from_record(*map(_as_tuple, record["scheme"]))
    if known is None:
        raise _RefusedError(
            f"Argument `kernel` must be given to read {path}, as {name} is none of {source}, but is None."
        )
    differs = None
    if list(known.Params._fields) != parameters:
        differs = f"has the parameters {', '.join(known.Params._fields)}"
    elif not is_first:
        differs = difference(record, known, by)
    if differs:
        raise _RefusedError(
            f"Argument `kernel` must be given to read {path}, as the {name} of {source} {differs}, but is None."
        )
    return known


def _function(record: Record, given: Any, samples: int, path: _Path) -> FunctionCurve:
    """The function of a file, fitted to recordings of so many samples.

    Raises:
        _RefusedError: it is not given, or another one is.
    """
    if not callable(given):
        raise _RefusedError(
            f"Argument `kernel` must be the function {record['function']} to read {path}, but is {given!r:.80}."
        )
    read = function_of_record(record, given)
    try:
        with double_precision(), computed_at_once():
            return read.with_operations(samples)
    except _UNREADABLE:
        raise _RefusedError(
            f"Argument `kernel` must be the function {record['function']} of {path}, but {read.name} does not take its "
            "parameters."
        ) from None


def _check_curve(fit: Record, posed: Problem, path: _Path) -> None:
    """Check the curve and parameters of a file: they must be those of its problem.

    Raises:
        _RefusedError: they are not.
    """
    with double_precision(), computed_at_once(), np.errstate(over="ignore", invalid="ignore"):
        value, params = curve(posed, fit["point"]).value, posed.params_at(fit["point"])
        own = posed.split(fit["point"])
    trace = np.where(posed.present, posed.trace, np.nan)
    height = _SAME * np.nanmax(np.abs(value))  # a function may be NaN where a sample is missing
    curves = [(fit["predicted"], value), (fit["trace"], trace), (fit["residuals"], trace - value)]
    numbers: list[tuple[ArrayLike, ArrayLike]] = [(fit[name], own[name]) for name in own]
    numbers += [*zip(jax.tree.leaves(fit["params"]), jax.tree.leaves(posed.curve.as_given(params)), strict=True)]
    if not all(
        np.allclose(np.ravel(np.broadcast_to(a, np.shape(b))), np.ravel(b), _SAME, atol, equal_nan=True)
        for pairs, atol in ((curves, height), (numbers, 0.0))
        for a, b in pairs
    ):
        raise _RefusedError(
            f"File {path} must hold the curve that {posed.name} gives with the parameters in it, but holds "
            "another one: the file was changed, or another kernel was fitted, which must be given as `kernel=`."
        )


def _as_tuple(value: object) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value


def _to_json(value: object) -> object:
    """``value`` in the types of JSON."""
    if isinstance(value, np.ndarray):
        return {_ARRAY: _to_json(value.tolist()), "dtype": value.dtype.name}
    if isinstance(value, dict):
        return {name: _to_json(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return {_TUPLE: [_to_json(item) for item in value]}
    if isinstance(value, list):
        return [_to_json(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _from_json(value: object) -> Any:
    """The value that `_to_json` was given."""
    if isinstance(value, dict) and set(value) == {_ARRAY, "dtype"}:
        return np.array(value[_ARRAY], value["dtype"])
    if isinstance(value, dict) and set(value) == {_TUPLE}:
        return tuple(map(_from_json, value[_TUPLE]))
    if isinstance(value, dict):
        return {name: _from_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_from_json(item) for item in value]
    return float(value) if value in ("nan", "inf", "-inf") else value
