"""Any kernel as an object: `Synapse`."""

from __future__ import annotations

import functools
from typing import Any

from jax import Array

from synkin.arguments.choices import check_kernel
from synkin.arguments.numbers import Shape
from synkin.arguments.params_and_states import aligned_params
from synkin.objects.linear import Linear
from synkin.objects.receptors import Receptor
from synkin.objects.synapse import Parameter, Value, Variable


class Output:
    """g of a kernel that has no variable of that name, as an attribute, to be read as ``synapse.g.value``."""

    def __get__(self, synapse: Any, owner: type | None = None) -> Any:
        return self if synapse is None else _Read(synapse)

    def __set__(self, synapse: Any, value: Any) -> None:
        raise AttributeError("Attribute `g` cannot be set: it follows from the state, whose variables can.")


class _Read:
    def __init__(self, synapse: Any) -> None:
        self._synapse = synapse

    @property
    def value(self) -> Array:
        """g as it is now, of the state's shape."""
        synapse = self._synapse
        state = synapse.state
        params = aligned_params(synapse.params, state[0], synapse.kernel)  # a batch has an axis more than they
        return synapse._with_unit(synapse.kernel.conductance(params, state), "mS")

    def __repr__(self) -> str:
        return f"{self._synapse.name}.g.value = {self.value!r}"


def Synapse(
    kernel: Any,
    in_size: int | Shape,
    name: str | None = None,
    *,
    method: str | None = None,
    overlap: str | None = None,
    release: Any = None,
    **params: Value,
) -> Linear | Receptor:
    """Any kernel as an object, as `AMPA` is of `ampa`: also a scheme, or a receptor of one's own.

    Args:
        kernel: such as `synkin.schemes.nmda5`.
        in_size: number of synapses, or their shape.
        name: by default one that no other object has.
        method: "exp_euler" or "exact"; by default the kernel's own.
        overlap: of a receptor, "restart" (the default) or "ignore".
        release: of a linear kernel, short-term plasticity, a `synkin.tsodyks_markram` ``Params``.
        params: the kernel's parameters: numbers, arrays that broadcast, or callables of the shape.

    Returns:
        An object with ``update``, ``run``, ``init_state``, the kernel's parameters as attributes, and its variables and
        g as ``synapse.g.value``. A parameter or variable with the name of something else, such as ``state``, is in
        ``params`` or ``state`` alone.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range.
    """
    check_kernel(kernel)
    for given in params:
        if given not in kernel.Params._fields:
            listed = ", ".join(kernel.Params._fields)
            raise TypeError(f"Argument `{given}` must be a parameter of {kernel.name} ({listed}), but is none.")
    values = kernel.Params._field_defaults | params
    for field in kernel.Params._fields:
        if field not in values:
            raise TypeError(f"Argument `{field}` must be given, as {kernel.name} has no default for it, but is not.")
    kind: Any = _class_of(kernel)
    if kernel.input.takes_weights:
        if overlap is not None:
            kernel.input.check_overlap(overlap)
        return kind(in_size, name, values, method, release)
    return kind(in_size, name, values, method, "restart" if overlap is None else overlap, release)


@functools.cache
def _class_of(kernel: Any) -> type:
    base = Linear if kernel.input.takes_weights else Receptor
    members: dict[str, Any] = {"kernel": kernel, "_initializers": (), "__doc__": kernel.__doc__}
    attributes: dict[str, Any] = {name: Variable() for name in kernel.order}
    attributes |= {name: Parameter() for name in kernel.Params._fields}
    attributes.setdefault("g", Output())
    members |= {name: value for name, value in attributes.items() if not hasattr(base, name)}
    return type(kernel.name, (base,), members)
