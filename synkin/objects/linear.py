"""The linear synapses, whose inputs are weights: `Alpha`, `Expon`, `DualExpon`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.choices import check_flag
from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.messages import describe
from synkin.arguments.numbers import Shape
from synkin.arguments.params_and_states import aligned_params, check_params
from synkin.kernels.alpha import alpha
from synkin.kernels.dual_expon import dual_expon, peak
from synkin.kernels.expon import expon
from synkin.networks import release_on_grid
from synkin.networks.plasticity import Params as ReleaseParams
from synkin.networks.plasticity import State as ReleaseState
from synkin.networks.plasticity import tsodyks_markram
from synkin.objects.constructors import KERNEL_DEFAULT, from_kernel
from synkin.objects.synapse import Parameter, Synapse, Value, Variable, as_real_array, as_state, short_repr
from synkin.runs.grid import simulate
from synkin.solving.carry import Carry
from synkin.solving.stepper import Stepper

DeltaInput = ArrayLike | Callable[..., ArrayLike]
DeltaKey = tuple[str | None, Hashable]
"""The label and the key of a delta input."""


@jax.jit
def _step(stepper: Stepper, carry: Carry, inputs: list[Array]) -> tuple[Carry, Array]:
    """One update: the carry and g."""
    return stepper.step(carry, _total(inputs, carry.y[0]))


@jax.jit
def _releasing_step(
    stepper: Stepper,
    carry: Carry,
    inputs: list[Array],
    params: ReleaseParams,
    state: ReleaseState,
    dt: ArrayLike,
) -> tuple[Carry, ReleaseState, Array]:
    """One update of an object with short-term plasticity: the carry, the state of the release and g."""
    like = carry.y[0]
    total = _total(inputs, like)
    coefficients, state = release_on_grid.compute_coefficients(params, state, jnp.asarray(dt, like.dtype))
    state, released = release_on_grid.step(coefficients, state, total != 0)
    carry, g = stepper.step(carry, released * total)
    return carry, state, g


def _total(inputs: Iterable[Array], like: Array) -> Array:
    return sum((jnp.broadcast_to(x, like.shape).astype(like.dtype) for x in inputs), jnp.zeros_like(like))


class Linear(Synapse):
    """What all linear synapses share: inputs in mS, added at the end of a step, and short-term plasticity."""

    def _construct(self, options: Mapping[str, object], params: Mapping[str, object] | None = None) -> None:
        super()._construct(options, params)
        self._delta_inputs: dict[DeltaKey, DeltaInput] = {}
        self._release_state: ReleaseState | None = None
        self.release = options["release"]

    @property
    def release(self) -> ReleaseParams | None:
        """Short-term plasticity: `synkin.tsodyks_markram`'s ``Params``, as arrays, or None. It may be set."""
        return self._release

    @release.setter
    def release(self, value: object) -> None:
        if value is None:
            self._release = self._release_state = None
            return
        if not isinstance(value, tuple) or getattr(value, "_fields", None) != tsodyks_markram.Params._fields:
            raise TypeError(
                f"Argument `release` must be a synkin.tsodyks_markram.Params or None, but is {describe(value)}."
            )
        given = tsodyks_markram.Params(*(v(self._in_size) if callable(v) else v for v in value))
        plain = units.params(tsodyks_markram, given)
        dtype = jnp.result_type(float)
        arrays = (jnp.array(as_real_array(name, v, "Parameter"), dtype) for name, v in plain._asdict().items())
        params = self._check_concrete(tsodyks_markram.Params(*arrays))
        check_params(params, self._in_size, tsodyks_markram)
        self._has_units = self._has_units or units.among(given)
        self._release, self._release_used = params, release_on_grid.without_unused(params)

    @property
    def release_state(self) -> ReleaseState | None:
        """The state of `synkin.tsodyks_markram`, or None if `release` is None. It may be set."""
        state = self.state
        if self._release is not None and self._release_state is None:
            self._release_state = tsodyks_markram.init(self._release, state[0].shape, dtype=state[0].dtype)
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

    def init_state(self, batch_size: int | None = None) -> None:
        super().init_state(batch_size)
        self._release_state = None  # at rest

    def update(self, x: ArrayLike | None = None) -> Array:
        """Advance by one step of `synkin.environ`'s dt.

        Args:
            x: input in mS (or booleans for 1 mS), of the state's shape or broadcasting to it; None for none. With
                short-term plasticity a spike occurs whenever the sum of a step's inputs is not 0: that sum is then
                multiplied by what the spike releases.

        Returns:
            g in mS at the end of the step, shape of the state.

        Raises:
            TypeError, ValueError: dt is not set, or an input of the wrong kind or shape.
            RuntimeError: under a JAX transformation; use the kernel's own ``step`` there.
        """
        t, dt = self._time()
        stepper, carry = self._stepper_and_carry(dt)
        added = self._called_delta_inputs() if self._delta_inputs else {}
        inputs = [self._input(f"delta input {key[1]}", value) for key, value in added.items()]
        if x is not None:
            inputs.append(self._input("x", x))
        if self._release is None:
            carry, g = _step(stepper, carry, inputs)
            self._check_concrete((carry.y, g, t))
        else:
            carry, released, g = _releasing_step(stepper, carry, inputs, self._release_used, self.release_state, dt)
            self._release_state = self._check_concrete((released, carry.y, g, t))[0]
        self._keep(stepper, carry)
        self._clock = t + dt
        self._drop_used(added)
        return units.quantity(g, "mS") if self._has_units else g

    def _run(self, spikes: Array, t: float, dt: float) -> Array:
        if self._delta_inputs:
            raise ValueError("Delta inputs are for `update`: `run` takes all its input from `spikes`.")
        released = self.release_state
        if released is not None:
            total = spikes.astype(self.state[0].dtype)
            step = jnp.asarray(dt, total.dtype)
            released, part = release_on_grid.run(self._release_used, released, total != 0, step)
            spikes = part * total
        state, g = simulate(self.kernel, self._params, spikes, dt, state=self.state, method=self._method)
        self._check_concrete((state, released, g, t))
        self._state, self._release_state = state, released
        return g

    def _options(self) -> dict[str, str]:
        if self._release is None:
            return super()._options()
        parts = ", ".join(f"{field}={short_repr(value)}" for field, value in self._release._asdict().items())
        return {**super()._options(), "release": f"{tsodyks_markram.name}({parts})"}

    def add_delta_input(self, key: Hashable, inp: DeltaInput, label: str | None = None) -> None:
        """Store an input in mS, which `update` adds to its own.

        Args:
            key: its name.
            inp: an array, which the next update adds and removes; or a callable without arguments, whose result every
                update adds.
            label: a group, for `sum_delta_inputs`. Several groups may have the same key.

        Raises:
            TypeError: neither a callable nor real numbers.
            ValueError: the key is taken in that group.
        """
        if not callable(inp):
            as_real_array("inp", self._strip_unit("inp", inp, "mS"))
        if self._delta_inputs.setdefault((label, key), inp) is not inp:
            among = "" if label is None else f" with the label {label!r}"
            raise ValueError(f"Argument `key` must be new{among}, but {key!r} has a delta input already.")

    def remove_delta_input(self, key: Hashable, label: str | None = None) -> None:
        """Remove a delta input.

        Raises:
            ValueError: there is none with that key and label.
        """
        if (label, key) not in self._delta_inputs:
            raise ValueError(f"Argument `key` must name a delta input, but there is no {key!r}.")
        del self._delta_inputs[label, key]

    def sum_delta_inputs(self, init: ArrayLike, *args: object, label: str | None = None, **kwargs: object) -> Array:
        """``init`` plus the delta inputs. Those that are arrays are then removed.

        Args:
            init: what the inputs are added to, mS.
            *args: passed to the callables.
            label: take the inputs of this group only; None for all.
            **kwargs: passed to the callables.

        Returns:
            The sum in mS.
        """
        added = self._called_delta_inputs(label, *args, **kwargs)
        total = self._strip_unit("init", init, "mS")
        for (_, key), value in added.items():
            total = total + jnp.asarray(self._strip_unit(f"delta input {key}", value, "mS"), jnp.result_type(float))
        self._drop_used(added)
        return self._with_unit(jnp.asarray(total), "mS")

    def _called_delta_inputs(
        self, label: str | None = None, *args: object, **kwargs: object
    ) -> dict[DeltaKey, ArrayLike]:
        return {
            key: inp(*args, **kwargs) if callable(inp) else inp
            for key, inp in self._delta_inputs.items()
            if label in (None, key[0])
        }

    def _drop_used(self, added: Iterable[DeltaKey]) -> None:
        for key in added:
            if not callable(self._delta_inputs[key]):
                del self._delta_inputs[key]


