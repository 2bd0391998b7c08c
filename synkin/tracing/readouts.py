"""What `synkin.simulate` keeps of a step, as the operations that a readout does.

A readout may be a new function in every call, and what it closes over may change. So it is traced, its arrays and
floating numbers become inputs, and the operations are looked up by a key of `synkin.tracing.sameness`: the same
operations are compiled once. A function is not traced again if it and all that it can see are as in an earlier call.
"""

from __future__ import annotations

import collections
import functools
import types
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np
from jax import Array
from jax.extend import core

from synkin.arguments.declaration import AnyState, Pytree
from synkin.tracing import closures, sameness
from synkin.tracing.program import Program
from synkin.tracing.sameness import Key

Atom: TypeAlias = core.Var | core.Literal  # an operand or a result

# The number of programs that are kept with what JAX compiled for them: those that were used last.
_PROGRAMS = 64
_kept: collections.OrderedDict[Key, Program] = collections.OrderedDict()
# Readouts of earlier calls, by the id of their code; an entry is removed when its code is deleted.
_known: dict[int, list[_Earlier]] = {}
# The number of earlier readouts of one code that are kept.
_OF_ONE_CODE = 4
# Arrays above this size are not kept alive.
_BYTES = 2**16

# Operands that stay numbers: XLA makes products of a power whose exponent is known.
_PLAIN_OPERANDS = {"pow": (1,)}


class Opened(NamedTuple):
    """A readout of one call."""

    program: Program
    constants: list[Array]  # what the readout closes over, which are inputs of the program
    structure: jax.tree_util.PyTreeDef  # of what the readout returns


class _Earlier(NamedTuple):
    """A readout of an earlier call."""

    surroundings: Key  # of all that the function could see
    context: core.Jaxpr  # a trace of `_nothing`, which is a new object wherever JAX would trace again
    program: weakref.ref[Program]
    constants: list[Array | weakref.ref[Array]]  # large arrays by weak references, so that their owner can free them
    structure: jax.tree_util.PyTreeDef


def opened(readout: Callable[..., Pytree], state: AnyState) -> Opened:
    """The program of ``readout`` and what it closes over.

    Args:
        readout: ``readout(state, g)``.
        state: a ``State`` as the readout gets it; g has the shape and dtype of its fields.
    """
    code = _code(readout)
    surroundings = None if code is None else closures.surroundings(readout)
    if surroundings is None:
        return _traced(readout, state)
    context = jax.make_jaxpr(_nothing)(state, state[0]).jaxpr
    known = _known.get(id(code), [])
    for earlier in known:
        if earlier.context is context and earlier.surroundings == surroundings:
            again = _open_again(earlier)
            if again is not None:
                return again
    new = _traced(readout, state)
    if new.program.key is None:
        return new
    if id(code) not in _known:
        name = id(code)
        weakref.finalize(code, _known.pop, name, None)
        known = _known[name] = []
    constants = [weakref.ref(x) if isinstance(x, jax.Array) and x.nbytes > _BYTES else x for x in new.constants]
    known.insert(0, _Earlier(surroundings, context, weakref.ref(new.program), constants, new.structure))
    del known[_OF_ONE_CODE:]
    return new


def _nothing(state: AnyState, g: Array) -> tuple[()]:
    return ()


def _code(readout: object) -> types.CodeType | None:
    while isinstance(readout, functools.partial):
        readout = readout.func
    return readout.__code__ if isinstance(readout, types.FunctionType) else None


def _open_again(earlier: _Earlier) -> Opened | None:
    """The readout of an earlier call, if its program and its arrays still exist."""
    program = earlier.program()
    all_constants = [x() if isinstance(x, weakref.ref) else x for x in earlier.constants]
    constants = [x for x in all_constants if x is not None]
    if program is None or len(constants) < len(all_constants):
        return None
    if program.key in _kept:
        _kept.move_to_end(program.key)
    return Opened(program, constants, earlier.structure)


def _traced(readout: Callable[..., Pytree], state: AnyState) -> Opened:
    # A new function: JAX would reuse an earlier trace of the same function, with what it closed over then.
    closed, shape = jax.make_jaxpr(lambda state, g: readout(state, g), return_shape=True)(state, state[0])
    flat, structure = _Flat(closed), jax.tree.structure(shape)
    if flat.keys.traced:  # no other call can have the same key
        return Opened(Program(flat.jaxpr()), flat.inputs, structure)
    program = _kept.pop(flat.key, None)
    if program is None:
        program = Program(flat.jaxpr(), flat.key)
    _kept[flat.key] = program
    if len(_kept) > _PROGRAMS:
        _kept.popitem(last=False)
    return Opened(program, flat.inputs, structure)


