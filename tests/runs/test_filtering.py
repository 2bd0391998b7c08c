"""Filters behind g: against scipy's filters and solver, all derivatives, and where g has no matrix."""

import pickle
import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal
from scipy.integrate import solve_ivp

import synkin
from synkin import bessel, concentration_jumps, one_pole, respond, schemes
from synkin.solving.filters import above_half_the_sampling_rate
from tests.helpers import differences

SPIKES = np.array([1.0, 2.2, 9.0])
TIMES = np.array([0.0, 1.0, 1.1, 1.4, 1.7, 2.2, 2.35, 2.6, 3.5, 6.0, 9.0, 9.2, 10.0, 14.0, 30.0])
SUM = synkin.ampa + schemes.nmda5


def wide(*case):
    """A case that takes long and has a shorter neighbour."""
    return pytest.param(*case, marks=pytest.mark.wide)


SLOW = wide(synkin.bionmda)
AMPLIFIER = bessel(4, 1.0)
CHAIN = one_pole(0.3), bessel(5, 3.0), one_pole(0.3)  # the same pole twice
close = np.testing.assert_allclose


def equations(kernel):
    """The equations with numbers, the variables at rest, what g is of them, and what a spike adds: all by hand."""
    if kernel is synkin.dual_expon:
        rise, decay = 1.0, 10.0
        at = np.log(decay / rise) / (1 / rise - 1 / decay)
        height = (np.exp(-at / decay) - np.exp(-at / rise)) / (1 / rise - 1 / decay)
        return lambda y, age: [-y[0] / rise, -y[1] / decay + y[0]], [0, 0], lambda y: y[1] / height, [1, 0], []
    if kernel is synkin.ampa:
        return lambda y, age: [0.98 * 0.5 * (age < 0.5) * (1 - y[0]) - 0.18 * y[0]], [0], lambda y: y[0], [0], [0.5]
    if kernel is synkin.bionmda:

        def derivatives(y, age):
            return [(age < 0.5) * (1 - y[0]) - 0.5 * y[0], 2 * y[0] * (1 - y[1]) - 0.01 * y[1]]

        return derivatives, [0, 0], lambda y: y[1], [0, 0], [0.5]
    if kernel is schemes.nmda5:
        rates = [np.asarray(kernel.generator(kernel.Params(), T), float) for T in (0.0, 1.0)]
        at = kernel.states.index("O")
        return lambda y, age: rates[int(age < 1)] @ y, np.eye(5)[0], lambda y: y[at], np.zeros(5), [1.0]
    first, second = equations(synkin.ampa), equations(schemes.nmda5)
    return (
        lambda y, age: np.concatenate([first[0](y[:1], age), second[0](y[1:], age)]),
        np.concatenate([first[1], second[1]]),
        lambda y: first[2](y[:1]) + second[2](y[1:]),
        np.zeros(6),
        [0.5, 1.0],
    )


def followed(kernel, chain, times=TIMES):
    """What scipy makes of the equations with those of its own filters behind them."""
    derivatives, rest, g_of, added, ends = equations(kernel)
    n, systems = len(rest), []
    for each in chain:
        if isinstance(each, type(AMPLIFIER)):
            systems.append(signal.tf2ss(*signal.bessel(each.order, 2 * np.pi * each.kHz, analog=True, norm="mag")))
        else:
            systems.append(signal.tf2ss([1 / each.tau], [1, 1 / each.tau]))
    sizes = [len(a) for a, *_ in systems]
    parts = np.split(np.arange(n, n + sum(sizes)), np.cumsum(sizes)[:-1])

    def slope(t, y, spike):
        given, slopes = g_of(y[:n]), [derivatives(y[:n], t - spike)]
        for (a, b, c, d), own in zip(systems, parts, strict=True):
            slopes.append(a @ y[own] + b[:, 0] * given)
            given = (c @ y[own])[0] + d[0, 0] * given
        return np.concatenate(slopes)

    def recorded(y):
        return (systems[-1][2] @ y[parts[-1]])[0]

    y, now, spike, found = np.concatenate([rest, np.zeros(sum(sizes))]), min(times), -np.inf, []
    moments = sorted({*times, *SPIKES, *(s + end for s in SPIKES for end in ends)})
    for moment in moments:
        if moment > now:
            middle = partial(slope, spike=spike)
            # The pulse is on or off throughout, whatever rounding makes of the last moment.
            start, length = now, moment - now
            fixed = lambda s, y, middle=middle, start=start, length=length: middle(  # noqa: E731
                start + min(max(s, 1e-9 * length), length * (1 - 1e-9)), y
            )
            y = solve_ivp(fixed, (0, length), y, method="DOP853", rtol=1e-12, atol=1e-15, max_step=0.5).y[:, -1]
            now = moment
        if moment in SPIKES:
            spike = moment
            y[:n] += added
        if moment in times:
            found.append(recorded(y))
    return np.array(found)


