"""What is measured: of responses, of several stimuli, of amplitudes against voltage or time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypeAlias

import numpy as np

from synkin.arguments import fields

# A number, or an array (R,) for R sweeps.
Value: TypeAlias = Any


@fields.described
@dataclass(frozen=True, eq=False, repr=False)
class Amplitudes:
    """The amplitude of the response to each of K stimuli in each of R sweeps. `synkin.plot.amplitudes` draws it.

    Errors are standard errors, and NaN of a single sweep. What a failure rate is, `synkin.measure` says.

    Example:
        >>> times, seeds = np.arange(0.0, 60.0, 0.1), np.random.default_rng(0)
        >>> late = lambda at: (times - at).clip(0)
        >>> shape = lambda at: np.exp(-late(at) / 5) - np.exp(-late(at) / 0.5)
        >>> sweeps = -20 * shape(10) - 14 * shape(30) + seeds.normal(0, 0.5, (20, 600))
        >>> found = synkin.measure(times, sweeps, spikes=[10.0, 30.0], peak_mean=0.5)
        >>> print(f"{found.amplitudes.paired_pulse_ratio:.1f}")
        0.7
    """

    spikes: Annotated[np.ndarray, "(K,) when the stimuli came", "ms"]
    peak_times: Annotated[np.ndarray, "(K,) when the mean response to each is largest: where it is measured", "ms"]
    values: Annotated[np.ndarray, "(R, K) the amplitude less the tail, signed", "`unit`"]
    tails: Annotated[np.ndarray, "(R, K) what was left there of the responses before, and was taken off", "`unit`"]
    mean: Annotated[np.ndarray, "(K,) over sweeps", "`unit`"]
    stderr: Annotated[np.ndarray, "(K,) its error", "`unit`"]
    ratios: Annotated[np.ndarray, "(K,) mean amplitudes over the first one", "1"]
    ratio_errors: Annotated[np.ndarray, "(K,) of each; 0 of the first", "1"]
    noise: Annotated[float, "standard deviation of an amplitude where there is no response", "`unit`"]
    noise_values: Annotated[np.ndarray, "amplitudes measured in the same way before the first stimulus", "`unit`"]
    cv: Annotated[np.ndarray, "(K,) coefficient of variation, without the noise", "1"]
    cv_errors: Annotated[np.ndarray, "(K,) of each", "1"]
    inverse_cv2: Annotated[np.ndarray, "(K,) 1 / cv^2", "1"]
    inverse_cv2_errors: Annotated[np.ndarray, "(K,) of each", "1"]
    failures: Annotated[np.ndarray, "(K,) fraction of the sweeps without a response, 0 to 1", "1"]
    failure_errors: Annotated[np.ndarray, "(K,) of each", "1"]
    below: Annotated[np.ndarray, "(K,) fraction of the sweeps below the threshold, as counted", "1"]
    false_responses: Annotated[float, "fraction of the noise's own amplitudes above the threshold", "1"]
    threshold: Annotated[float, "below which an amplitude counts as a failure, signed", "`unit`"]
    start_times: Annotated[np.ndarray | None, "(R,) when the sweeps began; None if it is not known", "ms"]
    unit: Annotated[str, "of the traces, such as 'pA'; '' if it is not known"]
    message: Annotated[str, "what was found, and what to look at"]

    @property
    def paired_pulse_ratio(self) -> float:
        """The mean second amplitude over the mean first one; NaN of a single stimulus."""
        return float(self.ratios[1]) if len(self.ratios) > 1 else float("nan")

    @property
    def paired_pulse_error(self) -> float:
        """The standard error of `paired_pulse_ratio`."""
        return float(self.ratio_errors[1]) if len(self.ratios) > 1 else float("nan")

    @property
    def responses(self) -> np.ndarray:
        """(R, K) "yes" where a sweep counts as a response, "no" where as a failure, and "" where that is not known."""
        way = np.where(self.threshold == 0, np.sign(self.mean), np.sign(self.threshold))
        known = np.isfinite(self.values) & np.isfinite(self.threshold)
        is_one = np.nan_to_num(way * self.values) >= abs(self.threshold)
        return np.where(known, np.where(is_one, "yes", "no"), "")

    def table(self) -> dict[str, np.ndarray]:
        """A row for each stimulus, as columns (K,) with units in their names, such as for pandas.DataFrame.

        Example:
            >>> times, seeds = np.arange(0.0, 60.0, 0.1), np.random.default_rng(0)
            >>> late = lambda at: (times - at).clip(0)
            >>> shape = lambda at: np.exp(-late(at) / 5) - np.exp(-late(at) / 0.5)
            >>> sweeps = -20 * shape(10) - 14 * shape(30) + seeds.normal(0, 0.5, (20, 600))
            >>> found = synkin.measure(times, sweeps, spikes=[10.0, 30.0], peak_mean=0.5)
            >>> print(found.amplitudes.table()["ratio"].round(1))
            [1.  0.7]
        """
        unit = f"_{self.unit}" if self.unit else ""
        return {
            "stimulus_ms": self.spikes,
            "peak_time_ms": self.peak_times,
            f"amplitude{unit}": self.mean,
            f"amplitude_stderr{unit}": self.stderr,
            f"tail{unit}": _mean(self.tails),
            "ratio": self.ratios,
            "ratio_stderr": self.ratio_errors,
            "cv": self.cv,
            "cv_stderr": self.cv_errors,
            "inverse_cv2": self.inverse_cv2,
            "inverse_cv2_stderr": self.inverse_cv2_errors,
            "failures": self.failures,
            "failures_stderr": self.failure_errors,
        }

    def __repr__(self) -> str:
        count, stimuli = self.values.shape
        return f"Amplitudes of {_counted(stimuli, 'stimulus', 'stimuli')} in {_counted(count, 'sweep')}: {self.message}"


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def _mean(rows: np.ndarray) -> np.ndarray:
    return np.asarray(np.ma.masked_invalid(rows).mean(axis=0).filled(np.nan))


@fields.described
class Measured(NamedTuple):
    """Measurements: numbers, or arrays (R,) for R sweeps. NaN if a trace does not determine one.

    Example:
        >>> times = np.arange(0.0, 50.0, 0.1)
        >>> found = synkin.measure(times, -20 * np.where(times > 10, np.exp(-(times - 10) / 5), 0.0))
        >>> print(f"{found.peak:.1f} at {found.peak_time:.1f} ms, tau {found.tau:.2f} ms")
        -19.6 at 10.1 ms, tau 5.00 ms
    """

    onset: Annotated[Value, "where the line through 20 and 80 % of the rise meets the baseline", "ms"]
    peak: Annotated[Value, "farthest from the baseline in the direction, less the baseline, signed", "the trace's unit"]
    peak_time: Annotated[Value, "when that sample was taken", "ms"]
    time_to_peak: Annotated[Value, "from the onset to the peak", "ms"]
    rise: Annotated[Value, "from 10 to 90 % of the peak", "ms"]
    rise_20_80: Annotated[Value, "from 20 to 80 % of the peak", "ms"]
    half_width: Annotated[Value, "how long it is above half of the peak", "ms"]
    tau: Annotated[Value, "time constant of one exponential: one of the next two", "ms"]
    tau_to_baseline: Annotated[Value, "that of one that decays to the baseline", "ms"]
    tau_to_level: Annotated[Value, "that of one that decays to a fitted level", "ms"]
    level: Annotated[Value, "that level, above the baseline, whether it counts or not", "the trace's unit"]
    decay_r2: Annotated[Value, "fraction of the variance of the decay that its fit explains, at most 1", "1"]
    tau_fast: Annotated[Value, "the fast one of two exponentials; NaN if one fits as well", "ms"]
    tau_slow: Annotated[Value, "the slow one of two exponentials; NaN if one fits as well", "ms"]
    fraction_fast: Annotated[Value, "fraction of the fast one in the sum of both at the time of the peak, 0 to 1", "1"]
    tau_weighted: Annotated[
        Value, "fraction_fast tau_fast + (1 - fraction_fast) tau_slow; tau if one fits as well", "ms"
    ]
    charge: Annotated[Value, "integral of the whole trace, less the baseline, signed", "the trace's unit times ms"]
    baseline: Annotated[Value, "what was subtracted; of a line, its value at the peak", "the trace's unit"]
    noise: Annotated[Value, "standard deviation in the baseline's window; NaN without one", "the trace's unit"]
    sign: Annotated[int, "1: the response goes up, -1: it goes down"]
    amplitudes: Annotated[Amplitudes | None, "with ``spikes=``, of each of them; else None"]
    unit: Annotated[str, "of the traces, such as 'pA'; '' if it is not known"]
    message: Annotated[str, "how it was measured, and what to look at"]

    def table(self) -> dict[str, np.ndarray]:
        """A row for each sweep, as columns (R,) with units in their names, such as for pandas.DataFrame.

        With stimuli there are ``amplitude_1`` and ``response_1`` ("yes", "no", or "" if not known) for the first, and
        so on for the others.

        Example:
            >>> times = np.arange(0.0, 50.0, 0.1)
            >>> found = synkin.measure(times, -20 * np.where(times > 10, np.exp(-(times - 10) / 5), 0.0))
            >>> print(found.table()["tau_ms"].round(2))
            [5.]
        """
        own = {"": self.unit, "* ms": f"{self.unit}_ms".strip("_")}
        columns = {name: (own.get(unit, unit), np.atleast_1d(getattr(self, name))) for name, unit in COLUMNS.items()}
        table = {f"{name}_{unit}" if unit not in ("", "1") else name: each for name, (unit, each) in columns.items()}
        if self.amplitudes is not None:
            ending = f"_{self.unit}" if self.unit else ""
            values, responses = self.amplitudes.values.T, self.amplitudes.responses.T
            table |= {f"amplitude_{k + 1}{ending}": each for k, each in enumerate(values)}
            table |= {f"response_{k + 1}": each for k, each in enumerate(responses)}
        return table


# The columns of `Measured.table` and their units: "" is that of the trace.
COLUMNS = {
    "peak": "",
    "peak_time": "ms",
    "onset": "ms",
    "time_to_peak": "ms",
    "rise": "ms",
    "rise_20_80": "ms",
    "half_width": "ms",
    "tau": "ms",
    "tau_to_baseline": "ms",
    "tau_to_level": "ms",
    "level": "",
    "decay_r2": "1",
    "tau_fast": "ms",
    "tau_slow": "ms",
    "fraction_fast": "1",
    "tau_weighted": "ms",
    "charge": "* ms",
    "baseline": "",
    "noise": "",
}
# Those that are measured of each sweep by itself.
NUMBERS = tuple(COLUMNS)


@fields.described
@dataclass(frozen=True, eq=False, repr=False)
class CurrentVoltage:
    """Currents against voltages. `synkin.plot.current_voltage` draws it.

    Example:
        >>> times, volts = np.arange(0.0, 50.0, 0.1), np.arange(-80.0, 60.0, 20.0)
        >>> shape = np.where(times > 10, np.exp(-(times - 10) / 5), 0.0)
        >>> sweeps = 0.4 * (volts - 3)[:, None] * shape
        >>> found = synkin.current_voltage(times, sweeps, voltages=volts, window=(10, 30))
        >>> print(f"{found.reversal:.1f} mV")
        3.0 mV
    """

    voltages: Annotated[np.ndarray, "(V,) the levels, increasing", "mV"]
    currents: Annotated[np.ndarray, "(V,) the mean current at each", "`unit`"]
    errors: Annotated[np.ndarray, "(V,) standard error of each, by what the curve leaves", "`unit`"]
    counts: Annotated[np.ndarray, "(V,) how many sweeps there are at each"]
    time: Annotated[float, "when the currents were measured", "ms"]
    reversal: Annotated[float, "where the curve crosses 0; NaN if it does not", "mV"]
    reversal_error: Annotated[float, "its standard error", "mV"]
    slope: Annotated[float, "slope conductance at the reversal potential", "`unit`/mV, nS of pA"]
    slope_error: Annotated[float, "its standard error", "as the slope"]
    rectification: Annotated[float, "chord conductance at the higher over that at the lower of two levels", "1"]
    rectification_error: Annotated[float, "its standard error", "1"]
    chord_voltages: Annotated[tuple[float, float], "those two levels", "mV"]
    coefficients: Annotated[np.ndarray, "(D + 1,) of the polynomial in mV, the constant first", "`unit`/mV^d"]
    fitted: Annotated[np.ndarray, "(V,) whether the curve was fitted to a level"]
    unit: Annotated[str, "of the currents, such as 'pA'; '' if it is not known"]
    message: Annotated[str, "what was found, and what to look at"]

    def curve(self, voltages: np.ndarray) -> np.ndarray:
        """The fitted current at any voltages in mV.

        Example:
            >>> times, volts = np.arange(0.0, 50.0, 0.1), np.arange(-80.0, 60.0, 20.0)
            >>> shape = np.where(times > 10, np.exp(-(times - 10) / 5), 0.0)
            >>> sweeps = 0.4 * (volts - 3)[:, None] * shape
            >>> found = synkin.current_voltage(times, sweeps, voltages=volts, window=(10, 30))
            >>> current = found.curve([-60.0, 3.0])
            >>> bool(abs(current[1]) < 1e-6 < -current[0])
            True
        """
        return np.asarray(np.polynomial.polynomial.polyval(np.asarray(voltages, float), self.coefficients))

    def table(self) -> dict[str, np.ndarray]:
        """A row for each voltage, as columns (V,) with units in their names, such as for pandas.DataFrame.

        Example:
            >>> times, volts = np.arange(0.0, 50.0, 0.1), np.arange(-80.0, 60.0, 20.0)
            >>> shape = np.where(times > 10, np.exp(-(times - 10) / 5), 0.0)
            >>> sweeps = 0.4 * (volts - 3)[:, None] * shape
            >>> found = synkin.current_voltage(times, sweeps, voltages=volts, window=(10, 30))
            >>> print(found.table()["voltage_mV"])
            [-80. -60. -40. -20.   0.  20.  40.]
        """
        unit = f"_{self.unit}" if self.unit else ""
        return {
            "voltage_mV": self.voltages,
            f"current{unit}": self.currents,
            f"current_stderr{unit}": self.errors,
            f"curve{unit}": self.curve(self.voltages),
            "sweeps": self.counts,
        }

    def __repr__(self) -> str:
        return f"CurrentVoltage of {len(self.voltages)} levels: {self.message}"


@fields.described
@dataclass(frozen=True, eq=False, repr=False)
class NmdaAmpaRatio:
    """What NMDA receptors carry over what AMPA receptors carry.

    Example:
        >>> times = np.arange(0.0, 200.0, 0.1)
        >>> late = np.maximum(times - 10, 0)
        >>> fast, slow = np.exp(-late / 4) - np.exp(-late / 0.4), np.exp(-late / 80) - np.exp(-late / 4)
        >>> down, up = (synkin.Recording(times, trace, "pA") for trace in (-100 * fast, 60 * fast + 50 * slow))
        >>> found = synkin.nmda_ampa_ratio(down, up, spike=10.0, after=40.0)
        >>> print(f"{found.ratio:.2f}")
        0.44
    """

    ratio: Annotated[float, "nmda / ampa, positive", "1"]
    stderr: Annotated[float, "its standard error; NaN of single sweeps", "1"]
    ampa: Annotated[float, "the AMPA receptors' peak, signed", "`unit`"]
    ampa_error: Annotated[float, "its standard error", "`unit`"]
    nmda: Annotated[float, "the NMDA receptors' current at its time, or their peak by a fit, signed", "`unit`"]
    nmda_error: Annotated[float, "its standard error", "`unit`"]
    ampa_time: Annotated[float, "when the first was measured; NaN by a fit", "ms"]
    nmda_time: Annotated[float, "when the second was measured; NaN by a fit", "ms"]
    ampa_left: Annotated[float, "fraction of the AMPA receptors' peak that is left at the second time", "1"]
    unit: Annotated[str, "of the traces, such as 'pA'; '' if it is not known"]
    message: Annotated[str, "what was found, and what to look at"]

    def table(self) -> dict[str, np.ndarray]:
        """The numbers as columns of one row, with units in their names, such as for pandas.DataFrame.

        Example:
            >>> times = np.arange(0.0, 200.0, 0.1)
            >>> late = np.maximum(times - 10, 0)
            >>> fast, slow = np.exp(-late / 4) - np.exp(-late / 0.4), np.exp(-late / 80) - np.exp(-late / 4)
            >>> down, up = (synkin.Recording(times, trace, "pA") for trace in (-100 * fast, 60 * fast + 50 * slow))
            >>> found = synkin.nmda_ampa_ratio(down, up, spike=10.0, after=40.0)
            >>> print(found.table()["ratio"].round(2))
            [0.44]
        """
        unit = f"_{self.unit}" if self.unit else ""
        named = {
            "ratio": self.ratio,
            "ratio_stderr": self.stderr,
            f"ampa{unit}": self.ampa,
            f"ampa_stderr{unit}": self.ampa_error,
            f"nmda{unit}": self.nmda,
            f"nmda_stderr{unit}": self.nmda_error,
            "ampa_left": self.ampa_left,
        }
        return {name: np.array([value]) for name, value in named.items()}

    def __repr__(self) -> str:
        return f"NmdaAmpaRatio: {self.message}"


@fields.described
@dataclass(frozen=True, eq=False, repr=False)
class Rundown:
    """How an amplitude changes over the time of a recording: a straight line.

    Example:
        >>> minutes = np.arange(30) / 6                           # a sweep every 10 s
        >>> found = synkin.rundown(-100 + 5 * minutes, 60_000 * minutes)
        >>> print(f"{found.slope:.1f} a minute, {found.relative:.0%}")
        5.0 a minute, -5%
    """

    slope: Annotated[float, "of the line", "the values' unit a minute"]
    stderr: Annotated[float, "its standard error", "the values' unit a minute"]
    relative: Annotated[float, "the slope over the line's value at the first sweep", "1 / minute"]
    p_value: Annotated[float, "probability of so steep a line where nothing changes, 0 to 1", "1"]
    start: Annotated[float, "the line's value at the first sweep", "the values' unit"]
    minutes: Annotated[np.ndarray, "(R,) from the first sweep", "min"]
    values: Annotated[np.ndarray, "(R,) as given", "their unit"]
    message: Annotated[str, "what was found, and what to look at"]

    def line(self, minutes: np.ndarray) -> np.ndarray:
        """The value of the line at any minutes from the first sweep.

        Example:
            >>> minutes = np.arange(30) / 6                           # a sweep every 10 s
            >>> found = synkin.rundown(-100 + 5 * minutes, 60_000 * minutes)
            >>> found.line([0.0, 2.0]).round(1)
            array([-100.,  -90.])
        """
        return np.asarray(self.start + self.slope * np.asarray(minutes, float))

    def table(self) -> dict[str, np.ndarray]:
        """A row for each sweep, as columns (R,), such as for pandas.DataFrame.

        Example:
            >>> minutes = np.arange(30) / 6                           # a sweep every 10 s
            >>> found = synkin.rundown(-100 + 5 * minutes, 60_000 * minutes)
            >>> print(sorted(found.table()))
            ['line', 'minutes', 'value']
        """
        return {"minutes": self.minutes, "value": self.values, "line": self.line(self.minutes)}

    def __repr__(self) -> str:
        return f"Rundown over {len(self.values)} sweeps: {self.message}"
