"""Affine equations solved without synkin: matrix exponentials between the moments where something jumps.

A system y' = b + A y is one matrix of the vector (1, y): a row of zeros, below it b in the first column and A beside.
"""

from decimal import Decimal, localcontext
from itertools import pairwise

import numpy as np
import scipy.linalg

DIGITS = 80


def affine(source, matrix):
    """The matrix of (1, y)."""
    return np.block([[np.zeros((1, len(source) + 1))], [np.reshape(source, (-1, 1)), np.asarray(matrix, float)]])


def generator(rates, size=0, kind=float):
    """The generator of some states from {(from, to): rate}, /ms: element [to, from], its columns sum to 0.

    Of Decimal these sums are 0 in all digits.
    """
    with localcontext() as context:
        context.prec = DIGITS
        matrix = np.full([max(size, max(map(max, rates)) + 1)] * 2, kind(0), dtype=object if kind is Decimal else float)
        for (start, end), rate in rates.items():
            matrix[end, start] += kind(float(rate))
            matrix[start, start] -= kind(float(rate))
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
    y = np.eye(len(resting))[0] if start is None else np.array(start, float)
    known: dict[tuple[float, bool], np.ndarray] = {}
    held = {}
    for begin, end in [*pairwise(moments), (moments[-1], None)]:
        y = y + sum(vector for time, vector in jumps if time == begin)
        held[begin] = y
        if end is not None:
            key = (end - begin, any(a <= begin and end <= b for a, b in on))
            if key not in known:
                known[key] = scipy.linalg.expm((active if key[1] else resting) * key[0])
            y = known[key] @ y
    return np.array([held[time] for time in times])


_decimal = np.vectorize(lambda x: x if isinstance(x, Decimal) else Decimal(float(x)))


def expm(matrix, duration):
    """exp(matrix duration) in `DIGITS` digits, as an array of Decimal."""
    with localcontext() as context:
        context.prec = DIGITS
        a = _decimal(np.asarray(matrix, object)) * Decimal(float(duration))
        halvings = max(int(np.abs(a).sum(axis=0).max()).bit_length(), 0) + 8
        a = a / Decimal(2) ** halvings
        total = term = _decimal(np.eye(len(a)).astype(object))
        k = 0
        while np.abs(term).max() > Decimal(10) ** -DIGITS:
            k += 1
            term = term.dot(a) / k
            total = total + term
        for _ in range(halvings):
            total = total.dot(total)
        return total


def change(matrix, duration):
    """exp(matrix duration) - 1 as float64, all its digits kept."""
    with localcontext() as context:
        context.prec = DIGITS
        return (expm(matrix, duration) - np.eye(len(matrix), dtype=int).astype(object)).astype(float)


def frechet(matrix, direction, duration):
    """The derivative of exp(matrix duration) as the matrix moves in a direction, float64.

    Source: exp of [[A, E], [0, A]] has it above; Higham 2008, Functions of Matrices, SIAM, eq. (10.40).
    """
    n = len(matrix)
    whole = np.block([[matrix, direction], [np.full((n, n), 0), matrix]])
    return expm(whole, duration)[:n, n:].astype(float)
