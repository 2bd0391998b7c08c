"""The objects: the kernels' numbers bit for bit, brainpy.state's methods, and what a person gets to hear."""

import copy
import functools
import inspect
import pickle

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin import environ
from synkin.arguments.known import is_concrete
from synkin.objects import receptors
from tests.helpers import samples

DT = 0.125
OBJECTS = {
    "AMPA": synkin.ampa,
    "GABAa": synkin.gabaa,
    "BioNMDA": synkin.bionmda,
    "Alpha": synkin.alpha,
    "Expon": synkin.expon,
    "DualExpon": synkin.dual_expon,
}
RECEPTORS = ("AMPA", "GABAa", "BioNMDA")
LINEAR = ("Alpha", "Expon", "DualExpon")
VARIABLES = {
    "AMPA": ("g", "spike_arrival_time"),
    "GABAa": ("g", "spike_arrival_time"),
    "BioNMDA": ("g", "x", "spike_arrival_time"),
    "Alpha": ("g", "h"),
    "Expon": ("g",),
    "DualExpon": ("g_rise", "g_decay"),
}
STEPS = 20
# Two compilations of the same formulas.
TOLERANCE = {"rtol": 2e-5, "atol": 1e-6}


@pytest.fixture(params=OBJECTS)
def name(request):
    return request.param


@pytest.fixture(params=RECEPTORS)
def receptor_name(request):
    return request.param


@pytest.fixture(params=LINEAR)
def linear_name(request):
    return request.param


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture(autouse=True)
def dt():
    """Every test has a step set, and leaves nothing behind."""
    environ.set(t=None, dt=DT)
    yield
    environ.set(t=None, dt=None)


def make(which, /, *args, **kwargs):
    return getattr(synkin, which)(*args, **kwargs)


def train(name, rng, shape):
    return samples.inputs(OBJECTS[name], rng, shape, rate=0.2)


@functools.cache
def jitted_step(kernel, **options):
    """A step of the kernel as a person compiles it, with nothing around it."""
    return jax.jit(functools.partial(kernel.step, **options))


@functools.cache
def jitted_stepper(kernel, **options):
    """A stepper's making and its step, each as a person compiles it, with nothing around it."""
    return (
        jax.jit(lambda params: synkin.stepper(kernel, params, jnp.asarray(DT), **options)),
        jax.jit(lambda stepper, carry, spike: stepper.step(carry, spike)),
    )


# The kernel's numbers


@pytest.mark.parametrize(
    ("size", "batch", "method"), [((3,), None, "exp_euler"), ((2, 3), 4, "exact"), ((), None, "exp_euler")]
)
def test_updates_are_the_stepper_bit_for_bit(name, size, batch, rng, method):
    synapse = make(name, size, method=method)
    synapse.init_state(batch)
    shape = size if batch is None else (batch, *size)
    params = jax.tree.map(jnp.asarray, OBJECTS[name].Params())
    ready, step = jitted_stepper(OBJECTS[name], method=method)
    stepper = ready(params)
    carry = stepper.init(shape)
    same = chex.assert_trees_all_equal
    if OBJECTS[name].structure.gated and method == "exact":  # a long chain, which XLA fuses one way here, another there
        same = functools.partial(chex.assert_trees_all_close, rtol=4 * float(jnp.finfo(jnp.result_type(float)).eps))
    for i, row in enumerate(train(name, rng, (STEPS, *shape))):
        with environ.context(t=i * DT):
            got = synapse.update(jnp.asarray(row))
        carry, expected = step(stepper, carry, jnp.asarray(row))
        same(got, expected)
    same(synapse.state, stepper.state(carry))
    chex.assert_trees_all_equal_shapes_and_dtypes(synapse.state, stepper.state(carry))


def test_parameters_of_each_synapse_are_the_stepper_bit_for_bit(name, rng):
    params = samples.params(OBJECTS[name], rng, shape=(3,))
    synapse = make(name, (2, 3), **params._asdict())
    chex.assert_trees_all_equal(synapse.params, jax.tree.map(lambda p: jnp.asarray(p, float), params))
    ready, step = jitted_stepper(OBJECTS[name], method="exp_euler")
    stepper = ready(synapse.params)
    carry = stepper.init((2, 3))
    for row in train(name, rng, (STEPS, 2, 3)):
        got = synapse(jnp.asarray(row))
        carry, expected = step(stepper, carry, jnp.asarray(row))
        chex.assert_trees_all_equal(got, expected)


def test_updates_are_the_kernel_s_steps(name, rng):
    """Within a rounding or two, as a step by itself is compiled with what it prepares."""
    params = samples.params(OBJECTS[name], rng, shape=(3,))
    synapse = make(name, (2, 3), **params._asdict(), method="exact")
    state = OBJECTS[name].init(params, (2, 3))
    step = jitted_step(OBJECTS[name], method="exact")
    for row in train(name, rng, (STEPS, 2, 3)):
        got = synapse(jnp.asarray(row))
        state, expected = step(synapse.params, state, 0.0, jnp.asarray(row), DT)
        chex.assert_trees_all_close(got, expected, **TOLERANCE)
    chex.assert_trees_all_close(synapse.state, state, **TOLERANCE)


def test_overlap_is_the_kernels(receptor_name, rng):
    kernel, spikes = OBJECTS[receptor_name], train(receptor_name, rng, (STEPS, 3))
    synapse = make(receptor_name, 3, overlap="ignore")
    run = synapse.run(spikes)
    synapse.reset_state()
    rows = jnp.stack([synapse.update(row) for row in spikes])
    _, expected = samples.simulate(kernel, kernel.Params(), spikes, DT, overlap="ignore")
    chex.assert_trees_all_close(run, expected, **TOLERANCE)
    chex.assert_trees_all_close(rows, expected, **TOLERANCE)
    assert not np.allclose(make(receptor_name, 3).run(spikes), expected, rtol=1e-2)


@pytest.mark.parametrize("batch", [None, 4])
def test_runs_are_updates(name, batch, rng):
    by_row, at_once = make(name, 3), make(name, 3)
    for synapse in (by_row, at_once):
        synapse.init_state(batch)
    spikes = train(name, rng, (2 * STEPS, *by_row.state[0].shape))
    rows = jnp.stack([by_row.update(row) for row in spikes])
    # Two runs, so that the second has to go on from the first.
    runs = jnp.concatenate([at_once.run(spikes[:STEPS]), at_once.run(jnp.asarray(spikes[STEPS:]))])
    chex.assert_trees_all_close(runs, rows, **TOLERANCE)
    chex.assert_trees_all_close(at_once.state, by_row.state, **TOLERANCE)
    if name in RECEPTORS:
        chex.assert_trees_all_equal(at_once.spike_arrival_time.value, by_row.spike_arrival_time.value)


