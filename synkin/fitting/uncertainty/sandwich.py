"""The covariance of the sum of squares' derivatives, the middle of the sandwich that gives standard errors."""

import numpy as np

from synkin.fitting.problem import Problem
from synkin.fitting.uncertainty.noise_model import Noise


def score_covariance(rows: np.ndarray, columns: np.ndarray, number: int, noise: Noise) -> np.ndarray:
    """The covariance (N, N) of the products of ``rows`` with noise of an average standard deviation of 1.

    Args:
        rows: (R, M, C), such as the derivatives of the curve over each sample's error; 0 where a sample is missing.
        columns: (R, C) which of the N products each belongs to.
        number: N.
        noise: how it is correlated, and where it is larger.
    """
    total = np.zeros((number, number))
    for row, level, own in zip(rows, noise.level, columns, strict=True):
        total[np.ix_(own, own)] += _row(row * level[:, None], noise.correlation)
    return total


def scores_by_recording(
    problem: Problem, derivatives: np.ndarray, residuals: np.ndarray, expected: np.ndarray
) -> np.ndarray:
    """The covariance (N, N), for what the recordings share from the scatter of the products from one to the next.

    Nothing is assumed of the noise within a recording. What each recording has of its own is solved for, so that its
    products are 0; for these the ``expected`` covariance stays.

    Source: Liang and Zeger 1986, Biometrika 73:13.
    """
    recordings, number = len(derivatives), len(problem.lower)
    shared = np.zeros(number, bool)
    shared[np.unique(problem.columns[0])] = True
    for name in problem.own:
        if name not in problem.shared:
            shared[problem.columns_of(name)] = False
    own, common = ~shared, np.flatnonzero(shared)
    curvature, products = np.zeros((number, number)), np.zeros((recordings, number))
    for r, (rows, columns) in enumerate(zip(derivatives, problem.columns, strict=True)):
        curvature[np.ix_(columns, columns)] += rows.T @ rows
        products[r, columns] = rows.T @ residuals[r]
    # A small sample of recordings scatters less than all, as the fit follows them.
    factor = recordings / max(recordings - common.size, 1)
    scatter = factor * products[:, common].T @ products[:, common]
    found = expected.copy()
    if not own.any():
        found[np.ix_(common, common)] = scatter
        return found
    # The errors of what is shared follow the part of the products that own quantities cannot make up for.
    link = curvature[np.ix_(common, own)] @ np.linalg.pinv(curvature[np.ix_(own, own)])
    middle = link @ expected[np.ix_(own, own)]
    found[np.ix_(common, own)], found[np.ix_(own, common)] = middle, middle.T
    found[np.ix_(common, common)] = scatter + middle @ link.T
    return found


def _row(columns: np.ndarray, rho: np.ndarray) -> np.ndarray:
    """The covariance (C, C) of the products of noise of autocorrelation ``rho`` with ``columns`` (M, C)."""
    samples = len(columns)
    if not rho.size:
        return columns.T @ columns
    length = 2 * samples
    kernel = np.zeros(length)
    kernel[0] = 1.0
    lags = np.arange(1, min(len(rho), samples - 1) + 1)
    kernel[lags] = kernel[-lags] = rho[: lags.size]
    spectrum = np.fft.rfft(kernel)[:, None] * np.fft.rfft(columns, length, axis=0)
    smooth = np.fft.irfft(spectrum, length, axis=0)[:samples]
    product = columns.T @ smooth
    return (product + product.T) / 2
