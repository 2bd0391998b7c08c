"""How right the measures of `synkin.measure` and its neighbours are, and how long they take.

    python -m benchmarks.measures            # all tables, a minute or two
    python -m benchmarks.measures --seeds 20 # fewer

Synthetic inward currents of two exponentials (0.5 / 5 ms, 20 kHz) in white noise of 1 pA before a Bessel filter at
2 kHz, so that neighbours are alike. Bias and scatter are over seeds.

- tau where 0, 2, 5 and 10 % of the peak remain after the response, beside an exponential that decays to the baseline;
- the paired-pulse ratio of two responses 20 ms apart, of means and as the mean of the ratios of sweeps;
- failures in 40 % of the sweeps, for a response of -12 pA in noise of 2.7 pA: the rate, and the mean amplitude of a
  failure and of a response, beside the farthest sample of either sign;
- how far the rate is from that of the sweeps drawn, by the default and by a threshold of 1: there, and for responses of
  -40 pA in noise of 1 pA of which 15 % fail, in 20 sweeps;
- a current-voltage relation of seven levels: reversal potential and slope;
- seconds for 40 sweeps of 12,000 samples and for 30 of 30,000.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy import signal

import synkin

RATE = 20.0  # kHz
RISE, DECAY = 0.5, 5.0  # ms
FILTER = signal.bessel(4, 2.0, fs=RATE, output="sos")


def shape(t, decay=DECAY, rise=RISE):
    """Two exponentials from 0 ms on, with a peak of 1."""
    top = rise * decay / (decay - rise) * np.log(decay / rise)
    late = np.maximum(t, 0.0)
    return (np.exp(-late / decay) - np.exp(-late / rise)) / (np.exp(-top / decay) - np.exp(-top / rise))


def noise(rng, rows, samples, deviation):
    """Filtered noise, (rows, samples)."""
    white = signal.sosfilt(FILTER, rng.normal(size=(rows, samples + 500)), axis=1)[:, 500:]
    return deviation * white / white.std()


def line(name: str, values: list[float], true: float, unit: str = "") -> str:
    """The name, the mean, and bias and scatter in per cent of the truth."""
    known = np.array(values)[np.isfinite(values)]
    bias, scatter = 100 * (known.mean() / true - 1), 100 * known.std(ddof=1) / abs(true)
    lost = f", {len(values) - len(known)} without" if len(known) < len(values) else ""
    return f"{name:<46} {known.mean():9.4g} {unit:<4} {true:9.4g}   {bias:+7.2f} % {scatter:7.2f} %{lost}"


def taus(seeds: int) -> None:
    """Of a current of -20 pA, 60 ms of decay, the baseline from 9 ms before."""
    times = np.arange(0.0, 75.0, 1 / RATE)
    for left in (0.0, 0.02, 0.05, 0.1):
        found, old = [], []
        counted = 0
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            trace = -20 * (shape(times - 10) + left * (times >= 10) * (1 - np.exp(-np.maximum(times - 10, 0) / RISE)))
            measured = synkin.measure(times, trace + noise(rng, 1, times.size, 1.0)[0], baseline=(0, 9))
            found.append(measured.tau)
            old.append(measured.tau_to_baseline)
            counted += measured.tau == measured.tau_to_level
        said = f"tau, {100 * left:g} % left ({counted} of {seeds} to a level)"
        print(line(said, found, DECAY, "ms"))
        print(line("    to the baseline", old, DECAY, "ms"))


def pairs(seeds: int) -> None:
    """A first amplitude of -20 pA whose coefficient of variation is 0.4, and a second of 0.7 times as much."""
    times = np.arange(0.0, 150.0, 1 / RATE)
    ratios, of_sweeps, errors = [], [], []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        sizes = -20 * np.array([1.0, 0.7]) * np.exp(0.385 * rng.normal(size=(30, 2)) - 0.385**2 / 2)
        rows = sizes[:, :1] * shape(times - 50, 12.0) + sizes[:, 1:] * shape(times - 70, 12.0)
        rows += noise(rng, len(rows), times.size, 1.0)
        found = synkin.measure(times, rows, baseline=(30, 49), spikes=[50.0, 70.0], window=(0, 15)).amplitudes
        ratios.append(found.paired_pulse_ratio)
        errors.append(found.paired_pulse_error)
        of_sweeps.append(float((found.values[:, 1] / found.values[:, 0]).mean()))
    print(line("paired-pulse ratio, of means", ratios, 0.7))
    print(f"    its standard error: {np.mean(errors):.3f} on average; the scatter is {np.std(ratios, ddof=1):.3f}")
    print(line("    as the mean of the ratios of sweeps", of_sweeps, 0.7))


def failures(seeds: int) -> None:
    """60 sweeps; responses of -12 pA with a coefficient of variation of 0.3."""
    times = np.arange(0.0, 100.0, 1 / RATE)
    rates, errors, none, some, farthest_none, farthest_some, wrong = [], [], [], [], [], [], []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        responds = rng.random(60) >= 0.4
        sizes = -12 * responds * (1 + 0.3 * rng.normal(size=60))
        rows = sizes[:, None] * shape(times - 50) + noise(rng, 60, times.size, 2.7)
        found = synkin.measure(times, rows, baseline=(20, 49), spikes=[50.0], window=(0, 10)).amplitudes
        rates.append(found.failures[0])
        errors.append(found.failure_errors[0])
        none.append(found.values[~responds, 0].mean())
        some.append(found.values[responds, 0].mean())
        part = rows[:, (times >= 50) & (times <= 60)]
        farthest = part[np.arange(60), np.abs(part).argmax(axis=1)]
        farthest_none.append(np.abs(farthest[~responds]).mean())
        farthest_some.append(farthest[responds].mean())
        wrong.append((farthest[~responds] > 0).mean())
    print(line("failures", rates, 0.4))
    print(f"    their standard error: {np.mean(errors):.3f} on average; the scatter is {np.std(rates, ddof=1):.3f}")
    print(line("amplitude of a response", some, -12.0, "pA"))
    print(line("    farthest sample of either sign", farthest_some, -12.0, "pA"))
    print(f"amplitude of a failure: {np.mean(none):+.2f} ± {np.std(none) / np.sqrt(seeds):.2f} pA")
    said = f"{np.mean(farthest_none):.1f} pA, {np.mean(wrong):.0%} of them positive"
    print(f"    farthest sample of either sign: {said}")


def thresholds(seeds: int) -> None:
    """The rate of failures less that of the sweeps that were drawn: its mean, and its root mean square."""
    times = np.arange(0.0, 100.0, 1 / RATE)
    cases = {
        "60 sweeps, -12 pA in 2.7 pA, 40 % fail": (60, -12.0, 0.3, 2.7, 0.4),
        "20 sweeps, -20 pA in 2.7 pA, 15 % fail": (20, -20.0, 0.3, 2.7, 0.15),
        "20 sweeps, -40 pA in 1 pA, 15 % fail": (20, -40.0, 0.2, 1.0, 0.15),
    }
    for name, (count, size, cv, deviation, rate) in cases.items():
        off: dict[str, list[float]] = {"by default": [], "at 1": []}
        apart = 0
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            responds = rng.random(count) >= rate
            sizes = size * responds * (1 + cv * rng.normal(size=count))
            rows = sizes[:, None] * shape(times - 50) + noise(rng, count, times.size, deviation)
            for how, least in (("by default", None), ("at 1", 1.0)):
                found = synkin.measure(
                    times, rows, baseline=(20, 49), spikes=[50.0], window=(0, 10), failures_below=least
                ).amplitudes
                off[how].append(100 * (found.failures[0] - (~responds).mean()))
                apart += least is None and abs(found.threshold) > 2 * found.noise
        said = ", ".join(
            f"{how} {np.mean(each):+.1f}, {np.sqrt(np.mean(np.square(each))):.1f}" for how, each in off.items()
        )
        print(f"{name}: off by (mean, root mean square, %) {said}; apart in {apart}")


def relations(seeds: int) -> None:
    """Seven levels from -80 to 40 mV, one sweep each, 0.4 nS at the peak, noise of 2 pA."""
    times, volts = np.arange(0.0, 100.0, 1 / RATE), np.arange(-80.0, 60.0, 20.0)
    reversals, slopes, errors, slope_errors = [], [], [], []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        rows = 0.4 * (volts - 5)[:, None] * shape(times - 50) + noise(rng, 7, times.size, 2.0)
        found = synkin.current_voltage(times, rows, voltages=volts, baseline=(20, 49), window=(50, 70))
        reversals.append(found.reversal)
        errors.append(found.reversal_error)
        slopes.append(found.slope)
        slope_errors.append(found.slope_error)
    off = np.array(reversals) - 5
    said = f"{off.mean():+.2f} ± {off.std(ddof=1):.2f} mV"
    print(f"reversal potential, off by {said} (mean, scatter); its error is {np.mean(errors):.2f}")
    print(line("slope conductance", slopes, 0.4, "nS"))
    print(f"    its standard error: {np.mean(slope_errors):.4f} nS on average")


def seconds() -> None:
    """The best of five, after a first call."""
    for sweeps, samples in ((40, 12_000), (30, 30_000)):
        times = np.arange(samples) / RATE
        rng = np.random.default_rng(0)
        rows = -20 * shape(times - 100) + noise(rng, sweeps, samples, 1.0)

        def alone(times=times, rows=rows):
            return synkin.measure(times, rows, baseline=(0, 99))

        def stimuli(times=times, rows=rows):
            return synkin.measure(times, rows, baseline=(0, 99), spikes=[100.0, 150.0], window=(0, 20), peak_mean=0.5)

        for name, call in (("measure", alone), ("measure, two stimuli", stimuli)):
            print(f"{f'{name}, {sweeps} sweeps of {samples:,}':<46} {_best(call):.2f} s")


def _best(call: Callable[[], object]) -> float:
    call()
    found = []
    for _ in range(5):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return min(found)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100, metavar="N")
    seeds = parser.parse_args().seeds
    print(f"{seeds} seeds\n\n{'':<46} {'mean':>9} {'':<4} {'true':>9}   {'bias':>9} {'scatter':>9}")
    for part in (taus, pairs, failures, thresholds, relations):
        part(seeds)
        print(flush=True)
    seconds()


if __name__ == "__main__":
    main()
