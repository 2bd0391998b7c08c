"""Any kernel as a synapse for brainstate: `Synapse`, `class_of`."""

import functools
from typing import Any

import brainunit as u
import jax.numpy as jnp
from jax import Array

from synkin.adapters.brainstate import synapse
from synkin.adapters.brainstate.linear import Linear
from synkin.adapters.brainstate.receptors import Receptor
from synkin.adapters.brainstate.synapse import Value, with_unit
from synkin.arguments.choices import check_kernel
from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_array
from synkin.arguments.params_and_states import aligned_params


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
        kernel: such as `synkin.schemes.nmda5`, or a sum such as ``synkin.ampa + synkin.schemes.nmda5``.
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
    check_kernel(kernel)
    return _class_of(kernel)


@functools.cache
def _class_of(kernel: Any) -> Any:
    base: Any = _OwnLinear if kernel.input.takes_weights else _OwnReceptor
    names = [*kernel.Params._fields, *kernel.order]
    for name in names:
        if name != "T_dur" and (hasattr(base, name) or names.count(name) > 1 or name in _TAKEN):
            raise ValueError(f"Kernel `{kernel.name}` must have another name for its `{name}`, as a synapse has one.")
    members = {"kernel": kernel, "_initializers": (), "__doc__": kernel.__doc__}
    return type(kernel.name, (base,), members)


_TAKEN = ("in_size", "name", "method", "overlap", "g_unit", "out_size", "T_duration", "spike_arrival_time")


class _Own(synapse.Synapse):
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
            kernel.input.check_overlap(overlap)
        if not isinstance(g_unit, u.Unit):
            raise TypeError(f"Argument `g_unit` must be a unit of brainunit, but is {describe(g_unit)}.")
        super().__init__(in_size, name, values, method, overlap or "restart", g_unit)

    def _initial(self, batch_size: int | None) -> dict[str, Any]:
        values = super()._initial(batch_size)
        if "g" not in self.kernel.order:
            state = self.kernel.State(*(u.get_mantissa(values[field]) for field in self.kernel.State._fields))
            params = self._params()._make(as_array(p, state[0].dtype) for p in self._params())
            g = self.kernel.conductance(aligned_params(params, state[0], self.kernel), state)
            values["g"] = with_unit(self._g_unit, jnp.broadcast_to(g, state[0].shape))
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
