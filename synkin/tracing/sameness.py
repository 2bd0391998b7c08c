"""Whether two traced computations do the same: a key of each, equal only if they compute and differentiate alike.

Operations are compared by their primitives, their operands and their parameters, in nested operations too. Plain data
are compared by type and value, all else by identity: what is in doubt is different. A key keeps alive what it compares
by identity, so that no other object takes its place. `synkin.tracing.readouts` uses these keys.
"""

import dataclasses
import enum
import functools
import struct
import types
import weakref
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

# Constants of nested operations up to this size are compared by their numbers, larger ones by identity.
_BYTES = 4096
# Derivative rules are traced and compared up to this order.
_ORDERS = 2
_RULES = ("custom_jvp_call", "custom_vjp_call")
_PLAIN = (type(None), bool, int, str, bytes)


class Identity:
    """An object that equals nothing but itself."""

    __slots__ = ("held",)

    def __init__(self, held: object) -> None:
        self.held = held

    def __hash__(self) -> int:
        return id(self.held)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self.held is other.held


class WeakIdentity:
    """The same, without keeping it alive; once it is gone it equals nothing."""

    __slots__ = ("held",)

    def __init__(self, held: object) -> None:
        self.held = weakref.ref(held)

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WeakIdentity) and self.held() is not None and self.held() is other.held()


class Keys:
    """Makes keys. ``traced`` is true once a key has a tracer in it, after which it is of no use to later calls."""

    def __init__(self) -> None:
        self.traced = False
        self._contexts: dict[int, tuple[Any, Any]] = {}  # by id, with the context, which so stays alive
        self._rules: list[Any] = []  # the functions whose derivative rules are being traced

    def value(self, x: object) -> Any:
        """The key of a parameter of an operation."""
        kind: type = type(x)
        if kind in _PLAIN:
            return kind, x
        if kind is float:
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

    def function(self, f: object) -> Any:
        """The key of a function: two with one code and the same variables around it are one."""
        if isinstance(f, functools.partial):
            return functools.partial, self.value(f.func), self.value(f.args), self.value(f.keywords)
        if isinstance(f, types.MethodType):
            return types.MethodType, Identity(f.__self__), Identity(f.__func__)
        if not isinstance(f, types.FunctionType) or f.__dict__:
            return Identity(f)
        cells = f.__closure__ or ()
        if _is_of_jax(f):  # which does not assign to them again
            around: Any = tuple(self._inside(cell) for cell in cells)
        else:
            around = (Identity(f.__globals__), *map(Identity, cells))
        return Identity(f.__code__), around, self.value(f.__defaults__), self.value(f.__kwdefaults__)

    def operations(self, jaxpr: Any) -> Any:
        """The key of operations with inputs of any values."""
        numbers: dict[Any, Any] = {}
        for variable in (*jaxpr.constvars, *jaxpr.invars):
            numbers[variable] = len(numbers)
        inputs = tuple(self.value(variable.aval) for variable in numbers)
        found = []
        for equation in jaxpr.eqns:
            operands = [self.literal(v) if isinstance(v, core.Literal) else numbers[v] for v in equation.invars]
            found.append(self.operation(equation, operands))
            for variable in equation.outvars:
                numbers[variable] = len(numbers)
        results = tuple(self.literal(v) if isinstance(v, core.Literal) else numbers[v] for v in jaxpr.outvars)
        return inputs, len(jaxpr.constvars), tuple(found), results

    def operation(self, equation: Any, operands: Sequence[Any]) -> Any:
        """The key of one operation, given those of its operands."""
        if equation.primitive.name in _RULES and "call_jaxpr" in equation.params:
            own = self._with_rule(equation)
        else:
            own = tuple((name, self.value(given)) for name, given in equation.params.items())
        context = self._context(equation.ctx)
        return Identity(equation.primitive), own, tuple(operands), len(equation.outvars), context

    def literal(self, literal: Any) -> Any:
        """The key of a number that stands among the operands."""
        number = np.asarray(literal.val)
        return self.value(literal.aval), number.dtype.str, number.tobytes()

    def _context(self, context: object) -> Any:
        if id(context) not in self._contexts:
            names = ("compute_type", "threefry_partitionable", "xla_metadata", "cur_abstract_mesh")
            self._contexts[id(context)] = context, tuple(self.value(getattr(context, name, None)) for name in names)
        return self._contexts[id(context)][1]

    def _numbers(self, x: Any) -> Any:
        kind = type(x)
        if isinstance(x, np.dtype):
            return kind, x
        if isinstance(x, np.generic):
            return kind, x.dtype, x.tobytes()
        if isinstance(x, np.ndarray):  # whose numbers may change, also after they have been looked at
            if x.dtype.hasobject:
                return Identity(x)
            owner = x if x.base is None else x.base
            where = x.__array_interface__["data"][0], x.strides
            return Identity(owner), where, kind, x.dtype, x.shape, getattr(x, "weak_type", False), x.tobytes()
        if x.nbytes > _BYTES or not x.is_fully_addressable or not isinstance(x.dtype, np.dtype) or x.is_deleted():
            return Identity(x)
        return kind, x.dtype, x.shape, x.weak_type, x.sharding, np.asarray(x).tobytes()

    def _of_jax(self, x: object) -> Any:
        """The key of an object of a class of JAX's own, such as a sharding or the kind of an array."""
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

    def _inside(self, cell: Any) -> Any:
        try:
            return self.value(cell.cell_contents)
        except ValueError:  # nothing is in it yet
            return Identity(cell)

    def _with_rule(self, equation: Any) -> Any:
        """The parameters of an operation that states its derivative, with the operations of that.

        The rules are functions, new ones in every trace, so they are traced, for what they close over may have changed.
        """
        params = equation.params
        traced = {"jvp_jaxpr_fun", "fwd_jaxpr_thunk", "bwd", "out_trees"}
        plain = tuple((name, self.value(given)) for name, given in params.items() if name not in traced)
        own = equation.primitive.name, plain
        if len(self._rules) == _ORDERS:
            # A rule that goes on for ever states the derivative by the function itself.
            return (own, self._rules.index(own)) if own in self._rules else Identity(equation)
        self._rules.append(own)
        try:
            rule = _derivative(equation)
            return own, self.value(rule)
        except Exception:  # it has no derivative of this kind: all that is known of it is who it is
            return own, Identity(equation)
        finally:
            self._rules.pop()