def test_a_run_is_simulate_bit_for_bit(name, rng, method):
    spikes, synapse = train(name, rng, (STEPS, 3)), make(name, 3, method=method)
    final, expected = samples.simulate(OBJECTS[name], synapse.params, spikes, DT, method=method)
    chex.assert_trees_all_equal(synapse.run(spikes), expected)
    chex.assert_trees_all_equal(synapse.state, final)


def test_a_run_of_no_steps_changes_nothing(name, rng):
    ran, plain = make(name, 3), make(name, 3)
    first, second = train(name, rng, (2, 3))
    for synapse in (ran, plain):
        synapse.update(first)
    assert ran.run(np.zeros((0, 3))).shape == (0, 3)
    if name in RECEPTORS:
        chex.assert_trees_all_equal(ran.spike_arrival_time.value, plain.spike_arrival_time.value)
    chex.assert_trees_all_close(ran.update(second), plain.update(second), **TOLERANCE)


def test_a_run_may_have_a_step_of_its_own(name, rng):
    spikes = train(name, rng, (STEPS, 3))
    with environ.context(dt=0.05):
        expected = make(name, 3).run(spikes)
    environ.set(dt=None)
    chex.assert_trees_all_equal(make(name, 3).run(spikes, dt=0.05), expected)
    assert not np.allclose(make(name, 3).run(spikes, 0.1), expected, rtol=1e-2)


def test_stepping_over_to_the_functions_and_back(name, rng):
    spikes = jnp.asarray(train(name, rng, (STEPS, 3)))
    stays, leaves = make(name, 3), make(name, 3)
    for row in spikes[:3]:
        stays.update(row)
        leaves.update(row)
    assert leaves.kernel is OBJECTS[name]
    assert type(leaves.params) is leaves.kernel.Params
    assert type(leaves.state) is leaves.kernel.State
    leaves.state, g = jitted_step(leaves.kernel)(leaves.params, leaves.state, 0.0, spikes[3], DT)
    chex.assert_trees_all_equal(g, stays.update(spikes[3]))
    chex.assert_trees_all_equal(leaves.update(spikes[4]), stays.update(spikes[4]))


# brainpy.state's interface


