"""Functions that are fitted: what the numbers in `start` are called, and which of them a name stands for."""

import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np

from synkin.arguments.declaration import Pytree
from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_float64
from synkin.fitting.curves import FunctionCurve
from synkin.fitting.problem import OWN

_Item = TypeVar("_Item")


class Start(NamedTuple):
    """What `synkin.fit_curve` starts from."""

    curve: FunctionCurve
    values: dict[str, Any]  # of the parameters by name: numbers, or (R,) where each recording has its own
    groups: dict[str, list[str]]  # the parameters in each array and in each branch of the pytree, by its name


def function_curve(
    function: Callable[..., Any],
    start: Pytree,
    own: tuple[str, ...],
    recordings: int,
    given_units: Mapping[str, str],
) -> Start:
    """The curve of a function, and its parameters.

    A leaf is called by its place in the pytree, as "nmda_tau" in {"nmda": {"tau": ...}}, and an element of an array by
    its indices too, as "size_0". A place without a name is called "value", as "value_0" in a list. Leaves that are each
    recording's own, or in a branch that is, have a first axis of the recordings.

    Raises:
        TypeError, ValueError: something else than finite numbers, or names that cannot be told apart.
    """

    def is_leaf(path: tuple[Any, ...], value: object) -> bool:
        """Whether it is a list of numbers, one for each recording."""
        is_list = isinstance(value, list | tuple) and all(isinstance(item, numbers.Number) for item in value)
        return is_list and not hasattr(value, "_fields") and not {*own}.isdisjoint(_within(path))

    try:
        with_places, structure = jax.tree.flatten_with_path(start, is_leaf, is_leaf_takes_path=True)
    except (TypeError, ValueError):  # JAX cannot sort them
        raise TypeError(
            "Argument `start` must have names as the keys of a dict, but has keys of several kinds."
        ) from None
    values: dict[str, Any] = {}
    groups: dict[str, list[str]] = {}
    shapes = []
    for path, leaf in with_places:
        within = _within(path)
        name = within[-1]
        array = as_float64(f"start.{name}", leaf)
        if not np.isfinite(array).all():
            raise ValueError(f"Argument `start` must have finite numbers, but `{name}` is {describe(leaf)}.")
        if array.ndim and not {*own}.isdisjoint(within):
            if len(array) != recordings:
                raise ValueError(
                    f"Parameter `{name}`, which is each recording's own, must be one number or have a first axis of "
                    f"{recordings}, but has shape {array.shape}."
                )
            array = np.moveaxis(array, 0, -1)
            shape = array.shape[:-1]
        else:
            shape = array.shape
        shapes.append(shape)
        for index in np.ndindex(shape):
            one = "_".join([name, *map(str, index)])
            values[one] = array[index]
            for group in within:
                groups.setdefault(group, []).append(one)
    _check_names(values, sum(map(math.prod, shapes)))
    of_names = _units(values, groups, given_units)
    return Start(FunctionCurve(function, structure, tuple(shapes), tuple(values), of_names), values, groups)


def _within(path: tuple[Any, ...]) -> list[str]:
    """The names of the branches that a place in a pytree is in, the last of which is its own."""
    return [_name(path[: i + 1]) for i in range(len(path))] or [_name(path)]


def _name(path: tuple[Any, ...]) -> str:
    """What a place in a pytree is called."""
    name = "_".join(jax.tree_util.keystr((key,), simple=True) for key in path)
    return name if name and not name[0].isdigit() else f"value_{name}".rstrip("_")


def _check_names(values: dict[str, Any], count: int) -> None:
    """Raise ValueError unless each of the numbers has a name of its own, by which it can be called."""
    if not values:
        raise ValueError("Argument `start` must have at least one number, but has none.")
    for name in values:
        if not name.isidentifier():
            raise ValueError(f"Argument `start` must have names that could be those of variables, but has {name!r}.")
        if name in OWN:
            raise ValueError(
                f"Argument `start` must not call a number `{name}`, as each fit has a quantity of that name, but does."
            )
    if len(values) < count:
        raise ValueError("Argument `start` must give each number a name of its own, but two places have the same.")


def numbers_of(names: Sequence[str], values: dict[str, Any], groups: dict[str, list[str]]) -> tuple[str, ...]:
    """``names`` in which that of an array, or of a branch of the pytree, stands for all of its numbers."""
    return tuple(one for name in names for one in ([name] if name in values else groups.get(name, [name])))


def by_number(given: Mapping[str, _Item], values: dict[str, Any], groups: dict[str, list[str]]) -> dict[str, _Item]:
    """``given`` with an item for each number of an array, or of a branch of the pytree."""
    return {one: item for name, item in given.items() for one in numbers_of([name], values, groups)}


def _units(values: dict[str, Any], groups: dict[str, list[str]], given: Mapping[str, str]) -> tuple[str, ...]:
    """The unit of each parameter, "" where none is given."""
    if not isinstance(given, Mapping) or not all(isinstance(unit, str) for unit in given.values()):
        raise TypeError(f"Argument `units` must be a dict from names to units, but is {describe(given)}.")
    given = by_number(given, values, groups)
    for name in given:
        if name not in values:
            raise ValueError(f"Argument `units` must name parameters ({', '.join(values)}), but has {name!r}.")
    return tuple(given.get(name, "") for name in values)
