"""What `synkin.fit` returns."""

import html
import os
import textwrap
from dataclasses import dataclass, replace
from typing import Annotated, Any

import jax
import numpy as np

from synkin.arguments import fields, units
from synkin.arguments.known import double_precision
from synkin.arguments.numbers import as_float64
from synkin.arguments.times import check_times
from synkin.fitting import intervals, serialization
from synkin.fitting.formatting import rounded
from synkin.fitting.model import response
from synkin.fitting.optimizer import Found
from synkin.fitting.problem import OWN, Problem
from synkin.fitting.uncertainty import Known

# From so many neighbouring samples that count as one on, the message says so.
_WORTH_SAYING = 2.0
# Of a line of text.
_WIDTH = 100
# The part of a trace's sum of squares in which a curve that fits it without noise is off.
_ROUNDING = 1e-12


@fields.described
@dataclass(frozen=True, repr=False, eq=False)  # arrays do not compare to one truth
class Fit:
    """The curve ``scale * g + offset`` that follows a recording most closely, and how far it can be trusted.

    Of R recordings fitted together, scale, offset, onset, their standard errors, trace, predicted and residuals have
    R entries or rows; else they are numbers and vectors. It pickles and copies, and `save` writes it to a file.
    """

    kernel: Annotated[Any, "what was fitted"]
    params: Annotated[Any, "its ``Params``, floats, fitted and held; units as in ``kernel.UNITS``"]
    scale: Annotated[Any, "from g to the trace", "trace's unit per mS"]
    offset: Annotated[Any, "baseline", "trace's unit"]
    onset: Annotated[Any, "what is added to every spike time", "ms"]
    delay: Annotated[float, "what is added to it too, held", "ms"]
    free: Annotated[tuple[str, ...], "names of what was fitted"]
    stderr: Annotated[
        dict[str, Any], "standard error of what was fitted, by name, in its unit; inf where nothing is known"
    ]
    correlations: Annotated[np.ndarray, "(N, N) of the errors, between what `labels` names", "1"]
    labels: Annotated[
        tuple[str, ...], "the N numbers fitted: as `free`, with scale[0], scale[1], ... of several recordings"
    ]
    r_squared: Annotated[float, "part of the variance, around each recording's mean, that the curve explains", "1"]
    noise: Annotated[float, "standard deviation of the residuals", "trace's unit"]
    identifiable: Annotated[bool, "whether everything that was fitted is known to better than a factor of 2"]
    verdict: Annotated[str, "what the curve is worth, in a sentence"]
    message: Annotated[str, "that, and how the fit went, in sentences"]
    success: Annotated[bool, "whether the search ended by itself, and not for want of evaluations"]
    nfev: Annotated[int, "evaluations of the curve, of all starts together"]
    seconds: Annotated[float, "how long it took, with compilation, where there was any", "s"]
    spike_times: Annotated[np.ndarray, "as given; or the edges of a protocol", "ms"]
    concentrations: Annotated[np.ndarray | None, "between these; None for spikes", "mM"]
    times: Annotated[np.ndarray, "(M,); (R, M) where each recording has its own", "ms"]
    trace: Annotated[np.ndarray, "as given, (M,) or (R, M)", "`unit`"]
    unit: Annotated[str, "of the trace, '' if it is not known"]
    predicted: Annotated[np.ndarray, "the curve, same shape", "trace's unit"]
    residuals: Annotated[np.ndarray, "trace - predicted; NaN where the trace is", "trace's unit"]
    alike: Annotated[float, "how many neighbouring samples count as one"]
    problem: Annotated[Problem, "what was asked, with all that was held"]
    point: Annotated[np.ndarray, "(N,) the answer in its coordinates"]
    width: Annotated[float, "where the loss bends; inf for 'linear'", "trace's unit"]

    def predict(self, times: Any) -> np.ndarray:
        """The curve at other times.

        Args:
            times: (M,) ms, any.

        Returns:
            (M,), or (R, M) of several recordings, in the trace's unit.

        Raises:
            TypeError, ValueError: no real numbers, or of another shape.
        """
        times = as_float64("times", units.plain("times", times, "ms"))
        if times.ndim != 1:
            raise ValueError(f"Argument `times` must have shape (M,), but has shape {times.shape}.")
        check_times("times", times, sort=False)
        blank = np.zeros((len(self.problem.trace), len(times)))
        with double_precision(), jax.ensure_compile_time_eval():
            asked = replace(self.problem, times=times, trace=blank, present=blank == 0, importance=blank + 1)
            own = asked.split(self.point)
            g = response(asked, self.point[: len(asked.free)], own["onset"])[0]
        found = own["scale"][:, None] * g + own["offset"][:, None]
        return found[0] if self.problem.is_single else found

    def profile(self, name: str) -> "intervals.Profile":
        """How far one quantity can be moved before the recording contradicts it, all others being fitted anew.

        Args:
            name: of what was fitted, such as "beta" or "onset": one that all recordings share.

        Returns:
            `synkin.fit.Profile`: the curve and its 68 and 95 % intervals, as lopsided as they are.
            `synkin.plot.profile` draws it.

        Raises:
            ValueError: another name, or one of which each recording has its own.

        The interval ends where the sum of squares has grown so that its root, over the noise, passes the quantile of
        Student's t: with a curve that is straight in the quantity it is the standard error's. It allows for samples
        that are alike as the standard errors do. A parameter's steps are logarithmic. An end that the recording does
        not tell is infinite, or 0, or the bound. Under "soft_l1" the weights stay those of the fit.

        Source: Bates and Watts 1988, Nonlinear Regression Analysis and Its Applications, section 6.1.
        """
        stderr = self.stderr.get(name, np.inf)
        with double_precision(), jax.ensure_compile_time_eval(), np.errstate(over="ignore", invalid="ignore"):
            return intervals.profile(self.problem, self.point, self.width, self.alike, name, stderr)

    def bootstrap(self, n: int = 200, key: Any = 0, *, over: str | None = None) -> "intervals.Bootstrap":
        """What fits say of recordings that are drawn at random from this one.

        Args:
            n: how many.
            key: a whole number or a key of `jax.random`: the same draws for the same one.
            over: "sweeps", as many drawn with replacement as there are, each with its own scale, offset and onset; or
                "blocks": the fitted curve with residuals that are drawn in blocks, each twice as long as what counts
                as one sample. By default sweeps from 5 recordings on.

        Returns:
            `synkin.fit.Bootstrap`: what each draw gave of all that recordings share, standard errors and intervals to
            68 and 95 %. `synkin.plot.bootstrap` draws it.

        Raises:
            TypeError, ValueError: arguments that make no sense, or recordings too short for 10 blocks.

        Each draw is one descent from the fit. Sweeps are drawn with whatever differs between them; blocks know of the
        noise alone, are made larger by what they lose at their ends, and are the more uncertain the fewer there are.
        Intervals are the middle of the draws, and as much more of it as few sweeps or samples ask for: those to 95 %
        held the truth in 92 to 96 % of 200 synthetic recordings with filtered noise, of which blocks make 30, those of
        a profile in 93 to 96 %.

        Sources: Efron 1979, Ann. Stat. 7:1; Kuensch 1989, Ann. Stat. 17:1217, for the blocks;
        Hesterberg 2015, Am. Stat. 69:371, for the wider middle.
        """
        with double_precision(), jax.ensure_compile_time_eval(), np.errstate(over="ignore", invalid="ignore"):
            return intervals.bootstrap(self.problem, self.point, self.width, self.alike, n, key, over)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all of it to a JSON file, from which `Fit.load` (also `synkin.fit.load`) makes the same `Fit` again.

        Raises:
            OSError: the file cannot be written.
        """
        serialization.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], kernel: Any = None) -> "Fit":
        """The `Fit` that `save` wrote.

        Args:
            path: the file.
            kernel: needed for one of your own: the library's are found by their names, schemes are made of their text.

        Raises:
            OSError: no such file.
            ValueError: a file that `save` did not write or that was changed since, or a kernel that is needed or has
                other equations than the one that was fitted.

        Equations are the same if they give the same numbers at points that the file holds and, in the same versions of
        synkin and JAX, do the same operations. A file of synkin 0.2.0 or earlier holds neither: it is read if the
        kernel gives the curve in it.
        """
        return serialization.load(cls, path, kernel)

    def summary(self) -> str:
        """What the curve is worth, a table of value, standard error and unit of each quantity, and how the fit went."""
        rows, quality, rest = self._table()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([textwrap.fill(self.verdict, _WIDTH), *table, quality, textwrap.fill(rest, _WIDTH)])

    def _table(self) -> tuple[list[tuple[str, str, str, str]], str, str]:
        """Rows of quantities, how good the curve is, and what else is to be said."""
        rows = [("", "value", "std. error", "unit")]
        tied = dict(self.problem.ties)
        own_units = {"scale": f"{self.unit}/mS" if self.unit else "", "offset": self.unit, "onset": "ms"}
        for name, value, value_unit in (
            *zip(self.params._fields, self.params, (unit or "" for unit in self.kernel.UNITS), strict=True),
            *((name, getattr(self, name), own_units[name]) for name in OWN),
        ):
            if self.concentrations is not None and name not in OWN and self.kernel.bare(name) in ("T", "T_dur"):
                continue  # a pulse has no meaning there
            if name in self.free:
                label = name if np.ndim(value) == 0 else f"{name} (median of {len(value)})"
                rows.append((label, *rounded(np.median(value), np.median(self.stderr[name])), value_unit))
            elif name in tied:
                rows.append((name, f"{value:.5g}", f"= {tied[name]}", value_unit))
            elif name in self.params._fields or np.any(value != OWN[name]):
                rows.append((name, f"{value:.5g}", "held", value_unit))
        if self.delay:
            rows.append(("delay", f"{self.delay:.5g}", "held", "ms"))
        quality = f"R^2 {self.r_squared:.4f}, residuals {self.noise:.3g} {self.unit}".rstrip()
        return rows, quality, self.message.removeprefix(self.verdict).lstrip()

    def _repr_html_(self) -> str:
        """The summary as a table, for a notebook."""
        rows, quality, rest = self._table()
        cells = [[html.escape(cell) for cell in (*row, "")[:4]] for row in rows]
        head, *body = (
            "".join(f"<{'th' if i == 0 else 'td'}>{cell}</{'th' if i == 0 else 'td'}>" for cell in row)
            for i, row in enumerate(cells)
        )
        title = f"Fit of {self.kernel.name} to {self._count()}"
        return (
            f"<b>{html.escape(title)}</b><p>{html.escape(self.verdict)}</p>"
            f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in body)}</table>"
            f"<p>{html.escape(quality)}</p><p>{html.escape(rest)}</p>"
        )

    def __repr__(self) -> str:
        return f"Fit of {self.kernel.name} to {self._count()}\n{self.summary()}"

    def _count(self) -> str:
        samples = f"{self.times.shape[-1]:,} samples"
        return samples if self.trace.ndim == 1 else f"{len(self.trace):,} recordings of {samples}"


def collect(problem: Problem, found: Found, known: Known, worth: str, advice: str, seconds: float) -> Fit:
    """The result of a search as a person sees it: ``worth`` is its verdict, ``advice`` what to free or ""."""

    def seen(a: np.ndarray) -> Any:
        return a[0] if problem.is_single else a

    def number(name: str, a: np.ndarray) -> Any:
        return float(a[0]) if problem.is_single or name in problem.shared else a

    own = {
        # What is held is one number for all recordings.
        name: number(name, values) if name in problem.own else problem.held[name]
        for name, values in problem.split(found.point).items()
    }
    trace = np.where(problem.present, problem.trace, np.nan)
    residuals = trace - found.curve.value
    around = trace - np.nanmean(trace, axis=1, keepdims=True)
    stderr: dict[str, Any] = dict(zip(problem.free, map(float, known.stderr), strict=False))
    stderr |= {name: number(name, known.stderr[problem.columns_of(name)]) for name in problem.own}
    return Fit(
        kernel=problem.kernel,
        params=problem.params_at(found.point),
        **own,
        delay=problem.delay,
        free=(*problem.free, *problem.own),
        stderr=stderr,
        correlations=known.correlations,
        labels=problem.labels,
        r_squared=float(1 - np.nansum(residuals**2) / np.nansum(around**2)),
        noise=known.noise,
        identifiable=known.identifiable,
        verdict=worth,
        message=" ".join([worth, *_sentences(problem, found, known, advice)]),
        success=found.success,
        nfev=found.nfev,
        seconds=seconds,
        spike_times=problem.sent,
        concentrations=problem.weights[..., :-1] if problem.jumps else None,
        times=problem.times,
        trace=seen(trace),
        unit=problem.unit,
        predicted=seen(found.curve.value),
        residuals=seen(residuals),
        alike=known.alike,
        problem=problem,
        point=found.point,
        width=float(found.width),
    )


def _sentences(problem: Problem, found: Found, known: Known, advice: str) -> list[str]:
    """How the fit went."""
    # Sums of squares that differ by less than the worth of one independent sample, or by rounding, are equally good.
    worth = found.squares.min() / problem.present.sum() * known.alike + _ROUNDING * (problem.trace**2).sum()
    agreeing = int((found.squares <= found.squares.min() + worth).sum())
    # Of the search alone: starts agree on a bad curve as well as on a good one.
    search = f"{agreeing} of {found.starts} starts of the search ended at this sum of squares, the lowest found"
    left_out = found.asked - found.starts
    sentences = [f"{search}{f', so that {left_out} more were not needed' if left_out else ''}."]
    if not found.success:
        sentences.append("The search stopped at `max_nfev` evaluations before it came to rest.")
    missing = int((~problem.present).sum())
    if missing:
        sentences.append(f"{missing:,} of {problem.present.size:,} samples are NaN and were left out.")
    # What cannot be told apart on a curve that is beside the recording may well be on another.
    sentences += [advice] if advice else known.trade_offs
    if found.at_bound.any():
        stuck = [label for label, at in zip(problem.labels, found.at_bound, strict=True) if at]
        sentences.append(f"At a bound, so that the standard errors do not hold: {', '.join(stuck)}.")
    if known.alike >= _WORTH_SAYING:
        sentences.append(
            f"The residuals of neighbouring samples are alike: about {known.alike:.0f} count as one, "
            "which the standard errors allow for."
        )
    return sentences
