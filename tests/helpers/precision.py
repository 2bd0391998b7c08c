"""JAX's 64-bit mode."""

import jax

# What is asked for by JAX_ENABLE_X64. Some packages change it when they are imported, as brainstate does.
X64 = jax.config.jax_enable_x64


def enable_x64():
    """JAX's 64-bit mode as a context; it has moved between the supported versions."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    from jax.experimental import enable_x64

    return enable_x64(True)
