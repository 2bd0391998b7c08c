"""The highest likelihood as one quantity is held at other values and all others are fitted again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from synkin.arguments.choices import check_choice
from synkin.fitting.channels.ascent import maximise
from synkin.fitting.channels.likelihood import Evaluated, Seen, evaluate
from synkin.fitting.uncertainty.profiles import LEVELS, Bound, Profile, Quantity, is_given, profile_along

# Of each search: the maximum number of evaluations, and what a step must be expected to gain.
_MAX_NFEV, _ENOUGH = 100, 1e-4


def profile(seen: Seen, place: np.ndarray, name: str, stderr: float, units: dict[str, str]) -> Profile:
    """The profile of ``name`` around the highest likelihood.

    Args:
        seen: the sweeps.
        place: (n,) where the likelihood is highest.
        name: a coordinate, or "unitary".
        stderr: its standard error.
        units: of all quantities.

    Raises:
        ValueError: another name.
    """
    from scipy.stats import norm  # here, because it takes long to import

    is_unitary = name == "unitary" and "scale" in seen.labels
    check_choice("name", name, (*seen.labels, "unitary") if "scale" in seen.labels else seen.labels)
    index = seen.labels.index("scale" if is_unitary else name)
    lower, upper = (bound.copy() for bound in seen.bounds)
    if is_unitary:
        place, lower[index], upper[index] = place.copy(), -np.inf, np.inf
        place[index] /= seen.noise_at(place)[1]
    likelihood = _of_unitary(seen, index) if is_unitary else lambda place: evaluate(seen, place)
    highest = likelihood(place).value
    is_end = name in seen.problem.labels  # sigma and channels have default bounds alone

    def refit(at: float, others: np.ndarray) -> tuple[float, np.ndarray]:
        start, low, high = np.insert(others, index, at), lower.copy(), upper.copy()
        low[index] = high[index] = at
        end = maximise(likelihood, seen.are_logarithms, start, low, high, _MAX_NFEV, _ENOUGH)
        fall = 1 + 2 * (highest - end.at.value)
        return (float(fall) if np.isfinite(fall) else np.inf), np.delete(end.place, index)

    quantity = Quantity(
        name=name,
        unit=units[name],
        coordinate=float(place[index]),
        is_logarithm=bool(seen.are_logarithms[index]),
        bounds=tuple(
            Bound(float(end), is_end and is_given(seen.problem, name, float(end)))
            for end in (lower[index], upper[index])
        ),
        stderr=stderr,
    )
    quantiles = [float(norm.ppf((1 + level) / 2)) for level in LEVELS]
    return profile_along(refit, quantity, np.delete(place, index), [], 1.0, quantiles, growth_of="deviance")


def _of_unitary(seen: Seen, index: int) -> Callable[[np.ndarray], Evaluated]:
    """The likelihood of a place whose scale, at ``index``, is replaced by the current of one channel."""

    def likelihood(place: np.ndarray) -> Evaluated:
        channels = seen.noise_at(place)[1]
        usual = place.copy()
        usual[index] = place[index] * channels
        at = evaluate(seen, usual)
        slopes = np.eye(len(place))
        slopes[index, index] = channels
        if not seen.channels:
            slopes[index, -1] = usual[index]  # by the logarithm of the number of channels
        return at._replace(gradient=slopes.T @ at.gradient, information=slopes.T @ at.information @ slopes)

    return likelihood