class _Flat:
    """Operations without inner `jax.jit`, with all that they close over as inputs, and their key."""

    def __init__(self, closed: core.ClosedJaxpr) -> None:
        self.keys = sameness.Keys()
        self.inputs: list[Any] = list(closed.consts)
        self._original = closed.jaxpr
        self._inputs = [core.Var(v.aval) for v in closed.jaxpr.constvars]  # their variables
        self._number: dict[core.Var, int] = {}
        self._equations: list[tuple[core.JaxprEqn, list[Atom], list[core.Var]]] = []
        self._parts: list[Key] = []
        for variable in (*self._inputs, *closed.jaxpr.invars):
            self._name(variable)
        known: dict[core.Var, Atom] = dict(zip(closed.jaxpr.constvars, self._inputs, strict=True))
        self._results = self._walk(closed.jaxpr, known | {v: v for v in closed.jaxpr.invars})
        results = tuple(self._key_of(atom) for atom in self._results)
        kinds = tuple(self.keys.value(v.aval) for v in (*self._inputs, *closed.jaxpr.invars))
        self.key = kinds, len(self._inputs), tuple(self._parts), results

    def jaxpr(self) -> core.Jaxpr:
        """The operations as a jaxpr."""
        equations = [own.replace(invars=operands, outvars=outcomes) for own, operands, outcomes in self._equations]
        return self._original.replace(constvars=self._inputs, eqns=equations, outvars=self._results)

    def _walk(self, jaxpr: core.Jaxpr, known: dict[core.Var, Atom]) -> list[Atom]:
        """Take over all operations of ``jaxpr``; ``known`` maps its variables to those of this object."""

        def read(atom: Atom) -> Atom:
            return atom if isinstance(atom, core.Literal) else known[atom]

        for equation in jaxpr.eqns:
            operands = [read(atom) for atom in equation.invars]
            inner = _inner(equation)
            if inner is not None:
                inside = dict(zip(inner.jaxpr.invars, operands, strict=True))
                for variable, value in zip(inner.jaxpr.constvars, inner.consts, strict=True):
                    inside[variable] = self._input(variable.aval, value)
                known.update(zip(equation.outvars, self._walk(inner.jaxpr, inside), strict=True))
                continue
            plain = _PLAIN_OPERANDS.get(equation.primitive.name, ())
            operands = [self._lifted(atom) if i not in plain else atom for i, atom in enumerate(operands)]
            self._parts.append(self.keys.operation(equation, [self._key_of(atom) for atom in operands]))
            outcomes = [v if isinstance(v, core.DropVar) else core.Var(v.aval) for v in equation.outvars]
            for variable, outcome in zip(equation.outvars, outcomes, strict=True):
                self._name(outcome)
                known[variable] = outcome
            self._equations.append((equation, operands, outcomes))
        return [read(atom) for atom in jaxpr.outvars]

    def _name(self, variable: core.Var) -> None:
        self._number[variable] = len(self._number)

    def _key_of(self, atom: Atom) -> Key:
        return self.keys.literal(atom) if isinstance(atom, core.Literal) else self._number[atom]

    def _input(self, kind: jax.core.AbstractValue, value: object) -> core.Var:
        variable = core.Var(kind)
        self._name(variable)
        self._inputs.append(variable)
        self.inputs.append(value)
        return variable

    def _lifted(self, atom: Atom) -> Atom:
        """An input in place of a floating number, as the readout may close over this number."""
        if not isinstance(atom, core.Literal):
            return atom
        kind: Any = atom.aval
        if not isinstance(kind.dtype, np.dtype) or not np.issubdtype(kind.dtype, np.floating) or kind.shape:
            return atom
        if kind.weak_type:  # a Python number has the default dtype
            if kind.dtype != jax.dtypes.canonicalize_dtype(float):
                return atom
            return self._input(kind, float(atom.val))
        return self._input(kind, np.asarray(atom.val, kind.dtype))


def _inner(equation: core.JaxprEqn) -> core.ClosedJaxpr | None:
    """The operations of an inner `jax.jit` that has no options; else None."""
    params = equation.params
    if equation.primitive.name not in ("jit", "pjit") or not isinstance(params.get("jaxpr"), core.ClosedJaxpr):
        return None
    options = [*params.get("in_layouts", ()), *params.get("out_layouts", ()), *params.get("compiler_options_kvs", ())]
    shardings = (*params.get("in_shardings", ()), *params.get("out_shardings", ()))
    unspecified = all(type(sharding).__name__ == "UnspecifiedValue" for sharding in shardings)
    if not unspecified or any(x is not None for x in options) or any(params.get("donated_invars", ())):
        return None
    inner: core.ClosedJaxpr = params["jaxpr"]
    return inner
