"""``measure``: from a recording to the peak, times and charge of each sweep, in a table; amplitudes after several
stimuli; or currents against voltages.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from synkin.cli import UsageError, batch, options, terminal, usage_errors
from synkin.cli.result import Result, Row, as_text
from synkin.measures.baselines import Zero
from synkin.measures.responses import measure
from synkin.measures.result import COLUMNS, CurrentVoltage, Measured
from synkin.measures.voltages import current_voltage
from synkin.recordings import formats
from synkin.recordings.exclusion import Exclude
from synkin.recordings.recording import Recording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The window of the synthetic recording that holds the response to one spike, and the window before it.
SAMPLE_OPTIONS = {"window": (0.0, 24.0), "baseline": (0.0, 4.9)}

# The columns that are printed, if any sweep has a number there; a file has all of them.
_PRINTED: tuple[str, ...] = ("peak", "onset", "time_to_peak", "rise", "rise_20_80", "half_width", "tau", "level")
_PRINTED += ("decay_r2", "tau_fast", "tau_slow", "fraction_fast", "tau_weighted", "charge", "noise")
# What is said of arguments, as options.
_AS_OPTIONS = {
    "give sign=, or take synkin.current_voltage": "give --direction, or take --iv",
    "fit_range= narrows it": "--fit-range narrows it",
    "give `baseline=`, a window (a, b) in ms before the response, or a level": "give --baseline A:B, a window in ms "
    "before the response",
    "leave it out with exclude=, such as what synkin.find_artefacts finds": "leave it out with --exclude A:B",
}


def run(arguments: argparse.Namespace) -> int:
    """Measure, write and draw the measurements, and print them as a table."""
    if arguments.sample:
        for name, value in SAMPLE_OPTIONS.items():
            if getattr(arguments, name) is None:
                setattr(arguments, name, value)
    for name in ("at", "fit_range"):
        if getattr(arguments, name) is not None and arguments.iv is None:
            raise UsageError(f"Option --{name.replace('_', '-')} has no use without --iv.")
    if arguments.baseline_end and not arguments.baseline:
        raise UsageError("Option --baseline-end needs --baseline, the window before the response.")
    work = _measured if arguments.iv is None else _related
    return batch.run(arguments, partial(work, arguments=arguments))


def _read(path: Path, arguments: argparse.Namespace) -> tuple[Recording, Any, formats.Sweeps]:
    """The recording, and the baseline that is still to be subtracted from it."""
    read = options.sweeps(path, arguments)
    without = options.part(read, path, arguments)  # what is wrong with the windows is said of the file
    if not arguments.baseline:
        return without, Zero(), read
    raw = options.part(read, path, arguments, baseline=None)
    if arguments.baseline_end:
        return raw, [arguments.baseline, arguments.baseline_end], read
    first, last = raw.times[0], raw.times[-1]
    if first <= arguments.baseline[0] and arguments.baseline[1] <= last:
        return raw, arguments.baseline, read
    return without, 0.0, read


def _measured(path: Path, arguments: argparse.Namespace) -> Result:
    """The measurements of one recording."""
    recording, baseline, read = _read(path, arguments)
    with usage_errors(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        measured = measure(
            recording,
            baseline=baseline,
            exclude=arguments.exclude,
            sign={"up": 1, "down": -1, None: None}[arguments.direction],
            window=arguments.peak_window,
            peak_mean=arguments.peak_mean,
            spikes=arguments.spikes,
            failures_below=arguments.failures_below,
        )
    if arguments.baseline and np.ndim(baseline) == 0:
        measured = measured._replace(noise=_noise(options.part(read, path, arguments, window=arguments.baseline)))
    table = _rows(recording, measured)
    about = _as_options(measured.message)
    stimuli: list[Row] = [] if measured.amplitudes is None else _table_rows(measured.amplitudes.table())
    text = _table(recording, measured)
    if stimuli:
        text += f"\n\n{terminal.aligned(as_text(stimuli, list(stimuli[0])))}"
    return Result(
        rows=[*options.recording_rows(recording, arguments), ("message", about)],
        text=text,
        columns=list(table[0]),
        table=table,
        content={
            "recording": recording.source,
            "unit": recording.unit,
            "message": about,
            "sweeps": table,
            **({"stimuli": stimuli} if stimuli else {}),
        },
        stimuli=stimuli,
        draw=partial(_draw, recording=recording, measured=measured, exclude=arguments.exclude),
        messages=[_as_options(str(each.message)).rstrip(".") for each in caught],
        more_pictures=[("amplitudes", partial(_draw_amplitudes, measured=measured))] if stimuli else [],
    )


def _related(path: Path, arguments: argparse.Namespace) -> Result:
    """The current-voltage relation of one recording."""
    recording, baseline, _ = _read(path, arguments)
    if not arguments.iv and recording.command is None:
        raise UsageError(
            f"Option --iv needs the voltage of each sweep, such as --iv -80,-40,0: {path} does not say it."
        )
    with usage_errors():
        found = current_voltage(
            recording,
            voltages=arguments.iv or None,
            at=arguments.at,
            window=arguments.peak_window,
            peak_mean=arguments.peak_mean,
            baseline=baseline,
            exclude=arguments.exclude,
            fit_range=arguments.fit_range,
        )
    table = _table_rows(found.table())
    about = _as_options(found.message)
    numbers: dict[str, float] = {
        name: getattr(found, name) for of in ("reversal", "slope", "rectification") for name in (of, f"{of}_error")
    }
    return Result(
        rows=[
            *options.recording_rows(recording, arguments),
            ("measured", f"at {found.time:.4g} ms"),
            ("rectification", f"{found.rectification:.3g} ± {found.rectification_error:.2g}, {_chords(found)}"),
            ("message", about),
        ],
        text=terminal.aligned(as_text(table, list(table[0]))),
        columns=list(table[0]),
        table=table,
        content={
            "recording": recording.source,
            "unit": recording.unit,
            "message": about,
            "time_ms": found.time,
            **numbers,
            "levels": table,
        },
        draw=partial(_draw_relation, found=found),
        brief=[{**numbers}],
    )


def _chords(found: CurrentVoltage) -> str:
    low, high = found.chord_voltages
    return f"chord at {high:g} over that at {low:g} mV"


def _as_options(message: str) -> str:
    """What is said, with the names of options."""
    for name, option in _AS_OPTIONS.items():
        message = message.replace(name, option)
    return message


def _draw(figure: Figure, recording: Recording, measured: Measured, exclude: Exclude) -> None:
    from synkin import plot

    spikes = None if measured.amplitudes is None else measured.amplitudes.spikes
    ax = plot.recording(recording, measured, spikes=spikes, exclude=exclude, ax=figure.subplots())
    sweeps = len(recording.traces)
    ax.set_title(f"{recording.source}, {sweeps} sweep{'s' * (sweeps != 1)}", loc="left")


def _draw_amplitudes(figure: Figure, measured: Measured) -> None:
    from synkin import plot

    if measured.amplitudes is not None:
        plot.amplitudes(measured.amplitudes, ax=figure.subplots())


def _draw_relation(figure: Figure, found: CurrentVoltage) -> None:
    from synkin import plot

    plot.current_voltage(found, ax=figure.subplots())


def _noise(before: Recording) -> np.ndarray:
    """The standard deviation of each sweep in the baseline's window, (R,)."""
    return np.ma.masked_invalid(before.traces).std(axis=1, ddof=1).filled(np.nan)


