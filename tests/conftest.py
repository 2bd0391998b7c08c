"""What every test shares: how strict JAX is, the kernels, the precisions, where recordings lie.

The suite runs with JAX's 64-bit mode off and on (JAX_ENABLE_X64). A test that needs one precision asks for it:
`x64` switches the mode on for the test, `dtype` runs it in both precisions.
"""

import os
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# What one process has compiled another need not compile again: nor the next run, nor the commands that tests start.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".jax_cache"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")

import hypothesis
import jax
import pytest

import synkin
from tests.helpers.kernels import LINEAR, RECEPTORS
from tests.helpers.precision import X64, enable_x64

# A kernel that leans on silent promotion would change the dtype of a scan's carry, or a shape, at its user's.
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# The same examples in every run, and no time limit: the first example of a test compiles.
hypothesis.settings.register_profile(
    "synkin", derandomize=True, deadline=None, database=None, max_examples=25, print_blob=False
)
hypothesis.settings.load_profile("synkin")


# What takes longest and has a neighbour that walks the same path in less: run with -m wide. By the beginning of a name.
LONG = (
    *(f"test_notebooks.py::test_runs[{name}" for name in ("02", "03", "04", "05", "06", "07")),
    "test_gradients.py::test_events_forward_and_reverse[bionmda",
    "test_gradients.py::test_a_pulse_that_ends_at_a_sample[bionmda",
    "test_gradients.py::test_gradient_through_chunks_is_that_of_the_whole[bionmda",
    "test_gradients.py::test_a_run_differentiates_as_a_scan_by_hand_does[dual_expon",
    *(f"test_parallel.py::test_every_way_is_the_same_run[{n}" for n in ("bionmda", "dual_expon", "alpha", "ampa")),
    "test_parallel.py::test_in_chunks_as_on_an_accelerator[bionmda",
    "test_scheme.py::test_gradients_of_runs",
    "test_scheme.py::test_second_derivatives[as published",
    "test_scheme.py::test_all_derivatives[with_voltage",
    "test_scheme.py::test_all_runs_agree[float64",
    "test_scheme.py::test_fit_finds_a_rate_again",
    "test_fit_begin.py::test_a_kernel_that_was_far_too_slow_is_found",
    "test_fit_begin.py::test_everything_infinite_is_named",
    "test_fit_begin.py::test_granule_cell_by_every_kernel",
    "test_fit_onset.py::test_shifts_are_found[bionmda--4.97",
    "test_fit.py::test_equations_are_recovered[bionmda",
    "test_cli.py::test_chunks_make_no_difference[exact-bionmda",
    "test_cli_scheme.py::test_fit",
    "test_benchmarks.py::test_a_job_runs[devices",
    "test_benchmarks.py::test_a_job_runs[cold_start",
    "test_search.py::test_draws[bionmda-exact-restart-float32",
    "test_search.py::test_draws[gabaa",
    "test_networks.py::test_gradients",
    "test_other_solvers.py::test_equinox",
    "test_own_receptor.py::test_gradients_forward_and_reverse[desensitising-respond",
    "test_sums.py::test_parameters_of_each_synapse",
    "test_sums.py::test_every_run_is_the_sum_of_two[float64",
    "test_sums.py::test_forms[stepper_sum_passed",
    "test_sums.py::test_a_fit_of_a_sum_travels",
    "test_sums.py::test_intervals_of_a_sum",
    "test_adapter_jaxley.py::test_g_is_that_of_respond[float32",
    "test_delays.py::test_padding_stays_padding",
    "test_release.py::test_gradient_through_the_response",
    "test_profile.py::test_coverage",
    *(
        f"test_own_receptor.py::test_gradients_forward_and_reverse[{n}-respond"
        for n in ("gabab", "oscillator", "chain")
    ),
    "test_own_receptor.py::test_the_derivative_of_a_parallel_run",
    "test_own_receptor.py::test_second_order[kernel1",
    *(f"test_schemes.py::test_g_of_a_train_and_of_jumps[{d}-kampa2004" for d in ("float32", "float64")),
    "test_schemes.py::test_other_starts_and_a_voltage_that_jumps",
    "test_hessians.py::test_a_hessian_in_every_order_of_modes[respond",
    "test_contract.py::test_vmap_is_a_loop[bionmda-exact",
    "test_contract.py::test_events_and_rests_are_the_steps[bionmda",
    "test_units.py::test_a_stepper_takes_quantities_and_gives_plain_numbers[bionmda",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if (item.path.name + item.nodeid[item.nodeid.index("::") :]).startswith(LONG):
            item.add_marker(pytest.mark.wide)


def pytest_collectreport():
    """A test module has been imported."""
    jax.config.update("jax_enable_x64", X64)


@pytest.fixture(autouse=True, scope="module")
def let_go():
    """What a module has compiled is of little use to the next, and takes memory by the gigabyte."""
    jax.config.update("jax_enable_x64", X64)
    yield
    jax.clear_caches()


@pytest.fixture
def x64():
    """The test runs in JAX's 64-bit mode."""
    with enable_x64():
        yield


@pytest.fixture
def quickly_compiled():
    """XLA takes less time and makes slower code: for derivatives, which take far longer to compile than to run."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    """Each floating precision in turn. float32 runs in whichever mode the suite runs in."""
    if request.param == "float32":
        yield "float32"
    else:
        with enable_x64():
            yield "float64"


@pytest.fixture(params=["exp_euler", "exact"])
def method(request):
    """Each method in turn."""
    return request.param


@pytest.fixture(params=list(synkin.KERNELS.values()), ids=list(synkin.KERNELS))
def kernel(request):
    """Each kernel of the registry in turn."""
    return request.param


@pytest.fixture(params=list(RECEPTORS.values()), ids=list(RECEPTORS))
def receptor(request):
    """Each kernel in turn whose spikes start a pulse of transmitter."""
    return request.param


@pytest.fixture(params=list(LINEAR.values()), ids=list(LINEAR))
def linear_kernel(request):
    """Each kernel in turn whose input is added."""
    return request.param


@pytest.fixture(scope="session")
def recordings():
    """The folder of recordings: SYNKIN_DATA, or data in a folder `shared` beside the checkout."""
    default = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SYNKIN_DATA") or default)
    if not folder.is_dir():
        pytest.skip(f"The recordings are not here: set SYNKIN_DATA to their folder ({folder} does not exist).")
    return folder