@pytest.mark.parametrize(
    ("name", "expected"),
    {
        "AMPA": ("alpha", "beta", "T", "T_dur", "g_initializer"),
        "GABAa": ("alpha", "beta", "T", "T_dur", "g_initializer"),
        "BioNMDA": ("alpha1", "beta1", "alpha2", "beta2", "T", "T_dur", "g_initializer", "x_initializer"),
        "Alpha": ("tau", "g_initializer"),
        "Expon": ("tau", "g_initializer"),
        "DualExpon": ("tau_decay", "tau_rise", "amplitude", "normalize", "g_initializer"),
    }.items(),
)
def test_constructor(name, expected):
    parameters = inspect.signature(getattr(synkin, name)).parameters
    positional = [key for key, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert tuple(positional) == ("in_size", "name", *expected)
    for key, value in OBJECTS[name].Params()._asdict().items():
        assert parameters[key].default == value
        assert float(getattr(make(name, 3), key)) == pytest.approx(value, rel=1e-6)


def test_the_docstring_describes_each_argument(name):
    kind, kernel = getattr(synkin, name), OBJECTS[name]
    text = inspect.getdoc(kind)
    assert all(f"\n    {argument}: " in text for argument in inspect.signature(kind).parameters)
    for field, value in kernel.Params()._asdict().items():
        assert f"    {field}: {getattr(kernel.Params, field).__doc__}, by default {value:g}" in text
    assert text[text.index("Source: ") :].partition("\n")[0] in kernel.__doc__


def test_a_class_derived_from_an_object_has_a_constructor_of_its_own(name):
    kind, field = getattr(synkin, name), OBJECTS[name].Params._fields[-1]

    class Own(kind):
        def __init__(self, size):
            super().__init__(size, **{field: 0.75}, method="exact")

    assert repr(Own(3)).startswith("Own(3, ")
    assert (float(getattr(Own(3), field)), Own(3).method) == (0.75, "exact")
    with pytest.raises(TypeError, match=rf"^{name}\.__init__\(\) got an unexpected keyword argument 'tau_x'"):
        kind(3, tau_x=1.0)


def theirs(brainpy_state, name, params, initial, **extra):
    """brainpy.state's object in plain numbers: a function that updates it, one that reads its variables."""
    import brainstate
    import brainunit as u

    milliseconds = ("T_dur", "tau", "tau_decay", "tau_rise")
    rates, binding = ("beta", "alpha1", "beta1", "beta2"), ("alpha", "alpha2")
    units = dict.fromkeys(milliseconds, u.ms) | dict.fromkeys(rates, 1 / u.ms) | {"T": u.mM, "amplitude": 1.0}
    units |= dict.fromkeys(binding, 1 / (u.ms * u.mM))
    unit = 1.0 if name in RECEPTORS else u.mS
    synapse = getattr(brainpy_state, name)(
        3,
        **{key: value * units[key] for key, value in params.items()},
        g_initializer=lambda shape: jnp.full(shape, initial) * unit,
        **extra,
    )
    synapse.init_state(4)

    @brainstate.transform.jit
    def update(t, x, delta):
        with brainstate.environ.context(t=t * u.ms, dt=DT * u.ms):
            # Given from outside, the array would be a constant of what jit compiles.
            if name in LINEAR:
                synapse.add_delta_input("extra", delta * unit)
            return u.get_magnitude(synapse.update(x * unit))

    def variable(key):
        return u.get_magnitude(getattr(synapse, key).value)

    return update, variable


@pytest.mark.parametrize("name", [*OBJECTS, "DualExpon, not normalized"])
def test_parity_with_brainpy_state(name, rng, dtype):
    brainpy_state = pytest.importorskip("brainpy_state")
    name, _, raw = name.partition(", ")
    extra = {"normalize": False} if raw else {}
    params = samples.params(OBJECTS[name], rng, (3,))._asdict()
    if name in RECEPTORS:
        params["T_dur"] = np.array([0.25, 0.5, 1.125])
    spikes, deltas = train(name, rng, (50, 4, 3)), rng.normal(size=(50, 4, 3))
    # brainpy.state leans on promotion.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        update, variable = theirs(brainpy_state, name, params, 0.25, **extra)
        ours = make(name, 3, **params, g_initializer=0.25, **extra)
        ours.init_state(4)
        expected, got = [], []
        for i, (spike, delta) in enumerate(zip(spikes, deltas, strict=True)):
            expected.append(update(i * DT, spike, delta))
            if name in LINEAR:
                ours.add_delta_input("extra", delta)
            with environ.context(t=i * DT):
                got.append(ours.update(spike))
        got, expected = ({"output": jnp.stack(rows)} for rows in (got, expected))
        for key in VARIABLES[name]:
            got[key], expected[key] = getattr(ours, key).value, variable(key)
    tolerance = 1e-12 if jnp.result_type(float) == "float64" else 1e-5
    for key, value in expected.items():
        difference = np.abs(np.asarray(got[key]) - np.asarray(value)).max()
        assert difference <= tolerance * np.abs(value).max(), (key, difference)


@pytest.mark.parametrize(("given", "size"), [(7, (7,)), ((7,), (7,)), ([2, 3], (2, 3)), (np.int64(4), (4,)), ((), ())])
def test_sizes(name, given, size):
    synapse = make(name, given)
    assert synapse.in_size == synapse.out_size == synapse.varshape == size
    assert all(field.shape == size for field in synapse.state)
    synapse.init_state(batch_size=6)
    assert synapse.batch_size == 6
    assert all(field.shape == (6, *size) for field in synapse.state)
    synapse.reset_state()
    assert all(field.shape == (6, *size) for field in synapse.state)
    synapse.reset_state(2)
    assert all(field.shape == (2, *size) for field in synapse.state)
    synapse.init_state()
    assert synapse.batch_size is None
    assert all(field.shape == size for field in synapse.state)


def test_names(name):
    synapses = [make(name, 2) for _ in range(3)] + [make(other, 2) for other in OBJECTS]
    assert len({synapse.name for synapse in synapses}) == len(synapses)
    assert make(name, 2, "excitatory").name == make(name, 2, name="excitatory").name == "excitatory"


def test_it_works_without_init_state(name, rng):
    spikes = train(name, rng, (2, 3))
    silent, told = make(name, 3), make(name, 3)
    told.init_state()
    assert silent.state[0].shape == (3,)
    chex.assert_trees_all_equal(make(name, 3).update(spikes[0]), told.update(spikes[0]))
    for variable in VARIABLES[name]:
        assert getattr(make(name, 3), variable).value.shape == (3,)


def test_reset_starts_anew(name, rng):
    spikes = train(name, rng, (12, 3))
    synapse = make(name, 3, g_initializer=0.25)
    first = [synapse.update(row) for row in spikes]
    first_state = synapse.state
    first_arrival = synapse.spike_arrival_time.value if name in RECEPTORS else None
    synapse.reset_state()
    assert not np.array_equal(synapse.state[0], first_state[0])
    chex.assert_trees_all_equal([synapse.update(row) for row in spikes], first)
    chex.assert_trees_all_equal(synapse.state, first_state)
    if name in RECEPTORS:
        chex.assert_trees_all_equal(synapse.spike_arrival_time.value, first_arrival)


def test_initial_values(name):
    fields = {"DualExpon": ("g_rise",), "Alpha": ("g", "h")}.get(name, ("g",))
    ramp = np.linspace(0.1, 0.3, 3)
    shapes = []

    def draw(shape):
        shapes.append(shape)
        return np.full(shape, 0.5)

    for value, expected in [(0.25, 0.25), (ramp, ramp), (draw, 0.5), (np.tile(ramp, (4, 1)), ramp)]:
        synapse = make(name, 3, g_initializer=value)
        synapse.init_state(4)
        for field in fields:
            chex.assert_trees_all_close(
                getattr(synapse, field).value,
                jnp.broadcast_to(jnp.asarray(expected, float), (4, 3)),
                rtol=1e-6,
            )
    assert shapes == [(4, 3)] * len(fields)
    if name == "DualExpon":
        chex.assert_trees_all_close(synapse.g_decay.value, synapse.g_rise.value)
    if name == "BioNMDA":
        synapse = make(name, 3, g_initializer=0.5, x_initializer=ramp)
        chex.assert_trees_all_close(synapse.x.value, jnp.asarray(ramp, float))
        chex.assert_trees_all_close(synapse.g.value, jnp.full(3, 0.5))


def test_the_object_keeps_no_array_that_its_owner_may_change(name):
    field = OBJECTS[name].Params._fields[0]
    parameter, initial = np.full(64, 2.0, np.float32), np.full(64, 0.5, np.float32)
    synapse = make(name, 64, **{field: parameter})
    synapse.state = synapse.state._replace(**{synapse.state._fields[0]: initial})
    parameter[:], initial[:] = 3.0, 0.25
    assert (getattr(synapse, field) == 2.0).all()
    assert (synapse.state[0] == 0.5).all()


# Attributes


def test_a_parameter_that_is_set_acts_from_then_on(name, rng):
    spikes = jnp.asarray(train(name, rng, (STEPS + 1, 3)))
    for field in OBJECTS[name].Params._fields:
        changed, plain = make(name, 3), make(name, 3)
        value = 2.5 * float(getattr(plain, field))
        changed.update(spikes[0])
        plain.update(spikes[0])
        setattr(changed, field, value)
        assert float(getattr(changed, field)) == pytest.approx(value)
        assert float(getattr(changed.params, field)) == pytest.approx(value)
        step, state = jitted_step(OBJECTS[name]), plain.state
        for row in spikes[1:]:
            state, expected = step(changed.params, state, 0.0, row, DT)
            chex.assert_trees_all_equal(changed.update(row), expected)
        assert not np.allclose(expected, plain.run(spikes[1:])[-1], rtol=1e-3, atol=0)


def test_a_parameter_may_be_an_array_or_a_callable_of_the_shape(name):
    for field in OBJECTS[name].Params._fields:
        ramp = np.linspace(0.5, 1.5, 3)
        synapse = make(name, (2, 3), **{field: ramp})
        chex.assert_trees_all_close(getattr(synapse, field), jnp.asarray(ramp, float))
        setattr(synapse, field, lambda shape: np.full(shape, 0.75))
        chex.assert_trees_all_close(getattr(synapse.params, field), jnp.full((2, 3), 0.75))


def test_T_duration_is_T_dur(receptor_name):
    synapse = make(receptor_name, 3, T_dur=0.75)
    assert synapse.T_duration == synapse.T_dur == 0.75
    synapse.T_duration = 1.25
    assert synapse.T_dur == synapse.params.T_dur == 1.25


def test_a_bad_parameter_changes_nothing(name):
    field = OBJECTS[name].Params._fields[0]
    synapse = make(name, 3, **{field: 2.0})
    for value, error, message in [
        (-1.0, ValueError, f"Parameter `{field}` must be .*, but has the value -1.0."),
        (
            np.ones(4),
            ValueError,
            rf"Parameter `{field}` must broadcast against shape \(3,\), but has shape \(4,\).",
        ),
        ("fast", TypeError, f"Parameter `{field}` must be a real number or an array of them, but is 'fast'."),
        (np.nan, ValueError, f"Parameter `{field}` must be .*, but has the value nan."),
        (lambda shape: np.ones(2), ValueError, rf"Parameter `{field}` must broadcast .* has shape \(2,\)."),
        (np.inf, ValueError, f"Parameter `{field}` must be .*, but has the value inf."),
    ]:
        with pytest.raises(error, match=f"^{message}$"):
            setattr(synapse, field, value)
        with pytest.raises(error, match=f"^{message}$"):
            make(name, 3, **{field: value})
        assert getattr(synapse, field) == synapse.params[0] == 2.0


def test_variables_can_be_set(name, rng):
    synapse = make(name, 3)
    synapse.update(train(name, rng, (3,)))
    for field in synapse.state._fields:
        if field not in VARIABLES[name]:
            continue
        others = {key: value for key, value in synapse.state._asdict().items() if key != field}
        held = getattr(synapse, field)
        held.value = np.linspace(0, 0.5, 3)
        chex.assert_trees_all_close(held.value, jnp.linspace(0, 0.5, 3), rtol=1e-6)
        assert held.value.dtype == synapse.state[0].dtype == jnp.result_type(float)
        if name != "DualExpon":
            chex.assert_trees_all_equal({key: getattr(synapse.state, key) for key in others}, others)
        held.value = 0
        assert not held.value.any()
        with pytest.raises(
            ValueError, match=rf"^Argument `{field}` must broadcast to shape \(3,\), but has shape \(4,\)\.$"
        ):
            held.value = np.ones(4)
        with pytest.raises(ValueError, match=rf"^Argument `{field}` must be finite, but has NaN or infinite values\.$"):
            held.value = np.nan
        with pytest.raises(TypeError, match=rf"^Argument `{field}` must be a real number .*, but is 'open'\.$"):
            held.value = "open"
        with pytest.raises(AttributeError, match=rf"^Attribute `{field}` cannot be replaced: set `{field}.value`"):
            setattr(synapse, field, np.zeros(3))
        assert not held.value.any()
        assert repr(held).startswith(f"{synapse.name}.{field}.value = Array(")


def test_a_variable_that_is_set_acts(name):
    field = "g_decay" if name == "DualExpon" else "g"
    synapse, plain = make(name, 3), make(name, 3)
    getattr(synapse, field).value = 0.5
    quiet = np.zeros(3, bool)
    assert (synapse.update(quiet) > 0.4).all()
    assert not plain.update(quiet).any()


def test_state_refuses_what_is_none(name):
    synapse = make(name, 3)
    before = synapse.state
    with pytest.raises(TypeError, match=r"^Argument `state` must be a State with the fields \('g.*\), but is 3\.$"):
        synapse.state = 3
    with pytest.raises(ValueError, match=r"must broadcast to shape \(3,\), but has shape \(4,\)\.$"):
        synapse.state = make(name, 4).state
    chex.assert_trees_all_equal(synapse.state, before)


@pytest.mark.parametrize("attribute", ["in_size", "out_size", "varshape", "batch_size", "method", "params"])
def test_what_is_settled_at_construction_cannot_be_set(name, attribute):
    with pytest.raises(AttributeError):
        setattr(make(name, 3), attribute, 3)


def test_repr(name):
    synapse = make(name, (2, 3), "exc", method="exact", **{OBJECTS[name].Params._fields[0]: np.ones(3)})
    synapse.init_state(8)
    text = repr(synapse)
    assert text.startswith(f"{name}((2, 3), name='exc', {OBJECTS[name].Params._fields[0]}=float")
    assert "[3], " in text
    for field, value in list(OBJECTS[name].Params()._asdict().items())[1:]:
        assert f"{field}={value}" in text
    assert "method='exact'" in text
    assert text.endswith("batch_size=8)")
    assert repr(make(name, 100)).startswith(f"{name}(100, ")


def test_copies_and_pickles_go_on_alike(name, rng):
    spikes = train(name, rng, (6, 4, 3))
    synapse = make(name, 3, g_initializer=0.1)
    synapse.init_state(4)
    for row in spikes[:3]:
        synapse.update(row)
    others = [copy.deepcopy(synapse), pickle.loads(pickle.dumps(synapse))]
    assert {repr(other) for other in others} == {repr(synapse)}
    expected = [synapse.update(row) for row in spikes[3:]]
    for other in others:
        chex.assert_trees_all_equal([other.update(row) for row in spikes[3:]], expected)
        if name in RECEPTORS:
            chex.assert_trees_all_equal(other.spike_arrival_time.value, synapse.spike_arrival_time.value)


# DualExpon's pair


def test_dual_expon_pair_decays_separately(rng):
    tau_decay, tau_rise = 6.0, 2.0
    synapse = synkin.DualExpon(3, tau_decay=tau_decay, tau_rise=tau_rise, amplitude=1.5, normalize=False)
    rise = decay = np.zeros(3)
    for weights in train("DualExpon", rng, (STEPS, 3)):
        g = synapse.update(weights)
        rise = rise * np.exp(-DT / tau_rise) + weights
        decay = decay * np.exp(-DT / tau_decay) + weights
        chex.assert_trees_all_close(synapse.g_rise.value, jnp.asarray(rise, float), **TOLERANCE)
        chex.assert_trees_all_close(synapse.g_decay.value, jnp.asarray(decay, float), **TOLERANCE)
        chex.assert_trees_all_close(g, jnp.asarray(1.5 * (decay - rise), float), **TOLERANCE)


@pytest.mark.parametrize("order", [("g_rise", "g_decay"), ("g_decay", "g_rise")])
def test_dual_expon_pair_can_be_set_in_any_order(order):
    synapse = synkin.DualExpon((2, 3), tau_rise=np.array([0.5, 1.0, 2.0]), normalize=False)
    synapse.init_state(2)
    values = {"g_rise": 0.25, "g_decay": 0.75}
    for field in order:
        getattr(synapse, field).value = values[field]
    for field, value in values.items():
        chex.assert_trees_all_close(getattr(synapse, field).value, jnp.full((2, 2, 3), value), rtol=1e-5)


@pytest.mark.parametrize("normalize", [False, True])
def test_dual_expon_through_equal_time_constants(normalize):
    synapse = synkin.DualExpon(3, tau_decay=4.0, tau_rise=4.0, amplitude=2.0, normalize=normalize)
    trace = synapse.run(np.eye(200, 1) * np.ones(3))
    assert jnp.isfinite(trace).all()
    assert float(trace.max()) == pytest.approx(2.0 if normalize else 0.0, rel=1e-3)
    chex.assert_trees_all_equal(synapse.g_decay.value, synapse.g_rise.value)
    for field in ("g_rise", "g_decay"):
        with pytest.raises(
            ValueError, match=r"^Attributes `g_rise` and `g_decay` cannot be set if tau_rise = tau_decay"
        ):
            getattr(synapse, field).value = 1.0


def test_dual_expon_without_normalization_follows_its_parameters():
    synapse = synkin.DualExpon(3, normalize=False)
    synapse.tau_rise, synapse.amplitude = 3.0, 0.5
    other = synkin.DualExpon(3, tau_rise=3.0, amplitude=0.5, normalize=False)
    assert synapse.amplitude == 0.5
    chex.assert_trees_all_equal(synapse.params, other.params)
    # The peak of exp(-t/10) - exp(-t/3), by looking.
    t = np.linspace(0, 30, 300_001)
    assert float(synapse.params.amplitude) == pytest.approx(0.5 * (np.exp(-t / 10) - np.exp(-t / 3)).max(), rel=1e-5)


# The time of the latest spike


def test_arrival_time_by_environ(receptor_name):
    synapse = make(receptor_name, 3)
    assert (synapse.spike_arrival_time.value == -1e7).all()
    for t, spikes in [
        (10.0, [True, False, False]),
        (10.125, [False, True, False]),
        (10.25, [False, True, False]),
    ]:
        with environ.context(t=t):
            synapse.update(spikes)
    np.testing.assert_array_equal(synapse.spike_arrival_time.value, [10.0, 10.25, -1e7])


def test_arrival_time_by_its_own_clock(receptor_name):
    synapse = make(receptor_name, 3)
    synapse.update([True, False, False])
    synapse.update([False, True, False])
    np.testing.assert_array_equal(synapse.spike_arrival_time.value, [0.0, DT, -1e7])
    with environ.context(t=50.0):
        synapse.update([False, False, False])
    synapse.update([False, False, True])  # on from the last t it was told
    np.testing.assert_array_equal(synapse.spike_arrival_time.value, [0.0, DT, 50 + DT])
    synapse.reset_state()
    assert (synapse.spike_arrival_time.value == -1e7).all()
    synapse.update([True] * 3)
    assert not synapse.spike_arrival_time.value.any()


def test_arrival_time_after_a_run(receptor_name):
    spikes = np.zeros((STEPS, 3), bool)
    spikes[[0, 3, 5], [0, 1, 1]] = True
    synapse = make(receptor_name, 3)
    synapse.run(spikes)
    np.testing.assert_array_equal(synapse.spike_arrival_time.value, [0, 5 * DT, -1e7])
    synapse.update([False, False, True])
    np.testing.assert_array_equal(synapse.spike_arrival_time.value, [0, 5 * DT, STEPS * DT])
    spikes[0] = False
    with environ.context(t=100.0):
        synapse.run(spikes)
    np.testing.assert_array_equal(synapse.spike_arrival_time.value, [0, 100 + 5 * DT, STEPS * DT])


def test_arrival_time_is_a_record(receptor_name):
    synapse, plain = make(receptor_name, 3), make(receptor_name, 3)
    synapse.spike_arrival_time.value = 0.0
    assert not synapse.spike_arrival_time.value.any()
    quiet = np.zeros(3, bool)
    chex.assert_trees_all_equal(synapse.update(quiet), plain.update(quiet))


# Inputs


def test_inputs_of_any_kind(name):
    mask = [True, False, True]
    for value in (mask, np.array(mask), jnp.asarray(mask), np.array(mask, float), [1, 0, 1], [1.0, 0.0, 1.0]):
        synapse = make(name, 3)
        synapse.update(value)
        g = synapse.update([False] * 3)
        assert (np.asarray(g) > 0).tolist() == mask
        assert g.dtype == jnp.result_type(float)


def test_an_input_broadcasts_over_the_batch(name, rng):
    spikes = train(name, rng, (4, 3))
    one, many = make(name, 3), make(name, 3)
    many.init_state(2)
    for row in spikes:
        chex.assert_trees_all_close(many.update(row), jnp.tile(one.update(row), (2, 1)), **TOLERANCE)


def test_no_input_is_zero_input(linear_name):
    a, b = make(linear_name, 3, g_initializer=0.5), make(linear_name, 3, g_initializer=0.5)
    for _ in range(3):
        chex.assert_trees_all_equal(a.update(), b(np.zeros(3)))


def test_bad_inputs(name):
    argument = "spike" if name in RECEPTORS else "x"
    synapse = make(name, 3)
    before = synapse.state
    for value, error, message in [
        (np.ones(4), ValueError, r"must have shape \(3,\), but has shape \(4,\)"),
        (jnp.ones((2, 3)), ValueError, r"must have shape \(3,\), but has shape \(2, 3\)"),
        ("spike", TypeError, r"must be a real number or an array of them, but is 'spike'"),
        (
            np.ones(3, complex),
            TypeError,
            r"must be a real number or an array of them, but is an array of complex128 with shape \(3,\)",
        ),
        (
            jnp.ones(3, complex),
            TypeError,
            r"must be a real number or an array of them, but is an array of complex\d+ with shape \(3,\)",
        ),
        (
            np.array([None] * 3),
            TypeError,
            r"must be a real number or an array of them, but is an array of objects with shape \(3,\)",
        ),
        ([[1, 2], [3]], TypeError, r"must be a real number or an array of them, but is \[\[1, 2\], \[3\]\]"),
    ]:
        with pytest.raises(error, match=f"^Argument `{argument}` {message}\\.$"):
            synapse.update(value)
    chex.assert_trees_all_equal(synapse.state, before)


def test_bad_trains(name):
    synapse = make(name, 3)
    synapse.init_state(2)
    with pytest.raises(ValueError, match=r"^Argument `spikes` must have shape \(T, 2, 3\), but has shape \(7, 3\)\.$"):
        synapse.run(np.zeros((7, 3), bool))
    with pytest.raises(ValueError, match=r"^Argument `spikes` must be finite, but has NaN or infinite values\.$"):
        synapse.run(np.full((7, 2, 3), np.nan))
    with pytest.raises(TypeError, match=r"^Argument `spikes` must be a real number .*, but is 'all'\.$"):
        synapse.run("all")
    with pytest.raises(ValueError, match=r"^Argument `dt` must be a positive number of ms, but is -0\.1\.$"):
        synapse.run(np.zeros((7, 2, 3), bool), dt=-0.1)
    if name in RECEPTORS:
        with pytest.raises(ValueError, match=r"^Argument `spikes` must be 0 or 1 for a receptor kernel"):
            synapse.run(np.full((7, 2, 3), 0.5))


def test_a_receptor_wants_a_spike(receptor_name):
    with pytest.raises(TypeError, match=r"missing 1 required positional argument: 'spike'"):
        make(receptor_name, 3).update()


def test_no_step_is_said(name):
    environ.set(dt=None)
    synapse, spikes = make(name, 3), np.zeros(3, bool)
    for act in (lambda: synapse.update(spikes), lambda: synapse.run(spikes[None])):
        with pytest.raises(ValueError, match=r"^`dt` is not set: give it in ms by `synkin\.environ\.set\(dt=\.\.\.\)`"):
            act()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"in_size": -1}, ValueError, r"Argument `in_size` must not have negative lengths, but is \(-1,\)."),
        ({"in_size": 2.5}, TypeError, r"Argument `in_size` must be an int or a tuple of ints, but is 2.5."),
        (
            {"method": "euler"},
            ValueError,
            r"Argument `method` must be one of 'exp_euler', 'exact', but is 'euler'.",
        ),
    ],
)
def test_bad_construction(name, given, error, message):
    with pytest.raises(error, match=f"^{message}$"):
        make(name, **{"in_size": 3, **given})


