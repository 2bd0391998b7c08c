"""Parameters and state variables as attributes of an object."""

from __future__ import annotations

from typing import Generic, Self, TypeVar, overload

from jax import Array
from jax.typing import ArrayLike

from synkin.objects.constructors import check_has_parameter
from synkin.objects.stateful import Stateful
from synkin.objects.values import Value, as_state

_Read = TypeVar("_Read", covariant=True)


class Attribute(Generic[_Read]):
    """Base of the attributes that are read from an object. As an attribute of the class it is itself."""

    @overload
    def __get__(self, synapse: None, owner: type) -> Self: ...

    @overload
    def __get__(self, synapse: Stateful, owner: type) -> _Read: ...

    def __get__(self, synapse: Stateful | None, owner: type) -> Self | _Read:
        return self if synapse is None else self.of(synapse)

    def of(self, synapse: Stateful) -> _Read:
        """What the attribute is for one object."""
        raise NotImplementedError


class Parameter(Attribute[Array]):
    """A parameter of the kernel as an attribute. A new value is checked, and is used from the next step on."""

    def __init__(self, field: str = "") -> None:
        self.field = field

    def __set_name__(self, owner: type, name: str) -> None:
        self.field = self.field or name

    def of(self, synapse: Stateful) -> Array:
        check_has_parameter(synapse.kernel, self.field)  # the class of a sum of receptors has a T_dur, but not the sum
        return synapse._with_unit(getattr(synapse._given, self.field), getattr(synapse.kernel.UNITS, self.field))

    def __set__(self, synapse: Stateful, value: Value) -> None:
        check_has_parameter(synapse.kernel, self.field)
        synapse._set_params({self.field: value})


class Variable(Attribute["VariableValue"]):
    """A state variable as an attribute, ``synapse.g``, to be read and set as ``synapse.g.value``.

    Args:
        unit: unit of a variable that the kernel does not have.
    """

    def __init__(self, unit: str | None = None) -> None:
        self.unit = unit

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def of(self, synapse: Stateful) -> VariableValue:
        return VariableValue(synapse, self.name, self.unit or synapse.kernel.variables[self.name])

    def __set__(self, synapse: Stateful, value: object) -> None:
        raise AttributeError(f"Attribute `{self.name}` cannot be replaced: set `{self.name}.value` instead.")


class VariableValue:
    """The current value of one state variable of one object."""

    def __init__(self, synapse: Stateful, name: str, unit: str) -> None:
        self._synapse, self._name, self._unit = synapse, name, unit

    @property
    def value(self) -> Array:
        """The array, of the state's shape. A new value must broadcast to it, and takes its dtype."""
        return self._synapse._with_unit(self._synapse._read(self._name), self._unit)

    @value.setter
    def value(self, value: ArrayLike) -> None:
        synapse = self._synapse
        like = synapse._read(self._name)
        value = synapse._strip_unit(self._name, value, self._unit)
        synapse._write(self._name, synapse._check_concrete(as_state(self._name, value, like.shape, like.dtype)))

    def __repr__(self) -> str:
        return f"{self._synapse.name}.{self._name}.value = {self.value!r}"
