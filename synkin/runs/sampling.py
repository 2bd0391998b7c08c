"""`synkin.sample`: receptors one by one, exact in distribution at any times."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from synkin.arguments import units
from synkin.arguments.channels import check_channels
from synkin.arguments.choices import check_kernel, check_random_key
from synkin.arguments.declaration import AnyParams
from synkin.arguments.numbers import nan_unless
from synkin.runs import course
from synkin.runs.course import Course, Given
from synkin.runs.protocol import Jumps
from synkin.solving import loops
from synkin.solving.channels import draws, population
from synkin.solving.kernel_protocol import Kernel


def sample(
    kernel: Kernel,
    params: AnyParams,
    spike_times: ArrayLike | Jumps,
    times: ArrayLike,
    *,
    channels: ArrayLike,
    key: Array,
    weights: ArrayLike | None = None,
    varying: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    delay: ArrayLike = 0.0,
    overlap: str = "restart",
    dtype: DTypeLike | None = None,
) -> Array:
    """The conductance of a given number of receptors, each of which opens and closes at random, at any times.

    The receptors in each state are counted. From one spike, change of concentration or sample to the next, new counts
    are drawn with the exact transition probabilities of that time. So there is no error of a time step, and the mean
    over many draws is what `synkin.respond` gives. For several sweeps use `jax.vmap` over keys.

    Args:
        kernel: a receptor that is a set of states: a `synkin.Scheme`, or one such as `synkin.ampa` (closed and open).
        params: its ``Params``, scalars.
        spike_times: (K,) ms, in any order, where inf is ignored; or a `synkin.Jumps`, a concentration that changes in
            steps.
        times: (M,) ms, in any order.
        channels: the number of receptors, a whole number from 1 to 2,147,483,647.
        key: of `jax.random`.
        weights, varying, delay, overlap: as in `synkin.respond`. With `synkin.Jumps` they cannot be given, except
            ``overlap``.
        dtype: floating dtype of the result; by default JAX's default float.

    Returns:
        g at ``times``, (M,), in the unit that `synkin.respond` gives: the conductance of all receptors, divided by
        their number. NaN if a traced argument is out of range. Before the first spike or edge the receptors are at
        rest: if there are several states of rest, the state of each receptor is drawn.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension; a kernel that is not a set of
            states; or a derivative is asked for, which random counts do not have.

    Counts are 32-bit integers and are never rounded. All arguments but ``channels``, ``key``, ``overlap`` and ``dtype``
    may be quantities of saiunit. If one of them is, g is a quantity in mS.

    Source: the process, Colquhoun and Hawkes 1977, Proc. R. Soc. B 199:231; the draws, `synkin.solving.channels.draws`.

    Example:
        >>> params, key = synkin.ampa.Params(T=1.0), jax.random.key(0)
        >>> g = synkin.sample(synkin.ampa, params, [1.0], np.arange(5.0), channels=100, key=key)
        >>> g.shape, float(g[0])
        ((5,), 0.0)
        >>> bool(jnp.allclose(100 * g, jnp.round(100 * g)))  # whole receptors, of 100
        True
    """
    check_kernel(kernel)
    population.check_population(kernel)
    check_random_key("key", key)
    count, good = check_channels(channels)
    given, dtype, has_units = course.bind(
        kernel, params, spike_times, times, weights=weights, varying=varying, delay=delay, overlap=overlap, dtype=dtype
    )
    g = _sample(kernel, given, count, key, overlap)
    g = g if good is None else nan_unless(g, good)
    return units.quantity(g, "mS") if has_units else g


@partial(jax.jit, static_argnames=("kernel", "overlap"))
def _sample(kernel: Kernel, given: Given, channels: Array, key: Array, overlap: str) -> Array:
    path: Course = population.without_derivative(course.course_of(kernel, given, overlap))
    first, later = jax.random.split(key)
    counts = draws.distribute(first, channels, path.occupancies)
    total = len(path.at)

    def block(counts: Array, rows: tuple[Array, ...]) -> tuple[Array, Array]:
        number, at, on, off = rows
        propagators = course.propagators(path, at, on, off)
        conductances = jnp.broadcast_to(course.select(path.conductances, at), propagators.shape[:2])

        def moment(counts: Array, row: tuple[Array, Array, Array]) -> tuple[Array, Array]:
            number, propagator, conductance = row
            counts = draws.move(jax.random.fold_in(later, number), counts, propagator)
            # A propagator of NaN is one of parameters that are out of range.
            return counts, population.open_part(conductance, counts, channels) + 0 * propagator.sum()

        return jax.lax.scan(moment, counts, (number, propagators, conductances))

    counts = loops.match_varying(counts, (counts, path, later))
    rows = (jnp.arange(total, dtype=jnp.uint32), path.at, path.on, path.off)
    _, g = loops.in_blocks(block, counts, rows, total, min(course.BLOCK, total))
    return g[given.moments.place]
