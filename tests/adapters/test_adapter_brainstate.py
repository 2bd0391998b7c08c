"""The synapses for brainstate: brainpy.state's numbers under its transformations, in its projections, in its units."""

import collections
import importlib
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from tests.contract.table import desensitising
from tests.helpers import samples
from tests.helpers.precision import as_jax_is
from tests.helpers.samples import OBJECTS, RECEPTORS
from tests.helpers.sentences import cases

DT = 0.125  # ms: t = i dt is exact, and so are the reference's pulses
STEPS, SYNAPSES = 40, 5
ONES = np.ones(3, bool)


def test_without_brainstate_it_says_what_to_install(monkeypatch):
    for name in ("brainstate", "brainpy.state"):
        with monkeypatch.context() as patch:
            for room in [room for room in sys.modules if room.startswith("synkin.adapters.brainstate")]:
                patch.delitem(sys.modules, room)  # here it may have been imported already
            patch.setitem(sys.modules, name, None)  # importing it fails
            with pytest.raises(ImportError, match=r"^The synapses .* `pip install 'synkin\[brainstate\]'` adds it\.$"):
                importlib.import_module("synkin.adapters.brainstate")


pytest.importorskip("brainpy_state", exc_type=ImportError)


@pytest.mark.wide
def test_it_is_imported_in_a_program_of_its_own():
    """Without pytest brainpy_state may be imported by brainpy.state alone; the package imports no framework."""
    code = "import sys, synkin.adapters; print({'brainstate', 'brainpy'} & set(sys.modules)); "
    code += "from synkin.adapters.brainstate import Alpha"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


import brainevent  # noqa: E402
import brainpy.state as reference  # noqa: E402
import brainstate  # noqa: E402
import braintools  # noqa: E402
import brainunit as u  # noqa: E402

from synkin.adapters import brainstate as ours  # noqa: E402

transform = brainstate.transform
UNITS = {"ms": u.ms, "mM": u.mM, "1/ms": 1 / u.ms, "1/ms/mM": 1 / (u.ms * u.mM), "1": 1.0}


@pytest.fixture(autouse=True)
def brainstate_s_jax():
    with as_jax_is():
        yield


@pytest.fixture
def precise(x64):
    with brainstate.environ.context(precision=64):
        yield


def some(*names, of=tuple(OBJECTS)):
    """Parametrised by these classes; the others walk the same path, and are wide. GABAa runs AMPA's functions."""
    marked = [pytest.param(name, marks=[pytest.mark.wide] * (name not in names)) for name in of if name != "GABAa"]
    return pytest.mark.parametrize("name", marked)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def drawn(name, rng, shape=(SYNAPSES,)):
    """Parameters with units, as both constructors take them, and without; pulses of whole steps."""
    kernel = OBJECTS[name]
    params = samples.params(kernel, rng, shape)
    if name in RECEPTORS:
        params = params._replace(T_dur=DT * rng.integers(1, 9, shape))
    return {f: v * UNITS[getattr(kernel.UNITS, f)] for f, v in params._asdict().items()}, params


def train(name, rng, shape=(STEPS, SYNAPSES)):
    """Spikes, or inputs in mS of one sign: where these cancel, a relative difference says nothing."""
    spikes = rng.random(shape) < 0.15
    spikes[0] = True
    return jnp.asarray(spikes if name in RECEPTORS else spikes * rng.uniform(0.2, 2.0, shape))


def one_spike(steps=STEPS, at=0):
    return jnp.asarray(np.arange(steps) == at)[:, None]


def loop(synapse, rows, dt=DT, first=0):
    """g of all steps under `for_loop`, from the state as it is."""

    def step(i, row):
        with brainstate.environ.context(t=i * dt * u.ms, dt=dt * u.ms):
            return synapse(row * u.mS if jnp.issubdtype(row.dtype, jnp.floating) else row)

    return transform.for_loop(step, first + jnp.arange(len(rows)), rows)


def run(synapse, rows, batch_size=None, **options):
    synapse.init_state(batch_size)
    return loop(synapse, rows, **options)


RELEASE = synkin.tsodyks_markram.Params(0.4, 30.0, 12.0)


