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
from tests.contract.table import wide
from tests.helpers import samples
from tests.helpers.samples import OBJECTS, RECEPTORS
from tests.helpers.sentences import cases

DT, STEPS = 0.125, 20
VARIABLES = {"AMPA": "g spike_arrival_time", "GABAa": "g spike_arrival_time", "BioNMDA": "g x spike_arrival_time",
             "Alpha": "g h", "Expon": "g", "DualExpon": "g_rise g_decay"}  # fmt: skip
TOLERANCE = {"rtol": 2e-5, "atol": 1e-6}  # two compilations of the same formulas
QUIET = np.zeros(3, bool)
TM = synkin.tsodyks_markram
DISTINCT = [name for name in OBJECTS if name != "GABAa"]  # which runs AMPA's functions
RELEASE = TM.Params(0.4, np.array([30.0, 10.0, 0.0]), 12.0)
equal, close = chex.assert_trees_all_equal, functools.partial(chex.assert_trees_all_close, **TOLERANCE)


@pytest.fixture(params=wide(DISTINCT, ["BioNMDA", "Alpha", "DualExpon"]))
def name(request):
    """Those with variables of their own; the others walk the same path."""
    return request.param


@pytest.fixture(params=["AMPA", "Alpha"])
def one_of_each(request):
    """Where the class of all receptors, or of all linear synapses, does the work."""
    return request.param


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture(autouse=True)
def dt():
    environ.set(dt=DT)


def make(which, /, *args, **kwargs):
    return getattr(synkin, which)(*args, **kwargs)


def train(name, rng, shape=(STEPS, 3)):
    return samples.inputs(OBJECTS[name], rng, shape, rate=0.2)


def updated(synapse, rows):
    return jnp.stack([synapse.update(row) for row in rows])


METHODS = [(name, method) for method in ("exp_euler", "exact") for name in DISTINCT]
QUICK = [("AMPA", "exp_euler"), ("BioNMDA", "exp_euler"), ("DualExpon", "exp_euler"), ("Alpha", "exact")]


@pytest.mark.parametrize(("name", "method"), wide(METHODS, QUICK))
def test_updates_are_the_stepper_bit_for_bit(name, method, rng):
    """Parameters of each synapse, AMPA with overlap; "exact" with a batch, and in runs that go on from one another."""
    kernel, batch = OBJECTS[name], None if method == "exp_euler" else 2
    options = {"method": method} | ({"overlap": "ignore"} if name == "AMPA" else {})
    given = samples.params(kernel, rng, (3,))
    objects = [make(name, 3 if batch else (2, 3), **given._asdict(), **options) for _ in range(3)]
    for each in objects:
        each.init_state(batch)
    synapse, at_once, other = objects
    params = jax.tree.map(lambda p: jnp.asarray(p, float), given)
    equal(synapse.params, params)
    assert (synapse.kernel, type(synapse.params), type(synapse.state)) == (kernel, kernel.Params, kernel.State)
    rows = jnp.asarray(train(name, rng, (STEPS, 2, 3)))
    if batch:
        middle, first = synkin.simulate(kernel, params, rows[:10], DT, state=at_once.state, **options)
        final, second = synkin.simulate(kernel, params, rows[10:], DT, state=middle, **options)
        equal([at_once.run(np.asarray(rows[:10])), at_once.run(rows[10:])], [first, second])
        equal(at_once.state, final)
    stepper = jax.jit(lambda params: synkin.stepper(kernel, params, jnp.asarray(DT), **options))(params)
    step = jax.jit(lambda stepper, carry, spike: stepper.step(carry, spike))
    # A long chain, which XLA fuses one way here, another there.
    same = close if (name, method) == ("BioNMDA", "exact") else equal
    carry = stepper.init((2, 3))
    for row in rows:
        got = synapse(row)
        carry, expected = step(stepper, carry, row)
        same(got, expected)
    assert name != "AMPA" or (synapse.overlap, "overlap='ignore'" in repr(synapse)) == ("ignore", True)
    same(synapse.state, stepper.state(carry))
    chex.assert_trees_all_equal_shapes_and_dtypes(synapse.state, stepper.state(carry))
    other.state = stepper.state(carry)  # from the functions back to an object
    close(other.update(rows[0]), step(stepper, carry, rows[0])[1])
    if batch:
        close(jnp.concatenate([first, second])[-1], got)
        close(at_once.state, synapse.state)
        if name in RECEPTORS:
            equal(at_once.spike_arrival_time.value, synapse.spike_arrival_time.value)


