"""g averaged over each step, for ``output="mean"`` of `synkin.stepper` and `synkin.simulate`.

The sum of these g times dt is the charge, whatever the dt; g at the end of each step counts too much of a decay, and
too little of a rise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from synkin.arguments.choices import OUTPUTS, check_choice
from synkin.arguments.declaration import AnyParams
from synkin.arguments.inputs import AddsWeight
from synkin.solving import loops, pulses, steps
from synkin.solving.coefficients import StepCoefficients, rates_of
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators import equations, gate_tables, of_kernel, step_mean
from synkin.solving.propagators.equations import Variables
from synkin.solving.propagators.gate_integrals import gate_mean
from synkin.solving.propagators.quadrature import newton_cotes
from synkin.solving.propagators.step_mean import PARTS, GateMean, PartsMean, WeightedMean


def check_output(kernel: Kernel, output: object, method: str | None) -> str | None:
    """The ``method`` for this ``output``, as it was given, or "exact".

    Raises:
        ValueError: no output, or one that the kernel or the method does not have.
    """
    check_choice("output", output, OUTPUTS)
    if output == "end":
        return method
    for part in kernel.parts:
        if part.structure.gated and not part.structure.linear_output:
            raise ValueError(
                f"Argument `output` must be 'end' for {part.name}, as its g is not a weighted sum of its gate and "
                "the variable that opens it, but is 'mean'."
            )
    if kernel.solved_by(method or "exact") != "exact":
        raise ValueError(
            "Argument `method` must be 'exact' with output='mean', as only with it the sum of g dt is the charge, but "
            f"is {method!r}."
        )
    return "exact"


def check_mean_of_varying(kernel: Kernel, names: Sequence[str], *, weighted: bool) -> None:
    """Raise ValueError where parameters vary, or spikes are weights, and the mean is not computed in closed form."""
    for part in kernel.parts:
        simple = part.structure.kind == "relaxation" and part.structure.linear_output
        if (names or weighted) and not simple:
            raise ValueError(
                f"Argument `output` must be 'end' if parameters of {part.name} vary or its spikes are weights, as the "
                "mean is then only computed for kernels of one variable, but is 'mean'."
            )


def with_means(kernel: Kernel, params: AnyParams, coefs: StepCoefficients) -> StepCoefficients:
    """Coefficients of the exact steps of a kernel of one part, with those of the mean of g."""
    dt = coefs.dt

    def mean(*stretches: tuple[Array, bool]) -> step_mean.StepMean:
        return step_mean.step_mean(kernel, params, stretches, dt)

    means: dict[str, Any] = {"whole": mean((dt, not isinstance(kernel.input, AddsWeight)))}
    on = [jnp.zeros_like(dt)]
    if coefs.pulse is not None:
        last = coefs.pulse.last
        means |= {"last": mean((last, True), (dt - last, False)), "resting": mean((dt, False))}
        on = [dt, last, *on]
    if kernel.structure.gated:
        assert coefs.table_range is not None
        tables, reaches = gate_tables.mean_tables(rates_of(coefs), dt, on, coefs.table_range)
        means = {name: each._replace(table=table) for (name, each), table in zip(means.items(), tables, strict=True)}
        coefs = coefs._replace(mean_range=reaches)
    return coefs._replace(**{name: getattr(coefs, name)._replace(mean=each) for name, each in means.items()})


def mean(kernel: Kernel, coefs: StepCoefficients, y: Variables, drive: steps.Drive, spikes_at: str) -> Array:
    """g averaged over a step.

    Args:
        kernel: a kernel of one part.
        coefs: from `with_means`.
        y: variables at the start of the step.
        drive, spikes_at: as for `synkin.solving.steps.step`.
    """
    count = None
    if coefs.pulse is not None:
        count = pulses.count(*drive) if isinstance(drive, tuple) else drive
    elif spikes_at == "start":
        assert not isinstance(drive, tuple)
        y = steps.add_weight(kernel, y, drive)
    kinds = [coefs.whole] if count is None else [coefs.whole, coefs.last, coefs.last_of_carried, coefs.resting]
    means: list[Any] = [kind.mean for kind in kinds if kind is not None]
    if kernel.structure.gated:
        return _mean_of_gate(kernel, coefs, means, y, count)
    chosen = means[0] if count is None else steps.select_by_count(count, *means)
    return _mean_in_parts(kernel, coefs, chosen, y) if isinstance(chosen, PartsMean) else _weighted(kernel, chosen, y)


def mean_where_values_vary(
    kernel: Kernel, coefs: StepCoefficients, y: Variables, count: Array | None, values: Mapping[str, Array]
) -> Array:
    """`mean` of one variable, with values of the parameters that vary, each of a shape that broadcasts to ``y``'s."""
    assert coefs.varying is not None
    params = coefs.varying.params._replace(**values)
    stretches = steps.stretches_of_step(coefs, count, with_transmitter=not isinstance(kernel.input, AddsWeight))
    return _weighted(kernel, step_mean.of_relaxation(kernel, params, stretches, coefs.dt), y)


