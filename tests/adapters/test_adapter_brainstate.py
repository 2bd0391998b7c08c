"""The synapses for brainstate: brainpy.state's numbers under its transformations, in its projections, in its units."""

import importlib
import re
import subprocess
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from tests.helpers import samples

DT = 0.125  # ms: t = i dt is exact, and so are the reference's pulses
STEPS, SYNAPSES = 40, 5
OBJECTS = {
    "AMPA": synkin.ampa,
    "GABAa": synkin.gabaa,
    "BioNMDA": synkin.bionmda,
    "Alpha": synkin.alpha,
    "Expon": synkin.expon,
    "DualExpon": synkin.dual_expon,
}
RECEPTORS = ("AMPA", "GABAa", "BioNMDA")
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
def brainstate_s_jax(quickly_compiled):
    """brainstate promotes types and ranks as JAX does by default; what is compiled here runs once."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.fixture
def precise(x64):
    with brainstate.environ.context(precision=64):
        yield


def some(*names):
    """Parametrised by these classes; the others walk the same path, and are wide."""
    return pytest.mark.parametrize(
        "name", [pytest.param(name, marks=[pytest.mark.wide] * (name not in names)) for name in OBJECTS]
    )


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


def fed(name, row):
    return row if name in RECEPTORS else row * u.mS


def loop(synapse, rows, dt=DT, first=0):
    """g of all steps under `for_loop`, from the state as it is."""

    def step(i, row):
        with brainstate.environ.context(t=i * dt * u.ms, dt=dt * u.ms):
            return synapse(row * u.mS if jnp.issubdtype(row.dtype, jnp.floating) else row)

    return transform.for_loop(step, first + jnp.arange(len(rows)), rows)


def run(synapse, rows, batch_size=None, **options):
    synapse.init_state(batch_size)
    return loop(synapse, rows, **options)


def in_mS(g):
    assert u.get_unit(g) == u.mS
    return np.asarray(g.mantissa)


def assert_close(got, expected, rtol=1e-12):
    """Relative, and below a millionth of the largest value relative to that."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=1e-6 * rtol * np.abs(expected).max())


# The reference's numbers


@pytest.mark.parametrize("which", [*OBJECTS, "DualExpon, not normalized"])
def test_for_loop_is_the_reference(which, rng, precise):
    """All states besides, and the object of synkin that has no framework."""
    name, _, raw = which.partition(", ")
    extra = {"normalize": False} if raw else {}
    given, plain = drawn(name, rng)
    rows = train(name, rng, (STEPS, 3, SYNAPSES))
    theirs, mine = (getattr(m, name)(SYNAPSES, **given, **extra) for m in (reference, ours))
    expected, got = (run(synapse, rows, batch_size=3) for synapse in (theirs, mine))
    assert got.mantissa.dtype == "float64"
    assert_close(in_mS(got), in_mS(expected))
    bare = getattr(synkin, name)(SYNAPSES, **plain._asdict(), **extra)
    bare.init_state(3)
    with synkin.environ.context(dt=DT):
        assert_close(jnp.stack([bare.update(row) for row in rows]), in_mS(expected))
    for (field,) in theirs.states():
        state, value = getattr(mine, field), getattr(theirs, field).value
        if field != "g_decay":
            assert type(state) is type(getattr(theirs, field))
        assert u.get_unit(state.value) == u.get_unit(value)
        assert_close(u.get_mantissa(state.value), u.get_mantissa(value))
        assert_close(getattr(bare, field).value, u.get_mantissa(value))


@some("Alpha")
def test_jit_is_the_reference(name, rng, precise):
    rows = train(name, rng)[:12]

    def by_hand(synapse):
        @transform.jit
        def step(i, row):
            with brainstate.environ.context(t=i * DT * u.ms, dt=DT * u.ms):
                return synapse.update(fed(name, row))

        synapse.init_state()
        return np.stack([in_mS(step(i, row)) for i, row in enumerate(rows)])

    assert_close(*(by_hand(getattr(m, name)(SYNAPSES)) for m in (ours, reference)))


