"""Synapses for programs of brainstate and brainpy.state: the kernels as ``brainstate.nn.Dynamics``.

    from synkin.adapters.brainstate import AMPA, Alpha, BioNMDA, DualExpon, Expon, GABAa    # was: from brainpy.state

They have the constructors, methods and states of brainpy.state's synapses and stand where those stand: in its align-pre
and align-post projections with its outputs and delays, under every transformation of brainstate, with quantities of
brainunit. Besides, there is ``method="exact"``, ``overlap="ignore"``, and `Synapse` for any other kernel.

A step is that of a `synkin.stepper`. What "exact" makes of parameters and dt alone is computed once, when a program is
traced, if they are known then. The extra ``brainstate`` installs what is needed.
"""

import functools
from collections.abc import Callable
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin import checks, units
from synkin.kernels.alpha import alpha
from synkin.kernels.ampa import ampa
from synkin.kernels.bionmda import bionmda
from synkin.kernels.dual_expon import dual_expon
from synkin.kernels.expon import expon
from synkin.kernels.gabaa import gabaa
from synkin.objects.linear import decaying_part, not_normalized
from synkin.objects.synapse import axes, spread
from synkin.stepper import prepared, resumed

try:
    import brainevent
    import brainpy.state
    import brainstate
    import braintools
    import brainunit as u
    from brainpy_state._mixin import AlignPost  # it has no public name
except ImportError as error:
    raise ImportError(
        "The synapses for brainstate need brainpy.state, which cannot be imported here: "
        "`pip install 'synkin[brainstate]'` adds it."
    ) from error

__all__ = ["AMPA", "Alpha", "BioNMDA", "DualExpon", "Expon", "GABAa", "Synapse", "class_of"]

Value = ArrayLike | Callable[[checks.Shape], ArrayLike]
"""A parameter or initial value: a number, an array that broadcasts, a callable of the shape, a state of brainstate."""

_PER_MS, _PER_MS_MM = 1 / u.ms, 1 / (u.ms * u.mM)
_BEFORE_ANY_SPIKE = -1e7  # ms
_NO_G = braintools.init.Constant(0.0 * u.mS)
_NO_X = braintools.init.Constant(0.0)


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _prepared(kernel: Any, method: str, overlap: str, dtype: Any, params: Any, dt: ArrayLike) -> Any:
    return prepared(kernel, params, dt, method, overlap, dtype)