def test_runs_of_no_steps_and_with_a_step_of_their_own(one_of_each, rng):
    ran, plain = (make(one_of_each, 3) for _ in range(2))
    spikes = train(one_of_each, rng)
    equal(ran.update(spikes[0]), plain.update(spikes[0]))
    assert ran.run(np.zeros((0, 3))).shape == (0, 3)
    if one_of_each == "AMPA":
        equal(ran.spike_arrival_time.value, plain.spike_arrival_time.value)
    close(ran.update(spikes[1]), plain.update(spikes[1]))
    with environ.context(dt=0.05):
        expected = make(one_of_each, 3).run(spikes)
    environ.set(dt=None)
    equal(make(one_of_each, 3).run(spikes, dt=0.05), expected)
    assert not np.allclose(make(one_of_each, 3).run(spikes, 0.1), expected, rtol=1e-2)


def test_another_dt_acts_at_once(one_of_each):
    """A decay over steps of two lengths is that over their sum."""
    synapse, other = (make(one_of_each, 3, method="exact") for _ in range(2))
    for each, steps in ((synapse, (DT, DT, 3 * DT, DT)), (other, (3 * DT, 3 * DT))):
        each.g.value = 0.5
        for dt in steps:
            with environ.context(dt=dt):
                g = each.update(QUIET)
    close(synapse.state, other.state)
    assert (g < 0.5).all()