@some("AMPA")
def test_vmap_is_the_reference(name, rng, precise):
    given, _ = drawn(name, rng, (3, SYNAPSES))
    rows = train(name, rng, (3, STEPS, SYNAPSES))

    def g(module):
        return transform.vmap(lambda given, rows: run(getattr(module, name)(SYNAPSES, **given), rows))(given, rows)

    assert_close(in_mS(g(ours)), in_mS(g(reference)))


@some("AMPA")
def test_grad_is_the_reference(name, rng, precise):
    """In all parameters but the length of a pulse, in which the reference's is 0, and in the input."""
    given, _ = drawn(name, rng)
    T_dur = {"T_dur": given.pop("T_dur")} if name in RECEPTORS else {}
    rows = train(name, rng)

    def gradient(module):
        def loss(given, weight):
            synapse = getattr(module, name)(SYNAPSES, **given, **T_dur)
            return jnp.mean(u.get_mantissa(run(synapse, rows * weight if name not in RECEPTORS else rows)) ** 2)

        return transform.grad(loss, argnums=(0, 1))(given, jnp.asarray(1.5))

    (theirs, of_input), (mine, my_input) = gradient(reference), gradient(ours)
    assert set(mine) == set(given)
    for field, value in theirs.items():
        assert u.get_unit(mine[field]) == u.get_unit(value)
        assert np.abs(u.get_mantissa(value)).min() > 0
        assert_close(u.get_mantissa(mine[field]), u.get_mantissa(value), rtol=1e-9)
    assert_close(my_input, of_input)


@pytest.mark.parametrize("name", OBJECTS)
def test_signatures_are_the_reference_s(name):
    def signature(module):
        function = getattr(module, name).__init__
        return dict(zip(function.__code__.co_varnames[1:], function.__defaults__, strict=False))

    theirs, mine = signature(reference), signature(ours)
    assert list(mine) == list(theirs)
    theirs, mine = (getattr(module, name)(3) for module in (reference, ours))
    for attribute, value in vars(theirs).items():
        if attribute.startswith("_") or attribute.endswith("initializer"):
            continue
        assert u.math.allclose(getattr(mine, attribute), value) if attribute != "normalize" else mine.normalize
    assert isinstance(mine, reference.Synapse)
    for field, value in OBJECTS[name].Params()._asdict().items():
        assert (
            f"    {field}: {getattr(OBJECTS[name].Params, field).__doc__}, by default {value:g}" in type(mine).__doc__
        )


# What the reference has not


@some("AMPA", "Alpha")
def test_exact_is_the_response_to_the_spikes(name, rng, precise):
    """Pulses end within a step; `respond` has no grid. A linear input acts at the end of its step."""
    kernel, dt = OBJECTS[name], 0.3
    rows = np.zeros(STEPS, bool)
    rows[[0, 1, 9, 20]] = True
    synapse = getattr(ours, name)(1, method="exact")
    got = in_mS(run(synapse, jnp.asarray(rows[:, None]) * (1 if name in RECEPTORS else 1.0), dt=dt))[:, 0]
    ends = dt * np.arange(1, STEPS + 1)
    times = dt * (np.flatnonzero(rows) + (0 if name in RECEPTORS else 1))
    expected = synkin.respond(kernel, kernel.Params(), np.asarray(times), ends)
    assert_close(got, expected, rtol=1e-11)


def test_gradient_in_the_length_of_a_pulse(rng, precise):
    rows = train("AMPA", rng)

    def total(T_dur):
        return run(ours.AMPA(SYNAPSES, T_dur=T_dur * u.ms, method="exact"), rows).mantissa.sum()

    h = 1e-5
    expected = (total(0.55 + h) - total(0.55 - h)) / (2 * h)
    assert expected > 1
    np.testing.assert_allclose(transform.grad(total)(jnp.asarray(0.55)), expected, rtol=1e-7)
    np.testing.assert_allclose(transform.jvp(total, (0.55,), (1.0,))[1], expected, rtol=1e-7)


