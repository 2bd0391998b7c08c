"""Constructors of synapse classes, completed from the declaration of their kernel: see `synkin.objects.linear.Expon`.

The signature of a class is written out, so that editors and type checkers can read it. `KERNEL_DEFAULT` stands in it
for each default that the kernel declares. `from_kernel` replaces these, and completes the docstring with the meanings,
units and source that the kernel declares. The objects and the synapses for brainstate share this.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterable, Mapping
from types import FunctionType
from typing import Any, TypeVar

from synkin.arguments.declaration import Declaration
from synkin.declaring.kernel import Kernel

Class = TypeVar("Class", bound=type)
_Value = TypeVar("_Value")

KERNEL_DEFAULT: Any = ...
"""In the signature of a class, the place of a default that `from_kernel` takes from the kernel."""

_ARGUMENTS = {
    "in_size": "number of synapses, or their shape.",
    "name": "name of the object; by default one that no other object has.",
    "normalize": "False for g = amplitude (g_decay - g_rise), which is not scaled to the peak.",
    "method": '"exp_euler" (brainpy.state\'s scheme) or "exact".',
    "overlap": 'what a spike during a pulse does. "restart": the pulse begins again. "ignore": nothing.',
    "channels": "the number of receptors at each synapse, a whole number or an array that broadcasts. Each of them\n"
    "        opens and closes at random, and g is the fraction that is open. Steps are then exact; there is no\n"
    "        `release`, and no parameter may vary. None for so many receptors that there is no noise.",
    "key": "a key of `jax.random`, with `channels`; the draws of all updates follow from it.",
    "release": "short-term plasticity, a `synkin.tsodyks_markram` ``Params``: each input is multiplied by what the\n"
    "        spike releases, and `release_state` is the state of the release. None for none.",
}
# What two synapses are given in a step in the example of a class: spikes, or weights in mS.
_WRITTEN = {
    False: {"first": "[True, False]", "later": "[False, False]", "input": "spikes"},
    True: {"first": "[0.2, 0.0]", "later": "[0.0, 0.0]", "input": "mS"},
}
_REMARKS = {"T_dur": "; the attribute `T_duration` is the same", "tau_rise": "; it may equal tau_decay"}


def from_kernel(kind: Class) -> Class:
    """Decorator: give the constructor of a synapse class its kernel's defaults, and the class a full docstring.

    Args:
        kind: has the class attributes ``kernel``; ``_initializers``, variables and the arguments with their initial
            values; ``_values_may_be``, a paragraph on the values that may be given; ``_example``, lines that use the
            class; and ``_default_of(name)``, the default of a parameter. Its ``__init__``, or the one it inherits, has
            the kernel's parameters as arguments.
    """
    cls: Any = kind
    written = cls.__init__
    arguments = inspect.signature(written).parameters
    defaults = tuple(
        cls._default_of(name) if name in cls.kernel.Params._fields else argument.default
        for name, argument in arguments.items()
        if argument.kind is argument.POSITIONAL_OR_KEYWORD and argument.default is not argument.empty
    )
    # A copy, because the class from which it may be inherited has other defaults.
    init = FunctionType(written.__code__, written.__globals__, "__init__", defaults, written.__closure__)
    init.__kwdefaults__, init.__annotations__ = written.__kwdefaults__, written.__annotations__
    init.__qualname__, init.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
    cls.__init__ = init
    cls.__doc__ = docstring(
        cls.__doc__ or "",
        cls.kernel,
        [*arguments][1:],
        cls._initializers,
        cls._values_may_be,
        cls._example,
        cls.__name__,
    )
    return kind


def docstring(
    text: str,
    kernel: Kernel,
    arguments: Iterable[str],
    initializers: Iterable[tuple[str, str]],
    values_may_be: str,
    example: str,
    name: str,
) -> str:
    """The docstring of a synapse class.

    Args:
        text: how it begins.
        kernel: the kernel of the class.
        arguments: names of the constructor's arguments.
        initializers: variables, each with the argument that its initial value is.
        values_may_be: a paragraph on what parameters and initial values may be.
        example: lines that use the class, as in a Python session, with gaps for the name and for what is given.
        name: the name of the class.
    """
    example = example.format(name=name, **_WRITTEN[kernel.input.takes_weights])
    described = dict(_ARGUMENTS)
    for field, known in kernel.parameters.items():
        meaning = getattr(kernel.Params, field).__doc__
        described[field] = f"{meaning}, by default {known.default:g}{_REMARKS.get(field, '')}."
    if kernel.always_exact:
        described["method"] = '"exp_euler" or "exact": the same here.'
    for argument in {argument for _, argument in initializers}:
        variables = [variable for variable, given in initializers if given == argument]
        meaning = getattr(kernel.State, variables[0]).__doc__
        described[argument] = f"initial {' and '.join(variables)}: {meaning}."
    source = re.search(r"^Source: (.+\n?)+", inspect.getdoc(kernel) or "", re.MULTILINE)
    return "\n".join(
        [
            *(inspect.cleandoc(text), "", "Args:"),
            *(f"    {argument}: {described[argument]}" for argument in arguments),
            *("", values_may_be, "", "Raises:"),
            "    TypeError, ValueError: an argument of the wrong kind, shape or range.",
            *(["", source[0].strip()] if source else []),
            *("", "Example:", textwrap.indent(example, "    ")),
        ]
    )


def completed(kernel: Kernel, given: Mapping[str, _Value]) -> dict[str, _Value]:
    """All parameters of a kernel: those given by name, and the defaults of the others.

    Raises:
        TypeError: a name that is no parameter of the kernel, or no value where there is no default.
    """
    for name in given:
        if name not in kernel.Params._fields:
            listed = ", ".join(kernel.Params._fields)
            raise TypeError(f"Argument `{name}` must be a parameter of {kernel.name} ({listed}), but is none.")
    values: dict[str, _Value] = kernel.Params._field_defaults | dict(given)
    for field in kernel.Params._fields:
        if field not in values:
            raise TypeError(f"Argument `{field}` must be given, as {kernel.name} has no default for it, but is not.")
    return values


def check_has_parameter(kernel: Declaration, name: str) -> None:
    """Raise AttributeError unless ``name`` is a parameter of the kernel, as T_dur is not of a sum of receptors."""
    if name not in kernel.Params._fields:
        listed = ", ".join(kernel.Params._fields)
        raise AttributeError(f"Attribute `{name}` must be a parameter of {kernel.name} ({listed}), but is none.")
