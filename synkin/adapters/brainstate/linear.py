"""The linear synapses, whose inputs are weights, for brainstate: `Alpha`, `Expon`, `DualExpon`."""

import brainstate
import brainunit as u
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.adapters.brainstate.synapse import NO_G, AlignPost, Numbers, Synapse, Value, as_arrays, event_array, in_unit
from synkin.arguments.choices import check_flag
from synkin.arguments.declaration import AnyParams
from synkin.arguments.numbers import Shape, as_array, as_real, broadcasts
from synkin.kernels.alpha import alpha
from synkin.kernels.dual_expon import dual_expon
from synkin.kernels.expon import expon
from synkin.networks.plasticity import Params as ReleaseParams
from synkin.objects.constructors import KERNEL_DEFAULT, from_kernel
from synkin.objects.linear import check_normalized, decaying_part, not_normalized


class Linear(Synapse, AlignPost):
    """What all linear synapses share: inputs, which are added at the end of a step."""

    def update(self, x: Numbers | None = None, **values: Numbers) -> Numbers:
        """Advance by one step of brainstate's dt.

        Args:
            x: the input in a unit of g, or a plain number in the unit of g (booleans for 1), of the shape of the state
                or broadcasting to it; None for no input. Delta inputs are added to it.
            values: parameters that vary, by name, of the shape of the state or broadcasting to it. They hold during
                this step only.

        Returns:
            g at the end of the step, of the shape of the state, in the unit of `g_initializer`.

        Raises:
            TypeError, ValueError: dt is not set, or an input of the wrong kind or shape.
        """
        delta = self.sum_delta_inputs(u.math.zeros_like(self._input_state.value))
        total = self._input("delta input", delta)
        if x is not None:
            total = total + self._input("x", x)
        return self._step(total, values)

    def align_post_input_add(self, x: Numbers) -> None:
        """Add ``x``, an input as `update` takes it, to the state now.

        Raises:
            TypeError, ValueError: an input of the wrong kind or shape.
        """
        added = self._input("x", x)
        for field in self.kernel.inputs:
            state = getattr(self, field)
            state.value = self._quantity(field, in_unit(self._unit(field), field, state.value) + added)

    @property
    def _input_state(self) -> brainstate.State:
        return getattr(self, self.kernel.inputs[0])

    def _input(self, name: str, value: Numbers) -> Array:
        """An input as a plain array of the state's shape and dtype, in the unit of g."""
        like = u.get_mantissa(self._input_state.value)
        value = as_real(name, in_unit(self._g_unit, name, event_array(value)))
        if not broadcasts(np.shape(value), like.shape):
            raise ValueError(f"Argument `{name}` must have shape {like.shape}, but has shape {np.shape(value)}.")
        return jnp.broadcast_to(as_array(value), like.shape).astype(like.dtype)


@from_kernel
class Alpha(Linear):
    """The alpha synapse, `synkin.alpha`, for brainstate."""

    kernel = alpha
    _initializers = (("g", "g_initializer"), ("h", "g_initializer"))

    def __init__(
        self,
        in_size: int | Shape,
        name: str | None = None,
        tau: Value = KERNEL_DEFAULT,
        g_initializer: Value = NO_G,
        *,
        method: str = "exp_euler",
        release: ReleaseParams | None = None,
    ) -> None:
        self._construct(locals())


@from_kernel
class Expon(Linear):
    """The exponential synapse, `synkin.expon`, for brainstate. g decays to the current inputs, as in brainpy.state."""

    kernel = expon

    def __init__(
        self,
        in_size: int | Shape,
        name: str | None = None,
        tau: Value = KERNEL_DEFAULT,
        g_initializer: Value = NO_G,
        *,
        method: str = "exp_euler",
        release: ReleaseParams | None = None,
    ) -> None:
        self._construct(locals())

    def update(self, x: Numbers | None = None, **values: Numbers) -> Numbers:
        """See `Linear.update`."""
        if not self.current_inputs:
            return super().update(x, **values)
        # g' = (current - g) / tau: the difference between g and the current decays.
        current = self.sum_current_inputs(u.math.zeros_like(self.g.value))
        self.g.value = self.g.value - current
        self.g.value = super().update(x, **values) + current
        return self.g.value


@from_kernel
class DualExpon(Linear):
    """The dual exponential synapse, `synkin.dual_expon`, for brainstate.

    Its states are ``g_rise`` and ``w``, which have a limit at tau_rise = tau_decay. ``g_decay.value`` is computed from
    them. Its initial value is that of g_rise.
    """

    kernel = dual_expon
    _initializers = (("g_rise", "g_initializer"),)  # equal to g_decay, so that w is 0

    def __init__(
        self,
        in_size: int | Shape,
        name: str | None = None,
        tau_decay: Value = KERNEL_DEFAULT,
        tau_rise: Value = KERNEL_DEFAULT,
        amplitude: Value = KERNEL_DEFAULT,
        normalize: bool = True,
        g_initializer: Value = NO_G,
        *,
        method: str = "exp_euler",
        release: ReleaseParams | None = None,
    ) -> None:
        self.normalize = check_flag("normalize", normalize)
        self._construct(locals())

    def update(self, x: Numbers | None = None, **values: Numbers) -> Numbers:
        """See `Linear.update`."""
        check_normalized(self.normalize, values)
        return super().update(x, **values)

    @property
    def g_decay(self) -> "DecayingPart":
        """g_decay of brainpy.state, which can be read but not set."""
        return DecayingPart(self)

    def _params_for_kernel(self, given: AnyParams) -> AnyParams:
        return given if self.normalize else not_normalized(as_arrays(given, brainstate.environ.dftype()), self.varshape)


class DecayingPart:
    """The current g_decay of a `DualExpon`."""

    def __init__(self, synapse: DualExpon) -> None:
        self._synapse = synapse

    @property
    def value(self) -> Numbers:
        """The array, with the unit and shape of g_rise."""
        state = self._synapse._state()
        params = as_arrays(self._synapse._params(), state.w.dtype)
        return self._synapse._quantity("g_rise", decaying_part(params, state))
