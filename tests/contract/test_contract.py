"""What every kernel of the registry promises, whatever its equations."""

import inspect
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from tests.helpers import samples
from tests.helpers.solutions import SOLUTIONS, error

T, N, DT = samples.STEPS, samples.SYNAPSES, samples.DT

# The published names and defaults (ms, mM, /ms, /ms/mM).
DEFAULTS = {
    "alpha": {"tau": 8},
    "ampa": {"alpha": 0.98, "beta": 0.18, "T": 0.5, "T_dur": 0.5},
    "gabaa": {"alpha": 0.53, "beta": 0.18, "T": 1.0, "T_dur": 1.0},
    "bionmda": {"alpha1": 2, "beta1": 0.01, "alpha2": 1, "beta2": 0.5, "T": 1, "T_dur": 0.5},
    "expon": {"tau": 8},
    "dual_expon": {"tau_decay": 10, "tau_rise": 1, "amplitude": 1},
}
STATES = {
    "alpha": ("g", "h"),
    "ampa": ("g", "pulse_left"),
    "gabaa": ("g", "pulse_left"),
    "bionmda": ("g", "x", "pulse_left"),
    "expon": ("g",),
    "dual_expon": ("g_rise", "w"),
}


def test_every_kernel_has_an_independent_solution():
    assert set(SOLUTIONS) == set(synkin.KERNELS)


def test_registry_names_are_the_public_modules():
    assert all(getattr(synkin, name) is kernel for name, kernel in synkin.KERNELS.items())


@pytest.mark.parametrize("name", DEFAULTS)
def test_names_and_defaults(name):
    kernel = synkin.KERNELS[name]
    assert kernel.Params()._asdict() == DEFAULTS[name]
    assert kernel.State._fields == STATES[name]


def test_signatures(kernel):
    expected = {
        "init": (("params", "shape"), ("dtype",)),
        "step": (("params", "state", "t", "spike", "dt"), ("method", "overlap")),
        "vector_field": (("params", "state"), ()),
    }
    for function, (positional, keywords) in expected.items():
        parameters = inspect.signature(getattr(kernel, function)).parameters.values()
        required = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty]
        assert tuple(p.name for p in required) == positional, function
        assert tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY) == keywords, function
    options = inspect.signature(kernel.step).parameters
    assert options["method"].default is None  # the kernel's own
    assert kernel.methods == ("exp_euler", "exact")
    assert options["overlap"].default == "restart"


def test_every_parameter_has_a_unit(kernel):
    assert isinstance(kernel.UNITS, kernel.Params)
    assert set(kernel.UNITS) <= {"ms", "mM", "1/ms", "1/ms/mM", "1"}


def test_params_and_state_are_pytrees_of_arrays(kernel):
    params, state = kernel.Params(), kernel.init(kernel.Params(), (N,))
    assert jax.tree.leaves(params) == list(params)
    assert type(jax.tree.map(lambda leaf: leaf, params)) is kernel.Params
    chex.assert_trees_all_equal(jax.tree.leaves(state), list(state))
    assert type(jax.tree.map(lambda leaf: leaf, state)) is kernel.State


@pytest.mark.parametrize("shape", [(), (N,), (2, N)], ids=str)
def test_init_is_zeros(kernel, shape, dtype):
    state = kernel.init(kernel.Params(), shape, dtype=dtype)
    assert isinstance(state, kernel.State)
    chex.assert_trees_all_equal_shapes_and_dtypes(list(state), [jnp.zeros(shape, dtype)] * len(state))
    assert all(not leaf.any() for leaf in state)


def test_init_by_default(kernel):
    state = kernel.init(kernel.Params(), N)
    assert state[0].shape == (N,)
    assert state[0].dtype == jnp.result_type(float)


@pytest.mark.parametrize("shape", [(), (2, N)], ids=str)
def test_step_keeps_structure_shape_and_dtype(kernel, method, shape, dtype):
    state = kernel.init(kernel.Params(), shape, dtype=dtype)
    # float64 where there is one, whatever the state's dtype: the state decides.
    params = samples.params(kernel, np.random.default_rng(0), shape[-1:])
    for spike in (np.ones(shape, bool), np.ones(shape, dtype), np.ones(shape, np.int32)):
        moved, g = jax.eval_shape(partial(kernel.step, params, method=method), state, 0.0, spike, DT)
        chex.assert_trees_all_equal_structs(moved, state)
        chex.assert_trees_all_equal_shapes_and_dtypes(moved, state)
        assert (g.shape, g.dtype) == (shape, dtype)


def test_step_needs_no_array_arguments(kernel, method):
    # Called as in a notebook: outside jit, plain numbers all over, no shape.
    state, g = kernel.step(kernel.Params(), kernel.init(kernel.Params(), ()), 0, True, 0.1, method=method)
    state, later = kernel.step(kernel.Params(), state, 0.1, False, 0.1, method=method)
    assert g.shape == later.shape == ()
    assert float(later) > 0


