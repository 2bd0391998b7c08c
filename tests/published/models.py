"""The synapses of docs/models.md once more, without synkin: the equations of their sources, and SciPy.

What is linear is solved by matrix exponentials, all else by DOP853. Both stop wherever an input jumps. `SOLUTIONS` has
a function for each synapse. It takes the page, of which it uses only the protocol: times, spikes and voltages.
"""

from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm, null_space

SOLUTIONS: dict[str, Callable] = {}


def solution(function):
    SOLUTIONS[function.__name__] = function
    return function


def stepped(slope, start, dt, *inputs, adds=0.0):
    """The variables at the end of each step, (T, n).

    Args:
        slope: ``slope(y, *inputs)``, where the inputs are those of one step, during which they are held.
        start: (n,).
        dt: ms.
        inputs: (T,) each.
        adds: (T, n), or broadcasting: what is added at the end of each step.
    """
    y, out = np.array(start, float), []
    for row in zip(*inputs, np.broadcast_to(adds, (len(inputs[0]), len(y))), strict=True):
        y = moved(slope, y, dt, row[:-1]) + row[-1]
        out.append(y)
    return np.array(out)


def moved(slope, y, duration, inputs):
    solved = solve_ivp(
        lambda _, y: slope(y, *inputs), (0.0, duration), y, method="DOP853", rtol=1e-12, atol=1e-15, first_step=duration
    )
    assert solved.success, solved.message
    return solved.y[:, -1]


def generator(rates):
    """The states in the order in which they come, and the matrix of {(from, to): rate}."""
    states = list(dict.fromkeys(state for pair in rates for state in pair))
    matrix = np.zeros([len(states)] * 2)
    for (start, end), rate in rates.items():
        matrix[states.index(end), states.index(start)] += rate
        matrix[states.index(start), states.index(start)] -= rate
    return states, matrix


def occupied(rates, opened, dt, *inputs, steady=False):
    """The sum of the occupancies of some states at the end of each step, (T,).

    Args:
        rates: ``rates(*inputs)``, the rates in /ms by (from, to). The first state is that of rest.
        opened: names of states.
        dt: ms, or (T,).
        inputs: (T,) each.
        steady: whether to start from the steady state of no transmitter (the first input), instead of the first state.
    """

    @cache
    def propagator(dt, *row):
        return expm(generator(rates(*row))[1] * dt)

    states, matrix = generator(rates(0.0, *(values[0] for values in inputs[1:])))
    y = np.eye(len(states))[0]
    if steady:
        (y,) = null_space(matrix, rcond=1e-13).T
        y = y / y.sum()
    at, out = [states.index(name) for name in opened], []
    for row in zip(np.broadcast_to(dt, len(inputs[0])), *inputs, strict=True):
        y = propagator(*map(float, row)) @ y
        out.append(y[at].sum())
    return np.array(out)


def both_ways(*transitions):
    """Rates of (A, B, forward, backward)."""
    return {pair: rate for a, b, f, r in transitions for pair, rate in (((a, b), f), ((b, a), r))}


def pulses(page, length, heights=1.0):
    """mM in each step: pulses that last whole steps; each replaces the one before."""
    T = np.zeros(len(page["times"]))
    starts = np.flatnonzero(page["spikes"])
    for start, height in zip(starts, np.broadcast_to(heights, len(starts)), strict=True):
        T[start : start + round(length / page["dt"])] = height
        T[start + round(length / page["dt"]) :] = 0.0
    return T


def resources(spike_times, at, U, tau_rec, tau_fac, tau_in):
    """What each spike releases, and what is active at some times, by the equations of Tsodyks et al. 2000."""
    matrix = np.array([[0, 0, 1 / tau_rec], [0, -1 / tau_in, 0], [0, 1 / tau_in, -1 / tau_rec]])  # of x, y and z
    propagator = cache(lambda duration: expm(matrix * duration))
    y, u, now, released, active = np.array([1.0, 0.0, 0.0]), 0.0, 0.0, [], []
    for time, is_spike in sorted([(t, 0) for t in spike_times] + [(t, 1) for t in at]):  # a spike counts at its time
        y, u, now = propagator(round(time - now, 12)) @ y, u * np.exp((now - time) / tau_fac), time
        if is_spike == 0:
            u += U * (1 - u)
            released.append(u * y[0])
            y = y + np.array([-1, 1, 0]) * u * y[0]
        else:
            active.append(y[1])
    return np.array(released), np.array(active)


def mg(V, a=0.062, b=3.57):
    return 1 / (1 + np.exp(-a * V) / b)


