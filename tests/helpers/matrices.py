"""Generators of states and exponentials of matrices, in all the digits that one likes."""

from decimal import Decimal, localcontext

import numpy as np

DIGITS = 80


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
