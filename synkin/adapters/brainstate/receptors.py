"""The receptors, in which a spike starts a pulse of transmitter, for brainstate: `AMPA`, `GABAa`, `BioNMDA`."""

from collections.abc import Hashable
from typing import NoReturn

import braintools
import brainunit as u
import jax.numpy as jnp

from synkin.adapters.brainstate.synapse import NO_G, Numbers, Synapse, Value, environ, event_array, with_unit
from synkin.arguments import units
from synkin.arguments.numbers import Shape
from synkin.arguments.varying import check_spikes_given, transmitter_varies
from synkin.kernels.ampa import ampa
from synkin.kernels.bionmda import bionmda
from synkin.kernels.gabaa import gabaa
from synkin.networks.plasticity import Params as ReleaseParams
from synkin.objects.constructors import KERNEL_DEFAULT, check_has_parameter, from_kernel
from synkin.objects.receptors import BEFORE_ANY_SPIKE

_NO_X = braintools.init.Constant(0.0)


class Receptor(Synapse):
    """What all receptors share: spikes, which act from the start of a step, and the time of the latest spike.

    Besides its variables a receptor has the states ``pulse_left``, the ms for which there will still be transmitter,
    and ``spike_arrival_time``, the time of the latest spike (-1e7 ms before the first), on which nothing depends.
    """

    _attributes = {"T_dur": "T_duration"}  # noqa: RUF012 (never changed)

    @property
    def T_dur(self) -> Numbers:
        """Length of a pulse; the attribute `T_duration` is the same."""
        return self.T_duration

    @T_dur.setter
    def T_dur(self, value: Value) -> None:
        check_has_parameter(self.kernel, "T_dur")
        self.T_duration = value

    @property
    def overlap(self) -> str:
        """What a spike during a pulse does: "restart" or "ignore"."""
        return self._overlap

    def update(self, pre_spike: Numbers | None = None, **values: Numbers) -> Numbers:
        """Advance by one step of brainstate's dt.

        Args:
            pre_spike: booleans (or 0 and 1), of the shape of the state or broadcasting to it. Other numbers, and spikes
                with a surrogate gradient, raise an error; brainpy.state gives the latter a gradient of 0. None if T
                varies.
            values: parameters that vary, by name, as in ``update(pre_spike, V=V)``, of the shape of the state or
                broadcasting to it. They hold during this step only. For a scheme, steps are interpolated in a table if
                V alone varies, from -120 to 80 mV; outside of it g is NaN.

        Returns:
            g at the end of the step, of the shape of the state, in the unit of `g_initializer`.

        Raises:
            TypeError, ValueError: t or dt is not set; a spike or value is of the wrong kind, shape or range; or a
                derivative with respect to a spike is asked for.

        If dt or T_dur changes during a pulse, the pulse ends at the nearest step of the new dt.
        """
        t = units.strip_unit("t", environ("t"), "ms")
        arrival = units.strip_unit("spike_arrival_time", self.spike_arrival_time.value, "ms")
        check_spikes_given(pre_spike, transmitter_varies(self.kernel, values), "pre_spike")
        spike = None
        if pre_spike is not None:
            plain = units.strip_unit("pre_spike", event_array(pre_spike), "1")
            spike = self.kernel.input.check_spike(plain, arrival, "pre_spike")
            arrival = jnp.where(spike.astype(bool), jnp.asarray(t, arrival.dtype), arrival)
        g = self._step(spike, values)
        self.spike_arrival_time.value = with_unit(u.ms, arrival)
        return g

    def add_delta_input(self, key: Hashable, inp: object, label: str | None = None) -> NoReturn:
        """Not available: a receptor takes spikes only.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            f"{type(self).__name__} takes no delta inputs, because a spike only starts a pulse of transmitter: use a "
            "projection that aligns it with the presynaptic neurons."
        )

    def _initial(self, batch_size: int | None) -> dict[str, Numbers]:
        values = super()._initial(batch_size)
        like = u.get_mantissa(values[self.kernel.order[0]])
        values["spike_arrival_time"] = with_unit(u.ms, jnp.full(like.shape, BEFORE_ANY_SPIKE, like.dtype))
        return values


@from_kernel
class AMPA(Receptor):
    """The AMPA receptor, `synkin.ampa`, for brainstate."""

    kernel = ampa

    def __init__(
        self,
        in_size: int | Shape,
        name: str | None = None,
        alpha: Value = KERNEL_DEFAULT,
        beta: Value = KERNEL_DEFAULT,
        T: Value = KERNEL_DEFAULT,
        T_dur: Value = KERNEL_DEFAULT,
        g_initializer: Value = NO_G,
        *,
        method: str = "exp_euler",
        overlap: str = "restart",
        release: ReleaseParams | None = None,
    ) -> None:
        self._construct(locals())


@from_kernel
class GABAa(AMPA):
    """The GABA-A receptor, `synkin.gabaa`, for brainstate: an `AMPA` with other defaults."""

    kernel = gabaa


@from_kernel
class BioNMDA(Receptor):
    """The NMDA receptor, `synkin.bionmda`, for brainstate."""

    kernel = bionmda
    _initializers = (("g", "g_initializer"), ("x", "x_initializer"))

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
        g_initializer: Value = NO_G,
        x_initializer: Value = _NO_X,
        *,
        method: str = "exp_euler",
        overlap: str = "restart",
        release: ReleaseParams | None = None,
    ) -> None:
        self._construct(locals())