@pytest.mark.parametrize("order", range(1, 11))
def test_bessel_is_scipys(order, x64):
    kHz = 2.5
    frequencies = np.geomspace(0.01, 50, 30)
    got = bessel(order, kHz).response(frequencies)
    design = signal.bessel(order, 2 * np.pi * kHz, analog=True, norm="mag", output="zpk")
    close(got, signal.freqs_zpk(*design, 2 * np.pi * frequencies)[1], rtol=1e-12)
    close(abs(bessel(order, kHz).response(kHz)) ** 2, 0.5, rtol=1e-12)
    time, height = signal.step(signal.ZerosPolesGain(*design), T=np.linspace(0, 1.5, 30001))
    rise = np.interp(0.9, height[: height.argmax()], time[: height.argmax()]) - np.interp(
        0.1, height[: height.argmax()], time[: height.argmax()]
    )
    close(bessel(order, kHz).rise_time, rise, rtol=1e-5)


def test_one_pole(x64):
    filter = one_pole(0.4)
    close(filter.cutoff, 1 / (2 * np.pi * 0.4), rtol=1e-14)
    close(abs(filter.response(filter.cutoff)) ** 2, 0.5, rtol=1e-14)
    close(filter.rise_time, 0.4 * np.log(9), rtol=1e-12)


def test_filters_are_values():
    assert bessel(4, 2.0) == bessel(4, 2) != bessel(4, 3.0)
    assert bessel(1, 2.0) != one_pole(2.0)
    assert len({bessel(4, 2.0), bessel(4, 2.0), one_pole(2.0)}) == 2
    assert pickle.loads(pickle.dumps(bessel(4, 2.0))) == bessel(4, 2.0)
    assert repr(bessel(4, 2.0)) == "Bessel(order=4, kHz=2.0)"
    assert jax.tree.map(lambda x: 2 * x, (bessel(4, 2.0), one_pole(0.5))) == (bessel(4, 4.0), one_pole(1.0))
    with pytest.raises(AttributeError):
        bessel(4, 2.0).kHz = 1.0


@pytest.mark.parametrize(
    ("kernel", "chain"),
    [
        (synkin.ampa, (AMPLIFIER,)),
        *((kernel, CHAIN) for kernel in (synkin.dual_expon, schemes.nmda5)),
        *(wide(kernel, (AMPLIFIER,)) for kernel in (synkin.dual_expon, schemes.nmda5)),
        *(wide(kernel, CHAIN) for kernel in (synkin.ampa, SUM, synkin.bionmda)),
    ],
    ids=lambda each: each.name if hasattr(each, "name") else "one" if each is not CHAIN else "several",
)
def test_against_scipy(kernel, chain, x64):
    expected = followed(kernel, chain)
    run = partial(respond, kernel, kernel.Params(), SPIKES, TIMES)
    close(run(filter=chain), expected, rtol=0, atol=1e-10 * expected.max())
    close(run(filter=chain, dtype="float32"), expected, rtol=0, atol=1e-5 * expected.max())
    if len(chain) == 1:
        np.testing.assert_array_equal(run(filter=chain[0]), run(filter=chain))
        # All that is there may be traced.
        traced = jax.jit(partial(respond, kernel))(kernel.Params(), SPIKES, TIMES, filter=chain)
        close(traced, expected, rtol=0, atol=1e-10 * expected.max())