@pytest.mark.parametrize("name", OBJECTS)
def test_the_constructor_is_the_kernel_s(name):
    kind, kernel = getattr(synkin, name), OBJECTS[name]
    arguments, last = inspect.signature(kind).parameters, kernel.Params._fields[-1]
    positional = [key for key, p in arguments.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    further = ["normalize"] * (name == "DualExpon") + ["g_initializer"] + ["x_initializer"] * (name == "BioNMDA")
    assert positional == ["in_size", "name", *kernel.Params._fields, *further]
    text = inspect.getdoc(kind)
    assert all(f"\n    {argument}: " in text for argument in arguments)
    for field, value in kernel.Params()._asdict().items():
        assert arguments[field].default == value
        assert float(getattr(make(name, 3), field)) == pytest.approx(value, rel=1e-6)
        assert f"    {field}: {getattr(kernel.Params, field).__doc__}, by default {value:g}" in text
    assert text[text.index("Source: ") :].partition("\n")[0] in kernel.__doc__

    class Own(kind):
        def __init__(self, size):
            super().__init__(size, **{last: 0.75}, method="exact")

    assert repr(Own(3)).startswith("Own(3, ")
    assert (float(getattr(Own(3), last)), Own(3).method) == (0.75, "exact")


def test_sizes_names_and_batches(name):
    for given, size in ((7, (7,)), ((7,), (7,)), ([2, 3], (2, 3)), (np.int64(4), (4,)), ((), ())):
        synapse = make(name, given)
        assert synapse.in_size == synapse.out_size == synapse.varshape == size
        assert all(getattr(synapse, variable).value.shape == size for variable in VARIABLES[name].split())
        for act, batch in ((lambda s: s.init_state(batch_size=6), 6), (lambda s: s.reset_state(), 6),
                           (lambda s: s.reset_state(2), 2), (lambda s: s.init_state(), None)):  # fmt: skip
            act(synapse)
            assert synapse.batch_size == batch
            assert {field.shape for field in synapse.state} == {size if batch is None else (batch, *size)}
    names = {synapse.name for synapse in [make(name, 2), make(name, 2), *(make(other, 2) for other in OBJECTS)]}
    assert len(names) == 2 + len(OBJECTS)
    assert make(name, 2, "excitatory").name == make(name, 2, name="excitatory").name == "excitatory"


def test_initial_values_and_a_new_beginning(name, rng):
    fields = {"DualExpon": ("g_rise",), "Alpha": ("g", "h")}.get(name, ("g",))
    ramp, shapes = np.linspace(0.1, 0.3, 3), []

    def draw(shape):
        shapes.append(shape)
        return np.full(shape, 0.5)

    for value, expected in [(0.25, 0.25), (ramp, ramp), (draw, 0.5), (np.tile(ramp, (4, 1)), ramp)]:
        synapse = make(name, 3, g_initializer=value)
        synapse.init_state(4)
        for field in fields:
            np.testing.assert_allclose(getattr(synapse, field).value, np.broadcast_to(expected, (4, 3)), rtol=1e-6)
    assert shapes == [(4, 3)] * len(fields)
    if name == "DualExpon":
        close(synapse.g_decay.value, synapse.g_rise.value)
    if name == "BioNMDA":
        synapse = make(name, 3, g_initializer=0.5, x_initializer=ramp)
        np.testing.assert_allclose([synapse.x.value, synapse.g.value], [ramp, np.full(3, 0.5)], rtol=1e-6)
    rows = train(name, rng)[:6]
    synapse, told = (make(name, 3, g_initializer=0.25) for _ in range(2))
    told.init_state()
    beginning, first = told.state, updated(synapse, rows)
    state = synapse.state
    synapse.reset_state()
    equal(synapse.state, beginning)
    assert not np.array_equal(beginning[0], state[0])
    equal([updated(synapse, rows), updated(told, rows), synapse.state], [first, first, state])


@pytest.mark.parametrize("name", wide(DISTINCT, ["AMPA", "DualExpon"]))
def test_a_parameter_that_is_set_acts_from_then_on(name, rng):
    """It may be a number, an array, or a callable of the shape."""
    spikes = train(name, rng, (25, 3))
    for field in OBJECTS[name].Params._fields:
        changed, plain = make(name, 3), make(name, 3)
        value = 2.5 * float(getattr(plain, field))
        for each in (changed, plain):
            each.update(spikes[0])
        at_once = copy.deepcopy(changed)
        for each, given in ((changed, value), (at_once, lambda shape, value=value: np.full(shape, value))):
            setattr(each, field, given)
            assert np.asarray(getattr(each, field)) == pytest.approx(value)
            assert np.asarray(getattr(each.params, field)) == pytest.approx(value)
        assert at_once.params[0].dtype == jnp.result_type(float)
        g = updated(changed, spikes[1:])
        close(at_once.run(spikes[1:]), g)
        assert not np.allclose(plain.run(spikes[1:]), g, rtol=1e-3, atol=0), field


def test_the_object_keeps_no_array_that_its_owner_may_change(one_of_each):
    field = OBJECTS[one_of_each].Params._fields[0]
    parameter, initial = np.full(64, 2.0, np.float32), np.full(64, 0.5, np.float32)
    synapse = make(one_of_each, 64, **{field: parameter})
    synapse.state = synapse.state._replace(**{synapse.state._fields[0]: initial})
    parameter[:], initial[:] = 3.0, 0.25
    assert (getattr(synapse, field) == 2.0).all()
    assert (synapse.state[0] == 0.5).all()


def test_variables_can_be_set_and_act(name, rng):
    synapse, values = make(name, 3), np.linspace(0, 0.5, 3)
    synapse.update(train(name, rng)[0])
    for field in set(synapse.state._fields) & set(VARIABLES[name].split()):
        others = {key: value for key, value in synapse.state._asdict().items() if key != field}
        held = getattr(synapse, field)
        held.value = values
        np.testing.assert_allclose(held.value, values, rtol=1e-6)
        assert held.value.dtype == synapse.state[0].dtype == jnp.result_type(float)
        if name != "DualExpon":
            equal({key: getattr(synapse.state, key) for key in others}, others)
        held.value = 0
        assert not held.value.any()
        assert repr(held).startswith(f"{synapse.name}.{field}.value = Array(")
    synapse, plain = make(name, 3), make(name, 3)
    getattr(synapse, "g_decay" if name == "DualExpon" else "g").value = 0.5
    assert (synapse.update(QUIET) > 0.4).all()
    assert not plain.update(QUIET).any()


def test_repr_copies_and_pickles(name, rng):
    field, *others = OBJECTS[name].Params()._asdict()
    synapse = make(name, (2, 3), "exc", method="exact", **{field: np.ones(3)})
    synapse.init_state(8)
    text = repr(synapse)
    assert text.startswith(f"{name}((2, 3), name='exc', {field}=float")
    assert text.endswith("batch_size=8)")
    assert all(f"{key}={getattr(OBJECTS[name].Params(), key)}" in text for key in others)
    assert ["[3], " in text, "method='exact'" in text, "release" in text] == [True, True, False]
    assert repr(make(name, 100)).startswith(f"{name}(100, ")

    spikes = train(name, rng, (6, 2, 3))
    synapse = make(name, 3, g_initializer=0.1, release=RELEASE)
    synapse.init_state(2)
    updated(synapse, spikes[:3])
    others = [copy.deepcopy(synapse), pickle.loads(pickle.dumps(synapse))]
    assert {repr(other) for other in others} == {repr(synapse)}
    expected = updated(synapse, spikes[3:])
    for other in others:
        equal(updated(other, spikes[3:]), expected)
        if name in RECEPTORS:
            equal(other.spike_arrival_time.value, synapse.spike_arrival_time.value)


def test_dual_expon_pair(rng):
    """Each decays for itself, and is set for itself, in any order."""
    synapse = synkin.DualExpon(3, tau_decay=6.0, tau_rise=2.0, amplitude=1.5, normalize=False)
    rise = decay = np.zeros(3)
    for weights in train("DualExpon", rng):
        g = synapse.update(weights)
        rise, decay = rise * np.exp(-DT / 2) + weights, decay * np.exp(-DT / 6) + weights
        got = [synapse.g_rise.value, synapse.g_decay.value, g]
        np.testing.assert_allclose(got, [rise, decay, 1.5 * (decay - rise)], **TOLERANCE)
    values = {"g_rise": 0.25, "g_decay": 0.75}
    for order in (list(values), list(values)[::-1]):
        synapse = synkin.DualExpon((2, 3), tau_rise=np.array([0.5, 1.0, 2.0]), normalize=False)
        synapse.init_state(2)
        for field in order:
            getattr(synapse, field).value = values[field]
        for field, value in values.items():
            np.testing.assert_allclose(getattr(synapse, field).value, np.full((2, 2, 3), value), rtol=1e-5)


def test_dual_expon_s_amplitude():
    """Of equal time constants, and without normalization where parameters are set."""
    for normalize, peak in ((False, 0.0), (True, 2.0)):
        synapse = synkin.DualExpon(3, tau_decay=4.0, tau_rise=4.0, amplitude=2.0, normalize=normalize)
        assert float(synapse.run(np.eye(100, 1) * np.ones(3)).max()) == pytest.approx(peak, rel=1e-3)
        equal(synapse.g_decay.value, synapse.g_rise.value)
    synapse = synkin.DualExpon(3, normalize=False)
    synapse.tau_rise, synapse.amplitude = 3.0, 0.5
    assert synapse.amplitude == 0.5
    equal(synapse.params, synkin.DualExpon(3, tau_rise=3.0, amplitude=0.5, normalize=False).params)
    t = np.linspace(0, 30, 300_001)  # the peak of exp(-t/10) - exp(-t/3), by looking
    assert float(synapse.params.amplitude) == pytest.approx(0.5 * (np.exp(-t / 10) - np.exp(-t / 3)).max(), rel=1e-5)


def test_arrival_time_and_duration():
    """By `environ`, by the object's own clock, after a run, and on from the last t that it was told."""
    synapse = make("AMPA", 3)

    def arrivals_after(*rows, t=None, run=False):
        with environ.context(**({} if t is None else {"t": t})):
            synapse.run(rows[0]) if run else [synapse.update(row) for row in rows]
        return synapse.spike_arrival_time.value.tolist()

    first, second, third = np.eye(3, dtype=bool)
    assert arrivals_after() == [-1e7] * 3
    assert arrivals_after(first, second) == [0, DT, -1e7]
    assert arrivals_after(QUIET, t=50.0) == [0, DT, -1e7]
    assert arrivals_after(third) == [0, DT, 50 + DT]
    synapse.reset_state()
    assert arrivals_after() == [-1e7] * 3
    for t, row in ((10.0, first), (10.125, second), (10.25, second)):
        arrivals_after(row, t=t)
    assert arrivals_after() == [10, 10.25, -1e7]
    spikes = np.zeros((STEPS, 3), bool)
    spikes[[0, 3, 5], [0, 1, 1]] = True
    synapse.reset_state()
    assert arrivals_after(spikes, run=True) == [0, 5 * DT, -1e7]
    assert arrivals_after(third) == [0, 5 * DT, STEPS * DT]
    spikes[0] = False
    assert arrivals_after(spikes, t=100.0, run=True) == [0, 100 + 5 * DT, STEPS * DT]
    record, plain = make("AMPA", 3, T_dur=0.75), make("AMPA", 3)
    record.T_duration, plain.T_dur = 1.25, 1.25
    assert record.T_dur == record.params.T_dur == record.T_duration == 1.25
    record.spike_arrival_time.value = 0.0
    assert not record.spike_arrival_time.value.any()
    equal(record.update(QUIET), plain.update(QUIET))  # a record, on which nothing depends


def test_inputs_of_any_kind(one_of_each, rng):
    mask = [True, False, True]
    for value in (mask, np.array(mask), jnp.asarray(mask), np.array(mask, float), [1, 0, 1], [1.0, 0.0, 1.0]):
        synapse = make(one_of_each, 3)
        synapse.update(value)
        g = synapse.update([False] * 3)
        assert ((np.asarray(g) > 0).tolist(), g.dtype) == (mask, jnp.result_type(float))
    one, many = make(one_of_each, 3), make(one_of_each, 3)
    many.init_state(2)
    for row in train(one_of_each, rng)[:4]:
        close(many.update(row), jnp.tile(one.update(row), (2, 1)))
    if one_of_each == "Alpha":
        a, b = (make("Alpha", 3, g_initializer=0.5) for _ in range(2))
        equal([a.update(), a.update()], [b(np.zeros(3)), b(np.zeros(3))])


@pytest.fixture(scope="module")
def those_of_refused():
    s, linear, releasing = synkin.AMPA(3), synkin.Alpha(3), synkin.Alpha(3, release=RELEASE)
    linear.add_delta_input("a", QUIET)
    linear.add_delta_input("a", QUIET)  # the same array again is no second input
    linear.add_delta_input("a", QUIET, label="other")
    pair, equal_taus = synkin.DualExpon(3), synkin.DualExpon(3, tau_decay=4.0, tau_rise=4.0)
    not_normalized, receptor = synkin.DualExpon(3, normalize=False), synkin.AMPA(3, release=RELEASE)
    kept = {"s": s, "linear": linear, "releasing": releasing, "releasing_receptor": receptor}
    return kept | {"pair": pair, "equal_taus": equal_taus, "pair_not_normalized": not_normalized}


def unset(act):
    with environ.context(dt=None):
        act()


@pytest.mark.parametrize(("call", "said"), cases(__file__))
def test_refused(call, said, those_of_refused):
    """And nothing has changed."""
    kept = {"AMPA": synkin.AMPA, "RELEASE": RELEASE, "QUIET": QUIET}
    kept |= {"np": np, "jnp": jnp, "unset": unset, "environ": environ}
    before = {key: (repr(each), each.state) for key, each in those_of_refused.items()}
    with pytest.raises((AttributeError, TypeError, ValueError)) as error:
        eval(call, kept | those_of_refused)
    assert f"{error.typename}: {error.value}" == said
    for key, each in those_of_refused.items():
        assert repr(each) == before[key][0]
        equal(each.state, before[key][1])


def test_delta_inputs(rng):
    """An array is added once and a callable always; one that fails is not used up."""
    synapse, plain = make("Alpha", 3), make("Alpha", 3)
    once, always, x = rng.normal(size=3), np.array([0.5, 0.0, -0.5]), rng.normal(size=3)
    synapse.add_delta_input("once", once)
    synapse.add_delta_input("always", lambda: always)
    expected = [plain.update(once + always + x), plain.update(always), plain.update(always + x)]
    close([synapse.update(x), synapse.update(), synapse.update(x)], expected)
    synapse.remove_delta_input("always")
    close(synapse.update(x), plain.update(x))
    synapse.add_delta_input("good", np.ones(3))
    synapse.add_delta_input("bad", lambda: np.ones(4))
    before = synapse.state
    with pytest.raises(ValueError, match=r"^Argument `delta input bad` must have shape \(3,\), but has .* \(4,\)\.$"):
        synapse.update()
    equal(synapse.state, before)
    synapse.remove_delta_input("bad")
    equal(synapse.update(), plain.update(np.ones(3)))
    assert synapse.run(np.zeros((STEPS, 3))).shape == (STEPS, 3)  # none is left


def test_delta_inputs_by_label():
    synapse, zeros = make("Alpha", 2), jnp.zeros(2)
    synapse.add_delta_input("a", np.array([1.0, 2.0]))
    synapse.add_delta_input("a", np.array([10.0, 20.0]), label="fast")
    synapse.add_delta_input("b", lambda scale=1.0: scale * np.array([100.0, 200.0]), label="fast")
    np.testing.assert_array_equal(synapse.sum_delta_inputs(0.0, 3.0, label="slow"), 0.0)
    for options, expected in (({"label": "fast"}, [110, 220]), ({"label": "fast"}, [100, 200]),
                              ({"scale": 2.0}, [201, 402]), ({}, [100, 200])):  # fmt: skip
        np.testing.assert_array_equal(synapse.sum_delta_inputs(zeros, **options), expected)


def at_time(synapse, t, x):
    with environ.context(t=t):
        return synapse.update(x)


TRANSFORMED = {
    "jit": lambda s, x: jax.jit(s.update)(x),
    "jit over nothing": lambda s, x: jax.jit(lambda: s.update(x))(),
    "vmap": lambda s, x: jax.vmap(s.update)(jnp.stack([x, x])),
    "scan": lambda s, x: jax.lax.scan(lambda _, row: (None, s.update(row)), None, x[None]),
    "grad": lambda s, x: jax.grad(lambda v: s.update(v.astype(x.dtype)).sum())(x.astype(float)),
    "run": lambda s, x: jax.jit(s.run)(x[None]),
    "init_state": lambda s, x: jax.jit(lambda: s.init_state(3))(),
    "value": lambda s, x: jax.jit(lambda v: setattr(s.g, "value", v))(0.5),
    "what varies": lambda s, x: jax.jit(lambda v: s.update(x, **{s.params._fields[0]: v}))(0.5),
    "parameter": lambda s, x: jax.jit(lambda v: setattr(s, s.params._fields[0], v))(0.5),
    "state": lambda s, x: jax.jit(lambda v: setattr(s, "state", v))(s.state),
    "t": lambda s, x: jax.vmap(lambda t: at_time(s, t, x))(jnp.arange(2.0)),
    "construction": lambda s, x: jax.grad(lambda v: type(s)(3, **{s.params._fields[0]: v}).update(x).sum())(0.5),
}


def held(synapse):
    """What the object holds; the state as such is made of what the steps carry once it is asked for."""
    return {key: value for key, value in vars(synapse).items() if "held_state" not in key}


def assert_no_tracer(synapse):
    assert not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(vars(synapse)))


