"""Traces of 300 samples after one spike, from closed forms, and fits of them, which share their programs."""

import numpy as np

from synkin import alpha, ampa, dual_expon, expon
from synkin.fitting import fit
from synkin.fitting.checking import Asked, kernel_problem
from tests.contract.table import ROWS

TIMES = np.arange(300) / 10  # ms
SPIKE = 3.03  # ms


def first_order(times, alpha=3.0, beta=0.31, T_dur=0.77, onset=SPIKE):
    """g of a first-order receptor after one pulse of 0.5 mM."""
    age, rate = times - onset, alpha / 2 + beta
    rise = alpha / 2 / rate * (1 - np.exp(-rate * np.clip(age, 0, T_dur)))
    return rise * np.exp(-beta * np.maximum(age - T_dur, 0))


def alpha_function(times, tau=2.0, onset=SPIKE):
    age = np.maximum(times - onset, 0)
    return age / tau * np.exp(-age / tau)


def jump(times, tau=4.0, onset=SPIKE):
    return np.where(times >= onset, np.exp(-np.maximum(times - onset, 0) / tau), 0.0)


def two_exponentials(times, tau_decay=4.0, tau_rise=1.3, onset=SPIKE):
    """dual_expon's response, of peak 1."""
    age, ratio = np.maximum(times - onset, 0), tau_decay / tau_rise
    peak = ratio ** (-1 / (ratio - 1)) - ratio ** (-ratio / (ratio - 1))
    return (np.exp(-age / tau_decay) - np.exp(-age / tau_rise)) / peak


CLOSED = {alpha: alpha_function, expon: jump, dual_expon: two_exponentials, ampa: first_order}
FREE = {kernel: ROWS[kernel.name].free for kernel in CLOSED}


def noise(shape, seed=0, memory=0.0):
    """Normal noise of 1, each sample made of ``memory`` parts of the last."""
    made = np.random.default_rng(seed).normal(size=shape)
    for i in range(1, made.shape[-1]):
        made[..., i] = memory * made[..., i - 1] + np.sqrt(1 - memory**2) * made[..., i]
    return made


def noisy(clean, level, seed=0, memory=0.0):
    """A trace with noise of ``level`` times its height."""
    return clean + level * np.ptp(clean) * noise(np.shape(clean), seed, memory)


def fitted(trace, kernel=alpha, **options):
    """A fit of a trace after one spike."""
    arguments = {"params": kernel.Params(), "spike_times": [SPIKE], "times": TIMES, "free": FREE.get(kernel)}
    arguments |= {"scale": True, "offset": True, "starts": 2, "progress": False}
    return fit(kernel, trace=trace, **arguments | options)


def posed(trace, kernel=alpha, spike_times=(SPIKE,), bounds=(), times=TIMES, **held):
    """The problem that a fit of scale, offset and onset poses, unless these are ``held``."""
    asked = Asked(FREE[kernel], {"scale": True, "offset": True, "onset": True} | held, bounds=dict(bounds))
    return kernel_problem(kernel, kernel.Params(), spike_times, times, trace, asked)