def updated(synapse, x, batch_size=None, t=0 * u.ms, dt=DT * u.ms, **varying):
    """What the first update gives."""
    synapse.init_state(batch_size)
    with brainstate.environ.context(t=t, dt=dt):
        return synapse(x, **varying)


def in_mS(g):
    assert u.get_unit(g) == u.mS
    return np.asarray(g.mantissa)


def assert_close(got, expected, rtol=1e-12):
    """In one unit; relative, and below a millionth of the largest value relative to that."""
    assert u.get_unit(got) == u.get_unit(expected)
    got, expected = np.asarray(u.get_mantissa(got)), np.asarray(u.get_mantissa(expected))
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=1e-6 * rtol * np.abs(expected).max())


@some("AMPA", "BioNMDA", "Alpha", "DualExpon", of=(*OBJECTS, "DualExpon, not normalized"))
def test_for_loop_is_the_reference(name, rng, precise):
    """All states besides, and the object of synkin that has no framework."""
    name, _, raw = name.partition(", ")
    extra = {"normalize": False} if raw else {}
    given, plain = drawn(name, rng)
    rows = train(name, rng, (STEPS, 3, SYNAPSES))
    theirs, mine = (getattr(m, name)(SYNAPSES, **given, **extra) for m in (reference, ours))
    expected, got = (run(synapse, rows, batch_size=3) for synapse in (theirs, mine))
    assert got.mantissa.dtype == "float64"
    assert_close(got, expected)
    bare = getattr(synkin, name)(SYNAPSES, **plain._asdict(), **extra)
    bare.init_state(3)
    assert_close(bare.run(rows, DT), in_mS(expected))
    for (field,) in theirs.states():
        state, value = getattr(mine, field), getattr(theirs, field).value
        assert field == "g_decay" or type(state) is type(getattr(theirs, field))
        assert_close(state.value, value)
        assert_close(getattr(bare, field).value, u.get_mantissa(value))


@some(*OBJECTS)
def test_the_unit_of_a_state_stays_one_object(name, rng):
    """brainstate compares the units of all states at each call, which is slow between objects that are not the same."""
    synapse = getattr(ours, name)(SYNAPSES)
    synapse.init_state()
    states = {field: state for (field,), state in synapse.states().items() if u.get_unit(state.value) != u.UNITLESS}
    before = {field: state.value.unit for field, state in states.items()}
    assert "g" in before or "g_rise" in before
    with brainstate.environ.context(t=0 * u.ms, dt=DT * u.ms):
        synapse.update(train(name, rng)[0])
    assert all(state.value.unit is before[field] for field, state in states.items())


@some("AMPA")
def test_transformations_are_the_reference_s(name, rng, precise):
    """A gradient through `vmap` in all parameters but the length of a pulse, where theirs is 0, and in the input."""
    given, _ = drawn(name, rng, (3, SYNAPSES))
    T_dur = {"T_dur": given.pop("T_dur")} if name in RECEPTORS else {}
    rows = train(name, rng, (3, STEPS, SYNAPSES))

    def gradient(module):
        def loss(given, weight):
            def g(given, T_dur, rows):
                return run(getattr(module, name)(SYNAPSES, **given, **T_dur), rows * weight if not T_dur else rows)

            g = transform.vmap(g)(given, T_dur, rows)
            return jnp.mean(u.get_mantissa(g) ** 2), g

        return transform.grad(loss, argnums=(0, 1), has_aux=True)(given, jnp.asarray(1.5))

    ((theirs, of_input), expected), ((mine, my_input), got) = gradient(reference), gradient(ours)
    assert_close(got, expected)
    assert set(mine) == set(given)
    for field, value in theirs.items():
        assert np.abs(u.get_mantissa(value)).min() > 0
        assert_close(mine[field], value, rtol=1e-9)
    assert_close(my_input, of_input)


@pytest.mark.parametrize("name", [*OBJECTS, "STP", "STD"])
def test_signatures_are_the_reference_s(name):
    theirs, mine = (getattr(module, name).__init__.__code__ for module in (reference, ours))
    counts = [len(getattr(module, name).__init__.__defaults__) for module in (reference, ours)]
    assert [theirs.co_varnames[1 : c + 1] for c in counts] == [mine.co_varnames[1 : c + 1] for c in counts]
    theirs, mine = (getattr(module, name)(3) for module in (reference, ours))
    for attribute, value in vars(theirs).items():
        if not attribute.startswith("_") and not attribute.endswith("initializer"):
            same = u.math.allclose(getattr(mine, attribute), value) if attribute != "normalize" else mine.normalize
            assert same, attribute
    assert isinstance(mine, reference.Synapse)
    fields = ours.__dict__[name].kernel.Params
    for field, value in fields()._asdict().items():
        assert f"    {field}: {getattr(fields, field).__doc__}, by default {value:g}" in type(mine).__doc__


