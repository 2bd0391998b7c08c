"""The receptors, where a spike starts a pulse of transmitter: `AMPA`, `GABAa`, `BioNMDA`."""

from __future__ import annotations

from typing import Any, NoReturn

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.choices import check_overlap
from synkin.arguments.numbers import Shape
from synkin.kernels.ampa import ampa
from synkin.kernels.bionmda import bionmda
from synkin.kernels.gabaa import gabaa
from synkin.objects.synapse import Parameter, Synapse, Value, Variable
from synkin.runs.grid import simulate

_AMPA, _BIONMDA, _GABAA = ampa.Params(), bionmda.Params(), gabaa.Params()  # the defaults
_BEFORE_ANY_SPIKE = -1e7  # ms


@jax.jit
def _step(ready: Any, carry: Any, arrival: Array, spike: Array, t: float) -> tuple[Any, Array, Array]:
    """One update: the carry, arrival times and g."""
    spike = jnp.broadcast_to(spike, arrival.shape)
    carry, g = ready.step(carry, spike)
    return carry, jnp.where(spike.astype(bool), jnp.asarray(t, arrival.dtype), arrival), g


@jax.jit
def _arrivals(arrival: Array, spikes: Array, t: float, dt: float) -> Array:
    """When the latest spike came, after a whole run."""
    row = jnp.arange(len(spikes)).reshape((-1,) + (1,) * arrival.ndim)
    last = jnp.max(jnp.where(spikes.astype(bool), row, -1), axis=0, initial=-1)
    return jnp.where(last < 0, arrival, t + last.astype(arrival.dtype) * dt)