def test_a_state_of_brainstate_as_a_parameter(precise, rng):
    """It is what `grad` finds by itself; a parameter of its modules gives its value too."""
    rows = train("Expon", rng)
    plain, held = (run(ours.Expon(SYNAPSES, tau=tau), rows) for tau in (5.0, brainstate.nn.Param(jnp.asarray(5.0))))
    assert_close(in_mS(held), in_mS(plain))
    synapse = ours.Expon(SYNAPSES, tau=brainstate.ParamState(jnp.asarray(5.0) * u.ms))

    def loss():
        return run(synapse, rows).mantissa.sum()

    (slope,) = transform.grad(loss, grad_states=synapse.states(brainstate.ParamState))().values()
    by_tau = transform.grad(lambda tau: run(ours.Expon(SYNAPSES, tau=tau), rows).mantissa.sum())(jnp.asarray(5.0))
    assert u.get_unit(slope) == u.ms
    np.testing.assert_allclose(slope.mantissa, by_tau, rtol=1e-12)


def test_ignored_spikes(precise):
    """A second spike during a pulse does nothing: the answer is that to the first."""
    rows = np.zeros((STEPS, 1), bool)
    rows[0] = True
    single = in_mS(run(ours.AMPA(1, T_dur=1.0), jnp.asarray(rows)))
    rows[3] = True
    double = [
        in_mS(run(ours.AMPA(1, T_dur=1.0, overlap=overlap), jnp.asarray(rows))) for overlap in ("ignore", "restart")
    ]
    assert_close(double[0], single)
    assert np.abs(double[1] - single).max() > 0.01


def test_a_run_in_pieces_is_the_whole_run(rng, precise):
    synapse = ours.AMPA(SYNAPSES, T_dur=1.1)
    rows = train("AMPA", rng)
    whole = in_mS(run(synapse, rows))
    pieces = [run(synapse, rows[:17]), loop(synapse, rows[17:], first=17)]
    assert_close(np.concatenate([in_mS(g) for g in pieces]), whole, rtol=1e-13)


def test_a_pulse_goes_on_under_another_dt(precise):
    """10 ms of transmitter, of which 3 ms pass in steps of 0.1 ms and 7 ms in steps of 0.25 ms."""
    synapse = ours.AMPA(1, T_dur=10.0, method="exact")
    spike = jnp.asarray(np.arange(30) == 0)[:, None]
    run(synapse, spike, dt=0.1)
    np.testing.assert_allclose(synapse.pulse_left.value.to_decimal(u.ms), 7.0, rtol=1e-12)
    g = in_mS(loop(synapse, jnp.zeros((40, 1), bool), dt=0.25))[:, 0]
    rate, s = 0.98 * 0.5 + 0.18, 3 + 0.25 * np.arange(1, 41)
    at_end = 0.98 * 0.5 / rate * (1 - np.exp(-rate * np.minimum(s, 10)))
    assert_close(g, at_end * np.exp(-0.18 * np.maximum(s - 10, 0)), rtol=1e-11)


@some("AMPA", "Alpha")
def test_a_traced_parameter_out_of_range_gives_nan(name, rng):
    field = OBJECTS[name].Params._fields[0]

    def g(value):
        return u.get_mantissa(run(getattr(ours, name)(SYNAPSES, **{field: value}), train(name, rng)))

    assert np.isnan(transform.jit(g)(jnp.asarray(-1.0))).all()


def test_long_silence_and_long_pulses(rng):
    """float32, late in a long run: nothing counts time."""
    synapse = ours.AMPA(1, T_dur=0.3)
    early = run(synapse, jnp.asarray(np.arange(10) == 2)[:, None], dt=0.1)
    synapse.init_state()
    late = loop(synapse, jnp.asarray(np.arange(10) == 2)[:, None], dt=0.1, first=12_345_678)
    assert_close(in_mS(late), in_mS(early), rtol=1e-6)


