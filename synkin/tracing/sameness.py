"""Keys of traced computations, which are equal only if the computations and their derivatives are the same.

Operations are compared by their primitives, their operands and their parameters, in nested operations too. Plain data
are compared by type and value, all else by identity, so that two keys that cannot be compared differ. A key keeps alive
what it compares by identity, so that no other object gets the same id. `synkin.tracing.readouts` uses these keys.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import struct
import types
import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from synkin.arguments.declaration import Pytree

# A tuple of tuples of what is compared.
Key: TypeAlias = Hashable

# Constants of nested operations up to this number of bytes are compared by value, larger ones by identity.
_BYTES = 4096
# Derivative rules are traced and compared up to this order.
_ORDERS = 2
_RULES = ("custom_jvp_call", "custom_vjp_call")
_PLAIN = (type(None), bool, int, str, bytes)


class Identity:
    """An object that equals nothing but itself."""

    __slots__ = ("target",)

    def __init__(self, target: object) -> None:
        self.target = target

    def __hash__(self) -> int:
        return id(self.target)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self.target is other.target


class WeakIdentity:
    """The same without keeping the object alive; once it is gone, this equals nothing."""

    __slots__ = ("target",)

    def __init__(self, target: object) -> None:
        self.target = weakref.ref(target)

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WeakIdentity) and self.target() is not None and self.target() is other.target()


class Keys:
    """Makes keys. ``traced`` is True once a key contains a tracer, so that no later call can have the same key."""

    def __init__(self) -> None:
        self.traced = False
        self._contexts: dict[int, tuple[object, Key]] = {}  # by id; the context is kept alive, so that its id is too
        self._rules: list[Key] = []  # the functions whose derivative rules are being traced

    def value(self, x: object) -> Key:
        """The key of a parameter of an operation."""
        kind: type = type(x)
        if kind in _PLAIN:
            return kind, x
        if type(x) is float:
            return kind, struct.pack("d", x)
        if isinstance(x, jax.core.Tracer):
            self.traced = True
            return Identity(x)
        if isinstance(x, core.ClosedJaxpr):
            return kind, self.operations(x.jaxpr), tuple(map(self.value, x.consts))
        if isinstance(x, core.Jaxpr):
            return kind, self.operations(x)
        if isinstance(x, enum.Enum | type):
            return Identity(x)
        if isinstance(x, tuple | list):
            return kind, tuple(map(self.value, x))
        if isinstance(x, dict):
            return kind, tuple((self.value(name), self.value(own)) for name, own in x.items())
        if isinstance(x, set | frozenset):
            return kind, frozenset(map(self.value, x))
        if isinstance(x, np.dtype | np.generic | np.ndarray | jax.Array):
            return self._numbers(x)
        if isinstance(x, jax.tree_util.PyTreeDef):
            node = x.node_data()
            return kind, node and (Identity(node[0]), self.value(node[1])), tuple(map(self.value, x.children()))
        if isinstance(x, types.FunctionType | types.MethodType | functools.partial):
            return self.function(x)
        return self._of_jax(x) if _is_of_jax(kind) else Identity(x)

    def function(self, f: object) -> Key:
        """The key of a function: its code, the variables that it closes over, and its defaults."""
        if isinstance(f, functools.partial):
            return functools.partial, self.value(f.func), self.value(f.args), self.value(f.keywords)
        if isinstance(f, types.MethodType):
            return types.MethodType, Identity(f.__self__), Identity(f.__func__)
        if not isinstance(f, types.FunctionType) or f.__dict__:
            return Identity(f)
        cells = f.__closure__ or ()
        if _is_of_jax(f):  # JAX does not assign to such variables again
            around: Key = tuple(self._inside(cell) for cell in cells)
        else:
            around = (Identity(f.__globals__), *map(Identity, cells))
        return Identity(f.__code__), around, self.value(f.__defaults__), self.value(f.__kwdefaults__)

    def operations(self, jaxpr: core.Jaxpr) -> Key:
        """The key of a jaxpr."""
        numbers: dict[core.Var, int] = {}
        for variable in (*jaxpr.constvars, *jaxpr.invars):
            numbers[variable] = len(numbers)
        inputs = tuple(self.value(variable.aval) for variable in numbers)
        equations = []
        for equation in jaxpr.eqns:
            operands = [self.literal(v) if isinstance(v, core.Literal) else numbers[v] for v in equation.invars]
            equations.append(self.operation(equation, operands))
            for variable in equation.outvars:
                numbers[variable] = len(numbers)
        results = tuple(self.literal(v) if isinstance(v, core.Literal) else numbers[v] for v in jaxpr.outvars)
        return inputs, len(jaxpr.constvars), tuple(equations), results

    def operation(self, equation: core.JaxprEqn, operands: Sequence[Key]) -> Key:
        """The key of one operation, given those of its operands."""
        if equation.primitive.name in _RULES and "call_jaxpr" in equation.params:
            params = self._with_rule(equation)
        else:
            params = tuple((name, self.value(given)) for name, given in equation.params.items())
        context = self._context(equation.ctx)
        return Identity(equation.primitive), params, tuple(operands), len(equation.outvars), context

    def literal(self, literal: core.Literal) -> Key:
        """The key of a number among the operands."""
        number = np.asarray(literal.val)
        return self.value(literal.aval), number.dtype.str, number.tobytes()

    def _context(self, context: object) -> Key:
        if id(context) not in self._contexts:
            names = ("compute_type", "threefry_partitionable", "xla_metadata", "cur_abstract_mesh")
            self._contexts[id(context)] = context, tuple(self.value(getattr(context, name, None)) for name in names)
        return self._contexts[id(context)][1]

    def _numbers(self, x: np.dtype | np.generic | np.ndarray | jax.Array) -> Key:
        kind = type(x)
        if isinstance(x, np.dtype):
            return kind, x
        if isinstance(x, np.generic):
            return kind, x.dtype, x.tobytes()
        if isinstance(x, np.ndarray):  # its numbers may change later
            if x.dtype.hasobject:
                return Identity(x)
            owner = x if x.base is None else x.base
            where = x.__array_interface__["data"][0], x.strides
            return Identity(owner), where, kind, x.dtype, x.shape, getattr(x, "weak_type", False), x.tobytes()
        if x.nbytes > _BYTES or not x.is_fully_addressable or not isinstance(x.dtype, np.dtype) or x.is_deleted():
            return Identity(x)
        return kind, x.dtype, x.shape, x.weak_type, x.sharding, np.asarray(x).tobytes()

    def _of_jax(self, x: object) -> Key:
        """The key of an object of one of JAX's classes, such as a sharding or an abstract value."""
        kind: type = type(x)
        if dataclasses.is_dataclass(x) and kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            return kind, tuple(self.value(getattr(x, field.name)) for field in dataclasses.fields(x))
        if callable(x) or "__eq__" not in {name for own in kind.__mro__[:-1] for name in vars(own)}:
            return Identity(x)
        try:
            hash(x)
        except TypeError:
            return Identity(x)
        return kind, x

    def _inside(self, cell: types.CellType) -> Key:
        try:
            return self.value(cell.cell_contents)
        except ValueError:  # an empty cell
            return Identity(cell)

    def _with_rule(self, equation: core.JaxprEqn) -> Key:
        """The key of the parameters of an operation with a derivative rule, and of the operations of that rule.

        Rules are new functions in every trace and what they close over may have changed, so they are traced.
        """
        params = equation.params
        traced = {"jvp_jaxpr_fun", "fwd_jaxpr_thunk", "bwd", "out_trees"}
        plain = tuple((name, self.value(given)) for name, given in params.items() if name not in traced)
        key = equation.primitive.name, plain
        if len(self._rules) == _ORDERS:
            # The rule of a function whose derivative is made of the function itself would be traced without end.
            return (key, self._rules.index(key)) if key in self._rules else Identity(equation)
        self._rules.append(key)
        try:
            rule = _derivative(equation)
            return key, self.value(rule)
        except Exception:  # it has no derivative of this kind, so that it is compared by identity
            return key, Identity(equation)
        finally:
            self._rules.pop()


