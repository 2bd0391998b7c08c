"""A search through all legal parameters for a draw that breaks what holds for every one of them.

Rates from 0 to 10,000 /ms, steps from 0.0001 to 100 ms, pulses from 0 to 10,000 ms (many of them whole steps long,
where rounding would like to decide), transmitter from 0 to 100 mM, time constants from 0.001 to 10,000 ms, trains
from empty to a spike at every step. A draw is one synapse; all draws of a batch are run at once, by one program.

    outside     how far g leaves 0 to 1, or, of weights, passes their sum times the peak of a response
    less        how far spikes more lower g, as "restart" only ever prolongs a pulse; weights: how far g is no sum
    alone       g where nothing comes, and what that changes elsewhere
    values, slopes, second     whether g or a state, a first, a second derivative of the run is not finite
    chunks      the run cut in two, handed over as a state: the difference from the whole run
    steps       the kernel's ``step`` in a scan: the difference from the run
    respond     between events, off the grid: the difference from the run ("exact" only)

Differences are relative to the largest g, in units of what rounding explains (`unit`).
"""

from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from tests.contract.table import wide
from tests.helpers.precision import enable_x64

STEPS, CUT = 16, 5
GROUPS, SIZE = 20, 50  # steps dt, and draws that share one
# What is allowed, in the units above.
LIMITS = {"outside": 4.0, "less": 8.0, "alone": 0.0, "values": 0.0, "slopes": 0.0, "second": 0.0}
LIMITS |= {"chunks": 8.0, "steps": 8.0, "respond": 64.0}
# bionmda's quadrature over a step of dt resolves rates of g, and of x, times dt up to these, to this accuracy.
RESOLVED_G, RESOLVED_X, ACCURACY = 20.0, 5.0, 5e-7
# A run reads the quadrature off a table, and a step by itself does it. In single precision rounding hides the
# difference; in double precision it is this, where both rates are resolved, where that of x is, and anywhere.
TABLE = 1e-11, 1e-6, 1e-2


class Draws(NamedTuple):
    """One batch."""

    params: Any  # each (groups, size)
    dt: np.ndarray  # (groups,) ms
    inputs: np.ndarray  # (groups, STEPS, size)


def log_uniform(rng, low, high, shape):
    return np.exp(rng.uniform(np.log(low), np.log(high), shape))


def or_zero(rng, values):
    return np.where(rng.random(values.shape) < 0.1, 0.0, values)


def few_digits(x, bits=12):
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.round(np.ldexp(mantissa, bits)), exponent - bits)


def lengths(rng, dt):
    """Of pulses: whole steps, anything, or some steps."""
    shape = GROUPS, SIZE
    steps = rng.integers(1, STEPS, shape) * dt[:, None]
    anything = or_zero(rng, log_uniform(rng, 1e-3, 1e4, shape))
    some_steps = dt[:, None] * log_uniform(rng, 1e-2, STEPS, shape)
    return np.choose(rng.integers(0, 3, shape), [np.minimum(steps, 1e4), anything, np.minimum(some_steps, 1e4)])


def draw(kernel, rng, dtype):
    """A batch of random draws."""
    shape, params = (GROUPS, SIZE), {}
    dt = log_uniform(rng, 1e-4, 1e2, GROUPS)
    # Every other one of a few digits, so that its multiples are exact in single precision too.
    dt = np.asarray(np.where(np.arange(GROUPS) % 2, dt, few_digits(dt)), dtype).astype(float)
    for field in kernel.Params._fields:
        if field.startswith("tau"):
            params[field] = log_uniform(rng, 1e-3, 1e4, shape)
        elif field == "amplitude":
            params[field] = rng.normal(size=shape)
        elif field == "T_dur":
            params[field] = lengths(rng, dt)
        else:
            params[field] = or_zero(rng, log_uniform(rng, *((1e-2, 1e2) if field == "T" else (1e-5, 1e4)), shape))
    if "tau_rise" in params:  # the two may be equal, or nearly so
        decay = params["tau_decay"]
        near = decay * (1 + 10.0 ** rng.uniform(-8, -1, shape))
        params["tau_rise"] = np.choose(np.minimum(rng.integers(0, 4, shape), 2), [decay, near, params["tau_rise"]])
    inputs = rng.random((GROUPS, STEPS, SIZE)) < rng.choice([0.0, 0.1, 0.3, 0.7, 1.0], (GROUPS, 1, SIZE))
    if kernel.input.takes_weights:
        inputs = np.asarray(inputs * rng.normal(size=inputs.shape), dtype)
    params = {field: np.asarray(values, dtype) for field, values in params.items()}
    return Draws(kernel.Params(**params), np.asarray(dt, dtype), inputs)


@partial(jax.jit, static_argnames=("kernel", "method", "overlap"))
def run(kernel, params, dt, inputs, method, overlap):
    """State at the end, and g, (groups, STEPS, size)."""

    def group(params, dt, inputs):
        return synkin.simulate(kernel, params, inputs, dt, dtype=dt.dtype, method=method, overlap=overlap)

    return jax.vmap(group)(params, dt, inputs)


@partial(jax.jit, static_argnames=("kernel", "method", "overlap"))
def runs(kernel, params, dt, inputs, method, overlap):
    """g of a run in two parts and of a scan over the kernel's step, (groups, STEPS, size) each; and whether all first
    and second derivatives are finite, (groups, 2, size)."""
    options = {"method": method, "overlap": overlap}

    def group(params, dt, inputs):
        def loss(params):
            g = synkin.simulate(kernel, params, inputs, dt, dtype=dt.dtype, **options)[1]
            return jnp.sum(g * jnp.cos(jnp.arange(STEPS, dtype=dt.dtype))[:, None])

        derivatives = jax.jvp(jax.grad(loss), (params,), (jax.tree.map(jnp.ones_like, params),))
        finite = [jnp.stack([*map(jnp.isfinite, x)]).all(axis=0) for x in derivatives]
        state, one = synkin.simulate(kernel, params, inputs[:CUT], dt, dtype=dt.dtype, **options)
        _, two = synkin.simulate(kernel, params, inputs[CUT:], dt, state=state, **options)

        def body(state, spike):
            return kernel.step(params, state, 0.0, spike, dt, **options)

        _, stepped = jax.lax.scan(body, kernel.init(params, inputs.shape[1:], dtype=dt.dtype), inputs)
        return jnp.concatenate([one, two]), stepped, jnp.stack(finite)

    return jax.vmap(group)(params, dt, inputs)


@partial(jax.jit, static_argnames=("kernel", "overlap"))
@partial(jax.vmap, in_axes=(None, 0, 0, 0, 0, None))
@partial(jax.vmap, in_axes=(None, 0, 0, 0, 0, None))
def respond(kernel, params, spike_times, weights, times, overlap):
    """g of each draw at times of its own: (groups, size, times)."""
    given = {"weights": weights} if kernel.input.takes_weights else {"overlap": overlap}
    return synkin.respond(kernel, params, spike_times, times, dtype=times.dtype, **given)


def responses(kernel, draws, overlap):
    """`respond` for a batch: g at the end of each step, (groups, STEPS, size), and the largest anywhere."""
    inputs, dt = np.swapaxes(draws.inputs, 1, 2), draws.dt[:, None, None].astype(float)
    weighted, grid = kernel.input.takes_weights, np.arange(STEPS + 1) * dt
    begins, ends = np.broadcast_arrays(grid[..., :-1], grid[..., 1:], inputs)[:2]
    spike_times = np.where(inputs != 0, ends if weighted else begins, np.inf)
    order = np.argsort(spike_times, axis=-1, kind="stable")
    # Within a step g is largest about where a pulse ends.
    times = np.concatenate([ends, begins + (dt / 2 if weighted else np.minimum(draws.params.T_dur[..., None], dt))], -1)
    given = (np.take_along_axis(spike_times, order, -1), np.take_along_axis(inputs, order, -1), times)
    g = respond(kernel, draws.params, *(np.asarray(x, draws.dt.dtype) for x in given), overlap)
    g = np.asarray(g, float)
    return np.swapaxes(g[..., :STEPS], 1, 2), np.abs(g).max(axis=-1)


def unit(kernel, draws):
    """What one rounding of each time may do to g, relative to its largest value: (groups, size).

    A time is known to an eps of itself, and within so little g moves by its fastest rate.
    """
    p, dt = {name: np.asarray(x, float) for name, x in draws.params._asdict().items()}, draws.dt[:, None].astype(float)
    if kernel.input.takes_weights:
        rate, length = sum(1 / x for name, x in p.items() if name.startswith("tau")), dt
    else:
        rate = p["alpha" if "alpha" in p else "alpha2"] * p["T"]
        rate = rate + sum(p.get(name, 0) for name in ("beta", "alpha1", "beta1", "beta2"))
        length = np.minimum(p["T_dur"], STEPS * dt) + dt
    return np.finfo(draws.dt.dtype).eps * (1 + rate * length)


def apart(got, expected, size):
    """The largest difference of each draw, over ``size``, (groups, size); not finite counts as infinitely far."""
    with np.errstate(invalid="ignore"):
        off = np.abs(np.asarray(got, float) - np.asarray(expected, float)).max(axis=1) / size
    return np.where(np.isfinite(off), off, np.inf)


