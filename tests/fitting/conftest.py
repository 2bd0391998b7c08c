"""Fits of one form share their programs from module to module, so nothing that was compiled is let go between them."""

import jax
import pytest

from tests.helpers.precision import X64


@pytest.fixture(autouse=True, scope="module")
def let_go():
    jax.config.update("jax_enable_x64", X64)