@pytest.mark.parametrize("kernel", [wide(synkin.ampa), SLOW], ids=lambda kernel: kernel.name)
def test_wherever_samples_are(kernel, x64):
    """Their number, order and distance do not matter; nor does the place in time of numbers that are known."""
    params, filter = kernel.Params(), (bessel(4, 0.7), one_pole(0.05))
    fine = np.linspace(0, 40, 801)
    whole = np.asarray(respond(kernel, params, SPIKES, fine, filter=filter))
    for times in (fine[::200], fine[::-1][::97], fine[[300]]):
        expected = whole[np.searchsorted(fine, times)]
        close(respond(kernel, params, SPIKES, times, filter=filter), expected, rtol=0, atol=1e-12)
    shifted = respond(kernel, params, SPIKES + 1e7, fine[::40] + 1e7, filter=filter, dtype="float32")
    close(shifted, whole[::40], rtol=0, atol=3e-6)
    late = respond(kernel, params, SPIKES, [1e6, 1e8], filter=filter)
    close(late, respond(kernel, params, SPIKES, [1e6, 1e8]), rtol=1e-9, atol=1e-15)


def test_a_filter_passes_charge_and_what_is_constant(x64):
    """The integral of g stays; a state that is held is at rest in the filter too."""
    times = np.linspace(0, 300, 30001)
    plain, behind = (respond(synkin.ampa, synkin.ampa.Params(), SPIKES, times, filter=f) for f in (None, CHAIN))
    # The trapezoid rule is off by 7e-7 of the whole at the kinks of what is not filtered.
    close(np.trapezoid(behind, times), np.trapezoid(plain, times), rtol=2e-6)
    params = schemes.nmda5.Params(koff=0.0, beta=0.0, alpha=0.0)
    state = schemes.nmda5.init(params, ())._replace(O=0.4)
    close(respond(schemes.nmda5, params, [], [5.0, 9.0], state=state, t0=3.0, filter=CHAIN), 0.4, rtol=1e-12)


@pytest.mark.parametrize("kernel", [wide(synkin.ampa), SLOW, wide(schemes.nmda5)], ids=lambda kernel: kernel.name)
def test_jumps_and_heights(kernel, x64):
    """A pulse is a jump, of any height; what varies may jump as well."""
    params = kernel.Params(T_dur=1.5)
    times = np.linspace(0, 20, 41)
    by_spike = respond(kernel, params, [2.0], times, filter=CHAIN)
    T = float(params.T)
    close(concentration_jumps(kernel, params, [2.0, 3.5], [T], times, filter=CHAIN), by_spike, rtol=0, atol=1e-12)
    by_height = respond(kernel, params._replace(T=2 * T), [2.0], times, weights=[0.5], filter=CHAIN)
    close(by_height, by_spike, rtol=0, atol=1e-12)
    name = kernel.Params._fields[0]
    held = {name: ([0.0, 2.7, 9.0], np.full(2, float(params[0])))}
    close(respond(kernel, params, [2.0], times, varying=held, filter=CHAIN), by_spike, rtol=0, atol=1e-12)
    varied = {name: ([0.0, 2.7, 9.0], np.array([1.0, 0.2]) * float(params[0]))}
    got = respond(kernel, params, [2.0], times, varying=varied, filter=CHAIN)
    jumps = partial(concentration_jumps, kernel, params, [0, 2.0, 2.7, 3.5], [0.0, T, T], times, filter=CHAIN)
    close(got, jumps(varying={name: float(params[0]) * np.array([1.0, 1.0, 0.2])}), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("kernel", "derivative"),
    [
        (synkin.ampa, jax.jacrev),
        wide(synkin.ampa, jax.jacfwd),
        wide(synkin.dual_expon, jax.jacrev),
        wide(synkin.dual_expon, jax.jacfwd),
        wide(synkin.bionmda, jax.jacfwd),  # that of a fit; reverse takes a minute to compile
    ],
)
def test_all_derivatives(kernel, derivative, x64):
    """Parameters (tau_rise, T_dur), spike times, sample times and the filter's numbers, forward and reverse."""
    n = len(kernel.Params._fields)
    x = np.concatenate([np.array(kernel.Params()), SPIKES, [1.3, 2.9, 3.5, 9.6, 12.0], [1.3, 0.3]])

    def g_of(x):
        params, spikes, times, numbers = jnp.split(x, [n, n + 3, n + 8])
        filter = bessel(3, numbers[0]), one_pole(numbers[1])
        return respond(kernel, kernel.Params(*params), spikes, times, filter=filter)

    expected = differences.gradient(jax.jit(g_of), x, one_by_one=True)
    close(jax.jit(derivative(g_of))(x).T, expected, rtol=2e-6, atol=1e-8)