@some("AMPA", "Alpha")
def test_exact_is_the_response_to_the_spikes(name, precise):
    """Pulses end within a step; `respond` has no grid. A linear input acts at the end of its step."""
    kernel, dt, at = OBJECTS[name], 0.3, np.array([0, 1, 9, 20])
    rows = np.zeros((STEPS, 1), bool if name in RECEPTORS else float)
    rows[at] = 1
    got = in_mS(run(getattr(ours, name)(1, method="exact"), jnp.asarray(rows), dt=dt))[:, 0]
    times = dt * (at if name in RECEPTORS else at + 1)
    expected = synkin.respond(kernel, kernel.Params(), times, dt * np.arange(1, STEPS + 1))
    assert_close(got, expected, rtol=1e-11)


def test_gradient_in_the_length_of_a_pulse(rng, precise):
    rows, h = jnp.repeat(train("AMPA", rng, (STEPS, 1)), 2, axis=1), 1e-5

    def total(T_dur):
        return run(ours.AMPA(2, T_dur=T_dur * u.ms, method="exact"), rows).mantissa.sum(axis=0)

    below, above = total(jnp.asarray([0.55 - h, 0.55 + h]))
    expected = (above - below) / (2 * h)
    assert expected > 0.1
    got = transform.grad(lambda T_dur: total(T_dur).sum())(jnp.full(2, 0.55))
    np.testing.assert_allclose(got, [expected] * 2, rtol=1e-7)


def test_a_state_of_brainstate_as_a_parameter(precise, rng):
    """It is what `grad` finds by itself; a parameter of its modules gives its value too."""
    rows = train("Expon", rng)[:12]
    held = run(ours.Expon(SYNAPSES, tau=brainstate.nn.Param(jnp.asarray(5.0))), rows)
    assert_close(held, run(ours.Expon(SYNAPSES, tau=5.0), rows))
    synapse = ours.Expon(SYNAPSES, tau=brainstate.ParamState(jnp.asarray(5.0) * u.ms))
    of_states = transform.grad(lambda: run(synapse, rows).mantissa.sum(), synapse.states(brainstate.ParamState))
    (slope,) = of_states().values()
    by_tau = transform.grad(lambda tau: run(ours.Expon(SYNAPSES, tau=tau), rows).mantissa.sum())(jnp.asarray(5.0))
    assert_close(slope, by_tau * u.ms)


@pytest.mark.wide
def test_a_parameter_that_varies(precise):
    """A voltage in a loop, and a concentration, of which there is a gradient; then the module's own again."""
    kernel, V = synkin.schemes.nmda5, np.linspace(0.2, 3.0, 12)
    rows = jnp.asarray(np.arange(12)[:, None] % 7 == np.array([1, 3]))

    def looped(synapse, name, values, spikes):
        synapse.init_state()

        def step(i, value, spike):
            with brainstate.environ.context(t=i * DT * u.ms, dt=DT * u.ms):
                return synapse(spike, **{name: value})

        return transform.for_loop(step, jnp.arange(len(values)), values, spikes)

    g = looped(ours.Synapse(kernel, 2), "koff", jnp.asarray(V) / u.ms, rows)
    _, expected = synkin.simulate(kernel, kernel.Params(), rows, DT, varying={"koff": V})
    assert_close(g, expected * u.mS, rtol=1e-7)

    synapse = ours.AMPA(1, method="exact")
    at_ends = np.arange(len(V) + 1) * DT

    def last(T):
        return looped(synapse, "T", T * u.mM, None)[-1].mantissa.sum()

    def expected_last(T):
        return synkin.concentration_jumps(synkin.ampa, synkin.ampa.Params(), at_ends, T, at_ends[-1:])[0]

    wanted, wanted_slopes = jax.value_and_grad(expected_last)(jnp.asarray(V))
    assert_close(transform.grad(last)(jnp.asarray(V)), wanted_slopes, rtol=1e-9)
    assert_close(last(jnp.asarray(V)), wanted, rtol=1e-11)
    with brainstate.environ.context(t=0 * u.ms, dt=DT * u.ms):
        again = synapse(np.zeros(1, bool))
    assert_close(in_mS(again), np.asarray([wanted]) * np.exp(-0.18 * DT))


