"""The derivative of a block of steps of a gate: all at once what does not go from step to step.

Within a block the variables before each step are known. So the derivative of each step with respect to them, and the
change that the tangents of the coefficients bring, are computed for all steps of the block together. What is left to be
done step by step is a linear recursion of two variables.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import Array

from synkin.solving import loops, steps
from synkin.solving.coefficients import StepCoefficients, rates_of
from synkin.solving.propagators import gate_tables
from synkin.solving.propagators.closed_forms import open_gate
from synkin.solving.propagators.equations import Variables
from synkin.solving.propagators.gate_integrals import gate_integrals_and_slopes
from synkin.solving.propagators.gate_rates import Rates
from synkin.solving.structure import Structure

Pair: TypeAlias = tuple[Array, Array]
_Given: TypeAlias = tuple[Rates, list[Array]]  # the rates of a gate, and the durations of the stretches of a step


class Tangents(NamedTuple):
    """The tangents after each step, of those before it: ``dx = x_by_x dx + x``, ``dg = g_by_x dx + g_by_g dg + g``."""

    x_by_x: Array
    g_by_x: Array
    g_by_g: Array
    x: Array
    g: Array


def after_step(tangents: Tangents, d_y: Variables) -> Variables:
    """The tangents of x and g after a step."""
    dx, dg = d_y
    return tangents.x_by_x * dx + tangents.x, tangents.g_by_x * dx + tangents.g_by_g * dg + tangents.g


def of_block(
    structure: Structure,
    coefs: Callable[[list[Array]], StepCoefficients],
    leaves: list[Array],
    d_leaves: list[Array],
    d_tables: Array | None,
    before: Variables,
    counts: Array | None,
) -> tuple[Variables, Tangents]:
    """The variables after each step of a block, and the `Tangents` of each.

    Args:
        structure: of the kernel.
        coefs: gives the coefficients of the run, of those of their leaves that have tangents.
        leaves, d_leaves: these leaves and their tangents.
        d_tables: where all synapses have the same tables, their tangents, each as `gate_tables.as_matrix` gives it, one
            after the other; None where they are among the leaves, or have none.
        before: x and g before each step, each (T, *shape); with what a spike adds to x before the step.
        counts: of the steps, (T, *shape); None where spikes add to x.
    """
    x, g = before
    now = coefs(leaves)

    def relaxed_and_tabled(coefs: StepCoefficients, x: Array) -> tuple[Array, Pair]:
        def of_step(x: Array, count: Array | None) -> tuple[Array, Pair]:
            return steps.driver_after_step(structure, coefs, x, count), steps.integrals_from_table(coefs, x, count)

        of_steps: tuple[Array, Pair] = jax.vmap(of_step)(x, counts)
        return of_steps

    (x_after, tabled), (d_x, d_tabled) = jax.jvp(
        lambda leaves: relaxed_and_tabled(coefs(leaves), x), (leaves,), (d_leaves,)
    )
    if d_tables is not None:
        d_tabled = _change_of_tables(d_tables, now, x, counts)
    _, (x_by_x, tabled_by_x) = jax.jvp(lambda x: relaxed_and_tabled(now, x), (x,), (jnp.ones_like(x),))

    def rates_and_durations(leaves: list[Array]) -> tuple[Rates, list[Array]]:
        now = coefs(leaves)
        return rates_of(now), jax.vmap(lambda _, count: durations_of_step(now, count))(x, counts)

    def durations_of_step(coefs: StepCoefficients, count: Array | None) -> list[Array]:
        return [jnp.broadcast_to(each, x.shape[1:]) for each, _ in steps.stretches_of_step(coefs, count)]

    given, d_given = jax.jvp(rates_and_durations, (leaves,), (d_leaves,))
    outside = jax.vmap(lambda x, count: steps.is_outside_table(now, x, count))(x, counts)
    with_transmitter = [False] if counts is None else [True, False]  # of the stretches of a step
    integrals = _integrals(given, d_given, x, with_transmitter, outside)
    # The integrals are not right for a negative x.
    (opened, closed), by_x, d_integrals = (
        jax.tree.map(lambda one, other: jnp.where(outside, one, jnp.where(x < 0, jnp.nan, other)), *pair)
        for pair in zip(integrals, (tabled, tabled_by_x, d_tabled), strict=True)
    )
    none = jnp.zeros_like(g)
    g_after, d_g = jax.jvp(open_gate, (g, opened, closed), (none, *d_integrals))
    _, g_by_x = jax.jvp(open_gate, (g, opened, closed), (none, *by_x))
    _, g_by_g = jax.jvp(lambda g: open_gate(g, opened, closed), (g,), (jnp.ones_like(g),))
    return (x_after, g_after), Tangents(x_by_x, g_by_x, g_by_g, d_x, d_g)


def _change_of_tables(d_tables: Array, coefs: StepCoefficients, x: Array, counts: Array | None) -> Pair:
    """By how much changed tables change the integrals of each step: one product of matrices a step."""
    assert coefs.table_range is not None
    basis = gate_tables.basis(coefs.table_range, x, d_tables.shape[1])
    # A matrix for each step: else the derivative would have one product, of steps that are first put in another order.
    each = jnp.broadcast_to(d_tables, (len(x), *d_tables.shape))
    changes = jnp.einsum("tij,tj...->ti...", each, basis, precision=jax.lax.Precision.HIGHEST)
    kinds = jax.lax.split(changes, (2,) * (len(d_tables) // 2), axis=1)
    if counts is not None:
        kinds = [steps.select_by_count(counts[:, None], *kinds)]
    opened, closed = jax.lax.split(kinds[0], (1, 1), axis=1)
    return opened[:, 0], closed[:, 0]


def _integrals(
    given: _Given, d_given: _Given, x: Array, with_transmitter: list[bool], outside: Array
) -> tuple[Pair, Pair, Pair]:
    """The integrals of opening and closing, their slopes with x, and their tangents; only right where ``outside``."""

    def integrate(given: _Given, d_given: _Given, x: Array) -> tuple[Pair, Pair, Pair]:
        def of_step(step: tuple[list[Array], Array]) -> tuple[Pair, Pair]:
            # Else JAX takes out of the loop what is the same for all steps, which makes two loops of one.
            rates, (durations, x) = jax.lax.optimization_barrier((given[0], step))
            return gate_integrals_and_slopes(rates, x, list(zip(durations, with_transmitter, strict=True)))

        values, slopes = jax.lax.map(of_step, (given[1], x))
        each = [jnp.broadcast_to(tangent, x.shape) for tangent in jax.tree.leaves(d_given)]
        n = len(jax.tree.leaves(given[0]))  # x comes after the rates
        by_x = tuple(slope[:, n] for slope in slopes)
        others = [i for i in range(len(each) + 1) if i != n]
        tangents = tuple(sum(slope[:, i] * d for i, d in zip(others, each, strict=True)) for slope in slopes)
        return values, by_x, tangents

    def skip(given: _Given, d_given: _Given, x: Array) -> tuple[Pair, Pair, Pair]:
        return (x, x), (x, x), (x, x)

    return jax.lax.cond(loops.any_across_batch(outside), integrate, skip, given, d_given, x)