def test_bad_overlap(receptor_name):
    with pytest.raises(ValueError, match=r"^Argument `overlap` must be one of 'restart', 'ignore', but is 'add'\.$"):
        make(receptor_name, 3, overlap="add")


def test_bad_initial_values(name):
    for value, error, message in [
        (np.ones(4), ValueError, r"must broadcast to shape \(2, 3\), but has shape \(4,\)"),
        (
            lambda shape: np.ones((3, *shape)),
            ValueError,
            r"must broadcast to shape \(2, 3\), but has shape \(3, 2, 3\)",
        ),
        (np.inf, ValueError, r"must be finite, but has NaN or infinite values"),
        ("rest", TypeError, r"must be a real number or an array of them, but is 'rest'"),
    ]:
        with pytest.raises(error, match=f"^Argument `g_initializer` {message}\\.$"):
            make(name, 3, g_initializer=value).init_state(2)
    for batch, error, message in [
        (-1, ValueError, r"must not have negative lengths, but is \(-1,\)"),
        ((2, 3), TypeError, r"must be an int, but is \(2, 3\)"),
        (1.5, TypeError, r"must be an int or a tuple of ints, but is 1\.5"),
    ]:
        with pytest.raises(error, match=f"^Argument `batch_size` {message}\\.$"):
            make(name, 3).init_state(batch)