class _Synapse(brainpy.state.Synapse):
    """What all share: parameters, states, and the stepper of the dt in force."""

    kernel: Any
    _initializers: tuple[tuple[str, str], ...] = (("g", "g_initializer"),)  # variable, attribute
    _overlap = "restart"
    _g_unit: Any = u.mS
    _attributes: dict[str, str] = {}  # noqa: RUF012 (never mutated): where a parameter is, if not by its own name

    def __init__(
        self,
        in_size: Any,
        name: str | None,
        given: dict[str, Value],
        method: str | None,
        overlap: str,
        g_unit: Any = None,  # None for that of the initial g
    ) -> None:
        if not axes("in_size", in_size):
            raise ValueError("Argument `in_size` must be an int or a shape of one axis and more, but is ().")
        super().__init__(in_size=in_size, name=name)
        checks.method(method, self.kernel)
        self.method = method or self.kernel.methods[0]
        if not self.kernel.TAKES_WEIGHTS:
            self._overlap = overlap
        if g_unit is not None:
            self._g_unit = g_unit
        for field, value in given.items():
            value = value(self.varshape) if callable(value) and not _holds_value(value) else value
            value = u.math.asarray(value) if isinstance(value, list | tuple) else value
            setattr(self, self._attributes.get(field, field), value)
        checks.params(self._params(), self.varshape, self.kernel)

    def init_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        """Make the states, each with its initial value.

        Args:
            batch_size: length of a batch axis in front of `varshape`; None for no such axis.

        Raises:
            TypeError, ValueError: an initial value that makes no sense.
        """
        for field, value in self._initial(batch_size).items():
            kind = brainstate.HiddenState if field in self.kernel.order else brainstate.ShortTermState
            setattr(self, field, kind(value))

    def reset_state(self, batch_size: int | None = None, **kwargs: Any) -> None:
        """Give every state its initial value again; see `init_state`."""
        for field, value in self._initial(batch_size).items():
            getattr(self, field).value = value

    def update(self, *args: Any, **kwargs: Any) -> Any:
        """Advance by one step and return g; see `Linear.update` and `Receptor.update`."""
        raise NotImplementedError

    def _initial(self, batch_size: int | None) -> dict[str, Any]:
        """The initial value of each state, quantities and plain arrays, by name."""
        shape = (() if batch_size is None else axes("batch_size", batch_size)) + self.varshape
        given = {}
        for field, attribute in self._initializers:
            value = getattr(self, attribute)
            given[field] = value(shape) if callable(value) else value
        if given:
            self._g_unit = u.get_unit(next(iter(given.values())))
        dtype = brainstate.environ.dftype()
        state = self.kernel.init(self._params(), shape, dtype=dtype)
        values = {
            field: spread(attribute, _in(self._unit(field), attribute, given[field]), shape, dtype)
            for field, attribute in self._initializers
        }
        state = state._replace(**values)
        return {field: self._quantity(field, value) for field, value in state._asdict().items()}

    def _step(self, drive: Array) -> tuple[Any, Any]:
        """The kernel's ``State`` after a step, and g with its unit; ``drive`` is a spike or an input."""
        state = self.kernel.State(
            *(_in(self._unit(field), field, getattr(self, field).value) for field in self.kernel.State._fields)
        )
        ready = self._ready(state[0].dtype)
        carry, g = ready.step(resumed(ready, state), drive)
        return ready.state(carry), _of(self._g_unit, g)

    def _keep(self, state: Any) -> None:
        for field, value in state._asdict().items():
            getattr(self, field).value = self._quantity(field, value)

    def _ready(self, dtype: Any) -> Any:
        """The stepper for the parameters as they are and for the dt in force."""
        dt = checks.positive_dt(units.plain("dt", _environ("dt"), "ms"))
        params = checks.params(self._params(), self.varshape, self.kernel)
        options = (self.kernel, self.method, self._overlap, np.dtype(dtype))
        if self.method == "exact" and all(map(checks.is_concrete, (*params, dt))):
            # Tables, and powers of matrices: constants of whatever is being traced. The few exponentials of "exp_euler"
            # XLA itself takes out of a loop, which spares a compilation.
            with jax.ensure_compile_time_eval():
                return _prepared(*options, self._for_kernel(params), dt)
        return _prepared(*options, self._for_kernel(checks.guarded(params, self.kernel)), checks.guarded_dt(dt))

    def _params(self) -> Any:
        """The parameters without units, as they are now."""
        kernel = self.kernel
        given = (getattr(self, self._attributes.get(field, field)) for field in kernel.Params._fields)
        return units.params(kernel, kernel.Params(*(_held(value) for value in given)))

    def _for_kernel(self, params: Any) -> Any:
        """The kernel's parameters from those that were given."""
        return params

    def _unit(self, field: str) -> Any:
        """The unit of a state: where the kernel says mS, that of g."""
        name = self.kernel.variables[field]
        if "mS" not in name:
            return units.unit_of(name)
        return self._g_unit * (units.unit_of(name) / u.mS)

    def _quantity(self, field: str, value: Array) -> Any:
        return _of(self._unit(field), value)


class Linear(_Synapse, AlignPost):
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
        state = self._input_state
        field = self.kernel.order[self.kernel.input]
        state.value = self._quantity(field, _in(self._unit(field), field, state.value) + self._input("x", x))

    @property
    def _input_state(self) -> Any:
        return getattr(self, self.kernel.order[self.kernel.input])

    def _input(self, name: str, value: Any) -> Array:
        """An input as a plain array of the state's shape and dtype, in the unit of g."""
        like = u.get_mantissa(self._input_state.value)
        value = checks.real(name, _in(self._g_unit, name, _event(value)))
        if not checks.broadcasts(np.shape(value), like.shape):
            raise ValueError(f"Argument `{name}` must have shape {like.shape}, but has shape {np.shape(value)}.")
        return jnp.broadcast_to(checks.array(value), like.shape).astype(like.dtype)


