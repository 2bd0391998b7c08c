"""Short-term plasticity for brainstate: `STP`, `STD`."""

from collections.abc import Mapping
from typing import Any, cast

import jax.numpy as jnp

from synkin.adapters.brainstate.synapse import Numbers, Synapse, Value, as_arrays, environ, event_array
from synkin.arguments import units
from synkin.arguments.numbers import Shape, nan_unless
from synkin.arguments.params_and_states import check_params, nan_if_invalid
from synkin.arguments.times import check_dt, nan_if_invalid_dt
from synkin.networks.spike_at_end import std, stp
from synkin.objects.constructors import KERNEL_DEFAULT, from_kernel


class Plasticity(Synapse):
    """What `STP` and `STD` share: spikes, which act at the end of a step, and a release of 0 to 1 for each."""

    kernel: Any  # see `synkin.networks.spike_at_end.ShortTerm`
    _initializers = ()
    _values_may_be = (
        "A parameter is a number (in these units), a quantity, an array that broadcasts, a function of the shape, or\n"
        "a state or parameter of brainstate. It may be set again."
    )

    def _construct(self, options: Mapping[str, object], params: Mapping[str, object] | None = None) -> None:
        super()._construct({**options, "release": None}, params)

    def update(self, pre_spike: Numbers) -> Numbers:
        """Advance by one step of brainstate's dt.

        Args:
            pre_spike: booleans, or 0 and 1, of the shape of the state or broadcasting to it. They may have a
                derivative, as spikes with a surrogate gradient have.

        Returns:
            The release at the end of the step, of the shape of the state: 0 to 1, and 0 without a spike. It is an input
            of a linear synapse.

        Raises:
            TypeError, ValueError: dt is not set, or a spike of the wrong kind, shape or value.

        The release is NaN where a traced spike is neither 0 nor 1.
        """
        kernel, state = self.kernel, self._state()
        like = state[0]
        plain = units.strip_unit("pre_spike", event_array(pre_spike), "1")
        spike = kernel.input.check_spike(plain, like, "pre_spike").astype(like.dtype)
        spike = nan_unless(spike, (spike == 0) | (spike == 1))
        params = nan_if_invalid(check_params(self._params(), self.varshape, kernel), kernel)
        dt = nan_if_invalid_dt(check_dt(units.strip_unit("dt", environ("dt"), "ms")))
        step = jnp.asarray(dt, like.dtype)
        state, released = kernel.step(as_arrays(params, like.dtype), state, spike, step, self.method)
        for field, value in state._asdict().items():
            getattr(self, field).value = value
        return cast(Numbers, released)


@from_kernel
class STP(Plasticity):
    """Short-term facilitation and depression, `synkin.STP`, for brainstate."""

    kernel = stp

    def __init__(
        self,
        in_size: int | Shape,
        name: str | None = None,
        U: Value = KERNEL_DEFAULT,
        tau_f: Value = KERNEL_DEFAULT,
        tau_d: Value = KERNEL_DEFAULT,
        *,
        method: str = "exp_euler",
    ) -> None:
        self._construct(locals())


@from_kernel
class STD(Plasticity):
    """Short-term depression, `synkin.STD`, for brainstate."""

    kernel = std

    def __init__(
        self,
        in_size: int | Shape,
        name: str | None = None,
        tau: Value = KERNEL_DEFAULT,
        U: Value = KERNEL_DEFAULT,
        *,
        method: str = "exp_euler",
    ) -> None:
        self._construct(locals())