def simply(kernel, draws, method, overlap):
    """g, and the deviations that need no more than runs of one length, (groups, size)."""
    params, dt, inputs = draws
    weighted, eps = kernel.input.takes_weights, float(np.finfo(dt.dtype).eps)
    others, more = np.arange(SIZE) % 3 > 0, np.roll(inputs, 1, axis=2)

    def g_of(inputs):
        return np.asarray(run(kernel, params, dt, inputs, method, overlap)[1], float)

    final, g = run(kernel, params, dt, inputs, method, overlap)
    finite = np.stack([np.isfinite(leaf) for leaf in final]).all(axis=0) & np.isfinite(g).all(axis=1)
    g, alone = np.asarray(g, float), g_of(inputs * others.astype(inputs.dtype))
    both = g_of(inputs + more if weighted else inputs | more)
    found = {"values": 1.0 - finite, "alone": np.abs(alone - g * others).max(axis=1)}
    if weighted:
        # "exp_euler" of alpha overshoots where the step is long beside tau, but never the drive itself.
        peak = np.exp(-1) if (kernel.name, method) == ("alpha", "exact") else np.abs(getattr(params, "amplitude", 1.0))
        bound = peak * np.abs(inputs).sum(axis=1) * (1 + 1e-4) + 1e-30
        found["outside"] = np.maximum(np.abs(g).max(axis=1) / bound - 1, 0) / eps
        size = np.abs(g_of(np.abs(inputs) + np.abs(more))).max(axis=1)  # where nothing cancels
        found["less"] = np.abs(both - g - g_of(more)).max(axis=1) / (5 * eps * size + 1e-30)
    else:
        found["outside"] = np.maximum(-g, g - 1).max(axis=1) / eps
        if overlap == "restart":
            found["less"] = np.maximum(g - both, 0).max(axis=1) / unit(kernel, draws)
    return g, found


def measure(kernel, draws, method, overlap):
    """Each deviation of each draw, (groups, size)."""
    dtype, exact = draws.dt.dtype, method == "exact"
    g, found = simply(kernel, draws, method, overlap)
    chunks, steps, finite = runs(kernel, *draws, method, overlap)
    found |= dict(zip(("slopes", "second"), 1.0 - np.swapaxes(np.asarray(finite), 0, 1), strict=True))
    size, (sampled, largest) = np.abs(g).max(axis=1), responses(kernel, draws, overlap) if exact else (0, 0)
    if kernel.input.takes_weights:
        size = np.maximum(size, np.abs(draws.inputs).max(axis=1) * 1e-3 + 1e-30)
    else:
        size = np.maximum(size, np.finfo(dtype).tiny / np.finfo(dtype).eps)
        if kernel.structure.gated:  # between samples it may open and close: its steps are as exact as that is large
            size = np.maximum(size, largest)
    one, table = unit(kernel, draws), 0.0
    slow_g, slow_x = resolved(draws) if kernel is synkin.bionmda else (True, True)
    if kernel.structure.gated and exact and dtype == np.float64:
        table = np.select([slow_g & slow_x, slow_x], TABLE[:2], TABLE[2])
    found["chunks"], found["steps"] = apart(chunks, g, size) / (one + table), apart(steps, g, size) / (one + table)
    if exact:
        off = apart(sampled, g, np.maximum(size, largest)) / (one + ACCURACY * (kernel is synkin.bionmda))
        comparable = np.ones(off.shape, bool) & slow_g & slow_x
        if dtype == np.float32:  # whose times are exact for steps of a few digits only
            comparable &= (draws.dt == few_digits(draws.dt))[:, None]
        if overlap == "ignore":  # where a spike meets the end of a pulse, a rounded time does not say which was first
            whole = draws.params.T_dur / draws.dt[:, None]
            comparable &= np.abs(whole - np.round(whole)) > 0.01
        found["respond"] = np.where(comparable, off, 0.0)
    return found


def resolved(draws):
    """Whether bionmda's quadrature over a step resolves the rates of g, and those of x: (groups, size) each."""
    p, dt = draws.params, draws.dt[:, None]
    return (p.alpha1 + p.beta1) * dt <= RESOLVED_G, (p.alpha2 * p.T + p.beta2) * dt <= RESOLVED_X


def told(draws, found):
    """What is wrong, with the parameters of an example each."""
    lines = []
    for name, values in found.items():
        wrong = ~(values <= LIMITS[name])
        if wrong.any():
            at = np.unravel_index(np.argmax(np.where(wrong, values, -1)), values.shape)
            params = {field: float(x[at]) for field, x in draws.params._asdict().items()}
            inputs = draws.inputs[at[0], :, at[1]].tolist()
            lines.append(f"{name}: {wrong.sum()} draws, {values[at]:.3g}: {params}, dt={draws.dt[at[0]]!r}, {inputs}")
    return lines


