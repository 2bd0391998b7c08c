"""Filters behind a kernel that has no matrix: a gate, or a g that is no sum of the variables.

    u' = A u + b g,    u(t + h) = exp(A h) u(t) + integral over s of exp(A (h - s)) b g(t + s)

g is computed exactly at nodes between any two moments: samples, spikes or edges, and the ends of pulses. Between these
it is smooth, so that few nodes give the integral to rounding. Kernels that have a matrix do not come here: with their
filters they are a larger linear system, which needs no nodes and takes stretches of any length and rates of any size
(see `synkin.declaring.filtered`).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.arguments.declaration import AnyParams, AnyState
from synkin.arguments.inputs import AddsWeight
from synkin.declaring.filtered import Filtered
from synkin.runs.gated_events import moments
from synkin.solving import filters, loops
from synkin.solving.kernel_protocol import Kernel
from synkin.solving.propagators.equations import augmented_matrix, stack_matrix
from synkin.solving.propagators.gate_rates import gate_rates, total_rate
from synkin.solving.propagators.matrix_exponential import affine_change, apply_by_squaring, squaring_table
from synkin.solving.propagators.quadrature import gauss_legendre

# So many nodes suffice over a stretch in which g and the filter change by at most so many time constants.
_NODES, _NODES_OTHER = {"float64": 16}, 8
_SHORT = 8.0
# After this number of time constants of its slowest pole a filter has forgotten; what comes before is left out.
_FORGOTTEN = 50.0
# Any other stretch has so many equal parts, of which the first and the last are halved so many times towards its ends,
# near which g and the filter may change fast.
_PARTS, _HALVINGS = 32, 15
# The number of long stretches, besides two for each event, for which the others are not taken in parts too.
_FEW = 16
# A g that bends changes by at most so many time constants within a part.
_BENDS = 16.0

# From what each node follows (0 the start, k the k-th event) and the ms since then, both (N,), to g there.
GAt: TypeAlias = Callable[[Array, Array], Array]


class Events(NamedTuple):
    """The K moments at which something happens, and the M samples."""

    real: Array  # (K,) False for padding
    before: Array  # (K,) ms from the event before, or the start, to each
    latest: Array  # (M,) what each sample follows: 0 the start, k the k-th event
    since: Array  # (M,) ms since then
    pulse_left: (
        Array | None
    )  # (K + 1,) ms of transmitter to come at the start and after each event; None without pulses


class _Stretches(NamedTuple):
    """N stretches between moments."""

    follows: Array  # what each follows: 0 the start, k the k-th event
    begins: Array  # the ms since then at which it begins
    length: Array  # ms


class Speed(NamedTuple):
    """How fast g changes, /ms."""

    fastest: Array  # the fastest rate at which it relaxes
    bend: Array  # a rate below which it is no sum of few exponentials, times a factor for how strongly it bends


def speed(kernel: Kernel, params: AnyParams, state: AnyState, added: Array) -> Speed:
    """How fast g of a kernel can change.

    Args:
        kernel: a kernel of one part.
        params: its ``Params``, scalars, or arrays of the values that they have in turn.
        state: at the start.
        added: what spikes add.
    """
    if kernel.structure.gated:
        r = gate_rates(kernel, params)
        relaxes = jnp.maximum(r.rate, r.rate_at_rest)
        most = jnp.maximum(
            r.source / jnp.maximum(r.rate, float(jnp.finfo(r.a.dtype).tiny)), getattr(state, kernel.order[0])
        )
        if isinstance(kernel.input, AddsWeight):
            most = most + jnp.abs(added).sum()
        return Speed(jnp.max(relaxes + r.b + total_rate(r) * most), 4 * jnp.max(relaxes))
    spread = params._make(jnp.broadcast_arrays(*params))
    both = [augmented_matrix(kernel, spread, with_transmitter=at) for at in (False, True)]
    if isinstance(kernel.input, AddsWeight):
        both = both[:1]
    norm = jnp.max(jnp.stack([jnp.abs(matrix).sum(axis=-2).max() for matrix in both]))
    return Speed(norm, 10 * norm)


def by_nodes(
    kernel: Filtered, rates: Sequence[Array], u: Sequence[Array], g_at: GAt, speed: Speed, at: Events
) -> Array:
    """What is recorded at the samples, (M,).

    Args:
        kernel: with filters behind it.
        rates: of the filters, /ms.
        u: the variables of the filters at the start.
        g_at: g of the kernel without them.
        speed: how fast that changes.
        at: when something happens, and the samples.

    NaN where a stretch is too long for nodes: where g changes far faster than the filter forgets.
    """
    rows, inflow = filters.system(kernel.chain, rates)
    matrix, b = stack_matrix(rows), jnp.stack(inflow)
    # The end of a pulse is one more moment, at which nothing is read.
    latest, since = at.latest, at.since
    if at.pulse_left is not None:
        until_next = jnp.concatenate(
            [jnp.where(at.real, at.before, jnp.inf), jnp.full_like(at.pulse_left[:1], jnp.inf)]
        )
        latest = jnp.concatenate([latest, jnp.arange(len(at.pulse_left), dtype=latest.dtype)])
        since = jnp.concatenate([since, jnp.minimum(at.pulse_left, until_next)])
    order = moments(at.before, latest, since)
    slowest, fastest = filters.slowest_and_fastest(kernel.chain, rates)
    length = jnp.minimum(order.ms, _FORGOTTEN / slowest)
    stretches = _Stretches(order.follows, order.earlier + (order.ms - length), length)
    table = squaring_table(matrix[None], conserved=0)
    fastest, bend = jax.lax.stop_gradient((fastest + speed.fastest, speed.bend))
    is_long = ~(jax.lax.stop_gradient(length) * jnp.maximum(fastest, bend) < _SHORT)

    def part(over: _Stretches, first: Array, width: Array, last: Array) -> Array:
        """The integral over a part of each stretch, (m, N), whose ends are these fractions away from those of it."""
        nodes, weights = (jnp.asarray(x, b.dtype) for x in gauss_legendre(_NODES.get(b.dtype.name, _NODES_OTHER)))
        passed = (first + width * nodes)[:, None] * over.length[None]
        left = (last + width * (1 - nodes))[:, None] * over.length[None]
        g = g_at(jnp.broadcast_to(over.follows, passed.shape).reshape(-1), (over.begins[None] + passed).reshape(-1))
        start = jnp.broadcast_to(b[:, None], (len(b), left.size))
        answer = apply_by_squaring(table, 0, start, left.reshape(-1)) * g[None]
        summed = (answer.reshape(len(b), *left.shape) * weights[None, :, None]).sum(axis=1)
        return summed * (width * over.length)[None]

    def in_parts(over: _Stretches, wanted: Array) -> Array:
        def add(total: Array, each: tuple[Array, Array, Array]) -> tuple[Array, None]:
            return total + jax.checkpoint(part)(over, *each), None

        zeros = loops.match_varying(jnp.zeros((len(b), len(over.length)), b.dtype), (over, b, u))
        begin, width, end = (jnp.asarray(x, b.dtype) for x in _parts())
        total, _ = jax.lax.scan(add, zeros, (begin, width, end))
        longest = jax.lax.stop_gradient(over.length)
        fits = (longest * fastest < _SHORT * _PARTS * 2.0**_HALVINGS) & (longest * bend < _BENDS * _PARTS)
        return jnp.where(wanted[None], total, 0) * jnp.where(fits | ~wanted, 1, jnp.nan)[None]

    # Most stretches are short, as between the samples of a recording; the gaps between its pieces are not.
    zero, one = jnp.zeros((), b.dtype), jnp.ones((), b.dtype)
    short = stretches._replace(length=jnp.where(is_long, zero, length))
    gained = part(short, zero, one, zero)
    few = min(2 * len(at.before) + _FEW, len(length))

    def add_few(gained: Array) -> Array:
        longest = jax.lax.top_k(jax.lax.stop_gradient(jnp.where(is_long, length, zero)), few)[1]
        chosen = jax.tree.map(lambda x: x[longest], stretches)
        return gained.at[:, longest].add(in_parts(chosen, is_long[longest]))

    cases: list[Callable[[Array], Array]] = [lambda gained: gained, add_few]
    exceeded = [loops.any_across_batch(is_long.any())]
    if few < len(length):
        cases.append(lambda gained: gained + in_parts(stretches, is_long))
        exceeded.append(loops.any_across_batch(is_long.sum() > few))
    which = sum((each.astype(jnp.int32) for each in exceeded[1:]), exceeded[0].astype(jnp.int32))
    gained = jax.lax.switch(which, cases, gained)

    def step(u: Array, given: tuple[Array, Array]) -> tuple[Array, Array]:
        change, gained = given
        u = u + jnp.matmul(change, u, precision=jax.lax.Precision.HIGHEST) + gained
        return u, u[-1]

    change = affine_change(matrix, order.ms)
    _, recorded = jax.lax.scan(step, loops.match_varying(jnp.stack(list(u)), (change, gained)), (change, gained.T))
    return recorded[order.place][: len(at.latest)]


def _parts() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The parts of a long stretch, as fractions of it: how far from its start each begins, how wide it is, and how far
    from its end it ends."""
    ends = 2.0 ** -np.arange(_HALVINGS, -1, -1) / _PARTS
    width = np.concatenate([ends[:1], np.diff(ends), np.full(_PARTS - 2, 1 / _PARTS), np.diff(ends)[::-1], ends[:1]])
    begin = np.concatenate([[0.0], np.cumsum(width)[:-1]])
    return begin, width, begin[::-1]
