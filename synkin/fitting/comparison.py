"""Which of several kernels describes a recording best, given how many numbers each fits."""

import html
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from synkin.arguments import fields
from synkin.arguments.known import computed_at_once, double_precision
from synkin.arguments.messages import describe
from synkin.fitting.formatting import aligned, listed
from synkin.fitting.model import curve
from synkin.fitting.quality.amplitudes import advise_weights
from synkin.fitting.quality.goodness_of_fit import Quality, assess
from synkin.fitting.result import Fit

# A fit that is at most this many times as likely as another is hardly better.
_HARDLY = 3.0
# The width of text.
_WIDTH = 100


@fields.described
@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """The result of `synkin.compare`: fits of one recording, the most likely first. Arrays have one element for each
    fit.

    The number of independent samples comes from the fit whose residuals are least correlated, because a kernel that
    does not describe the recording leaves correlated residuals even in white noise. If one of the fits has channels,
    all samples count, because its likelihood includes how they are correlated.

    Example:
        >>> times = np.arange(0.0, 20.0, 0.5)
        >>> trace = 3.0 * np.exp(-times / 5.0) + 0.01 * np.cos(9 * times)
        >>> decay = synkin.fit(synkin.expon, synkin.expon.Params(), [0.0], times, trace, free="tau", scale=True)
        >>> alpha = synkin.fit(synkin.alpha, synkin.alpha.Params(), [0.0], times, trace, free="tau", scale=True)
        >>> comparison = synkin.compare({"rises": alpha, "jumps": decay})
        >>> print(comparison.names, comparison.weights.round(3))
        ('jumps', 'rises') [1. 0.]
    """

    names: Annotated[tuple[str, ...], "the names of the fits"]
    fits: Annotated[tuple[Fit, ...], "the fits, as `synkin.fit` returned them"]
    samples: Annotated[float, "the number of independent samples"]
    numbers: Annotated[np.ndarray, "how many numbers each fit has fitted"]
    r_squared: Annotated[np.ndarray, "fraction of the variance that each curve explains", "1"]
    aicc: Annotated[np.ndarray, "AICc less the lowest AICc; inf if there are too few samples for what was fitted", "1"]
    bic: Annotated[np.ndarray, "BIC less the lowest BIC", "1"]
    weights: Annotated[np.ndarray, "Akaike weights: how probable each fit is among these; they add up to 1", "1"]
    message: Annotated[str, "the result in sentences"]

    @property
    def best(self) -> Fit:
        """The most likely fit."""
        return self.fits[0]

    def __repr__(self) -> str:
        return "\n".join([*aligned(self._rows(), right=True), textwrap.fill(self.message, _WIDTH)])

    def _repr_html_(self) -> str:
        head, *body = ([html.escape(cell) for cell in row] for row in self._rows())
        lines = ["".join(f"<th>{cell}</th>" for cell in head)]
        lines += ["".join(f"<td>{cell}</td>" for cell in row) for row in body]
        return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table><p>{html.escape(self.message)}</p>"

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = [("", "numbers", "R^2", "dAICc", "weight", "ratio", "dBIC", "seconds")]
        for i, fit in enumerate(self.fits):
            weight = self.weights[i]
            once_in = f"{weight and self.weights[0] / weight:.3g}" if weight > 0 else "inf"
            rows.append(
                (
                    self.names[i],
                    f"{self.numbers[i]}",
                    f"{self.r_squared[i]:.4f}",
                    f"{self.aicc[i]:.1f}",
                    f"{weight:.2g}",
                    once_in,
                    f"{self.bic[i]:.1f}",
                    f"{fit.seconds:.2f}",
                )
            )
        return rows