# Units, batches, inputs


@pytest.mark.parametrize(
    ("name", "unit"), [pytest.param("AMPA", u.nS, marks=pytest.mark.wide), ("DualExpon", u.nS), ("Alpha", u.UNITLESS)]
)
def test_g_has_the_unit_of_its_initial_value(name, unit, rng):
    initializer = braintools.init.Constant(0.25 * unit)
    rows = train(name, rng)
    theirs, mine = (getattr(m, name)(SYNAPSES, g_initializer=initializer) for m in (reference, ours))
    out = []
    for synapse in (theirs, mine):
        synapse.init_state()
        with brainstate.environ.context(t=0 * u.ms, dt=DT * u.ms):
            out.append(synapse(rows[0] if name in RECEPTORS else rows[0] * unit))
    assert u.get_unit(out[1]) == u.get_unit(out[0]) == unit
    if name == "DualExpon":
        assert u.get_unit(mine.w.value) == unit * u.ms
    assert_close(u.get_mantissa(out[1]), u.get_mantissa(out[0]), rtol=1e-5)


def test_quantities_of_other_scales(precise, rng):
    """Parameters, dt, t and inputs; the weights of a network may be in nS where g is in mS."""
    rows = train("Expon", rng)
    expected = in_mS(run(ours.Expon(SYNAPSES, tau=5.0), rows))
    synapse = ours.Expon(SYNAPSES, tau=0.005 * u.second)
    synapse.init_state()

    def step(i, row):
        with brainstate.environ.context(t=i * 1.25e-4 * u.second, dt=125.0 * u.us):
            return synapse(1e6 * row * u.nS)

    assert_close(in_mS(transform.for_loop(step, jnp.arange(STEPS), rows)), expected, rtol=1e-13)
    plain = ours.Expon(SYNAPSES, tau=[5.0] * SYNAPSES)
    plain.init_state()

    def plain_step(row):
        with brainstate.environ.context(dt=DT):
            return plain(row)

    assert_close(in_mS(transform.for_loop(plain_step, rows)), expected, rtol=1e-13)


@some("DualExpon")
def test_batches_and_reset(name):
    synapse = getattr(ours, name)((2, 3))
    theirs = getattr(reference, name)((2, 3))
    for batch in (None, 4):
        for module in (synapse, theirs):
            module.init_state(batch)
        before = {key: state.value for key, state in synapse.states().items()}
        with brainstate.environ.context(t=1 * u.ms, dt=DT * u.ms):
            synapse(ONES if name in RECEPTORS else ONES * u.mS)
        assert not all(u.math.allclose(state.value, before[key]) for key, state in synapse.states().items())
        synapse.reset_state(batch)
        for key, state in synapse.states().items():
            assert u.math.allclose(state.value, before[key])
            assert state.value.shape == ((2, 3) if batch is None else (4, 2, 3))
        for key, state in theirs.states().items():
            assert u.math.allclose(getattr(synapse, key[0]).value, state.value)


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
                for _ in range(3):
                    synapse.add_delta_input("once", jnp.asarray([1.0, 0.0]) * u.mS)
                    g = synapse(0.25 * u.mS)
                g = synapse()
            out.append(in_mS(g))
        assert_close(out[1], out[0])


def test_inputs_added_by_a_projection():
    synapse = ours.DualExpon(2)
    synapse.init_state()
    synapse.align_post_input_add(jnp.asarray([1.0, 2.0]) * u.uS)
    assert_close(in_mS(synapse.g_rise.value), np.float32([0.001, 0.002]), rtol=1e-6)


