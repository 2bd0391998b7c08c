"""The receptors, in which a spike starts a pulse of transmitter: `AMPA`, `GABAa`, `BioNMDA`."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments.numbers import Shape
from synkin.arguments.varying import check_spikes_given, transmitter_varies
from synkin.kernels.ampa import ampa
from synkin.kernels.bionmda import bionmda
from synkin.kernels.gabaa import gabaa
from synkin.networks.plasticity import Params as ReleaseParams
from synkin.networks.plasticity import State as ReleaseState
from synkin.objects.attributes import Parameter, Variable
from synkin.objects.constructors import KERNEL_DEFAULT, from_kernel
from synkin.objects.release import Releasing
from synkin.objects.synapse import AnyStepper, Synapse, advance
from synkin.objects.values import Value
from synkin.solving.carry import Carry, Progress

BEFORE_ANY_SPIKE = -1e7  # ms


@jax.jit
def _step(
    stepper: AnyStepper,
    carry: Carry,
    values: dict[str, Any],
    releasing: Releasing | None,
    spike: Array | None,
    arrival: Array,
    t: float,
) -> tuple[Progress, ReleaseState | None, Array, Array]:
    """One update, see `synkin.objects.synapse.advance`; and the arrival times."""
    if spike is not None:
        spike = jnp.broadcast_to(spike, arrival.shape)
        arrival = jnp.where(spike.astype(bool), jnp.asarray(t, arrival.dtype), arrival)
    return *advance(stepper, carry, values, releasing, spike), arrival


@jax.jit
def _arrival_after_run(arrival: Array, spikes: Array, t: float, dt: float) -> Array:
    """When the latest spike came, after a whole run."""
    row = jnp.arange(len(spikes)).reshape((-1,) + (1,) * arrival.ndim)
    last = jnp.max(jnp.where(spikes.astype(bool), row, -1), axis=0, initial=-1)
    return jnp.where(last < 0, arrival, t + last.astype(arrival.dtype) * dt)


class Receptor(Synapse):
    """What all receptors share: spikes, which act from the start of a step, and the time of the latest spike.

    ``spike_arrival_time.value`` is that time in ms, -1e7 before the first spike. It is only a record. Steps depend on
    ``state.pulse_left``, the time for which there will still be transmitter.
    """

    T, T_dur = Parameter(), Parameter()
    T_duration = Parameter("T_dur")
    spike_arrival_time = Variable("ms")

    @property
    def overlap(self) -> str:
        """What a spike during a pulse does: "restart" or "ignore"."""
        return self._overlap

    def init_state(self, batch_size: int | None = None) -> None:
        super().init_state(batch_size)
        like = self.state[0]
        self._arrival = jnp.full(like.shape, BEFORE_ANY_SPIKE, like.dtype)

    def update(self, spike: ArrayLike | None = None, **values: ArrayLike) -> Array:
        """Advance by one step. Its length is the dt that was set by `synkin.environ`.

        The time t is only needed for `spike_arrival_time`. If it is not set by `synkin.environ`, the object counts it:
        it is 0 at `init_state` and grows by dt in each step.

        Args:
            spike: booleans (or 0 and 1), of the shape of the state or broadcasting to it. None if T varies.
            values: parameters that vary, by name, as in ``update(spike, V=V)``, of the shape of the state or
                broadcasting to it. They hold during this step only. For a scheme, steps are interpolated in a table if
                V alone varies, from -120 to 80 mV; outside of it g is NaN. If another parameter or several vary, each
                step computes a matrix exponential, which is slow.

        Returns:
            g at the end of the step, as the fraction of open receptors, of the shape of the state.

        Raises:
            TypeError, ValueError: dt is not set, or a spike or a value is of the wrong kind, shape or range.
            RuntimeError: it is called under a JAX transformation such as jit. Use a `synkin.stepper` there.

        Example:
            >>> synapse = synkin.AMPA(2, method="exact")
            >>> synapse.init_state()
            >>> with synkin.environ.context(dt=0.1):
            ...     for spike in ([True, False], [False, False]):
            ...         g = synapse.update(spike)
            >>> print(g.round(4))
            [0.0917 0.]
        """
        now, ready = self._ready(values)
        check_spikes_given(spike, transmitter_varies(self.kernel, values), "spike")
        checked = None if spike is None else self.kernel.input.check_values("spike", self._input("spike", spike))
        *after, arrival = _step(*ready, checked, self._arrival, now[0])
        g = self._keep(now, ready, *after)
        self._arrival = arrival
        return g

    def _run(self, spikes: Array | None, values: dict[str, Any], t: float, dt: float) -> Array:
        arrival = self._arrival
        if spikes is not None:
            spikes = spikes.astype(bool)
            arrival = _arrival_after_run(arrival, spikes, t, dt)
        g = super()._run(spikes, values, t, dt)
        self._arrival = arrival
        return g

    def add_delta_input(self, key: Hashable, inp: object, label: str | None = None) -> NoReturn:
        """Not available: a receptor takes spikes only. Give them to `update`.

        Raises:
            TypeError: always.

        Example:
            >>> synkin.AMPA(2).add_delta_input("noise", [0.1, 0.1])
            Traceback (most recent call last):
                ...
            TypeError: AMPA takes no delta inputs, because a spike only starts a pulse of transmitter: ...
        """
        raise TypeError(
            f"{type(self).__name__} takes no delta inputs, because a spike only starts a pulse of "
            "transmitter: give spikes to `update`."
        )

    def _options(self) -> dict[str, str]:
        return {**super()._options(), "overlap": repr(self._overlap)}

    def _read(self, name: str) -> Array:
        state = self.state  # sets the arrival time too if there was no state
        return self._arrival if name == "spike_arrival_time" else getattr(state, name)

    def _write(self, name: str, value: Array) -> None:
        if name == "spike_arrival_time":
            self._arrival = value
        else:
            super()._write(name, value)


@from_kernel
class AMPA(Receptor):
    """The AMPA receptor, `synkin.ampa`, as an object.

    ``spike_arrival_time.value`` is the time of the latest spike in ms, and -1e7 before the first spike. Nothing depends
    on it: a step depends on ``state.pulse_left``, the time for which there will still be transmitter.
    """

    kernel = ampa
    alpha, beta, g = Parameter(), Parameter(), Variable()

    def __init__(
        self,
        in_size: int | Shape,
        name: str | None = None,
        alpha: Value = KERNEL_DEFAULT,
        beta: Value = KERNEL_DEFAULT,
        T: Value = KERNEL_DEFAULT,
        T_dur: Value = KERNEL_DEFAULT,
        g_initializer: Value = 0.0,
        *,
        method: str = "exp_euler",
        overlap: str = "restart",
        release: ReleaseParams | None = None,
        channels: ArrayLike | None = None,
        key: Array | None = None,
    ) -> None:
        self._construct(locals())


@from_kernel
class GABAa(AMPA):
    """The GABA-A receptor, `synkin.gabaa`, as an object: an `AMPA` with other defaults."""

    kernel = gabaa


@from_kernel
class BioNMDA(Receptor):
    """The NMDA receptor, `synkin.bionmda`, as an object.

    ``spike_arrival_time.value`` is the time of the latest spike in ms, as of `synkin.AMPA`.
    """

    kernel = bionmda
    _initializers = (("g", "g_initializer"), ("x", "x_initializer"))
    alpha1, beta1, alpha2, beta2 = Parameter(), Parameter(), Parameter(), Parameter()
    g, x = Variable(), Variable()

    def __init__(
        self,
        in_size: int | Shape,
        name: str | None = None,
        alpha1: Value = KERNEL_DEFAULT,
        beta1: Value = KERNEL_DEFAULT,
        alpha2: Value = KERNEL_DEFAULT,
        beta2: Value = KERNEL_DEFAULT,
        T: Value = KERNEL_DEFAULT,
        T_dur: Value = KERNEL_DEFAULT,
        g_initializer: Value = 0.0,
        x_initializer: Value = 0.0,
        *,
        method: str = "exp_euler",
        overlap: str = "restart",
        release: ReleaseParams | None = None,
    ) -> None:
        self._construct(locals())