def compare(fits: Sequence[Fit] | Mapping[str, Fit]) -> Comparison:
    """Compare kernels that were fitted to the same recording: which describes it best, given how many numbers each
    fits.

    Args:
        fits: two or more results of `synkin.fit` for the same samples: a list, or a dict by name. In a list the names
            are those of the kernels.

    Returns:
        A `synkin.Comparison`, the most likely fit first. It prints as a table, and `synkin.plot.compare` draws it. It
        has AICc and BIC, those of least squares with normal noise. Since neighbouring samples are correlated, they
        count fewer samples: the number of samples divided by the smallest ``Fit.alike``. A fit whose AICc is lower by d
        is exp(d / 2) times as likely. If one of the fits has channels, all are compared by their likelihood; for a fit
        by least squares this is the likelihood of white noise.

    Raises:
        TypeError: not a fit.
        ValueError: fewer than two fits, fits of different recordings or with different ``sigma``, or fits under
            "soft_l1", whose sums of squares cannot be compared.

    Source: Burnham and Anderson 2002, Model Selection and Multimodel Inference, 2nd ed., ch. 2 and 6.

    Example:
        >>> times = np.arange(0.0, 20.0, 0.5)
        >>> trace = 3.0 * np.exp(-times / 5.0) + 0.01 * np.cos(9 * times)
        >>> decay = synkin.fit(synkin.expon, synkin.expon.Params(), [0.0], times, trace, free="tau", scale=True)
        >>> alpha = synkin.fit(synkin.alpha, synkin.alpha.Params(), [0.0], times, trace, free="tau", scale=True)
        >>> synkin.compare([alpha, decay]).best.kernel.name
        'expon'
    """
    given = list(fits.values()) if isinstance(fits, Mapping) else list(fits)
    for fit in given:
        if not isinstance(fit, Fit):
            raise TypeError(f"Argument `fits` must be results of `synkin.fit`, but has {describe(fit)}.")
    if len(given) < 2:
        raise ValueError(f"Argument `fits` must be two fits or more, but is {len(given)}.")
    names = [str(name) for name in fits] if isinstance(fits, Mapping) else _numbered([fit.name for fit in given])
    first = given[0].problem
    for name, fit in zip(names, given, strict=True):
        if np.isfinite(fit.width):
            raise ValueError(f"Argument `fits` must be least squares, loss='linear', but {name} is soft_l1.")
        for field in ("times", "trace", "present", "importance"):
            if not np.array_equal(getattr(fit.problem, field), getattr(first, field)):
                what = "`sigma`" if field == "importance" else "recordings"
                raise ValueError(
                    f"Argument `fits` must be of one recording, but {names[0]} and {name} have other {what}."
                )
    by_likelihood = any(fit.channels is not None for fit in given)
    samples = int(first.present.sum()) / (1.0 if by_likelihood else max(min(fit.alike for fit in given), 1.0))
    # The level of the noise is one of the numbers, which a fit with channels has among its own.
    count = np.array([len(fit.point) + (fit.channels is None) for fit in given])
    importance = np.reshape(first.importance, np.shape(given[0].residuals))
    squares = np.array([np.nansum((fit.residuals * importance) ** 2) for fit in given])
    # Sums of squares that are only rounding errors are equally good.
    floor = np.finfo(float).eps * float((first.trace**2).sum()) or np.finfo(float).tiny
    likely = samples * np.log(np.maximum(squares, floor) / samples)
    if by_likelihood:
        constant = samples * (math.log(2 * math.pi) + 1)
        own = [None if fit.log_likelihood is None else -2 * fit.log_likelihood for fit in given]
        likely = np.array([other + constant if mine is None else mine for mine, other in zip(own, likely, strict=True)])
    left = samples - count - 1
    with np.errstate(divide="ignore"):
        aicc = np.where(left > 0, likely + 2 * count + 2 * count * (count + 1) / np.where(left > 0, left, 1.0), np.inf)
    bic = likely + count * np.log(samples)
    ranking = aicc if np.isfinite(aicc).any() else bic
    order = np.lexsort((bic, ranking))
    lowest = ranking.min()
    relative = np.where(np.isfinite(ranking), ranking - lowest, np.inf)
    weights = np.exp(-relative / 2)
    weights /= weights.sum()
    ordered = [names[i] for i in order]
    return Comparison(
        names=tuple(ordered),
        fits=tuple(given[i] for i in order),
        samples=samples,
        numbers=np.array([len(fit.point) for fit in given])[order],
        r_squared=np.array([given[i].r_squared for i in order]),
        aicc=(aicc - aicc.min() if np.isfinite(aicc).any() else aicc)[order],
        bic=(bic - bic.min())[order],
        weights=weights[order],
        message=_sentences(
            ordered,
            weights[order],
            bic[order],
            np.isfinite(aicc[order]),
            samples,
            by_likelihood,
            _caveats([given[i] for i in order]),
        ),
    )


def _sentences(
    names: list[str],
    weights: np.ndarray,
    bic: np.ndarray,
    has_aicc: np.ndarray,
    samples: float,
    by_likelihood: bool,
    caveats: list[str],
) -> str:
    """The result in sentences, after the ``caveats``."""
    ratio = weights[0] / weights[1] if weights[1] > 0 else np.inf
    close = [name for name, weight in zip(names[1:], weights[1:], strict=True) if weight * _HARDLY >= weights[0]]
    if close:
        sentences = [f"{names[0]} and {listed(close)} can hardly be told apart with this recording."]
    elif np.isfinite(ratio):
        sentences = [f"{names[0]} is the most likely of them, {ratio:.3g} times as likely as {names[1]}."]
    else:
        sentences = [f"{names[0]} is the most likely of them."]
    if bic.argmin() != 0:
        sentences.append(f"By BIC, which penalises each fitted number more, it is {names[int(bic.argmin())]}.")
    if not by_likelihood:
        sentences.append(f"About {samples:.0f} samples are independent.")
    if not has_aicc.all():
        few = [name for name, has_own in zip(names, has_aicc, strict=True) if not has_own]
        sentences.append(
            f"That is too few for the AICc of {listed(few)}, which fits too many numbers"
            f"{': the weights are those of BIC' if not has_aicc.any() else ''}."
        )
    return " ".join([*caveats, *sentences])


def _caveats(ordered: list[Fit]) -> list[str]:
    """Sentences on what even the most likely fit, the first, leaves of the recording; those of residuals alone."""
    if ordered[0].channels is not None:
        return []
    with double_precision(), computed_at_once():
        curves = [curve(fit.problem, fit.point) for fit in ordered]
        found = [assess(fit.problem, own, fit.width).quality for fit, own in zip(ordered, curves, strict=True)]
        of_best = found[0]
        weights = advise_weights(ordered[0].problem, ordered[0].point, curves[0]) if of_best.is_poor else ""
    if all(quality is Quality.SHAPE_LEFT for quality in found):
        said = "None of them describes the recording, so that it says little which is the most likely."
    elif all(quality.misses_shape for quality in found):
        said = "None of them has quite the shape of the recording: look at the residuals of each."
    elif of_best is Quality.SHAPE_LEFT:
        said = "Even the most likely kernel does not describe the recording."
    elif of_best.is_poor:
        said = "Even the most likely kernel may not quite have the shape of the recording: look at its residuals."
    else:
        return []
    return [said, weights] if weights else [said]


def _numbered(names: list[str]) -> list[str]:
    """The names, with a number where one comes more than once."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(f"{name} ({seen[name]})" if names.count(name) > 1 else name)
    return found