def test_release(precise, rng):
    """As of the objects of synkin, and with a gradient in U."""
    given, rows = RELEASE, train("AMPA", rng, (STEPS, 2))
    for kernel in (synkin.ampa, synkin.ampa + synkin.gabaa):
        bare, synapse = (m.Synapse(kernel, 2, method="exact", release=given) for m in (synkin, ours))
        assert_close(in_mS(run(synapse, rows)), np.asarray(bare.run(rows, DT)), rtol=1e-11)
        for field, value in bare.release_state._asdict().items():
            assert_close(getattr(synapse.release_state.value, field), np.asarray(value))
    inputs = train("Expon", rng, (STEPS, 2))
    bare, synapse = synkin.Expon(2, release=given), ours.Expon(2, release=given)
    assert_close(in_mS(run(synapse, inputs)), np.asarray(bare.run(inputs, DT)), rtol=1e-11)
    held = ours.AMPA(2, release=given._replace(U=brainstate.ParamState(jnp.asarray(0.4)), tau_rec=30 * u.ms))

    def total(U):
        return run(ours.AMPA(2, release=given._replace(U=U)), rows).mantissa.sum()

    (slope,) = transform.grad(lambda: run(held, rows).mantissa.sum(), {"U": held.release.U})().values()
    assert_close(slope, (total(0.4 + 1e-5) - total(0.4 - 1e-5)) / 2e-5, rtol=1e-7)


@pytest.mark.parametrize("name", ["STP", "STD"])
def test_short_term_plasticity_is_the_reference_s(name, precise, rng):
    """With its states, and its gradients in parameters and in spikes, which may come from a surrogate."""
    given = {"U": 0.3} | ({"tau_f": 50.0 * u.ms, "tau_d": 30.0 * u.ms} if name == "STP" else {"tau": 30.0 * u.ms})
    rows = jnp.asarray(rng.random((STEPS, 3, SYNAPSES)) < 0.2).astype(float)
    variables = "ux" if name == "STP" else "x"

    def all_of(module):
        def loss(given, more):
            synapse = getattr(module, name)(SYNAPSES, **given)
            synapse.init_state(3)
            with brainstate.environ.context(dt=DT * u.ms):
                released = transform.for_loop(synapse, rows + more - jax.lax.stop_gradient(more))
            return released.sum(), [released, *(getattr(synapse, key).value for key in variables)]

        return transform.grad(loss, argnums=(0, 1), has_aux=True)(given, jnp.zeros(rows.shape))

    (theirs, expected), (mine, got) = all_of(reference), all_of(ours)
    assert np.abs(theirs[1]).min() > 0
    jax.tree.map(assert_close, (mine, got), (theirs, expected))


def test_pulses(precise):
    """10 ms of transmitter, of which 3 ms pass in steps of 0.1 ms and 7 ms in steps of 0.25 ms; one more is ignored."""
    synapse = ours.AMPA(1, T_dur=10.0, method="exact", overlap="ignore")
    run(synapse, one_spike(30) | one_spike(30, at=9), dt=0.1)
    np.testing.assert_allclose(synapse.pulse_left.value.to_decimal(u.ms), 7.0, rtol=1e-12)
    g = in_mS(loop(synapse, one_spike(40, at=-1), dt=0.25))[:, 0]
    rate, s = 0.98 * 0.5 + 0.18, 3 + 0.25 * np.arange(1, 41)
    at_end = 0.98 * 0.5 / rate * (1 - np.exp(-rate * np.minimum(s, 10)))
    assert_close(g, at_end * np.exp(-0.18 * np.maximum(s - 10, 0)), rtol=1e-11)


