"""What is said of a result: rundown, outliers, and what cannot be known."""

from collections.abc import Sequence

import numpy as np

# A trend is said if chance alone gives one as clear this seldom.
_CHANCE = 0.002
# A sweep is an outlier if the cube root of its squared deviations is this many standard deviations above the median, by
# the median of the distances. Cube roots of sums of squares are nearly normal (Wilson and Hilferty 1931); but sweeps of
# few channels have longer tails.
_FAR = 7.0
# No more names than this are listed.
_LISTED = 5


def plain(value: float, error: float, unit: str = "") -> str:
    """Such as "-1.02 ± 0.11 pA": as many digits of the value as the error says that there are."""
    if not (np.isfinite(error) and error > 0):
        return f"{value:.3g} {unit}".rstrip()
    places = 1 - int(f"{error:.1e}".partition("e")[2])
    value, error = round(value, places), round(error, places)
    digits = max(places, 0)
    return f"{value:,.{digits}f} ± {error:,.{digits}f} {unit}".rstrip()


def between(ends: Sequence[float]) -> str:
    """Such as "40 to 900", or "40 or more"."""
    low, high = ends
    return f"{low:,.3g} to {high:,.3g}" if np.isfinite(high) else f"{low:,.3g} or more"


def trend(values: np.ndarray) -> float | None:
    """By which fraction a straight line through the values changes from the first to the last; None if by chance."""
    from scipy.stats import linregress  # here, because it takes long to import

    if np.ptp(values) == 0:
        return None
    line = linregress(np.arange(len(values)), values)
    return float(line.slope * (len(values) - 1) / line.intercept) if line.pvalue < _CHANCE and line.intercept else None


def change(fraction: float) -> str:
    """Such as "falls by 32 %"."""
    return f"{'falls' if fraction < 0 else 'grows'} by {abs(fraction):.0%}".replace("%", " %")


def outliers(squares: np.ndarray) -> list[int]:
    """The rows whose squared deviations, (n,), are far larger than those of the others."""
    size = np.cbrt(squares)
    apart = size - np.median(size)
    spread = 1.4826 * np.median(np.abs(apart))
    return [int(row) for row in np.flatnonzero(apart > _FAR * spread)] if spread > 0 else []


def named(labels: Sequence[str], rows: Sequence[int]) -> str:
    """Such as "sweep 3, sweep 8 and 4 more"."""
    shown = [labels[row] for row in rows[:_LISTED]]
    more = len(rows) - len(shown)
    if more:
        return f"{', '.join(shown)} and {more} more"
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def of_outliers(labels: Sequence[str], rows: Sequence[int]) -> str:
    """A sentence, or an empty string."""
    if not rows:
        return ""
    one = len(rows) == 1
    them = "it" if one else "them"
    return (
        f"{named(labels, rows)} deviate{'s' * one} far more than the others: look at {them}, and leave {them} out if "
        "something else happened there."
    )


def of_few_open(p_open: float, interval: Sequence[float], what: str, probability: str, hint: str) -> str:
    """A sentence on how well the number of channels or sites is known, or an empty string where it is.

    Args:
        p_open: the largest open or release probability.
        interval: of the number.
        what: "channels" or "sites".
        probability: what ``p_open`` is called.
        hint: at what else may vary, or an empty string.
    """
    if not np.isfinite(interval[0]):
        return (
            f"The variance bends up instead of down, as it does where something else varies{hint}: how many {what} "
            "there are cannot be known."
        )
    if not np.isfinite(interval[1]):
        return f"The parabola does not clearly bend down, so that there is no upper limit: {between(interval)} {what}."
    if p_open < 0.5:
        return (
            f"The mean does not reach the top of the parabola ({probability} {p_open:.2g}), so that the number of "
            f"{what} is known only roughly: {between(interval)}."
        )
    return ""


def together(sentences: Sequence[str]) -> str:
    """The sentences that are there, each with a capital, one after the other."""
    return " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences if sentence)
