"""Readouts that do the same thing in many ways, each made of one number: of `tests/tracing/test_readouts.py` too."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import io_callback

N = 3
_SHAPE = jax.ShapeDtypeStruct((N,), jnp.float32)


class _Box:
    def __init__(self, w: float) -> None:
        self.w = jnp.float32(w)

    @functools.partial(jax.jit, static_argnums=0)
    def __call__(self, g: Any) -> Any:
        return self.w * g


def _custom_jvp(w: float) -> Any:
    surrogate = jax.custom_jvp(lambda g: g)
    surrogate.defjvp(lambda primals, tangents: (primals[0], w * tangents[0]))
    return surrogate


def _custom_vjp(w: float) -> Any:
    surrogate = jax.custom_vjp(lambda g: g)
    surrogate.defvjp(lambda g: (g, None), lambda _, cotangent: (w * cotangent,))
    return surrogate


def _pure_callback(w: float) -> Any:
    called = jax.custom_jvp(lambda g: jax.pure_callback(lambda g: np.float32(w) * g, _SHAPE, g))
    called.defjvp(lambda primals, tangents: (called(*primals), w * tangents[0]))
    return called


def _io_callback(w: float) -> Any:
    def called(g: Any) -> Any:
        io_callback(lambda g: called.written.append(w * np.asarray(g)), None, jax.lax.stop_gradient(g))
        return w * g

    called.written = []
    return called


def _equinox(w: float) -> Any:
    import equinox

    class Module(equinox.Module):
        w: Any

        @equinox.filter_jit
        def __call__(self, g: Any) -> Any:
            return self.w * g

    return Module(jnp.float32(w))


def _array(make: Callable[[Any], Any]) -> Callable[[float], Any]:
    return lambda w: make(jnp.full(N, w, jnp.float32))


# Each gives a function of g with w in it: w g, or g with a derivative of w.
KINDS: dict[str, Callable[[float], Any]] = {
    "direct": _array(lambda w: lambda g: w * g),
    "inner jit": _array(lambda w: jax.jit(lambda g: w * g)),
    "vmap of inner jit": _array(lambda w: lambda g: jax.vmap(jax.jit(lambda g: w[0] * g))(g)),
    "scan": _array(lambda w: lambda g: jax.lax.scan(lambda y, _: (y * w, None), g, None, 1)[0]),
    "cond": _array(lambda w: lambda g: jax.lax.cond(g.sum() >= 0, lambda g: w * g, lambda g: g, g)),
    "number in a scan": lambda w: lambda g: jax.lax.scan(lambda y, _: (y * w, None), g, None, 1)[0],
    "custom_jvp": _custom_jvp,
    "custom_vjp": _custom_vjp,
    "pure_callback": _pure_callback,
    "io_callback": _io_callback,
    "jitted method": _Box,
    "equinox module": _equinox,
    "partial": lambda w: functools.partial(lambda w, g: w * g, w),
    "number": lambda w: lambda g: w * g,
    "NumPy array": lambda w: (lambda w: lambda g: w * g)(np.full(N, w, np.float32)),
    "NumPy array in an inner jit": lambda w: (lambda w: jax.jit(lambda g: w * g))(np.full(N, w, np.float32)),
}
# Those whose derivative alone has w in it.
SURROGATES = ("custom_jvp", "custom_vjp")
# Those that are another program with each w, as that stands in nested operations, rules or callbacks.
COMPILED_ANEW = ("number in a scan", "custom_jvp", "custom_vjp", "pure_callback", "io_callback")
WAYS = ("eager", "in an outer jit", "under grad")


def wrong(kind: str, way: str, simulate: Callable[..., Any], params: Any) -> list[str]:
    """What comes out wrong with w of 1, 2 and 3 in turn.

    Args:
        kind: of `KINDS`.
        way: of `WAYS`.
        simulate: ``simulate(params, readout)`` gives what is kept of each step.
        params: a kernel's ``Params``.
    """
    found = []
    g = simulate(params, None)
    slope = jax.grad(lambda params: simulate(params, None).sum())(params)
    for w in (1.0, 2.0, 3.0):
        f = KINDS[kind](w)

        def kept(params: Any, f: Any = f) -> Any:
            return simulate(params, lambda state, g: f(g))

        got, right = kept, g if kind in SURROGATES else w * g
        if way == "under grad":
            got, right = (
                jax.grad(lambda params, kept=kept: kept(params).sum()),
                jax.tree.map(functools.partial(jnp.multiply, w), slope),
            )
        elif way == "in an outer jit":
            got = jax.jit(kept)
        got = got(params)
        pairs = zip(jax.tree.leaves(got), jax.tree.leaves(right), strict=True)
        good = all(np.allclose(one, other, rtol=1e-4) for one, other in pairs)
        if hasattr(f, "written"):
            jax.effects_barrier()
            good &= np.isclose(np.sum(f.written), w * g.sum(), rtol=1e-4)
        if not good:
            found.append(f"w = {w}")
    return found
