"""The synapses whose inputs are added: `Alpha`, `Expon`, `DualExpon`."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.choices import check_flag
from synkin.arguments.messages import describe
from synkin.arguments.numbers import Shape
from synkin.arguments.params_and_states import aligned_params, check_params
from synkin.kernels.alpha import alpha
from synkin.kernels.dual_expon import dual_expon, peak
from synkin.kernels.expon import expon
from synkin.networks.plasticity import State as ReleaseState
from synkin.networks.plasticity import advance as advance_release
from synkin.networks.plasticity import prepared, trace, tsodyks_markram, without_unused
from synkin.objects.synapse import Parameter, Synapse, Value, Variable, brief, real, spread
from synkin.runs.grid import simulate

_ALPHA, _DUAL_EXPON, _EXPON = alpha.Params(), dual_expon.Params(), expon.Params()  # the defaults


@jax.jit
def _step(ready: Any, carry: Any, inputs: list[Array]) -> tuple[Any, Array]:
    """One update: the carry and g."""
    return ready.step(carry, _total(inputs, carry.y[0]))


@jax.jit
def _releasing_step(
    ready: Any, carry: Any, inputs: list[Array], params: Any, state: ReleaseState, dt: ArrayLike
) -> tuple[Any, ReleaseState, Array]:
    """One update of an object with short-term plasticity: the carry, the state of release and g."""
    like = carry.y[0]
    total = _total(inputs, like)
    state, released = advance_release(*prepared(params, state, jnp.asarray(dt, like.dtype)), total != 0)
    carry, g = ready.step(carry, released * total)
    return carry, state, g


def _total(inputs: list[Array], like: Array) -> Array:
    return sum((jnp.broadcast_to(x, like.shape).astype(like.dtype) for x in inputs), jnp.zeros_like(like))


class Linear(Synapse):
    """What the three share: inputs in mS, added at the end of a step, and what of them is released."""

    def __init__(
        self,
        in_size: int | Shape,
        name: str | None,
        given: dict[str, Value],
        method: str | None,
        release: Any,
    ) -> None:
        super().__init__(in_size, name, given, method)
        self._delta_inputs: dict[tuple[str | None, Hashable], Any] = {}
        self._release_state: Any = None
        self.release = release

    @property
    def release(self) -> Any:
        """Short-term plasticity, `synkin.tsodyks_markram`'s ``Params``, as arrays, or None; it may be set anew."""
        return self._release

    @release.setter
    def release(self, value: Any) -> None:
        if value is None:
            self._release = self._release_state = None
            return
        if isinstance(value, type) or getattr(value, "_fields", None) != tsodyks_markram.Params._fields:
            raise TypeError(
                f"Argument `release` must be a synkin.tsodyks_markram.Params or None, but is {describe(value)}."
            )
        given = value._make(v(self._in_size) if callable(v) else v for v in value)
        plain = units.params(tsodyks_markram, given)
        dtype = jnp.result_type(float)
        arrays = (jnp.array(real(name, v, "Parameter"), dtype) for name, v in plain._asdict().items())
        params = self._concrete(tsodyks_markram.Params(*arrays))
        check_params(params, self._in_size, tsodyks_markram)
        self._has_units = self._has_units or units.among(given)
        self._release, self._release_used = params, without_unused(params)

    @property
    def release_state(self) -> Any:
        """`synkin.tsodyks_markram`'s ``State``, or None without short-term plasticity; it may be set."""
        state = self.state  # made now, where it was not
        if self._release is not None and self._release_state is None:
            self._release_state = tsodyks_markram.init(self._release, state[0].shape, dtype=state[0].dtype)
        return self._release_state

    @release_state.setter
    def release_state(self, state: Any) -> None:
        old = self.release_state
        if old is None:
            raise AttributeError("Attribute `release_state` cannot be set where `release` is None.")
        if getattr(state, "_fields", None) != old._fields:
            raise TypeError(
                f"Argument `release_state` must be a synkin.tsodyks_markram.State, but is {describe(state)}."
            )
        fields = (spread(field, v, o.shape, o.dtype) for field, v, o in zip(old._fields, state, old, strict=True))
        self._release_state = self._concrete(ReleaseState(*fields))

    def init_state(self, batch_size: int | None = None) -> None:
        super().init_state(batch_size)
        self._release_state = None  # at rest

    def update(self, x: ArrayLike | None = None) -> Array:
        """Advance by one step of `synkin.environ`'s dt.

        Args:
            x: input in mS (or booleans for 1 mS), of the state's shape or broadcasting to it; None for none. With
                short-term plasticity all inputs of a step together are one spike, if they are not 0, and what is
                released of them is added.

        Returns:
            g in mS at the end of the step, shape of the state.

        Raises:
            TypeError, ValueError: dt is not set, or an input of the wrong kind or shape.
            RuntimeError: under a JAX transformation; there the kernel's own ``step`` belongs.
        """
        t, dt = self._time()
        ready, carry = self._ready(dt)
        added = self._called_delta_inputs() if self._delta_inputs else {}
        inputs = [self._input(f"delta input {key[1]}", value) for key, value in added.items()]
        if x is not None:
            inputs.append(self._input("x", x))
        if self._release is None:
            carry, g = _step(ready, carry, inputs)
            self._concrete((carry.y, g, t))
        else:
            carry, released, g = _releasing_step(ready, carry, inputs, self._release_used, self.release_state, dt)
            self._release_state = self._concrete((released, carry.y, g, t))[0]
        self._gone(ready, carry)
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
            released, part = trace(self._release_used, released, total != 0, step)
            spikes = part * total
        state, g = simulate(self.kernel, self._params, spikes, dt, state=self.state, method=self._method)
        self._concrete((state, released, g, t))
        self._state, self._release_state = state, released
        return g

    def _options(self) -> dict[str, str]:
        if self._release is None:
            return super()._options()
        parts = ", ".join(f"{field}={brief(value)}" for field, value in self._release._asdict().items())
        return {**super()._options(), "release": f"{tsodyks_markram.name}({parts})"}

    def add_delta_input(
        self, key: Hashable, inp: ArrayLike | Callable[..., ArrayLike], label: str | None = None
    ) -> None:
        """Let `update` add an input of its own, in mS.

        Args:
            key: its name.
            inp: an array, added by the next update and then gone; or a callable without arguments, called by
                every update.
            label: a group, for `sum_delta_inputs`; the same key may stand in several.

        Raises:
            TypeError: neither a callable nor real numbers.
            ValueError: the key is taken in that group.
        """
        if not callable(inp):
            real("inp", self._take("inp", inp, "mS"))
        if self._delta_inputs.setdefault((label, key), inp) is not inp:
            among = "" if label is None else f" with the label {label!r}"
            raise ValueError(f"Argument `key` must be new{among}, but {key!r} has a delta input already.")

    def remove_delta_input(self, key: Hashable, label: str | None = None) -> None:
        """Take a delta input back.

        Raises:
            ValueError: there is none of that key and label.
        """
        if (label, key) not in self._delta_inputs:
            raise ValueError(f"Argument `key` must name a delta input, but there is no {key!r}.")
        del self._delta_inputs[label, key]

    def sum_delta_inputs(self, init: ArrayLike, *args: Any, label: str | None = None, **kwargs: Any) -> Array:
        """``init`` plus the delta inputs, of which the arrays are used up.

        Args:
            init: what they are added to, mS.
            *args: passed on to the callables.
            label: only those of this group; None for all.
            **kwargs: passed on to the callables.

        Returns:
            The sum in mS.
        """
        added = self._called_delta_inputs(label, *args, **kwargs)
        total = self._take("init", init, "mS")
        for (_, key), value in added.items():
            total = total + jnp.asarray(self._take(f"delta input {key}", value, "mS"), jnp.result_type(float))
        self._drop_used(added)
        return self._with_unit(jnp.asarray(total), "mS")

    def _called_delta_inputs(self, label: str | None = None, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return {
            key: inp(*args, **kwargs) if callable(inp) else inp
            for key, inp in self._delta_inputs.items()
            if label in (None, key[0])
        }

    def _drop_used(self, added: dict[Any, Any]) -> None:
        for key in added:
            if not callable(self._delta_inputs[key]):
                del self._delta_inputs[key]


class Alpha(Linear):
    """The alpha synapse, `synkin.alpha`, as an object.

    Args:
        in_size: number of synapses, or their shape.
        name: by default one that no other object has.
        tau: time constant, ms.
        g_initializer: initial g and h, mS.
        method: "exp_euler" (brainpy.state's scheme) or "exact".
        release: short-term plasticity, a `synkin.tsodyks_markram` ``Params``: a spike then counts as its input times
            what it releases. `release_state` is where that stands. None for none.

    A parameter or initial value is a number, an array that broadcasts, or a callable of the shape.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.

    Source: Rall 1967, J. Neurophysiol. 30:1138.
    """

    kernel = alpha
    _initializers = (("g", "g_initializer"), ("h", "g_initializer"))

    tau = Parameter()
    g = Variable()
    h = Variable()

    def __init__(
        self,
        in_size: int | Shape,
        name: str | None = None,
        tau: Value = _ALPHA.tau,
        g_initializer: Value = 0.0,
        *,
        method: str = "exp_euler",
        release: Any = None,
    ) -> None:
        super().__init__(in_size, name, {"tau": tau}, method, release)
        self.g_initializer = g_initializer


class Expon(Linear):
    """The exponential synapse, `synkin.expon`, as an object.

    Args:
        in_size: number of synapses, or their shape.
        name: by default one that no other object has.
        tau: time constant, ms.
        g_initializer: initial g, mS.
        method: "exp_euler" or "exact": the same here.
        release: short-term plasticity, a `synkin.tsodyks_markram` ``Params``: a spike then counts as its input times
            what it releases. `release_state` is where that stands. None for none.

    A parameter or initial value is a number, an array that broadcasts, or a callable of the shape.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.

    Source: Destexhe, Mainen and Sejnowski 1994, Neural Comput. 6:14.
    """

    kernel = expon

    tau = Parameter()
    g = Variable()

    def __init__(
        self,
        in_size: int | Shape,
        name: str | None = None,
        tau: Value = _EXPON.tau,
        g_initializer: Value = 0.0,
        *,
        method: str = "exp_euler",
        release: Any = None,
    ) -> None:
        super().__init__(in_size, name, {"tau": tau}, method, release)
        self.g_initializer = g_initializer


class DualExpon(Linear):
    """The dual exponential synapse, `synkin.dual_expon`, as an object.

    Its variables are g_rise and g_decay, which decay separately after every input; ``state``
    holds the same as g_rise and w.

    Args:
        in_size: number of synapses, or their shape.
        name: by default one that no other object has.
        tau_decay: time constant of decay, ms.
        tau_rise: time constant of rise, ms; it may equal tau_decay.
        amplitude: the peak of g after a unit input, dimensionless.
        normalize: False for g = amplitude (g_decay - g_rise) instead; ``params.amplitude`` is then the peak
            that this has, 0 where the time constants are equal.
        g_initializer: initial g_rise and g_decay, mS.
        method: "exp_euler" or "exact": the same here.
        release: short-term plasticity, a `synkin.tsodyks_markram` ``Params``: a spike then counts as its input times
            what it releases. `release_state` is where that stands. None for none.

    A parameter or initial value is a number, an array that broadcasts, or a callable of the shape.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.

    Source: Roth and van Rossum 2009, in: Computational Modeling Methods for Neuroscientists, ch. 6.
    """

    kernel = dual_expon
    _initializers = (("g_rise", "g_initializer"),)  # g_decay is equal to it, so that w is 0

    tau_decay = Parameter()
    tau_rise = Parameter()
    amplitude = Parameter()
    g_rise = Variable()
    g_decay = Variable("mS")

    def __init__(
        self,
        in_size: int | Shape,
        name: str | None = None,
        tau_decay: Value = _DUAL_EXPON.tau_decay,
        tau_rise: Value = _DUAL_EXPON.tau_rise,
        amplitude: Value = _DUAL_EXPON.amplitude,
        normalize: bool = True,
        g_initializer: Value = 0.0,
        *,
        method: str = "exp_euler",
        release: Any = None,
    ) -> None:
        self._normalize = check_flag("normalize", normalize)
        given = {"tau_decay": tau_decay, "tau_rise": tau_rise, "amplitude": amplitude}
        super().__init__(in_size, name, given, method, release)
        self.g_initializer = g_initializer

    @property
    def normalize(self) -> bool:
        """Whether ``amplitude`` is the peak of g after a unit input."""
        return self._normalize

    def _options(self) -> dict[str, str]:
        return {"normalize": repr(self._normalize), **super()._options()}

    def _for_kernel(self, given: Any) -> Any:
        if self._normalize:
            return given
        like: Any = jax.ShapeDtypeStruct(self.in_size, given.amplitude.dtype)
        return not_normalized(aligned_params(given, like, dual_expon))

    def _read(self, name: str) -> Array:
        return decaying_part(self._given, self.state) if name == "g_decay" else super()._read(name)

    def _write(self, name: str, value: Array) -> None:
        if np.any(np.asarray(self._given.tau_rise) == np.asarray(self._given.tau_decay)):
            raise ValueError(
                "Attributes `g_rise` and `g_decay` cannot be set where tau_rise = tau_decay, because they "
                "are equal there whatever the state: set `state` instead."
            )
        pair = {"g_rise": self._read("g_rise"), "g_decay": self._read("g_decay"), name: value}
        self._state = _from_pair(self._given, **pair)


@jax.jit
def not_normalized(params: Any) -> Any:
    """Parameters with which the kernel gives amplitude (g_decay - g_rise)."""
    return params._replace(amplitude=params.amplitude * _rate_difference(params) * peak(params))


@jax.jit
def decaying_part(params: Any, state: Any) -> Array:
    return state.g_rise + _rate_difference(aligned_params(params, state.w, dual_expon)) * state.w


@jax.jit
def _from_pair(params: Any, g_rise: Array, g_decay: Array) -> Any:
    w = (g_decay - g_rise) / _rate_difference(aligned_params(params, g_rise, dual_expon))
    return dual_expon.State(g_rise=g_rise, w=w)


def _rate_difference(params: Any) -> Array:
    """1/tau_rise - 1/tau_decay, /ms, without cancellation where the two are close."""
    return (params.tau_decay - params.tau_rise) / (params.tau_rise * params.tau_decay)
