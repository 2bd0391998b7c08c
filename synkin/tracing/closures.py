"""All that a function can see, as a key: while that is the same, a trace of the function is what it was.

Only where that can be told: what reads an object of unknown kind, imports, or asks NumPy for more than arithmetic may
do something else with every call, and has no such key. A key keeps nothing large alive.
"""

import collections
import dis
import functools
import math
import types
from typing import Any

import jax
import numpy as np

from synkin.tracing.sameness import Identity, WeakIdentity

# Arrays of NumPy up to this size are compared number by number; larger ones are not looked through with every call.
_BYTES = 2**16
_BUILTINS = (
    *(abs, all, any, bool, complex, dict, enumerate, filter, float, frozenset, getattr, hasattr, int, isinstance, len),
    *(issubclass, list, map, max, min, pow, print, range, reversed, round, set, slice, sorted, str, sum, tuple, zip),
)
_NUMPY: tuple[Any, ...] = (
    np.arange,
    np.array,
    np.asarray,
    np.concatenate,
    np.dot,
    np.eye,
    np.full,
    np.mean,
    np.ones,
    np.prod,
)
_NUMPY += (np.shape, np.stack, np.sum, np.zeros)
# What a class of named values may have besides what all have.
_OF_A_CLASS = {"__annotations__", "__annotate__", "__annotate_func__", "__orig_bases__", "__reduce__"}
_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...))
_JITTED = type(jax.jit(abs))
_READS = ("LOAD_GLOBAL", "LOAD_NAME")
_UNSEEN = ("IMPORT_NAME", "LOAD_BUILD_CLASS", "STORE_GLOBAL", "DELETE_GLOBAL", "STORE_DEREF", "DELETE_DEREF")


class _UnknownError(Exception):
    """It cannot be told what a function sees."""


def surroundings(function: object) -> Any:
    """A key of all that ``function`` can see; None where that cannot be told."""
    try:
        return _value(function, [])
    except _UnknownError:
        return None


def _value(x: Any, within: list[Any]) -> Any:
    kind: type = type(x)
    if kind in _PLAIN:
        return kind, repr(x)  # a float's has all its digits, and the sign of a 0
    if isinstance(x, jax.core.Tracer):
        raise _UnknownError
    if isinstance(x, jax.Array):
        return WeakIdentity(x)
    if kind is np.ndarray:
        if x.nbytes > _BYTES or x.dtype.hasobject:
            raise _UnknownError
        return kind, x.dtype, x.shape, x.strides, x.__array_interface__["data"][0], x.tobytes()
    if isinstance(x, np.generic):
        return kind, x.dtype, x.tobytes()
    if isinstance(x, np.dtype):
        return kind, x
    if isinstance(x, types.ModuleType):
        if x is np or x is math or _is_pure(x.__name__):
            return Identity(x)
        raise _UnknownError
    if isinstance(x, type | types.FunctionType | _JITTED | jax.custom_jvp | jax.custom_vjp):
        if isinstance(x, _JITTED) or _is_pure(str(x.__module__)):
            return WeakIdentity(x)
    elif kind in (tuple, list, dict) or _is_named_tuple(kind):
        if any(x is other for other in within):
            raise _UnknownError
        entries = [*x.items()] if isinstance(x, dict) else x
        return Identity(kind), tuple(_value(entry, [*within, x]) for entry in entries)
    if isinstance(x, functools.partial):
        return functools.partial, tuple(_value(own, within) for own in (x.func, x.args, x.keywords))
    if isinstance(x, types.FunctionType):
        return _function(x, within)
    if isinstance(x, jax.custom_jvp | jax.custom_vjp):
        rules = (getattr(x, name, None) for name in ("fun", "jvp", "fwd", "bwd"))
        return WeakIdentity(x), tuple(_value(rule, within) for rule in rules)
    raise _UnknownError


def _function(f: types.FunctionType, within: list[Any]) -> Any:
    for i, other in enumerate(within):
        if other is f:
            return i
    within = [*within, f]
    names, attributes = _names(f.__code__)
    seen: list[Any] = []
    builtins = getattr(f, "__builtins__")  # noqa: B009  # of all functions since Python 3.10, which types do not say
    for name in names:
        if name in f.__globals__:
            seen.append(f.__globals__[name])
        elif not any(builtins.get(name) is known for known in _BUILTINS):
            raise _UnknownError
    try:
        seen += [cell.cell_contents for cell in f.__closure__ or ()]
    except ValueError:  # nothing is in it yet
        raise _UnknownError from None
    if any(x is np for x in seen) and not all(map(_is_arithmetic, attributes)):
        raise _UnknownError
    seen += [f.__defaults__, f.__kwdefaults__]
    return WeakIdentity(f.__code__), id(f.__globals__), tuple(_value(x, within) for x in seen)


@functools.lru_cache(maxsize=256)
def _names(code: types.CodeType) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The globals that code reads, and the attributes, also in functions within."""
    names: dict[str, None] = {}
    attributes: dict[str, None] = {}
    for instruction in dis.get_instructions(code):
        if instruction.opname in _UNSEEN and instruction.argval not in code.co_cellvars:
            raise _UnknownError
        if instruction.opname in _READS:
            names[instruction.argval] = None
        elif isinstance(instruction.argval, str):
            attributes[instruction.argval] = None
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            for found, own in zip((names, attributes), _names(inner), strict=True):
                found |= dict.fromkeys(own)
    return tuple(names), tuple(attributes)


def _is_pure(module: str) -> bool:
    """Whether what a module of that name does depends on its arguments, and on what JAX itself keeps a trace for."""
    return module.partition(".")[0] in ("jax", "jaxlib") or module == "synkin.currents"


def _is_named_tuple(kind: type) -> bool:
    """Whether a class has named values, and no functions of its own."""
    if kind.__bases__ != (tuple,) or not hasattr(kind, "_fields"):
        return False
    return not vars(kind).keys() - vars(collections.namedtuple("_", kind._fields)).keys() - _OF_A_CLASS


def _is_arithmetic(name: str) -> bool:
    """Whether what NumPy has under a name, if anything, depends on its arguments alone."""
    found = getattr(np, name, None)
    if found is None or any(found is known for known in _NUMPY) or isinstance(found, np.ufunc | float):
        return True
    return isinstance(found, type) and issubclass(found, np.number | np.bool_)
