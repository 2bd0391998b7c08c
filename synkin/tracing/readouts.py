"""What `synkin.simulate` keeps of a step, as the operations that a readout does.

A readout may be a new function with every call, and what it closes over may change. So it is traced, its arrays and
floating numbers become inputs, and what remains is looked up by a key of `synkin.tracing.sameness`: the same
operations are compiled once. Where a function and all that it can see are as in a call before, it is not even traced.
"""

import collections
import functools
import types
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from jax.extend import core

from synkin.tracing import closures, sameness

# Programs that are kept, with what JAX compiled for them: those that were used last.
_PROGRAMS = 64
_kept: collections.OrderedDict[Any, "Program"] = collections.OrderedDict()
# How readouts were opened before, by the id of their code: forgotten when that is.
_known: dict[int, list["_Before"]] = {}
# Of one code so many are remembered.
_OF_ONE_CODE = 4
# Arrays above this size are not kept alive.
_BYTES = 2**16

_JAXPRS = (core.Jaxpr, core.ClosedJaxpr)
# Of a power XLA makes products if the exponent is known.
_PLAIN_OPERANDS = {"pow": (1,)}


class Program:
    """The operations of a readout, as a function of arrays: ``program(state, g, *constants)`` gives a list."""

    def __init__(self, jaxpr: Any, key: Any = None) -> None:
        self._jaxpr, self.key = jaxpr, key
        self.calls_python = any(map(_calls_python, jaxpr.eqns))
        self.compiled: Callable[..., Any] | None = None  # the run that keeps what this reads
        self.compiled_varying: Callable[..., Any] | None = None  # the same where parameters vary

    def __call__(self, state: Any, g: Array, *constants: Any) -> list[Any]:
        return jax.core.eval_jaxpr(self._jaxpr, constants, *state, g)

    def without_effects(self) -> "Program":
        """The same without what only acts on the world outside, for where a value is computed a second time."""
        if not self._jaxpr.effects:
            return self
        needed = {v for v in self._jaxpr.outvars if not isinstance(v, core.Literal)}
        equations = []
        for equation in reversed(self._jaxpr.eqns):
            if needed.intersection(equation.outvars):
                needed.update(v for v in equation.invars if not isinstance(v, core.Literal))
                equations.append(equation)
        effects = set().union(*(equation.effects for equation in equations))
        if effects:
            raise ValueError(
                "Argument `readout` must not use what an `io_callback` returns where it is differentiated, as this is "
                "computed twice, but does: use `jax.pure_callback`, or keep what is to be written and write it after "
                "the run."
            )
        return Program(self._jaxpr.replace(eqns=equations[::-1], effects=effects))


class Opened(NamedTuple):
    """A readout of one call."""

    program: Program
    constants: list[Any]  # the inputs of the program that it closes over
    structure: Any  # of what it returns


class _Before(NamedTuple):
    """How a readout was opened that a function of this code gave."""

    surroundings: Any  # a key of all that the function could see
    asked: Any  # the answer of JAX to `_nothing`, which is a new one wherever JAX would trace anew
    program: Any  # a weak reference
    constants: list[Any]  # large arrays by weak references, so that they are free when their owner lets them go
    structure: Any


def opened(readout: Callable[..., Any], state: Any) -> Opened:
    """The program of ``readout`` and what it closes over.

    Args:
        readout: ``readout(state, g)``.
        state: a ``State`` as the readout gets it; g is like its fields.
    """
    code = _code(readout)
    surroundings = None if code is None else closures.surroundings(readout)
    if surroundings is None:
        return _traced(readout, state)
    asked = jax.make_jaxpr(_nothing)(state, state[0]).jaxpr
    known = _known.get(id(code), [])
    for before in known:
        if before.asked is asked and before.surroundings == surroundings:
            found = _again(before)
            if found is not None:
                return found
    found = _traced(readout, state)
    if found.program.key is None:
        return found
    if id(code) not in _known:
        name = id(code)
        weakref.finalize(code, _known.pop, name, None)
        known = _known[name] = []
    held = [weakref.ref(x) if isinstance(x, jax.Array) and x.nbytes > _BYTES else x for x in found.constants]
    known.insert(0, _Before(surroundings, asked, weakref.ref(found.program), held, found.structure))
    del known[_OF_ONE_CODE:]
    return found


def _nothing(state: object, g: Array) -> tuple[()]:
    return ()


def _code(readout: object) -> Any:
    while isinstance(readout, functools.partial):
        readout = readout.func
    return readout.__code__ if isinstance(readout, types.FunctionType) else None


def _again(before: _Before) -> Opened | None:
    """What was opened before, if all of it is still there."""
    program = before.program()
    constants = [x() if isinstance(x, weakref.ref) else x for x in before.constants]
    if program is None or any(x is None for x in constants):
        return None
    if program.key in _kept:
        _kept.move_to_end(program.key)
    return Opened(program, constants, before.structure)