@from_kernel
class Alpha(Linear):
    """The alpha synapse, `synkin.alpha`, as an object."""

    kernel = alpha
    _initializers = (("g", "g_initializer"), ("h", "g_initializer"))
    tau, g, h = Parameter(), Variable(), Variable()

    def __init__(
        self,
        in_size: int | Shape,
        name: str | None = None,
        tau: Value = KERNEL_DEFAULT,
        g_initializer: Value = 0.0,
        *,
        method: str = "exp_euler",
        release: ReleaseParams | None = None,
    ) -> None:
        self._construct(locals())


@from_kernel
class Expon(Linear):
    """The exponential synapse, `synkin.expon`, as an object."""

    kernel = expon
    tau, g = Parameter(), Variable()

    def __init__(
        self,
        in_size: int | Shape,
        name: str | None = None,
        tau: Value = KERNEL_DEFAULT,
        g_initializer: Value = 0.0,
        *,
        method: str = "exp_euler",
        release: ReleaseParams | None = None,
    ) -> None:
        self._construct(locals())


@from_kernel
class DualExpon(Linear):
    """The dual exponential synapse, `synkin.dual_expon`, as an object.

    Its variables are g_rise and g_decay, which decay separately after every input and have the same initial value.
    ``state`` holds g_rise and w, from which g_decay is computed. Without ``normalize``, ``params.amplitude`` is the
    peak of amplitude (g_decay - g_rise) after a unit input, which is 0 if the time constants are equal.
    """

    kernel = dual_expon
    _initializers = (("g_rise", "g_initializer"),)  # equal to g_decay, so that w is 0
    tau_decay, tau_rise, amplitude = Parameter(), Parameter(), Parameter()
    g_rise, g_decay = Variable(), Variable("mS")

    def __init__(
        self,
        in_size: int | Shape,
        name: str | None = None,
        tau_decay: Value = KERNEL_DEFAULT,
        tau_rise: Value = KERNEL_DEFAULT,
        amplitude: Value = KERNEL_DEFAULT,
        normalize: bool = True,
        g_initializer: Value = 0.0,
        *,
        method: str = "exp_euler",
        release: ReleaseParams | None = None,
    ) -> None:
        self._normalize = check_flag("normalize", normalize)
        self._construct(locals())

    @property
    def normalize(self) -> bool:
        """Whether ``amplitude`` is the peak of g after a unit input."""
        return self._normalize

    def _options(self) -> dict[str, str]:
        return {"normalize": repr(self._normalize), **super()._options()}

    def _params_for_kernel(self, given: AnyParams) -> AnyParams:
        return given if self._normalize else not_normalized(given, self.in_size)

    def _read(self, name: str) -> Array:
        return decaying_part(self._given, self.state) if name == "g_decay" else super()._read(name)

    def _write(self, name: str, value: Array) -> None:
        if np.any(np.asarray(self._given.tau_rise) == np.asarray(self._given.tau_decay)):
            raise ValueError(
                "Attributes `g_rise` and `g_decay` cannot be set if tau_rise = tau_decay, because they "
                "are then equal in every state: set `state` instead."
            )
        pair = {"g_rise": self._read("g_rise"), "g_decay": self._read("g_decay"), name: value}
        self._state = _from_pair(self._given, **pair)