def test_a_long_run_and_a_traced_parameter_out_of_range():
    """float32: late in a run nothing counts time. Out of range gives NaN."""
    synapse = ours.AMPA(1, T_dur=0.3)
    early, late = (run(synapse, one_spike(10, at=2), dt=0.1, first=first) for first in (0, 12_345_678))
    assert_close(late, early, rtol=1e-6)
    for name in ("AMPA", "Alpha"):
        field, x = OBJECTS[name].Params._fields[0], ONES if name == "AMPA" else ONES * u.mS
        g = transform.jit(lambda v, name=name, field=field, x=x: updated(getattr(ours, name)(3, **{field: v}), x))
        assert np.isnan(in_mS(g(jnp.asarray(-1.0)))).all()


@pytest.mark.parametrize(("name", "unit"), [("DualExpon", u.nS), ("Alpha", u.UNITLESS)])
def test_units_batches_and_reset(name, unit):
    """g has the unit of its initial value."""
    initial = braintools.init.Constant(0.25 * unit)
    theirs, mine = (getattr(m, name)((2, 3), g_initializer=initial) for m in (reference, ours))
    assert_close(*(updated(synapse, ONES * unit) for synapse in (mine, theirs)), rtol=1e-5)
    assert u.get_unit(mine.g.value if name == "Alpha" else mine.w.value / u.ms) == unit
    for batch in (None, 4):
        for synapse in (mine, theirs):
            synapse.init_state(batch)
        before = {key: state.value for key, state in mine.states().items()}
        updated(mine, ONES * unit, batch)
        assert not all(u.math.allclose(state.value, before[key]) for key, state in mine.states().items())
        mine.reset_state(batch)
        for key, state in mine.states().items():
            assert u.math.allclose(state.value, before[key])
            assert state.value.shape == ((2, 3) if batch is None else (4, 2, 3))
        for key, state in theirs.states().items():
            assert u.math.allclose(getattr(mine, key[0]).value, state.value)


def test_quantities_of_other_scales(precise, rng):
    """Parameters, dt, t and inputs, or none; the weights of a network may be in nS where g is in mS."""
    rows = train("Expon", rng)[:12]
    expected = run(ours.Expon(SYNAPSES, tau=5.0), rows)
    for tau, nS, times in ((0.005 * u.second, 1e6 * u.nS, {"t": 1 * u.second, "dt": 125.0 * u.us}),
                           ([5.0] * SYNAPSES, 1.0, {"dt": DT})):  # fmt: skip
        synapse = ours.Expon(SYNAPSES, tau=tau)
        synapse.init_state()
        with brainstate.environ.context(**times):
            g = transform.for_loop(lambda row, synapse=synapse, nS=nS: synapse(row * nS), rows)
        assert_close(g, expected, rtol=1e-13)


def test_inputs_of_the_linear_ones_are_summed(precise):
    """x, delta inputs and, for Expon, current inputs, as in the reference."""
    for name in ("Alpha", "Expon", "DualExpon"):
        out = []
        for module in (reference, ours):
            synapse = getattr(module, name)(2)
            synapse.init_state()
            synapse.add_delta_input("held", lambda: 0.5 * u.mS)
            if name == "Expon":
                synapse.add_current_input("current", lambda: jnp.asarray([2.0, 3.0]) * u.mS)
            with brainstate.environ.context(dt=DT * u.ms):
                for _ in range(2):
                    synapse.add_delta_input("once", jnp.asarray([1.0, 0.0]) * u.mS)
                    synapse(0.25 * u.mS)
                out.append(synapse())
        assert_close(out[1], out[0])
    synapse.init_state()
    synapse.align_post_input_add(jnp.asarray([1.0, 2.0]) * u.uS)
    assert_close(synapse.g_rise.value, np.array([0.001, 0.002]) * u.mS)


def test_events_of_brainevent_and_strict_promotion():
    row = jnp.asarray([True, False, True])
    g = [in_mS(updated(ours.AMPA(3), given)) for given in (row, brainevent.BinaryArray(row), row.astype(float))]
    assert (g[0] == g[1]).all()
    assert (g[0] == g[2]).all()
    synapse, x = ours.Alpha(3), jnp.ones(3) * u.mS
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        assert updated(synapse, x, 2, t=jnp.asarray(1.0) * u.ms).shape == (2, 3)


