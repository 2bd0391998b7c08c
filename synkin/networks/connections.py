"""`connect`: a projection from what is given of its connections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from synkin.arguments.choices import check_flag
from synkin.arguments.numbers import float_dtype
from synkin.networks.blocks import Blocks, on_devices
from synkin.networks.delays import known_delays, known_step, steps_of
from synkin.networks.delivery import Connections
from synkin.networks.ends import Ends, ends_of_matrix, given_ends, is_matrix, random_ends
from synkin.networks.projection import Projection
from synkin.networks.sharding import split_of

OfConnections: TypeAlias = Callable[[np.ndarray, np.ndarray], ArrayLike]
"""From the presynaptic and the postsynaptic neuron of each connection, (C,), to a number for each."""

# Places in the ring and in the blocks are int32, and up to one more turn of the ring is added.
_LARGEST = 2**30


def connect(
    pre: Any = None,
    post: ArrayLike | None = None,
    weights: ArrayLike | OfConnections | None = None,
    delays: ArrayLike | OfConnections | None = None,
    *,
    shape: tuple[int, int] | None = None,
    dt: ArrayLike | None = None,
    probability: float | None = None,
    key: Array | None = None,
    autapses: bool = True,
    sharding: jax.sharding.Sharding | None = None,
    dtype: DTypeLike | None = None,
) -> Projection:
    """The connections from one group of neurons to another, with weights and delays, for a loop of your own.

    A step visits only the connections of neurons that spiked. It works under jit, scan, vmap, grad and jvp. It can be
    differentiated with respect to the weights, and with respect to spikes that are numbers, such as surrogate spikes;
    the latter derivative visits all connections.

    A linear kernel such as `synkin.expon` takes what arrives as its input: one for each postsynaptic neuron. A receptor
    saturates, so it needs one kernel for each presynaptic neuron, whose conductances are then weighted by ``weigh``.

    Args:
        pre: (C,) ints, the presynaptic neuron of each connection. Or a sparse matrix of the weights, whose rows are the
            presynaptic neurons, of `scipy.sparse` or a `jax.experimental.sparse.BCOO`; ``post``, ``weights`` and
            ``shape`` are then left out. Or None, with ``probability``.
        post: (C,) ints, the postsynaptic neuron of each connection. Two neurons may have several connections.
        weights: (C,), or one number for all; by default 1. They are in mS if they are the input of a linear kernel.
            They may be traced.
        delays: ms, (C,), or one number for all; by default 0. They are rounded to whole steps: a spike in step i
            arrives in step i + delay / dt. `synkin.delay_line` does not round. ``weights`` and ``delays`` may also be
            functions of the arrays ``pre`` and ``post``.
        shape: (n_pre, n_post), the numbers of neurons.
        dt: the step in ms; needed if there are delays.
        probability: connect each pair of neurons with this probability, 0 to 1, independently of the others.
        key: a key of `jax.random`, for ``probability``.
        autapses: with ``probability``, whether neuron i may connect to neuron i.
        sharding: a `jax.sharding.NamedSharding` of a vector over one axis of its mesh. Each device then holds the
            connections onto its part of the postsynaptic neurons. On CPUs the results do not change.
        dtype: floating dtype of the weights and of what arrives; by default JAX's default float.

    Returns:
        A `synkin.Projection`, a pytree with ``init``, ``step``, ``weigh``, ``weights`` and ``with_weights``. In single
        precision it takes 12 bytes for each connection, or 8 if all weights are equal. Its carry takes 4 bytes for each
        postsynaptic neuron and step of the longest delay.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension; neurons that do not exist;
            connections or delays that are traced, as they decide what is computed; delays that are too long.

    Warns:
        UserWarning: a delay is not a whole number of steps.

    Example:
        >>> projection = synkin.connect([0, 0, 1], [0, 2, 2], [0.1, 0.2, 0.4], [0.0, 0.1, 0.1], shape=(2, 3), dt=0.1)
        >>> stepper = synkin.stepper(synkin.expon, synkin.expon.Params(tau=5.0), 0.1)
        >>> coming, synapse = projection.init(), stepper.init((3,))  # a linear kernel, one a postsynaptic neuron
        >>> for spikes in ([True, True], [False, False]):  # of two presynaptic neurons, in two steps
        ...     coming, arriving = projection.step(coming, spikes)
        ...     synapse, g = stepper.step(synapse, arriving)
        ...     print(arriving.round(3))
        [0.1 0. 0.]
        [0. 0. 0.6]
    """
    dtype = float_dtype(dtype)
    autapses = check_flag("autapses", autapses)
    ends, weights = _ends(pre, post, weights, shape, probability, key, autapses)
    count, n_post = len(ends.pre), ends.shape[1]
    own_weights: ArrayLike = _of_connections(1.0 if weights is None else weights, ends)
    steps = _steps(_of_connections(0.0 if delays is None else delays, ends), dt, count)
    split = split_of(sharding, n_post)
    devices = 1 if split is None else split.devices
    columns = n_post // devices
    rows = int(steps.max(initial=0)) + 1
    remedy = "a larger `dt` or shorter delays"
    _check_size("delays", rows * (columns + 1), f"{rows} steps for {columns} neurons", remedy)

    device = ends.post // max(columns, 1)
    destinations = steps * (columns + 1) + ends.post - device * columns
    blocks = on_devices(ends.pre, destinations, device, ends.shape[0], columns, devices)
    _check_size("pre", blocks.destinations.size, f"{count} connections", "several projections")
    if split is not None:
        put = Blocks(split.put(blocks.destinations), split.put(blocks.sources), split.put(blocks.places, split=False))
    else:
        is_plain = np.array_equal(blocks.sources[0], np.arange(ends.shape[0]))
        sources = None if is_plain else jnp.asarray(blocks.sources[0])
        put = Blocks(jnp.asarray(blocks.destinations[0]), sources, jnp.asarray(blocks.places))
    connections = Connections(jnp.zeros((), dtype), put.destinations, put.sources)
    return Projection(connections, put.places, ends.shape, count, rows, split).with_weights(own_weights)


def _ends(
    pre: Any, post: Any, weights: Any, shape: Any, probability: Any, key: Any, autapses: bool
) -> tuple[Ends, Any]:
    """The connections, and their weights."""
    if probability is not None:
        if pre is not None or post is not None:
            raise TypeError("Arguments `pre` and `post` must be None where `probability` is given, but are not.")
        return random_ends(probability, key, shape, autapses), weights
    if is_matrix(pre):
        if post is not None or weights is not None or shape is not None:
            raise TypeError(
                "Arguments `post`, `weights` and `shape` must be left out where `pre` is a matrix, which has them."
            )
        return ends_of_matrix(pre)
    return given_ends(pre, post, shape), weights


def _of_connections(value: Any, ends: Ends) -> Any:
    """``value``, or what it gives of the connections if it is a function."""
    return value(ends.pre, ends.post) if callable(value) else value


def _steps(delays: Any, dt: Any, count: int) -> np.ndarray:
    """The delay of each connection in whole steps, (C,)."""
    known = known_delays("delays", delays, "it decides the length of the ring")
    if known.shape not in ((), (count,)):
        raise ValueError(
            f"Argument `delays` must be a number, or have shape ({count},), one for each connection, but has shape "
            f"{known.shape}."
        )
    if not known.any():
        return np.zeros(count, np.int64)
    if dt is None:
        raise TypeError("Argument `dt` must be the step in ms where there are delays, but is None.")
    steps = steps_of("delays", known.astype(float), known_step(dt))
    return np.broadcast_to(steps, count).astype(np.int64)


def _check_size(name: str, size: int, what: str, remedy: str) -> None:
    if size > _LARGEST:
        raise ValueError(
            f"Argument `{name}` must need at most {_LARGEST} numbers, but {what} need {size}: take {remedy}."
        )
