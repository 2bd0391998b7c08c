"""A readout as operations that a run compiles once; `synkin.tracing.readouts` makes it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

import jax
from jax import Array

from synkin.arguments.declaration import AnyState, Pytree

if TYPE_CHECKING:
    from jax.extend import core


class Program:
    """The operations of a readout: ``program(state, g, *constants)`` returns a list of arrays."""

    def __init__(self, jaxpr: core.Jaxpr, key: Hashable = None) -> None:
        self._jaxpr, self.key = jaxpr, key
        self.calls_python = any(map(_calls_python, jaxpr.eqns))
        self.compiled: Callable[..., tuple[AnyState, Pytree]] | None = None  # the run whose steps this reads
        self.compiled_varying: Callable[..., tuple[AnyState, Array | None, Pytree]] | None = None

    def __call__(self, state: AnyState, g: Array, *constants: Array) -> list[Array]:
        return jax.core.eval_jaxpr(self._jaxpr, constants, *state, g)

    def without_effects(self) -> Program:
        """The same without callbacks of which nothing is used, for where a value is computed a second time.

        Raises:
            ValueError: a result of a callback with effects is used.
        """
        from jax.extend import core

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


def _calls_python(equation: core.JaxprEqn) -> bool:
    """Whether an operation, or one within it, calls Python or has effects."""
    from jax.extend import core

    if equation.effects or equation.primitive.name.endswith("callback"):
        return True
    values = jax.tree.leaves(list(equation.params.values()))
    inner = (value for value in values if isinstance(value, core.Jaxpr | core.ClosedJaxpr))
    return any(_calls_python(each) for jaxpr in inner for each in jaxpr.eqns)
