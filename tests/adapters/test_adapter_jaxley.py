"""Kernels as synapses in networks of jaxley, against `synkin.respond` at the spike times that the voltages show."""

import collections
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin import alpha, ampa, bionmda, currents, dual_expon, expon, schemes
from tests.helpers import differences, samples
from tests.helpers.precision import as_jax_is
from tests.helpers.sentences import cases

jx = pytest.importorskip("jaxley")
from jaxley.channels import Leak  # noqa: E402
from jaxley.connect import connect  # noqa: E402

from synkin.adapters.jaxley import KernelSynapse  # noqa: E402

DT = 0.025
SPIKES = (40, 300, 310, 700)  # rows of the voltage; the pulse of the second is under way at the third
ROWS = 900


@pytest.fixture(autouse=True)
def as_jaxley_has_it():
    """jaxley leans on promotions that this suite forbids."""
    with as_jax_is():
        yield


def network(*synapses, edges=1, rows=ROWS):
    """A clamped cell passes 0 mV at SPIKES, with ``edges`` synapses of each kind on a leaky one.

    Both V, the first current and each g are recorded.
    """
    net = jx.Network([jx.Cell(jx.Branch(jx.Compartment(), 1), [-1])] * 2)
    net.cell(1).insert(Leak())
    pre, post = (net.cell(i).branch(0).comp(0) for i in (0, 1))
    v = np.full(rows, -70.0)
    v[[row for row in SPIKES if row < rows]] = 30.0
    for synapse in [synapse for synapse in synapses for _ in range(edges)]:
        connect(pre, post, synapse)
    pre.clamp("v", jnp.asarray(v), verbose=False)
    for place in (pre, post):
        place.record("v", verbose=False)
    getattr(net, synapses[0].name).edge(0).record(f"i_{synapses[0].name}", verbose=False)
    for synapse in synapses:
        for i in range(edges):
            getattr(net, synapse.name).edge(i).record(f"{synapse.name}_{synapse.conductance}", verbose=False)
    return net


def found(v, v_th):
    """Times in ms of the first samples at or above the threshold."""
    return DT * (1 + np.flatnonzero((v[1:] >= v_th) & (v[:-1] < v_th)))


Params = collections.namedtuple("Params", ["k", "q", "T", "T_dur"], defaults=[2.0, 3.0, 1.0, 0.3])
Taken = collections.namedtuple("Taken", ["gS", "T", "T_dur"], defaults=[1.0, 1.0, 0.3])
State = collections.namedtuple("State", ["g", "pulse_left"])
own = synkin.receptor(lambda p, y, T: {"g": p.k * T - p.q * y.g}, Params, State, conductance=lambda p, y: y.g**2)
taken = synkin.receptor(lambda p, y, T: {"g": p.gS * T - y.g}, Taken, State, name="taken")


CASES = {
    "plain": [(ampa, {"T_dur": 0.637}), (own, {}), (expon, {"tau": 3.0})],
    "gates": [(schemes.nmda5, {"T_dur": 0.3}), (bionmda, {}), (alpha, {"tau": 2.0}),
              (alpha + dual_expon, {"alpha_tau": 2.0, "g_dual_expon": 0.5}),
              (ampa + bionmda, {"ampa_T_dur": 0.637, "g_bionmda": 0.3, "bionmda_T_dur": 1.11})],
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.wide)], indirect=True)
@pytest.mark.parametrize("which", ["plain", pytest.param("gates", marks=pytest.mark.wide)])
def test_g_is_that_of_respond(which, dtype):
    """At every sample; the current is gS g (V - e_syn) of the voltage before the step."""
    options = {"gS": 1e-3, "e_syn": 10.0, "v_th": -10.0}
    given = [(kernel, kernel.Params(**params)) for kernel, params in CASES[which]]
    net = network(*(KernelSynapse(*each, name=f"of_{i}", **options) for i, each in enumerate(given)))
    v, V, current, *traces = np.asarray(jax.jit(lambda: jx.integrate(net, delta_t=DT))())
    spike_times = found(v, -10.0)
    assert spike_times == pytest.approx(DT * (1 + np.array(SPIKES)))
    times = DT * np.arange(len(v))
    for (kernel, p), g in zip(given, traces, strict=True):
        expected = np.array(synkin.respond(kernel, p, spike_times, times))
        if kernel is expon:  # which jumps, as is not yet seen at a spike
            expected[np.isin(times, spike_times)] -= 1
        assert np.abs(g - expected).max() <= samples.TOLERANCE[dtype] * np.abs(expected).max(), kernel.name
    assert np.ptp(V) > 1
    off = current[1:] - 1e-3 * traces[0][1:] * (V[:-1] - 10.0)
    assert np.abs(off).max() <= 10 * samples.TOLERANCE[dtype] * np.abs(current).max()


magnesium = synkin.scheme(
    "C + glu <-> O : kon, koff\nO <-> B : block, 1.0", open="O", kon=5.0, koff=0.3, V=-60.0, signed="V",
    units={"V": "mV"}, block=lambda p: jnp.exp(-p.V / 17), name="magnesium",
)  # fmt: skip


def graded(pre, post):
    return 1 / (1 + jnp.exp(-(pre + 35) / 20))


OF_POST = {"V": lambda pre, post: post}
VARYING = {
    "table": (magnesium, {"varying": OF_POST, "shared": True}),
    "graded": (ampa, {"varying": {"T": graded}}),
    "each": (magnesium, {"varying": OF_POST}),
    "fixed": (bionmda, {"shared": True}),
}


@pytest.mark.parametrize(
    "names", [["graded"], *(pytest.param(names, marks=pytest.mark.wide) for names in (["table"], ["each", "fixed"]))]
)
@pytest.mark.usefixtures("x64")
def test_parameters_that_vary_with_the_voltages(names):
    """A voltage of the membrane, by table and without; a graded synapse; and parameters that all synapses share."""
    options = {"gS": 1e-3, "v_th": -10.0}
    synapses = [KernelSynapse(VARYING[name][0], name=name, **VARYING[name][1], **options) for name in names]
    net = network(*synapses, rows=350)
    v, V, _, *traces = np.asarray(jax.jit(lambda: jx.integrate(net, delta_t=DT))())
    assert np.ptp(V) > 5
    times, fired = DT * np.arange(len(v)), np.append(False, (v[1:] >= -10) & (v[:-1] < -10))[:-1]
    for name, synapse, g in zip(names, synapses, traces, strict=True):
        own = {key.removeprefix(f"{name}_") for key in synapse.synapse_params} - {"gS", "e_syn", "v_th"}
        params = synapse.kernel.Params()
        if name in ("table", "each"):
            assert own == ({*params._fields} - {"V"} if name == "each" else set())
            expected = synkin.simulate(magnesium, params, fired, DT, varying={"V": V[:-1]})[1]
        elif name == "graded":
            assert "graded_steps_left" not in synapse.synapse_states
            expected = synkin.concentration_jumps(ampa, params, times, graded(v[:-1], None), times[1:])
        else:
            expected = synkin.respond(bionmda, params, found(v, -10.0), times[1:])
        off = 1e-11 if name in ("graded", "fixed") else 1e-7
        assert np.abs(g[1:] - expected).max() <= off * np.max(expected), name


@pytest.mark.wide
@pytest.mark.usefixtures("x64")
def test_gradient_through_a_network():
    """Of the postsynaptic voltage, two synapses with values of their own, against differences of the values."""
    net = network(KernelSynapse(ampa, ampa.Params(T_dur=0.637), gS=2e-4), edges=2, rows=400)
    # Between two edges of the grid, so that no difference steps over one.
    given = {"gS": [1e-4, 3e-4], "e_syn": [0.0, 5.0], "beta": [0.2, 0.5], "T_dur": [0.637, 0.41], "v_th": [0.0, -5.0]}
    for name, values in given.items():
        net.ampa.edge("all").set(f"ampa_{name}", np.asarray(values))
        net.ampa.edge("all").make_trainable(f"ampa_{name}", verbose=False)
    structure = jax.tree.structure(net.get_parameters())
    x = np.array([value for values in given.values() for value in values])

    @jax.jit
    def loss(x):
        voltages = jx.integrate(net, params=jax.tree.unflatten(structure, list(x.reshape(5, 2))), delta_t=DT)[1]
        return jnp.mean(voltages * jnp.cos(jnp.arange(voltages.size)))

    got = jax.jit(jax.grad(loss))(x)
    expected = differences.gradient(loss, x, one_by_one=True)
    assert np.asarray(got[:8]) == pytest.approx(np.asarray(expected[:8]), rel=1e-7)
    assert np.abs(expected[:8]).min() > 0
    assert np.asarray(got[8:]).tolist() == [0, 0]  # v_th decides only whether there is a spike