def _derivative(equation: Any) -> Any:
    """The operations that the rule of one operation's derivative does: forward, or there and back."""
    params = equation.params
    which = [
        i
        for i, v in enumerate(equation.invars)
        if i >= params.get("num_consts", 0) and jnp.issubdtype(v.aval.dtype, jnp.inexact)
    ]
    operands = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in equation.invars]
    one = core.jaxpr_as_fun(core.ClosedJaxpr(_alone(equation), []))

    def at(*operands: Any) -> tuple[Any, list[Any]]:
        def f(*moved: Any) -> Any:
            given = dict(enumerate(operands)) | dict(zip(which, moved, strict=True))
            return one(*given.values())

        return f, [operands[i] for i in which]

    def forward(operands: Any, tangents: Any) -> Any:
        f, moved = at(*operands)
        return jax.jvp(f, moved, tangents)

    def back(operands: Any, cotangents: Any) -> Any:
        f, moved = at(*operands)
        results, pull = jax.vjp(f, *moved)
        return results, pull(cotangents)

    if equation.primitive.name == "custom_jvp_call":
        return jax.make_jaxpr(forward)(operands, [operands[i] for i in which])
    results = [
        jax.ShapeDtypeStruct(v.aval.shape, jax.eval_shape(lambda v=v: jnp.zeros((), v.aval.dtype)).dtype)
        for v in equation.outvars
    ]
    return jax.make_jaxpr(back)(operands, results)


def _alone(equation: Any) -> Any:
    """One operation as a function of all of its operands."""
    operands = [core.Var(v.aval) for v in equation.invars]
    results = [core.Var(v.aval) for v in equation.outvars]
    return core.Jaxpr([], operands, results, [equation.replace(invars=operands, outvars=results)], equation.effects)


def _is_of_jax(x: object) -> bool:
    return str(getattr(x, "__module__", "")).partition(".")[0] in ("jax", "jaxlib")
