"""The results of a function as polynomials of its inputs, for all values of the inputs at once.

`jax.make_jaxpr` records the operations of a function. `Walk` goes through them, into `jax.jit`, branches and custom
derivatives too. A result is a sum of products of inputs and of *atoms*. An atom is the result of an operation that is
neither a sum nor a product, such as ``exp(V)`` or ``maximum(V, 0)``. For each atom it is known on which inputs it
depends, and whether it can be negative. The same operation on the same operands is the same atom. So terms that cancel
disappear, and equal polynomials are equal for all values.

No values are tried. Where nothing is known of an operation, its result depends on all its operands and may be negative.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

import jax
import jax.numpy as jnp
import numpy as np

from synkin.tracing.polynomials import MOST_FACTORS, Atoms, Polynomial

if TYPE_CHECKING:
    from jax.extend import core

# The elements of an array are walked through if there are at most this many.
_MOST_ELEMENTS = 4096

# Operations whose result is never negative; and those whose result is not if one operand, the first operand, or none of
# the operands is negative.
_NEVER_NEGATIVE = {"exp", "exp2", "logistic", "abs", "square", "sqrt", "rsqrt", "cosh", "erfc"}
_IF_ONE_IS_NOT = {"max"}
_IF_THE_FIRST_IS_NOT = {"pow", "gather", "dynamic_slice"}
_IF_NONE_IS = {
    *(
        "add",
        "add_any",
        "mul",
        "div",
        "min",
        "clamp",
        "reduce_sum",
        "reduce_max",
        "reduce_min",
        "cumsum",
        "dot_general",
    ),
    *("log1p", "expm1", "tanh", "sinh", "asinh", "atan", "erf", "cbrt", "sign", "floor", "ceil", "round"),
    *("broadcast_in_dim", "reshape", "squeeze", "transpose", "slice", "concatenate", "stack", "rev", "copy"),
    *("convert_element_type", "stop_gradient", "integer_pow", "select_n"),
}
# Operations that keep all values, though some change derivatives; and operations that keep a single number.
_SAME = {"copy", "copy_p", "stop_gradient", "reduce_precision", "optimization_barrier"}
_SAME_OF_ONE = {"reduce_sum", "reduce_max", "reduce_min", "broadcast_in_dim", "reshape", "squeeze", "copy", "copy_p"}
# Operations that act on each element of an array by itself.
_BY_ELEMENT = {
    *("add", "add_any", "sub", "mul", "div", "neg", "integer_pow", "square", "pow", "max", "min", "abs", "clamp"),
    *("exp", "exp2", "log", "log1p", "expm1", "tanh", "logistic", "sqrt", "rsqrt", "sin", "cos", "select_n"),
    *("convert_element_type", "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "not", *_SAME),
}
# Operations that run another jaxpr once; and those that have a derivative rule besides.
_CALLS = {"jit", "pjit", "closed_call", "core_call", "remat", "remat2", "checkpoint"}
_WITH_RULES = {"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"}


class Unread(NamedTuple):
    """An array of results whose elements are unknown."""

    shape: tuple[int, ...]
    key: Hashable
    inputs: frozenset[int]
    not_negative: bool


# What stands for an array: an array of numbers, an array of objects that are polynomials, or `Unread`.
Value: TypeAlias = np.ndarray | Unread
Params: TypeAlias = Mapping[str, Any]  # of an operation


class Walk:
    """From the operations of a function to its results.

    Args:
        atoms: the table of atoms.
        variables: the inputs in which the results must be polynomials. Operations on them that have a derivative rule
            become atoms, as that rule need not be the derivative of the value.
    """

    def __init__(self, atoms: Atoms, variables: frozenset[int]) -> None:
        self.atoms, self.variables = atoms, variables

    def results(self, closed: core.ClosedJaxpr, inputs: Sequence[Polynomial]) -> list[Polynomial]:
        """The results, which must be scalars.

        Args:
            closed: what `jax.make_jaxpr` returned for scalar arguments.
            inputs: one polynomial for each argument.
        """
        return [self._scalar(value) for value in self._run(closed.jaxpr, closed.consts, list(map(_cell, inputs)))]

    def _run(self, jaxpr: core.Jaxpr, constants: Sequence[object], given: Sequence[Value]) -> list[Value]:
        values: dict[core.Var, Value] = dict(zip(jaxpr.invars, given, strict=True))
        values |= zip(jaxpr.constvars, map(self._constant, constants), strict=True)

        def read(var: core.Var | core.Literal) -> Value:
            return self._constant(var.val) if hasattr(var, "val") else values[var]

        for eqn in jaxpr.eqns:
            values |= zip(eqn.outvars, self._operation(eqn, [read(var) for var in eqn.invars]), strict=True)
        return [read(var) for var in jaxpr.outvars]

    def _constant(self, value: object) -> Value:
        try:
            known = np.asarray(value)
        except Exception:  # a tracer, or an array that NumPy does not know: it may have any value
            return self._unread(getattr(value, "shape", ()), (object(),), frozenset(), not_negative=False)
        if known.dtype.kind not in "fiub":
            return self._unread(known.shape, (object(),), frozenset(), not_negative=False)
        return known if known.ndim else _cell(self.atoms.number(float(known)))

    def _operation(self, eqn: core.JaxprEqn, given: list[Value]) -> list[Value]:
        name, params = eqn.primitive.name, eqn.params
        hidden = name in _WITH_RULES and bool(self._inputs(given) & self.variables)
        if name in _CALLS or (name in _WITH_RULES and not hidden):
            inner = params.get("jaxpr") or params.get("call_jaxpr") or params["fun_jaxpr"]
            return self._run(*_opened(inner), given)
        if name == "cond":
            branches = [self._run(*_opened(branch), given[1:]) for branch in params["branches"]]
            if all(self._readable(value) for value in itertools.chain(given[:1], *branches)):
                which = _each(
                    self._cells(given[0]), lambda i: i if i.constant is None else self._index(i, len(branches))
                )
                return [
                    self._elements(self._choice, which, *map(self._cells, each)) for each in zip(*branches, strict=True)
                ]
        if name == "unstack" and self._readable(given[0]):  # of JAX 0.12, which unpacks arrays by it
            return [_cell(part) for part in np.moveaxis(self._cells(given[0]), params["axis"], 0)]
        if len(eqn.outvars) == 1 and not eqn.effects and "callback" not in name:
            result = self._one(eqn, name, given)
            if result is not None:
                return [result]
        return self._opaque(eqn, given)

    def _one(self, eqn: core.JaxprEqn, name: str, given: list[Value]) -> Value | None:
        """The result of an operation that has a single one; None where it becomes an atom."""
        shape = _aval(eqn.outvars[0]).shape
        numbers = [known for known in map(_numbers, given) if known is not None]
        if len(numbers) == len(given):
            computed = _REARRANGE[name](numbers, eqn.params, shape) if name in _REARRANGE else _computed(eqn, numbers)
            if computed is not None:
                return self._constant(computed)
        # Elements of arrays without a variable need not be known.
        large = any(isinstance(value, Unread) or value.dtype != object for value in given)
        if not all(map(self._readable, given)) or (large and not self._inputs(given) & self.variables):
            return None
        if name in _BY_ELEMENT or not any([shape, *(value.shape for value in given)]):
            return self._elements(lambda *at: self._on_scalars(eqn, name, at), *map(self._cells, given))
        cells = list(map(self._cells, given))
        if name in _REARRANGE:
            return _REARRANGE[name](cells, eqn.params, shape)
        if name == "reduce_sum":
            return _cell(np.add.reduce(cells[0], axis=eqn.params["axes"], initial=self.atoms.number(0)))
        if name == "dot_general":
            contracted, batch = eqn.params["dimension_numbers"]
            return None if batch[0] else _cell(np.tensordot(cells[0], cells[1], axes=contracted))
        if name in ("gather", "dynamic_slice"):
            return self._picked(eqn, cells)
        return None

    def _on_scalars(self, eqn: core.JaxprEqn, name: str, given: Sequence[Polynomial]) -> Polynomial:
        floating = jnp.issubdtype(_aval(eqn.outvars[0]).dtype, jnp.floating)
        first, last = given[0], given[-1]
        if name in _SAME_OF_ONE or (name in _SAME and not first.inputs & self.variables):
            return first
        if name in ("add", "add_any"):
            return first + last
        if name == "sub":
            return first - last
        if name in ("mul", "dot_general"):
            return first * last
        if name == "neg":
            return -first
        if name == "div" and floating:
            return first * last.power(-1)
        if name == "square":
            return first * first
        if name == "integer_pow":
            return first.power(eqn.params["y"])
        if name == "pow" and last.constant is not None and last.constant in range(MOST_FACTORS):
            return first.power(int(last.constant))
        if name == "convert_element_type":
            was = _aval(eqn.invars[0]).dtype
            if (
                floating
                or was.kind == "b"
                or (np.issubdtype(was, np.integer) and _aval(eqn.outvars[0]).dtype.kind != "b")
            ):
                return first
        if name == "select_n":
            return self._choice(first, *given[1:])
        key = (name, _frozen(eqn.params), tuple(each.key for each in given))
        return self.atoms.of(key, self._inputs(given), not_negative=_not_negative(eqn, given))

    def _choice(self, which: Polynomial, *cases: Polynomial) -> Polynomial:
        """One of the cases. It is the sum over their products of variables, each with one of the cases' factors."""
        if which.constant is not None:
            return cases[int(which.constant)]
        if all(case == cases[0] for case in cases):
            return cases[0]
        if which.inputs & self.variables:
            return self.atoms.of(("choice", which.key, *(case.key for case in cases)), self._inputs([which, *cases]))
        split = [case.by(self.variables) for case in cases]
        total = none = self.atoms.number(0)
        for product in dict.fromkeys(itertools.chain(*split)):
            factors = [part.get(product, none) for part in split]
            total = total + Polynomial(self.atoms, {product: 1.0}) * self._choice_of_factors(which, factors)
        return total

    def _choice_of_factors(self, which: Polynomial, cases: list[Polynomial]) -> Polynomial:
        if all(case == cases[0] for case in cases):
            return cases[0]
        # Cases of opposite sign make the same atom, so that the loss of one state cancels the gain of another.
        leading = next(case for case in cases if case)
        negative = min(leading.terms.items())[1] < 0
        cases = [-case for case in cases] if negative else cases
        atom = self.atoms.of(
            ("choice", which.key, *(case.key for case in cases)),
            self._inputs([which, *cases]),
            not_negative=all(case.not_negative for case in cases),
        )
        return -atom if negative else atom

    def _index(self, which: Polynomial, count: int) -> Polynomial:
        """The branch of `jax.lax.cond` or `jax.lax.switch`."""
        assert which.constant is not None
        return self.atoms.number(min(max(which.constant, 0), count - 1))

    def _picked(self, eqn: core.JaxprEqn, cells: list[np.ndarray]) -> Value | None:
        """Elements of an array at known indices; None where an index is unknown."""
        data, indices = cells[0], cells[1:]
        numbers = [known for known in map(_numbers, indices) if known is not None]
        if len(numbers) < len(indices):
            return None
        places = [np.arange(1, data.size + 1).reshape(data.shape), *numbers]
        with jax.ensure_compile_time_eval():
            operands = [
                jnp.asarray(each.astype(_aval(var).dtype)) for each, var in zip(places, eqn.invars, strict=True)
            ]
            which = np.asarray(eqn.primitive.bind(*operands, **eqn.params))
        padded = np.array([self.atoms.number(np.nan), *data.flat], object)
        return _cell(padded[np.where((which < 1) | (which > data.size), 0, which).astype(int)])

    def _opaque(self, eqn: core.JaxprEqn, given: list[Value]) -> list[Value]:
        """Results of which only the inputs that they depend on are known, and perhaps the sign."""
        key = (eqn.primitive.name, _frozen(eqn.params), tuple(map(_key, given)))
        inputs, known = self._inputs(given), len(eqn.outvars) == 1 and _not_negative(eqn, given)
        return [
            self._unread(_aval(var).shape, (key, i), inputs, not_negative=known or _aval(var).dtype.kind == "b")
            for i, var in enumerate(eqn.outvars)
        ]

    def _unread(self, shape: tuple[int, ...], key: Hashable, inputs: frozenset[int], *, not_negative: bool) -> Value:
        if shape == ():
            return _cell(self.atoms.of(key, inputs, not_negative=not_negative))
        return Unread(shape, key, inputs, not_negative)

    def _readable(self, value: Value) -> bool:
        return int(np.prod(value.shape)) <= _MOST_ELEMENTS

    def _cells(self, value: Value) -> np.ndarray:
        """The polynomials of all elements."""
        if isinstance(value, Unread):
            elements = [
                self.atoms.of((value.key, i), value.inputs, not_negative=value.not_negative)
                for i in range(int(np.prod(value.shape)))
            ]
            return np.array([None, *elements], object)[1:].reshape(value.shape)
        return value if value.dtype == object else _each(value, self.atoms.number)

    def _scalar(self, value: Value) -> Polynomial:
        cells: Any = self._cells(value)
        polynomial: Polynomial = cells[()]
        return polynomial

    def _elements(self, function: Callable[..., Polynomial], *cells: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):  # NaN is a number like others here
            return _cell(np.frompyfunc(function, len(cells), 1)(*cells))

    def _inputs(self, given: Iterable[Value | Polynomial]) -> frozenset[int]:
        inputs: set[int] = set()
        for value in given:
            if isinstance(value, Unread | Polynomial):
                inputs |= value.inputs
            elif value.dtype == object:
                inputs = inputs.union(*(each.inputs for each in value.flat))
        return frozenset(inputs)