def _table(recording: Recording, measured: Measured) -> str:
    units = {"": recording.unit, "1": "", "* ms": f"{recording.unit} ms".strip()}
    columns = {name: np.atleast_1d(getattr(measured, name)) for name in _PRINTED}
    columns["level"] = np.where(measured.tau == measured.tau_to_level, measured.level, np.nan)
    values = {name: [_shown(value) for value in column] for name, column in columns.items()}
    if measured.amplitudes is not None:
        responses = measured.amplitudes.responses.T
        values |= {f"response_{k + 1}": [each or "-" for each in column] for k, column in enumerate(responses)}
    # Columns without a number for any sweep are left out.
    told = [name for name, column in values.items() if any(cell != "-" for cell in column)]
    rows = [
        ["sweep", *told],
        ["", *(units.get(COLUMNS.get(name, "1"), COLUMNS.get(name, "1")) for name in told)],
        *([label, *(values[name][row] for name in told)] for row, label in enumerate(_labels(recording))),
    ]
    return terminal.aligned(rows)


def _labels(recording: Recording) -> list[str]:
    """The names of the sweeps; those of one name are numbered from 1."""
    names = list(recording.labels)
    return [f"{name} {names[: i + 1].count(name)}" if names.count(name) > 1 else name for i, name in enumerate(names)]


def _shown(value: float) -> str:
    return f"{value:.4g}" if np.isfinite(value) else "-"


def _table_rows(columns: Mapping[str, np.ndarray]) -> list[Row]:
    """The rows of a table of columns."""
    return [
        {name: cell.item() for name, cell in zip(columns, cells, strict=True)}
        for cells in zip(*columns.values(), strict=True)
    ]


def _rows(recording: Recording, measured: Measured) -> list[Row]:
    """The table that is written, with units in the names of its columns."""
    starts = recording.start_times
    return [
        {
            "sweep": label,
            **({} if starts is None else {"start_ms": float(starts[i])}),
            **row,
        }
        for i, (label, row) in enumerate(zip(_labels(recording), _table_rows(measured.table()), strict=True))
    ]