def test_equal_time_constants_are_the_alpha_shape(precise):
    rows = jnp.asarray(np.arange(STEPS) == 0, float)[:, None]
    g = in_mS(run(ours.DualExpon(1, tau_decay=2.0, tau_rise=2.0), rows))[:, 0]
    s = DT * np.arange(STEPS)
    assert_close(g, s / 2 * np.exp(1 - s / 2), rtol=1e-11)


@some("Alpha")
def test_strict_promotion(name, rng):
    """An update alone, the rest being brainstate's."""
    synapse = getattr(ours, name)(SYNAPSES)
    synapse.init_state(2)
    with (
        jax.numpy_dtype_promotion("strict"),
        jax.numpy_rank_promotion("raise"),
        brainstate.environ.context(t=jnp.asarray(1.0) * u.ms, dt=DT * u.ms),
    ):
        g = synapse(train(name, rng)[0] if name in RECEPTORS else train(name, rng)[0] * u.mS)
    assert g.shape == (2, SYNAPSES)


# In projections


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
    return [
        reference.AlignPostProj(
            comm=dense(u.mS),
            syn=module.Expon.desc(4, tau=5 * u.ms),
            out=reference.COBA.desc(E=0 * u.mV),
            post=post,
            delay=1 * u.ms,
        ),
        reference.AlignPostProj(
            comm=dense(u.mS), syn=module.DualExpon(4), out=reference.CUBA(scale=-9 * u.mV), post=post
        ),
    ]


def align_pre(module, pre, post):
    ampa, nmda = pre.align_pre(module.AMPA(6)), pre.align_pre(module.BioNMDA(6, T_dur=1 * u.ms))
    block = reference.MgBlock(E=0 * u.mV, alpha=0.062 / u.mV, V_offset=0 * u.mV)
    return [
        reference.CurrentProj(
            ampa.prefetch_delay("g", 1 * u.ms), comm=dense(u.UNITLESS), out=reference.COBA(E=0 * u.mV), post=post
        ),
        reference.CurrentProj(nmda.prefetch("g"), comm=dense(u.UNITLESS), out=block, post=post),
    ]


@pytest.mark.parametrize("build", [align_post, align_pre])
def test_projections_are_the_reference_s(build, precise):
    theirs, mine = (network(module, build)[0] for module in (reference, ours))
    assert np.ptp(theirs) > 1
    assert_close(mine + 60, theirs + 60, rtol=1e-11)


class DesensitisingParams(NamedTuple):
    alpha: float = 1.0
    beta: float = 0.2
    d: float = 0.1
    r: float = 0.02
    T: float = 1.0
    T_dur: float = 1.0


class DesensitisingState(NamedTuple):
    O: jax.Array
    D: jax.Array
    pulse_left: jax.Array


def equations(p, y, T):
    return {"O": p.alpha * T * (1 - y.O - y.D) - (p.beta + p.d) * y.O, "D": p.d * y.O - p.r * y.D}


own = synkin.receptor(
    equations, DesensitisingParams, DesensitisingState, conductance=lambda p, y: y.O, name="own", methods=("exact",)
)


@pytest.mark.parametrize(
    "kernel", [pytest.param(synkin.schemes.ampa5, marks=pytest.mark.wide), own], ids=["ampa5", "own"]
)
def test_any_receptor_in_an_align_pre_projection(kernel, precise):
    """The projection wraps spikes in an array of brainevent's, at which the reference's own synapses fail."""

    def build(module, pre, post):
        synapse = ours.Synapse(kernel, 6)
        return [
            reference.align_pre_projection(
                syn=synapse, comm=dense(u.UNITLESS), out=reference.COBA(E=0 * u.mV), post=post
            )
        ]

    V, spikes, net = network(ours, build)
    assert np.ptp(V) > 0.01
    final, g = synkin.simulate(kernel, kernel.Params(), spikes, DT, dtype=float)
    synapse = net.projections[0].syn
    assert_close(in_mS(synapse.g.value), g[-1], rtol=1e-9)
    for field in kernel.order:
        if field != "g":
            assert type(getattr(synapse, field)) is brainstate.HiddenState
            assert_close(getattr(synapse, field).value, getattr(final, field), rtol=1e-9)