class Receptor(Synapse):
    """What the three share: spikes, which act from the start of a step, and when the latest one came."""

    T_dur = Parameter()
    T_duration = Parameter("T_dur")
    spike_arrival_time = Variable("ms")

    def __init__(
        self,
        in_size: int | Shape,
        name: str | None,
        given: dict[str, Value],
        method: str | None,
        overlap: str,
        release: None = None,
    ) -> None:
        super().__init__(in_size, name, given, method)
        check_overlap(overlap)
        if release is not None:
            raise TypeError(
                f"Argument `release` is for Alpha, Expon and DualExpon, and not for {type(self).__name__}: receptors "
                "saturate, so that half of the transmitter is not half of the response."
            )
        self._overlap = overlap

    @property
    def overlap(self) -> str:
        """What a spike during a pulse does: "restart" or "ignore"."""
        return self._overlap

    def init_state(self, batch_size: int | None = None) -> None:
        super().init_state(batch_size)
        like = self._held_state[0]
        self._arrival = jnp.full(like.shape, _BEFORE_ANY_SPIKE, like.dtype)

    def update(self, spike: ArrayLike) -> Array:
        """Advance by one step of `synkin.environ`'s dt.

        `spike_arrival_time` takes its time from `synkin.environ` too. Where t is not set there, the object
        counts its own: 0 at `init_state`, and on by dt with every step, or on from the last t it was told.

        Args:
            spike: booleans (or 0 and 1), of the state's shape or broadcasting to it.

        Returns:
            g at the end of the step, as the fraction of open receptors, shape of the state.

        Raises:
            TypeError, ValueError: dt is not set, or a spike of the wrong kind, shape or value.
            RuntimeError: under a JAX transformation; there the kernel's own ``step`` belongs.
        """
        t, dt = self._time()
        ready, carry = self._ready(dt)
        spike = self.kernel.input.check_values("spike", self._input("spike", spike))
        carry, arrival, g = _step(ready, carry, self._arrival, spike, t)
        self._concrete((carry.y, carry.count, arrival, g))
        self._gone(ready, carry)
        self._arrival = arrival
        self._clock = t + dt
        return units.quantity(g, "mS") if self._has_units else g

    def _run(self, spikes: Array, t: float, dt: float) -> Array:
        state, g = simulate(
            self.kernel,
            self._params,
            spikes.astype(bool),
            dt,
            state=self.state,
            method=self._method,
            overlap=self._overlap,
        )
        arrival = _arrivals(self._arrival, spikes, t, dt)
        self._concrete((state, g, arrival))
        self._state, self._arrival = state, arrival
        return g

    def add_delta_input(self, key: Any, inp: Any, label: str | None = None) -> NoReturn:
        """Not here: a receptor takes spikes alone.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            f"{type(self).__name__} takes no delta inputs, because a spike only starts a pulse of "
            "transmitter: give spikes to `update`."
        )

    def _options(self) -> dict[str, str]:
        return {**super()._options(), "overlap": repr(self._overlap)}

    def _read(self, name: str) -> Array:
        state = self.state  # made now, where it was not; the arrival time comes with it
        return self._arrival if name == "spike_arrival_time" else getattr(state, name)

    def _write(self, name: str, value: Array) -> None:
        # A record for those who read it: the transmitter still to come is in `state.pulse_left`.
        if name == "spike_arrival_time":
            self._arrival = value
        else:
            super()._write(name, value)


class AMPA(Receptor):
    """The AMPA receptor, `synkin.ampa`, as an object.

    ``spike_arrival_time.value`` is when the latest spike came, in ms, -1e7 before the first: a record
    only, for the transmitter still to come is in ``state.pulse_left``.

    Args:
        in_size: number of synapses, or their shape.
        name: by default one that no other object has.
        alpha: binding rate, /ms/mM.
        beta: unbinding rate, /ms.
        T: transmitter concentration during a pulse, mM.
        T_dur: length of a pulse, ms; the attribute `T_duration` is the same.
        g_initializer: initial g, 0 to 1.
        method: "exp_euler" (brainpy.state's scheme) or "exact".
        overlap: "restart" (a spike during a pulse starts it anew) or "ignore" (it does nothing).
        release: None: short-term plasticity is for the linear synapses, as a receptor saturates.

    A parameter or initial value is a number, an array that broadcasts, or a callable of the shape.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.

    Source: Destexhe, Mainen and Sejnowski 1994, Neural Comput. 6:14.
    """

    kernel = ampa

    alpha = Parameter()
    beta = Parameter()
    T = Parameter()
    g = Variable()

    def __init__(
        self,
        in_size: int | Shape,
        name: str | None = None,
        alpha: Value = _AMPA.alpha,
        beta: Value = _AMPA.beta,
        T: Value = _AMPA.T,
        T_dur: Value = _AMPA.T_dur,
        g_initializer: Value = 0.0,
        *,
        method: str = "exp_euler",
        overlap: str = "restart",
        release: None = None,
    ) -> None:
        given = {"alpha": alpha, "beta": beta, "T": T, "T_dur": T_dur}
        super().__init__(in_size, name, given, method, overlap, release)
        self.g_initializer = g_initializer


class GABAa(AMPA):
    """The GABA-A receptor, `synkin.gabaa`, as an object: an `AMPA` with other defaults.

    Args:
        in_size: number of synapses, or their shape.
        name: by default one that no other object has.
        alpha: binding rate, /ms/mM.
        beta: unbinding rate, /ms.
        T: transmitter concentration during a pulse, mM.
        T_dur: length of a pulse, ms; the attribute `T_duration` is the same.
        g_initializer: initial g, 0 to 1.
        method: "exp_euler" (brainpy.state's scheme) or "exact".
        overlap: "restart" (a spike during a pulse starts it anew) or "ignore" (it does nothing).
        release: None: short-term plasticity is for the linear synapses, as a receptor saturates.

    A parameter or initial value is a number, an array that broadcasts, or a callable of the shape.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.

    Source: Destexhe, Mainen and Sejnowski 1994, Neural Comput. 6:14.
    """

    kernel = gabaa

    def __init__(
        self,
        in_size: int | Shape,
        name: str | None = None,
        alpha: Value = _GABAA.alpha,
        beta: Value = _GABAA.beta,
        T: Value = _GABAA.T,
        T_dur: Value = _GABAA.T_dur,
        g_initializer: Value = 0.0,
        *,
        method: str = "exp_euler",
        overlap: str = "restart",
        release: None = None,
    ) -> None:
        options: Any = {"method": method, "overlap": overlap, "release": release}
        super().__init__(in_size, name, alpha, beta, T, T_dur, g_initializer, **options)


class BioNMDA(Receptor):
    """The NMDA receptor, `synkin.bionmda`, as an object.

    ``spike_arrival_time.value`` is when the latest spike came, in ms, -1e7 before the first: a record
    only, for the transmitter still to come is in ``state.pulse_left``.

    Args:
        in_size: number of synapses, or their shape.
        name: by default one that no other object has.
        alpha1: opening rate of g per x, /ms.
        beta1: closing rate of g, /ms.
        alpha2: binding rate of x, /ms/mM.
        beta2: unbinding rate of x, /ms.
        T: transmitter concentration during a pulse, mM.
        T_dur: length of a pulse, ms; the attribute `T_duration` is the same.
        g_initializer: initial g, 0 to 1.
        x_initializer: initial x, 0 to 1.
        method: "exp_euler" (brainpy.state's scheme) or "exact".
        overlap: "restart" (a spike during a pulse starts it anew) or "ignore" (it does nothing).
        release: None: short-term plasticity is for the linear synapses, as a receptor saturates.

    A parameter or initial value is a number, an array that broadcasts, or a callable of the shape.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.

    Source: the equations of brainpy.state's BioNMDA, after Destexhe, Mainen and Sejnowski 1994,
    Neural Comput. 6:14.
    """

    kernel = bionmda
    _initializers = (("g", "g_initializer"), ("x", "x_initializer"))

    alpha1 = Parameter()
    beta1 = Parameter()
    alpha2 = Parameter()
    beta2 = Parameter()
    T = Parameter()
    g = Variable()
    x = Variable()

    def __init__(
        self,
        in_size: int | Shape,
        name: str | None = None,
        alpha1: Value = _BIONMDA.alpha1,
        beta1: Value = _BIONMDA.beta1,
        alpha2: Value = _BIONMDA.alpha2,
        beta2: Value = _BIONMDA.beta2,
        T: Value = _BIONMDA.T,
        T_dur: Value = _BIONMDA.T_dur,
        g_initializer: Value = 0.0,
        x_initializer: Value = 0.0,
        *,
        method: str = "exp_euler",
        overlap: str = "restart",
        release: None = None,
    ) -> None:
        given = {
            "alpha1": alpha1, "beta1": beta1, "alpha2": alpha2, "beta2": beta2, "T": T, "T_dur": T_dur,
        }  # fmt: skip
        super().__init__(in_size, name, given, method, overlap, release)
        self.g_initializer = g_initializer
        self.x_initializer = x_initializer