def _aval(var: core.Var | core.Literal) -> jax.core.ShapedArray:
    """The shape and dtype of an operand or result."""
    return cast("jax.core.ShapedArray", var.aval)


def _opened(inner: Any) -> tuple[core.Jaxpr, Sequence[object]]:
    """A jaxpr and its constants."""
    return (inner.jaxpr, inner.consts) if hasattr(inner, "consts") else (inner, ())


def _cell(value: object) -> np.ndarray:
    """An array of objects; a single polynomial becomes an array of shape ()."""
    if isinstance(value, np.ndarray):
        return value
    cell = np.empty((), object)
    cell[()] = value
    return cell


def _each(values: np.ndarray, function: Callable[[Any], Any]) -> np.ndarray:
    return _cell(np.frompyfunc(function, 1, 1)(values))


def _numbers(value: Value) -> np.ndarray | None:
    """The array if all its elements are numbers; else None."""
    if isinstance(value, Unread) or value.dtype != object:
        return None if isinstance(value, Unread) else value
    numbers = [each.constant for each in value.flat]
    return None if None in numbers else np.array(numbers, float).reshape(value.shape)


def _key(value: Value) -> Hashable:
    if isinstance(value, Unread):
        return value.key
    if value.dtype == object:
        return value.shape, tuple(each.key for each in value.flat)
    return value.shape, value.dtype.str, value.tobytes()