@pytest.mark.parametrize("kind", ["AMPA", "AMPA, releasing", "Alpha", "Alpha, releasing"])
def test_no_tracer_gets_in(kind):
    """But the state may be read, also where it is still to be made."""
    name, _, releasing = kind.partition(", ")
    message = f"^{name} keeps its state in itself and cannot be made, set .*with synkin.{OBJECTS[name].name} there"
    x = jnp.asarray([True, False, True]) if name == "AMPA" else jnp.asarray([1.0, 0.0, -2.0])
    for way, transformed in TRANSFORMED.items():
        if (way == "grad" and name == "AMPA") or (releasing and way not in ("jit", "run", "what varies")):
            continue
        synapse, plain = (make(name, 3, **({"release": RELEASE} if releasing else {})) for _ in range(2))
        for each in (synapse, plain):
            each.update(x)
            if name == "Alpha" and way != "run":
                each.add_delta_input("kept", np.ones(3))
        before = held(synapse)
        with pytest.raises(RuntimeError, match=message):
            transformed(synapse, x)
        assert all(held(synapse)[key] is value for key, value in before.items()), way
        assert_no_tracer(synapse)
        equal(synapse.update(x), plain.update(x))
        for read in (lambda s: s.g.value, lambda s: s.state[0]) if way in ("jit", "state") else ():
            close(jax.jit(lambda v, read=read, synapse=synapse: v * read(synapse))(2.0), 2 * read(plain))
            equal(synapse.update(x), plain.update(x))
        assert_no_tracer(synapse)