# A spike starts a pulse of transmitter


@solution
def destexhe1994(page):
    return stepped(lambda r, T: 2.0 * T * (1 - r) - 1.0 * r, [0.0], page["dt"], pulses(page, 1.0))[:, 0]


@solution
def destexhe1996(page):
    spikes = 5.0 + 3.0 * np.arange(10)
    edges = np.unique(np.concatenate([spikes, spikes + 0.3, np.arange(0.0, 600.0, 2.0)]))

    def slope(y, T):
        a, r, g = y
        return [20.0 * T * (1 - a) - 0.162 * a, 0.52 * T * (1 - r) - 0.0013 * r, 0.098 * r - 0.033 * g]

    y, kept = np.zeros(3), {0.0: np.zeros(3)}
    for begin, end in pairwise(edges):
        middle = (begin + end) / 2
        kept[end] = y = moved(slope, y, end - begin, (0.5 * np.any((spikes < middle) & (middle < spikes + 0.3)),))
    a, _, g = np.transpose([kept[time] for time in np.arange(0.0, 600.0, 2.0)])
    return a + 2.0 * g**4 / (g**4 + 100.0)


@solution
def legendre1998(page):
    def rates(T):
        return both_ways(
            ("C0", "C1", 2 * 38.634 * T, 13.143132),
            ("C1", "C2", 38.634 * T, 2 * 13.143132),
            ("C2", "O1", 1.000476, 1.700306),
            ("C2", "C3", 12.82182, 0.842504),
            ("C3", "O2", 0.137903, 8.051435),
        )

    ends = page["times"]
    middle = ends[1:] - 0.05
    T = np.select([(middle > 1) & (middle < 2), (middle > 12) & (middle < 13)], [1.0, 0.2], 0.0)
    return np.append(0.0, occupied(rates, ("O1", "O2"), np.round(np.diff(ends), 10), T))


@solution
def grienberger2017(page):
    def rates(T, V):
        slower = (1 - 1.81) * mg(V, 0.1, 7.51) + 1.81
        return both_ways(
            ("Ru", "Rb", 86.89 * T, 0.69), ("Rb", "Rc", 9.64, 2.6 * slower), ("Rc", "Ro", 0.68, 0.079 * slower)
        )

    V = page["V"]
    return mg(V, 0.1, 7.51) * occupied(rates, ["Ro"], page["dt"], pulses(page, 0.3), V)


@solution
def nieus2006(page):
    _, active = resources(page["spike_times"], page["spike_times"], 0.416, 35.1, 10.8, 3.0)

    def slope(y, T):
        opened, desensitised = y
        r1, r6 = (rate * T**2 / (T + 0.44) ** 2 for rate in (5.4, 1.12))
        closed = 1 - opened - desensitised
        return [r1 * closed - 0.82 * opened, r6 * closed - 0.013 * desensitised]

    return stepped(slope, [0.0, 0.0], page["dt"], pulses(page, 0.3, active))[:, 0]


# A spike adds to a variable


@solution
def brunel_wang2001(page):
    def slope(y, _):
        a, x, s, g = y
        return [-a / 2.0, -x / 2.0, 0.5 * x * (1 - s) - s / 100.0, -g / 10.0]

    adds = page["spikes"][:, None] * np.array([1.0, 1.0, 0.0, 1.0])
    a, _, s, g = stepped(slope, np.zeros(4), page["dt"], page["times"], adds=adds).T
    V = page["V"]
    return 0.104 * a * V + 0.327 * s * V / (1 + np.exp(-0.062 * V) / 3.57) + 1.25 * g * (V + 70.0)


@solution
def carnevale_hines2006(page):
    t, tau1, tau2 = page["times"], 0.5, 5.0
    peak = tau1 * tau2 / (tau2 - tau1) * np.log(tau2 / tau1)
    factor = 1 / (np.exp(-peak / tau2) - np.exp(-peak / tau1))
    since = np.maximum(t - page["spike_times"][:, None] + 1e-9, 0.0)
    since = np.where(since > 0, since - 1e-9, 0.0)  # a sample at a spike is one at 0 ms after it
    g = factor * (np.exp(-since / tau2) - np.exp(-since / tau1)).sum(axis=0)
    x = np.maximum(t - 8.0, 0.0) / 0.8
    return g + x * np.exp(1 - x)


