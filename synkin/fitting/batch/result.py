"""What `synkin.fit_each` returns."""

from __future__ import annotations

import html
import textwrap
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from jax.typing import ArrayLike

from synkin.arguments import fields, units
from synkin.arguments.known import computed_at_once, double_precision
from synkin.arguments.numbers import as_float64
from synkin.arguments.times import check_times
from synkin.declaring.kernel import Kernel
from synkin.fitting.batch.calls import conductances_of
from synkin.fitting.batch.recordings import Recordings, at_times
from synkin.fitting.formatting import aligned, listed

# What each flag means. If several hold of a recording, the first is its flag.
FLAGS = {
    "no samples": "all samples are NaN",
    "too few samples": "there are not more samples than fitted numbers",
    "constant": "the trace does not vary",
    "no spike before its end": "there is nothing to fit",
    "not finite": "the curve is not finite at the start",
    "not converged": "the search stopped at `max_nfev` evaluations",
    "no response": "no response is visible: the curve might explain as much of noise alone",
    "misfit": "the kernel does not describe the recording, or there are outliers",
    "at a bound": "standard errors are not valid there",
    "not identifiable": "something that is free is not known to a factor of 2",
}
# The width of text.
_WIDTH = 100


@fields.described
@dataclass(frozen=True, repr=False, eq=False)  # arrays do not compare to one truth
class FitEach:
    """The result of `synkin.fit_each`: a curve ``scale * g + offset`` for each of R recordings.

    All arrays have one element or row for each recording. It is NaN if the recording cannot be fitted.

    Example:
        >>> times = np.arange(0.0, 20.0, 0.5)
        >>> traces = np.exp(-times / np.array([[3.0], [5.0], [8.0]])) + 0.01 * np.cos(9 * times)
        >>> found = synkin.fit_each(synkin.expon, synkin.expon.Params(), [0.0], times, traces, free="tau")
        >>> print(found.good, found.scale.round(1))
        [True True True] [1. 1. 1.]
    """

    kernel: Annotated[Kernel, "the kernel that was fitted"]
    params: Annotated[NamedTuple, "all parameters, fitted and held: the kernel's ``Params`` of arrays (R,)"]
    scale: Annotated[np.ndarray, "(R,) the factor from g to the trace", "traces' unit per mS"]
    offset: Annotated[np.ndarray, "(R,) the baseline", "traces' unit"]
    onset: Annotated[np.ndarray, "(R,) the shift of every spike time", "ms"]
    free: Annotated[tuple[str, ...], "names of the fitted quantities"]
    stderr: Annotated[
        dict[str, np.ndarray], "(R,) standard error of each fitted quantity, by name; inf if nothing is known"
    ]
    r_squared: Annotated[np.ndarray, "(R,) fraction of the variance that the curve explains", "1"]
    noise: Annotated[np.ndarray, "(R,) standard deviation of the residuals", "traces' unit"]
    alike: Annotated[np.ndarray, "(R,) how many neighbouring samples count as one, because noise is correlated"]
    converged: Annotated[np.ndarray, "(R,) bool: whether the search converged"]
    at_bound: Annotated[np.ndarray, "(R,) bool: whether a fitted number is at its bound"]
    identifiable: Annotated[np.ndarray, "(R,) bool: whether all fitted numbers are known to better than a factor of 2"]
    flag: Annotated[np.ndarray, "(R,) text: what is wrong, such as 'misfit'; '' if nothing is"]
    message: Annotated[str, "how many fits are good, and what is wrong with the others"]
    nfev: Annotated[np.ndarray, "(R,) how often the curve was evaluated, in all starts together"]
    seconds: Annotated[float, "how long all fits took, compilation included", "s"]
    spike_times: Annotated[np.ndarray, "(K,) or (R, K), in order", "ms"]
    times: Annotated[np.ndarray, "(M,) or (R, M)", "ms"]
    traces: Annotated[np.ndarray, "(R, M) as given", "`unit`"]
    unit: Annotated[str, "the unit of the traces; '' if it is not known"]
    recordings: Annotated[Recordings, "what was fitted, for other functions of synkin"]
    point: Annotated[np.ndarray, "(R, C) the fitted numbers in the coordinates of the search"]

    def __len__(self) -> int:
        return len(self.traces)

    @property
    def good(self) -> np.ndarray:
        """(R,) bool: where there is no flag."""
        return self.flag == ""

    def predict(self, times: ArrayLike | None = None) -> np.ndarray:
        """The curves, at the times of the recordings or at other times.

        Args:
            times: (M,) ms, in any order.

        Returns:
            (R, M) in the unit of the traces; NaN for a recording that cannot be fitted.

        Raises:
            TypeError, ValueError: times that are not real numbers or have another shape.

        Example:
            >>> times = np.arange(0.0, 20.0, 0.5)
            >>> traces = np.exp(-times / np.array([[3.0], [5.0], [8.0]])) + 0.01 * np.cos(9 * times)
            >>> found = synkin.fit_each(synkin.expon, synkin.expon.Params(), [0.0], times, traces, free="tau")
            >>> print(found.predict([0.0, 5.0]).round(1))
            [[1. 0.2]
             [1. 0.4]
             [1. 0.5]]
        """
        recordings = self.recordings
        samples = self.traces.shape[1]
        if times is not None:
            known = as_float64("times", units.strip_unit("times", times, "ms"))
            if known.ndim != 1:
                raise ValueError(f"Argument `times` must have shape (M,), but has shape {known.shape}.")
            check_times("times", known, sort=False)
            recordings, samples = at_times(recordings, known), len(known)
        which = np.flatnonzero(np.isfinite(self.point).all(axis=1))
        predicted = np.full((len(self), samples), np.nan)
        if which.size and samples:
            with double_precision(), computed_at_once():
                g = conductances_of(recordings, which, self.point[which, None])[:, 0, :samples]
            predicted[which] = self.scale[which, None] * g + self.offset[which, None]
        return predicted

    def summary(self) -> str:
        """A table with the median and the quartiles of each quantity over the good fits, and ``message``, as text.

        Example:
            >>> times = np.arange(0.0, 20.0, 0.5)
            >>> traces = np.exp(-times / np.array([[3.0], [5.0], [8.0]])) + 0.01 * np.cos(9 * times)
            >>> found = synkin.fit_each(synkin.expon, synkin.expon.Params(), [0.0], times, traces, free="tau")
            >>> print(found.summary())
                   median    quartiles             std. error  unit
            tau    4.991     3.99 to 6.492         0.031       ms
            scale  1.002     1.001 to 1.002        0.0042
            R^2    0.9993    0.9992 to 0.9993
            noise  0.0073  0.0073 to 0.0073
            3 of 3 fits have no flag.
        """
        return "\n".join([*aligned(self._table()), textwrap.fill(self.message, _WIDTH)])

    def _table(self) -> list[tuple[str, str, str, str, str]]:
        units_of = dict(zip(self.params._fields, self.kernel.UNITS, strict=True))
        units_of |= {"scale": f"{self.unit}/mS" if self.unit else "", "offset": self.unit, "onset": "ms"}
        rows = [("", "median", "quartiles", "std. error", "unit")]
        for name in (*self.params._fields, "scale", "offset", "onset"):
            values = getattr(self.params if name in self.params._fields else self, name)
            if name in self.free:
                rows.append(
                    (name, *_quartiles(values[self.good]), _median(self.stderr[name][self.good]), units_of[name] or "")
                )
            elif name in self.params._fields or np.any(values != (1.0 if name == "scale" else 0.0)):
                ends = _quartiles(values) if np.ptp(values) else (f"{values[0]:.5g}", "")
                rows.append((name, *ends, "held", units_of[name] or ""))
        rows.append(("R^2", *_quartiles(self.r_squared[self.good]), "", ""))
        rows.append(("noise", *_quartiles(self.noise[self.good]), "", self.unit))
        return rows

    def _repr_html_(self) -> str:
        """The summary as a table, for a notebook."""
        head, *body = (
            "".join(f"<{'td' if i else 'th'}>{html.escape(cell)}</{'td' if i else 'th'}>" for cell in row)
            for i, row in enumerate(self._table())
        )
        return (
            f"<b>{html.escape(self._title())}</b><table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in body)}"
            f"</table><p>{html.escape(self.message)}</p>"
        )

    def _title(self) -> str:
        return f"Fits of {self.kernel.name} to {len(self):,} recordings of {self.traces.shape[1]:,} samples"

    def __repr__(self) -> str:
        return f"{self._title()}\n{self.summary()}"


def message_of(flag: np.ndarray, stderr: dict[str, np.ndarray], missing: int) -> str:
    """The sentences on how many fits are good, and on what is wrong with the others."""
    sentences = [f"{int((flag == '').sum()):,} of {len(flag):,} fits have no flag."]
    for name, meaning in FLAGS.items():
        if count := int((flag == name).sum()):
            sentences.append(f"{count:,} {name!r}: {meaning}.")
    vague = flag == "not identifiable"
    counts = {name: int(np.isinf(errors[vague]).sum()) for name, errors in stderr.items()}
    if names := [f"{name} ({count:,})" for name, count in counts.items() if count]:
        sentences.append(f"Of these, the number in which nothing is known: {listed(names)}. Hold one of them.")
    if missing:
        sentences.append(f"{missing:,} samples are NaN and were left out.")
    return " ".join(sentences)


def _quartiles(values: np.ndarray) -> tuple[str, str]:
    values = values[np.isfinite(values)]
    if not values.size:
        return "", ""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return f"{middle:.4g}", f"{low:.4g} to {high:.4g}"


def _median(values: np.ndarray) -> str:
    return f"{np.median(values):.2g}" if values.size else ""