class Receptor(_Synapse):
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
        self.T_duration = value

    @property
    def overlap(self) -> str:
        """What a spike during a pulse does: "restart" or "ignore"."""
        return self._overlap

    def update(self, pre_spike: Any) -> Any:
        """Advance by one step of brainstate's dt.

        Args:
            pre_spike: booleans (or numbers, true where not 0), of the state's shape or broadcasting to it.

        Returns:
            g at the end of the step, shape of the state, in the unit of `g_initializer`.

        Raises:
            TypeError, ValueError: t or dt is not set, or a spike of the wrong kind or shape.

        A pulse that is under way when dt or T_dur changes ends with the step of the new dt that is nearest.
        """
        t = units.plain("t", _environ("t"), "ms")
        arrival = units.plain("spike_arrival_time", self.spike_arrival_time.value, "ms")
        spike = checks.spike_input(units.plain("pre_spike", _event(pre_spike), "1"), arrival)
        state, g = self._step(spike)
        self._keep(state)
        arrival = jnp.where(spike.astype(bool), jnp.asarray(t, arrival.dtype), arrival)
        self.spike_arrival_time.value = _of(u.ms, arrival)
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
        values["spike_arrival_time"] = _of(u.ms, jnp.full(like.shape, _BEFORE_ANY_SPIKE, like.dtype))
        return values


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
        g_initializer: Value = _NO_G,
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
        g_initializer: Value = _NO_G,
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
        g_initializer: Value = _NO_G,
        *,
        method: str = "exp_euler",
    ) -> None:
        self.normalize = checks.flag("normalize", normalize)
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
        arrays = params._make(checks.array(value, brainstate.environ.dftype()) for value in params)
        like: Any = jax.ShapeDtypeStruct(self.varshape, arrays.amplitude.dtype)
        return not_normalized(checks.aligned(arrays, like, dual_expon))


class _Decaying:
    """g_decay of a `DualExpon` as it is now."""

    def __init__(self, synapse: DualExpon) -> None:
        self._synapse = synapse

    @property
    def value(self) -> Any:
        """With the unit and shape of g_rise."""
        synapse = self._synapse
        fields = dual_expon.State._fields
        state = dual_expon.State(*(_in(synapse._unit(f), f, getattr(synapse, f).value) for f in fields))
        params = synapse._params()._make(checks.array(p, state.w.dtype) for p in synapse._params())
        return synapse._quantity("g_rise", decaying_part(params, state))


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
        g_initializer: Value = _NO_G,
        *,
        method: str = "exp_euler",
        overlap: str = "restart",
    ) -> None:
        checks.overlap(overlap)
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
        g_initializer: Value = _NO_G,
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
        g_initializer: Value = _NO_G,
        x_initializer: Value = _NO_X,
        *,
        method: str = "exp_euler",
        overlap: str = "restart",
    ) -> None:
        checks.overlap(overlap)
        given = {
            "alpha1": alpha1, "beta1": beta1, "alpha2": alpha2, "beta2": beta2, "T": T, "T_dur": T_dur,
        }  # fmt: skip
        super().__init__(in_size, name, given, method, overlap)
        self.g_initializer = g_initializer
        self.x_initializer = x_initializer


def Synapse(
    kernel: Any,
    in_size: Any,
    name: str | None = None,
    *,
    method: str | None = None,
    overlap: str | None = None,
    g_unit: Any = u.mS,
    **params: Value,
) -> Linear | Receptor:
    """Any kernel as a synapse for brainstate, as `AMPA` is of `synkin.ampa`: also a scheme, or a receptor of one's own.

    Args:
        kernel: such as `synkin.schemes.nmda5`.
        in_size: number of synapses, or their shape.
        name: of the module.
        method: "exp_euler" or "exact"; by default the kernel's own.
        overlap: of a receptor, "restart" (the default) or "ignore".
        g_unit: the unit of g, and for a linear kernel of its inputs; ``brainunit.UNITLESS`` for plain numbers.
        params: the kernel's parameters, each as for `AMPA`.

    Returns:
        A ``brainstate.nn.Dynamics`` with the kernel's parameters as attributes and its variables as states, at rest in
        the beginning. Where the kernel has no variable g, there is a state g too: what the latest step returned.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.
    """
    return class_of(kernel)(in_size, name, method=method, overlap=overlap, g_unit=g_unit, **params)


def class_of(kernel: Any) -> Any:
    """The class of which `Synapse` makes an object, for ``class_of(kernel).desc(in_size, ...)`` in a projection.

    Args:
        kernel: such as `synkin.schemes.nmda5`.

    Returns:
        A class whose constructor takes what `Synapse` does after the kernel.

    Raises:
        TypeError: not a kernel.
        ValueError: a kernel whose parameters or variables have the names of something else, such as ``name``.
    """
    checks.kernel(kernel)
    return _class_of(kernel)


