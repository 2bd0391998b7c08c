"""The coefficients of a step: all that depends only on parameters and dt, computed once for a run.

A step is of one of four kinds, by how far the transmitter reaches into it (see `synkin.solving.pulses`). Each kind has
its coefficients, a `StepKind`, and `synkin.solving.steps` chooses among them.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from synkin.arguments.declaration import AnyParams
from synkin.arguments.inputs import AddsWeight
from synkin.solving import pulses
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators import gate_tables
from synkin.solving.propagators.equations import output_weights
from synkin.solving.propagators.gate_rates import Rates, gate_rates
from synkin.solving.propagators.of_kernel import Propagator, Stretches, exact_propagator, exp_euler_propagator
from synkin.solving.propagators.parameter_tables import ParameterTable
from synkin.solving.propagators.step_mean import StepMean, step_mean


class StepKind(NamedTuple):
    """The coefficients of one kind of step."""

    propagator: Propagator  # of all variables, or of all but the gate
    gate: gate_tables.GateTable | None  # None without a gate, or where each step computes the integrals itself
    mean: StepMean | None = None  # where g is that averaged over the step


class VaryingParams(NamedTuple):
    """What a step needs besides the values of the parameters that vary, see `synkin.solving.varying`."""

    params: AnyParams  # arrays; those that vary are replaced in each step
    table: ParameterTable | None


class StepCoefficients(NamedTuple):
    """All that a step needs of a kernel's parameters and dt."""

    dt: Array  # ms
    pulse: pulses.Pulse | None  # None for a linear kernel
    carried_pulse: pulses.Pulse | None  # of pulses that were under way when the run began; None if there were none
    whole: StepKind  # with transmitter throughout; for a linear kernel any step
    last: StepKind | None  # the last step of a pulse; None where pulses last whole steps
    last_of_carried: StepKind | None  # the last step of a pulse that was under way when the run began
    resting: StepKind | None  # without transmitter; None for a linear kernel
    gate_rates: Rates | None  # None without a gate, or with "exp_euler"
    table_range: gate_tables.TableRange | None  # the range of a gate's tables; None where there are none
    leaves_table: Array | None  # whether a run may leave that range, bool; None if unknown, so that each step looks
    output_weights: AnyParams  # see `synkin.solving.propagators.equations.output_weights`
    mean_range: gate_tables.TableRange | None = None  # the range of the tables of a gate's mean
    varying: VaryingParams | None = None  # where parameters vary from step to step


def compute(kernel: Kernel, params: AnyParams, dt: Array, method: str, *, single_step: bool) -> StepCoefficients:
    """The coefficients of a run from rest.

    Args:
        kernel: a kernel of one part.
        params: its ``Params``, arrays of one dtype.
        dt: ms, of that dtype.
        method: "exp_euler" or "exact".
        single_step: whether only one step follows; then tables of a gate's integrals would cost more than they save.
    """
    weights = output_weights(kernel, params)
    if isinstance(kernel.input, AddsWeight):
        return _where_spikes_add(kernel, params, dt, method, single_step, weights)
    pulse = pulses.on_grid(params.T_dur, dt, method)
    if method == "exp_euler":
        # Transmitter acts on no gate, so that one table is right for both kinds of steps.
        table = gate_tables.table_of_held_x(gate_rates(kernel, params), dt) if kernel.structure.gated else None
        whole = StepKind(exp_euler_propagator(kernel, params, dt, with_transmitter=True), table)
        resting = StepKind(exp_euler_propagator(kernel, params, dt, with_transmitter=False), None)
        return without_pulses(dt, whole, weights)._replace(pulse=pulse, resting=resting)
    stretches: list[Stretches] = [[(dt, True)], [(pulse.last, True), (dt - pulse.last, False)], [(dt, False)]]
    propagators = [exact_propagator(kernel, params, each) for each in stretches]
    rates = table_range = None
    tables: list[gate_tables.GateTable | None] = [None] * len(stretches)
    if kernel.structure.gated:
        rates = gate_rates(kernel, params)
        if not single_step:
            on = [dt, pulse.last, jnp.zeros_like(dt)]
            tables[:], table_range = gate_tables.tables(rates, dt, on, params.T_dur)
    whole, last, resting = (StepKind(*kind) for kind in zip(propagators, tables, strict=True))
    coefs = without_pulses(dt, whole, weights)
    return coefs._replace(pulse=pulse, last=last, resting=resting, gate_rates=rates, table_range=table_range)


def add_carried_pulse(
    kernel: Kernel, params: AnyParams, coefs: StepCoefficients, pulse_left: Array, method: str
) -> tuple[StepCoefficients, Array]:
    """Coefficients and count of a run that begins during pulses.

    Args:
        kernel, params, method: as for `compute`.
        coefs: what that returned.
        pulse_left: ms of transmitter still to come, of the state's shape.

    Returns:
        The coefficients with those of these pulses, and the count of each pulse.
    """
    pulse = pulse_of(coefs)
    count, carried = pulses.count_carried(pulse, params.T_dur, pulse_left, coefs.dt, method)
    last = None
    if method == "exp_euler":  # all steps of a pulse are whole, the last one too
        carried = carried._replace(over=pulse.over)
    elif coefs.varying is None:
        stretches = [(carried.last, True), (coefs.dt - carried.last, False)]
        mean = None if coefs.whole.mean is None else step_mean(kernel, params, stretches, coefs.dt)
        last = StepKind(exact_propagator(kernel, params, stretches), None, mean)
    return coefs._replace(carried_pulse=carried, last_of_carried=last), count


def with_leaves_table(coefs: StepCoefficients, x: Array) -> StepCoefficients:
    """Coefficients that know whether a run whose first variable starts at ``x`` may leave the range of the tables."""
    if coefs.table_range is None or coefs.pulse is None:  # of weights to come nothing is known
        return coefs
    return coefs._replace(leaves_table=gate_tables.may_leave_table(rates_of(coefs), coefs.table_range, x))


def pulse_of(coefs: StepCoefficients) -> pulses.Pulse:
    """The pulse of a receptor's coefficients."""
    assert coefs.pulse is not None
    return coefs.pulse


def rates_of(coefs: StepCoefficients) -> Rates:
    """The rates of the gate of coefficients that have one."""
    assert coefs.gate_rates is not None
    return coefs.gate_rates


def _where_spikes_add(
    kernel: Kernel, params: AnyParams, dt: Array, method: str, single_step: bool, weights: AnyParams
) -> StepCoefficients:
    """`compute` of a kernel whose spikes add to a variable: there is one kind of steps."""
    rates = gate_rates(kernel, params) if kernel.structure.gated else None
    table = table_range = None
    if method == "exp_euler":
        propagator = exp_euler_propagator(kernel, params, dt, with_transmitter=False)
        table = None if rates is None else gate_tables.table_of_held_x(rates, dt)
    else:
        propagator = exact_propagator(kernel, params, [(dt, False)])
        if rates is not None and not single_step:
            (table,), table_range = gate_tables.tables(rates, dt, [jnp.zeros_like(dt)], None)
    coefs = without_pulses(dt, StepKind(propagator, table), weights)
    return coefs._replace(gate_rates=rates, table_range=table_range)


def without_pulses(dt: Array, whole: StepKind, weights: AnyParams) -> StepCoefficients:
    """The coefficients where there are no pulses."""
    return StepCoefficients(
        dt=dt,
        pulse=None,
        carried_pulse=None,
        whole=whole,
        last=None,
        last_of_carried=None,
        resting=None,
        gate_rates=None,
        table_range=None,
        leaves_table=None,
        output_weights=weights,
    )