def not_normalized(params: AnyParams, shape: Shape) -> AnyParams:
    """Parameters of `synkin.dual_expon` for which its g is amplitude (g_decay - g_rise).

    Args:
        params: arrays of one dtype; ``amplitude`` is the factor in that formula.
        shape: of the synapses, to which the parameters broadcast.
    """
    like: Any = jax.ShapeDtypeStruct(shape, params.amplitude.dtype)
    return _not_normalized(aligned_params(params, like, dual_expon))


@jax.jit
def _not_normalized(params: AnyParams) -> AnyParams:
    return params._replace(amplitude=params.amplitude * _rate_difference(params) * peak(params))


@jax.jit
def decaying_part(params: AnyParams, state: AnyState) -> Array:
    """g_decay in mS, from parameters and state of `synkin.dual_expon`."""
    return state.g_rise + _rate_difference(aligned_params(params, state.w, dual_expon)) * state.w


@jax.jit
def _from_pair(params: AnyParams, g_rise: Array, g_decay: Array) -> AnyState:
    w = (g_decay - g_rise) / _rate_difference(aligned_params(params, g_rise, dual_expon))
    return dual_expon.State(g_rise=g_rise, w=w)


def _rate_difference(params: AnyParams) -> Array:
    """1/tau_rise - 1/tau_decay in 1/ms, without cancellation if the two are close."""
    return (params.tau_decay - params.tau_rise) / (params.tau_rise * params.tau_decay)
