"""What `synkin.fit` returns."""

from __future__ import annotations

import html
import os
import textwrap
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, overload

import jax
import numpy as np
from jax.typing import ArrayLike

from synkin.arguments import fields, units
from synkin.arguments.choices import check_flag
from synkin.arguments.declaration import AnyParams
from synkin.arguments.known import computed_at_once, double_precision
from synkin.arguments.numbers import as_float64
from synkin.arguments.times import check_times
from synkin.declaring.kernel import Kernel
from synkin.fitting.channels.likelihood import Seen, mean_and_variance
from synkin.fitting.channels.profiles import profile as profile_of_channels
from synkin.fitting.curves import FunctionCurve, KernelCurve
from synkin.fitting.density import LogDensity
from synkin.fitting.formatting import aligned, rounded, spread
from synkin.fitting.model import response
from synkin.fitting.problem import OWN, Problem
from synkin.fitting.serialization import fit_files
from synkin.fitting.uncertainty.profiles import Profile, profile
from synkin.fitting.uncertainty.resampling import Bootstrap, bootstrap
from synkin.networks.plasticity import tsodyks_markram

# The width of text.
_WIDTH = 100
# Of up to this many recordings each one's own value of a parameter has a line in the table; of more, the median has.
_LISTED = 8
# In a density, the standard error of what is not known at all, as a coordinate; and the largest exponent.
_UNKNOWN, _HUGE = 1.0, 700.0


