"""Short-term plasticity as objects: `STP`, `STD`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments.choices import check_method
from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.numbers import Shape
from synkin.networks.spike_at_end import ShortTerm, std, stp
from synkin.objects.attributes import Parameter, Variable
from synkin.objects.constructors import KERNEL_DEFAULT, from_kernel
from synkin.objects.stateful import Stateful
from synkin.objects.values import Value, as_real_array


@partial(jax.jit, static_argnames=("kernel", "method"))
def _step(
    params: AnyParams, state: AnyState, spike: Array, dt: float, kernel: ShortTerm, method: str
) -> tuple[AnyState, Array]:
    like = state[0]
    spike = jnp.broadcast_to(spike.astype(like.dtype), like.shape)
    return kernel.step(params, state, spike, jnp.asarray(dt, like.dtype), method)


@partial(jax.jit, static_argnames=("kernel", "method"))
def _run(
    params: AnyParams, state: AnyState, spikes: Array, dt: float, kernel: ShortTerm, method: str
) -> tuple[AnyState, Array]:
    def body(state: AnyState, spike: Array) -> tuple[AnyState, Array]:
        return _step(params, state, spike, dt, kernel, method)

    return jax.lax.scan(body, state, spikes)


class Plasticity(Stateful):
    """What `STP` and `STD` share: spikes, which act at the end of a step, and a release of 0 to 1 for each."""

    kernel: ShortTerm
    _instead = "synkin.tsodyks_markram.stepper or synkin.tsodyks_markram.run"
    _example = """\
>>> plasticity = synkin.{name}(2, method="exact")
>>> plasticity.init_state()
>>> released = plasticity.run([{first}, {later}, {later}], dt=0.1)  # {input}, a row a step
>>> print(released.max(axis=0) > 0)
[True False]"""

    def _construct(self, options: Mapping[str, object]) -> None:
        """Set up the object with the arguments of a constructor by name, its ``locals()``."""
        check_method(options["method"], self.kernel)
        self._method = str(options["method"])
        self._state = None
        self._begin(options["in_size"], options["name"], {name: options[name] for name in self.kernel.Params._fields})

    @property
    def method(self) -> str:
        """How a spike moves u and x, "exp_euler" or "exact"."""
        return self._method

    def update(self, pre_spike: ArrayLike) -> Array:
        """Advance by one step. Its length is the dt that was set by `synkin.environ`.

        Args:
            pre_spike: booleans (or 0 and 1), of the shape of the state or broadcasting to it.

        Returns:
            The release at the end of the step, of the shape of the state: 0 to 1, and 0 without a spike. It can be the
            input of a linear kernel, or the height of the pulse of a receptor.

        Raises:
            TypeError, ValueError: dt is not set, or a spike is of the wrong kind, shape or value.
            RuntimeError: it is called under a JAX transformation such as jit. Use `synkin.tsodyks_markram` there.

        Example:
            >>> depression = synkin.STD(2, U=0.5)
            >>> depression.init_state()
            >>> with synkin.environ.context(dt=0.1):
            ...     for spike in ([True, True], [True, False]):
            ...         released = depression.update(spike)
            >>> print(released.round(2))
            [0.5 0.]
        """
        t, dt = self._time()
        state = self.state
        spike = self.kernel.input.check_values("pre_spike", self._input("pre_spike", pre_spike))
        state, released = _step(self._params, state, spike, dt, self.kernel, self._method)
        self._check_concrete((state, released, t, dt))
        self._state, self._clock = state, t + dt
        return released

    def run(self, spikes: ArrayLike, dt: ArrayLike | None = None) -> Array:
        """Advance over a whole train in one call, as `update` does row by row.

        Args:
            spikes: (T, *shape of the state); each row is what `update` takes.
            dt: the step in ms; by default the dt that was set by `synkin.environ`.

        Returns:
            The release at the end of each step, (T, *shape of the state).

        Raises:
            TypeError, ValueError: there is no dt, or the train is of the wrong kind, shape or value.
            RuntimeError: it is called under a JAX transformation such as jit. Use `synkin.tsodyks_markram` there.

        Example:
            >>> depression = synkin.STD(2, U=0.5)
            >>> depression.init_state()
            >>> print(depression.run([[True, True], [True, False]], dt=0.1).round(2))
            [[1. 1.]
             [0.5 0.]]
        """
        t, step = self._time(dt)
        state = self.state
        plain = as_real_array("spikes", self._strip_unit("spikes", spikes, self.kernel.input.unit))
        train = self.kernel.input.check_train(plain, state[0].shape)
        state, released = _run(self._params, state, train, step, self.kernel, self._method)
        self._check_concrete((state, released, t, step))
        self._state, self._clock = state, t + len(train) * step
        return released

    def _options(self) -> dict[str, str]:
        return {"method": repr(self._method)}


@from_kernel
class STP(Plasticity):
    """Short-term facilitation and depression, with brainpy.state's arguments, as an object.

    Between spikes u decays to 0 and x recovers to 1. At the end of a step with a spike u grows by U (1 - u), then u x
    is released, and x falls by u x. The first release is about U (2 - U), because u begins at U, as in brainpy.state.
    In `synkin.tsodyks_markram` u begins at 0.

    With "exp_euler" the numbers are those of brainpy.state. The jumps of u and x are then computed from their values at
    the start of the step, with a relative error of about dt divided by the time constant. "exact" has no such error: it
    gives what `synkin.tsodyks_markram` gives from the same state with tau_fac = tau_f and tau_rec = tau_d, one step
    later.
    """

    kernel = stp
    U, tau_f, tau_d = Parameter(), Parameter(), Parameter()
    u, x = Variable(), Variable()

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
    """Short-term depression, with brainpy.state's arguments, as an object.

    Between spikes x recovers to 1. At the end of a step with a spike x is returned, and then falls by U x. The released
    fraction is U x, but x is what is returned, so that the first spike has the weight 1.

    With "exp_euler" the numbers are those of brainpy.state. The fall of x is then computed from its value at the start
    of the step, with a relative error of about dt / tau. "exact" has no such error: it gives the release of
    `synkin.tsodyks_markram` with tau_fac = 0 and tau_rec = tau, divided by U, one step later.
    """

    kernel = std
    tau, U = Parameter(), Parameter()
    x = Variable()

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
