"""A kernel made ready for one set of parameters and one dt: the step for a scan of one's own.

All that depends only on parameters and dt is computed once, when the stepper is made. `synkin.simulate` is a scan of
the same step with its own derivative rule, `kernel.step` is one such step, and the objects hold a stepper.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast, overload

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from synkin.arguments import fields, units
from synkin.arguments.bind import bind_steps
from synkin.arguments.choices import check_flag, check_kernel, check_spikes_at
from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.inputs import StartsPulse, StartsWeightedPulse
from synkin.arguments.known import is_concrete
from synkin.arguments.numbers import as_array, check_shape
from synkin.arguments.params_and_states import (
    check_params,
    check_state,
)
from synkin.arguments.varying import (
    check_spikes_given,
    check_value,
    check_weighted,
    given_bounds,
    transmitter_varies,
)
from synkin.solving import carry as carries
from synkin.solving import first_carry
from synkin.solving import off_grid as off_grid_steps
from synkin.solving import varying as varying_steps
from synkin.solving.carry import Carry, CarryOfSum
from synkin.solving.channels.stepper import ChannelStepper, check_options, make_channel_stepper
from synkin.solving.coefficients import StepCoefficients
from synkin.solving.compiled_coefficients import compute_compiled
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.mean_output import check_mean_of_varying, check_output
from synkin.solving.off_grid import check_off_grid
from synkin.solving.propagators import any_duration
from synkin.solving.propagators.any_duration import EventTables
from synkin.solving.rounding import warn_of_rounding
from synkin.solving.step_of_carry import take_step

_OPTIONS = ["kernel", "method", "overlap", "varying", "weighted", "output", "spikes_at", "off_grid"]


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["params", "coefficients", "event_tables"],
    meta_fields=_OPTIONS,
)
@dataclass(frozen=True, repr=False)
class Stepper:
    """What `synkin.stepper` returns, a pytree: a function under jit or grad may close over it, take it or return it.

    Example:
        >>> stepper = synkin.stepper(synkin.ampa, synkin.ampa.Params(), 0.1, method="exact")
        >>> stepper
        stepper(ampa, dt=0.1 ms, method='exact', overlap='restart')
    """

    kernel: Kernel
    params: AnyParams  # the kernel's Params, arrays
    coefficients: StepCoefficients | None  # None for a sum, whose parts have their own
    method: str
    overlap: str
    varying: tuple[str, ...] = ()  # the parameters whose values each step is given
    weighted: bool = False  # whether spikes are weights, which give each pulse a height
    output: str = "end"  # or "mean"
    spikes_at: str = "start"  # or "end"
    off_grid: bool = False  # whether a spike is given with its offset within the step
    event_tables: EventTables | None = None  # for off_grid, where the parameters are scalars

    def __dir__(self) -> list[str]:
        shown = ("dt", "dtype", "init", "kernel", "method", "overlap", "params", "state", "step", *_OPTIONS[3:])
        return fields.completion(shown, super().__dir__())

    @property
    def own_coefficients(self) -> StepCoefficients:
        """The coefficients of a kernel of one part."""
        assert self.coefficients is not None
        return self.coefficients

    @property
    def dtype(self) -> jnp.dtype:
        """The floating dtype in which the coefficients were computed, and that of a state at rest."""
        return self.dt.dtype

    def init(
        self,
        shape: int | tuple[int, ...] | None = None,
        *,
        state: AnyState = None,
        on_grid: bool = False,
        **values: ArrayLike,
    ) -> Carry:
        """The carry for the first step.

        Args:
            shape: the shape of the synapses, for example (1000,), which then begin at rest.
            state: the kernel's ``State`` to start from instead. The steps keep its dtype.
            on_grid: True if ``state`` comes from this stepper's `state`, or from a run with the same ``T_dur`` and dt,
                so that its pulses end where pulses of this stepper do. The carry then has the same pytree structure as
                one at rest, as `jax.lax.cond` needs, and steps are as fast. The derivative with respect to the end of
                such a pulse then goes to ``T_dur``, and not to ``pulse_left``.
            values: values of parameters that vary, at which the synapses of ``shape`` are at rest; by default those in
                ``params``.

        Returns:
            The carry. All carries of a stepper have the same pytree structure, except those of ``state=`` with the
            method "exact" and ``on_grid=False``: there pulses may end within a step, so the carry holds more, and steps
            take longer. Within `jax.shard_map`, mark the carry of a loop as varying, as its spikes are:
            ``jax.lax.pcast(carry, "axis", to="varying")``.

        Raises:
            TypeError, ValueError: both or neither of ``shape`` and ``state`` are given; one does not fit the kernel and
                its parameters; or with ``on_grid`` a pulse does not end as said there (NaN if it is traced).

        Example:
            >>> stepper = synkin.stepper(synkin.ampa, synkin.ampa.Params(), 0.1, method="exact")
            >>> carry = stepper.init((2,))  # two synapses at rest; or stepper.init(state=state)
            >>> print(stepper.state(carry).g)
            [0. 0.]
        """
        if (shape is None) == (state is None):
            raise TypeError("A stepper's `init` must be given a shape or state=, one of the two.")
        on_grid = check_flag("on_grid", on_grid)
        if shape is not None:
            params = self.params
            if values:
                lengths = check_shape(shape)
                self._check_names(values, all_of_them=False)
                given = {name: check_value(self.kernel, name, value, None, lengths) for name, value in values.items()}
                params = params._replace(**given)
            state = self.kernel.init(params, shape, dtype=self.dtype)
            return _first_carry(self, self.nan_if_invalid(state), at_rest=True)
        state = check_state(self.kernel, units.state(state, self.kernel))
        check_params(self.params, state[0].shape, self.kernel)
        if on_grid and not self.off_grid:
            return first_carry.carry_on_grid(self, self.nan_if_invalid(state))
        return _first_carry(self, self.nan_if_invalid(state), at_rest=False)

    def step(
        self, carry: Carry, spike: ArrayLike | None = None, *, offset: ArrayLike | None = None, **values: ArrayLike
    ) -> tuple[Carry, Array]:
        """Advance by one step.

        Args:
            carry: from `init` or the step before.
            spike: for a receptor booleans (or 0 and 1), which act from the start of the step; for a linear kernel an
                input in mS (or booleans for 1 mS), which is added at its end; see ``spikes_at`` of `synkin.stepper` for
                other times. It has the shape of the synapses or broadcasts to it. None if T varies.
            offset: with ``off_grid``, the time in ms from the start of the step to the spike, 0 to dt; it has the shape
                of the synapses or broadcasts to it. If the pulse then ends exactly between two steps, derivatives are
                one-sided, those for a shorter pulse.
            values: the value of each parameter that varies, by name, during this step; each has the shape of the
                synapses or broadcasts to it.

        Returns:
            The carry, and g at the end of the step; with ``output="mean"`` g averaged over the step.

        Raises:
            TypeError, ValueError: a spike of the wrong kind, shape or value; a derivative with respect to the spike of
                a receptor is asked for; or the carry is of another kernel, method, dt or (with "exact") ``T_dur``.

        Values under jit cannot be refused: g is NaN if a spike of a receptor is neither 0 nor 1, or if the carry is of
        another dt or ``T_dur``.

        Example:
            >>> stepper = synkin.stepper(synkin.ampa, synkin.ampa.Params(), 0.1, method="exact")
            >>> carry, g = stepper.step(stepper.init((2,)), [True, False])
            >>> print(g.round(4))
            [0.0474 0.]
        """
        self.check_carry(carry)
        if self.off_grid or offset is not None:
            offset = off_grid_steps.check_offset(self, offset, carry.y[0])
            self._check_names(values, all_of_them=False)
            check_spikes_given(spike, False, "spike")
            spike = self.kernel.input.check_spike(units.strip_unit("spike", spike, self.kernel.input.unit), carry.y[0])
            return _take_step(self, carry, spike, {}, offset)
        if not (self.varying or self.weighted or values):
            spike = units.strip_unit("spike", spike, self.kernel.input.unit)
            return _take_step(self, carry, self.kernel.input.check_spike(spike, carry.y[0]))
        like = carry.y[0]
        self._check_names(values, all_of_them=True)
        checked = {name: check_value(self.kernel, name, value, None, like.shape) for name, value in values.items()}
        check_spikes_given(spike, transmitter_varies(self.kernel, self.varying), "spike")
        if spike is not None:
            kind = StartsWeightedPulse() if self.weighted else self.kernel.input
            spike = kind.check_spike(units.strip_unit("spike", spike, kind.unit), like)
        return _take_step(self, carry, spike, checked)

    def _check_names(self, values: Mapping[str, object], *, all_of_them: bool) -> None:
        """Raise TypeError unless values are given of the parameters that vary."""
        unknown = [name for name in values if name not in self.varying]
        missing = [name for name in self.varying if name not in values and all_of_them]
        if unknown or missing:
            listed = ", ".join(f"`{name}`" for name in self.varying) or "none"
            came = f"is given `{unknown[0]}`" if unknown else f"lacks `{missing[0]}`"
            raise TypeError(f"This stepper must be given the parameters that vary, {listed}, but {came}.")

    def state(self, carry: Carry) -> AnyState:
        """The kernel's ``State`` that a carry stands for. It raises what `step` raises.

        Example:
            >>> stepper = synkin.stepper(synkin.ampa, synkin.ampa.Params(), 0.1, method="exact")
            >>> carry, g = stepper.step(stepper.init((2,)), [True, False])
            >>> print(stepper.state(carry).pulse_left.round(3))  # ms of transmitter still to come
            [0.4 0.]
        """
        self.check_carry(carry)
        if self.off_grid:
            return off_grid_steps.state_of(self.kernel, self.matched(carry.y[0]), carry)
        coefs = carries.with_carried_pulse(self.matched(carry.y[0]), carry.carried_pulse)
        y = carry.y
        if carry.grid:
            y = tuple(variable + carries.nan_unless_same_grid(carry, coefs) for variable in y)
        return first_carry.state_of(self.kernel, coefs, y, carries.count_of_next(carry))

    @property
    def dt(self) -> Array:
        """The step, ms."""
        return self.own_coefficients.dt

    @property
    def parts(self) -> tuple[Stepper, ...]:
        """A stepper for each part of the kernel."""
        return (self,)

    @property
    def relative(self) -> tuple[Array, ...]:
        """The conductance of each part but the first, relative to that of the first."""
        return ()

    def split(self, carry: Carry) -> tuple[Carry, ...]:
        """The carry of each part."""
        return carry.parts

    def joined(self, parts: Iterable[Carry]) -> Carry:
        """The carry of the kernel, from those of its parts."""
        (carry,) = parts
        return carry

    def check_carry(self, carry: object) -> None:
        """Raise TypeError or ValueError unless ``carry`` is of a stepper that counts pulses in the same way."""
        method = off_grid_steps.METHOD if self.off_grid else self.method
        carries.check(carry, self.kernel, method, self.own_coefficients)

    def matched(self, like: Array) -> StepCoefficients:
        """The coefficients in the dtype and rank of a state; ``like`` is one of its arrays."""
        return carries.match_state(self.own_coefficients, like)

    def nan_if_invalid(self, state: AnyState) -> AnyState:
        """``state``, with NaN where a traced parameter is NaN."""
        return self.kernel.input.nan_if_invalid_state(state, self.params, True)

    def __repr__(self) -> str:
        dt = self.dt
        known = f"{float(dt):.6g} ms" if is_concrete(dt) else "traced"
        return f"stepper({self.kernel.name}, dt={known}, method={self.method!r}, overlap={self.overlap!r})"


@partial(
    jax.tree_util.register_dataclass,
    data_fields=["params", "steppers", "factors"],
    meta_fields=["coefficients", "event_tables", *_OPTIONS],
)
@dataclass(frozen=True, repr=False)
class StepperOfSum(Stepper):
    """The stepper of a sum of kernels: one for each part, and all get the same spikes."""

    steppers: tuple[Stepper, ...] = ()
    factors: tuple[Array, ...] = ()  # see `relative`

    @property
    def dt(self) -> Array:
        """The step, ms."""
        return self.steppers[0].dt

    @property
    def parts(self) -> tuple[Stepper, ...]:
        """A stepper for each part of the kernel."""
        return self.steppers

    @property
    def relative(self) -> tuple[Array, ...]:
        """The conductance of each part but the first, relative to that of the first."""
        return self.factors

    def split(self, carry: Carry) -> tuple[Carry, ...]:
        """The carry of each part."""
        return carry.parts

    def joined(self, parts: Iterable[Carry]) -> Carry:
        """The carry of the kernel, from those of its parts."""
        return cast(Carry, CarryOfSum(tuple(parts)))  # it has all that is used of a carry

    def state(self, carry: Carry) -> AnyState:
        """The ``State`` of the sum, of a carry."""
        self.check_carry(carry)
        return self.kernel.state_of(part.state(own) for part, own in zip(self.steppers, carry.parts, strict=True))

    def check_carry(self, carry: object) -> None:
        """Raise TypeError or ValueError unless ``carry`` has a valid carry for each part."""
        if not isinstance(carry, CarryOfSum) or len(carry.parts) != len(self.steppers):
            carries.refuse(carry)
        for part, own in zip(self.steppers, carry.parts, strict=True):
            part.check_carry(own)


# `Stepper.step` after its checks, compiled for calls outside of a compiled loop.
_take_step = jax.jit(take_step)
# Compiled, because one program is compiled sooner than each of its operations.
_first_carry = jax.jit(first_carry.carry_from_state, static_argnames=("at_rest",))


@overload
def stepper(
    kernel: Kernel,
    params: AnyParams,
    dt: ArrayLike,
    *,
    method: str | None = None,
    overlap: str = "restart",
    varying: Iterable[str] | Mapping[str, tuple[ArrayLike, ArrayLike] | None] = (),
    weighted: bool = False,
    output: str = "end",
    spikes_at: str | None = None,
    off_grid: bool = False,
    channels: None = None,
    dtype: DTypeLike | None = None,
) -> Stepper: ...


@overload
def stepper(
    kernel: Kernel,
    params: AnyParams,
    dt: ArrayLike,
    *,
    method: str | None = None,
    overlap: str = "restart",
    channels: ArrayLike,
    dtype: DTypeLike | None = None,
) -> ChannelStepper: ...


def stepper(
    kernel: Kernel,
    params: AnyParams,
    dt: ArrayLike,
    *,
    method: str | None = None,
    overlap: str = "restart",
    varying: Iterable[str] | Mapping[str, tuple[ArrayLike, ArrayLike] | None] = (),
    weighted: bool = False,
    output: str = "end",
    spikes_at: str | None = None,
    off_grid: bool = False,
    channels: ArrayLike | None = None,
    dtype: DTypeLike | None = None,
) -> Stepper | ChannelStepper:
    """The step of a kernel for a loop of your own, such as `jax.lax.scan`, as fast as `synkin.simulate`.

    What depends only on ``params`` and ``dt`` is computed here, once. It works under jit, vmap, grad, scan and
    sharding, and is itself a pytree. The number of steps is not limited.

    Args:
        kernel: a kernel such as `synkin.ampa`.
        params: its ``Params``; scalars, or arrays that broadcast against the state.
        dt: step in ms.
        method: "exact", or "exp_euler", brainpy.state's scheme, which is the default if the kernel has it.
        overlap: for a receptor: what a spike during a pulse does. "restart": the pulse begins again. "ignore": nothing.
        varying: names of parameters that vary, as ``("V",)``. Each step is then given their values, ``step(carry,
            spike, V=V)``, which hold during that step. If T varies, it is the concentration in the cleft, and there are
            no spikes. A scheme needs a matrix exponential for each value. If one parameter varies, these are
            interpolated in a table, which needs its range: ``varying={"T": (0.0, 1.0)}``; for V it is -120 to 80 mV by
            default. Outside of the range g is NaN. Without a range, or if several parameters vary, each step computes
            the matrix exponential, which is slow.
        weighted: if True, the spikes of a receptor are weights of 0 or more: a pulse then has the height weight times
            T, and a weight of 0 is no spike. A spike that restarts a pulse also replaces its height.
        output: which g a step returns: "end" for g at its end, or "mean" for g averaged over the step. With "mean" the
            sum of g dt is right at any dt; the method is then "exact".
        spikes_at: when the spike of a step acts, for any kernel: at the "start" of the step or at its "end". By default
            the spike of a receptor acts at the start, and the input of a linear kernel at the end.
        off_grid: whether spikes may come at any time within a step: ``step(carry, spike, offset=ms)``. They act at that
            time, whatever the kernel. The result can be differentiated with respect to the offset. The method is then
            "exact".
        channels: the number of receptors at each synapse, a whole number or one for each synapse. Each of them then
            opens and closes at random, as in `synkin.sample`, and each step takes a key: ``step(carry, spike,
            key=key)``. Of the other options only ``overlap`` and ``dtype`` may be given.
        dtype: floating dtype of states and of g; by default JAX's default float.

    Returns:
        `Stepper` with ``init(shape)``, ``step(carry, spike) -> (carry, g)`` and ``state(carry)``; with ``channels`` a
        `synkin.solving.channels.stepper.ChannelStepper`, which has the same methods.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.

    ``params``, ``dt`` and a state may be quantities of saiunit. g is a plain array in mS.

    Example:
        >>> stepper = synkin.stepper(synkin.ampa, synkin.ampa.Params(), 0.1, method="exact")
        >>> spikes = np.arange(40)[:, None] == [10, 20]  # two synapses
        >>> carry, g = jax.lax.scan(stepper.step, stepper.init((2,)), spikes)
        >>> print(g.max(axis=0).round(3))
        [0.208 0.208]
        >>> print(stepper.state(carry).g.round(3))
        [0.133 0.159]
    """
    check_kernel(kernel)
    kernel.check_options(method, overlap)
    if channels is not None:
        check_options(kernel, method, varying, weighted, output, spikes_at, off_grid)
        given = bind_steps(kernel, params, dt, dtype=dtype)
        return make_channel_stepper(kernel, given.params, given.dt, channels, overlap)
    method = check_output(kernel, output, method)
    method = check_off_grid(kernel, check_flag("off_grid", off_grid), method, varying, weighted, output, spikes_at)
    spikes_at = check_spikes_at(spikes_at, acts_at_end=kernel.input.acts_at_end)
    given = bind_steps(kernel, params, dt, dtype=dtype)
    warn_of_rounding(kernel, given.given_params, given.given_dt, method)
    names, bounds = given_bounds(kernel, varying, given.dtype)
    weighted = check_weighted(kernel, check_flag("weighted", weighted), names)
    if output == "mean":
        check_mean_of_varying(kernel, names, weighted=weighted)
    options: dict[str, Any] = {"varying": names, "bounds": bounds, "weighted": weighted}
    options |= {"output": output, "spikes_at": spikes_at, "off_grid": off_grid}
    return make_stepper(kernel, given.params, given.dt, method, overlap, given.dtype, **options)


def make_stepper(
    kernel: Kernel,
    params: AnyParams,
    dt: ArrayLike,
    method: str | None,
    overlap: str,
    dtype: DTypeLike,
    *,
    single_step: bool = False,
    varying: tuple[str, ...] = (),
    bounds: Mapping[str, varying_steps.Bounds] | None = None,
    weighted: bool = False,
    highest_weight: ArrayLike | None = 1.0,
    output: str = "end",
    spikes_at: str | None = None,
    off_grid: bool = False,
) -> Stepper:
    """A `Stepper` of checked arguments.

    Args:
        kernel, params, dt, method, overlap, dtype, varying, weighted, output, spikes_at, off_grid: as for
            `stepper`.
        single_step: see `synkin.solving.coefficients.compute`.
        bounds: the lowest and highest value of each parameter that varies, of those where that is known.
        highest_weight: up to which a scheme's steps are read from a table; where it is None, or above it, each step
            is computed.
    """
    method = kernel.solved_by(method)
    spikes_at = check_spikes_at(spikes_at, acts_at_end=kernel.input.acts_at_end)
    params = jax.tree.map(lambda value: as_array(value, dtype), params)
    parts = []
    has_pulses = isinstance(kernel.input, StartsPulse) and not transmitter_varies(kernel, varying)
    names_of = kernel.values_of(dict.fromkeys(varying))
    bounds_of = kernel.values_of(bounds or {})
    every = zip(kernel.parts, kernel.params_of(params), names_of, bounds_of, strict=True)
    for part, part_params, own_names, own_bounds in every:
        # The coefficients combine parameters of several ranks.
        ranked = carries.match_state(part_params, jnp.zeros((1,) * max(value.ndim for value in part_params), dtype))
        solved_by = part.solved_by(method)  # a part may be exact with either method
        names = tuple(own_names)
        if weighted:
            names = (*names, "T")
            if highest_weight is not None:
                own_bounds = {"T": (jnp.zeros((), dtype), ranked.T.max() * highest_weight)}
        if names:
            ready = varying_steps.compute(
                part, ranked, as_array(dt, dtype), solved_by, names, own_bounds, has_pulses=has_pulses
            )
        else:
            ready = compute_compiled(part, ranked, as_array(dt, dtype), solved_by, single_step, output)
        options = (solved_by, overlap, tuple(own_names), weighted, output, spikes_at, off_grid)
        scalars = off_grid and all(value.ndim == 0 for value in part_params)
        tables = any_duration.event_tables(part, part_params, as_array(dt, dtype)) if scalars else None
        parts.append(Stepper(part, part_params, ready, *options, tables))
    if parts[0].kernel is kernel:  # a kernel of one part
        return parts[0]
    whole = (kernel, params, None, method, overlap, varying, weighted, output, spikes_at, off_grid, None)
    return StepperOfSum(*whole, tuple(parts), kernel.relative(params))
