"""Loops over steps in time, for `synkin.solving.run`; each computes what `jax.lax.scan` would.

On a CPU `jax.lax.scan` is fastest. An accelerator pays for each kernel that it starts and for each access of a state in
memory. There `scan` takes a chunk of steps at a time: XLA makes two kernels of a chunk, which keep the state in
registers and write the rows of the result in place.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import Array

from synkin.arguments.declaration import Pytree

# Pytrees of arrays: what a loop carries, what it is given for each step, what it keeps of each step; any.
CarryT = TypeVar("CarryT")
StepT = TypeVar("StepT")
KeptT = TypeVar("KeptT")
Tree = TypeVar("Tree")

# The number of steps of a chunk on an accelerator: the state is read and written once for all of them.
_CHUNK = 8
# How many variables, of how many synapses at most, a loop on a CPU carries as one array.
_LEAST_PACKED, _MOST_PACKED, _PACKED_SYNAPSES = 3, 6, 4096


def scan(
    body: Callable[[CarryT, Array, StepT], tuple[CarryT, KeptT]], carry: CarryT, steps: StepT
) -> tuple[CarryT, KeptT]:
    """`jax.lax.scan` that also gives each step its row; it cannot be differentiated.

    Args:
        body: ``body(carry, row, step)`` returns the carry and what to keep of the step; row is an int32 from 0 on.
        carry: a pytree of arrays.
        steps: a pytree of arrays (T, ...).

    Returns:
        The carry, and what was kept, with the time axis first.
    """
    total = len(jax.tree.leaves(steps)[0])
    chunk = min(_chunk(), total)
    if chunk <= 1:

        def count(row_and_carry: tuple[Array, CarryT], step: StepT) -> tuple[tuple[Array, CarryT], KeptT]:
            row, carry = row_and_carry
            carry, kept = body(carry, row, step)
            return (row + 1, carry), kept

        (_, carry), kept = jax.lax.scan(count, (jnp.int32(0), carry), steps)
        return carry, kept

    def take(first: Array, length: int, carry: CarryT, kept: Pytree) -> tuple[CarryT, Pytree]:
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
    # Empty arrays save writing zeros, but XLA splits only the zeros over several devices.
    new = jax.lax.empty if jax.device_count() == 1 else jnp.zeros
    kept = jax.tree.map(lambda x: new((total, *x.shape), x.dtype), one)
    whole, rest = divmod(total, chunk)
    carry, kept = jax.lax.fori_loop(
        jnp.int32(0), jnp.int32(whole), lambda i, both: take(i * chunk, chunk, *both), (carry, kept)
    )
    return take(jnp.int32(whole * chunk), rest, carry, kept) if rest else (carry, kept)


def _chunk() -> int:
    """The number of steps that `scan` takes at a time."""
    return 1 if jax.default_backend() == "cpu" else _CHUNK


def pack(y: tuple[Array, ...]) -> tuple[Array, ...] | Array:
    """Variables as the carry of a loop: on a CPU a few of few synapses are one array, (n, *shape).

    XLA's CPU has a command that computes each array of a carry and another that copies it, and loses time beyond eight.
    With more variables or synapses an array of all loses more than that: the numbers are measured.
    """
    few = _LEAST_PACKED <= len(y) <= _MOST_PACKED and y[0].size <= _PACKED_SYNAPSES
    return jnp.stack(y) if few and jax.default_backend() == "cpu" else y


def unpack(y: tuple[Array, ...] | Array) -> tuple[Array, ...]:
    """The variables of a carry that `pack` made."""
    if isinstance(y, tuple):
        return y
    # The derivative of a split is one concatenation; that of y[0], y[1], ... would be a sum of padded arrays.
    return tuple(variable.reshape(y.shape[1:]) for variable in jax.lax.split(y, (1,) * len(y)))


def in_blocks(
    block: Callable[[CarryT, StepT], tuple[CarryT, KeptT]], carry: CarryT, steps: StepT, total: int, length: int
) -> tuple[CarryT, KeptT]:
    """``block`` over ``length`` steps at a time, and over the rest of the ``total`` steps.

    The arrays in ``steps`` and in what is kept have a row for each step or, where there is no rest, one for each block.
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


def batch_first(tree: Tree) -> Tree:
    """``tree``, in which under `jax.vmap` the batch axis of every array is the first.

    JAX assumes that the results of a derivative rule have their batch axes where the function has them, but a scan puts
    them behind the time axis. A reshape moves them to the front; XLA removes two reshapes that cancel.
    """
    reshaped: Tree = jax.tree.map(lambda x: jax.lax.reshape(jax.lax.reshape(x, (1, *x.shape)), x.shape), tree)
    return reshaped


@jax.custom_batching.custom_vmap
def any_across_batch(mask: Array) -> Array:
    """Whether any element of ``mask`` is true; under `jax.vmap`, any of the whole batch.

    So a `jax.lax.cond` stays one. Where a condition differs within a batch JAX computes both branches, which takes the
    time of both, and cannot transpose a batched derivative rule, as in ``grad(vmap(run))``.
    """
    return mask.any()


@any_across_batch.def_vmap
def _(axis_size: int, in_batched: object, mask: Array) -> tuple[Array, bool]:
    del axis_size, in_batched
    return any_across_batch(mask), False


def match_varying(tree: Tree, others: Pytree) -> Tree:
    """``tree``, every array marked as varying within `jax.shard_map` along all axes along which any of ``others`` does.

    A loop's carry must vary from the start as it does at the end: zeros are the same on all devices, but a step makes
    them differ.
    """
    axes = {name for leaf in jax.tree.leaves(others) for name in _varying(leaf)}
    if not axes:
        return tree

    def spread(x: Array) -> Array:
        missing = tuple(sorted(axes - _varying(x)))
        return jax.lax.pcast(x, missing, to="varying") if missing else x

    spread_tree: Tree = jax.tree.map(spread, tree)
    return spread_tree


def _varying(x: object) -> frozenset[str]:
    """The mesh axes along which an array differs between devices, within `jax.shard_map`."""
    kind = jax.typeof(x)
    # Versions of JAX have it in different places.
    return frozenset(kind.mat.varying if hasattr(kind, "mat") else getattr(kind, "vma", ()))
