"""What is known of the parameters of short-term plasticity."""

from typing import Any, NamedTuple

import numpy as np

from synkin.arguments import fields

_MOST = {"U": 1.0}


class Parameter(NamedTuple):
    """What is known of a parameter: as `synkin.arguments.declaration.Parameter`, with an upper limit."""

    name: str
    default: float
    unit: str
    positive: bool = False
    signed: bool = False
    most: float = np.inf


def parameters_of(params: Any) -> dict[str, Parameter]:
    """What is known of each parameter of a ``Params`` class, by name."""
    found = fields.units(params)
    return {
        name: Parameter(name, default, found[name], most=_MOST.get(name, np.inf))
        for name, default in params._field_defaults.items()
    }
