"""The transformations of JAX, and its modes, under which `forms` puts a call."""

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

DEVICES = 4
VALUE, SLOPE, SECOND, SHAPE = "value", "slope", "second", "shape"


class Problem(NamedTuple):
    """What a transformation gets."""

    f: Callable[..., dict]  # of y
    y: Any
    direction: Any  # in which slopes are taken
    split: Callable[[tuple[int, ...]], PartitionSpec]  # how an array of a shape lies on several devices
    shapes: Callable[[], Any]  # of the result

    def loss(self, y):
        """One number that depends on all of g."""
        g = self.f(y)["g"]
        return jnp.sum(g * jnp.asarray(weights(g.shape), g.dtype))


def weights(shape):
    return np.cos(np.arange(int(np.prod(shape)))).reshape(shape)


def _pair(y):
    return jax.tree.map(lambda x: (np if isinstance(x, np.ndarray) else jnp).stack([x, x]), y)


def _rows(out):
    return [jax.tree.map(lambda x, i=i: x[i], out) for i in range(2)]


def _dot(a, b):
    leaves = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return sum(jnp.sum(x * jnp.asarray(y, jnp.asarray(x).dtype)) for x, y in leaves)


def _scan(f):
    return lambda ys: jax.lax.scan(lambda count, y: (count + 1, f(y)), 0, ys)[1]


def _slope(p):
    return lambda y: _dot(jax.grad(p.loss)(y), p.direction)


def _flat(p):
    """f of the leaves of y, and those."""
    leaves, structure = jax.tree.flatten(p.y)
    return lambda *leaves: p.f(jax.tree.unflatten(structure, leaves)), leaves


def _shard_map(p, devices):
    f, leaves = _flat(p)
    return jax.jit(
        jax.shard_map(
            f,
            mesh=_mesh(devices),
            in_specs=tuple(p.split(np.shape(x)) for x in leaves),
            out_specs=jax.tree.map(lambda x: p.split(x.shape), p.shapes()),
        )
    )(*leaves)


def _sharded_input(p):
    f, leaves = _flat(p)
    put = [jax.device_put(x, NamedSharding(_mesh(DEVICES), p.split(np.shape(x)))) for x in leaves]
    return jax.jit(f)(*put)


def _mesh(devices):
    return Mesh(np.array(jax.devices()[:devices]), ("synapses",))


# Name: what comes out, and the transformation, which gives a list of results that should all be the same.
TRANSFORMS: dict[str, tuple[str, Callable[[Problem], list]]] = {
    "eager": (VALUE, lambda p: [p.f(p.y)]),
    "jit": (VALUE, lambda p: [jax.jit(p.f)(p.y)]),
    "vmap": (VALUE, lambda p: _rows(jax.vmap(p.f)(_pair(p.y)))),
    "scan": (VALUE, lambda p: _rows(_scan(p.f)(_pair(p.y)))),
    "map": (VALUE, lambda p: _rows(jax.lax.map(p.f, _pair(p.y)))),
    "cond": (VALUE, lambda p: [jax.lax.cond(jnp.asarray(True), p.f, p.f, p.y)]),
    "checkpoint": (VALUE, lambda p: [jax.checkpoint(p.f)(p.y)]),
    "eval_shape": (SHAPE, lambda p: [jax.eval_shape(p.f, p.y)]),
    "make_jaxpr": (SHAPE, lambda p: [jax.make_jaxpr(p.f, return_shape=True)(p.y)[1]]),
    "vmap of jit": (VALUE, lambda p: _rows(jax.vmap(jax.jit(p.f))(_pair(p.y)))),
    "jit of vmap of scan": (
        VALUE,
        lambda p: [row for rows in _rows(jax.jit(jax.vmap(_scan(p.f)))(_pair(_pair(p.y)))) for row in _rows(rows)],
    ),
    "grad": (SLOPE, lambda p: [_slope(p)(p.y)]),
    "jvp": (SLOPE, lambda p: [jax.jvp(p.loss, (p.y,), (p.direction,))[1]]),
    "linearize": (SLOPE, lambda p: [jax.linearize(p.loss, p.y)[1](p.direction)]),
    "jit of grad": (SLOPE, lambda p: [jax.jit(_slope(p))(p.y)]),
    "vmap of grad": (SLOPE, lambda p: list(jax.vmap(_slope(p))(_pair(p.y)))),
    "grad of jit": (SLOPE, lambda p: [_dot(jax.grad(jax.jit(p.loss))(p.y), p.direction)]),
    "grad of checkpoint": (SLOPE, lambda p: [_dot(jax.grad(jax.checkpoint(p.loss))(p.y), p.direction)]),
    "grad of vmap": (
        SLOPE,
        lambda p: [_dot(jax.grad(lambda y: jax.vmap(p.loss)(_pair(y)).mean())(p.y), p.direction)],
    ),
    "grad of scan": (SLOPE, lambda p: [_dot(jax.grad(lambda y: _scan(p.loss)(_pair(y)).mean())(p.y), p.direction)]),
    "jvp of grad": (SECOND, lambda p: [jax.jvp(_slope(p), (p.y,), (p.direction,))[1]]),
    "donated": (VALUE, lambda p: [jax.jit(p.f, donate_argnums=0)(p.y)]),
    "shard_map": (VALUE, lambda p: [_shard_map(p, 1)]),
    "shard_map on 4": (VALUE, lambda p: [_shard_map(p, DEVICES)]),
    "sharded input": (VALUE, lambda p: [_sharded_input(p)]),
}
ON_DEVICES = ("shard_map on 4", "sharded input")  # in a process that was started with so many
SPLITTING = ("shard_map", *ON_DEVICES)
STACKING = ("vmap", "scan", "map", "vmap of jit", "jit of vmap of scan", "vmap of grad", "grad of vmap", "grad of scan")

MODES = {
    "default": {},
    "x64": {"jax_enable_x64": True},
    "strict": {"jax_numpy_dtype_promotion": "strict"},
    "rank": {"jax_numpy_rank_promotion": "raise"},
    "debug_nans": {"jax_debug_nans": True},
    "disable_jit": {"jax_disable_jit": True},
}
_USUAL = {
    "jax_enable_x64": False,
    "jax_numpy_dtype_promotion": "standard",
    "jax_numpy_rank_promotion": "allow",
    "jax_debug_nans": False,
    "jax_disable_jit": False,
}


@contextmanager
def mode(**flags):
    """JAX as it is by default but for these flags."""
    before = {name: getattr(jax.config, name) for name in _USUAL}
    try:
        for name, setting in (_USUAL | flags).items():
            jax.config.update(name, setting)
        yield
    finally:
        for name, setting in before.items():
            jax.config.update(name, setting)
