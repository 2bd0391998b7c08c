"""Every kernel in time: all ways to run it are one run, and it is the solution of its equations."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from tests.contract.table import (
    DTS,
    ROWS,
    SOLUTIONS,
    STEPS,
    SYNAPSES,
    USUAL,
    expected,
    is_receptor,
    point,
    rows,
    train,
    wide,
)
from tests.helpers.solutions import error

pytestmark = pytest.mark.usefixtures("x64")

T, N = STEPS, SYNAPSES
LATE = 1e6  # ms
close_to = partial(np.testing.assert_allclose, atol=1e-14)


def test_every_kernel_of_the_library_has_a_row():
    assert set(synkin.KERNELS) < set(ROWS)
    for name, kernel in synkin.KERNELS.items():
        assert getattr(synkin, name) is kernel
        assert kernel.methods == ("exp_euler", "exact")
        assert set(kernel.UNITS) <= {"ms", "mM", "1/ms", "1/ms/mM", "1"}


def test_what_is_read_off_the_equations():
    """How they are solved, and in which order; parameters decide nothing of it, so that nothing is to be checked."""
    for name, row in ROWS.items():
        if row.solution:
            kernel, found = row.kernel, row.kernel.structure
            assert (found.kind, kernel.order) == (row.kind, row.solution.variables), name
            assert set(kernel.State._fields) - {"pulse_left"} == set(kernel.order)
            twice, once = (row.solution.conductance(y, kernel.Params()) for y in ((2, 4, 6, 8), (1, 2, 3, 4)))
            assert found.linear_output == bool(np.isclose(twice, 2 * once)), name
            assert found.closing_driven == (name == "closing_gate"), name
            assert found.coupled == (name in ("nmda5", "desensitising", "oscillator")), name
            assert not any(found.source_at_rest)
            assert not found.to_check
    for kernel in (synkin.schemes.gabab3, synkin.schemes.gabab3_conserving):
        assert (kernel.structure.kind, kernel.structure.linear_output, kernel.structure.coupled) == (
            "affine",
            False,
            True,
        )


@cache
def problem(name):
    return ROWS[name].kernel, point(name, (N,)), train(name, (2 * T, N))


@cache
def solved(name, dt):
    return expected(name, *problem(name)[1:], dt)


@cache
def halves(name, dt):
    """A run in two, the second from the state in which the first ends, in the middle of a pulse."""
    kernel, params, inputs = problem(name)
    # That of what is dear is compiled once, as a run from a given state.
    start = kernel.init(params, (N,), dtype=float) if ROWS[name].dear else None
    half, first = synkin.simulate(kernel, params, inputs[:T], dt, state=start, method="exact", dtype=float)
    return half, first, *synkin.simulate(kernel, params, inputs[T:], dt, state=half, method="exact", dtype=float)


def same_kind(state, other):
    """Of one structure, shape and dtype."""
    assert type(state) is type(other)
    assert [(x.shape, x.dtype) for x in state] == [(x.shape, x.dtype) for x in other]


def close(state, other, rtol=1e-11):
    same_kind(state, other)
    for one, two in zip(state, other, strict=True):
        np.testing.assert_allclose(one, two, rtol=rtol, atol=1e-12)


@pytest.mark.parametrize("name", rows(*USUAL, "wang_nmda"))
def test_a_run_solves_the_equations(name):
    """In two chunks; at any time; and, where rates are those between states, however large they are."""
    kernel, params, inputs = problem(name)
    for dt, tolerance in zip(DTS, ROWS[name].tolerance, strict=False):
        half, first, final, second = halves(name, dt)
        assert error(np.concatenate([first, second]), solved(name, dt)) < tolerance
        same_kind(final, half)
    same_kind(half, kernel.init(params, (N,), dtype=float))
    late = synkin.simulate(kernel, params, inputs[T:], dt, state=half, t0=LATE, method="exact", dtype=float)
    for one, two in zip((*late[0], late[1]), (*final, second), strict=True):
        np.testing.assert_array_equal(one, two)
    if ROWS[name].dear:
        return
    alone = np.where(np.arange(T)[:, None] == 0, inputs[:T], np.zeros_like(inputs[:T]))
    _, g = synkin.simulate(kernel, params, alone, 1e7, method="exact", dtype=float)
    assert np.isfinite(g).all()
    assert np.abs(g[-1]).max() < 1e-10
    if is_receptor(ROWS[name]):
        fast = params._replace(**{kernel.Params._fields[0]: 8000.0 * np.ones(N)})
        state, g = synkin.simulate(kernel, fast, inputs[:T], 10.0, method="exact", dtype=float)
        occupied = np.array([getattr(state, field) for field in state._fields if "pulse_left" not in field])
        assert occupied.min() >= 0
        # A G protein is no occupancy, and the occupancies of a sum are those of two receptors.
        if name != "ampa+desensitising" and kernel.structure.linear_output:
            assert occupied.sum(axis=0).max() <= 1 + 1e-14
            assert g.min() >= 0
            assert 1e-3 < g.max() <= 1 + 1e-14


def test_a_gate_that_is_fast_beside_a_step():
    """Where a table of its integrals is not good enough they are computed in each step."""
    kernel, params, inputs = problem("wang_nmda")
    fast = params._replace(alpha=np.full(N, 5.0), tau_s=np.full(N, 0.05), tau_x=np.full(N, 0.2))
    rest = kernel.init(fast, (N,), dtype=float)
    _, g = synkin.simulate(kernel, fast, inputs[:T], 1.0, state=rest, method="exact", dtype=float)
    assert error(g, expected("wang_nmda", fast, inputs[:T], 1.0)) < 1e-9


def one(params, i):
    return type(params)(*(value[i] for value in params))


def events(name, i, order=slice(None), count=40):
    """The parameters, times and weights of a synapse, in the given order and with padding; an input's delay, ms."""
    _, params, inputs = problem(name)
    spiked, later = np.flatnonzero(inputs[:, i]), not is_receptor(ROWS[name])
    at = np.full(count, np.inf)
    at[: spiked.size] = (spiked + later) * 0.1
    weights = np.resize(inputs[spiked, i], count)[order]
    return one(params, i), at[order], {"weights": weights} if later else {}, 0.1 * later


TIMES = (np.arange(2 * T) + 1) * 0.1


@pytest.mark.parametrize("name", rows("alpha", "ampa", "expon", "dual_expon", "cascade", "bionmda"))
def test_respond_solves_the_equations(name):
    """Of spikes and times in any order, with padding; also late, where times are known to 1e-10 ms."""
    kernel, rng = ROWS[name].kernel, np.random.default_rng(5)
    for i in range(N):
        own, at, given, _ = events(name, i, rng.permutation(40))
        shuffled, g = rng.permutation(2 * T), np.empty(2 * T)
        g[shuffled] = synkin.respond(kernel, own, at, TIMES[shuffled], dtype=float, **given)
        assert error(g, solved(name, 0.1)[:, i]) < ROWS[name].tolerance[0]
        # A sample between the points of the grid, as rounding may decide on which side of a jump it is.
        late = synkin.respond(kernel, own, at + LATE, TIMES + LATE + 1e-7, dtype=float, **given)
        assert error(late, g) < 1e-5
    # After 10,000,000 ms all is at rest, and a spike is answered as the first was.
    at[:2], at[2:] = (0.0, 1e7), np.inf
    times = np.resize([1.0, 5.0, 20.0, 1e7 + 1, 1e7 + 5, 1e7 + 20, 9e6], 2 * T)
    given = {"weights": np.ones(40)} if given else {}
    g = np.asarray(synkin.respond(kernel, own, at, times, dtype=float, **given))
    assert abs(g[6]) < 1e-10 < np.abs(g[:3]).max()
    np.testing.assert_allclose(g[3:6], g[:3], rtol=0, atol=1e-7 * np.abs(g).max())


@pytest.mark.parametrize("name", rows("alpha", "ampa"))
def test_respond_goes_on_from_a_state(name):
    """What a kernel that takes weights is given in the last step of the first half is in the state already."""
    half, *_ = halves(name, 0.1)
    for i in range(N):
        own, at, given, delay = events(name, i)
        after = np.where(at > (T - 0.5) * 0.1 + delay, at, np.inf)
        g = synkin.respond(ROWS[name].kernel, own, after, TIMES[T:], state=one(half, i), t0=T * 0.1 - 1e-9, **given)
        assert error(g, solved(name, 0.1)[T:, i]) < 1e-7


@pytest.mark.parametrize("name", rows("alpha", "ampa"))
def test_steps_are_the_run(name):
    """Those of a stepper, in a scan, and those of the kernel; from the middle of a pulse on."""
    kernel, params, inputs = problem(name)
    half, _, final, second = halves(name, 0.1)
    stepper = synkin.stepper(kernel, params, 0.1, method="exact", dtype=float)
    carry, g = jax.lax.scan(stepper.step, stepper.init(state=half), inputs[T:])
    assert error(g, second) < ROWS[name].tolerance[0]
    close(stepper.state(carry), final, rtol=1e-8 if ROWS[name].dear else 1e-11)
    stepped(name, half, second, "exact", 1e-9 if ROWS[name].dear else 1e-12)


def stepped(name, state, g, method, rtol):
    """Some steps of the kernel are those of the run."""
    kernel, params, inputs = problem(name)
    for i in range(10):
        moved, found = kernel.step(params, state, LATE, inputs[T + i], 0.1, method=method)
        close_to(found, g[i], rtol=rtol)
        same_kind(moved, state)
        state = moved


@pytest.mark.parametrize("name", rows("alpha", "ampa", "bionmda", "dual_expon", "nmda5", only=lambda row: row.solution))
def test_the_vector_field_is_the_equations(name):
    """With transmitter and without; and a short step goes along it."""
    kernel, params, inputs = problem(name)
    rng, solution, pulsed = np.random.default_rng(4), SOLUTIONS[name], is_receptor(ROWS[name])
    state = kernel.State(*(jnp.asarray(rng.uniform(0.05, 0.2, N)) for _ in kernel.State._fields))
    y = np.array([getattr(state, field) for field in solution.variables])
    for T_now in (0.0 * params.T, params.T) if pulsed else (0.0,):
        got = kernel.vector_field(params, state, T_now)
        same_kind(got, state)
        for field, derivative in zip(solution.variables, solution.rhs(y, params, T_now), strict=True):
            close_to(getattr(got, field), derivative, rtol=1e-12)
        if pulsed:
            assert not got.pulse_left.any()
            state = state._replace(pulse_left=jnp.full(N, 0.5 if T_now.any() else 0.0))
        if not ROWS[name].dear:
            after, _ = kernel.step(params, state, 0.0, np.zeros_like(inputs[0]), 1e-6, method="exact")
            for field in solution.variables:
                moved = (getattr(after, field) - getattr(state, field)) / 1e-6
                np.testing.assert_allclose(moved, getattr(got, field), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", rows("ampa", only=is_receptor))
def test_ignored_spikes_solve_the_equations(name):
    """overlap="ignore": a spike during a pulse does nothing, one at its very end counts."""
    kernel, params, spikes = problem(name)
    spikes = spikes[:T] | (np.arange(T)[:, None] % 7 < 3)
    # The first synapse's pulse is two steps: the third spike of each burst comes as it ends.
    lengths = {field: np.array([0.2, *getattr(params, field)[1:]]) for field in params._fields if "T_dur" in field}
    params = params._replace(**lengths)
    _, g = synkin.simulate(kernel, params, spikes, 0.1, method="exact", overlap="ignore", dtype=float)
    assert error(g, expected(name, params, spikes, 0.1, "ignore")) < ROWS[name].tolerance[0]
    assert error(g, expected(name, params, spikes, 0.1)) > 1e-3


def with_exp_euler(row):
    return "exp_euler" in row.kernel.methods and not all(part.always_exact for part in row.kernel.parts)


@pytest.mark.parametrize("name", rows("alpha", "ampa", "bionmda", only=with_exp_euler))
def test_exp_euler_is_one_run(name):
    """As a whole, in chunks, in steps."""
    kernel, params, inputs = problem(name)
    half, first = synkin.simulate(kernel, params, inputs[:T], 0.1, dtype=float)
    final, second = synkin.simulate(kernel, params, inputs[T:], 0.1, state=half, t0=LATE)
    stepper = synkin.stepper(kernel, params, 0.1, dtype=float)
    carry, g = jax.lax.scan(stepper.step, stepper.init(N), inputs)
    close_to(g, np.concatenate([first, second]), rtol=1e-12)
    close(stepper.state(carry), final)
    stepped(name, half, second, "exp_euler", 1e-12)


@pytest.mark.parametrize("name", rows("alpha"))
def test_parallel_is_serial(name):
    kernel, params, inputs = problem(name)
    half, _, final, second = halves(name, 1.0)
    last, g = synkin.simulate(kernel, params, inputs[T:], 1.0, state=half, method="exact", parallel=True)
    assert error(g, second) < 1e-12
    close(last, final)


@pytest.mark.parametrize("name", rows("alpha", "ampa", "dual_expon"))
def test_single_precision(name):
    """A state of float32 stays one, whatever the mode and the dtype of the parameters, and is as exact as that is."""
    kernel, params, inputs = problem(name)
    final, g = synkin.simulate(kernel, params, inputs[:T], 0.1, method="exact", dtype="float32")
    assert {g.dtype, *(leaf.dtype for leaf in final)} == {np.dtype("float32")}
    assert error(g, solved(name, 0.1)[:T]) < 4e-6


@pytest.mark.parametrize("name", wide(["alpha", "ampa", "bionmda", "nmda5", "gabab", "oscillator"], ["alpha"]))
def test_a_million_steps_in_single_precision(name):
    """Against the same run in float64, over all of it."""
    kernel, spikes = ROWS[name].kernel, np.random.default_rng(0).random(1_000_000) < 0.002
    given = spikes if is_receptor(ROWS[name]) else spikes * 1.0
    runs = [
        synkin.simulate(kernel, kernel.Params(), given, 0.1, method="exact", dtype=d)[1] for d in (float, "float32")
    ]
    assert error(runs[1], runs[0]) < {"oscillator": 1e-6, "gabab": 6e-6}.get(
        name, 2e-6
    )  # gabab: 5.2e-6, a fourth power
