"""Any kernel as a synapse for brainstate: `Synapse`, `class_of`."""

import functools
from typing import cast

import brainunit as u

from synkin.adapters.brainstate.linear import Linear
from synkin.adapters.brainstate.receptors import Receptor
from synkin.adapters.brainstate.synapse import Value
from synkin.arguments.choices import check_kernel
from synkin.arguments.numbers import Shape
from synkin.declaring.kernel import Kernel
from synkin.networks.plasticity import Params as ReleaseParams

_OPTIONS = ("in_size", "name", "method", "overlap", "release", "g_unit")
_TAKEN = (*_OPTIONS, "out_size", "T_duration", "spike_arrival_time", "release_state", "pulse_height")


def Synapse(
    kernel: Kernel,
    in_size: int | Shape,
    name: str | None = None,
    *,
    method: str | None = None,
    overlap: str | None = None,
    release: ReleaseParams | None = None,
    g_unit: u.Unit = u.mS,
    **params: Value,
) -> Linear | Receptor:
    """A synapse for brainstate of any kernel, such as a scheme or a receptor of your own.

    Args:
        kernel: a kernel such as `synkin.schemes.nmda5`, or a sum such as ``synkin.ampa + synkin.schemes.nmda5``.
        in_size: number of synapses, or their shape.
        name: name of the object.
        method: "exp_euler" or "exact"; by default the kernel's own.
        overlap: for a receptor "restart" (the default) or "ignore": what a spike during a pulse does.
        release: short-term plasticity, a `synkin.tsodyks_markram` ``Params``; None for none.
        g_unit: the unit of g, and for a linear kernel of its inputs; ``brainunit.UNITLESS`` for plain numbers.
        params: the kernel's parameters: numbers, quantities, arrays that broadcast, functions of the shape, or states.

    Returns:
        A ``brainstate.nn.Dynamics`` that begins at rest. The kernel's parameters are its attributes, and the kernel's
        variables its states. If the kernel has no variable g, there is also a state g with the result of the latest
        step.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.

    Example:
        >>> import brainstate, brainunit as u
        >>> from synkin.adapters.brainstate import Synapse
        >>> synapse = Synapse(synkin.schemes.nmda5, 2, kon=4.0)
        >>> synapse.init_state()
        >>> with brainstate.environ.context(t=0.0 * u.ms, dt=0.1 * u.ms):
        ...     g = synapse(np.array([True, False]))
        >>> g.shape
        (2,)
    """
    return class_of(kernel)(in_size, name, method=method, overlap=overlap, release=release, g_unit=g_unit, **params)


def class_of(kernel: Kernel) -> type[Linear | Receptor]:
    """The class of a kernel's synapses, for ``class_of(kernel).desc(in_size, ...)`` in a projection.

    Args:
        kernel: a kernel such as `synkin.schemes.nmda5`.

    Returns:
        A class whose constructor takes the arguments of `Synapse` after the kernel.

    Raises:
        TypeError: ``kernel`` is not a kernel.
        ValueError: a parameter or variable of the kernel has a name that a synapse already uses, such as ``name``.

    Example:
        >>> import brainstate, brainunit as u
        >>> from synkin.adapters.brainstate import class_of
        >>> synapse = class_of(synkin.schemes.nmda5)(2, kon=4.0)
        >>> synapse.init_state()
        >>> with brainstate.environ.context(t=0.0 * u.ms, dt=0.1 * u.ms):
        ...     g = synapse(np.array([True, False]))
        >>> g.shape
        (2,)
    """
    check_kernel(kernel)
    return _class_of(kernel)


@functools.cache
def _class_of(kernel: Kernel) -> type[Linear | Receptor]:
    base = Linear if kernel.input.takes_weights else Receptor
    names = [*kernel.Params._fields, *kernel.order]
    for name in names:
        if name != "T_dur" and (hasattr(base, name) or names.count(name) > 1 or name in _TAKEN):
            raise ValueError(f"Kernel `{kernel.name}` must have another name for its `{name}`, as a synapse has one.")
    members = {"kernel": kernel, "_initializers": (), "_keeps_g": "g" not in kernel.order, "__doc__": kernel.__doc__}
    return cast("type[Linear | Receptor]", type(kernel.name, (base,), members))
