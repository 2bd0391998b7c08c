"""States and transitions: the matrix of rates, and the steady state."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.known import concrete_value
from synkin.declaring.scheme_text import Transition
from synkin.solving.propagators.equations import stack_matrix
from synkin.solving.propagators.matrix_exponential import stationary_distribution


@dataclass(frozen=True, eq=False)
class StateDiagram:
    """The states of a receptor and the transitions between them."""

    name: str  # of the scheme
    states: tuple[str, ...]
    transitions: tuple[Transition, ...]
    rates_of: Callable[[AnyParams, Array], list[Array]]  # takes params and T, gives the rate of each transition, /ms

    def matrix(self, params: AnyParams, T: Array) -> Array:
        """The matrix of rates; see `synkin.Scheme.generator`."""
        n = len(self.states)
        zero = jnp.zeros_like(params.T)
        rows = [[zero] * n for _ in self.states]
        for transition, rate in zip(self.transitions, self.rates_of(params, T), strict=True):
            i, j = self.states.index(transition.target), self.states.index(transition.source)
            rows[i][j] = rate if rows[i][j] is zero else rows[i][j] + rate
        for j in range(n):
            out = [rows[i][j] for i in range(n) if i != j and rows[i][j] is not zero]
            if out:
                rows[j][j] = -sum(out[1:], out[0])
        return stack_matrix(rows)

    def derivatives(self, p: AnyParams, y: AnyState, T: Array) -> dict[str, Array | float]:
        """The equations of a scheme: the derivative of the occupancy of each state but the first, per ms."""
        left = [getattr(y, state) for state in self.states[1:]]
        occupied = dict(zip(self.states, [1 - sum(left[1:], left[0]), *left], strict=True))
        slopes: dict[str, Array | float] = dict.fromkeys(self.states, 0.0)
        for transition, rate in zip(self.transitions, self.rates_of(p, T), strict=True):
            flow = rate * occupied[transition.source]
            slopes[transition.source] = slopes[transition.source] - flow
            slopes[transition.target] = slopes[transition.target] + flow
        return {state: slopes[state] for state in self.states[1:]}

    def possible(self, rates: Sequence[Array] | None, *, binding: bool) -> list[Transition]:
        """The transitions whose rate may be above 0; those that bind only if ``binding`` is True."""
        possible = []
        for i, transition in enumerate(self.transitions):
            known = None if rates is None else concrete_value(rates[i])
            if transition.rate.factor == 0 or (transition.binds and not binding):
                continue
            if known is None or (known != 0).any():
                possible.append(transition)
        return possible

    def closed(self, possible: list[Transition]) -> set[str]:
        """The states in which all receptors end up: a set that is never left.

        Raises:
            ValueError: there is more than one such set.
        """
        final = self._final(possible)
        if len(final) > 1:
            names = [next(state for state in self.states if state in found) for found in final[:2]]
            raise ValueError(
                f"{self.name} must have one steady state, but has several: no transition with a rate above 0 leads "
                f"away from {names[0]}, nor from {names[1]}."
            )
        return final[0]

    def steady_occupancies(self, params: AnyParams, T: Array) -> Array:
        """Occupancies of the steady state, (..., n) in the order of the states."""
        rates = self.rates_of(params, T)
        known = concrete_value(T)
        closed = self.closed(self.possible(rates, binding=known is None or bool((known != 0).any())))
        # Without transmitter the set is smaller. A state that is in both sets serves with and without transmitter.
        if known is None or (known == 0).any():
            resting = self._final(self.possible(rates, binding=False))
            closed = (closed & resting[0] or closed) if len(resting) == 1 else closed
        first = next(i for i, state in enumerate(self.states) if state in closed)
        return _steady(self, first, params, T)

    def _final(self, possible: list[Transition]) -> list[set[str]]:
        """The sets of states that are never left, and in which each state leads to all others."""
        reach = {state: {state} for state in self.states}
        for _ in self.states:
            for transition in possible:
                for found in reach.values():
                    if transition.source in found:
                        found.add(transition.target)
        final = [found for state, found in reach.items() if all(state in reach[other] for other in found)]
        return [found for i, found in enumerate(final) if found not in final[:i]]


@partial(jax.jit, static_argnums=(0, 1))
def _steady(diagram: StateDiagram, first: int, params: AnyParams, T: Array) -> Array:
    """Steady occupancies of a diagram in which all states lead to the ``first``."""
    n = len(diagram.states)
    order = np.array([first, *(i for i in range(n) if i != first)])
    generator = diagram.matrix(params, T)
    return stationary_distribution(generator[..., order, :][..., :, order])[..., np.argsort(order)]