@pytest.mark.wide
def test_vmap_over_filters_and_trains():
    kernel, cutoffs = synkin.ampa, np.array([0.5, 1.0, 4.0])
    trains = np.array([[1.0, np.inf], [1.0, 2.0], [0.5, 9.0]])

    def g_of(train, kHz):
        return respond(kernel, kernel.Params(), train, TIMES, filter=bessel(4, kHz))

    got = jax.vmap(g_of)(trains, cutoffs)
    for row, train, kHz in zip(got, trains, cutoffs, strict=True):
        close(row, g_of(train, kHz), rtol=0, atol=1e-6)
    assert np.ptp(got[:, 4]) > 0.01


@pytest.mark.wide
def test_a_fast_filter_is_none(x64):
    plain, behind = (respond(SUM, SUM.Params(), SPIKES, TIMES[3:], filter=f) for f in (None, bessel(2, 1e5)))
    close(behind, plain, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(respond(SUM, SUM.Params(), SPIKES, TIMES[3:], filter=()), plain)


def test_what_is_refused():
    for order, kHz, said in (
        (0, 1.0, "Argument `order` must be a whole number from 1 to 10, but is 0."),
        (11, 1.0, "Argument `order` must be a whole number from 1 to 10, but is 11."),
        (2.5, 1.0, "Argument `order` must be a whole number from 1 to 10, but is 2.5."),
        (4, 0.0, "Argument `kHz` must be a positive number of kHz, but is 0.0."),
        (4, -1.0, "Argument `kHz` must be a positive number of kHz, but is -1.0."),
        (4, np.nan, "Argument `kHz` must be a positive number of kHz, but is nan."),
    ):
        with pytest.raises(ValueError, match=re.escape(said)):
            bessel(order, kHz)
    with pytest.raises(ValueError, match="`tau` must be a positive number of ms, but is 0"):
        one_pole(0)
    for wrong in (2.0, "bessel", (AMPLIFIER, 3.0), bessel):
        with pytest.raises(TypeError, match=r"Argument `filter` must be a filter such as synkin\.bessel"):
            respond(synkin.ampa, synkin.ampa.Params(), SPIKES, TIMES, filter=wrong)
    with pytest.raises(ValueError, match=r"must be one of ampa \(alpha, beta, T, T_dur\), but is none"):
        respond(synkin.ampa, synkin.ampa.Params(), SPIKES, TIMES, filter=AMPLIFIER, varying={"V": ([0, 1], [1])})
    with pytest.raises(TypeError, match="params"):
        respond(synkin.ampa, synkin.dual_expon.Params(), SPIKES, TIMES, filter=AMPLIFIER)
    nan = jax.jit(lambda kHz: respond(synkin.ampa, synkin.ampa.Params(), SPIKES, TIMES, filter=bessel(4, kHz)))(-1.0)
    assert np.isnan(nan[3:]).all()


def test_above_half_the_sampling_rate():
    said = above_half_the_sampling_rate((one_pole(1.0), bessel(4, 10.0)), 0.1)
    assert said is not None
    assert "cut-off of 10 kHz is above half of the sampling rate (5 kHz)" in said
    assert above_half_the_sampling_rate((one_pole(1.0), bessel(4, 2.0)), 0.1) is None


def test_events_behind_a_filter(x64):
    """Without it their times are late by its delay; with it they are those of the spikes."""
    kernel, filter = synkin.dual_expon, (one_pole(0.1), bessel(4, 1.0))
    params, times, spikes = kernel.Params(tau_rise=0.3, tau_decay=4.0), np.arange(4000) * 0.05, np.array([50.0, 120.0])
    trace = np.asarray(respond(kernel, params, spikes, times, filter=filter))
    trace = 10 * trace + 0.1 * np.random.default_rng(0).normal(size=times.size)
    found = synkin.deconvolve(kernel, params, times, trace, filter=filter)
    late = synkin.deconvolve(kernel, params, times, trace)
    close(found.times, spikes, rtol=0, atol=0.03)
    close(found.weights, 10, rtol=0.02)
    assert (late.times - spikes > 0.2).all()
