"""JAX's 64-bit mode, and how strict it is."""

from contextlib import contextmanager

import jax

# What is asked for by JAX_ENABLE_X64. Some packages change it when they are imported, as brainstate does.
X64 = jax.config.jax_enable_x64


def enable_x64(on=True):
    """JAX's 64-bit mode as a context; it has moved between the supported versions."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(on)
    from jax.experimental import enable_x64

    return enable_x64(on)


@contextmanager
def as_jax_is():
    """Types and ranks are promoted as JAX does by default: for a reader's examples, and for other frameworks."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield
