"""Readouts of a run: what identifies them, what they close over, and what they do to the world outside."""

import gc
import weakref
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import io_callback

import synkin
from benchmarks.answers import _readout_table as table
from synkin.tracing import readouts
from tests.contract.table import wide

KERNEL, PARAMS = synkin.ampa, synkin.ampa.Params()
BOTH = synkin.ampa + synkin.gabaa
SPIKES = np.arange(18).reshape(6, table.N) % 5 == 0


def simulate(params, readout, kernel=KERNEL, **way):
    return synkin.simulate(kernel, params, SPIKES, 0.1, readout=readout, dtype="float32", **way)[1]


# In one way by default.
QUICK = ("direct", "custom_jvp", "jitted method", "equinox module", "partial")
CASES = [(kind, way) for kind in table.KINDS for way in table.WAYS]
IN_TURN = [(kind, table.WAYS[i % 3]) for i, kind in enumerate(table.KINDS) if kind in QUICK]


@pytest.mark.parametrize(("kind", "way"), wide(CASES, IN_TURN))
def test_what_a_readout_does_is_seen_anew(kind, way):
    """With three numbers in turn; and what differs in arrays and numbers alone is one program."""
    if kind == "equinox module":
        pytest.importorskip("equinox")
    before = set(readouts._kept)
    assert not table.wrong(kind, way, simulate, PARAMS)
    if kind not in table.COMPILED_ANEW:
        assert len(set(readouts._kept) - before) <= 1


RUNS = {
    "run": {},
    "sum": {"kernel": BOTH},
    "parallel": {"parallel": True, "method": "exact"},
    "blocks": {"checkpoint": 2},
}
IN_RUNS = [(kind, run) for kind in ("inner jit", "pure_callback") for run in RUNS if run != "run"]


@pytest.mark.wide
@pytest.mark.parametrize(("kind", "run"), IN_RUNS)
def test_in_all_kinds_of_runs(kind, run):
    params = RUNS[run].get("kernel", KERNEL).Params()
    assert not table.wrong(kind, "under grad", partial(simulate, **RUNS[run]), params)


def test_under_vmap_within_shard_map_and_with_strict_promotion():
    mesh, everywhere = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("synapses",)), jax.sharding.PartitionSpec()
    many = jax.tree.map(lambda x: jnp.full(2, x, jnp.float32), PARAMS)
    expected = np.asarray(simulate(PARAMS, None))
    with jax.numpy_dtype_promotion("strict"):
        for w in (1.0, 2.0, 3.0):
            f = jax.jit(lambda g, w=w: jnp.full(3, w, jnp.float32) * g)

            def run(params, f=f, w=w):
                return simulate(params, lambda state, g: w * f(g))

            np.testing.assert_allclose(jax.vmap(run)(many), np.stack([w * w * expected] * 2), rtol=1e-6)
            split = jax.shard_map(run, mesh=mesh, in_specs=everywhere, out_specs=everywhere)
            np.testing.assert_allclose(jax.jit(split)(PARAMS), w * w * expected, rtol=1e-6)


def test_one_compilation():
    """Also with a callback that is a new function in each trace, and a rule."""
    compiled = []

    def listen(event, *_, **__):
        compiled.append(event == "/jax/core/compile/backend_compile_duration")

    def one(state, g):
        return jax.nn.relu(g - 0.1) + jax.pure_callback(lambda g: g, jax.ShapeDtypeStruct(g.shape, g.dtype), g)

    for readout_of in (
        lambda _: one,
        lambda w: lambda state, g: (w.item() * g + w.item()) / (w.item() + g),
        lambda w: lambda state, g: jax.nn.relu(g) @ np.full(3, w),
    ):
        jax.block_until_ready(simulate(PARAMS, readout_of(np.float32(1))))
        jax.monitoring.register_event_duration_secs_listener(listen)
        try:
            for w in (np.float32(2), np.float32(3)):
                jax.block_until_ready(simulate(PARAMS, readout_of(w)))
        finally:
            jax.monitoring.unregister_event_duration_listener(listen)
        assert not sum(compiled)


def same(one, other):
    """Whether two readouts are one program."""
    state = KERNEL.init(PARAMS, (3,))
    return readouts.opened(one, state).program is readouts.opened(other, state).program