def _frozen(params: Params) -> Hashable:
    """A key of the parameters of an operation; where they cannot be hashed it equals no other."""
    key = tuple(sorted(params.items(), key=lambda item: item[0]))
    try:
        hash(key)
    except TypeError:
        return object()
    return key


def _not_negative(eqn: core.JaxprEqn, given: Sequence[Value | Polynomial]) -> bool:
    name = eqn.primitive.name
    if _aval(eqn.outvars[0]).dtype.kind == "b" or name in _NEVER_NEGATIVE:
        return True
    if name in _IF_ONE_IS_NOT:
        return any(map(_signless, given))
    if name in _IF_THE_FIRST_IS_NOT:
        return _signless(given[0])
    return name in _IF_NONE_IS and all(map(_signless, given))


def _signless(value: Value | Polynomial) -> bool:
    if isinstance(value, Unread | Polynomial):
        return value.not_negative
    return all(each.not_negative for each in value.flat) if value.dtype == object else not (value < 0).any()


def _computed(eqn: core.JaxprEqn, given: Sequence[np.ndarray]) -> np.ndarray | None:
    """The result of an operation on numbers, by NumPy; None for other operations, which JAX would have to compile."""
    name, dtype = eqn.primitive.name, _aval(eqn.outvars[0]).dtype
    if name not in _COMPUTED or (name in ("div", "pow") and not jnp.issubdtype(dtype, jnp.floating)):
        return None
    operands = [np.asarray(each, _aval(var).dtype) for each, var in zip(given, eqn.invars, strict=True)]
    with np.errstate(all="ignore"):
        return np.asarray(_COMPUTED[name](*operands)).astype(dtype)