# Delta inputs


def test_an_array_is_added_once_and_a_callable_always(linear_name, rng):
    synapse, plain = make(linear_name, 3), make(linear_name, 3)
    once, always, x = rng.normal(size=3), np.array([0.5, 0.0, -0.5]), rng.normal(size=3)
    synapse.add_delta_input("once", once)
    synapse.add_delta_input("always", lambda: always)
    expected = [plain.update(once + always + x), plain.update(always), plain.update(always + x)]
    got = [synapse.update(x), synapse.update(), synapse.update(x)]
    chex.assert_trees_all_close(got, expected, **TOLERANCE)
    synapse.remove_delta_input("always")
    chex.assert_trees_all_close(synapse.update(x), plain.update(x), **TOLERANCE)


def test_sum_delta_inputs_by_label(linear_name):
    synapse = make(linear_name, 2)
    synapse.add_delta_input("a", np.array([1.0, 2.0]))
    synapse.add_delta_input("a", np.array([10.0, 20.0]), label="fast")
    synapse.add_delta_input("b", lambda scale=1.0: scale * np.array([100.0, 200.0]), label="fast")
    np.testing.assert_array_equal(synapse.sum_delta_inputs(0.0, 3.0, label="slow"), 0.0)
    zeros = jnp.zeros(2)
    np.testing.assert_array_equal(synapse.sum_delta_inputs(zeros, label="fast"), [110.0, 220.0])
    np.testing.assert_array_equal(synapse.sum_delta_inputs(zeros, label="fast"), [100.0, 200.0])
    np.testing.assert_array_equal(synapse.sum_delta_inputs(zeros, scale=2.0), [201.0, 402.0])
    np.testing.assert_array_equal(synapse.sum_delta_inputs(zeros), [100.0, 200.0])


