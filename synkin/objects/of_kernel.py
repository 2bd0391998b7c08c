"""Any kernel as an object: `Synapse`."""

from __future__ import annotations

import functools
from typing import Any, cast

from jax import Array
from jax.typing import ArrayLike

from synkin.arguments.choices import check_kernel
from synkin.arguments.numbers import Shape
from synkin.arguments.params_and_states import aligned_params
from synkin.declaring.kernel import Kernel
from synkin.networks.plasticity import Params as ReleaseParams
from synkin.objects import synapse
from synkin.objects.attributes import Attribute, Parameter, Variable
from synkin.objects.linear import Linear
from synkin.objects.receptors import Receptor
from synkin.objects.values import Value


class Conductance(Attribute["ConductanceValue"]):
    """g of a kernel that has no variable of that name, as an attribute, to be read as ``synapse.g.value``."""

    def of(self, synapse: Any) -> ConductanceValue:
        return ConductanceValue(synapse)

    def __set__(self, synapse: object, value: object) -> None:
        raise AttributeError("Attribute `g` cannot be set: it follows from the state, whose variables can.")


class ConductanceValue:
    """The current conductance of one object."""

    def __init__(self, synapse: synapse.Synapse) -> None:
        self._synapse = synapse

    @property
    def value(self) -> Array:
        """The array, of the state's shape."""
        synapse = self._synapse
        state = synapse.state
        params = aligned_params(synapse.params, state[0], synapse.kernel)  # a state with a batch has one axis more
        return synapse._with_unit(synapse.kernel.conductance(params, state), "mS")

    def __repr__(self) -> str:
        return f"{self._synapse.name}.g.value = {self.value!r}"


def Synapse(
    kernel: Kernel,
    in_size: int | Shape,
    name: str | None = None,
    *,
    method: str | None = None,
    overlap: str | None = None,
    release: ReleaseParams | None = None,
    channels: ArrayLike | None = None,
    key: Array | None = None,
    **params: Value,
) -> Linear | Receptor:
    """An object of any kernel, such as a scheme or a receptor of your own, with the methods of `synkin.AMPA`.

    Args:
        kernel: a kernel such as `synkin.schemes.nmda5`.
        in_size: number of synapses, or their shape.
        name: name of the object; by default one that no other object has.
        method: "exp_euler" or "exact"; by default the kernel's own.
        overlap: for a receptor "restart" (the default) or "ignore": what a spike during a pulse does.
        release: short-term plasticity, a ``synkin.tsodyks_markram.Params``; None for none.
        channels: for a receptor that is a set of states: the number of receptors at each synapse, which open and close
            at random, as for `synkin.AMPA`.
        key: a key of `jax.random`, with ``channels``.
        params: the kernel's parameters: each a number, an array that broadcasts to the shape of the synapses, or a
            function that gets this shape and returns such an array.

    Returns:
        An object with ``update``, ``run`` and ``init_state``. The kernel's parameters are attributes. Its variables and
        g are attributes too, whose values are read as ``synapse.g.value``. A parameter or variable whose name is taken,
        such as ``state``, is only in ``params`` or ``state``.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.

    Example:
        >>> synapse = synkin.Synapse(synkin.schemes.nmda5, 2, kon=4.0)
        >>> synapse.init_state()
        >>> g = synapse.run([[True, False], [False, False]], dt=0.1)
        >>> g.shape, float(synapse.kon)
        ((2, 2), 4.0)
    """
    check_kernel(kernel)
    return _class_of(kernel)(
        in_size, name, method=method, overlap=overlap, release=release, channels=channels, key=key, **params
    )


@functools.cache
def _class_of(kernel: Kernel) -> type[Linear | Receptor]:
    base = Linear if kernel.input.takes_weights else Receptor
    attributes: dict[str, object] = {name: Variable() for name in kernel.order}
    attributes |= {name: Parameter() for name in kernel.Params._fields}
    attributes.setdefault("g", Conductance())
    members = {name: value for name, value in attributes.items() if not hasattr(base, name)}
    members |= {"kernel": kernel, "_initializers": (), "__doc__": kernel.__doc__}
    return cast("type[Linear | Receptor]", type(kernel.name, (base,), members))