def once(kernel, dtype, dt, values):
    """A batch of one set of parameters, each draw with another pattern of spikes."""
    every = 1 + np.arange(GROUPS * SIZE).reshape(GROUPS, 1, SIZE) % STEPS
    params = kernel.Params(*(np.full((GROUPS, SIZE), value, dtype) for value in values))
    return Draws(params, np.full(GROUPS, dt, dtype), np.arange(STEPS)[:, None] % every == 0)


DEAR = "bionmda", "exact"  # takes long to compile
# Of "exact", "restart" and float32: the kernel, dt and the values of the parameters.
ONCE_BROKEN = {
    "fast binding in long steps": ("ampa", 27.069685, (2708.0, 771.0, 95.0, 216.55752)),
    "a slope where nothing closes g and x is soon over":
        ("bionmda", 0.2689208984375, (52.7011, 0.0, 0.0168866, 35.499, 32.6781, 0.258412)),
    "a slope where almost nothing happens": ("bionmda", 3.59, (0.397, 12.5, 1.4e-3, 3.5e-6, 0.0106, 0.742)),
    "a gate that is fast but for an x that is small":
        ("bionmda", 11.62, (112.1, 0.5811, 1.781e-05, 0.02419, 0.08547, 0.5559)),
    # x rises, decays and opens g within a step.
    "hard for the quadrature": ("bionmda", 1.0, (4010, 0.127, 58500, 154, 1, 0.308)),
    "hard for the quadrature, more slowly": ("bionmda", 1.0, (1530, 0.0762, 401, 128, 1, 0.533)),
    "hard for the quadrature, a short pulse": ("bionmda", 1.0, (521, 0.252, 217000, 79.5, 1, 0.000261)),
}  # fmt: skip


def test_step_by_step_no_spike_is_dropped():
    """A spike every 24 steps and pulses of as many, whose end is then the next one's start."""
    kernel, dt, T = synkin.ampa, np.float32(0.1), 240
    params, spikes = kernel.Params(T_dur=2.4), (np.arange(T) % 24 == 0)[:, None]
    options = {"method": "exact", "overlap": "ignore"}
    _, g = synkin.simulate(kernel, params, spikes, dt, **options)
    step = jax.jit(partial(kernel.step, **options))
    state, worst = kernel.init(params, (1,)), 0.0
    for row, spike in zip(np.asarray(g), spikes, strict=True):
        state, stepped = step(params, state, 0.0, spike, dt)
        worst = max(worst, float(np.abs(stepped - row).max()))
    assert worst < 1e-5


# Every kernel with equations of its own, method and overlap, in one precision or the other.
CASES = [
    ("ampa", "exact", "restart", "float32"), ("ampa", "exp_euler", "restart", "float64"),
    ("ampa", "exact", "ignore", "float64"), ("ampa", "exp_euler", "ignore", "float32"),
    ("bionmda", "exact", "restart", "float32"), ("bionmda", "exact", "ignore", "float64"),
    ("bionmda", "exp_euler", "restart", "float64"), ("bionmda", "exp_euler", "ignore", "float32"),
    ("alpha", "exact", "restart", "float32"), ("alpha", "exp_euler", "restart", "float64"),
    ("expon", "exact", "restart", "float64"), ("dual_expon", "exact", "restart", "float64"),
    ("dual_expon", "exact", "restart", "float32"),
]  # fmt: skip


IGNORED = (*DEAR, "ignore", "float64")  # its derivatives take two minutes to compile, and are those of ampa
SIMPLY = [(case,) for case in CASES if case[:2] != DEAR and case[2] == "restart"]


@pytest.mark.parametrize("case", wide([*SIMPLY, (IGNORED,)], SIMPLY), ids=str)
def test_runs(case):
    """What needs no more than runs of one length."""
    check(case, lambda *given: simply(*given)[1])


@pytest.mark.wide
@pytest.mark.parametrize("case", [case for case in CASES if case != IGNORED], ids=str)
def test_all_ways_and_derivatives(case):
    check(case, measure)


def check(case, measure):
    name, method, overlap, dtype = case
    kernel = synkin.KERNELS[name]
    batches = {f"seed {seed}": draw(kernel, np.random.default_rng(seed), dtype) for seed in range(5)}
    if case[1:] == ("exact", "restart", "float32"):
        batches |= {what: once(kernel, dtype, *row) for what, (of, *row) in ONCE_BROKEN.items() if of == name}
    with enable_x64() if dtype == "float64" else nullcontext():
        found = {what: told(draws, measure(kernel, draws, method, overlap)) for what, draws in batches.items()}
    assert not any(found.values()), found