def test_scan_of_step_is_a_loop_of_steps_is_simulate(kernel, method, x64):
    rng = np.random.default_rng(1)
    params = samples.params(kernel, rng, (N,))
    inputs = samples.inputs(kernel, rng, (T, N))
    start = kernel.init(params, (N,))

    step = jax.jit(partial(kernel.step, method=method))
    state, rows = start, []
    for i, row in enumerate(inputs):
        state, g = step(params, state, i * DT, row, DT)
        rows.append(g)
    looped = jnp.stack(rows)
    scanned_state, scanned = samples.scan(kernel, params, start, inputs, DT, method=method)
    final, gs = samples.simulate(kernel, params, inputs, DT, method=method)

    assert error(scanned, looped) < samples.TOLERANCE["float64"]
    assert error(gs, looped) < samples.TOLERANCE["float64"]
    for other in (scanned_state, final):
        chex.assert_trees_all_equal_shapes_and_dtypes(other, state)
        chex.assert_trees_all_close(other, state, rtol=1e-12, atol=1e-13)


def test_vmap_is_a_loop(kernel, method):
    """Over parameters, states and inputs at once."""
    rng = np.random.default_rng(2)
    params = samples.params(kernel, rng, (4, N), np.float32)
    inputs = np.stack([samples.inputs(kernel, rng, (T, N), dtype=np.float32) for _ in range(4)])
    run = partial(samples.simulate, kernel, dt=DT, method=method, dtype="float32")
    state, gs = jax.vmap(run)(params, inputs)
    for i in range(4):
        one_state, one = run(jax.tree.map(lambda leaf, i=i: leaf[i], params), inputs[i])
        assert error(gs[i], one) < samples.TOLERANCE["float32"]
        chex.assert_trees_all_close(jax.tree.map(lambda leaf, i=i: leaf[i], state), one_state, rtol=1e-5, atol=1e-6)


def test_parameters_per_synapse_serve_any_batch(kernel, method):
    """Parameters of shapes (N,) and (2, 1) with a state of shape (2, N): each synapse has its own."""
    rng = np.random.default_rng(3)
    params = samples.params(kernel, rng, (N,), np.float32)
    shared = kernel.Params()[0] * np.float32([[0.7], [1.3]])
    inputs = samples.inputs(kernel, rng, (T, 2, N), dtype=np.float32)
    run = partial(samples.simulate, kernel, dt=DT, method=method, dtype="float32")
    _, gs = run(params._replace(**{params._fields[0]: shared}), inputs)
    assert gs.shape == (T, 2, N)
    for i in range(2):
        own = params._replace(**{params._fields[0]: np.full(N, shared[i], np.float32)})
        assert error(gs[:, i], run(own, inputs[:, i])[1]) < samples.TOLERANCE["float32"]


def test_kinds_of_numbers_are_all_the_same(kernel, method):
    """Python, NumPy and JAX numbers, integers too, of any dtype, give the number of plain floats."""

    def g_of(params):
        state = kernel.init(params, (), dtype="float32")
        state, _ = kernel.step(params, state, 0.0, True, 1.0, method=method)
        return kernel.step(params, state, 1.0, True, 1.0, method=method)[1]

    params = kernel.Params(*(1.0 + i for i in range(len(kernel.Params._fields))))
    expected = g_of(params)
    assert expected > 0
    for kind in (int, np.float32, np.float64, np.int32, partial(jnp.asarray, dtype="float32"), jnp.asarray):
        g = g_of(kernel.Params(*(kind(value) for value in params)))
        assert (g.shape, g.dtype) == ((), np.float32)
        assert g == expected


def test_compiles_once(kernel):
    chex.clear_trace_counter()

    @jax.jit
    @chex.assert_max_traces(n=1)
    def run(params, inputs, dt):
        return synkin.simulate(kernel, params, inputs, dt)[1]

    @jax.jit
    @chex.assert_max_traces(n=1)
    def step(params, state, t, spike, dt):
        return kernel.step(params, state, t, spike, dt)

    rng = np.random.default_rng(6)
    state = kernel.init(kernel.Params(), (N,))
    for i in range(3):
        params = kernel.Params(*(default * (1 + 0.1 * i) for default in kernel.Params()))
        inputs = samples.inputs(kernel, rng, (T, N))
        run(params, inputs, 0.1 * (1 + i))
        state, _ = step(params, state, 0.1 * i, inputs[0], 0.1 * (1 + i))


def test_events_and_rests_are_the_steps(kernel, x64):
    """`respond` at the grid's points is an exact run."""
    rng = np.random.default_rng(7)
    params = samples.params(kernel, rng)
    inputs = samples.inputs(kernel, rng, (T,))
    rows = np.flatnonzero(inputs)
    at = (rows + kernel.input.acts_at_end) * DT
    # Between the points, where no rounding of a time decides on which side of a jump it is.
    times = (np.arange(1, T + 1) + 1e-9) * DT
    weights = {"weights": inputs[rows]} if kernel.input.takes_weights else {}
    got = synkin.respond(kernel, params, at, times, **weights)
    _, expected = samples.simulate(kernel, params, inputs, DT, method="exact")
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-8 * np.abs(expected).max())
