"""Artefacts of stimuli that were not left out of a recording, as they are seen in the mean of its sweeps."""

import numpy as np

# An artefact of a stimulus is at most so many ms long, and begins at most so many ms before or after it.
_LONGEST, _NEAR = 3.0, 1.0
# Samples are evenly spaced if their intervals differ by less than this fraction.
_EVEN = 0.01


def short_artefacts(times: np.ndarray, rows: np.ndarray) -> list[tuple[float, float]]:
    """The short artefacts in the mean of sweeps, (R, M), in ms; none where samples are not evenly spaced."""
    from synkin.recordings.artefacts import artefacts  # which needs scipy

    intervals = np.diff(times)
    interval = float(intervals.mean())
    if np.ptp(intervals) > _EVEN * interval or not len(rows):
        return []
    mean = np.ma.masked_invalid(rows).mean(axis=0).filled(np.nan)
    found = [(float(times[a]), float(times[b])) for a, b in artefacts(mean, interval)]
    return [(a, b) for a, b in found if b - a <= _LONGEST]


def left_in(found: list[tuple[float, float]], spikes: np.ndarray, peak_times: np.ndarray) -> str:
    """A sentence if some of the amplitudes, at ``peak_times``, are within an artefact at their stimulus; else ""."""
    those = [
        f"{at:g}"
        for at, top in zip(spikes, peak_times, strict=True)
        if any(a - _NEAR <= at <= b + _NEAR and a <= top <= b for a, b in found)
    ]
    if not those:
        return ""
    listed = those[0] if len(those) == 1 else f"{', '.join(those[:-1])} and {those[-1]}"
    what = "its artefact" if len(those) == 1 else "their artefacts"
    return (
        f"What is measured after the {'stimulus' if len(those) == 1 else 'stimuli'} at {listed} ms looks like {what}, "
        "not like a response: leave it out with exclude=, such as what synkin.find_artefacts finds."
    )