def _weighted(kernel: Kernel, mean: WeightedMean, y: Variables) -> Array:
    total = sum((weight * variable for weight, variable in zip(mean.weights, y, strict=False)), jnp.zeros_like(y[0]))
    if mean.source is None:
        return total
    return total + (mean.source * (1 - sum(y)) if kernel.structure.kind == "occupancies" else mean.source)


def _mean_in_parts(kernel: Kernel, coefs: StepCoefficients, mean: PartsMean, y: Variables) -> Array:
    """The mean of g at equal distances within two stretches."""
    structure, conserved = kernel.structure, kernel.structure.kind == "occupancies"
    weights = jnp.asarray(newton_cotes(), y[0].dtype)
    total = jnp.zeros_like(y[0])
    for propagator, fraction in zip(mean.propagators, mean.fractions, strict=True):

        def part(y: Variables, weight: Array, propagator: of_kernel.Propagator = propagator) -> tuple[Variables, Array]:
            y = of_kernel.apply(structure, propagator, y, False, conserved=conserved)
            return y, weight * equations.conductance(kernel, coefs.output_weights, y)

        first = weights[0] * equations.conductance(kernel, coefs.output_weights, y)
        y, parts = jax.lax.scan(part, y, weights[1:], length=PARTS)
        total = total + fraction * (first + parts.sum(axis=0))
    return total


def _mean_of_gate(
    kernel: Kernel, coefs: StepCoefficients, means: Sequence[GateMean], y: Variables, count: Array | None
) -> Array:
    """The mean of a gate: by a table or, where x is outside of its range, by sums over nodes."""
    assert coefs.mean_range is not None
    x, g = y
    tables = [each.table for each in means if each.table is not None]
    table = tables[0] if count is None else steps.select_by_count(count, *tables)
    outside = ~((x >= 0) & (x <= coefs.mean_range.most))
    if count is not None and coefs.carried_pulse is not None:  # its last step has no table
        outside = outside | (count == 3)

    @jax.checkpoint  # a derivative keeps the inputs of this, and nothing for each of its nodes
    def compute(coefs: StepCoefficients, x: Array, count: Array | None) -> tuple[Array, Array]:
        return gate_mean(rates_of(coefs), x, steps.stretches_of_step(coefs, count), coefs.dt, short=False)

    exact = jax.lax.cond(loops.any_across_batch(outside), compute, lambda coefs, x, count: (x, x), coefs, x, count)
    read = gate_tables.look_up_mean(table, coefs.mean_range, jnp.where(outside, jnp.zeros_like(x), x))
    gained, kept = (jnp.where(outside, *pair) for pair in zip(exact, read, strict=True))
    weights = equations.conductance(kernel, coefs.output_weights, (jnp.zeros_like(x), gained + kept * g))
    of_x = means[0].x if count is None else steps.select_by_count(count, *(each.x for each in means))
    return weights if kernel.structure.output[0] == 0 else weights + _weighted(kernel, of_x, y)
