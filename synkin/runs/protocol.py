"""The answer of a receptor to concentrations that jump, as in a patch before a fast perfusion pipette: exact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from synkin.arguments import fields, units
from synkin.arguments.bind import bind_protocol
from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.known import concrete_value
from synkin.arguments.numbers import as_array
from synkin.arguments.varying import check_names
from synkin.declaring.filtered import Filtered, with_filters
from synkin.runs import filtering
from synkin.solving import limits, loops
from synkin.solving.filters import Filter, as_filters
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators import any_duration, equations
from synkin.solving.propagators.equations import Variables

# The maximum number of different concentrations whose systems all stretches share.
_MOST_DISTINCT = 16


class _Protocol(NamedTuple):
    """The fields of `Jumps`."""

    edges: Annotated[ArrayLike, "(K + 1,) in the order of time; or (R, K + 1), a row for each recording", "ms"]
    concentrations: Annotated[ArrayLike, "(K,) each between two edges; or (R, K)", "mM"]
    varying: Annotated[Mapping[str, ArrayLike], "values of each parameter that varies: (K,) or (R, K), in its unit"]


@fields.described
class Jumps(_Protocol):
    """A concentration that changes in steps, and other parameters that do: a protocol, in place of spike times.

    `synkin.fit`, `synkin.sample` and `synkin.log_likelihood` take it. In ``Jumps(edges, concentrations, V=values)``, or
    with ``varying={"V": values}``, the voltage changes at the same edges. Before the first edge the receptor is at rest
    at the first values. After the last edge there is no transmitter, and the other parameters keep their last values.

    Example:
        >>> protocol = synkin.Jumps(edges=[0.0, 1.0], concentrations=[1.0])  # 1 mM for 1 ms
        >>> protocol.concentrations
        [1.0]
        >>> likelihood = synkin.log_likelihood(
        ...     synkin.ampa, synkin.ampa.Params(), protocol, [0.5, 1.0], [0.3, 0.6], scale=1.0, sigma=0.1
        ... )
        >>> bool(jnp.isfinite(likelihood))
        True
    """

    __slots__ = ()

    def __new__(
        cls,
        edges: ArrayLike,
        concentrations: ArrayLike,
        varying: Mapping[str, ArrayLike] | None = None,
        **values: ArrayLike,
    ) -> Jumps:
        return super().__new__(cls, edges, concentrations, {**(varying or {}), **values})


def concentration_jumps(
    kernel: Kernel,
    params: AnyParams,
    edges: ArrayLike,
    concentrations: ArrayLike,
    times: ArrayLike,
    *,
    varying: Mapping[str, ArrayLike] | None = None,
    state: AnyState = None,
    filter: Filter | Sequence[Filter] | None = None,
    dtype: DTypeLike | None = None,
) -> Array:
    """The conductance of a receptor at any times, given a concentration of transmitter that changes in steps.

    Before the first edge the receptor is at rest, and after the last edge there is no transmitter. The result can be
    differentiated, forward and reverse, with respect to parameters, edges, concentrations and times. For several sweeps
    use `jax.vmap`; to bring protocols to one length, repeat the last edge.

    Args:
        kernel: a receptor such as `synkin.ampa` or a `synkin.Scheme`.
        params: its ``Params``, scalars; ``T`` and ``T_dur`` are ignored.
        edges: (K + 1,) ms, increasing: the times at which the concentration changes.
        concentrations: (K,) mM, each between two successive edges.
        times: (M,) ms, in any order.
        varying: other parameters that change at the same edges, by name, as in ``{"V": voltages}``, each (K,). Before
            the first edge the receptor is at rest at the first value; the last value also holds after the last edge.
        state: the kernel's ``State`` of shape () at the first edge; by default the state at rest. If it is given, no
            sample may come before the first edge. Its ``pulse_left`` is ignored.
        filter: a low-pass filter of the recording, as in `synkin.respond`.
        dtype: floating dtype of the result; by default that of ``state``, or JAX's default float.

    Returns:
        g, as the fraction of its maximum, at ``times``, (M,), after the filter if there is one. It is exact up to
        rounding; for bionmda up to 1e-11 of the peak (3e-6 in float32).

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.

    All arguments but ``dtype`` and ``filter`` may be quantities of saiunit. If one of them is, g is a quantity in mS.
    Edges and times in lists or NumPy arrays are subtracted in float64, so that results are as accurate at 1e6 ms as at
    0 ms.

    Example:
        >>> params, edges = synkin.ampa.Params(), np.array([1.0, 2.0, 4.0])
        >>> g = synkin.concentration_jumps(synkin.ampa, params, edges, [1.0, 0.2], [0.5, 2.0, 4.0, 9.0])
        >>> print(g.round(3))  # at rest; after 1 mM for 1 ms; after 0.2 mM for 2 ms; 5 ms later
        [0. 0.58 0.549 0.223]
    """
    has_units = units.among(state)
    if filters := as_filters(filter):
        if varying:
            check_names(kernel, varying)  # so that a message names the parameters of the kernel alone
        kernel, params, state = with_filters(kernel, params, state, filters)
    given = bind_protocol(
        kernel, params, edges, concentrations, times, varying=varying, state=state, dtype=dtype, rest=limits.at_rest
    )
    different = _distinct(given.concentrations, given.dtype)
    if given.values:  # each stretch has a system of its own
        T = as_array(given.concentrations, given.dtype)
        different = jnp.concatenate([T, jnp.zeros_like(T, shape=1)]), None
    stretches = _stretches(given.edges, given.times, given.dtype)
    g = _answer(kernel, given.params, given.state, *different, *stretches, given.values)
    return units.quantity(g, "mS") if given.has_units or has_units else g


def _distinct(concentrations: ArrayLike, dtype: DTypeLike) -> tuple[Array, Array | None]:
    """Concentrations in mM, (C,), and the index of that of each stretch, (K + 1,), the last without transmitter.

    Where they are traced, or are many, there is one for each stretch, (K + 1,), and no index.
    """
    known = concrete_value(concentrations)
    if known is not None:
        different, index = np.unique(np.append(known, 0).astype(dtype), return_inverse=True)
        if len(different) <= _MOST_DISTINCT:
            # Padded to a power of 2, so that protocols of one length are compiled once.
            different = np.pad(different, (0, (1 << (len(different) - 1).bit_length()) - len(different)))
            return jnp.asarray(different, dtype), jnp.asarray(index, jnp.int32)
    T = as_array(concentrations, dtype)
    return jnp.concatenate([T, jnp.zeros_like(T, shape=1)]), None


def _stretches(edges: Any, times: Any, dtype: DTypeLike) -> tuple[Array, Array, Array]:
    """The length of each stretch between edges, ms, (K,); of each sample its stretch and the ms that it is in that."""
    traced = any(isinstance(t, jax.Array) for t in (edges, times))
    xp = jnp if traced else np  # plain numbers are subtracted in float64 before they are cast
    edges, times = (xp.asarray(t, dtype if traced else float) for t in (edges, times))
    which = xp.maximum(xp.searchsorted(edges, times, side="right") - 1, 0)
    since = times - edges[which]
    since = xp.where(since < 0, xp.zeros_like(since), since)  # at rest before the first edge
    return jnp.asarray(edges[1:] - edges[:-1], dtype), jnp.asarray(which, jnp.int32), jnp.asarray(since, dtype)


@partial(jax.jit, static_argnames="kernel")
def _answer(
    kernel: Kernel,
    params: AnyParams,
    state: AnyState,
    T: Array,
    at: Array | None,
    lengths: Array,
    which: Array,
    since: Array,
    values: Mapping[str, Array],
) -> Array:
    parts = zip(kernel.parts, kernel.params_of(params), kernel.states_of(state), kernel.values_of(values), strict=True)
    stretches = (lengths, which, since)
    gs = [_answer_of_part(part, given, start, T, at, stretches, own) for part, given, start, own in parts]
    return kernel.total(kernel.relative(params), gs)


def _answer_of_part(
    kernel: Kernel,
    params: AnyParams,
    state: AnyState,
    T: Array,
    at: Array | None,
    stretches: tuple[Array, ...],
    values: Mapping[str, Array],
) -> Array:
    """g of one part of a kernel."""
    lengths, which, since = stretches
    if isinstance(kernel, Filtered) and not kernel.has_matrix:
        (own, rates), (start, u) = kernel.split_params(params), kernel.split_state(state)
        inner = kernel.inner

        def g_at(which: Array, since: Array) -> Array:
            return _answer_of_part(inner, own, start, T, at, (lengths, which, since), values)

        speed = filtering.speed(inner, own._replace(T=T, **values), start, jnp.zeros_like(lengths))
        events = filtering.Events(jnp.ones_like(lengths, bool), lengths, which, since, None)
        return filtering.by_nodes(kernel, rates, u, g_at, speed, events)
    y = tuple(getattr(state, name) for name in kernel.order)
    systems = any_duration.systems_of(kernel, params._replace(T=T, **values))
    y = loops.match_varying(y, (params, T, values, y, lengths))

    def stretch(y: Variables, step: tuple[Array, Any]) -> tuple[Variables, Variables]:
        length, system = step
        if at is None:
            y = any_duration.propagate(kernel, any_duration.single_system(kernel, system), y, length, 0)
        else:
            y = any_duration.propagate(kernel, systems, y, length, system)
        return y, y

    # Many systems are scanned over, one for each stretch: the derivative of a loop that indexes all of them would visit
    # all of them in each stretch.
    steps = any_duration.stack_systems(kernel, systems, len(lengths)) if at is None else at[:-1]
    _, ends = jax.lax.scan(stretch, y, (lengths, steps))
    starts = jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), y, ends)
    y = tuple(start[which] for start in starts)
    y = any_duration.propagate(kernel, systems, y, since, which if at is None else at[which])
    if values:
        params = params._replace(**{name: value[which] for name, value in values.items()})
    return equations.conductance(kernel, equations.output_weights(kernel, params), y)
