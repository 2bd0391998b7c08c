"""Steps whose parameters vary: a voltage, the concentration in the cleft, the height of each pulse.

A value is held over its step, and within the step the solution is exact. Kernels with one variable, chains and gates
compute the few exponentials of their closed forms in each step. A kernel whose step is a matrix reads it from a table
over the one parameter that varies; where several vary, or where nothing is known of the range, each step computes its
matrices itself.
"""

from collections.abc import Mapping
from functools import partial, reduce

import jax
import jax.numpy as jnp
from jax import Array

from synkin.arguments.declaration import AnyParams
from synkin.arguments.inputs import AddsWeight
from synkin.solving import loops, pulses
from synkin.solving.coefficients import StepCoefficients, StepKind, VaryingParams, without_pulses
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators import equations, gate_tables, of_kernel, parameter_tables
from synkin.solving.propagators.closed_forms import open_gate
from synkin.solving.propagators.equations import Variables, output_weights
from synkin.solving.propagators.gate_integrals import integrals_of_step
from synkin.solving.propagators.gate_rates import gate_rates
from synkin.solving.propagators.of_kernel import Stretches
from synkin.solving.steps import select_by_count, stretches_of_step

Values = Mapping[str, Array]  # of the parameters that vary, by name, at one step
Bounds = tuple[Array, Array]  # the lowest and the highest value of a parameter


def compute(
    kernel: Kernel,
    params: AnyParams,
    dt: Array,
    method: str,
    names: tuple[str, ...],
    bounds: Mapping[str, Bounds],
    *,
    has_pulses: bool,
) -> StepCoefficients:
    """The coefficients of a run whose parameters ``names`` vary.

    Args:
        kernel: a kernel of one part.
        params: its ``Params``, arrays of one dtype.
        dt: ms, of that dtype.
        method: "exp_euler" or "exact".
        names: of the parameters that vary; "T" with ``has_pulses`` where each pulse has a height of its own.
        bounds: the lowest and highest value of those of which it is known.
        has_pulses: whether spikes start pulses.
    """
    pulse = pulses.on_grid(params.T_dur, dt, method) if has_pulses else None
    table = None
    scalar = all(value.size == 1 for name, value in params._asdict().items() if name not in names)
    if kernel.structure.has_matrix and method == "exact" and len(names) == 1 and names[0] in bounds and scalar:
        flat = params._make(jnp.reshape(value, ()) if value.size == 1 else value for value in params)
        length = dt.reshape(())
        kinds: list[Stretches] = [[(length, not isinstance(kernel.input, AddsWeight))]]
        if pulse is not None:
            last = pulse.last.reshape(())
            kinds = [[(length, True)], [(last, True), (length - last, False)], [(length, False)]]
        table = parameter_tables.table(kernel, flat, names[0], *bounds[names[0]], kinds, length)
    nothing = StepKind(of_kernel.Propagator((), (), ()), None)
    return without_pulses(dt, nothing, output_weights(kernel, params))._replace(
        pulse=pulse,
        last=nothing if has_pulses and method == "exact" else None,
        varying=VaryingParams(params, table),
    )


def step(
    kernel: Kernel, method: str, coefs: StepCoefficients, y: Variables, count: Array | None, values: Values
) -> Variables:
    """One step, without what a spike adds.

    Args:
        kernel, method: as for `compute`.
        coefs: what that returned.
        y: variables at the start of the step.
        count: that of the pulse, see `synkin.solving.pulses`; None where there are no pulses.
        values: of the parameters that vary, each of a shape that broadcasts to that of ``y``.
    """
    given = coefs.varying
    assert given is not None
    params = given.params._replace(**values)
    directly = partial(_step_directly, kernel, method)
    if given.table is None:
        return directly(coefs, params, y, count)
    (value,) = values.values()
    kind = None if count is None else 2 - jnp.clip(count // 2, 0, 2)
    computed: list[Array] = []
    if count is not None and "T" in values:  # a weight may be of any height, which matters during its pulse
        outside = (count >= 2) & parameter_tables.is_outside(given.table, value)
        # What the table gives there is not used. Were it NaN, a derivative in reverse mode would be, too.
        value = jnp.where((count < 2) | outside, jnp.zeros_like(value), value)
        computed.append(outside)
    if count is not None and coefs.carried_pulse is not None:  # its last step has a length of its own
        computed.append(jnp.equal(count, 3))
    after = parameter_tables.step(given.table, kernel, kind, value, y)
    if not computed:
        return after
    own = reduce(jnp.logical_or, computed)
    exact = jax.lax.cond(
        loops.any_across_batch(own), directly, lambda coefs, params, y, count: y, coefs, params, y, count
    )
    return tuple(jnp.where(own, *pair) for pair in zip(exact, after, strict=True))


def conductance(kernel: Kernel, coefs: StepCoefficients, y: Variables, values: Values) -> Array:
    """g in mS, or as the fraction of its maximum, at the end of a step with those values."""
    assert coefs.varying is not None
    weights = output_weights(kernel, coefs.varying.params._replace(**values))
    return equations.conductance(kernel, weights, y)


def _step_directly(
    kernel: Kernel, method: str, coefs: StepCoefficients, params: AnyParams, y: Variables, count: Array | None
) -> Variables:
    """A step that computes its own propagator."""
    structure, with_transmitter = kernel.structure, not isinstance(kernel.input, AddsWeight)
    stretches = stretches_of_step(coefs, count, with_transmitter=with_transmitter)
    if method == "exp_euler":
        each = [
            of_kernel.exp_euler_propagator(kernel, params, coefs.dt, with_transmitter=transmitter)
            for transmitter in ((with_transmitter,) if count is None else (True, False))
        ]
        propagator = each[0] if count is None else select_by_count(count, *each)
    else:
        propagator = of_kernel.exact_propagator(kernel, params, stretches)
    in_turn = kernel.in_turn and method == "exp_euler"
    conserved = structure.kind == "occupancies" and method == "exact"
    after = of_kernel.apply(structure, propagator, y, in_turn, conserved=conserved)
    if not structure.gated:
        return after
    rates, (x, g) = gate_rates(kernel, params), y
    if method == "exp_euler":
        held = gate_tables.table_of_held_x(rates, coefs.dt)
        opened, closed = gate_tables.look_up(held, None, after[0] if in_turn else x)
    else:
        opened, closed = integrals_of_step(rates, x, stretches)
    return *after, open_gate(g, opened, closed)
