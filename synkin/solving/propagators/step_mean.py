"""g averaged over a step: the coefficients, once for a run, for the stretches of a kind of step.

Between two events g follows from the variables at the start of a step, and so does its mean: where g is a weighted sum
of variables whose equations are affine, the mean is another such sum. Where g is no such sum, it is taken at equal
distances within each stretch.
"""

from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array

from synkin.arguments.declaration import AnyParams
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators.closed_forms import decay, phis
from synkin.solving.propagators.equations import (
    augmented_matrix,
    generator,
    linearize,
    output_weights,
    stack_matrix,
)
from synkin.solving.propagators.gate_tables import MeanTable
from synkin.solving.propagators.matrix_exponential import affine_change_and_mean, markov_propagator_and_mean
from synkin.solving.propagators.of_kernel import Propagator, Stretches, exact_propagator

# Equal parts of a stretch within which g is no weighted sum of the variables; see `quadrature.newton_cotes`.
PARTS = 10


class WeightedMean(NamedTuple):
    """The mean as ``source r + sum over i of weights_i y_i``, with r = 1, or the fraction at rest of occupancies."""

    source: Array | None  # None where it is always 0
    weights: tuple[Array, ...]


class GateMean(NamedTuple):
    """The mean of the gate, and of the variable x that opens it, as parts of g."""

    table: MeanTable | None  # None where each step computes it
    x: WeightedMean


class PartsMean(NamedTuple):
    """Two stretches, each as one propagator for any of its equal parts, and as a fraction of the step."""

    propagators: tuple[Propagator, Propagator]
    fractions: tuple[Array, Array]


StepMean: TypeAlias = WeightedMean | GateMean | PartsMean


def step_mean(kernel: Kernel, params: AnyParams, stretches: Stretches, dt: Array) -> StepMean:
    """The mean over one kind of step.

    Args:
        kernel: a kernel of one part.
        params: its ``Params``, arrays of one dtype.
        stretches: of the step: one, or two.
        dt: ms, their sum.
    """
    structure = kernel.structure
    if structure.gated:
        return GateMean(None, of_relaxation(kernel, params, stretches, dt))
    if not structure.linear_output:
        return _in_parts(kernel, params, stretches, dt)
    if structure.kind == "relaxation":
        return of_relaxation(kernel, params, stretches, dt)
    return _of_matrix(kernel, params, stretches, dt)


def of_relaxation(kernel: Kernel, params: AnyParams, stretches: Stretches, dt: Array) -> WeightedMean:
    """The mean of the first variable, which no other drives, as a part of g."""
    structure, weight = kernel.structure, _weights(kernel, params)[0]
    zero = jnp.zeros((), weight.dtype)
    slope, base, kept, brought = zero, zero, jnp.ones_like(zero), zero
    for duration, with_transmitter in stretches:
        source, matrix = linearize(kernel, params, with_transmitter=with_transmitter)
        z = matrix[0][0] * duration
        first, second = phis(z)
        mean = duration * first
        slope, base = slope + mean * kept, base + mean * brought + source[0] * (duration**2 * second)
        lost = decay(-matrix[0][0], duration)
        kept, brought = kept - lost * kept, brought - lost * brought + source[0] * mean
    has_source = any((structure.source if at else structure.source_at_rest)[0] for _, at in stretches)
    return WeightedMean(weight * base / dt if has_source else None, (weight * slope / dt,))


def _of_matrix(kernel: Kernel, params: AnyParams, stretches: Stretches, dt: Array) -> WeightedMean:
    """The mean where the solution is the exponential of a matrix; a chain counts as one here."""
    structure = kernel.structure
    conserved = structure.kind == "occupancies"
    weights = _weights(kernel, params)
    zero = jnp.zeros_like(weights[0])
    # The resting state is the first of occupancies; else a last variable is always 1.
    row = stack_matrix([[zero, *weights] if conserved else [*weights, zero]])
    before: Array | None = None
    total: list[Array] = []
    for duration, with_transmitter in stretches:
        if conserved:
            given = generator(kernel, params, with_transmitter=with_transmitter)
            propagator, mean = markov_propagator_and_mean(given, duration)
        else:
            given = augmented_matrix(kernel, params, with_transmitter=with_transmitter)
            one = jnp.eye(structure.size + 1, dtype=given.dtype)
            changes = affine_change_and_mean(given, duration)
            propagator, mean = (change + jnp.broadcast_to(one, change.shape) for change in changes)
        of_stretch = _matmul(row, mean if before is None else _matmul(mean, before))
        before = propagator if before is None else _matmul(propagator, before)
        entries = [of_stretch[..., 0, j] * (duration / dt) for j in range(structure.size + 1)]
        total = entries if not total else [one + other for one, other in zip(total, entries, strict=True)]
    if conserved:
        return WeightedMean(total[0], tuple(total[1:]))
    has_source = any(structure.source) or any(structure.source_at_rest)
    return WeightedMean(total[-1] if has_source else None, tuple(total[:-1]))


def _in_parts(kernel: Kernel, params: AnyParams, stretches: Stretches, dt: Array) -> PartsMean:
    if len(stretches) == 1:
        ((duration, at),) = stretches
        stretches = [(duration / 2, at), (duration / 2, at)]
    first, second = (exact_propagator(kernel, params, [(duration / PARTS, at)]) for duration, at in stretches)
    return PartsMean((first, second), (stretches[0][0] / dt, stretches[1][0] / dt))


def _weights(kernel: Kernel, params: AnyParams) -> list[Array]:
    """The weight of each variable in g."""
    given = zip(output_weights(kernel, params), kernel.structure.output, strict=True)
    dtype = jax.tree.leaves(params)[0].dtype
    return [jnp.asarray(float(number), dtype) if weight is None else weight for weight, number in given]


def _matmul(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
