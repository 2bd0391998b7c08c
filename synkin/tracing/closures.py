"""A key of all that a function can see: while it is the same, a trace of the function stays valid.

A function that reads an object of an unknown kind, imports, or uses more of NumPy than arithmetic may do something else
in every call, and has no key. A key keeps no large object alive.
"""

import collections
import dis
import functools
import math
import types
from collections.abc import Callable, Sequence

import jax
import numpy as np

from synkin.tracing.sameness import Identity, WeakIdentity

# NumPy arrays up to this number of bytes are compared by value; a function that sees a larger one has no key.
_BYTES = 2**16
_BUILTINS = (
    *(abs, all, any, bool, complex, dict, enumerate, filter, float, frozenset, getattr, hasattr, int, isinstance, len),
    *(issubclass, list, map, max, min, pow, print, range, reversed, round, set, slice, sorted, str, sum, tuple, zip),
)
_NUMPY: tuple[Callable[..., object], ...] = (
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
# What a NamedTuple class may have besides what all of them have.
_OF_A_CLASS = {"__annotations__", "__annotate__", "__annotate_func__", "__orig_bases__", "__reduce__"}
_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(...))
_JITTED = type(jax.jit(abs))
_READS = ("LOAD_GLOBAL", "LOAD_NAME")
_UNSEEN = ("IMPORT_NAME", "LOAD_BUILD_CLASS", "STORE_GLOBAL", "DELETE_GLOBAL", "STORE_DEREF", "DELETE_DEREF")


class _UnknownError(Exception):
    """A function sees something that cannot be compared."""


def surroundings(function: object) -> object:
    """A key of all that ``function`` can see; None where it sees something that cannot be compared."""
    try:
        return _value(function, [])
    except _UnknownError:
        return None


def _value(x: object, within: Sequence[object]) -> object:
    """The key of an object; ``within`` are the objects and functions in which it is."""
    kind: type = type(x)
    if kind in _PLAIN:
        return kind, repr(x)  # a float's has all its digits, and the sign of a 0
    if isinstance(x, jax.core.Tracer):
        raise _UnknownError
    if isinstance(x, jax.Array):
        return WeakIdentity(x)
    if type(x) is np.ndarray:
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
    elif isinstance(x, tuple | list | dict) and (kind in (tuple, list, dict) or _is_named_tuple(kind)):
        if any(x is other for other in within):
            raise _UnknownError
        entries: Sequence[object] = [*x.items()] if isinstance(x, dict) else x
        return Identity(kind), tuple(_value(entry, [*within, x]) for entry in entries)
    if isinstance(x, functools.partial):
        return functools.partial, tuple(_value(own, within) for own in (x.func, x.args, x.keywords))
    if isinstance(x, types.FunctionType):
        return _function(x, within)
    if isinstance(x, jax.custom_jvp | jax.custom_vjp):
        rules = (getattr(x, name, None) for name in ("fun", "jvp", "fwd", "bwd"))
        return WeakIdentity(x), tuple(_value(rule, within) for rule in rules)
    raise _UnknownError


def _function(f: types.FunctionType, within: Sequence[object]) -> object:
    for i, other in enumerate(within):
        if other is f:
            return i
    within = [*within, f]
    names, attributes = _names(f.__code__)
    seen: list[object] = []
    builtins = getattr(f, "__builtins__")  # noqa: B009  # of all functions since Python 3.10, which types do not say
    for name in names:
        if name in f.__globals__:
            seen.append(f.__globals__[name])
        elif not any(builtins.get(name) is known for known in _BUILTINS):
            raise _UnknownError
    try:
        seen += [cell.cell_contents for cell in f.__closure__ or ()]
    except ValueError:  # an empty cell
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
    """Whether the functions of a module depend only on their arguments and on settings that JAX itself compares."""
    return module.partition(".")[0] in ("jax", "jaxlib") or module == "synkin.runs.currents"


def _is_named_tuple(kind: type) -> bool:
    """Whether a class is a NamedTuple without methods of its own."""
    if kind.__bases__ != (tuple,) or not hasattr(kind, "_fields"):
        return False
    return not vars(kind).keys() - vars(collections.namedtuple("_", kind._fields)).keys() - _OF_A_CLASS


def _is_arithmetic(name: str) -> bool:
    """Whether NumPy has no object of this name, or one that depends only on its arguments."""
    found = getattr(np, name, None)
    if found is None or any(found is known for known in _NUMPY) or isinstance(found, np.ufunc | float):
        return True
    return isinstance(found, type) and issubclass(found, np.number | np.bool_)
