"""Functions that are fitted: what `start` names, and whether the function gives what it should."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from synkin.arguments.declaration import Pytree
from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_float64
from synkin.fitting.curves import FunctionCurve
from synkin.fitting.problem import Problem


def function_curve(
    function: Callable[..., Any],
    start: Pytree,
    own: tuple[str, ...],
    recordings: int,
    given_units: Mapping[str, str],
) -> tuple[FunctionCurve, dict[str, Any]]:
    """The curve of a function, and the values of its parameters by name.

    A leaf is called by its place in the pytree, as "nmda_tau" in {"nmda": {"tau": ...}}, and an element of an array by
    its indices too, as "size_0". Those that are each recording's own have a first axis of the recordings.
    """
    with_places, structure = jax.tree.flatten_with_path(start)
    values: dict[str, Any] = {}
    shapes = []
    for path, leaf in with_places:
        name = "_".join(jax.tree_util.keystr((key,), simple=True) for key in path) or "value"
        array = as_float64(f"start[{name!r}]", leaf)
        if not np.isfinite(array).all():
            raise ValueError(f"Argument `start` must have finite numbers, but `{name}` is {describe(leaf)}.")
        if name in own and array.ndim:
            if len(array) != recordings:
                raise ValueError(
                    f"Parameter `{name}` must be one number or {recordings}, one a recording, but has shape "
                    f"{array.shape}."
                )
            array = np.moveaxis(array, 0, -1)
            shape = array.shape[:-1]
        else:
            shape = array.shape
        shapes.append(shape)
        for index in np.ndindex(shape):
            values["_".join([name, *map(str, index)])] = array[index]
    if not values:
        raise ValueError("Argument `start` must have at least one number, but has none.")
    for name in values:
        if not name.isidentifier():
            raise ValueError(f"Argument `start` must have names that could be those of variables, but has {name!r}.")
    if len(values) < sum(int(np.prod(shape)) for shape in shapes):
        raise ValueError("Argument `start` must give each number a name of its own, but two places have the same.")
    for name in given_units:
        if name not in values:
            raise ValueError(f"Argument `units` must name parameters ({', '.join(values)}), but has {name!r}.")
    of_names = tuple(given_units.get(name, "") for name in values)
    curve = FunctionCurve(function, structure, tuple(shapes), tuple(values), of_names)
    return curve, values


def check_function(problem: Problem) -> None:
    """Check that the function of a problem gives a number for each time.

    Raises:
        TypeError, ValueError: it gives something else, or something that is not finite at the start.
    """
    curve = problem.curve
    assert isinstance(curve, FunctionCurve)
    values = {name: jnp.asarray(float(np.ravel(value)[0])) for name, value in problem.params.items()}
    times = jnp.asarray(problem.times_of(0))
    found = jax.eval_shape(curve.function, curve.as_given(values), times)
    if not hasattr(found, "shape") or found.shape != times.shape or not jnp.issubdtype(found.dtype, jnp.floating):
        came = f"{found.dtype} of shape {found.shape}" if hasattr(found, "shape") else describe(found)
        raise ValueError(
            f"Argument `curve` must give a real number for each time, of shape {times.shape}, but gives {came}."
        )
    value = np.asarray(curve.function(curve.as_given(values), times))
    if not np.isfinite(value).all():
        m = int(np.flatnonzero(~np.isfinite(value))[0])
        raise ValueError(
            f"Argument `curve` must be finite at `start`, but is {value[m]} at {problem.times_of(0)[m]:g}."
        )
