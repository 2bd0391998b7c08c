"""The .json file of a result: what is infinite or missing becomes null."""

import math

import numpy as np

from synkin.cli.fit.samples import Samples
from synkin.fitting import Bootstrap, Comparison, Fit, Profile


def of_fit(result: Fit, samples: Samples) -> dict[str, object]:
    """A fit."""
    report = {
        "kernel": result.kernel.name,
        "columns": samples.columns,
        "unit": result.unit,
        "params": result.params._asdict(),
        **{name: getattr(result, name) for name in ("scale", "offset", "onset")},
        "free": [*result.free],
        **{name: getattr(result, name) for name in ("stderr", "labels")},
        **{name: getattr(result, name) for name in ("correlations", "r_squared", "noise", "identifiable")},
        **{name: getattr(result, name) for name in ("message", "success", "nfev", "seconds", "spike_times")},
    }
    if result.channels is not None:
        report |= {name: getattr(result, name) for name in ("channels", "unitary", "sigma", "log_likelihood")}
    return {name: _as_json(value) for name, value in report.items()}


def of_comparison(compared: Comparison) -> dict[str, object]:
    """A comparison of kernels, without their fits."""
    names = ("names", "samples", "numbers", "r_squared", "aicc", "bic", "weights", "message")
    return {name: _as_json(getattr(compared, name)) for name in names}


def of_bootstrap(drawn: Bootstrap) -> dict[str, object]:
    """A bootstrap."""
    names = ("names", "units", "best", "samples", "over", "block", "stderr", "interval68", "interval95")
    return {name: _as_json(getattr(drawn, name)) for name in names}


def of_profile(profile: Profile) -> dict[str, object]:
    """A profile."""
    return {name: _as_json(value) for name, value in vars(profile).items()}


def _as_json(value: object) -> object:
    """``value`` in the types that JSON has."""
    if isinstance(value, dict):
        return {name: _as_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_as_json(item) for item in value]
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
