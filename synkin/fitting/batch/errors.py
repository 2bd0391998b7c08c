"""Standard errors of a batch, which are those of `synkin.fitting.uncertainty.standard_errors`."""

from typing import NamedTuple

import numpy as np

from synkin.fitting.batch.noise import inefficiencies
from synkin.fitting.batch.recordings import Recordings
from synkin.fitting.batch.search import Found, own_values, relative_residuals

# A combination does not change the curve if its singular value is less than this fraction of the largest one.
_NO_EFFECT = 1e-7
# Residuals below this fraction of the trace are rounding errors and not noise.
_ROUNDING = 1e-6
# A quantity with a larger share than this in a combination without effect is itself unknown.
_UNKNOWN_SHARE = 1e-3
# A combination is known if its standard error is below a factor of 2.
_KNOWN = np.log(2.0)


class Errors(NamedTuple):
    """What is known about R recordings."""

    stderr: dict[str, np.ndarray]  # (R,) of each fitted quantity, in its unit; inf if nothing is known
    noise: np.ndarray  # (R,) standard deviation of the residuals, in the traces' unit
    inefficiency: np.ndarray  # (R,) how many neighbouring samples count as one
    identifiable: np.ndarray  # (R,) bool


def estimate_errors(recordings: Recordings, found: Found) -> Errors:
    """Noise and standard errors of recordings whose curves are finite.

    They are computed in relative coordinates, in which 1 is 100 % of a parameter or of the scale. The offset is
    relative to the curve's height, and the onset to the time in which the curve changes most.
    """
    form, present = recordings.form, recordings.present
    number, fitted = present.sum(axis=1), len(form.fitted)
    residuals = relative_residuals(recordings, found)
    correlated = inefficiencies(residuals, present, fitted)
    squares = (residuals**2).sum(axis=1)
    largest = np.abs(recordings.rows.target).max(axis=1) / recordings.unit
    rounding = np.sqrt(squares / (number - fitted * correlated)) <= _ROUNDING * largest
    # The residuals of a trace without noise are rounding errors, whose correlation means nothing.
    correlated = np.where(rounding, 1.0, correlated)
    noise = np.sqrt(squares / (number - fitted * correlated))

    values = own_values(recordings, found)
    scale, height = values["scale"], np.abs(values["scale"]) * np.abs(found.g).max(axis=1)
    steepest = np.abs(scale) * found.steepest
    natural, coordinate = {}, {}
    for i, name in enumerate(form.free):
        at = found.point[:, i]
        natural[name] = np.exp(at) if form.logarithmic[i] else np.where(at == 0, 1.0, at)
        coordinate[name] = scale if form.logarithmic[i] else scale * natural[name]
    natural["scale"] = coordinate["scale"] = np.where(scale == 0, 1.0, scale)
    natural["offset"] = coordinate["offset"] = np.where(height == 0, 1.0, height)
    natural["onset"] = np.divide(height, steepest, out=np.ones_like(height), where=(steepest > 0) & (height > 0))
    coordinate["onset"] = scale * natural["onset"]
    # The triangle has the derivatives of g; those of the curve are `scale` times as large.
    triangle = found.triangle[:, :-1, :-1] * np.stack([coordinate[name] for name in form.fitted], axis=1)[:, None]
    _, sizes, directions = np.linalg.svd(triangle)
    least = _NO_EFFECT * sizes[:, :1]
    without_effect = sizes <= least
    errors = (noise * np.sqrt(correlated))[:, None] / np.maximum(sizes, np.maximum(least, np.finfo(float).tiny))
    deviations = np.sqrt((directions**2 * errors[:, :, None] ** 2).sum(axis=1))
    shares = np.sqrt((directions**2 * without_effect[:, :, None]).sum(axis=1))
    vague = without_effect | (errors * np.abs(directions).max(axis=2) > _KNOWN)
    stderr = {
        name: np.where(shares[:, i] > _UNKNOWN_SHARE, np.inf, deviations[:, i] * np.abs(natural[name]))
        for i, name in enumerate(form.fitted)
    }
    return Errors(
        stderr={name: stderr[name] for name in (*form.free, "scale", "offset", "onset") if name in stderr},
        noise=noise * recordings.unit,
        inefficiency=correlated,
        identifiable=~vague.any(axis=1),
    )
