"""A kernel whose g goes through filters: the kernel's equations, with those of the filters behind them.

Where the equations are linear between events, and g is a sum of the variables, kernel and filters together are a larger
linear system. One exponential of a matrix solves it as exactly as the kernel alone, over stretches of any length, so
that `synkin.respond` and `synkin.concentration_jumps` run it as they run others. A gate, or a g that is no sum, has no
matrix: see `synkin.runs.filtering`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from synkin.arguments import units
from synkin.arguments.bind import cast as cast_params
from synkin.arguments.choices import check_kernel
from synkin.arguments.declaration import AnyParams, AnyState, Parameter
from synkin.arguments.params_and_states import check_params, check_state
from synkin.declaring.kernel import Kernel, named_tuple
from synkin.solving import filters
from synkin.solving.filters import Chain, Filter
from synkin.solving.kernel_protocol import Kernel as AnyKernel
from synkin.solving.propagators.equations import conductance, generator, output_weights, stack_matrix
from synkin.solving.structure import Structure

_RATE, _VARIABLE = "filter_rate", "filtered"
# The number of kernels with filters that are kept, as each is compiled anew.
_KEPT = 128


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Filtered(Kernel):
    """A kernel of one part with filters behind it; its ``Params`` has the rate of each filter too."""

    inner: Kernel
    chain: Chain

    @property
    def has_matrix(self) -> bool:
        """Whether it is solved by a matrix."""
        return self.inner.structure.linear_output and not self.inner.structure.gated

    def split_params(self, params: AnyParams) -> tuple[AnyParams, Sequence[Array]]:
        """The ``Params`` of the kernel, and the rate of each filter."""
        n = len(self.inner.Params._fields)
        return self.inner.Params(*params[:n]), params[n:]

    def split_state(self, state: AnyState) -> tuple[AnyState, Sequence[Array]]:
        """The ``State`` of the kernel, and the variables of the filters."""
        n = len(self.inner.State._fields)
        return self.inner.State(*state[:n]), state[n:]

    def check_params(self, params: AnyParams) -> None:
        """Raise ValueError if concrete parameters do not fit the equations."""
        self.inner.check_params(self.split_params(params)[0])

    def derivatives(self, params: AnyParams, y: tuple[Array, ...], T: object) -> tuple[Array, ...]:
        """The derivatives of the variables, both in solving order."""
        given, rates = self.split_params(params)
        n = self.inner.structure.size
        rows, inflow = filters.system(self.chain, rates)
        g = self.inner.conductance_of(given, y[:n])
        driven = [
            sum((a * u for a, u in zip(row, y[n:], strict=True)), b * g) for row, b in zip(rows, inflow, strict=True)
        ]
        return *self.inner.derivatives(given, y[:n], T), *driven

    def conductance_of(self, params: AnyParams, y: tuple[Array, ...]) -> Array:
        """What is recorded, from the variables in solving order."""
        return y[-1]


class FilteredRun(NamedTuple):
    """A kernel with filters behind it, and what it is run with."""

    kernel: Kernel
    params: AnyParams
    state: AnyState


def with_filters(kernel: AnyKernel, params: AnyParams, state: AnyState, given: tuple[Filter, ...]) -> FilteredRun:
    """A kernel and what it is run with, with filters behind it.

    Args:
        kernel: a kernel.
        params: its ``Params``, scalars.
        state: its ``State`` of shape (), or None; the filters are at rest at its g.
        given: the filters, in a row.

    Raises:
        TypeError, ValueError: no kernel, or params or a state that are not those of the kernel.
    """
    check_kernel(kernel)
    assert isinstance(kernel, Kernel)
    plain = check_params(units.params(kernel, params), (), kernel)
    both = filtered(kernel, filters.chain_of(given))
    rates = {
        name: given[int(name.rpartition(_RATE)[2])].rate for name in both.Params._fields if name not in params._fields
    }
    extended = both.Params(**params._asdict(), **rates)
    if state is None:
        return FilteredRun(both, extended, None)
    state = check_state(kernel, units.state(state, kernel), ())
    own = zip(kernel.parts, both.parts, kernel.params_of(plain), kernel.states_of(state), strict=True)
    return FilteredRun(both, extended, both.state_of(_at_rest_behind(*each) for each in own))


@functools.lru_cache(_KEPT)
def filtered(kernel: Kernel, chain: Chain) -> Kernel:
    """A kernel with filters behind it: of a sum the sum of its parts, each with filters behind it."""
    if len(kernel.parts) > 1:
        return Kernel.sum_of(*(filtered(part, chain) for part in kernel.parts))
    inner, count = kernel.structure, filters.size(chain)
    variables = [f"{_VARIABLE}{i}" for i in range(count)]
    rates = [f"{_RATE}{i}" for i in range(len(chain))]
    known = {name: Parameter(name, None, "1/ms", positive=True, signed=False) for name in rates}
    home = __name__
    size = inner.size + count
    occupancies = inner.kind == "occupancies" and inner.linear_output
    structure = Structure(
        kind="occupancies" if occupancies else "affine",
        order=(*inner.order, *range(inner.size, size)),
        source=(*inner.source, *(False,) * count),
        source_at_rest=(*inner.source_at_rest, *(False,) * count),
        drive=((True,) * size,) * size,
        decays_as=tuple(range(size)),
        closing_driven=False,
        coupled=True,
        output=(*(0,) * (size - 1), 1),
        linear_output=True,
        occupancies=False,  # not of receptors alone
        followers=count if occupancies else 0,
    )
    return Filtered(
        name=kernel.name,
        equations=kernel.equations,
        Params=named_tuple("Params", kernel.name, home, [*kernel.Params._fields, *rates]),
        State=named_tuple("State", kernel.name, home, [*kernel.State._fields, *variables]),
        input=kernel.input,
        parameters={**kernel.parameters, **known},
        variables={**kernel.variables, **dict.fromkeys(variables, "1")},
        methods=("exact",),
        always_exact=True,
        find_structure=lambda: structure,
        conductance=kernel.conductance,
        matrix=functools.partial(_matrix, kernel, chain) if occupancies else None,
        rest=None if kernel.rest is None else functools.partial(_rest, kernel, chain),
        home=home,
        about=kernel.__doc__,
        inner=kernel,
        chain=chain,
    )


def _at_rest_behind(kernel: Kernel, both: Any, params: AnyParams, state: AnyState) -> AnyState:
    """A state of a kernel with the filters at rest behind its g."""
    y = tuple(getattr(state, name) for name in kernel.order)
    g = conductance(kernel, output_weights(kernel, cast_params(params, y[0].dtype)), y)
    return both.State(*state, *filters.at_rest(both.chain, g))


def _rest(kernel: Kernel, chain: Chain, params: AnyParams) -> list[Array]:
    """The variables at rest, in solving order, of the ``Params`` of a kernel with filters behind it."""
    assert kernel.rest is not None
    own = kernel.Params(*params[: len(kernel.Params._fields)])
    y = tuple(jnp.asarray(value, own[0].dtype) for value in kernel.rest(own))
    return [*y, *filters.at_rest(chain, conductance(kernel, output_weights(kernel, own), y))]


def _matrix(kernel: Kernel, chain: Chain, params: AnyParams, T: Array) -> Array:
    """The matrix of the rates between the states of a receptor, the resting one first, and of the filters behind it."""
    n = len(kernel.Params._fields)
    own = kernel.Params(*params[:n])
    rows, inflow = filters.system(chain, params[n:])
    occupancies = generator(kernel, own._replace(T=T), with_transmitter=True)
    zero = jnp.zeros_like(occupancies[..., 0, 0])
    weights = [
        zero + (number if weight is None else weight)
        for number, weight in zip(kernel.structure.output, output_weights(kernel, own), strict=True)
    ]
    states = range(len(weights) + 1)
    above = [[occupancies[..., i, j] for j in states] + [zero] * len(rows) for i in states]
    below = [[zero, *(b * weight for weight in weights), *row] for row, b in zip(rows, inflow, strict=True)]
    return stack_matrix([*above, *below])
