"""Affine equations solved without synkin: matrix exponentials between the moments where something jumps.

A system y' = b + A y is one matrix of the vector (1, y): a row of zeros, below it b in the first column and A beside.
"""

from decimal import Decimal, localcontext
from itertools import pairwise

import numpy as np
import scipy.linalg


def affine(source, matrix):
    """The matrix of (1, y)."""
    n = len(source)
    whole = np.zeros((n + 1, n + 1))
    whole[1:, 0], whole[1:, 1:] = source, matrix
    return whole


def generator(rates):
    """The generator of n states from {(from, to): rate}, /ms: element [to, from], its columns sum to 0."""
    n = max(map(max, rates)) + 1
    matrix = np.zeros((n, n))
    for (start, end), rate in rates.items():
        matrix[end, start] += rate
        matrix[start, start] -= rate
    return matrix


def exact_generator(rates):
    """The same of Decimal, its columns summing to 0 to the last of 120 digits."""
    with localcontext() as context:
        context.prec = 120
        matrix = np.full([max(map(max, rates)) + 1] * 2, Decimal(0), dtype=object)
        for (start, end), rate in rates.items():
            matrix[end, start] += Decimal(float(rate))
            matrix[start, start] -= Decimal(float(rate))
        return matrix


def pulses(spike_times, T_dur):
    """When there is transmitter, as [(start, end)]: a spike during a pulse starts it anew."""
    ends = np.append(spike_times[1:], np.inf)
    return [(start, min(start + T_dur, end)) for start, end in zip(spike_times, ends, strict=True)]


def solution(resting, active, times, *, start=None, on=(), jumps=()):
    """(1, y) at the sorted ``times``, (M, n + 1), from time 0 on; what jumps at a time is in it.

    Args:
        resting, active: matrices of (1, y) without transmitter and with it.
        times: (M,) ms.
        start: (n + 1,), by default rest.
        on: [(start, end)] ms, when there is transmitter.
        jumps: [(time, vector)], what is added when.
    """
    moments = np.unique(np.concatenate([[0.0], times, np.ravel(on), [time for time, _ in jumps]]))
    moments = moments[moments <= max(times)]
    y = np.zeros(len(resting))
    y[0] = 1
    y = y if start is None else np.array(start, float)
    known: dict[tuple[float, bool], np.ndarray] = {}
    held = {}
    for begin, end in [*pairwise(moments), (moments[-1], None)]:
        for time, vector in jumps:
            if time == begin:
                y = y + vector
        held[begin] = y
        if end is not None:
            fed = any(a <= begin and end <= b for a, b in on)
            key = (end - begin, fed)
            if key not in known:
                known[key] = scipy.linalg.expm((active if fed else resting) * (end - begin))
            y = known[key] @ y
    return np.array([held[time] for time in times])


def expm(matrix, duration, digits=120):
    """exp(matrix duration) in so many digits, as an array of Decimal."""
    with localcontext() as context:
        context.prec = digits
        exactly = np.vectorize(lambda x: x if isinstance(x, Decimal) else Decimal(float(x)), otypes=[object])
        a = exactly(matrix) * Decimal(float(duration))
        norm = max(sum(abs(x) for x in column) for column in a.T)
        halvings = max(int(norm).bit_length(), 0) + 8
        a = a / Decimal(2) ** halvings
        identity = exactly(np.eye(len(a)))
        total, term, k = identity, identity, 0
        while max(abs(x) for x in term.ravel()) > Decimal(10) ** -digits:
            k += 1
            term = term.dot(a) / k
            total = total + term
        for _ in range(halvings):
            total = total.dot(total)
        return total


def change(matrix, duration):
    """exp(matrix duration) - 1 as float64, all its digits kept."""
    whole = expm(matrix, duration)
    with localcontext() as context:
        context.prec = 120
        return np.array([[float(x - (i == j)) for j, x in enumerate(row)] for i, row in enumerate(whole)])


def frechet(matrix, direction, duration):
    """The derivative of exp(matrix duration) as the matrix moves in a direction, float64.

    Source: exp of [[A, E], [0, A]] has it above; Higham 2008, Functions of Matrices, SIAM, eq. (10.40).
    """
    n = len(matrix)
    whole = np.block([[matrix, direction], [np.full((n, n), 0), matrix]])
    return expm(whole, duration)[:n, n:].astype(float)
