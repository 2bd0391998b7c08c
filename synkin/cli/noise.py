"""``noise``: from the scatter of sweeps or miniature events to the current and the number of channels."""

from __future__ import annotations

import argparse
import textwrap
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synkin.cli import UsageError, batch, options, terminal, usage_errors
from synkin.cli.result import Result, Row
from synkin.noise import NoiseAnalysis, noise_analysis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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


def run(arguments: argparse.Namespace) -> int:
    """Analyse, write and draw the points, and print a summary."""
    if not arguments.recordings:
        raise UsageError("Command noise needs a recording, but got none.")
    for name in ("window", "baseline"):
        if getattr(arguments, name) is None:
            example = {"window": "95:180, which holds the response", "baseline": "80:94, which holds none"}[name]
            raise UsageError(f"Command noise needs --{name} A:B in ms, such as {example}.")
    return batch.run(arguments, partial(_analysed, arguments=arguments), size=(9.0, 4.0))


def _analysed(path: Path, arguments: argparse.Namespace) -> Result:
    """The analysis of one recording."""
    recording = options.part(options.sweeps(path, arguments), path, arguments, window=None, baseline=None)
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
    table = _points(found)
    return Result(
        rows=options.recording_rows(recording, arguments),
        text=f"{_table(found)}\n\n{textwrap.fill(found.message, _WIDTH)}",
        columns=list(table[0]),
        table=table,
        content={"recording": recording.source, "unit": recording.unit, **_numbers(found), "points": table},
        draw=partial(_draw, found=found),
        brief=[_brief(found)],
    )


def _numbers(found: NoiseAnalysis) -> dict[str, object]:
    """Each number that is known, with its error and interval."""
    each = {
        name: {"value": getattr(found, name), "stderr": found.stderr[name], "interval95": list(found.interval95[name])}
        for name in found.stderr
    }
    return {**each, "message": found.message}


def _brief(found: NoiseAnalysis) -> Row:
    """The numbers that are known, and their errors, in a row."""
    return {
        key: number
        for name in _ROWS
        if not np.isnan(getattr(found, name))
        for key, number in ((name, float(getattr(found, name))), (f"{name}_stderr", float(found.stderr[name])))
    }


def _draw(figure: Figure, found: NoiseAnalysis) -> None:
    from synkin import plot

    plot.noise(found, ax=figure.subplots(1, 2))


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


def _points(found: NoiseAnalysis) -> list[Row]:
    """One row for each bin."""
    unit = f"_{found.unit}" if found.unit else ""
    square = f"{unit}2" if unit else ""
    names = (f"mean{unit}", f"variance{square}", f"error{square}", f"parabola{square}")
    columns = (found.mean, found.variance, found.variance_errors, found.parabola(found.mean))
    return [dict(zip(names, map(float, row), strict=True)) for row in zip(*columns, strict=True)]
