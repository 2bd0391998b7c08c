"""Nodes and weights with which an integral over a short stretch of time is a sum."""

import numpy as np

# The integral of the polynomial through 11 values at equal distances, of degree 10, over a stretch of length 1.
_NEWTON_COTES = 16067, 106300, -48525, 272400, -260550, 427368, -260550, 272400, -48525, 106300, 16067


def gauss_legendre(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [0, 1] for a smooth integrand over a short stretch; both of shape (nodes,).

    Source: numpy.polynomial.legendre.leggauss.
    """
    x, w = np.polynomial.legendre.leggauss(nodes)
    return (x + 1) / 2, w / 2


def newton_cotes() -> np.ndarray:
    """Weights, (11,), of values at equal distances over [0, 1], both ends among them.

    Source: Abramowitz and Stegun 1964, Handbook of Mathematical Functions, 25.4.20.
    """
    return np.array(_NEWTON_COTES) / 598752
