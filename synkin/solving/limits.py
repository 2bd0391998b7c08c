"""What must hold of the parameters in use, which `synkin.solving.structure` cannot read off the equations.

The rates of a gate must not be negative, and the variable that opens it must be at rest without transmitter. A run
without a given state begins where all variables are 0, and that must be rest. Known parameters that violate this are
refused; traced parameters give NaN.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.known import concrete_value, double_precision
from synkin.arguments.numbers import as_array, as_real
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators import gate_rates

Tree = TypeVar("Tree")  # a pytree of arrays


def check(kernel: Kernel, params: AnyParams) -> None:
    """Raise ValueError if known parameters do not make the equations those of a gate.

    Args:
        kernel: a kernel.
        params: its ``Params``, numbers or arrays.
    """
    given = known(params) if kernel.structure.to_check else None
    if given is None:
        return
    for name, (value, wrong) in computed(gate_rates.violations, kernel, given).items():
        if wrong.any():
            x, v = kernel.order
            what = {
                "source": f"have an inflow of `{x}` that is not negative, but have",
                "at_rest": f"leave `{x}`, which opens `{v}`, at rest without transmitter, but change it by",
                "a": f"let `{x}` open `{v}` at a rate that is not negative, but at",
                "b": f"close `{v}` at a rate that is not negative, but at",
                "c": f"let `{x}` close `{v}` at a rate that is not negative, but at",
            }[name]
            came = np.broadcast_to(value, wrong.shape)[wrong].flat[0]
            raise ValueError(f"Parameters of {kernel.name} must {what} {came:.6g} /ms.")


def rests(kernel: Kernel, params: AnyParams, dtype: DTypeLike = float) -> Array | None:
    """Whether the kernel is at rest where all variables are 0, until a spike comes; None where it surely is.

    Args:
        kernel: a kernel.
        params: its ``Params``, scalars.
        dtype: of the computation where parameters are traced.

    Raises:
        ValueError: a receptor with known parameters that is not at rest.
    """
    good = None
    for part, own in zip(kernel.parts, kernel.params_of(params), strict=True):
        may_move = [name for name, moves in zip(part.order, part.structure.source_at_rest, strict=True) if moves]
        if not may_move or part.rest is not None:
            continue
        given = known(own)
        sources = _sources(part, own, dtype) if given is None else computed(_sources, part, given)
        for name in may_move:
            if given is None:
                still = sources[name] == 0
                good = still if good is None else good & still
            elif sources[name].any():
                raise ValueError(
                    f"Kernel `{part.name}` must be at rest where its variables are 0, as no state is given, but there "
                    f"`{name}` changes without transmitter."
                )
    return good


def at_rest(kernel: Kernel, params: AnyParams, dtype: DTypeLike) -> AnyState:
    """The state at rest, of shape (), with which a run off the grid begins if no state is given.

    Args:
        kernel: a kernel.
        params: its ``Params``, scalars.
        dtype: of the state.

    Raises:
        ValueError: a receptor with known parameters that is not at rest; with traced parameters the state is NaN.
    """
    good = rests(kernel, params, dtype)
    state = kernel.rest_state(params, (), dtype)
    if good is None:
        return state
    return jax.tree.map(lambda field: jnp.where(good, field, jnp.full_like(field, jnp.nan)), state)


def known(params: AnyParams) -> AnyParams:
    """Parameters as NumPy arrays of one shape in double precision; None where one is traced."""
    values = [concrete_value(as_real(name, value, "Parameter")) for name, value in params._asdict().items()]
    if any(value is None for value in values):
        return None
    return params._make(np.broadcast_arrays(*(np.asarray(value, float) for value in values)))


def computed(function: Callable[..., Tree], kernel: Kernel, params: AnyParams) -> Tree:
    """The result of a function of a kernel and known parameters, as NumPy arrays also under a transformation."""
    with double_precision(), jax.ensure_compile_time_eval():
        result: Tree = jax.tree.map(np.asarray, _compiled(function, kernel, jax.tree.map(jnp.asarray, params)))
    return result


@partial(jax.jit, static_argnums=(0, 1))
def _compiled(function: Callable[..., Tree], kernel: Kernel, params: AnyParams) -> Tree:
    return function(kernel, params)


def _sources(kernel: Kernel, params: AnyParams, dtype: DTypeLike = float) -> dict[str, Array]:
    """The inflow of each variable without transmitter, /ms."""
    params = jax.tree.map(partial(as_array, dtype=dtype), params)
    zero = jnp.zeros((), dtype)
    sources = kernel.derivatives(params, (zero,) * kernel.structure.size, zero)
    return dict(zip(kernel.order, map(jnp.asarray, sources), strict=True))
