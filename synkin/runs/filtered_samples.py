"""Filters behind a function of time of which nothing is known but that it is smooth between samples."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import Array

from synkin.solving import filters
from synkin.solving.filters import Filter
from synkin.solving.propagators.equations import stack_matrix
from synkin.solving.propagators.matrix_exponential import affine_change, apply_by_squaring, squaring_table
from synkin.solving.propagators.quadrature import gauss_legendre

# The number of times between two samples at which the function is computed.
_NODES = 8


def filter_function(given: Sequence[Filter], function: Callable[[Array], Array], times: Array) -> Array:
    """What filters make of a function of time at the samples, (M,).

    Before the first sample the function is taken to have been for ever what it is there. Between two samples it is
    computed at the nodes of a Gauss-Legendre rule, so that the result is exact to rounding where it is smooth.

    Args:
        given: the filters.
        function: from times (N,) ms to values (N,).
        times: (M,) ms, in order.
    """
    chain = filters.chain_of(given)
    rates = [jnp.asarray(each.rate, times.dtype) for each in given]
    rows, inflow = filters.system(chain, rates)
    matrix, b = stack_matrix(rows), jnp.stack(inflow)
    table = squaring_table(matrix[None], conserved=0)
    nodes, weights = (jnp.asarray(x, times.dtype) for x in gauss_legendre(_NODES))
    length = jnp.diff(times)
    inside = times[None, :-1] + nodes[:, None] * length[None]
    values = function(jnp.concatenate([times[:1], inside.ravel()]))
    left = (1 - nodes)[:, None] * length[None]
    answer = apply_by_squaring(table, 0, jnp.broadcast_to(b[:, None], (len(b), left.size)), left.ravel())
    answer = answer.reshape(len(b), *left.shape) * values[1:].reshape(1, *left.shape)
    gained = jnp.einsum("nkm,k->mn", answer, weights) * length[:, None]

    def step(u: Array, each: tuple[Array, Array]) -> tuple[Array, Array]:
        ms, gained = each
        u = u + affine_change(matrix, ms) @ u + gained
        return u, u[-1]

    start = jnp.stack(filters.at_rest(chain, values[0]))
    _, recorded = jax.lax.scan(step, start, (length, gained))
    return jnp.concatenate([start[-1:], recorded])