def at_first(synapse, n=1, dtype=float):
    """States and parameters of ``n`` synapses, as jaxley holds them."""
    values = synapse.synapse_states, synapse.synapse_params
    return [{name: jnp.full(n, value, dtype) for name, value in each.items()} for each in values]


@pytest.mark.parametrize(
    ("method", "overlap", "dtype"),
    [("exact", "restart", "float32"), ("exp_euler", "ignore", "float64")],
    indirect=["dtype"],
)
def test_steps_are_those_of_a_run(method, overlap, dtype):
    """Without jaxley's loop, under this suite's strictness, with three voltages that spike at random."""
    synapse = KernelSynapse(ampa, ampa.Params(T_dur=0.11), method=method, overlap=overlap)
    v = np.where(np.random.default_rng(0).random((200, 3)) < 0.3, 20.0, -60.0)
    states, params = at_first(synapse, 3, dtype)

    def body(states, v):
        states = synapse.update_states(states, DT, v, v, params)
        return states, states["ampa_g"]

    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        _, got = jax.lax.scan(body, states, jnp.asarray(v, dtype))
    spikes = np.diff(v > 0, axis=0, prepend=True) & (v > 0)  # what is above at first has not passed
    options = {"method": method, "overlap": overlap, "dtype": dtype}
    _, expected = synkin.simulate(ampa, ampa.Params(T_dur=0.11), spikes, DT, **options)
    assert got.dtype == dtype
    assert np.asarray(got) == pytest.approx(np.asarray(expected), rel=samples.TOLERANCE[dtype], abs=1e-12)


def test_block_and_signs():
    """NMDA: nA from uS, mV and the fraction that magnesium leaves; outward where V is above e_syn."""
    synapse = KernelSynapse(bionmda, gS=1e-3, e_syn=-5.0, block=partial(currents.mg_block, Mg=1.0))
    states, params = ({"bionmda_g": jnp.array([0.5])}, {"bionmda_gS": jnp.array([1e-3]), "bionmda_e_syn": -5.0})
    V = jnp.array([-65.0, 40.0])
    got = jax.vmap(synapse.compute_current, in_axes=(None, 0, 0, None))(states, V, V, params)[:, 0]
    assert np.asarray(got) == pytest.approx([1e-3 * 0.5 * 0.05967 * -60, 1e-3 * 0.5 * 0.97708 * 45], rel=1e-4)


def test_names():
    """Prefixes, as jaxley's own synapses have them, also after a new name; a scheme begins at rest."""
    synapse = KernelSynapse(schemes.nmda5, gS=2e-4, name="slow")
    assert {"slow_gS", "slow_e_syn", "slow_v_th", "slow_kon", "slow_T_dur"} <= set(synapse.synapse_params)
    assert set(synapse.synapse_states) == {f"slow_{s}" for s in ("C1", "C2", "D", "O", "above", "g", "steps_left")}
    assert synapse.synapse_params["slow_gS"] == 2e-4
    synapse.change_name("fast")
    assert "fast_O" in synapse.synapse_states
    states, params = at_first(synapse)
    assert set(jax.eval_shape(synapse.update_states, states, DT, jnp.zeros(1), jnp.zeros(1), params)) == set(states)
    kept = schemes.kampa2004
    rest, state = KernelSynapse(kept).synapse_states, kept.init(kept.Params(), ())
    assert rest == pytest.approx(rest | {f"kampa2004_{name}": float(getattr(state, name)) for name in kept.order})
    # Of a sum: a name that Python has too, and a pulse of each part.
    both = KernelSynapse(ampa + bionmda)
    assert both.name == "ampa_bionmda"
    assert {"ampa_bionmda_ampa_T_dur", "ampa_bionmda_g_bionmda"} < set(both.synapse_params)
    names = ("ampa_g", "bionmda_x", "bionmda_g", "above", "g", "ampa_steps_left", "bionmda_steps_left")
    assert set(both.synapse_states) == {f"ampa_bionmda_{name}" for name in names}


@pytest.mark.parametrize(("call", "said"), cases(__file__, "refused_by_jaxley.txt"))
def test_refused(call, said):
    with pytest.raises((TypeError, ValueError)) as error:
        eval(call)
    assert f"{error.typename}: {error.value}" == said