def test_any_linear_kernel_in_an_align_post_projection(precise):
    """Declared again, Expon is the same in the same projection, made from a description."""
    own = synkin.linear(synkin.expon.equations, synkin.expon.Params, synkin.expon.State, input="g", name="own_expon",
                        units={"tau": "ms"})  # fmt: skip

    def build(syn, pre, post):
        return [
            reference.AlignPostProj(comm=dense(u.mS), syn=syn, out=reference.COBA.desc(E=0 * u.mV), post=post)
            for _ in range(2)
        ]

    V, _, net = network(ours.class_of(own).desc(4, tau=5 * u.ms), build)
    assert net.projections[0].syn is net.projections[1].syn
    assert_close(V + 60, network(reference.Expon.desc(4, tau=5 * u.ms), build)[0] + 60, rtol=1e-11)


# Sums of kernels


def test_a_sum_of_receptors(precise, rng):
    """A pulse of each part, of a length of its own; in pieces, of a batch, with parameters of each synapse."""
    both = synkin.ampa + own
    given = {"g_own": np.linspace(0.2, 0.6, SYNAPSES), "ampa_T_dur": 0.55, "own_T_dur": 1.3}
    synapse = ours.Synapse(both, SYNAPSES, **(given | {"own_T_dur": 0.0013 * u.second}))
    rows = train("AMPA", rng, (STEPS, 2, SYNAPSES))
    g = [run(synapse, rows[:17], batch_size=2), loop(synapse, rows[17:], first=17)]
    final, expected = synkin.simulate(both, both.Params(**given), rows, DT)
    assert_close(np.concatenate([in_mS(part) for part in g]), expected, rtol=1e-11)
    for field, value in final._asdict().items():
        assert_close(u.get_mantissa(getattr(synapse, field).value), value, rtol=1e-9)
    assert_close(in_mS(synapse.g.value), expected[-1], rtol=1e-11)


def test_a_sum_of_linear_kernels(precise, rng):
    """All parts get an input, whether `update` is given it or a projection adds it."""
    both = synkin.expon + synkin.alpha
    parts = ours.Expon(2, tau=3.0), ours.Alpha(2, method="exact")
    synapse = ours.Synapse(both, 2, expon_tau=3.0, g_alpha=0.5, method="exact", g_unit=u.nS)
    rows = jnp.asarray(rng.uniform(0.2, 2, (9, 2)))
    g = []
    for each in (synapse, *parts):
        each.init_state()
        each.align_post_input_add(jnp.asarray([1.0, 2.0]) * u.uS)
        g.append(loop(each, rows))
    assert u.get_unit(g[0]) == u.nS
    assert_close(g[0].to_decimal(u.mS), in_mS(g[1]) + 0.5 * in_mS(g[2]))


def test_events_of_brainevent(rng):
    row = train("AMPA", rng)[1]
    out = []
    for given in (row, brainevent.BinaryArray(row), row.astype(float)):
        synapse = ours.AMPA(SYNAPSES)
        synapse.init_state()
        with brainstate.environ.context(t=0 * u.ms, dt=DT * u.ms):
            out.append(in_mS(synapse(given)))
    assert np.array_equal(out[0], out[1])
    assert np.array_equal(out[0], out[2])


# What a person gets to hear


def updated(synapse, x, **environ):
    synapse.init_state()
    with brainstate.environ.context(**({"t": 0 * u.ms, "dt": DT * u.ms} | environ)):
        return synapse(x)


