"""The .json file and the table of a result."""

from collections.abc import Sequence

import numpy as np

from synkin.cli.fit.samples import Samples
from synkin.cli.result import Row, plain
from synkin.fitting import Bootstrap, Comparison, Fit, Profile


def table(fits: Sequence[Fit], compared: Comparison | None) -> list[Row]:
    """A row for each fit: what was fitted with its standard errors, and how good it is."""
    rows: list[Row] = []
    for i, found in enumerate(fits):
        row: Row = {"kernel": found.name}
        for name, value in found.free.items():
            numbers, errors = (np.atleast_1d(of).ravel() for of in (value, found.stderr[name]))
            for k, (number, error) in enumerate(zip(numbers, errors, strict=True)):
                column = f"{name}[{k}]" if len(numbers) > 1 else name
                row |= {column: float(number), f"{column}_stderr": float(error)}
        row |= {"r_squared": float(found.r_squared), "noise": float(found.noise)}
        if compared is not None:
            row |= {"aicc": float(compared.aicc[i]), "weight": float(compared.weights[i])}
        rows.append(row | {"message": found.message})
    return rows


def detail(fits: Sequence[Fit], compared: Comparison | None) -> list[Row]:
    """What `table` has, a row for each quantity."""
    rows: list[Row] = []
    for row in table(fits, compared):
        for name, value in row.items():
            if name not in ("kernel", "message") and not name.endswith("_stderr"):
                error = row.get(f"{name}_stderr")
                rows.append({"kernel": row["kernel"], "quantity": name, "value": value, "standard error": error})
    return rows


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
    if result.weights is not None:
        report["weights"] = result.weights
    if result.channels is not None:
        report |= {name: getattr(result, name) for name in ("channels", "unitary", "sigma", "log_likelihood")}
    return {name: plain(value) for name, value in report.items()}


def of_comparison(compared: Comparison) -> dict[str, object]:
    """A comparison of kernels, without their fits."""
    names = ("names", "samples", "numbers", "r_squared", "aicc", "bic", "weights", "message")
    return {name: plain(getattr(compared, name)) for name in names}


def of_bootstrap(drawn: Bootstrap) -> dict[str, object]:
    """A bootstrap."""
    names = ("names", "units", "best", "samples", "over", "block", "stderr", "interval68", "interval95")
    return {name: plain(getattr(drawn, name)) for name in names}


def of_profile(profile: Profile) -> dict[str, object]:
    """A profile."""
    return {name: plain(value) for name, value in vars(profile).items()}