@fields.described
@dataclass(frozen=True, repr=False, eq=False)  # arrays do not compare to one truth
class Fit:
    """The result of `synkin.fit`: the curve ``scale * g + offset``, its parameters, their errors, and how good the
    curve is.

    If R recordings were fitted together, scale, offset, onset, their standard errors, trace, predicted and residuals
    have R elements or rows. A `Fit` can be pickled and copied, and `save` writes it to a file.

    Example:
        >>> times = np.arange(0.0, 20.0, 0.5)
        >>> trace = 3.0 * np.exp(-times / 5.0) + 0.01 * np.cos(9 * times)
        >>> result = synkin.fit(synkin.expon, synkin.expon.Params(), [0.0], times, trace, free="tau", scale=True)
        >>> print(f"{result.params.tau:.2f} ms, R^2 {result.r_squared:.3f}")
        5.00 ms, R^2 1.000
        >>> result.free.keys() == result.stderr.keys()
        True
    """

    kernel: Annotated[Any, "the kernel that was fitted; for `fit_curve` the function"]
    params: Annotated[
        Any, "all parameters, fitted and held: the kernel's ``Params`` of floats; for `fit_curve` as ``start``"
    ]
    scale: Annotated[float | np.ndarray, "the factor from g to the trace", "trace's unit per mS"]
    offset: Annotated[float | np.ndarray, "baseline", "trace's unit"]
    onset: Annotated[float | np.ndarray, "the fitted shift of every spike time", "ms"]
    delay: Annotated[float, "the given delay of every spike", "ms"]
    free: Annotated[
        dict[str, float | np.ndarray], "value of each fitted quantity, by name: parameters, scale, offset and onset"
    ]
    stderr: Annotated[
        dict[str, float | np.ndarray],
        "standard error of each fitted quantity, by name, in its unit; inf if nothing is known",
    ]
    correlations: Annotated[np.ndarray, "(N, N) correlations of the errors of the numbers in `labels`", "1"]
    labels: Annotated[
        tuple[str, ...],
        "names of the N fitted numbers: `free`, as scale[0], scale[1], ... if recordings have their own",
    ]
    r_squared: Annotated[
        float, "fraction of the variance around the mean of each recording that the curve explains, by ``sigma``", "1"
    ]
    noise: Annotated[float, "standard deviation of the residuals", "trace's unit"]
    identifiable: Annotated[bool, "whether all fitted quantities are known to better than a factor of 2"]
    verdict: Annotated[str, "how well the curve describes the recording, in a sentence"]
    message: Annotated[str, "the verdict, then sentences on the search and on what to look at"]
    success: Annotated[bool, "whether the search converged before `max_nfev` evaluations"]
    nfev: Annotated[int, "how often the curve was evaluated, in all starts together"]
    seconds: Annotated[float, "how long the fit took, compilation included", "s"]
    spike_times: Annotated[np.ndarray, "the spike times as given, or the edges of a protocol", "ms"]
    concentrations: Annotated[np.ndarray | None, "the concentrations between the edges; None for spikes", "mM"]
    times: Annotated[np.ndarray, "(M,), or (R, M) if each recording has its own", "ms"]
    trace: Annotated[np.ndarray, "the recording as given, (M,) or (R, M)", "`unit`"]
    unit: Annotated[str, "the unit of the trace; '' if it is not known"]
    predicted: Annotated[np.ndarray, "the fitted curve, of the same shape", "trace's unit"]
    residuals: Annotated[np.ndarray, "trace - predicted; NaN if the trace is", "trace's unit"]
    alike: Annotated[float, "how many neighbouring samples count as one, because noise is correlated"]
    problem: Annotated[Problem, "what was fitted and what was held, for other functions of synkin"]
    point: Annotated[np.ndarray, "(N,) the fitted numbers in the coordinates of `problem`"]
    width: Annotated[float, "with 'soft_l1', the residual beyond which the loss is linear; else inf", "trace's unit"]
    inefficiencies: Annotated[
        np.ndarray | None, "(N,) how many samples count as one in the error of each number; None: ``alike``"
    ] = None
    growth: Annotated[float, "the noise at the peak of the response, divided by that at rest; 1 if equal"] = 1.0
    others: Annotated[
        np.ndarray | None, "(n, N) other minima that are nearly as low, in the coordinates of `problem`"
    ] = None
    channels: Annotated[float | None, "with channels: their number, fitted or held; else None"] = None
    sigma: Annotated[
        float | None, "with channels: the standard deviation of the white noise that is not of channels", "trace's unit"
    ] = None
    deviation: Annotated[
        np.ndarray | None,
        "with channels: the standard deviation of single sweeps around the curve, of the same shape",
    ] = None
    log_likelihood: Annotated[float | None, "with channels: the logarithm of the likelihood of all sweeps"] = None

    @property
    def name(self) -> str:
        """The name of the kernel, or of the function."""
        return str(getattr(self.kernel, "name", self.problem.name))

    @property
    def unitary(self) -> float | None:
        """The current of one open channel, ``scale / channels``, in the trace's unit; None for a fit without channels.

        ``stderr["unitary"]`` is its standard error.
        """
        return None if self.channels is None else float(self.scale) / self.channels

    @property
    def release(self) -> AnyParams:
        """The parameters of short-term plasticity, floats; None without ``release=``."""
        values = self.problem.params_at(self.point)
        if not isinstance(self.problem.curve, KernelCurve) or not self.problem.curve.releases:
            return None
        return tsodyks_markram.Params(*(values[name] for name in tsodyks_markram.Params._fields))

    @property
    def weights(self) -> np.ndarray | None:
        """With ``weights="free"`` the weight of each spike, (K,), in the order of time; else None.

        It is (R, K) if each recording has its own.
        """
        values = self.problem.params_at(self.point)
        if not isinstance(self.problem.curve, KernelCurve) or not self.problem.curve.free_weights:
            return None
        return np.stack(np.broadcast_arrays(*(values[name] for name in self.problem.curve.weight_names)), axis=-1)

    @property
    def log_density(self) -> LogDensity:
        """The logarithm of the posterior density, for samplers: a pure function of a vector (N,) without bounds.

        blackjax, numpyro and optax take ``log_density(vector)``. ``log_density.start`` is the vector of this fit, and
        ``log_density.values(vector)`` gives the fitted quantities of a vector.

        Raises:
            ValueError: the fit is with ``loss="soft_l1"``, which is not a probability, or with channels.
        """
        self._check_least_squares("A log density of a `Fit`", "synkin.log_likelihood")
        if np.isfinite(self.width):
            raise ValueError("A density needs a fit by least squares, loss='linear', but this one is soft_l1.")
        errors = np.concatenate([np.ravel(self.stderr[name]) for name in self.free])
        values = np.where(self.problem.are_logarithms, np.exp(np.minimum(self.point, _HUGE)), 1.0)
        known = np.isfinite(errors)
        errors = np.where(known, errors / values, _UNKNOWN)
        covariance = np.where(np.outer(known, known), self.correlations, np.eye(len(errors))) * np.outer(errors, errors)
        return LogDensity(self.problem, self.point, self.alike, covariance)

    @property
    def varying(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """The edges (ms) and the values of each parameter that varied, by name. For a protocol these are its edges."""
        return self.problem.varying

    @overload
    def predict(self, times: ArrayLike, *, band: Literal[False] = False) -> np.ndarray: ...

    @overload
    def predict(self, times: ArrayLike, *, band: Literal[True]) -> tuple[np.ndarray, np.ndarray]: ...

    def predict(self, times: ArrayLike, *, band: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """The curve at other times.

        Args:
            times: (M,) ms, in any order.
            band: for a fit with channels: whether to return also the standard deviation of single sweeps around the
                curve.

        Returns:
            (M,), or (R, M) for several recordings, in the trace's unit; with ``band`` two such arrays.

        Raises:
            TypeError, ValueError: times that are not real numbers or have another shape, or ``band`` for a fit without
                channels.

        Example:
            >>> times = np.arange(0.0, 20.0, 0.5)
            >>> trace = 3.0 * np.exp(-times / 5.0) + 0.01 * np.cos(9 * times)
            >>> result = synkin.fit(synkin.expon, synkin.expon.Params(), [0.0], times, trace, free="tau", scale=True)
            >>> print(result.predict([0.0, 5.0]).round(1))
            [3. 1.1]
        """
        times = as_float64("times", units.strip_unit("times", times, "ms"))
        if times.ndim != 1:
            raise ValueError(f"Argument `times` must have shape (M,), but has shape {times.shape}.")
        check_times("times", times, sort=False)
        blank = np.zeros((len(self.problem.trace), len(times)))
        with double_precision(), computed_at_once():
            self._check_function()
            problem = replace(self.problem, times=times, trace=blank, present=blank == 0, importance=blank + 1)
            if check_flag("band", band):
                mean, variance = mean_and_variance(self._seen(problem), self.point)
                both = mean, np.sqrt(variance)
                return (both[0][0], both[1][0]) if problem.is_single else both
            own = problem.split(self.point)
            g = response(problem, problem.parameters_of(self.point), own["onset"])[0]
        predicted = own["scale"][:, None] * g + own["offset"][:, None]
        return predicted[0] if self.problem.is_single else predicted

    def profile(self, name: str) -> Profile:
        """An interval for one quantity: it is held at other values, and everything else is fitted again at each of
        them.

        Args:
            name: a fitted quantity that all recordings share, such as "beta" or "onset".

        Returns:
            A `synkin.fit.Profile`: the sum of squares at each value, and intervals to 68 and 95 %, which may be wider
            on one side. `synkin.plot.profile` draws it.

        Raises:
            ValueError: not a fitted quantity, or one that each recording has its own value of.

        The interval contains the values at which the sum of squares is not much larger than at its minimum, by
        Student's t distribution. If the curve is linear in the quantity, this is the interval that the standard error
        gives. Correlated samples are taken into account as in the standard errors. If the recording sets no limit on
        one side, that end is infinite, or 0, or the bound.

        For a fit with channels the likelihood takes the place of the sum of squares, and "sigma", "channels" and
        "unitary" have profiles too.

        Source: Bates and Watts 1988, Nonlinear Regression Analysis and Its Applications, section 6.1.

        Example:
            >>> times = np.arange(0.0, 20.0, 0.5)
            >>> trace = 3.0 * np.exp(-times / 5.0) + 0.01 * np.cos(9 * times)
            >>> result = synkin.fit(synkin.expon, synkin.expon.Params(), [0.0], times, trace, free="tau", scale=True)
            >>> low, high = result.profile("tau").interval95
            >>> low < 5.0 < high
            True
        """
        stderr = self.stderr.get(name, np.inf)
        stderr = float(stderr) if np.ndim(stderr) == 0 else np.inf  # `profile` refuses what is each recording's own
        with double_precision(), computed_at_once(), np.errstate(over="ignore", invalid="ignore"):
            if self.channels is not None:
                return profile_of_channels(self._seen(self.problem), self.point, name, stderr, self._units)
            self._check_function()
            return profile(self.problem, self.point, self.width, self._alike_of(name), name, stderr, self._others)

    def bootstrap(self, n: int = 200, key: int | jax.Array = 0, *, over: str | None = None) -> Bootstrap:
        """Errors and intervals from many fits of recordings that are drawn at random from the data of this fit.

        Args:
            n: how many recordings are drawn and fitted.
            key: a whole number, or a key of `jax.random`. The same key gives the same draws.
            over: what is drawn. "sweeps": whole sweeps, with replacement. "blocks": the fitted curve plus blocks of
                residuals. "wild": the fitted curve plus the residuals, block by block with a random sign, for noise
                that depends on the size of the response. By default "sweeps" from 5 recordings on, unless parameters
                are held at different values in them; for fewer recordings "wild" if the noise depends on the response,
                and else "blocks".

        Returns:
            A `synkin.fit.Bootstrap`: the values of each draw, with standard errors and intervals to 68 and 95 %, for
            what all recordings share. `synkin.plot.bootstrap` draws it.

        Raises:
            TypeError, ValueError: an argument of the wrong kind or range, recordings that are too short for 10 blocks,
                or a fit with channels.

        Each draw is fitted from the result of this fit, and from each other minimum that is nearly as low. "sweeps"
        includes everything that differs from sweep to sweep. "blocks" and "wild" include the noise alone. An interval
        is the middle part of the draws, made wider if there are few sweeps or samples. In 200 synthetic recordings with
        filtered noise, each of 30 blocks, the 95 % intervals contained the true value in 92 to 96 % of the recordings,
        and those of a profile in 93 to 96 %.

        Sources: Efron 1979, Ann. Stat. 7:1; Kuensch 1989, Ann. Stat. 17:1217, for the blocks; Wu 1986, Ann. Stat.
        14:1261, and Shao 2010, J. Am. Stat. Assoc. 105:218, for their signs;
        Hesterberg 2015, Am. Stat. 69:371, for the wider middle.

        Example:
            >>> times = np.arange(0.0, 20.0, 0.5)
            >>> trace = 3.0 * np.exp(-times / 5.0) + 0.01 * np.cos(9 * times)
            >>> result = synkin.fit(synkin.expon, synkin.expon.Params(), [0.0], times, trace, free="tau", scale=True)
            >>> drawn = result.bootstrap(20)
            >>> drawn.stderr["tau"] < 0.1
            True
        """
        self._check_least_squares("A bootstrap", "`Fit.profile`")
        with double_precision(), computed_at_once(), np.errstate(over="ignore", invalid="ignore"):
            self._check_function()
            return bootstrap(
                self.problem, self.point, self.width, self.alike, n, key, over, self._others, grows=self.growth != 1.0
            )

    @property
    def _others(self) -> np.ndarray:
        return np.zeros((0, len(self.point))) if self.others is None else self.others

    @property
    def _units(self) -> dict[str, str]:
        """The unit of each quantity; "" where it is not known."""
        return self.problem.units | {"sigma": self.unit, "channels": "", "unitary": self.unit}

    def _seen(self, problem: Problem) -> Seen:
        """What the likelihood of channels is of.

        Raises:
            ValueError: a fit by least squares.
        """
        if self.channels is None:
            raise ValueError("A band is of the noise of channels, and needs a fit with `channels`, but this has none.")
        return Seen(problem, None if "channels" in self.free else self.channels)

    def _check_least_squares(self, what: str, instead: str) -> None:
        """Raise ValueError unless this is a fit by least squares."""
        if self.channels is not None:
            raise ValueError(f"{what} must be of a fit by least squares, but this has `channels`: use {instead}.")

    def _check_function(self) -> None:
        """Check that a function that was fitted still does what it did then.

        Raises:
            ValueError: something that it reads has changed.
        """
        curve = self.problem.curve
        if isinstance(curve, FunctionCurve) and curve.with_operations(self.times.shape[-1]) != curve:
            raise ValueError(
                f"Function {curve.name} must do what it did when it was fitted, but reads something that has changed "
                "since: fit again, or change it back."
            )

    def _alike_of(self, name: str) -> float:
        """How many samples count as one in the error of a quantity."""
        if self.inefficiencies is None or name not in self.labels:
            return self.alike
        return float(self.inefficiencies[self.labels.index(name)])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fit to a JSON file, which `Fit.load` (also `synkin.fit.load`) reads.

        Raises:
            OSError: the file cannot be written.

        Example:
            >>> times = np.arange(0.0, 20.0, 0.5)
            >>> trace = 3.0 * np.exp(-times / 5.0) + 0.01 * np.cos(9 * times)
            >>> result = synkin.fit(synkin.expon, synkin.expon.Params(), [0.0], times, trace, free="tau", scale=True)
            >>> result.save("decay.json")
            >>> synkin.Fit.load("decay.json").params == result.params
            True
        """
        fit_files.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], kernel: Kernel | None = None) -> Fit:
        """Read a `Fit` from a file that `save` wrote.

        Args:
            path: the file.
            kernel: the kernel or function that was fitted, if it is your own. Those of the library are found by name,
                and schemes are made from their text.

        Raises:
            OSError: there is no such file.
            ValueError: the file was not written by `save`, or was changed since; or the kernel is missing, or has other
                equations than the one that was fitted.

        Equations are the same if they give the values that are stored in the file, and consist of the same operations;
        the latter is only compared if synkin and JAX have the same versions. Files of synkin 0.2.0 and before do not
        store this: they are read if the kernel gives the curve in the file.

        Example:
            >>> times = np.arange(0.0, 20.0, 0.5)
            >>> trace = 3.0 * np.exp(-times / 5.0) + 0.01 * np.cos(9 * times)
            >>> result = synkin.fit(synkin.expon, synkin.expon.Params(), [0.0], times, trace, free="tau", scale=True)
            >>> result.save("decay.json")
            >>> synkin.Fit.load("decay.json").kernel is synkin.expon
            True
        """
        return fit_files.load(cls, path, kernel)

    def summary(self) -> str:
        """How good the curve is, a table of values, standard errors and units, and the rest of ``message``, as text.

        Example:
            >>> times = np.arange(0.0, 20.0, 0.5)
            >>> trace = 3.0 * np.exp(-times / 5.0) + 0.01 * np.cos(9 * times)
            >>> result = synkin.fit(synkin.expon, synkin.expon.Params(), [0.0], times, trace, free="tau", scale=True)
            >>> print(result.summary())  # doctest: +ELLIPSIS
            The curve explains 99.9921 % of the recording's variance, and noise the rest.
                   value   std. error  unit
            tau    4.997   0.010       ms
            scale  3.0018  0.0042
            R^2 0.9999, residuals 0.0073
            7 of 7 starts of the search ended at this sum of squares, the lowest found, so that 5 more were not
            needed.
        """
        rows, quality, rest = self._table()
        return "\n".join([textwrap.fill(self.verdict, _WIDTH), *aligned(rows), quality, textwrap.fill(rest, _WIDTH)])

    def _table(self) -> tuple[list[tuple[str, str, str, str]], str, str]:
        """Rows of quantities, how good the curve is, and the message without the verdict."""
        rows = [("", "value", "std. error", "unit")]
        tied, unit_of = {tie.name: tie.rate for tie in self.problem.ties}, self._units
        params, no_pulse = self.problem.params_at(self.point), self.concentrations is not None
        for name in (*params, *(("scale", "offset") if isinstance(self.problem.curve, FunctionCurve) else OWN)):
            value = getattr(self, name) if name in OWN else params[name]
            if no_pulse and name not in OWN and self.kernel.bare(name) in ("T", "T_dur"):
                continue
            if name in self.free and name not in OWN and np.ndim(value) > 0 and np.size(value) <= _LISTED:
                for r, (own, error) in enumerate(zip(value, np.atleast_1d(self.stderr[name]), strict=True)):
                    rows.append((f"{name}[{r}]", *rounded(own, error), unit_of[name]))
                continue
            if name in self.free:
                label = name if np.ndim(value) == 0 else f"{name} (median of {len(value)})"
                rows.append((label, *rounded(np.median(value), np.median(self.stderr[name])), unit_of[name]))
            elif name in self.varying:
                _, values = self.varying[name]
                rows.append((name, spread(values), "varies", unit_of[name]))
            elif name in tied:
                rows.append((name, spread(np.atleast_1d(value)), f"= {tied[name]}", unit_of[name]))
            elif name in params or np.any(value != OWN[name]):
                rows.append((name, spread(np.atleast_1d(value)), "held", unit_of[name]))
        if self.delay:
            rows.append(("delay", f"{self.delay:.5g}", "held", "ms"))
        for name in () if self.channels is None else ("sigma", "channels", "unitary"):
            value, error = getattr(self, name), self.stderr.get(name)
            of_value = (f"{value:.5g}", "held") if error is None else rounded(value, float(error))
            rows.append((name, *of_value, unit_of[name]))
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
        title = f"Fit of {self.name} to {self._count()}"
        return (
            f"<b>{html.escape(title)}</b><p>{html.escape(self.verdict)}</p>"
            f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in body)}</table>"
            f"<p>{html.escape(quality)}</p><p>{html.escape(rest)}</p>"
        )

    def __repr__(self) -> str:
        return f"Fit of {self.name} to {self._count()}\n{self.summary()}"

    def _count(self) -> str:
        samples = f"{self.times.shape[-1]:,} samples"
        return samples if self.trace.ndim == 1 else f"{len(self.trace):,} recordings of {samples}"