@solution
def varela1997(page):
    def slope(y, _):
        F, D1, D2, g = y
        return [(1 - F) / 94.0, (1 - D1) / 380.0, (1 - D2) / 9200.0, -g / 10.0]

    y, out = np.array([1.0, 1.0, 1.0, 0.0]), []
    for is_spike in page["spikes"]:
        if is_spike:
            F, D1, D2, g = y
            y = np.array([F + 0.917, D1 * 0.416, D2 * 0.975, g + F * D1 * D2])
        out.append(y[3])
        y = moved(slope, y, page["dt"], (0,))
    return np.array(out)


@solution
def tsodyks2000(page):
    return resources(page["spike_times"], page["times"], 0.04, 100.0, 1000.0, 3.0)[1]


# Graded release


@solution
def prinz2004(page):
    def slope(s, V):
        s_inf = 1 / (1 + np.exp((-35.0 - V) / 5.0))
        return (s_inf - s) / ((1 - s_inf) * 40.0)

    return stepped(slope, [0.0], page["dt"], page["V"])[:, 0]


@solution
def wang_buzsaki1996(page):
    def slope(s, V):
        return 12.0 / (1 + np.exp(-V / 2.0)) * (1 - s) - 0.1 * s

    return stepped(slope, [0.0], page["dt"], page["V"])[:, 0]


@solution
def ray2020(page):
    return stepped(lambda s, V: (1 / (1 + np.exp((-40.0 - V) / 5.0)) - s) / 4.0, [0.0], page["dt"], page["V"])[:, 0]


@solution
def hill2001(page):
    V, dt, A, P, out = page["slow_V"], 10.0, 0.0, 0.0, []
    for volts, current in zip(V, 300.0 / (1 + np.exp(-(V + 40.0) / 4.0)), strict=True):
        influx = max(current - A, 0.0)
        (P,) = moved(lambda P, I: 1e-3 * I - 0.01 * P, [P], dt, (influx,))
        (A,) = moved(lambda A, V: (100.0 / (1 + np.exp(-0.1 * (V + 20.0))) - A) / 200.0, [A], dt, (volts,))
        out.append(P**3 / (P**3 + 1e4))
    return np.array(out)


@solution
def nishiyama2014(page):
    def slope(m, V):
        glutamate = 10.0 / (1 + np.exp(-(V + 35.0)))
        bound = glutamate**2 / (glutamate**2 + 5.0**2)
        return 0.04 * (1 - bound) * (1 - m) - 0.04 * bound * m

    return stepped(slope, [1.0], page["dt"], page["V"])[:, 0]


# Transmitter in the cleft


@solution
def saftenku2002(page):
    spikes, middle = np.array([0.5, 3.5]), np.arange(600) * 0.01 + 0.005
    released, _ = resources(spikes, [], 0.1, 800.0, 20.0, 3.0)
    since = middle - spikes[:, None]
    parts = [peak * np.exp(-np.maximum(since, 0) / tau) for peak, tau in ((2.88, 0.05), (0.2, 0.5), (0.04, 1.7))]
    T = (released[:, None] / 0.1 * np.where(since > 0, sum(parts), 0.0)).sum(axis=0)

    def rates(T):  # between the states 1 to 7 of the file, of which 4 is at rest and 1 is open
        k = {(4, 3): 26.6 * T, (3, 2): 13.3 * T, (7, 6): 2.41 * T, (1, 5): 0.109, (1, 2): 0.302, (2, 1): 4.2}
        k |= {(2, 3): 12.5, (2, 6): 0.395, (3, 4): 6.24, (3, 7): 0.513, (5, 1): 0.0334, (5, 6): 0.13}
        return k | {(6, 2): 0.000546, (6, 5): 0.00815, (6, 7): 0.0571, (7, 3): 0.0281}

    return occupied(rates, [1], 0.01, T)


@solution
def pugh_raman2005(page):
    def rates(T):
        return both_ways(
            ("C", "CA1", 2 * 20.0 * T, 2.0),
            ("CA1", "CA2", 20.0 * T, 2 * 2.0),
            ("CA2", "DA2f", 15.0, 3.75),
            ("DA1", "DA2", 15.0 * T, 0.007),
            ("OA1", "CA1", 0.06, 0.03),
            ("OA2", "CA2", 0.4, 10.0),
            ("DA1", "CA1", 7e-4, 3.3e-4),
            ("DA2", "CA2", 6e-3, 1.2),
        )

    t = page["times"] + page["dt"] / 2 - 2.0
    t, on = np.where(t > 0, t, 1.0), t > 0
    molecules = 1e3 * (1e3 * 1e15 / 6.022e23 * 52.76)  # mM um^3
    T = molecules * np.exp(-(4.79**2) / (4 * 0.223 * t)) / (4 * np.pi * 0.223 * 1e-3 * 20.0 * t)
    return occupied(rates, ("OA1", "OA2"), page["dt"], np.where(on, T + (t < 0.3), 0.0))


