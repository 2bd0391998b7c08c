"""Readouts of `synkin.simulate`, concentrations that jump often, and spike trains of many lengths."""

import resource
import time
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np

import synkin
from benchmarks.answers import Row, _readout_table

_SPIKES = np.arange(18).reshape(6, 3) % 5 == 0


def _simulate(params, readout):
    return synkin.simulate(synkin.ampa, params, _SPIKES, 0.1, readout=readout)[1]


def table() -> str:
    """How many cells of the table of readouts are tried, and how many wrong."""
    tried, wrong = 0, []
    for kind in _readout_table.KINDS:
        if kind == "equinox module" and find_spec("equinox") is None:
            continue
        for way in _readout_table.WAYS:
            tried += 1
            try:
                found = _readout_table.wrong(kind, way, _simulate, synkin.ampa.Params())
            except Exception as error:  # what it raises is wrong too
                found = [type(error).__name__]
            if found:
                wrong.append(f"{kind} {way}")
    return f"{tried} cells tried, {len(wrong)} wrong: {', '.join(wrong) or 'none'}"


def compilations() -> str:
    """How often a closed-over Python number compiles."""
    counted = []
    jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: counted.append(event))
    _simulate(synkin.ampa.Params(), lambda state, g: 0.5 * g)
    before = counted.count("/jax/core/compile/backend_compile_duration")
    for k in (1.5, 2.5, 3.5):
        _simulate(synkin.ampa.Params(), lambda state, g, k=k: k * g)
    return f"{counted.count('/jax/core/compile/backend_compile_duration') - before} more"


def ninety() -> str:
    """What a readout of 90 operations costs in a call."""

    def many(state, g):
        x = g
        for _ in range(45):
            x = 1.01 * x + state.g
        return x

    def milliseconds(readout):
        took = []
        for _ in range(30):
            start = time.perf_counter()
            jax.block_until_ready(_simulate(synkin.ampa.Params(), readout))
            took.append(1e3 * (time.perf_counter() - start))
        return sorted(took)[len(took) // 2]

    return f"{milliseconds(many):.2g} ms, without a readout {milliseconds(None):.2g} ms"


def jumps() -> str:
    """The time of 10,000 edges over that of 1,000."""
    took = []
    for count in (1_000, 10_000):
        edges, concentrations = np.arange(count + 1.0), np.arange(count) % 2 * 1.0
        kernel = synkin.schemes.nmda5
        for _ in range(2):
            start = time.perf_counter()
            g = synkin.concentration_jumps(kernel, kernel.Params(), edges, concentrations, edges[-2:])
            jax.block_until_ready(g)
        took.append(time.perf_counter() - start)
    return f"{took[1] / took[0]:.0f} times ({took[0]:.2g} s and {took[1]:.2g} s)"


def lengths() -> str:
    """What 40 trains of different lengths compile, and what stays in memory of that."""
    counted = []
    jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: counted.append(event))
    times = np.linspace(0.0, 100.0, 100)

    def respond(count):
        jax.block_until_ready(synkin.respond(synkin.ampa, synkin.ampa.Params(), np.arange(1.0, count + 1), times))

    respond(40)
    before, held = len(counted), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for count in range(41, 64):
        respond(count)
    more = counted[before:].count("/jax/core/compile/backend_compile_duration")
    held = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held) / 1024
    return f"{more} compilations more, {held:.0f} MB"


def padded() -> str:
    """The gradient where a train is padded, against one that needs no padding."""

    def slope(spikes):
        def total(spikes):
            return synkin.respond(synkin.ampa, synkin.ampa.Params(), spikes, np.array([3.0, 9.0, 40.0])).sum()

        return np.asarray(jax.grad(total)(jnp.asarray(spikes)))

    bare, more = slope([1.0, 5.0, 8.0]), slope([1.0, 5.0, 8.0, np.inf, np.inf])
    return f"finite: {np.isfinite(bare).all()}, the same: {np.allclose(bare, more[:3], rtol=1e-5)}"


ROWS = (
    Row("readouts of one number, 1, 2 and 3 in turn, in many ways", "0 wrong", table),
    Row("compilations for three numbers that a readout closes over", "0 or 1 more", compilations),
    Row("a call with a readout of 90 operations", "about as long as without", ninety),
    Row("nmda5 with ten times as many edges takes", "about 10 times as long", jumps),
    Row("23 trains of different lengths after one of 40 spikes", "0 compilations more", lengths),
    Row("the gradient in the times of three spikes", "finite: True, the same: True", padded),
)
