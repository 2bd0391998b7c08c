"""What solving reads off a kernel's equations: their matrices, and how g is made of the variables.

Variables are tuples of arrays in the order of the kernel's `synkin.solving.structure.Structure`.
"""

from typing import TypeAlias, cast

import jax
import jax.numpy as jnp
from jax import Array

from synkin.arguments.declaration import AnyParams
from synkin.solving.kernel_protocol import Kernel

Variables: TypeAlias = tuple[Array, ...]


def linearize(kernel: Kernel, params: AnyParams, *, with_transmitter: bool) -> tuple[list[Array], list[list[Array]]]:
    """The affine equations ``y' = source + matrix y`` of a kernel: the source and the rows of the matrix, /ms.

    The elements are arrays of the parameters' shapes.
    """
    zero = jnp.zeros((), _dtype(params))
    at_0 = (zero,) * kernel.structure.size
    T = params.T if with_transmitter else zero

    def f(y: Variables) -> Variables:
        return tuple(jnp.asarray(d) for d in kernel.derivatives(params, y, T))

    columns = [jax.jvp(f, (at_0,), (_unit_vector(at_0, j),)) for j in range(len(at_0))]
    return list(columns[0][0]), [[column[1][i] for column in columns] for i in range(len(at_0))]


def augmented_matrix(kernel: Kernel, params: AnyParams, *, with_transmitter: bool) -> Array:
    """The matrix of affine equations, (..., n + 1, n + 1), whose last variable is always 1 and carries the source."""
    source, matrix = linearize(kernel, params, with_transmitter=with_transmitter)
    rows = [[*row, inflow] for row, inflow in zip(matrix, source, strict=True)]
    return stack_matrix([*rows, [jnp.zeros_like(source[0])] * (len(source) + 1)])


def generator(kernel: Kernel, params: AnyParams, *, with_transmitter: bool) -> Array:
    """The matrix of rates between the states of a receptor, /ms, (..., n + 1, n + 1), the resting state first.

    Element [i, j] is the rate from j to i. A scheme states it; for other kernels it is the derivative of i where all
    receptors are in j.
    """
    structure = kernel.structure
    zero = jnp.zeros((), _dtype(params))
    at_0 = (zero,) * structure.size
    T = params.T if with_transmitter else zero
    if kernel.matrix is not None:
        return kernel.matrix(params, T)
    columns = []
    for j in range(-1, structure.size):
        y = at_0 if j < 0 else _unit_vector(at_0, j)
        column = [jnp.asarray(d) for d in kernel.derivatives(params, y, T)]
        # `structure.find` has seen that no rate is negative; rounding may still bring one below 0.
        column = [_clip_at_0(d) if i != j else d for i, d in enumerate(column)]
        if j >= 0:
            to_rest = _clip_at_0(cast(Array, -sum(column)))
            others = [d for i, d in enumerate(column) if i != j]
            column[j] = cast(Array, -sum([to_rest, *others]))
            columns.append([to_rest, *column])
        else:
            columns.append([cast(Array, -sum(column)), *column])
    return jnp.swapaxes(stack_matrix(columns), -1, -2)


def stack_matrix(rows: list[list[Array]]) -> Array:
    """A matrix, (..., rows, columns), of elements whose shapes broadcast."""
    shape = jnp.broadcast_shapes(*(entry.shape for row in rows for entry in row))
    return jnp.stack([jnp.stack([jnp.broadcast_to(e, shape) for e in row], axis=-1) for row in rows], axis=-2)


def output_weights(kernel: Kernel, params: AnyParams) -> AnyParams:
    """What `conductance` needs of the parameters.

    Returns:
        Where g is a sum of the variables, a tuple with the weight of each, or None where the weight is a plain number
        of the structure. Where g is no such sum, the parameters.
    """
    structure = kernel.structure
    if not structure.linear_output:
        return params
    zero = jnp.zeros((), _dtype(params))
    at_0 = (zero,) * structure.size

    def weight_of(i: int) -> Array:
        return jax.jvp(lambda y: kernel.conductance_of(params, y), (at_0,), (_unit_vector(at_0, i),))[1]

    return tuple(weight_of(i) if weight is True else None for i, weight in enumerate(structure.output))


def conductance(kernel: Kernel, weights: AnyParams, y: Variables) -> Array:
    """g in mS (or as a fraction of its maximum).

    Args:
        kernel: a kernel of one part.
        weights: what `output_weights` returned.
        y: variables, of any one shape.
    """
    structure = kernel.structure
    if not structure.linear_output:
        return kernel.conductance_of(weights, y)
    total = None
    for variable, number, weight in zip(y, structure.output, weights, strict=True):
        if weight is None and number == 0:
            continue
        part = weight * variable if weight is not None else variable if number == 1 else float(number) * variable
        total = part if total is None else total + part
    return jnp.zeros_like(y[0]) if total is None else total


def _unit_vector(zeros: Variables, j: int) -> Variables:
    return tuple(jnp.ones_like(zero) if i == j else zero for i, zero in enumerate(zeros))


def _clip_at_0(rate: Array) -> Array:
    """The maximum of ``rate`` and 0, with the derivative of ``rate`` everywhere."""
    return rate + jax.lax.stop_gradient(jnp.maximum(rate, 0) - rate)


def _dtype(params: AnyParams) -> jnp.dtype:
    return jax.tree.leaves(params)[0].dtype