@functools.cache
def _class_of(kernel: Any) -> Any:
    base: Any = _OwnLinear if kernel.TAKES_WEIGHTS else _OwnReceptor
    names = [*kernel.Params._fields, *kernel.order]
    for name in names:
        if name != "T_dur" and (hasattr(base, name) or names.count(name) > 1 or name in _TAKEN):
            raise ValueError(f"Kernel `{kernel.name}` must have another name for its `{name}`, as a synapse has one.")
    members = {"kernel": kernel, "_initializers": (), "__doc__": kernel.__doc__}
    return type(kernel.name, (base,), members)


_TAKEN = ("in_size", "name", "method", "overlap", "g_unit", "out_size", "T_duration", "spike_arrival_time")


class _Own(_Synapse):
    """What synapses of any kernel share: their constructor, and a state g where the kernel has none."""

    def __init__(
        self,
        in_size: Any,
        name: str | None = None,
        *,
        method: str | None = None,
        overlap: str | None = None,
        g_unit: Any = u.mS,
        **params: Value,
    ) -> None:
        kernel = self.kernel
        for given in params:
            if given not in kernel.Params._fields:
                listed = ", ".join(kernel.Params._fields)
                raise TypeError(f"Argument `{given}` must be a parameter of {kernel.name} ({listed}), but is none.")
        values = kernel.Params._field_defaults | params
        for field in kernel.Params._fields:
            if field not in values:
                raise TypeError(
                    f"Argument `{field}` must be given, as {kernel.name} has no default for it, but is not."
                )
        if overlap is not None:
            checks.overlap(overlap, takes_weights=kernel.TAKES_WEIGHTS)
        if not isinstance(g_unit, u.Unit):
            raise TypeError(f"Argument `g_unit` must be a unit of brainunit, but is {checks.worded(g_unit)}.")
        super().__init__(in_size, name, values, method, overlap or "restart", g_unit)

    def _initial(self, batch_size: int | None) -> dict[str, Any]:
        values = super()._initial(batch_size)
        if "g" not in self.kernel.order:
            state = self.kernel.State(*(u.get_mantissa(values[field]) for field in self.kernel.State._fields))
            params = self._params()._make(checks.array(p, state[0].dtype) for p in self._params())
            g = self.kernel.conductance(checks.aligned(params, state[0], self.kernel), state)
            values["g"] = _of(self._g_unit, jnp.broadcast_to(g, state[0].shape))
        return values

    def _step(self, drive: Array) -> tuple[Any, Any]:
        state, g = super()._step(drive)
        if "g" not in self.kernel.order:
            self.g.value = g
        return state, g


class _OwnLinear(_Own, Linear):
    pass


class _OwnReceptor(_Own, Receptor):
    pass


def _environ(key: str) -> Any:
    """t or dt of brainstate."""
    value = brainstate.environ.get(key, None)
    if value is None:
        raise ValueError(
            f"`{key}` is not set: give it by `with brainstate.environ.context({key}=...):`, such as 0.1 * brainunit.ms."
        )
    return value


def _holds_value(value: Any) -> bool:
    """Whether a parameter is a state of brainstate, or a parameter of its modules, which may be trained."""
    return isinstance(value, brainstate.State | brainstate.nn.Param)


def _held(value: Any) -> Any:
    if isinstance(value, brainstate.State):
        return value.value
    return value.value() if isinstance(value, brainstate.nn.Param) else value


def _event(value: Any) -> Any:
    """The array of a brainevent array, in which a projection wraps spikes."""
    return value.value if isinstance(value, brainevent.EventRepresentation) else value


def _in(unit: Any, name: str, value: Any) -> Any:
    """``value`` without its unit, in ``unit``; a plain number is in it already."""
    if not units.is_quantity(value):
        return value
    if not unit.has_same_dim(value.unit):
        raise TypeError(f"Argument `{name}` must be {units.worded(unit)}, but is {units.worded(value.unit)}.")
    return value.mantissa if unit.has_same_magnitude(value.unit) else value.to(unit).mantissa


def _of(unit: Any, value: Array) -> Any:
    """``value`` as a quantity, unless its unit is none."""
    return value if unit.is_unitless else u.Quantity(value, unit=unit)
