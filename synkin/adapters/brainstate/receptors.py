"""The receptors, where a spike starts a pulse of transmitter, for brainstate: `AMPA`, `GABAa`, `BioNMDA`."""

from typing import Any, NoReturn

import braintools
import brainunit as u
import jax.numpy as jnp

from synkin.adapters.brainstate.synapse import NO_G, Synapse, Value, environ, plain_event, with_unit
from synkin.arguments import units
from synkin.arguments.choices import check_overlap
from synkin.kernels.ampa import ampa
from synkin.kernels.bionmda import bionmda
from synkin.kernels.gabaa import gabaa

_PER_MS, _PER_MS_MM = 1 / u.ms, 1 / (u.ms * u.mM)
_BEFORE_ANY_SPIKE = -1e7  # ms
_NO_X = braintools.init.Constant(0.0)


class Receptor(Synapse):
    """What the receptors share: spikes, which act from the start of a step, and when the latest one came.

    Besides its variables a receptor has the states ``pulse_left``, the ms of transmitter still to come, and
    ``spike_arrival_time``, when the latest spike came (-1e7 ms before the first): a record, on which nothing depends.
    """

    _attributes = {"T_dur": "T_duration"}  # noqa: RUF012

    @property
    def T_dur(self) -> Any:
        """Length of a pulse; the attribute `T_duration` is the same."""
        return self.T_duration

    @T_dur.setter
    def T_dur(self, value: Any) -> None:
        kernel = self.kernel
        if "T_dur" not in kernel.Params._fields:  # in a sum each part has its own
            listed = ", ".join(kernel.Params._fields)
            raise AttributeError(f"Attribute `T_dur` must be a parameter of {kernel.name} ({listed}), but is none.")
        self.T_duration = value

    @property
    def overlap(self) -> str:
        """What a spike during a pulse does: "restart" or "ignore"."""
        return self._overlap

    def update(self, pre_spike: Any) -> Any:
        """Advance by one step of brainstate's dt.

        Args:
            pre_spike: booleans (or 0 and 1), of the state's shape or broadcasting to it. brainpy.state takes any other
                number for a whole spike, and gives spikes with a surrogate gradient one of 0: both are refused here.

        Returns:
            g at the end of the step, shape of the state, in the unit of `g_initializer`.

        Raises:
            TypeError, ValueError: t or dt is not set, a spike of the wrong kind, shape or value, or one that is
                differentiated.

        A pulse that is under way when dt or T_dur changes ends with the step of the new dt that is nearest.
        """
        t = units.plain("t", environ("t"), "ms")
        arrival = units.plain("spike_arrival_time", self.spike_arrival_time.value, "ms")
        plain = units.plain("pre_spike", plain_event(pre_spike), "1")
        spike = self.kernel.input.check_spike(plain, arrival, "pre_spike")
        state, g = self._step(spike)
        self._keep(state)
        arrival = jnp.where(spike.astype(bool), jnp.asarray(t, arrival.dtype), arrival)
        self.spike_arrival_time.value = with_unit(u.ms, arrival)
        return g

    def add_delta_input(self, key: Any, inp: Any, label: str | None = None) -> NoReturn:
        """Not here: a receptor takes spikes alone.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            f"{type(self).__name__} takes no delta inputs, because a spike only starts a pulse of transmitter: use a "
            "projection that aligns it with the presynaptic neurons."
        )

    def _initial(self, batch_size: int | None) -> dict[str, Any]:
        values = super()._initial(batch_size)
        like = u.get_mantissa(values[self.kernel.order[0]])
        values["spike_arrival_time"] = with_unit(u.ms, jnp.full(like.shape, _BEFORE_ANY_SPIKE, like.dtype))
        return values


class AMPA(Receptor):
    """The AMPA receptor, `synkin.ampa`.

    Args:
        in_size: number of synapses, or their shape.
        name: of the module.
        alpha: binding rate, /ms/mM.
        beta: unbinding rate, /ms.
        T: transmitter concentration during a pulse, mM.
        T_dur: length of a pulse, ms; the attribute is `T_duration`, as in brainpy.state.
        g_initializer: initial g, 0 to 1, with the unit that g has.
        method: "exp_euler" (brainpy.state's scheme) or "exact".
        overlap: "restart" (a spike during a pulse starts it anew) or "ignore" (it does nothing).

    A parameter is a number (in these units), a quantity, an array that broadcasts, a callable of the shape or a state
    or parameter of brainstate. It may be set anew.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.

    Source: Destexhe, Mainen and Sejnowski 1994, Neural Comput. 6:14.
    """

    kernel = ampa

    def __init__(
        self,
        in_size: Any,
        name: str | None = None,
        alpha: Value = 0.98 * _PER_MS_MM,
        beta: Value = 0.18 * _PER_MS,
        T: Value = 0.5 * u.mM,
        T_dur: Value = 0.5 * u.ms,
        g_initializer: Value = NO_G,
        *,
        method: str = "exp_euler",
        overlap: str = "restart",
    ) -> None:
        check_overlap(overlap)
        given = {"alpha": alpha, "beta": beta, "T": T, "T_dur": T_dur}
        super().__init__(in_size, name, given, method, overlap)
        self.g_initializer = g_initializer


class GABAa(AMPA):
    """The GABA-A receptor, `synkin.gabaa`: an `AMPA` with other defaults.

    Args:
        in_size, name, alpha, beta, T, T_dur, g_initializer, method, overlap: as for `AMPA`.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.

    Source: Destexhe, Mainen and Sejnowski 1994, Neural Comput. 6:14.
    """

    kernel = gabaa

    def __init__(
        self,
        in_size: Any,
        name: str | None = None,
        alpha: Value = 0.53 * _PER_MS_MM,
        beta: Value = 0.18 * _PER_MS,
        T: Value = 1.0 * u.mM,
        T_dur: Value = 1.0 * u.ms,
        g_initializer: Value = NO_G,
        *,
        method: str = "exp_euler",
        overlap: str = "restart",
    ) -> None:
        super().__init__(in_size, name, alpha, beta, T, T_dur, g_initializer, method=method, overlap=overlap)


class BioNMDA(Receptor):
    """The NMDA receptor, `synkin.bionmda`.

    Args:
        in_size: number of synapses, or their shape.
        name: of the module.
        alpha1: opening rate of g per x, /ms.
        beta1: closing rate of g, /ms.
        alpha2: binding rate of x, /ms/mM.
        beta2: unbinding rate of x, /ms.
        T: transmitter concentration during a pulse, mM.
        T_dur: length of a pulse, ms; the attribute is `T_duration`, as in brainpy.state.
        g_initializer: initial g, 0 to 1, with the unit that g has.
        x_initializer: initial x, 0 to 1.
        method: "exp_euler" (brainpy.state's scheme) or "exact".
        overlap: "restart" (a spike during a pulse starts it anew) or "ignore" (it does nothing).

    A parameter is a number (in these units), a quantity, an array that broadcasts, a callable of the shape or a state
    or parameter of brainstate. It may be set anew.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.

    Source: the equations of brainpy.state's BioNMDA, after Destexhe, Mainen and Sejnowski 1994,
    Neural Comput. 6:14.
    """

    kernel = bionmda
    _initializers = (("g", "g_initializer"), ("x", "x_initializer"))

    def __init__(
        self,
        in_size: Any,
        name: str | None = None,
        alpha1: Value = 2.0 * _PER_MS,
        beta1: Value = 0.01 * _PER_MS,
        alpha2: Value = 1.0 * _PER_MS_MM,
        beta2: Value = 0.5 * _PER_MS,
        T: Value = 1.0 * u.mM,
        T_dur: Value = 0.5 * u.ms,
        g_initializer: Value = NO_G,
        x_initializer: Value = _NO_X,
        *,
        method: str = "exp_euler",
        overlap: str = "restart",
    ) -> None:
        check_overlap(overlap)
        given = {
            "alpha1": alpha1, "beta1": beta1, "alpha2": alpha2, "beta2": beta2, "T": T, "T_dur": T_dur,
        }  # fmt: skip
        super().__init__(in_size, name, given, method, overlap)
        self.g_initializer = g_initializer
        self.x_initializer = x_initializer