def _traced(readout: Callable[..., Any], state: Any) -> Opened:
    # By a new function: of one that JAX has traced before it would keep what that closed over then.
    closed, shape = jax.make_jaxpr(lambda state, g: readout(state, g), return_shape=True)(state, state[0])
    flat, structure = _Flat(closed), jax.tree.structure(shape)
    if flat.keys.traced:  # of no use to any other call
        return Opened(Program(flat.jaxpr()), flat.inputs, structure)
    program = _kept.pop(flat.key, None)
    if program is None:
        program = Program(flat.jaxpr(), flat.key)
    _kept[flat.key] = program
    if len(_kept) > _PROGRAMS:
        _kept.popitem(last=False)
    return Opened(program, flat.inputs, structure)


class _Flat:
    """Operations without inner `jax.jit`, all that they close over among their inputs, and their key."""

    def __init__(self, closed: Any) -> None:
        self.keys = sameness.Keys()
        self.inputs: list[Any] = list(closed.consts)
        self._original = closed.jaxpr
        self._inputs = [core.Var(v.aval) for v in closed.jaxpr.constvars]  # their variables
        self._number: dict[Any, int] = {}
        self._equations: list[tuple[Any, list[Any], list[Any]]] = []
        self._parts: list[Any] = []
        for variable in (*self._inputs, *closed.jaxpr.invars):
            self._name(variable)
        known = dict(zip(closed.jaxpr.constvars, self._inputs, strict=True))
        self._results = self._walk(closed.jaxpr, known | {v: v for v in closed.jaxpr.invars})
        results = tuple(self._key_of(atom) for atom in self._results)
        kinds = tuple(self.keys.value(v.aval) for v in (*self._inputs, *closed.jaxpr.invars))
        self.key = kinds, len(self._inputs), tuple(self._parts), results

    def jaxpr(self) -> Any:
        """The operations, made anew."""
        equations = [own.replace(invars=operands, outvars=outcomes) for own, operands, outcomes in self._equations]
        return self._original.replace(constvars=self._inputs, eqns=equations, outvars=self._results)

    def _walk(self, jaxpr: Any, known: dict[Any, Any]) -> list[Any]:
        """Take all operations of ``jaxpr``; ``known`` are what its variables are called here."""

        def read(atom: object) -> Any:
            return atom if isinstance(atom, core.Literal) else known[atom]

        for equation in jaxpr.eqns:
            operands = [read(atom) for atom in equation.invars]
            inner = _inner(equation)
            if inner is not None:
                own = dict(zip(inner.jaxpr.invars, operands, strict=True))
                for variable, value in zip(inner.jaxpr.constvars, inner.consts, strict=True):
                    own[variable] = self._input(variable.aval, value)
                known.update(zip(equation.outvars, self._walk(inner.jaxpr, own), strict=True))
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

    def _name(self, variable: object) -> None:
        self._number[variable] = len(self._number)

    def _key_of(self, atom: object) -> Any:
        return self.keys.literal(atom) if isinstance(atom, core.Literal) else self._number[atom]

    def _input(self, kind: Any, value: Any) -> Any:
        variable = core.Var(kind)
        self._name(variable)
        self._inputs.append(variable)
        self.inputs.append(value)
        return variable

    def _lifted(self, atom: object) -> Any:
        """An input in place of a floating number, as this may be one that the readout closes over."""
        if not isinstance(atom, core.Literal):
            return atom
        kind: Any = atom.aval
        if not isinstance(kind.dtype, np.dtype) or not np.issubdtype(kind.dtype, np.floating) or kind.shape:
            return atom
        if kind.weak_type:  # as Python's numbers are, but only of the default dtype
            if kind.dtype != jax.dtypes.canonicalize_dtype(float):
                return atom
            return self._input(kind, float(atom.val))
        return self._input(kind, np.asarray(atom.val, kind.dtype))


def _inner(equation: Any) -> Any:
    """The operations of an inner `jax.jit` that says nothing but what to compute, else None."""
    params = equation.params
    if equation.primitive.name not in ("jit", "pjit") or not isinstance(params.get("jaxpr"), core.ClosedJaxpr):
        return None
    said = [*params.get("in_layouts", ()), *params.get("out_layouts", ()), *params.get("compiler_options_kvs", ())]
    shardings = (*params.get("in_shardings", ()), *params.get("out_shardings", ()))
    unsaid = all(type(sharding).__name__ == "UnspecifiedValue" for sharding in shardings)
    if not unsaid or any(x is not None for x in said) or any(params.get("donated_invars", ())):
        return None
    return params["jaxpr"]


def _calls_python(equation: Any) -> bool:
    """Whether an operation calls Python, or acts on the world outside, also within."""
    if equation.effects or equation.primitive.name.endswith("callback"):
        return True
    inner = (own for own in jax.tree.leaves(list(equation.params.values())) if isinstance(own, _JAXPRS))
    return any(_calls_python(own) for jaxpr in inner for own in jaxpr.eqns)