# Voltage and magnesium in the channel


@solution
def moradi2013(page):
    def rates(T, V):
        bind, block, unblock = 5.0 * T, 0.61 * np.exp(-V / 17), 5.4 * np.exp(V / 47)
        return both_ways(
            ("C0", "C1", 2 * bind, 5.5e-3),
            ("C1", "C2", bind, 2 * 5.5e-3),
            ("C2", "D", 8.4e-3, 1.8e-3),
            ("C2", "O", 46.5e-3, 91.6e-3),
            ("O", "OB", block, unblock),
            ("OB", "CB2", 3 * 91.6e-3, 46.5e-3),
            ("CB2", "DB", 8.4e-3, 1.8e-3),
            ("CB2", "CB1", 2 * 5.5e-3, bind),
            ("CB1", "CB0", 5.5e-3, 2 * bind),
        )

    middle, T = page["times"] + page["dt"] / 2, np.zeros(len(page["times"]))
    for spike in page["spike_times"]:
        after = (middle - spike) / 0.3
        T = np.where(after > 0, 1.5 * after * np.exp(1 - after), T)
    return occupied(rates, ["O"], page["dt"], T, page["V"])


@solution
def kampa2004(page):
    def rates(T, V):
        block, unblock = np.exp((V - 40) * -2 * 0.8 / 25), np.exp((V - 40) * 2 * 0.2 / 25)
        return both_ways(
            ("U", "Cl", 10.0 * T, 5.6e-3),
            ("Cl", "O", 10e-3, 273e-3),
            ("Cl", "D1", 2.2e-3, 1.6e-3),
            ("D1", "D2", 0.43e-3, 0.5e-3),
            ("O", "OMg", 0.05 * block, 12.8 * unblock),
            ("UMg", "ClMg", 10.0 * T, 17.1e-3),
            ("ClMg", "OMg", 10e-3, 548e-3),
            ("ClMg", "D1Mg", 2.1e-3, 0.87e-3),
            ("D1Mg", "D2Mg", 0.26e-3, 0.42e-3),
            ("U", "UMg", 5e-5 * block, 2.438312e-3 * unblock),
            ("Cl", "ClMg", 5e-5 * block, 5.041915e-3 * unblock),
            ("D1", "D1Mg", 5e-5 * block, 2.98874e-3 * unblock),
            ("D2", "D2Mg", 5e-5 * block, 2.953408e-3 * unblock),
        )

    return occupied(rates, ["O"], page["dt"], pulses(page, 1.0), page["V"], steady=True)


# A second ligand


@solution
def lindquist2005(page):
    def rates(T, sr):
        bind, leave = 10.0 * T, 4.6
        return both_ways(
            ("00", "g0", 2 * bind, leave),  # what is at each of the two sites
            ("g0", "gg", bind, 2 * leave),
            ("g0", "g0 open", 3.3, 9.8),
            ("gg", "gg open", 10.6, 0.41),
            ("00", "s0", 2 * 100.0 * sr, 0.02),
            ("s0", "ss", 100.0 * sr, 2 * 0.02),
            ("g0", "gs", 100.0 * sr, 0.02),
            ("s0", "gs", bind, leave),
        )

    sr = np.where(page["times"] < 5.0, 0.0, 1e-3)
    return occupied(rates, ("g0 open", "gg open"), page["dt"], pulses(page, 0.3), sr)


@solution
def gilling2009(page):
    def rates(T, ket):
        steps = [("C0", "C1", 5.0 * T, 0.0129), ("C1", "C2", 5.0 * T, 0.0129)]
        steps += [("C2", "D", 0.0084, 0.0068), ("C2", "O", 0.0465, 0.0738)]
        pore = [((a, x), (b, x), forth, back) for a, b, forth, back in steps for x in ("free", "blocked")]
        return both_ways(*pore, (("O", "free"), ("O", "blocked"), 0.15 * ket, 0.22e-3))

    spikes, at = np.arange(50.0, 2000.0, 200.0), np.arange(0.0, 2000.0, 10.0)
    edges = np.unique(np.concatenate([at, spikes, spikes + 1.0]))
    middle = (edges[1:] + edges[:-1]) / 2
    T = ((spikes[:, None] < middle) & (middle < spikes[:, None] + 1.0)).any(axis=0)
    g = occupied(rates, [("O", "free")], np.diff(edges), T, np.where(middle < 500.0, 0.0, 0.01))
    return np.append(0.0, g)[np.searchsorted(edges, at)]