BAD = {
    "no dt": (lambda: updated(ours.Expon(3), None, dt=None), ValueError, "`dt` is not set: give it by `with"),
    "no t": (lambda: updated(ours.AMPA(3), ONES, t=None), ValueError, "`t` is not set: give it by `with"),
    "dt of volts": (lambda: updated(ours.AMPA(3), ONES, dt=1 * u.mV), TypeError, "`dt` must be in ms, but is in mV."),
    "spikes of 4": (lambda: updated(ours.AMPA(3), np.ones(4)), ValueError, r"must have shape \(3,\), but has"),
    "spikes in mS": (lambda: updated(ours.AMPA(3), ONES * u.mS), TypeError, "`pre_spike` must be dimensionless, but"),
    "input of 4": (lambda: updated(ours.Alpha(3), np.ones(4) * u.mS), ValueError, r"`x` must have shape \(3,\), but"),
    "input in mV": (lambda: updated(ours.Alpha(3), ONES * u.mV), TypeError, "`x` must be in mS, but is in mV."),
    "an input of text": (lambda: updated(ours.Alpha(3), "a"), TypeError, "`x` must be"),
    "tau in mV": (lambda: ours.Expon(3, tau=1 * u.mV), TypeError, "Parameter `tau` must be in ms, but is in mV."),
    "tau set to 0": (lambda: updated(with_tau(0.0), None), ValueError, "Parameter `tau` must be"),
    "no size": (lambda: ours.AMPA(()), ValueError, r"shape of one axis and more, but is \(\)"),
    "a size of text": (lambda: ours.AMPA("a"), TypeError, "`in_size` must be"),
    "initial g in mV": (lambda: updated(ours.BioNMDA(3, x_initializer=np.zeros(3) * u.mV), ONES), TypeError,
                        "`x_initializer` must be dimensionless, but is in mV."),
    "delta input": (lambda: ours.AMPA(3).add_delta_input("a", 1.0), TypeError, "AMPA takes no delta inputs, because"),
    "not a parameter": (lambda: ours.Synapse(synkin.ampa, 3, tau=1), TypeError, "`tau` must be a parameter of ampa"),
    "unit of g": (lambda: ours.Synapse(synkin.ampa, 3, g_unit=1.0), TypeError, "`g_unit` must be a unit of brainunit"),
    "T_dur of a sum": (lambda: setattr(ours.Synapse(synkin.ampa + own, 3), "T_dur", 1.0), AttributeError,
                       "`T_dur` must be a parameter of ampa\\+own"),
    "overlap of a linear one": (lambda: ours.Synapse(synkin.alpha, 3, overlap="ignore"), ValueError, "overlap"),
}  # fmt: skip


def with_tau(tau):
    synapse = ours.Expon(3)
    synapse.tau = tau
    return synapse


@pytest.mark.parametrize("what", BAD)
def test_sentences(what):
    call, kind, text = BAD[what]
    with pytest.raises(kind, match=text):
        call()


class TakenState(NamedTuple):
    update: jax.Array
    pulse_left: jax.Array


def test_a_name_that_is_taken():
    def equations(p, y, T):
        return {"update": p.alpha * T * (1 - y.update) - p.beta * y.update}

    kernel = synkin.receptor(equations, synkin.ampa.Params, TakenState, conductance=lambda p, y: y.update, name="taken")
    with pytest.raises(ValueError, match="must have another name for its `update`"):
        ours.class_of(kernel)


# How fast


@pytest.mark.wide
@pytest.mark.parametrize(
    ("module", "arguments"),
    [("ei_network", ["--seeds", "1", "--ms", "5", "--repeats", "1"]), ("brainstate_synapses", ["--quick"])],
)
def test_the_benchmarks_run(module, arguments, capsys):
    importlib.import_module(f"benchmarks.{module}").main(arguments)
    printed = capsys.readouterr().out
    assert "nan" not in printed
    if module == "ei_network":
        assert [float(off) < 1e-6 for off in re.findall(r"mS at most, (\S+) of", printed)] == [True] * 4
    else:
        rows = [line.split() for line in printed.splitlines() if line.split()[0] in OBJECTS]
        assert len(rows) == 24
        assert all(float(row[2]) < 1e-12 for row in rows)
