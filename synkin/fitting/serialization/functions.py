"""What identifies a function in a file, and the pytree of its parameters."""

from collections import namedtuple
from typing import Any

import jax
import numpy as np

from synkin.arguments.messages import describe
from synkin.fitting.curves import FunctionCurve

# Dicts, lists, text and numbers, as in JSON.
Record = dict[str, Any]


def function_record(curve: FunctionCurve) -> Record:
    """What a file says of a function.

    Raises:
        TypeError: a pytree with other branches than dicts, lists, tuples and NamedTuples.
    """
    leaves = jax.tree.unflatten(curve.structure, range(len(curve.shapes)))
    return {
        "function": curve.name,
        "branches": _branches(leaves),
        "shapes": [list(shape) for shape in curve.shapes],
        "names": list(curve.names),
        "units": list(curve.units),
    }


def function_of_record(record: Record, function: Any) -> FunctionCurve:
    """The curve of a file. A NamedTuple comes back as another class with the same name and fields."""
    structure = jax.tree.structure(_pytree(record["branches"]))
    shapes = tuple(tuple(map(int, shape)) for shape in record["shapes"])
    return FunctionCurve(function, structure, shapes, tuple(record["names"]), tuple(record["units"]))


def _branches(tree: Any) -> Any:
    if isinstance(tree, int | np.integer):
        return int(tree)
    if tree is None:
        return ["none"]
    if isinstance(tree, dict):
        return ["dict", [[key, _branches(branch)] for key, branch in tree.items()]]
    if hasattr(tree, "_asdict"):  # a NamedTuple
        return [type(tree).__name__, [[key, _branches(branch)] for key, branch in tree._asdict().items()], "fields"]
    if isinstance(tree, list | tuple):
        return [type(tree).__name__, [_branches(branch) for branch in tree]]
    raise TypeError(
        f"Parameters must be in dicts, lists, tuples or NamedTuples to be saved, but are in {describe(tree)}."
    )


def _pytree(record: Any) -> Any:
    if isinstance(record, int):
        return record
    kind, *rest = record
    if kind == "none":
        return None
    if len(rest) == 2:
        return namedtuple(kind, [key for key, _ in rest[0]])(*(_pytree(branch) for _, branch in rest[0]))
    if kind == "dict":
        return {key: _pytree(branch) for key, branch in rest[0]}
    branches = [_pytree(branch) for branch in rest[0]]
    return tuple(branches) if kind == "tuple" else branches
