"""Concentrations that jump: against scipy, against pulses, at the edges of what is given, and all derivatives."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

import synkin
from synkin import concentration_jumps, respond, schemes
from tests.helpers import differences

KERNEL = schemes.nmda5
PARAMS = KERNEL.Params()
EDGES, T = np.array([2.0, 3.5, 9.0, 30.0]), np.array([1.0, 0.02, 0.3])
TIMES = np.array([0.0, 1.0, 2.0, 2.7, 3.5, 8.0, 20.0, 30.0, 31.0, 400.0])
jumps = jax.jit(partial(concentration_jumps, KERNEL))  # one compilation for all that have the same shapes
close, same = np.testing.assert_allclose, np.testing.assert_array_equal


def followed(times, y=(1.0, 0.0, 0.0, 0.0, 0.0)):
    """g of nmda5 by scipy."""

    def at(time):
        p, now = np.array(y), EDGES[0]
        for end, concentration in [*zip(EDGES[1:], T, strict=True), (np.inf, 0.0)]:
            q = np.asarray(KERNEL.generator(PARAMS, concentration))
            p, now = scipy.linalg.expm(q * max(min(time, end) - now, 0)) @ p, end
            if time <= end:
                return p[KERNEL.states.index("O")]

    return [at(time) for time in times]


def test_against_scipy_and_stretches_of_no_length(x64):
    """In any order, wherever in time, with padding, and whatever the pulse of the parameters."""
    whole = np.asarray(jumps(PARAMS, EDGES, T, TIMES))
    close(whole, followed(TIMES), rtol=1e-12, atol=1e-15)
    same(jumps(PARAMS, EDGES, T, TIMES[::-1]), whole[::-1])
    close(jumps(PARAMS, EDGES + 1e6, T, TIMES + 1e6), whole, rtol=1e-8, atol=1e-12)
    same(jumps(PARAMS._replace(T=7.0, T_dur=3.0), EDGES, T, TIMES), whole)
    for edges, concentrations in (
        ([*EDGES, 30.0, 30.0], [*T, 9.0, 5.0]), ([2.0, 2.0, *EDGES[1:], EDGES[-1]], [8.0, *T, 3.0]),
    ):  # fmt: skip
        same(concentration_jumps(KERNEL, PARAMS, edges, concentrations, TIMES), whole)


@pytest.mark.parametrize(
    "kernel", [synkin.ampa, *(pytest.param(k, marks=pytest.mark.wide) for k in (schemes.gabab, synkin.bionmda))]
)
def test_a_pulse_is_what_a_spike_brings(kernel, x64):
    params = kernel.Params(T_dur=1.5)
    got = concentration_jumps(kernel, params, [2.0, 3.5], [float(params.T)], TIMES)
    close(got, respond(kernel, params, [2.0], TIMES), rtol=1e-10, atol=1e-15)


@pytest.mark.wide
def test_no_stretches_no_times_and_a_state(dtype):
    assert np.asarray(concentration_jumps(KERNEL, PARAMS, [1.0], [], TIMES, dtype=dtype)).max() == 0
    empty = concentration_jumps(KERNEL, PARAMS, EDGES, T, [], dtype=dtype)
    assert (empty.shape, empty.dtype) == ((0,), dtype)
    state = KERNEL.init(PARAMS, (), dtype=dtype)._replace(C1=0.25, O=0.5)
    got = concentration_jumps(KERNEL, PARAMS, EDGES, T, TIMES[2:], state=state)
    assert got.dtype == dtype
    close(got, followed(TIMES[2:], (0.25, 0.25, 0.0, 0.0, 0.5)), atol=1e-6 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("kernel", [synkin.ampa, pytest.param(KERNEL, marks=pytest.mark.wide)], ids=lambda k: k.name)
def test_all_derivatives(kernel, x64):
    """Rates, edges, concentrations and times, forward and reverse."""
    n = len(kernel.Params._fields)
    x = np.concatenate([np.array(kernel.Params()), EDGES, T, [1.0, 2.7, 8.0, 20.0, 31.0, 40.0]])

    def g_of(x):
        params, edges, T, times = jnp.split(x, [n, n + 4, n + 7])
        return concentration_jumps(kernel, kernel.Params(*params), edges, T, times)

    expected = differences.gradient(jax.jit(g_of), x, one_by_one=True)
    forward, reverse = jax.jit(lambda x: (jax.jacfwd(g_of)(x), jax.jacrev(g_of)(x)))(x)
    assert (np.asarray(forward)[:, n - 2 : n] == 0).all()  # T and T_dur
    for got in (forward, reverse):
        assert differences.relative_error(got.T, expected) < 1e-6
    assert (np.abs(np.asarray(forward)[1:]).max(axis=0) > 0).sum() == x.size - 2 - 1  # a time before all


def test_traced_and_wrong_is_nan(x64):
    """What would be refused if it were known: decreasing edges, negative or infinite concentrations, times."""
    for name, wrong in (
        ("edges", EDGES[[0, 2, 1, 3]]),
        ("edges", np.array([2.0, 3.5, np.inf, np.inf])),
        ("concentrations", np.array([1.0, -1e-3, 0.3])),
        ("concentrations", np.array([1.0, np.inf, 0.3])),
        ("times", np.full(10, np.nan)),
        ("params", PARAMS._replace(kon=-1.0)),
        ("params", PARAMS._replace(alpha=np.nan)),
    ):
        given = {"params": PARAMS, "edges": EDGES, "concentrations": T, "times": TIMES} | {name: wrong}
        from_then_on = {"concentrations": 3.5, "params": 2.0}.get(name, -1)
        assert np.isnan(np.asarray(jumps(*given.values()))[from_then_on < TIMES]).all()