def test_what_differs_is_never_one():
    """Zeros of both signs, powers, whole numbers, nested literals, options; equal arrays in nested operations are."""

    def inner(g, w):
        return jax.lax.map(jax.jit(lambda g: g * w), g)

    def second(w):
        """w in the derivative of the derivative alone."""
        slope = jax.custom_jvp(lambda g: g)
        slope.defjvp(lambda primals, tangents: (primals[0], w * tangents[0]))
        f = jax.custom_jvp(lambda g: g)
        f.defjvp(lambda primals, tangents: (primals[0], slope(primals[0]) * tangents[0]))
        return f

    makers = (
        lambda w: lambda state, g: jax.lax.map(lambda g: g + w, g),
        lambda w: lambda state, g: g**w,
        lambda w: lambda state, g: g[int(w) : int(w) + 1],
        lambda w: partial(lambda w, state, g: inner(g, w), jnp.full(3, w)),
        lambda w: lambda state, g: jnp.sort(g, descending=w == 2.0),
        lambda w: lambda state, g: second(w)(g),
        lambda w: lambda state, g: jax.debug.print(f"{w}"),
    )
    for make in makers:
        assert same(make(2.0), make(2.0))
        assert not same(make(2.0), make(0.0))
        assert not same(make(0.0), make(-0.0)) or make is not makers[0]


def test_the_tree_a_global_an_attribute_and_numbers_in_place():
    """What one function reads from elsewhere; and keys of a dict that are equal, and no more."""
    for key in (1, True, 1.0):
        (name,) = simulate(PARAMS, lambda state, g, key=key: {key: g})
        assert type(name) is type(key)
    holder = type("Holder", (), {"w": 1.0})
    numbers, whole = np.ones(3, np.float32), {"w": 1.0}

    def readout(state, g):
        return g * holder.w * (3 * numbers - 2 * numbers) * whole["w"]  # NumPy makes an array of its own

    g = np.asarray(simulate(PARAMS, None))
    for change in (lambda: setattr(holder, "w", 2.0), lambda: numbers.__imul__(3), lambda: whole.update(w=5.0)):
        change()
        np.testing.assert_allclose(simulate(PARAMS, readout), readout(None, g), rtol=1e-6)
        # Of this function there is a key of all that it sees, which must hold the numbers: the array itself, which JAX
        # holds as it is, would bring its new numbers along, but not what NumPy makes of it while JAX traces.
        got = simulate(PARAMS, lambda state, g: g * (numbers + 0) * whole["w"])
        np.testing.assert_allclose(got, g * numbers * whole["w"])


def test_nothing_piles_up():
    """Programs are bounded in number, arrays are free when their owner lets them go."""
    state = KERNEL.init(PARAMS, (3,))
    for n in range(1, 2 * readouts._PROGRAMS):
        readouts.opened(lambda state, g, n=n: [g] * n, state)
    assert len(readouts._kept) <= readouts._PROGRAMS
    held = [jnp.ones((3, 10_000), jnp.float32)]
    alive = weakref.ref(held[0])

    def readout(state, g):
        return g @ held[0]

    for _ in range(2):
        simulate(PARAMS, readout)
    known = len(readouts._known)
    for _ in range(3):
        simulate(PARAMS, eval("lambda state, g: 2 * g"))
    held.clear()
    gc.collect()
    assert alive() is None
    assert len(readouts._known) <= known + 1  # of equal code one is held, with the names in it


@pytest.mark.parametrize(
    ("run", "ordered"),
    wide([(run, x) for run in ("run", "sum", "parallel") for x in (False, True)], [("run", False)]),
)
def test_what_acts_on_the_world_acts_once_a_step(run, ordered):
    way, seen, printed = RUNS[run], [], []

    def readout(state, g):
        io_callback(lambda g: seen.append(g.sum()), None, jax.lax.stop_gradient(g), ordered=ordered)
        jax.debug.callback(lambda g: printed.append(g.sum()), g, ordered=ordered)
        return g

    params = way.get("kernel", KERNEL).Params()
    g = simulate(params, readout, **way)
    jax.effects_barrier()
    for got in (seen, printed):
        order = list if ordered else sorted
        np.testing.assert_allclose(order(got), order(np.asarray(g).sum(axis=1)), rtol=1e-6)
    printed.clear()
    jax.grad(lambda params: simulate(params, readout, **way).sum())(params)
    jax.effects_barrier()
    assert len(printed) == len(SPIKES)


def test_what_the_world_answers_has_no_derivative():
    def readout(state, g):
        like = jax.ShapeDtypeStruct(g.shape, g.dtype)
        return g * io_callback(lambda g: g, like, jax.lax.stop_gradient(g))

    with pytest.raises(ValueError, match=r"^Argument `readout` must not use what an `io_callback` returns where it is"):
        jax.grad(lambda params: simulate(params, readout).sum())(PARAMS)
