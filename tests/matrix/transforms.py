"""The transformations of JAX, and its modes, under which `forms` puts a call."""

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

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

    def slope(self, y):
        return self.along(jax.grad(self.loss)(y))

    def along(self, slopes):
        """Slopes in the direction."""
        leaves = zip(jax.tree.leaves(slopes), jax.tree.leaves(self.direction), strict=True)
        return sum(jnp.sum(x * jnp.asarray(y, jnp.asarray(x).dtype)) for x, y in leaves)


def weights(shape):
    return np.cos(np.arange(int(np.prod(shape)))).reshape(shape)


def _pair(y):
    return jax.tree.map(lambda x: (np if isinstance(x, np.ndarray) else jnp).stack([x, x]), y)


def _rows(out):
    return [jax.tree.map(lambda x, i=i: x[i], out) for i in range(2)]


def _scan(f):
    return lambda ys: jax.lax.scan(lambda count, y: (count + 1, f(y)), 0, ys)[1]


def _split(p, devices=4, whole=False):
    """Under shard_map; or only the input lies on several devices."""
    leaves, structure = jax.tree.flatten(p.y)
    specs = tuple(p.split(np.shape(x)) for x in leaves)
    mesh = Mesh(np.array(jax.devices()[:devices]), ("synapses",))
    f = lambda *leaves: p.f(jax.tree.unflatten(structure, leaves))  # noqa: E731
    if whole:
        leaves = [jax.device_put(x, NamedSharding(mesh, spec)) for x, spec in zip(leaves, specs, strict=True)]
    else:
        f = jax.shard_map(f, mesh=mesh, in_specs=specs, out_specs=jax.tree.map(lambda x: p.split(x.shape), p.shapes()))
    return [jax.jit(f)(*leaves)]


# A list of results that should all be the same, by what comes out.
_BY_KIND: dict[str, dict[str, Callable[[Problem], list]]] = {
    VALUE: {
        "eager": lambda p: [p.f(p.y)],
        "jit": lambda p: [jax.jit(p.f)(p.y)],
        "vmap": lambda p: _rows(jax.vmap(p.f)(_pair(p.y))),
        "scan": lambda p: _rows(_scan(p.f)(_pair(p.y))),
        "map": lambda p: _rows(jax.lax.map(p.f, _pair(p.y))),
        "cond": lambda p: [jax.lax.cond(jnp.asarray(True), p.f, p.f, p.y)],
        "checkpoint": lambda p: [jax.checkpoint(p.f)(p.y)],
        "vmap of jit": lambda p: _rows(jax.vmap(jax.jit(p.f))(_pair(p.y))),
        "jit of vmap of scan": lambda p: [
            x for row in _rows(jax.jit(jax.vmap(_scan(p.f)))(_pair(_pair(p.y)))) for x in _rows(row)
        ],
        "donated": lambda p: [jax.jit(p.f, donate_argnums=0)(p.y)],
        "shard_map": lambda p: _split(p, devices=1),
        "shard_map on 4": _split,
        "sharded input": lambda p: _split(p, whole=True),
    },
    SHAPE: {
        "eval_shape": lambda p: [jax.eval_shape(p.f, p.y)],
        "make_jaxpr": lambda p: [jax.make_jaxpr(p.f, return_shape=True)(p.y)[1]],
    },
    SLOPE: {
        "grad": lambda p: [p.slope(p.y)],
        "jvp": lambda p: [jax.jvp(p.loss, (p.y,), (p.direction,))[1]],
        "linearize": lambda p: [jax.linearize(p.loss, p.y)[1](p.direction)],
        "jit of grad": lambda p: [jax.jit(p.slope)(p.y)],
        "vmap of grad": lambda p: list(jax.vmap(p.slope)(_pair(p.y))),
        "grad of jit": lambda p: [p.along(jax.grad(jax.jit(p.loss))(p.y))],
        "grad of checkpoint": lambda p: [p.along(jax.grad(jax.checkpoint(p.loss))(p.y))],
        "grad of vmap": lambda p: [p.along(jax.grad(lambda y: jax.vmap(p.loss)(_pair(y)).mean())(p.y))],
        "grad of scan": lambda p: [p.along(jax.grad(lambda y: _scan(p.loss)(_pair(y)).mean())(p.y))],
    },
    SECOND: {"jvp of grad": lambda p: [jax.jvp(p.slope, (p.y,), (p.direction,))[1]]},
}
TRANSFORMS = {name: (kind, transform) for kind, row in _BY_KIND.items() for name, transform in row.items()}
ON_DEVICES = ("shard_map on 4", "sharded input")  # in a process that was started with so many
SPLITTING = ("shard_map", *ON_DEVICES)
STACKING = ("vmap", "scan", "map", "vmap of jit", "jit of vmap of scan", "vmap of grad", "grad of vmap", "grad of scan")

# Of each, the flag of JAX, what it is by default, and what it is in the mode.
MODES = {
    "default": None,
    "x64": ("jax_enable_x64", False, True),
    "strict": ("jax_numpy_dtype_promotion", "standard", "strict"),
    "rank": ("jax_numpy_rank_promotion", "allow", "raise"),
    "debug_nans": ("jax_debug_nans", False, True),
    "disable_jit": ("jax_disable_jit", False, True),
}


@contextmanager
def mode(name):
    """JAX as it is by default but for one flag."""
    flags = {flag: (usual, there) for flag, usual, there in filter(None, MODES.values())}
    before = {flag: getattr(jax.config, flag) for flag in flags}
    try:
        for flag, (usual, there) in flags.items():
            jax.config.update(flag, there if MODES[name] and MODES[name][0] == flag else usual)
        yield
    finally:
        for flag, setting in before.items():
            jax.config.update(flag, setting)
