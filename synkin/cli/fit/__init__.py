"""``fit``: from a recording to the parameters of a kernel, a summary and a picture.

samples    the samples that are fitted, and their errors
requests   what is fitted in each kernel
report     the .json file of a result
wording    what a fit says, in the words of the command line
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synkin.cli import UsageError, batch, options, usage_errors
from synkin.cli.fit import report
from synkin.cli.fit.requests import Request, read_requests
from synkin.cli.fit.samples import cut, described, recorded, sigma_of
from synkin.cli.fit.wording import as_options, in_options
from synkin.cli.result import Result, columns_of
from synkin.declaring.kernel import Kernel
from synkin.fitting import Bootstrap, Comparison, Fit, Profile, compare, fit

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

# The options of --sample that are not given, besides --free, which depends on the kernel.
SAMPLE_OPTIONS = {
    "spikes": [5.0, 25.0, 28.0, 31.0],
    "scale": True,
    "offset": True,
    "onset": True,
}


def run(arguments: argparse.Namespace) -> int:
    """Fit, write and draw the result, print a summary."""
    kernels = arguments.kernel if isinstance(arguments.kernel, list) else [arguments.kernel]
    several = len(kernels) > 1
    batch.check_inputs(arguments)
    _complete(arguments, kernels)
    if arguments.channels and arguments.average:
        raise UsageError("Option --channels needs single sweeps, as their average has less noise: leave out --average.")
    if arguments.bootstrap is not None and arguments.bootstrap < 1:
        raise UsageError(f"Option --bootstrap needs a number of fits, at least 1, but got {arguments.bootstrap}.")
    if arguments.channels and arguments.bootstrap:
        raise UsageError("Option --channels has no bootstrap: leave out --bootstrap, and use --profile NAME.")
    requests, partly = read_requests(kernels, arguments)
    is_wide = several or bool(arguments.channels)
    size = (9.0 if is_wide else 8.0) + 4 * bool(arguments.profile), 4.0 if is_wide else 6.0
    return batch.run(arguments, partial(_fitted, arguments=arguments, requests=requests, partly=partly), size=size)


def _fitted(path: Path, arguments: argparse.Namespace, requests: list[Request], partly: list[str]) -> Result:
    """The fits of one recording."""
    several = len(requests) > 1
    samples = cut(recorded(path, arguments), arguments)
    sigma, of_sigma = sigma_of(path, samples, arguments)
    with usage_errors():
        results = [
            fit(
                request.kernel,
                request.params,
                arguments.spikes,
                samples.recording,
                free=request.free,
                scale=arguments.scale,
                offset=arguments.offset,
                onset=arguments.onset,
                weights=arguments.weights,
                exclude=arguments.exclude,
                sigma=sigma,
                tie=request.tie or None,
                bounds=request.bounds,
                loss=arguments.loss,
                channels=arguments.channels,
                starts=arguments.starts,
            )
            for request in requests
        ]
        results = [as_options(found) for found in results]
        compared = as_options(compare(results)) if several else None
        # Each kernel has its profiles; only the most likely one has a bootstrap.
        result = results[0] if compared is None else compared.best
        profiles = {
            found.kernel.name: [found.profile(name) for name in request.profile]
            for found, request in zip(results, requests, strict=True)
            if request.profile
        }
        drawn, refused = _bootstrap(result, arguments)

    fits = list(compared.fits) if compared else results
    written = [report.of_fit(found, samples) for found in fits]
    for found, each in zip(fits, written, strict=True):
        if of_kernel := profiles.get(found.kernel.name):
            each["profiles"] = {one.name: report.of_profile(one) for one in of_kernel}
    if drawn is not None:  # the most likely is the first
        written[0]["bootstrap"] = report.of_bootstrap(drawn)
    content = written[0] if compared is None else report.of_comparison(compared) | {"fits": written}
    times = samples.times
    rows = [
        ("kernels" if several else "kernel", ", ".join(found.kernel.name for found in results)),
        ("recording", described(samples)),
        *([("", options.SYNTHETIC_RECORDING)] if arguments.sample else []),
        *([("times", f"{samples.note}; options stay in ms")] if samples.note else []),
        ("samples", f"{len(times):,} from {times[0]:g} to {times[-1]:g} ms"),
        *([("sigma", of_sigma)] if of_sigma else []),
        *([("weights", _given_weights(arguments))] if isinstance(arguments.weights, list) else []),
        *([("for some", "; ".join(partly))] if partly else []),
        *([("bootstrap", f"of {result.kernel.name} alone, the most likely")] if compared and drawn else []),
        *([("bootstrap", f"none was made. {refused}")] if refused else []),
        (
            "time taken",
            f"{sum(found.seconds for found in results):.2f} s, {sum(found.nfev for found in results)} evaluations",
        ),
    ]
    parts: list[object] = (
        [compared, f"The most likely:\n{compared.best.summary()}"] if compared is not None else [result.summary()]
    )
    for name, of_kernel in profiles.items():
        parts += [f"Of {name}:\n{found}" if several else found for found in of_kernel]
    table = report.table(fits, compared)
    return Result(
        rows=rows,
        text="\n\n".join(map(str, (*parts, *([drawn] if drawn is not None else [])))),
        columns=columns_of(table),
        table=table,
        content=content,
        draw=partial(_draw, result=result, compared=compared, profiles=profiles.get(result.kernel.name, [])),
        detail=report.detail(fits, compared),
        more_pictures=[(found.name, partial(_draw_fit, result=found)) for found in fits] if compared else [],
        brief=[{name: cell for name, cell in row.items() if name != "message"} for row in table],
    )


def _bootstrap(result: Fit, arguments: argparse.Namespace) -> tuple[Bootstrap | None, str]:
    """The bootstrap that --bootstrap asks for, or why it cannot be made; the fit is given all the same."""
    if not arguments.bootstrap:
        return None, ""
    try:
        return result.bootstrap(arguments.bootstrap), ""
    except ValueError as error:
        return None, in_options(str(error))


def _complete(arguments: argparse.Namespace, kernels: list[Kernel]) -> None:
    """Add the options that --sample implies, and check that the options that a fit needs are given.

    Raises:
        UsageError: without --spikes, or, for a single kernel, without --free.
    """
    several = len(kernels) > 1
    if arguments.sample:
        sample = SAMPLE_OPTIONS if several else {**SAMPLE_OPTIONS, "free": options.typical_free(kernels[0])}
        for name, value in sample.items():
            if getattr(arguments, name) is None or getattr(arguments, name) is False:
                setattr(arguments, name, value)
    example = ",".join(options.typical_free(kernels[0]))
    for name, value in (("spikes", "3.0"), ("free", example)):
        if getattr(arguments, name) is None and not (several and name == "free"):
            raise UsageError(f"Command fit needs --{name}, such as --{name} {value}.")


def _given_weights(arguments: argparse.Namespace) -> str:
    """Each spike and its weight, for the summary."""
    pairs = sorted(zip(arguments.spikes, arguments.weights, strict=True))
    return ", ".join(f"{weight:g} at {spike:g} ms" for spike, weight in pairs)


def _draw(figure: FigureBase, result: Fit, compared: Comparison | None, profiles: list[Profile]) -> None:
    """Draw a fit or a comparison, and beside it the profiles of the fit or of the most likely kernel."""
    from synkin import plot

    if profiles:
        figure, right = figure.subfigures(1, 2, squeeze=False, width_ratios=[2, 1])[0]
        for found, ax in zip(profiles, np.ravel(right.subplots(len(profiles), 1)), strict=True):
            plot.profile(found, ax=ax)
    if compared is not None:
        plot.compare(compared, ax=figure.subplots(1, 2, width_ratios=[2, 1]))
        return
    _draw_fit(figure, result)


def _draw_fit(figure: FigureBase, result: Fit) -> None:
    """Draw a fit, and below it its residuals, or beside it its noise."""
    from synkin import plot

    if result.channels is not None:
        plot.channels(result, ax=figure.subplots(1, 2, width_ratios=[2, 1]))
        return
    plot.fit(result, ax=figure.subplots(2, 1, sharex=True, height_ratios=[3, 1]))
