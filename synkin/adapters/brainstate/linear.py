"""The synapses whose inputs are added, for brainstate: `Alpha`, `Expon`, `DualExpon`."""

from typing import Any

import brainstate
import brainunit as u
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.adapters.brainstate.synapse import NO_G, AlignPost, Synapse, Value, in_unit, plain_event
from synkin.arguments.choices import check_flag
from synkin.arguments.numbers import as_array, as_real, broadcasts
from synkin.arguments.params_and_states import aligned_params
from synkin.kernels.alpha import alpha
from synkin.kernels.dual_expon import dual_expon
from synkin.kernels.expon import expon
from synkin.objects.linear import decaying_part, not_normalized


class Linear(Synapse, AlignPost):
    """What the linear synapses share: inputs, which are added at the end of a step."""

    def update(self, x: Any = None) -> Any:
        """Advance by one step of brainstate's dt.

        Args:
            x: input in the dimension of g, or a plain number in its unit (booleans for 1), of the state's shape or
                broadcasting to it; None for none. Delta inputs are added to it.

        Returns:
            g at the end of the step, shape of the state, in the unit of `g_initializer`.

        Raises:
            TypeError, ValueError: dt is not set, or an input of the wrong kind or shape.
        """
        like = self._input_state.value
        total = self.sum_delta_inputs(u.math.zeros_like(like))
        drive = self._input("delta input", total)
        if x is not None:
            drive = drive + self._input("x", x)
        state, g = self._step(drive)
        self._keep(state)
        return g

    def align_post_input_add(self, x: Any) -> None:
        """Add ``x``, an input as `update` takes it, to the state now.

        Raises:
            TypeError, ValueError: an input of the wrong kind or shape.
        """
        added = self._input("x", x)
        for field in self.kernel.inputs:
            state = getattr(self, field)
            state.value = self._quantity(field, in_unit(self._unit(field), field, state.value) + added)

    @property
    def _input_state(self) -> Any:
        return getattr(self, self.kernel.inputs[0])

    def _input(self, name: str, value: Any) -> Array:
        """An input as a plain array of the state's shape and dtype, in the unit of g."""
        like = u.get_mantissa(self._input_state.value)
        value = as_real(name, in_unit(self._g_unit, name, plain_event(value)))
        if not broadcasts(np.shape(value), like.shape):
            raise ValueError(f"Argument `{name}` must have shape {like.shape}, but has shape {np.shape(value)}.")
        return jnp.broadcast_to(as_array(value), like.shape).astype(like.dtype)


class Alpha(Linear):
    """The alpha synapse, `synkin.alpha`.

    Args:
        in_size: number of synapses, or their shape.
        name: of the module.
        tau: time constant, ms.
        g_initializer: initial g and h, mS.
        method: "exp_euler" (brainpy.state's scheme) or "exact".

    A parameter is a number (in ms), a quantity, an array that broadcasts, a callable of the shape or a state or
    parameter of brainstate. It may be set anew. g comes in the unit of ``g_initializer``.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.

    Source: Rall 1967, J. Neurophysiol. 30:1138.
    """

    kernel = alpha
    _initializers = (("g", "g_initializer"), ("h", "g_initializer"))

    def __init__(
        self,
        in_size: Any,
        name: str | None = None,
        tau: Value = 8.0 * u.ms,
        g_initializer: Value = NO_G,
        *,
        method: str = "exp_euler",
    ) -> None:
        super().__init__(in_size, name, {"tau": tau}, method, "restart")
        self.g_initializer = g_initializer


class Expon(Linear):
    """The exponential synapse, `synkin.expon`.

    Args:
        in_size: number of synapses, or their shape.
        name: of the module.
        tau: time constant, ms.
        g_initializer: initial g, mS.
        method: "exp_euler" or "exact": the same here.

    A parameter is a number (in ms), a quantity, an array that broadcasts, a callable of the shape or a state or
    parameter of brainstate. It may be set anew. g comes in the unit of ``g_initializer``. Current inputs are what g
    decays to, as in brainpy.state.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.

    Source: Destexhe, Mainen and Sejnowski 1994, Neural Comput. 6:14.
    """

    kernel = expon

    def __init__(
        self,
        in_size: Any,
        name: str | None = None,
        tau: Value = 8.0 * u.ms,
        g_initializer: Value = NO_G,
        *,
        method: str = "exp_euler",
    ) -> None:
        super().__init__(in_size, name, {"tau": tau}, method, "restart")
        self.g_initializer = g_initializer

    def update(self, x: Any = None) -> Any:
        """See `Linear.update`."""
        if not self.current_inputs:
            return super().update(x)
        # g' = (current - g) / tau: what is above the current decays.
        current = self.sum_current_inputs(u.math.zeros_like(self.g.value))
        self.g.value = self.g.value - current
        self.g.value = super().update(x) + current
        return self.g.value


class DualExpon(Linear):
    """The dual exponential synapse, `synkin.dual_expon`.

    Its states are ``g_rise`` and ``w``, in which there is a limit at tau_rise = tau_decay; ``g_decay`` is what follows
    from them, to be read as ``g_decay.value``.

    Args:
        in_size: number of synapses, or their shape.
        name: of the module.
        tau_decay: time constant of decay, ms.
        tau_rise: time constant of rise, ms; it may equal tau_decay.
        amplitude: the peak of g after a unit input, dimensionless.
        normalize: False for g = amplitude (g_decay - g_rise) instead.
        g_initializer: initial g_rise and g_decay, mS.
        method: "exp_euler" or "exact": the same here.

    A parameter is a number (in ms), a quantity, an array that broadcasts, a callable of the shape or a state or
    parameter of brainstate. It may be set anew. g comes in the unit of ``g_initializer``.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.

    Source: Roth and van Rossum 2009, in: Computational Modeling Methods for Neuroscientists, ch. 6.
    """

    kernel = dual_expon
    _initializers = (("g_rise", "g_initializer"),)  # g_decay is equal to it, so that w is 0

    def __init__(
        self,
        in_size: Any,
        name: str | None = None,
        tau_decay: Value = 10.0 * u.ms,
        tau_rise: Value = 1.0 * u.ms,
        amplitude: Value = 1.0,
        normalize: bool = True,
        g_initializer: Value = NO_G,
        *,
        method: str = "exp_euler",
    ) -> None:
        self.normalize = check_flag("normalize", normalize)
        given = {"tau_decay": tau_decay, "tau_rise": tau_rise, "amplitude": amplitude}
        super().__init__(in_size, name, given, method, "restart")
        self.g_initializer = g_initializer

    @property
    def g_decay(self) -> "_Decaying":
        """The part that decays, of brainpy.state's pair, to be read."""
        return _Decaying(self)

    def _for_kernel(self, params: Any) -> Any:
        if self.normalize:
            return params
        arrays = params._make(as_array(value, brainstate.environ.dftype()) for value in params)
        like: Any = jax.ShapeDtypeStruct(self.varshape, arrays.amplitude.dtype)
        return not_normalized(aligned_params(arrays, like, dual_expon))


class _Decaying:
    """g_decay of a `DualExpon` as it is now."""

    def __init__(self, synapse: DualExpon) -> None:
        self._synapse = synapse

    @property
    def value(self) -> Any:
        """With the unit and shape of g_rise."""
        synapse = self._synapse
        fields = dual_expon.State._fields
        state = dual_expon.State(*(in_unit(synapse._unit(f), f, getattr(synapse, f).value) for f in fields))
        params = synapse._params()._make(as_array(p, state.w.dtype) for p in synapse._params())
        return synapse._quantity("g_rise", decaying_part(params, state))