def test_delta_inputs_that_make_no_sense(linear_name):
    synapse = make(linear_name, 3)
    value = np.ones(3)
    synapse.add_delta_input("a", value)
    synapse.add_delta_input("a", value)  # the same array again is no second input
    synapse.add_delta_input("a", value, label="other")
    with pytest.raises(ValueError, match=r"^Argument `key` must be new, but 'a' has a delta input already\.$"):
        synapse.add_delta_input("a", np.ones(3))
    with pytest.raises(ValueError, match=r"^Argument `key` must be new with the label 'other', but 'a' has a delta"):
        synapse.add_delta_input("a", np.ones(3), label="other")
    with pytest.raises(TypeError, match=r"^Argument `inp` must be a real number or an array of them, but is 'all'\.$"):
        synapse.add_delta_input("b", "all")
    with pytest.raises(ValueError, match=r"^Argument `key` must name a delta input, but there is no 'b'\.$"):
        synapse.remove_delta_input("b")
    with pytest.raises(ValueError, match=r"^Delta inputs are for `update`: `run` takes all its input from `spikes`\.$"):
        synapse.run(np.zeros((4, 3)))
    synapse.update()
    assert synapse.run(np.zeros((4, 3))).shape == (4, 3)


def test_a_delta_input_that_fails_is_not_used_up(linear_name):
    synapse, plain = make(linear_name, 3), make(linear_name, 3)
    synapse.add_delta_input("good", np.ones(3))
    synapse.add_delta_input("bad", lambda: np.ones(4))
    before = synapse.state
    with pytest.raises(
        ValueError, match=r"^Argument `delta input bad` must have shape \(3,\), but has shape \(4,\)\.$"
    ):
        synapse.update()
    chex.assert_trees_all_equal(synapse.state, before)
    synapse.remove_delta_input("bad")
    chex.assert_trees_all_equal(synapse.update(), plain.update(np.ones(3)))


