"""Least squares of a kernel against a recording.

    problem      the recording and what is free, checked
    model        the curve and its exact derivatives, from JAX
    onset        looked for by trying
    pace         where to begin: as fast as what was recorded
    search       the optimiser, from several starts
    words        numbers and lists as text
    statistics   noise, standard errors, and what the recording cannot tell
    verdict      what the curve is worth, in a sentence
    advice       what to free where it is poor
    intervals    profiles and the bootstrap
    identity     what identifies a kernel in a file
    kept         files of results
    result       `Fit`
    compare      which of several kernels

Each imports from those above it alone.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from synkin.arguments.choices import check_flag
from synkin.arguments.known import double_precision
from synkin.fitting import optimizer, uncertainty
from synkin.fitting.advice import freeing
from synkin.fitting.compare import Comparison, compare
from synkin.fitting.goodness_of_fit import verdict
from synkin.fitting.intervals import Bootstrap, Profile
from synkin.fitting.problem import pose
from synkin.fitting.result import Fit, collect
from synkin.recordings.recording import Recording, arrays
from synkin.runs.protocol import Jumps

__all__ = ["Bootstrap", "Comparison", "Fit", "Profile", "compare", "fit"]


def fit(
    kernel: Any,
    params: Any,
    spike_times: ArrayLike | Jumps,
    times: ArrayLike | Recording,
    trace: ArrayLike | None = None,
    *,
    free: str | Sequence[str],
    scale: bool | float | str = False,
    offset: bool | float | str = False,
    onset: bool | float | str = False,
    weights: ArrayLike | None = None,
    sigma: ArrayLike | None = None,
    tie: Mapping[str, str] | None = None,
    delay: float = 0.0,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    loss: str = "linear",
    starts: int = 12,
    overlap: str = "restart",
    unit: str = "",
    max_nfev: int = 300,
    progress: bool = True,
) -> Fit:
    """The parameters with which a kernel follows a recording most closely.

    The curve ``scale * g(times) + offset``, g being that of `synkin.respond` with every spike ``delay + onset`` later,
    is fitted by bounded least squares (SciPy's `scipy.optimize.least_squares`) with exact derivatives. Of several
    recordings all share the parameters; ``scale``, ``offset`` and ``onset``, where they are free, are each one's own
    unless they are "shared".

    Args:
        kernel: a kernel such as `synkin.ampa`, or a sum of several such as ``synkin.ampa + synkin.schemes.nmda5``.
        params: the kernel's ``Params``, scalars: what is free starts there, all else is held there.
        spike_times: (K,) ms, in any order, inf pads; or (R, K), a row for each recording. For a receptor also
            `synkin.Jumps`, a concentration between edges as in `synkin.concentration_jumps`, one for each recording or
            one for all.
        times: (M,) ms, increasing, evenly spaced or not; or (R, M), or a list of R arrays of any lengths, where each
            recording has its own; or a `Recording`, in place of ``times``, ``trace`` and ``unit``.
        trace: (M,) or, for R recordings at the same times, (R, M): a conductance, current or voltage in any unit.
            NaN samples are left out. Beside a list of ``times``, a list of as many arrays of the same lengths.
        free: names of the parameters to fit. All are positive and fitted on a log scale, but for a linear kernel's
            ``amplitude``, which may be negative. Those of a sum have the part's name before them, as ``ampa_beta``, and
            ``g_nmda5`` is how much there is of a part, relative to the first: with a ``scale`` of either sign all
            parts have that sign.
        scale: from g in mS to the trace's unit, of either sign. True: fitted, False: 1, a number: held there,
            "shared": fitted, one for all recordings, as for jumps of one patch to several concentrations.
        offset: baseline in the trace's unit. True: fitted, False: 0, a number: held there, "shared" as for scale.
        onset: common shift of the spike times in ms. True: fitted, False: 0, a number: held there, "shared" as for
            scale. It is looked for near 0, about twice as far as the response is wide, and 6 ms at the least. Of a
            kernel that jumps, as `synkin.expon`, it can be told to a sample interval, and the middle of that is given.
        weights: (K,) or (R, K) mS, as ``spike_times``, for the linear kernels; 1 each by default.
        sigma: (M,), (R, M), or (R,) for one of each recording: how large the error of a sample is beside those of
            others. Only the proportions count: how large errors are is told by the residuals, ``noise`` being that of
            a sample of middling ``sigma``.
        tie: parameters that have the value of a free one, such as ``{"beta2": "beta1"}``.
        delay: ms, 0 or more, from the spike times to where they act: what is known of it. One that is to be fitted
            is an onset with bounds, such as ``onset=True, bounds={"onset": (0.0, 5.0)}``: the two are one shift.
        bounds: lower and upper bound of what is free, by name, such as ``{"beta": (0.1, 2.0)}``, in its unit. By
            default a parameter stays within a factor of 10,000 of its start.
        loss: "linear", or "soft_l1", which large outliers hardly sway.
        starts: how many starts are tried at most: ``params``, parameters at which the kernel is about as fast as the
            recording (of a sum, the part that is the fastest as the fast of two exponentials), others up to 10 times
            smaller or larger than these, until 3 have ended at the same, the lowest, sum of squares; and, for the last
            third, near the best so far. They are the same every time, and the best result is kept.
        overlap: for the receptors, "restart" or "ignore", as in `synkin.respond`.
        unit: of the trace, such as "pA", for summary and pictures.
        max_nfev: the most evaluations of the curve that a start may take.
        progress: whether a long fit says on stderr how far it is: on a terminal after 2 s, else every 10 s.

    Returns:
        `Fit`, of plain numbers. It is computed in double precision, whatever JAX's default is.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension, or a recording with nothing
            to fit.

    Parameters, times, weights, delay and trace may be quantities of saiunit; the trace's is then the unit of the
    result.

    Standard errors are those of the linearised problem. They allow for noise that is alike in neighbouring samples,
    as filtered noise is, and take its level to be the same everywhere. A quantity of which the recording says
    nothing has an infinite one, and ``message`` names the combination that can be known instead, and what to hold.

    ``message`` begins with what the curve is worth: how much of the recording's variance it explains, how much is
    noise, and whether what is left means that the kernel does not describe the recording. What counts as noise is
    estimated without the kernel: by how far samples lie off the line between their neighbours, at distances up to a
    thirty-second of the recording for each spike, which hardly sees a response. Slower noise cannot be told from a
    kernel of another shape; where the two are not large, the message says just that. Where the curve leaves more than
    fast noise and scale, offset or onset is held, it is fitted again with these free, from 4 starts, and ``message``
    says which of them to free if that leaves much less.

    Source: for the errors under ``loss="soft_l1"``, Huber and Ronchetti 2009, Robust Statistics, ch. 7.
    """
    began = time.perf_counter()
    optimizer.check(loss, starts, max_nfev)
    progress = check_flag("progress", progress)
    is_sweep = isinstance(times, Recording) and len(times.traces) == 1
    times, traces, own_unit = arrays(times, trace)
    traces, unit = traces[0] if is_sweep else traces, unit or own_unit  # one sweep has one scale, not an array of it
    # The search may try parameters that overflow: it sees that the curve is not finite, and turns back.
    # Now, and not when a function around it is compiled: a fit is no part of one.
    eager = jax.ensure_compile_time_eval()
    with double_precision(), eager, np.errstate(over="ignore", invalid="ignore"):
        problem = pose(
            kernel,
            params,
            spike_times,
            times,
            traces,
            free=free,
            held={"scale": scale, "offset": offset, "onset": onset},
            weights=weights,
            sigma=sigma,
            tie=tie,
            delay=delay,
            bounds=bounds or {},
            overlap=overlap,
            unit=unit,
        )
        found = optimizer.run(problem, loss, int(starts), int(max_nfev), progress)
        known = uncertainty.infer(problem, found)
        worth, is_poor = verdict(problem, found, known)
        advice = freeing(problem, found, loss) if is_poor else ""
    return collect(problem, found, known, worth, advice, time.perf_counter() - began)


# In the package `synkin`, this function hides the subpackage of the same name: with this, `synkin.fit.Fit` and the rest
# are found all the same.
fit.Fit, fit.Profile, fit.Bootstrap, fit.Comparison = Fit, Profile, Bootstrap, Comparison  # type: ignore[attr-defined]
fit.load = Fit.load  # type: ignore[attr-defined]
load = Fit.load


def __dir__() -> list[str]:
    return sorted(__all__)