def network(module, build):
    """V of four neurons, which six others drive through the projections that ``build(module, pre, post)`` makes."""
    constants = {"V_rest": -60 * u.mV, "V_th": -50 * u.mV, "V_reset": -60 * u.mV, "tau": 20 * u.ms, "tau_ref": 5 * u.ms}

    class Network(brainstate.nn.Module):
        def __init__(self):
            super().__init__()
            self.pre = reference.LIFRef(6, **constants)
            self.post = reference.LIFRef(4, **constants, R=100 * u.ohm)
            self.projections = build(module, self.pre, self.post)

        def update(self, i):
            with brainstate.environ.context(t=i * DT * u.ms, dt=DT * u.ms):
                spikes = self.pre.get_spike() != 0
                for projection in self.projections:
                    projection(*(() if isinstance(projection, reference.CurrentProj) else (spikes,)))
                self.pre(np.linspace(20, 45, 6) * u.mA)
                self.post(0 * u.mA)
                return self.post.V.value, spikes

    with brainstate.environ.context(dt=DT * u.ms):
        net = Network()
        brainstate.nn.init_all_states(net)
        V, spikes = transform.for_loop(net.update, jnp.arange(300))
    assert spikes.sum() > 10
    return V.to_decimal(u.mV), np.asarray(spikes), net


def dense(unit):
    return brainstate.nn.Linear(6, 4, w_init=np.linspace(0.5, 2, 24).reshape(6, 4) * unit, b_init=None)


def align_post(module, pre, post):
    """Expon, for ours declared again, is made from a description, once for two projections."""
    given = synkin.expon.equations, synkin.expon.Params, synkin.expon.State
    declared = synkin.linear(*given, input="g", name="own_expon", units={"tau": "ms"})
    expon = (module.Expon if module is reference else ours.class_of(declared)).desc(4, tau=5 * u.ms)
    project, coba = reference.AlignPostProj, reference.COBA.desc(E=0 * u.mV)
    one = project(comm=dense(u.mS), syn=expon, out=coba, post=post, delay=1 * u.ms)
    two = project(comm=dense(u.mS), syn=expon, out=coba, post=post)
    assert one.syn is two.syn
    return [
        one,
        two,
        project(comm=dense(u.mS), syn=module.DualExpon(4), out=reference.CUBA(scale=-9 * u.mV), post=post),
    ]


class After(brainstate.nn.Module):
    """A projection that takes what a spike releases."""

    def __init__(self, plasticity, projection):
        super().__init__()
        self.plasticity, self.projection = plasticity, projection

    def update(self, spikes):
        self.projection(self.plasticity(spikes))


def after_plasticity(module, pre, post):
    """Before the kernels of postsynaptic neurons; ``stp=`` of the reference's projections fails with brainevent 0.2."""
    options = {"comm": dense(u.mS), "out": reference.COBA.desc(E=0 * u.mV), "post": post}
    return [
        After(plasticity, reference.AlignPostProj(syn=module.Expon.desc(4, tau=tau * u.ms), **options))
        for tau, plasticity in ((5, module.STP(6, U=0.4)), (3, module.STD(6, U=0.2)))
    ]


def align_pre(module, pre, post):
    ampa, nmda = pre.align_pre(module.AMPA(6)), pre.align_pre(module.BioNMDA(6, T_dur=1 * u.ms))
    block = reference.MgBlock(E=0 * u.mV, alpha=0.062 / u.mV, V_offset=0 * u.mV)
    project, coba = reference.CurrentProj, reference.COBA(E=0 * u.mV)
    return [
        project(ampa.prefetch_delay("g", 1 * u.ms), comm=dense(u.UNITLESS), out=coba, post=post),
        project(nmda.prefetch("g"), comm=dense(u.UNITLESS), out=block, post=post),
    ]


@pytest.mark.parametrize("build", [align_post, align_pre, after_plasticity])
def test_projections_are_the_reference_s(build, precise):
    theirs, mine = (network(module, build)[0] for module in (reference, ours))
    assert np.ptp(theirs) > 1
    assert_close(mine + 60, theirs + 60, rtol=1e-11)


