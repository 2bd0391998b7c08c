"""Populations of receptors once more, in NumPy and SciPy: propagators by `scipy.linalg.expm`, filters and chains."""

import itertools

import numpy as np
import scipy.linalg
import scipy.stats


def matrix(kernel, params, T):
    """The rates between the states of a kernel, (S, S) /ms, the resting one first; of ampa and gabaa as two states."""
    if hasattr(kernel, "states"):
        return np.asarray(kernel.generator(params, T), float)
    on, off = float(params.alpha) * T, float(params.beta)
    return np.array([[-on, off], [on, -off]])


def conductances(kernel):
    """g of a receptor in each state."""
    if not hasattr(kernel, "states"):
        return np.array([0.0, 1.0])
    return np.array([kernel.open.get(state, 0.0) for state in kernel.states])


def pieces(params, spike_times):
    """Edges and concentrations of spikes that restart pulses."""
    spike_times = np.sort(spike_times)
    ends = np.minimum(spike_times + float(params.T_dur), [*spike_times[1:], np.inf])
    edges = np.stack([spike_times, ends], axis=1).ravel()
    return edges, np.array([float(params.T), 0.0] * len(spike_times))[:-1]


def propagator(kernel, params, edges, concentrations, begin, end):
    """From the occupancies at one time to those at another."""
    P = np.eye(len(conductances(kernel)))
    moments = [begin, *(edge for edge in edges if begin < edge < end), end]
    for start, stop in itertools.pairwise(moments):
        piece = np.searchsorted(edges, (start + stop) / 2, side="right") - 1
        T = concentrations[piece] if 0 <= piece < len(concentrations) else 0.0
        P = scipy.linalg.expm(matrix(kernel, params, T) * (stop - start)) @ P
    return P


def log_likelihood(kernel, params, edges, concentrations, times, trace, *, scale, offset, sigma, channels):
    """The filter of `synkin.log_likelihood`, in its plain form, of receptors that rest in the first state.

    A little below 0, where the normal approximation may bring an occupancy, it adds no noise.
    """
    c, total, now = conductances(kernel), 0.0, min(times[0], edges[0])
    m = np.eye(len(c))[0]
    C = np.diag(m) - np.outer(m, m)
    for time, y in zip(times, trace, strict=True):
        P = propagator(kernel, params, edges, concentrations, now, time)
        there = np.maximum(m, 0)
        now, C = time, P @ C @ P.T + np.diag(P @ there) - P @ np.diag(there) @ P.T
        m = P @ m
        if np.isnan(y):
            continue
        v = scale**2 / channels * c @ C @ c + sigma**2
        off = y - scale * c @ m - offset
        total -= (np.log(2 * np.pi * v) + off**2 / v) / 2
        m, C = m + scale / channels * C @ c * off / v, C - scale**2 / channels * np.outer(C @ c, C @ c) / v
    return total


def log_likelihood_of_counts(params, edges, concentrations, times, trace, kernel, *, scale, offset, sigma, channels):
    """Without approximation, of a receptor with two states: over all numbers of open ones, forward in time."""
    n = channels
    chance = np.eye(n + 1)[0]
    total, now = 0.0, min(times[0], edges[0])
    for time, y in zip(times, trace, strict=True):
        P = propagator(kernel, params, edges, concentrations, now, time)
        now = time
        moves = np.zeros((n + 1, n + 1))
        for before in range(n + 1):  # of the open ones some stay, of the closed ones some open
            stay = scipy.stats.binom.pmf(np.arange(n + 1), before, P[1, 1])
            opened = scipy.stats.binom.pmf(np.arange(n + 1), n - before, P[1, 0])
            moves[:, before] = np.convolve(stay, opened)[: n + 1]
        chance = moves @ chance
        chance = chance * scipy.stats.norm.pdf(y, scale * np.arange(n + 1) / n + offset, sigma)
        total += np.log(chance.sum())
        chance /= chance.sum()
    return total


def covariance(kernel, params, edges, concentrations, first, second):
    """Of g of one receptor at two times, from rest in the first state: mean and variance at each, and covariance."""
    c = conductances(kernel)
    p = propagator(kernel, params, edges, concentrations, min(edges[0], first), first)[:, 0]
    P = propagator(kernel, params, edges, concentrations, first, second)
    q = P @ p
    means = np.array([c @ p, c @ q])
    return means, np.array([c**2 @ p, c**2 @ q]) - means**2, c @ P @ (c * p) - means[0] * means[1]
