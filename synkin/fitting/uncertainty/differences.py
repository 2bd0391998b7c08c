"""Whether a parameter of each recording's own differs between recordings."""

import numpy as np

from synkin.fitting.problem import Problem

# A difference is named as one if chance alone gives as large a one in fewer than this fraction of experiments.
_RARE = 0.05
# Smaller probabilities are not written out.
_LEAST = 1e-6


def differences(
    problem: Problem, point: np.ndarray, stderr: np.ndarray, correlations: np.ndarray, freedom: float
) -> list[str]:
    """A sentence for each parameter that recordings have their own values of: whether these values differ.

    They are compared by an F test of Wald's statistic, in the logarithm of a positive parameter. If one of them is not
    known, nothing is said.

    Args:
        problem: what was fitted.
        point: (N,) the result.
        stderr: (N,) standard errors in the units of the quantities.
        correlations: (N, N) of these errors.
        freedom: the number of independent samples less that of fitted numbers.
    """
    from scipy.stats import f as distribution  # here, because it takes long to import

    sentences = []
    for name in problem.own_parameters:
        columns = problem.columns_of(name)
        values, errors = point[columns], stderr[columns]
        if len(columns) < 2 or not np.isfinite(errors).all():
            continue
        if problem.logarithmic[problem.fitted.index(name)]:
            errors = errors / np.exp(values)
        covariance = correlations[np.ix_(columns, columns)] * np.outer(errors, errors)
        contrast = np.eye(len(columns))[1:] - np.eye(len(columns))[0]
        apart, spread = contrast @ values, contrast @ covariance @ contrast.T
        number = len(apart)
        statistic = float(apart @ np.linalg.pinv(spread) @ apart) / number
        chance = float(distribution.sf(statistic, number, max(freedom, 1.0)))
        size = f"F({number}, {max(freedom, 1.0):.0f}) = {statistic:.3g}"
        p = f"p = {chance:.2g}" if chance > _LEAST else f"p < {_LEAST:g}"
        result = "differs between" if chance < _RARE else "is within its errors the same in"
        sentences.append(f"{name} {result} the recordings ({size}, {p}).")
    return sentences