# Operations of the same meaning in NumPy.
_COMPUTED: dict[str, Callable[..., np.ndarray]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "neg": np.negative,
    "pow": np.power,
    "max": np.maximum,
    "min": np.minimum,
    "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high),
    "abs": np.abs,
    "sign": np.sign,
    "floor": np.floor,
    "ceil": np.ceil,
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "sin": np.sin,
    "cos": np.cos,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "cbrt": np.cbrt,
    "square": np.square,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "not": np.invert,
    "convert_element_type": lambda x: x,
    "select_n": lambda which, *cases: np.choose(which.astype(int), cases),
}


def _broadcast(cells: list[np.ndarray], params: Params, shape: tuple[int, ...]) -> np.ndarray:
    lengths = [1] * len(shape)
    for axis, length in zip(params["broadcast_dimensions"], cells[0].shape, strict=True):
        lengths[axis] = length
    return np.broadcast_to(cells[0].reshape(lengths), shape)


def _slice(cells: list[np.ndarray], params: Params, shape: tuple[int, ...]) -> np.ndarray:
    strides = params["strides"] or (1,) * len(shape)
    return cells[0][tuple(map(slice, params["start_indices"], params["limit_indices"], strides))]


def _reshaped(cells: list[np.ndarray], params: object, shape: tuple[int, ...]) -> np.ndarray:
    return cells[0].reshape(shape)


# Operations that rearrange elements: from operands, parameters and the shape of the result.
_REARRANGE: dict[str, Callable[[list[np.ndarray], Params, tuple[int, ...]], np.ndarray]] = {
    "broadcast_in_dim": _broadcast,
    "reshape": _reshaped,
    "squeeze": _reshaped,
    "slice": _slice,
    "transpose": lambda cells, params, shape: cells[0].transpose(params["permutation"]),
    "rev": lambda cells, params, shape: np.flip(cells[0], params["dimensions"]),
    "concatenate": lambda cells, params, shape: np.concatenate(cells, params["dimension"]),
    "stack": lambda cells, params, shape: np.stack(cells, params["axis"]),
}
