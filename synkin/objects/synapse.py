"""What all synapse objects share: parameters and state variables as attributes, initial values, and time."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.choices import check_method
from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.known import is_concrete
from synkin.arguments.messages import describe
from synkin.arguments.numbers import Shape
from synkin.arguments.params_and_states import check_params
from synkin.arguments.varying import (
    WeightedState,
    check_spikes_given,
    check_value,
    given_bounds,
    transmitter_varies,
)
from synkin.declaring.kernel import Kernel
from synkin.networks.plasticity import Params as ReleaseParams
from synkin.networks.plasticity import State as ReleaseState
from synkin.networks.plasticity import tsodyks_markram
from synkin.networks.release_on_grid import without_unused
from synkin.objects import channels as channels_of_object
from synkin.objects.channels import Channels
from synkin.objects.constructors import completed
from synkin.objects.release import Releasing, check_release, check_varying, release_in_run, release_in_step
from synkin.objects.stateful import Stateful
from synkin.objects.values import Value, as_real_array, as_state, short_repr
from synkin.runs.grid import simulate
from synkin.solving.carry import Carry, Progress, with_weight
from synkin.solving.channels.stepper import ChannelStepper
from synkin.solving.first_carry import carry_from_state
from synkin.solving.rounding import warn_of_rounding
from synkin.solving.stepper import Stepper, make_stepper

AnyStepper = Stepper | ChannelStepper


@partial(jax.jit, static_argnums=(0, 1, 2, 3, 4, 5))
def compiled_stepper(
    kernel: Kernel,
    method: str,
    overlap: str,
    varying: tuple[str, ...],
    weighted: bool,
    dtype: np.dtype,
    params: AnyParams,
    dt: ArrayLike,
) -> Stepper:
    """`synkin.stepper` of checked arguments; the range of a voltage is that of membranes."""
    bounds = given_bounds(kernel, varying, dtype)[1]
    return make_stepper(kernel, params, dt, method, overlap, dtype, varying=varying, bounds=bounds, weighted=weighted)


@partial(jax.jit, static_argnums=3)
def _initial_carry(stepper: Stepper, state: AnyState, weight: Array | None, at_rest: bool) -> Carry:
    carry = carry_from_state(stepper, state, at_rest=at_rest)
    return carry if weight is None or not stepper.weighted else with_weight(carry, weight)


@jax.jit
def _state_of(stepper: AnyStepper, carry: Carry) -> AnyState:
    return stepper.state(carry)


Ready = tuple[AnyStepper, Carry, dict[str, Any], Releasing | None]
"""What a step of an object begins with: the values are those of the parameters that vary."""


def advance(
    stepper: AnyStepper, carry: Carry, values: dict[str, Any], releasing: Releasing | None, spike: Array | None
) -> tuple[Progress, ReleaseState | None, Array]:
    """One update: what it changes in the carry, the state of the release, and g."""
    released = None
    if releasing is not None and spike is not None:
        released, spike = release_in_step(releasing, spike, carry.y[0].dtype)
    if isinstance(stepper, ChannelStepper):
        assert spike is not None
        carry, g = stepper.step(carry, spike, key=channels_of_object.key_of_step(values))
    else:
        carry, g = stepper.step(carry, spike, **values)
    # A jitted function that returned the rest of the carry too would copy it in each call.
    return carry.progress, released, g


class Synapse(Stateful):
    """The base of the objects. `synkin.objects.linear` and `synkin.objects.receptors` define their steps."""

    kernel: Kernel
    _initializers: tuple[tuple[str, str], ...] = (("g", "g_initializer"),)  # variable, attribute

    def __init__(
        self,
        in_size: int | Shape,
        name: str | None = None,
        *,
        method: str | None = None,
        overlap: str | None = None,
        release: ReleaseParams | None = None,
        channels: ArrayLike | None = None,
        key: Array | None = None,
        **params: Value,
    ) -> None:
        overlap = "restart" if overlap is None else overlap
        options: dict[str, object] = {"in_size": in_size, "name": name, "method": method, "overlap": overlap}
        options |= {"release": release, "channels": channels, "key": key}
        self._construct(options, completed(self.kernel, params))

    def _construct(self, options: Mapping[str, object], params: Mapping[str, object] | None = None) -> None:
        """Set up the object.

        Args:
            options: arguments of a constructor by name, its ``locals()``.
            params: the kernel's parameters; None where they are among ``options``.
        """
        method, overlap = options["method"], options.get("overlap", "restart")
        check_method(method, self.kernel)
        self._method = str(method or self.kernel.methods[0])
        if params is None:
            params = {field: options[field] for field in self.kernel.Params._fields}
        self._begin(options["in_size"], options["name"], params)
        self.kernel.input.check_overlap(overlap)
        self._overlap = str(overlap)
        for _, attribute in self._initializers:
            setattr(self, attribute, options[attribute])
        self._held_state: AnyState | None = None  # None if it is still to be computed from the carry
        self._at_rest = False
        self._weight: Array | None = None  # the height of the pulses under way, where it is not T
        self._stepping: tuple[AnyStepper, Carry] | None = None  # since the first step
        self._stepping_for: tuple[AnyParams, float] = (None, 0.0)  # the parameters and dt of that stepper
        self._release_state: ReleaseState | None = None
        initial = [attribute for _, attribute in self._initializers]
        self._channels: Channels | None = channels_of_object.as_channels(self.kernel, options, self._in_size, initial)
        self._drawn = 0  # how many draws there have been
        if self._channels is not None:
            self._method = "exact"
        self.release = options["release"]

    @property
    def method(self) -> str:
        """How a step is taken, "exp_euler" or "exact"."""
        return self._method

    @property
    def _state(self) -> AnyState | None:
        if self._held_state is None and self._stepping is not None:
            with jax.ensure_compile_time_eval():  # a concrete state, under a transformation too
                self._held_state = _state_of(*self._stepping)
        return self._held_state

    @_state.setter
    def _state(self, state: AnyState) -> None:
        self._held_state, self._stepping, self._at_rest = state, None, False

    def _stepper_and_carry(self, dt: float, varying: tuple[str, ...]) -> tuple[AnyStepper, Carry]:
        """The stepper for ``dt`` ms, and the carry. They are made again only if what they depend on changes."""
        weighted = self._weighted
        if self._stepping is not None:
            made, (params, last) = self._stepping[0], self._stepping_for
            if (
                params is self._params
                and (last is dt or (is_concrete(dt) and last == dt))
                and (isinstance(made, ChannelStepper) or (made.varying == varying and made.weighted is weighted))
            ):
                return self._stepping
        if self._channels is not None:
            return self._populations(dt, self._channels)
        state, at_rest = self.state, self._at_rest
        if not transmitter_varies(self.kernel, varying):
            warn_of_rounding(self.kernel, self._params, dt, self._method)
        options = (self._method, self._overlap, varying, weighted, state[0].dtype)
        stepper = compiled_stepper(self.kernel, *options, self._params, dt)
        carry = _initial_carry(stepper, state, self._weight, at_rest)
        # A step needs only the coefficients, and passing the parameters to a jitted function would take time.
        return dataclasses.replace(stepper, params=None), carry

    def _populations(self, dt: float, channels: Channels) -> tuple[AnyStepper, Carry]:
        """The stepper and the carry of counted receptors, which keep their states if parameters change."""
        stepper = channels_of_object.stepper_of(self.kernel, self._params, dt, channels, self._overlap)
        if self._stepping is None:
            shape = self.state[0].shape  # which begins at rest
            carry = stepper.init(shape, key=channels_of_object.key_of_step(self._next_draws(channels)))
        else:
            (params, last), carry = self._stepping_for, self._stepping[1]
            if last != dt or not np.array_equal(params.T_dur, self._params.T_dur):
                raise ValueError(
                    "Argument `dt` and parameter `T_dur` must stay as they are with `channels`, whose pulses are "
                    "counted in steps, but one has changed: call `init_state`."
                )
        return dataclasses.replace(stepper, params=None), carry

    def _next_draws(self, channels: Channels, count: int = 1) -> dict[str, Any]:
        """What the next draws begin with: the key, and the number of those before."""
        self._drawn += count
        return {"key": channels.key, "number": self._drawn - count}

    @property
    def channels(self) -> Array | None:
        """How many receptors each synapse has, int32 (*in_size); None where they are not counted."""
        return None if self._channels is None else self._channels.number

    @property
    def _weighted(self) -> bool:
        """Whether each pulse has a height of its own."""
        return self._release is not None and not self.kernel.input.takes_weights

    def _ready(self, values: Mapping[str, Any]) -> tuple[tuple[float, float], Ready]:
        """Time and dt in ms, and what a step begins with.

        Args:
            values: of the parameters that vary, as `update` is given them.
        """
        t, dt = self._time()
        checked: dict[str, Any] = {}
        if values:
            shape, plain = (*self._batch, *self._in_size), self._values_without_units(values)
            checked = {name: check_value(self.kernel, name, value, None, shape) for name, value in plain.items()}
        stepper, carry = self._stepper_and_carry(dt, tuple(checked))
        if self._channels is not None:
            checked = self._next_draws(self._channels)
        return (t, dt), (stepper, carry, checked, self._releasing(dt))

    def _values_without_units(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values of parameters that vary, sorted by name; the names have been checked."""
        if self._channels is not None:
            for name in values:
                channels_of_object.refuse(name)
        names = check_varying(self.kernel, values, self._release is not None)
        self._has_units = self._has_units or units.among(*values.values())
        return {name: units.parameter(self.kernel, name, values[name]) for name in names}

    def _keep(
        self,
        now: tuple[float, float],
        ready: Ready,
        changed: Progress,
        released: ReleaseState | None,
        g: Array,
    ) -> Array:
        """Keep the result of a step, and return g as `update` does."""
        self._check_concrete((changed, released, g, now))
        stepper, before, *_ = ready
        carry = before.with_progress(changed)
        self._stepping, self._stepping_for = (stepper, carry), (self._params, now[1])
        self._held_state, self._at_rest = None, False
        self._weight, self._release_state = carry.weight, released
        self._clock = sum(now)
        return units.quantity(g, "mS") if self._has_units else g

    @property
    def release(self) -> ReleaseParams | None:
        """Short-term plasticity: `synkin.tsodyks_markram`'s ``Params``, as arrays, or None. It may be set.

        An input is multiplied by what its spike releases. That of a receptor is the height of its pulse, in units of T.
        """
        return self._release

    @release.setter
    def release(self, value: object) -> None:
        if value is None:
            self._release = self._release_state = None
            return
        if self._channels is not None:
            channels_of_object.refuse("release")
        given = tsodyks_markram.Params(*(v(self._in_size) if callable(v) else v for v in check_release(value)))
        dtype = jnp.result_type(float)
        plain = units.params(tsodyks_markram, given)._asdict().items()
        arrays = (jnp.array(as_real_array(name, v, "Parameter"), dtype) for name, v in plain)
        params = self._check_concrete(tsodyks_markram.Params(*arrays))
        check_params(params, self._in_size, tsodyks_markram)
        self._has_units = self._has_units or units.among(given)
        self._release, self._release_used = params, without_unused(params)

    @property
    def release_state(self) -> ReleaseState | None:
        """The state of `synkin.tsodyks_markram`, or None if `release` is None. It may be set."""
        if self._release is not None and self._release_state is None:
            like = self.state[0]
            at_rest = tsodyks_markram.init(self._release, like.shape, dtype=like.dtype)
            self._release_state = self._check_concrete(at_rest)
        return self._release_state

    @release_state.setter
    def release_state(self, state: object) -> None:
        old = self.release_state
        if old is None:
            raise AttributeError("Attribute `release_state` cannot be set where `release` is None.")
        if not isinstance(state, tuple) or getattr(state, "_fields", None) != old._fields:
            raise TypeError(
                f"Argument `release_state` must be a synkin.tsodyks_markram.State, but is {describe(state)}."
            )
        fields = (as_state(field, v, o.shape, o.dtype) for field, v, o in zip(old._fields, state, old, strict=True))
        self._release_state = self._check_concrete(ReleaseState(*fields))

    def _releasing(self, dt: float) -> Releasing | None:
        state = None if self._release is None else self.release_state
        return None if state is None else (self._release_used, state, dt)

    def init_state(self, batch_size: int | None = None) -> None:
        super().init_state(batch_size)
        self._at_rest = True  # no pulse is under way
        self._weight = self._release_state = None

    def run(self, spikes: ArrayLike | None = None, dt: ArrayLike | None = None, **values: ArrayLike) -> Array:
        """Advance over a whole train in one call, as `update` does row by row, and as fast as `synkin.simulate`.

        Args:
            spikes: (T, *shape of the state); each row is what `update` takes.
            dt: the step in ms; by default the dt that was set by `synkin.environ`.
            values: parameters that vary, by name, each (T, *shape of the state) or broadcasting to it, such as (T,).

        Returns:
            g at the end of each step, (T, *shape of the state), in the unit in which `update` gives it.

        Raises:
            TypeError, ValueError: there is no dt, or the train is of the wrong kind or shape.
            RuntimeError: it is called under a JAX transformation such as jit. Use `synkin.simulate` there.

        Example:
            >>> synapse = synkin.AMPA(2, method="exact")
            >>> synapse.init_state()
            >>> spikes = np.arange(40)[:, None] == [10, 20]
            >>> print(synapse.run(spikes, dt=0.1).max(axis=0).round(3))
            [0.208 0.208]
            >>> print(synapse.g.value.round(3))  # at the end
            [0.133 0.159]
        """
        t, step = self._time(dt)
        plain = self._values_without_units(values)
        shape = self.state[0].shape
        train = None
        if spikes is not None:
            spikes = self._strip_unit("spikes", spikes, self.kernel.input.unit)
            train = self.kernel.input.check_train(as_real_array("spikes", spikes), shape)
        g = self._run(train, plain, t, step)
        self._clock = t + len(g) * step
        return units.quantity(g, "mS") if self._has_units else g

    def _run(self, spikes: Array | None, values: dict[str, Any], t: float, dt: float) -> Array:
        """Advance over a train that has been checked: keep the new state and return g."""
        if self._channels is not None:
            return self._run_channels(spikes, dt, self._channels)
        state, weight, released, weighted = self.state, None, None, self._weighted
        releasing = self._releasing(dt)
        if releasing is not None and spikes is not None:
            released, spikes = release_in_run(releasing, spikes, state[0].dtype)
        final, g = simulate(
            self.kernel,
            self._params,
            spikes,
            dt,
            varying=values,
            weighted=weighted,
            state=WeightedState(state, self._weight) if weighted else state,
            method=self._method,
            overlap=self._overlap,
        )
        if weighted:
            final, weight = final
        self._check_concrete((final, weight, released, g, t))
        self._state, self._weight, self._release_state = final, weight, released
        return g

    def _run_channels(self, spikes: Array | None, dt: float, channels: Channels) -> Array:
        check_spikes_given(spikes, False, "spikes")
        assert spikes is not None
        shape = self.state[0].shape
        stepper, carry = self._stepper_and_carry(dt, ())
        assert isinstance(stepper, ChannelStepper)
        train = jnp.broadcast_to(spikes, (len(spikes), *shape))
        carry, g = channels_of_object.run(stepper, carry, train, self._next_draws(channels, len(spikes)))
        self._check_concrete((carry, g, dt))
        self._stepping, self._stepping_for = (stepper, carry), (self._params, dt)
        self._held_state, self._at_rest = None, False
        return g

    def _check_may_be_set(self, name: str) -> None:
        if self._channels is not None:
            raise AttributeError(
                f"Attribute `{name}` cannot be set with `channels`, whose receptors are counted: use `init_state`."
            )

    def _options(self) -> dict[str, str]:
        """Options that `repr` shows besides the parameters, as text."""
        options = {"method": repr(self._method)}
        if self._channels is not None:
            options["channels"] = short_repr(self._channels.number)
        if self._release is not None:
            parts = ", ".join(f"{field}={short_repr(value)}" for field, value in self._release._asdict().items())
            options["release"] = f"{tsodyks_markram.name}({parts})"
        return options

    @property
    def _instead(self) -> str:
        name = self.kernel.name
        where = f"synkin.{name}" if getattr(sys.modules["synkin"], name, None) is self.kernel else name
        return f"synkin.stepper or synkin.simulate with {where}"