@pytest.mark.parametrize("name", wide(["Alpha", "Expon", "DualExpon", "AMPA"], ["Expon", "AMPA"]))
def test_a_spike_counts_as_what_it_releases(name, rng):
    """Its weight times the release, by the functions alone; by updates and by runs, from rest after each reset."""
    kernel, synapse = OBJECTS[name], make(name, 3, method="exact", release=RELEASE)
    synapse.init_state(2)
    inputs = train(name, rng, (STEPS, 2, 3))
    final, released = TM.run(RELEASE, inputs != 0, DT)
    options = {"method": "exact", "weighted": name == "AMPA"}
    _, expected = synkin.simulate(kernel, kernel.Params(), np.asarray(released) * inputs, DT, **options)
    assert not np.allclose(released[inputs != 0], 0.4)
    np.testing.assert_allclose(updated(synapse, inputs), expected, **TOLERANCE)
    close(synapse.release_state, final)
    synapse.reset_state()
    equal(synapse.release_state, TM.init(RELEASE, inputs.shape[1:]))
    halves = [synapse.run(inputs[:10]), synapse.run(inputs[10:])]
    np.testing.assert_allclose(np.concatenate(halves), expected, **TOLERANCE)
    close(synapse.release_state, final)
    synapse.reset_state(4)
    assert synapse.release_state.u.shape == (4, 3)


