"""Step through time: the loops that `synkin.solving.run` is made of, each a `jax.lax.scan` in what it computes.

On a CPU `jax.lax.scan` is what is fastest. An accelerator pays for each kernel that it starts, and for each visit of a
state to memory, so there `scan` takes a chunk of steps at a time: XLA makes of it two kernels, through which the state
goes in registers, and it writes the rows of the result where they belong.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

# Steps a chunk on an accelerator: the state is read and written once for all of them, next to 5 bytes a step.
_CHUNK = 8


def scan(body: Callable[[Any, Array, Any], tuple[Any, Any]], carry: Any, steps: Any) -> tuple[Any, Any]:
    """`jax.lax.scan` that tells each step its row; not to be differentiated.

    Args:
        body: ``body(carry, row, step)``, from the carry, the row (int32, from 0 on) and what stands in it to the carry
            and what is kept of the step.
        carry: a tree of arrays.
        steps: a tree of arrays (T, ...).

    Returns:
        The carry, and what was kept, with the time axis first.
    """
    total = len(jax.tree.leaves(steps)[0])
    chunk = min(_chunk(), total)
    if chunk <= 1:

        def count(held: tuple[Array, Any], step: object) -> tuple[tuple[Array, Any], Any]:
            row, carry = held
            carry, kept = body(carry, row, step)
            return (row + 1, carry), kept

        (_, carry), kept = jax.lax.scan(count, (jnp.int32(0), carry), steps)
        return carry, kept

    def take(first: Any, length: int, carry: Any, kept: Any) -> tuple[Any, Any]:
        taken = []
        for j in range(length):
            row = first + jnp.int32(j)
            step = jax.tree.map(partial(jax.lax.dynamic_index_in_dim, index=row, keepdims=False), steps)
            carry, one = body(carry, row, step)
            taken.append(one)

        def write(whole: Array, *taken: Array) -> Array:
            return jax.lax.dynamic_update_slice_in_dim(whole, jnp.stack(taken), first, 0)

        return carry, jax.tree.map(write, kept, *taken)

    one = jax.eval_shape(body, carry, jnp.int32(0), jax.tree.map(lambda x: x[0], steps))[1]
    # Zeros would be written only to be written over; but nothing else XLA splits over several devices.
    new = jax.lax.empty if jax.device_count() == 1 else jnp.zeros
    kept = jax.tree.map(lambda x: new((total, *x.shape), x.dtype), one)
    whole, rest = divmod(total, chunk)
    carry, kept = jax.lax.fori_loop(
        jnp.int32(0), jnp.int32(whole), lambda i, held: take(i * chunk, chunk, *held), (carry, kept)
    )
    return take(jnp.int32(whole * chunk), rest, carry, kept) if rest else (carry, kept)


def _chunk() -> int:
    """Steps that are taken at a time."""
    return 1 if jax.default_backend() == "cpu" else _CHUNK


def in_blocks(
    block: Callable[[Any, Any], tuple[Any, Any]], carry: object, steps: object, total: int, length: int
) -> tuple[Any, Any]:
    """``block`` over stretches of ``length`` of the ``total`` steps one after the other, and over what remains.

    What goes in and what is kept has a row a step or, where nothing remains, a row a block.
    """
    whole = total // length if length else 0
    if whole <= 1 and total <= length:
        return block(carry, steps)
    cut = whole * length

    def split(x: Array) -> Array:
        rows = len(x) * cut // total
        return x[:rows].reshape(whole, rows // whole, *x.shape[1:])

    carry, kept = jax.lax.scan(block, carry, jax.tree.map(split, steps))
    kept = jax.tree.map(lambda k: k.reshape(whole * k.shape[1], *k.shape[2:]), kept)
    if cut < total:
        carry, rest = block(carry, jax.tree.map(lambda x: x[cut:], steps))
        kept = jax.tree.map(lambda *parts: jnp.concatenate(parts), kept, rest)
    return carry, kept


def batch_first(tree: object) -> Any:
    """``tree``, and under `jax.vmap` every array's batch axis is its first.

    JAX takes it for granted that what a stated derivative returns has its batch axes where the function has them; but a
    scan puts them behind the axis of time. A reshape has them in front, and XLA makes nothing of two that cancel.
    """
    return jax.tree.map(lambda x: jax.lax.reshape(jax.lax.reshape(x, (1, *x.shape)), x.shape), tree)


@jax.custom_batching.custom_vmap
def any_across_batch(mask: Array) -> Array:
    """Whether any of ``mask`` is true; under `jax.vmap` of the whole batch, so that a `jax.lax.cond` stays one.

    Of a condition that differs within a batch JAX makes a choice between both branches, which takes both their times;
    and where a rule of a derivative is batched, as in ``grad(vmap(run))``, it cannot be transposed any more.
    """
    return mask.any()


@any_across_batch.def_vmap
def _(axis_size: int, in_batched: object, mask: Array) -> tuple[Array, bool]:
    del axis_size, in_batched
    return any_across_batch(mask), False


def match_varying(tree: object, others: object) -> Any:
    """``tree`` with every array as varying within `jax.shard_map` as the ``others``, all of them together.

    A loop must carry on what it starts with: zeros are the same on all devices, and after a step they are not.
    """
    axes = {name for leaf in jax.tree.leaves(others) for name in _varying(leaf)}
    if not axes:
        return tree

    def spread(x: Array) -> Array:
        missing = tuple(sorted(axes - _varying(x)))
        return jax.lax.pcast(x, missing, to="varying") if missing else x

    return jax.tree.map(spread, tree)


def _varying(x: object) -> frozenset[str]:
    """The mesh axes along which an array differs between devices, within `jax.shard_map`."""
    kind = jax.typeof(x)
    # It has moved between versions.
    return frozenset(kind.mat.varying if hasattr(kind, "mat") else getattr(kind, "vma", ()))
