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

KERNEL, PARAMS = synkin.ampa, synkin.ampa.Params()
BOTH = synkin.ampa + synkin.gabaa
SPIKES = np.arange(18).reshape(6, table.N) % 5 == 0


def simulate(params, readout, kernel=KERNEL, **way):
    return synkin.simulate(kernel, params, SPIKES, 0.1, readout=readout, dtype="float32", **way)[1]


# The others with `pytest -m wide`.
QUICK = ("direct", "number in a scan", "custom_jvp", "pure_callback", "jitted method", "equinox module", "partial")
CASES = [
    pytest.param(kind, way, marks=() if kind in QUICK and j == i % 3 else pytest.mark.wide)
    for i, kind in enumerate(table.KINDS)
    for j, way in enumerate(table.WAYS)
]


@pytest.mark.parametrize(("kind", "way"), CASES)
def test_what_a_readout_does_is_seen_anew(kind, way):
    """With three numbers in turn; and what differs in arrays and numbers alone is one program."""
    if kind == "equinox module":
        pytest.importorskip("equinox")
    before = set(readouts._kept)
    assert not table.wrong(kind, way, simulate, PARAMS)
    if kind not in table.COMPILED_ANEW:
        assert len(set(readouts._kept) - before) <= 1


KINDS_OF_RUNS = [{"kernel": BOTH}, {"parallel": True, "method": "exact"}, {"checkpoint": 2}]


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        ("inner jit", KINDS_OF_RUNS[0]),
        ("pure_callback", KINDS_OF_RUNS[2]),
        *(pytest.param("inner jit", way, marks=pytest.mark.wide) for way in KINDS_OF_RUNS[1:]),
        *(pytest.param("pure_callback", way, marks=pytest.mark.wide) for way in KINDS_OF_RUNS[:2]),
    ],
    ids=str,
)
def test_in_all_kinds_of_runs(kind, way):
    params = way.get("kernel", KERNEL).Params()
    assert not table.wrong(kind, "under grad", partial(simulate, **way), params)


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


def compilations(readout_of, values):
    """How often XLA compiles, from the second of ``values`` on."""
    counted = []

    def listen(event, *_, **__):
        counted.append(event == "/jax/core/compile/backend_compile_duration")

    jax.block_until_ready(simulate(PARAMS, readout_of(values[0])))
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        for value in values[1:]:
            jax.block_until_ready(simulate(PARAMS, readout_of(value)))
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    return sum(counted)


def test_one_compilation():
    def one(state, g):
        """With a callback that is a new function in each trace, and a rule."""
        return jax.nn.relu(g - 0.1) + jax.pure_callback(lambda g: g, jax.ShapeDtypeStruct(g.shape, g.dtype), g)

    weights = [np.float32(1), np.float32(2), np.float32(3)]
    assert compilations(lambda _: one, weights) == 0
    assert compilations(lambda w: lambda state, g: (w.item() * g + w.item()) / (w.item() + g), weights) == 0
    assert compilations(lambda w: lambda state, g: jax.nn.relu(g) @ np.full(3, w), weights) == 0


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


def test_the_tree_is_that_of_this_call():
    """Keys of a dict that are equal, and no more."""
    for key in (1, True, 1.0):
        (name,) = simulate(PARAMS, lambda state, g, key=key: {key: g})
        assert type(name) is type(key)


def test_a_global_an_attribute_and_numbers_in_place():
    """What one function reads from elsewhere."""
    holder = type("Holder", (), {"w": 1.0})
    numbers, whole = np.ones(3, np.float32), {"w": 1.0}

    def readout(state, g):
        return g * holder.w * numbers * whole["w"]

    g = np.asarray(simulate(PARAMS, None))
    for change in (lambda: setattr(holder, "w", 2.0), lambda: numbers.__imul__(3), lambda: whole.update(w=5.0)):
        change()
        expected = g * holder.w * numbers * whole["w"]
        np.testing.assert_allclose(simulate(PARAMS, readout), expected, rtol=1e-6)
        np.testing.assert_allclose(
            simulate(PARAMS, lambda state, g: g * numbers * whole["w"]), g * numbers * whole["w"]
        )


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

    simulate(PARAMS, readout)
    simulate(PARAMS, readout)
    source = "lambda state, g: 2 * g"
    known = len(readouts._known)
    for _ in range(3):
        simulate(PARAMS, eval(source))
    held.clear()
    gc.collect()
    assert alive() is None
    assert len(readouts._known) <= known + 1  # of equal code one is held, with the names in it


@pytest.mark.parametrize("ordered", [False, True], ids=["unordered", "ordered"])
@pytest.mark.parametrize(
    "way", [{}, {"kernel": BOTH}, pytest.param({"parallel": True, "method": "exact"}, marks=pytest.mark.wide)], ids=str
)
def test_what_acts_on_the_world_acts_once_a_step(way, ordered):
    params = way.get("kernel", KERNEL).Params()
    seen, printed = [], []

    def readout(state, g):
        io_callback(lambda g: seen.append(g.sum()), None, jax.lax.stop_gradient(g), ordered=ordered)
        jax.debug.callback(lambda g: printed.append(g.sum()), g, ordered=ordered)
        return g

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