def test_all_inputs_of_a_step_are_one_spike():
    synapse, other = (make("Alpha", 3, release=RELEASE) for _ in range(2))
    synapse.add_delta_input("more", np.ones(3))
    synapse.update(np.array([1.0, 0.0, -1.0]))
    other.update(np.array([2.0, 1.0, 0.0]))
    equal((synapse.state, synapse.release_state), (other.state, other.release_state))
    assert other.release_state.depleted[2] == 0  # they cancel: no spike
    other.update()
    other.update([True, False, False])
    assert other.release_state.depleted[0] > 0.5


def test_release_can_be_set_and_read():
    synapse = make("Alpha", 3, release=RELEASE)
    assert "release=tsodyks_markram(U=0.4, tau_rec=float" in repr(synapse)
    assert isinstance(synapse.release, TM.Params)
    synapse.update(np.ones(3))
    kept = synapse.release_state
    synapse.release = RELEASE._replace(tau_rec=30.0)
    assert synapse.release.tau_rec == 30.0
    equal(synapse.release_state, kept)
    synapse.release_state = kept._replace(depleted=0.25)
    np.testing.assert_array_equal(synapse.release_state.depleted, np.full(3, 0.25, "float32"))
    synapse.release = None
    assert synapse.release_state is None
    synapse.release = RELEASE._replace(tau_rec=lambda shape: np.full(shape, 7.0))
    np.testing.assert_array_equal(synapse.release.tau_rec, np.full(3, 7.0))


def test_release_with_units():
    u = pytest.importorskip("saiunit")
    synapse = make("Alpha", 3, release=TM.Params(0.4, [0.03, 0.01, 0] * u.second, 12 * u.ms))
    plain = make("Alpha", 3, release=RELEASE)
    for _ in range(3):
        got, expected = synapse.update(np.ones(3)), plain.update(np.ones(3))
    assert got.unit == u.mS
    np.testing.assert_allclose(got.mantissa, expected, **TOLERANCE)