def test_a_receptor_takes_no_delta_input(receptor_name):
    with pytest.raises(
        TypeError, match=rf"^{receptor_name} takes no delta inputs, because a spike only starts a pulse"
    ):
        make(receptor_name, 3).add_delta_input("a", np.ones(3))


# Compilation and transformations


def test_objects_of_equal_shape_share_one_compilation(name, monkeypatch, rng):
    traces = []
    step = steps.step

    def counted(*args, **kwargs):
        traces.append("step")
        return step(*args, **kwargs)

    monkeypatch.setattr(steps, "step", counted)
    shape = (23,)  # of no other test, so that nothing is compiled yet
    spikes = jnp.asarray(train(name, rng, (4, *shape)))
    field = OBJECTS[name].Params._fields[0]
    for synapse in (
        make(name, shape),
        make(name, shape, "other", **{field: 0.7}),
        make(name, 23, g_initializer=0.1),
    ):
        for i, row in enumerate(spikes):
            with environ.context(t=0.5 * i, dt=0.1 + 0.01 * i):
                synapse.update(row)
        synapse.reset_state()
        synapse.update(spikes[0])
    # Also where dt changes on the way, with a pulse that may be under way.
    assert len(traces) == 1


def test_a_step_returns_what_it_changes(receptor_name):
    """XLA copies all else that a jitted function returns."""
    synapse, kernel = make(receptor_name, 3, method="exact"), OBJECTS[receptor_name]
    synapse.state = synapse.state._replace(pulse_left=jnp.full(3, 0.3))
    given = (*synapse._stepper_and_carry(DT), jnp.zeros(3), jnp.zeros(3, bool), 0.0)
    assert len(jax.tree.leaves(given[1])) > len(kernel.order) + 3
    assert len(jax.tree.leaves(jax.eval_shape(receptors._step, *given))) == len(kernel.order) + 3


def transformations(synapse, inputs):
    """Ways to call an object where its state would be traced."""
    return {
        "jit": lambda: jax.jit(synapse.update)(inputs),
        "jit over nothing": lambda: jax.jit(lambda: synapse.update(inputs))(),
        "vmap": lambda: jax.vmap(synapse.update)(jnp.stack([inputs, inputs])),
        "scan": lambda: jax.lax.scan(lambda _, row: (None, synapse.update(row)), None, inputs[None]),
        "run": lambda: jax.jit(synapse.run)(inputs[None]),
        "init_state": lambda: jax.jit(lambda: synapse.init_state(3))(),
        "value": lambda: jax.jit(lambda v: setattr(first_variable(synapse), "value", v))(0.5),
        "parameter": lambda: jax.jit(lambda v: setattr(synapse, synapse.params._fields[0], v))(0.5),
        "state": lambda: jax.jit(lambda s: setattr(synapse, "state", s))(synapse.state),
        "t": lambda: jax.vmap(lambda t: at_time(synapse, t, inputs))(jnp.arange(2.0)),
    }


def first_variable(synapse):
    return getattr(synapse, VARIABLES[type(synapse).__name__][0])


def at_time(synapse, t, inputs):
    with environ.context(t=t):
        return synapse.update(inputs)


def holds_no_tracer(synapse):
    return all(is_concrete(leaf) for leaf in jax.tree.leaves(vars(synapse)))


def test_reading_under_a_transformation_leaves_no_tracer(name):
    """After a step, when the state is still to be made of what the step carries on."""
    for read in (lambda s: first_variable(s).value, lambda s: s.state[0]):
        synapse, plain = make(name, 3), make(name, 3)
        for each in (synapse, plain):
            each.update(np.ones(3))
        got = jax.jit(lambda x, synapse=synapse, read=read: x * read(synapse))(2.0)
        assert holds_no_tracer(synapse)
        chex.assert_trees_all_close(got, 2 * read(plain), rtol=1e-6)
        chex.assert_trees_all_equal(synapse.update(np.ones(3)), plain.update(np.ones(3)))


@pytest.mark.parametrize("name", ["AMPA", "Alpha"])
@pytest.mark.parametrize("way", list(transformations(None, None)))
def test_no_tracer_gets_in(name, way, rng):
    inputs = jnp.asarray(train(name, rng, (3,)))
    synapse, plain = make(name, 3), make(name, 3)
    synapse.update(inputs)
    plain.update(inputs)
    if name in LINEAR:
        synapse.add_delta_input("kept", np.ones(3))
    else:
        inputs = ~inputs
    before = dict(vars(synapse))
    if way == "run" and name in LINEAR:
        synapse.remove_delta_input("kept")
    message = (
        rf"^{name} keeps its state in itself and cannot be made, set or updated inside "
        rf"jax\.jit, vmap, grad or scan: use synkin\.stepper or synkin\.simulate with "
        rf"synkin\.{OBJECTS[name].name} there\."
    )
    with pytest.raises(RuntimeError, match=message):
        transformations(synapse, inputs)[way]()
    assert holds_no_tracer(synapse)
    # The state as such is made of what the steps carry once it is asked for.
    assert all(vars(synapse)[key] is value for key, value in before.items() if key != "_held_state")
    if name in LINEAR and way != "run":
        assert synapse._delta_inputs
        inputs = inputs + 0
        chex.assert_trees_all_close(synapse.update(inputs), plain.update(inputs + 1), **TOLERANCE)
    else:
        chex.assert_trees_all_equal(synapse.update(inputs), plain.update(inputs))


