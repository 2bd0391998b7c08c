"""``noise``: from the scatter of sweeps or miniature events to the current and the number of channels."""

import argparse
import csv
import io
import textwrap
from pathlib import Path

import numpy as np

from synkin.cli import UsageError, files, options, terminal, usage_errors
from synkin.noise import NoiseAnalysis, noise_analysis

# The rows of the summary: the names of the numbers, what they are called, and their units, of which "" is that of the
# recording.
_ROWS = {
    "unitary": ("unitary current", ""),
    "gamma": ("unitary conductance", "pS"),
    "channels": ("channels", "1"),
    "p_open": ("open at the peak", "1"),
    "open_at_peak": ("channels open at the peak", "1"),
    "background_variance": ("background variance", "^2"),
}
_WIDTH = 100


def run(arguments: argparse.Namespace) -> None:
    """Analyse, write and draw the points, and print a summary."""
    path: Path | None = arguments.recording
    if path is None:
        raise UsageError("Command noise needs a recording, but got none.")
    for name in ("window", "baseline"):
        if getattr(arguments, name) is None:
            example = {"window": "95:180, which holds the response", "baseline": "80:94, which holds none"}[name]
            raise UsageError(f"Command noise needs --{name} A:B in ms, such as {example}.")
    outputs = files.Outputs(arguments, (".csv",), keep=path, size=(9.0, 4.0))
    read = options.sweeps(path, arguments)
    recording = options.part(read, path, arguments, window=None, baseline=None)
    with usage_errors():
        found = noise_analysis(
            recording,
            window=arguments.window,
            baseline=arguments.baseline,
            scaled=arguments.scaled,
            successive=not arguments.around_mean,
            driving_force=arguments.driving_force,
            bins=arguments.bins,
            key=arguments.seed,
        )
    if outputs.out:
        outputs.write(_csv(found))
    if outputs.picture:
        from synkin import plot

        plot.noise(found, ax=outputs.figure.subplots(1, 2))
        outputs.save_figure()
    rows = [*options.recording_rows(recording, arguments), *(("written", path) for path in outputs.written())]
    print(terminal.aligned(rows), _table(found), textwrap.fill(found.message, _WIDTH), sep="\n\n")


def _table(found: NoiseAnalysis) -> str:
    """Each number that is known, with its error and interval."""
    rows = [("", "value", "error", "95 % interval", "")]
    for name, (called, unit) in _ROWS.items():
        value = getattr(found, name)
        if not np.isnan(value):
            low, high = found.interval95[name]
            unit = {"": found.unit, "1": "", "^2": f"{found.unit}^2" if found.unit else ""}.get(unit, unit)
            rows.append((called, f"{value:.4g}", f"{found.stderr[name]:.2g}", f"{low:.3g} to {high:.3g}", unit))
    return terminal.aligned(rows)


def _csv(found: NoiseAnalysis) -> str:
    """One row for each bin."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    unit = f"_{found.unit}" if found.unit else ""
    square = f"{unit}2" if unit else ""
    writer.writerow([f"mean{unit}", f"variance{square}", f"error{square}", f"parabola{square}"])
    columns = (found.mean, found.variance, found.variance_errors, found.parabola(found.mean))
    for row in zip(*columns, strict=True):
        writer.writerow([repr(float(cell)) for cell in row])
    return text.getvalue()