@pytest.mark.wide
@pytest.mark.parametrize("kernel", [synkin.schemes.ampa5, desensitising], ids=lambda kernel: kernel.name)
def test_any_receptor_in_an_align_pre_projection(kernel, precise):
    """The projection wraps spikes in an array of brainevent's, at which the reference's own synapses fail."""

    def build(module, pre, post):
        options = {"comm": dense(u.UNITLESS), "out": reference.COBA(E=0 * u.mV), "post": post}
        return [reference.align_pre_projection(syn=ours.Synapse(kernel, 6), **options)]

    V, spikes, net = network(ours, build)
    assert np.ptp(V) > 0.01
    final, g = synkin.simulate(kernel, kernel.Params(), spikes, DT, dtype=float)
    synapse = net.projections[0].syn
    assert_close(in_mS(synapse.g.value), g[-1], rtol=1e-9)
    for field in kernel.order:
        if field != "g":
            assert type(getattr(synapse, field)) is brainstate.HiddenState
            assert_close(getattr(synapse, field).value, getattr(final, field), rtol=1e-9)


@pytest.mark.wide
def test_a_sum_of_receptors(precise, rng):
    """A pulse of each part, of a length of its own; in pieces, of a batch, with parameters of each synapse."""
    both = synkin.ampa + desensitising
    given = {"g_desensitising": np.linspace(0.2, 0.6, SYNAPSES), "ampa_T_dur": 0.55, "desensitising_T_dur": 1.3}
    options = {"method": "exact"}
    synapse = ours.Synapse(both, SYNAPSES, **(given | {"desensitising_T_dur": 0.0013 * u.second}), **options)
    rows = train("AMPA", rng, (STEPS, 2, SYNAPSES))
    g = [run(synapse, rows[:17], batch_size=2), loop(synapse, rows[17:], first=17)]
    final, expected = synkin.simulate(both, both.Params(**given), rows, DT, **options)
    assert_close(np.concatenate([in_mS(part) for part in g]), expected, rtol=1e-11)
    for field, value in final._asdict().items():
        assert_close(u.get_mantissa(getattr(synapse, field).value), value, rtol=1e-9)
    assert_close(in_mS(synapse.g.value), expected[-1], rtol=1e-11)


def test_a_sum_of_linear_kernels(precise, rng):
    """All parts get an input, whether `update` is given it or a projection adds it."""
    parts = ours.Expon(2, tau=3.0), ours.Alpha(2, method="exact")
    options = {"expon_tau": 3.0, "g_alpha": 0.5, "method": "exact", "g_unit": u.nS}
    synapse = ours.Synapse(synkin.expon + synkin.alpha, 2, **options)
    rows = jnp.asarray(rng.uniform(0.2, 2, (9, 2)))
    g = []
    for each in (synapse, *parts):
        each.init_state()
        each.align_post_input_add(jnp.asarray([1.0, 2.0]) * u.uS)
        g.append(loop(each, rows))
    assert u.get_unit(g[0]) == u.nS
    assert_close(g[0].to_decimal(u.mS), in_mS(g[1]) + 0.5 * in_mS(g[2]))


def put(synapse, name, value):
    setattr(synapse, name, value)
    return synapse


def taken(name):
    """A receptor with a variable of that name."""
    state = collections.namedtuple("State", [name, "pulse_left"])
    return synkin.receptor(
        lambda p, y, T: {name: p.alpha * T * (1 - y[0]) - p.beta * y[0]},
        synkin.ampa.Params, state, conductance=lambda p, y: y[0], name="taken",
    )  # fmt: skip


@pytest.mark.parametrize(("call", "said"), cases(__file__, "refused_by_brainstate.txt"))
def test_refused(call, said):
    with pytest.raises((AttributeError, TypeError, ValueError)) as error:
        eval(call, globals() | {name: getattr(ours, name) for name in ours.__all__})
    assert f"{error.typename}: {error.value}" == said


@pytest.mark.wide
def test_the_benchmarks_run(capsys):
    importlib.import_module("benchmarks.ei_network").main(["--seeds", "1", "--ms", "5", "--repeats", "1"])
    printed = capsys.readouterr().out
    assert [float(off) < 1e-6 for off in re.findall(r"mS at most, (\S+) of", printed)] == [True] * 4
    importlib.import_module("benchmarks.brainstate_synapses").main(["--quick"])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [float(row[2]) < 1e-12 for row in rows if row[:1] and row[0] in OBJECTS] == [True] * 24
    assert "nan" not in printed + str(rows)