def test_no_tracer_gets_in_by_a_gradient(linear_name):
    synapse = make(linear_name, 3)
    before = synapse.state
    with pytest.raises(RuntimeError, match=rf"^{linear_name} keeps its state in itself"):
        jax.grad(lambda x: synapse.update(x).sum())(jnp.ones(3))
    assert synapse.state is before


def test_no_object_is_made_of_tracers(name):
    field = OBJECTS[name].Params._fields[0]
    with pytest.raises(RuntimeError, match=rf"^{name} keeps its state in itself and cannot be made"):
        jax.grad(lambda v: make(name, 3, **{field: v}).update(np.ones(3)).sum())(0.5)


# Short-term plasticity

TM = synkin.tsodyks_markram
RELEASE = TM.Params(0.4, 30.0, 12.0)
MANY = TM.Params(0.4, np.array([30.0, 10.0, 0.0]), 12.0)


def releasing(name, rng, method="exact", batch=None):
    synapse = make(name, 3, method=method, release=MANY)
    synapse.init_state(batch)
    shape = (3,) if batch is None else (batch, 3)
    return synapse, train(name, rng, (STEPS, *shape))


@pytest.mark.parametrize("batch", [None, 4])
def test_a_spike_counts_as_what_it_releases(linear_name, batch, rng):
    """Its weight times the release, by the functions alone; by updates and by a run."""
    synapse, inputs = releasing(linear_name, rng, batch=batch)
    kernel = OBJECTS[linear_name]
    final, released = TM.run(MANY, inputs != 0, DT)
    _, expected = synkin.simulate(kernel, kernel.Params(), np.asarray(released) * inputs, DT, method="exact")
    assert not np.allclose(released[inputs != 0], 0.4)
    by_updates = [synapse.update(row) for row in inputs]
    np.testing.assert_allclose(by_updates, expected, **TOLERANCE)
    chex.assert_trees_all_close(synapse.release_state, final, **TOLERANCE)
    synapse.init_state(batch)
    chex.assert_trees_all_equal(synapse.release_state, TM.init(MANY, inputs.shape[1:]))
    half = synapse.run(inputs[:7])
    np.testing.assert_allclose(np.concatenate([half, synapse.run(inputs[7:])]), expected, **TOLERANCE)
    chex.assert_trees_all_close(synapse.release_state, final, **TOLERANCE)


def test_reset_and_batches_bring_release_to_rest(linear_name, rng):
    synapse, inputs = releasing(linear_name, rng)
    first = [synapse.update(row) for row in inputs[:5]]
    assert np.asarray(synapse.release_state.depleted).any()
    synapse.reset_state()
    assert not np.asarray(synapse.release_state.depleted).any()
    np.testing.assert_array_equal([synapse.update(row) for row in inputs[:5]], first)
    synapse.reset_state(4)
    assert synapse.release_state.u.shape == (4, 3)


def test_all_inputs_of_a_step_are_one_spike(linear_name):
    synapse, other = (make(linear_name, 3, release=RELEASE) for _ in range(2))
    synapse.add_delta_input("more", np.ones(3))
    synapse.update(np.array([1.0, 0.0, -1.0]))
    other.update(np.array([2.0, 1.0, 0.0]))
    chex.assert_trees_all_equal(synapse.state, other.state)
    chex.assert_trees_all_equal(synapse.release_state, other.release_state)
    assert other.release_state.depleted[2] == 0  # they cancel: no spike
    # No input, and one of booleans.
    other.update()
    other.update([True, False, False])
    np.testing.assert_array_equal(other.release_state.depleted[0] > 0.5, True)


def test_without_release_nothing_changes(linear_name, rng):
    synapse = make(linear_name, 3)
    assert synapse.release is None
    assert synapse.release_state is None
    assert "release" not in repr(synapse)


def test_release_can_be_set_and_read(linear_name, rng):
    synapse, inputs = releasing(linear_name, rng)
    assert "release=tsodyks_markram(U=0.4, tau_rec=float" in repr(synapse)
    assert isinstance(synapse.release, TM.Params)
    synapse.update(inputs[0])
    kept = synapse.release_state
    synapse.release = RELEASE
    assert synapse.release.tau_rec == 30.0
    chex.assert_trees_all_equal(synapse.release_state, kept)
    synapse.release_state = kept._replace(depleted=0.25)
    np.testing.assert_array_equal(synapse.release_state.depleted, np.full(3, 0.25, "float32"))
    with pytest.raises(ValueError, match=r"^Parameter `U` must be from 0 to 1"):
        synapse.release = RELEASE._replace(U=3.0)
    np.testing.assert_array_equal(synapse.release.U, jnp.asarray(0.4))
    synapse.release = None
    assert synapse.release_state is None
    callables = make(linear_name, 3, release=RELEASE._replace(tau_rec=lambda shape: np.full(shape, 7.0)))
    np.testing.assert_array_equal(callables.release.tau_rec, np.full(3, 7.0))


def test_copies_and_pickles_go_on_releasing(linear_name, rng):
    synapse, inputs = releasing(linear_name, rng, batch=4)
    for row in inputs[:3]:
        synapse.update(row)
    others = [copy.deepcopy(synapse), pickle.loads(pickle.dumps(synapse))]
    expected = [synapse.update(row) for row in inputs[3:]]
    for other in others:
        chex.assert_trees_all_equal([other.update(row) for row in inputs[3:]], expected)


def test_no_tracer_gets_into_release(linear_name):
    synapse = make(linear_name, 3, release=RELEASE)
    synapse.update(np.ones(3))
    before = synapse.release_state
    for call in (lambda x: synapse.update(x), lambda x: synapse.run(x[None])):
        with pytest.raises(RuntimeError, match="keeps its state in itself"):
            jax.jit(call)(np.ones(3))
        chex.assert_trees_all_equal(synapse.release_state, before)


def test_release_with_units(linear_name):
    u = pytest.importorskip("saiunit")
    synapse = make(linear_name, 3, release=TM.Params(0.4, 0.03 * u.second, 12 * u.ms))
    plain = make(linear_name, 3, release=RELEASE)
    for _ in range(3):
        got, expected = synapse.update(np.ones(3)), plain.update(np.ones(3))
    assert got.unit == u.mS
    np.testing.assert_allclose(got.mantissa, expected, **TOLERANCE)


@pytest.mark.parametrize("name", RECEPTORS)
def test_a_receptor_takes_no_release(name):
    with pytest.raises(TypeError, match=f"^Argument `release` is for Alpha, Expon and DualExpon, and not for {name}: "):
        make(name, 3, release=RELEASE)
