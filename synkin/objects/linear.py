"""The linear synapses, whose inputs are weights: `Alpha`, `Expon`, `DualExpon`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments.choices import check_flag
from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.numbers import Shape
from synkin.arguments.params_and_states import aligned_params
from synkin.kernels.alpha import alpha
from synkin.kernels.dual_expon import dual_expon, peak
from synkin.kernels.expon import expon
from synkin.networks.plasticity import Params as ReleaseParams
from synkin.networks.plasticity import State as ReleaseState
from synkin.objects.attributes import Parameter, Variable
from synkin.objects.constructors import KERNEL_DEFAULT, from_kernel
from synkin.objects.release import Releasing
from synkin.objects.synapse import Synapse, advance
from synkin.objects.values import Value, as_real_array
from synkin.solving.carry import Carry, Progress
from synkin.solving.stepper import Stepper

DeltaInput = ArrayLike | Callable[..., ArrayLike]
DeltaKey = tuple[str | None, Hashable]
"""The label and the key of a delta input."""


@jax.jit
def _step(
    stepper: Stepper, carry: Carry, values: dict[str, Any], releasing: Releasing | None, inputs: list[Array]
) -> tuple[Progress, ReleaseState | None, Array]:
    """One update, see `synkin.objects.synapse.advance`."""
    return advance(stepper, carry, values, releasing, _total(inputs, carry.y[0]))


def _total(inputs: Iterable[Array], like: Array) -> Array:
    return sum((jnp.broadcast_to(x, like.shape).astype(like.dtype) for x in inputs), jnp.zeros_like(like))


class Linear(Synapse):
    """What all linear synapses share: inputs in mS, added at the end of a step, and short-term plasticity."""

    def _construct(self, options: Mapping[str, object], params: Mapping[str, object] | None = None) -> None:
        super()._construct(options, params)
        self._delta_inputs: dict[DeltaKey, DeltaInput] = {}

    def update(self, x: ArrayLike | None = None, **values: ArrayLike) -> Array:
        """Advance by one step. Its length is the dt that was set by `synkin.environ`.

        Args:
            x: the input in mS (or booleans for 1 mS), of the shape of the state or broadcasting to it; None for no
                input. With short-term plasticity there is a spike in each step whose inputs do not sum to 0. That sum
                is multiplied by what the spike releases.
            values: parameters that vary, by name, as in ``update(x, tau=tau)``, of the shape of the state or
                broadcasting to it. They hold during this step only.

        Returns:
            g in mS at the end of the step, of the shape of the state.

        Raises:
            TypeError, ValueError: dt is not set, or an input is of the wrong kind or shape.
            RuntimeError: it is called under a JAX transformation such as jit. Use a `synkin.stepper` there.

        Example:
            >>> synapse = synkin.Expon(2, tau=5.0)
            >>> synapse.init_state()
            >>> with synkin.environ.context(dt=0.1):
            ...     g = synapse.update([0.2, 0.0])  # mS
            ...     g = synapse.update()
            >>> print(g.round(4))
            [0.196 0.]
        """
        now, ready = self._ready(values)
        added = self._called_delta_inputs() if self._delta_inputs else {}
        inputs = [self._input(f"delta input {key[1]}", value) for key, value in added.items()]
        if x is not None:
            inputs.append(self._input("x", x))
        g = self._keep(now, ready, *_step(*ready, inputs))
        self._drop_used(added)
        return g

    def _run(self, spikes: Array | None, values: dict[str, Any], t: float, dt: float) -> Array:
        if self._delta_inputs:
            raise ValueError("Delta inputs are for `update`: `run` takes all its input from `spikes`.")
        return super()._run(spikes, values, t, dt)

    def add_delta_input(self, key: Hashable, inp: DeltaInput, label: str | None = None) -> None:
        """Store an input in mS, which `update` adds to the input that it is given.

        Args:
            key: the name of the input.
            inp: an array, which is added in the next update only; or a function without arguments, whose result is
                added in every update.
            label: the name of a group of inputs, for `sum_delta_inputs`. Each group has its own keys.

        Raises:
            TypeError: ``inp`` is neither a function nor real numbers.
            ValueError: there already is an input with that key in that group.

        Example:
            >>> synapse = synkin.Expon(2)
            >>> synapse.init_state()
            >>> synapse.add_delta_input("background", np.array([0.1, 0.2]))  # mS
            >>> with synkin.environ.context(dt=0.1):
            ...     print(synapse.update().round(3))
            [0.1 0.2]
        """
        if not callable(inp):
            as_real_array("inp", self._strip_unit("inp", inp, "mS"))
        if self._delta_inputs.setdefault((label, key), inp) is not inp:
            among = "" if label is None else f" with the label {label!r}"
            raise ValueError(f"Argument `key` must be new{among}, but {key!r} has a delta input already.")

    def remove_delta_input(self, key: Hashable, label: str | None = None) -> None:
        """Remove an input that `add_delta_input` stored.

        Raises:
            ValueError: there is no input with that key and label.

        Example:
            >>> synapse = synkin.Expon(2)
            >>> synapse.add_delta_input("background", lambda: np.array([0.1, 0.2]))  # in every step
            >>> synapse.remove_delta_input("background")
        """
        if (label, key) not in self._delta_inputs:
            raise ValueError(f"Argument `key` must name a delta input, but there is no {key!r}.")
        del self._delta_inputs[label, key]

    def sum_delta_inputs(self, init: ArrayLike, *args: object, label: str | None = None, **kwargs: object) -> Array:
        """``init`` plus the stored inputs. Inputs that are arrays are then removed.

        Args:
            init: what the inputs are added to, in mS.
            *args: passed to the inputs that are functions.
            label: take the inputs of this group only; None for all.
            **kwargs: passed to the inputs that are functions.

        Returns:
            The sum in mS.

        Example:
            >>> synapse = synkin.Expon(2)
            >>> synapse.add_delta_input("background", np.array([0.25, 0.5]))
            >>> print(synapse.sum_delta_inputs(np.zeros(2)))
            [0.25 0.5]
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

    It has the attributes g_rise and g_decay, which both grow with an input and then decay, each with its own time
    constant. ``state`` holds g_rise and w, from which g_decay is computed. With ``normalize=False`` g is amplitude
    (g_decay - g_rise), and ``params.amplitude`` is the peak of that after an input of 1 mS; it is 0 if the time
    constants are equal.
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

    def _values_without_units(self, values: Mapping[str, Any]) -> dict[str, Any]:
        check_normalized(self._normalize, values)
        return super()._values_without_units(values)

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


def check_normalized(normalize: bool, values: Mapping[str, object]) -> None:
    """Raise ValueError if parameters vary, as ``values`` are given, from which the kernel's amplitude would follow."""
    if values and not normalize:
        raise ValueError("Argument `normalize` must be True where parameters vary, but is False.")


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
