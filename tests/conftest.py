"""What every test shares: how strict JAX is, the kernels, the precisions, where recordings lie.

The suite runs with JAX's 64-bit mode off and on (JAX_ENABLE_X64). A test that needs one precision asks for it:
`x64` switches the mode on for the test, `dtype` runs it in both precisions.
"""

import os
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# What one process has compiled another need not compile again: nor the next run, nor the commands that tests start.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".jax_cache"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
# XLA takes half the time and makes slower code of the same operations: here most of it runs once. Where
# JAX_DISABLE_MOST_OPTIMIZATIONS is 0 the suite runs what users do, as some jobs of the workflow do.
if os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1") == "1" and version("jaxlib").startswith("0.10."):
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")  # later versions do not know it, and end

import hypothesis
import jax
import pytest

import synkin
from tests.helpers.precision import X64, enable_x64

# A kernel that leans on silent promotion would change the dtype of a scan's carry, or a shape, at its user's.
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# The same examples in every run, and no time limit: the first example of a test compiles.
hypothesis.settings.register_profile(
    "synkin", derandomize=True, deadline=None, database=None, max_examples=25, print_blob=False
)
hypothesis.settings.load_profile("synkin")


def pytest_collectreport():
    """A test module has been imported."""
    jax.config.update("jax_enable_x64", X64)


@pytest.fixture(autouse=True, scope="module")
def let_go():
    """What a module has compiled is of little use to the next, and takes memory by the gigabyte."""
    jax.config.update("jax_enable_x64", X64)
    yield
    jax.clear_caches()


@pytest.fixture(autouse=True)
def few_memory_maps(request):
    """A compiled function takes several memory maps, of which Linux allows 65,530: XLA crashes beyond them."""
    yield
    maps = Path("/proc/self/maps")
    if request.node.get_closest_marker("wide") and maps.exists() and maps.read_bytes().count(b"\n") > 30_000:
        jax.clear_caches()


@pytest.fixture(autouse=True)
def nothing_set():
    """A test finds neither t nor dt for the objects, and leaves none behind."""
    synkin.environ.set(t=None, dt=None)
    yield
    synkin.environ.set(t=None, dt=None)


@pytest.fixture
def x64():
    """The test runs in JAX's 64-bit mode."""
    with enable_x64():
        yield


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    """Each floating precision in turn. float32 runs in whichever mode the suite runs in."""
    if request.param == "float32":
        yield "float32"
    else:
        with enable_x64():
            yield "float64"


@pytest.fixture(params=list(synkin.KERNELS.values()), ids=list(synkin.KERNELS))
def kernel(request):
    """Each kernel of the registry in turn."""
    return request.param


@pytest.fixture(scope="session")
def recordings():
    """The folder of recordings: SYNKIN_DATA, or data in a folder `shared` beside the checkout."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SYNKIN_DATA") or default)
    if not folder.is_dir():
        pytest.skip(f"The recordings are not here: set SYNKIN_DATA to their folder ({folder} does not exist).")
    return folder