def _derivative(equation: core.JaxprEqn) -> core.ClosedJaxpr:
    """The operations of the derivative rule of an operation: of the forward rule, or of forward and reverse."""
    params = equation.params
    given: list[Any] = [v.aval for v in equation.invars]
    returned: list[Any] = [v.aval for v in equation.outvars]
    first = params.get("num_consts", 0)
    which = [i for i, aval in enumerate(given) if i >= first and jnp.issubdtype(aval.dtype, jnp.inexact)]
    operands = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in given]
    one = core.jaxpr_as_fun(core.ClosedJaxpr(_alone(equation), []))

    def at(*operands: jax.Array) -> tuple[Callable[..., Pytree], list[jax.Array]]:
        def f(*differentiated: jax.Array) -> Pytree:
            given = dict(enumerate(operands)) | dict(zip(which, differentiated, strict=True))
            return one(*given.values())

        return f, [operands[i] for i in which]

    def forward(operands: Sequence[jax.Array], tangents: Pytree) -> Pytree:
        f, differentiated = at(*operands)
        return jax.jvp(f, differentiated, tangents)

    def back(operands: Sequence[jax.Array], cotangents: Pytree) -> Pytree:
        f, differentiated = at(*operands)
        results, pull = jax.vjp(f, *differentiated)
        return results, pull(cotangents)

    if equation.primitive.name == "custom_jvp_call":
        return jax.make_jaxpr(forward)(operands, [operands[i] for i in which])
    results = [
        jax.ShapeDtypeStruct(aval.shape, jax.eval_shape(lambda aval=aval: jnp.zeros((), aval.dtype)).dtype)
        for aval in returned
    ]
    return jax.make_jaxpr(back)(operands, results)


def _alone(equation: core.JaxprEqn) -> core.Jaxpr:
    """A jaxpr of one operation, whose inputs are all of its operands."""
    operands = [core.Var(v.aval) for v in equation.invars]
    results = [core.Var(v.aval) for v in equation.outvars]
    return core.Jaxpr([], operands, results, [equation.replace(invars=[*operands], outvars=results)], equation.effects)


def _is_of_jax(x: object) -> bool:
    return str(getattr(x, "__module__", "")).partition(".")[0] in ("jax", "jaxlib")
