"""Fits: the parameters with which a kernel follows a recording most closely.

    formatting      numbers and lists as text
    problem         the recordings, what is free, and the coordinates of the search
    samples         recordings, spike times and protocols, checked
    checking        all arguments of a fit, checked and turned into a problem
    model           the curve and its exact derivatives
    search          the search for the lowest sum of squares
    uncertainty     standard errors, trade-offs, profiles and the bootstrap
    quality         how well the curve describes the recording, and what to free if it does not
    serialization   fits in files
    result          `Fit`
    comparison      which of several kernels describes a recording best

Each imports only from those above it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

from synkin.arguments.choices import check_flag
from synkin.arguments.known import computed_at_once, double_precision
from synkin.declaring.kernel import Kernel
from synkin.fitting.checking import as_problem
from synkin.fitting.comparison import Comparison, compare
from synkin.fitting.quality.advice import advise_freeing
from synkin.fitting.quality.goodness_of_fit import assess
from synkin.fitting.result import Fit, as_fit
from synkin.fitting.search.optimizer import check_options, search
from synkin.fitting.uncertainty.other_minima import with_other_minima
from synkin.fitting.uncertainty.profiles import Profile
from synkin.fitting.uncertainty.resampling import Bootstrap
from synkin.fitting.uncertainty.standard_errors import estimate_uncertainty
from synkin.recordings.recording import Recording, arrays
from synkin.runs.protocol import Jumps

__all__ = ["Bootstrap", "Comparison", "Fit", "Profile", "compare", "fit"]


def fit(
    kernel: Kernel,
    params: NamedTuple,
    spike_times: ArrayLike | Jumps,
    times: ArrayLike | Recording,
    trace: ArrayLike | None = None,
    *,
    free: str | Sequence[str],
    scale: bool | float | str = False,
    offset: bool | float | str = False,
    onset: bool | float | str = False,
    weights: ArrayLike | None = None,
    varying: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
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

    The curve ``scale * g(times) + offset`` is fitted by bounded least squares (SciPy's `scipy.optimize.least_squares`)
    with exact derivatives. g is that of `synkin.respond` with every spike ``delay + onset`` later. Several recordings
    share the parameters; ``scale``, ``offset`` and ``onset``, if they are fitted, are each recording's own unless they
    are "shared".

    Args:
        kernel: a kernel such as `synkin.ampa`, or a sum of several such as ``synkin.ampa + synkin.schemes.nmda5``.
        params: the kernel's ``Params``, scalars: free parameters start there, all others are held there.
        spike_times: (K,) ms, in any order, inf pads; or (R, K), a row for each recording. For a receptor also
            `synkin.Jumps`, a concentration between edges as in `synkin.concentration_jumps`, one for each recording or
            one for all, also with a voltage or other parameters that change at its edges.
        times: (M,) ms, increasing, evenly spaced or not; or (R, M), or a list of R arrays of any lengths, if each
            recording has its own; or a `Recording`, in place of ``times``, ``trace`` and ``unit``.
        trace: (M,) or, for R recordings at the same times, (R, M): a conductance, current or voltage in any unit.
            NaN samples are left out. With a list of ``times``, a list of as many arrays of the same lengths.
        free: names of the parameters to fit. All are positive and fitted on a log scale, except for a linear kernel's
            ``amplitude``, which may be negative. Those of a sum begin with the part's name, as ``ampa_beta``, and
            ``g_nmda5`` is the conductance of a part relative to that of the first: with a ``scale`` of either sign all
            parts have that sign.
        scale: from g in mS to the trace's unit, of either sign. True: fitted, False: 1, a number: held there,
            "shared": fitted, one for all recordings, such as jumps of one patch to several concentrations.
        offset: baseline in the trace's unit. True: fitted, False: 0, a number: held there, "shared" as for scale.
        onset: common shift of the spike times in ms. True: fitted, False: 0, a number: held there, "shared" as for
            scale. It is sought around 0, up to about twice the width of the response and at least up to 6 ms. If the
            kernel jumps at a spike, as `synkin.expon` does, all onsets within one sample interval give the same curve,
            and the result is the middle of that interval.
        weights: (K,) or (R, K), as ``spike_times``, 1 each by default: in mS for the linear kernels; for a receptor the
            heights of its pulses in units of T, 0 or more.
        varying: parameters that vary beside spikes, by name, as in ``{"V": (edges, values)}`` of `synkin.respond`:
            edges (E + 1,) ms, and values (E,), or (R, E), a row for each recording. Onset and delay do not shift these
            edges. For a protocol give the values to `synkin.Jumps`, all of whose edges are shifted.
        sigma: (M,), (R, M), or (R,) with one for each recording: the error of each sample, of which only the ratios
            count, also in R^2 and in the verdict. The size of the errors is estimated from the residuals, and ``noise``
            is that of a sample with an average ``sigma``.
        tie: parameters that have the value of a free one, such as ``{"beta2": "beta1"}``.
        delay: ms, 0 or more, from the spike times to where they act, if it is known. A delay that is to be fitted is an
            onset with bounds, such as ``onset=True, bounds={"onset": (0.0, 5.0)}``: the two are one shift.
        bounds: lower and upper bound of what is free, by name, such as ``{"beta": (0.1, 2.0)}``, in its unit. By
            default a parameter stays within a factor of 10,000 of its start.
        loss: "linear", or "soft_l1", on which large outliers have little influence.
        starts: the maximum number of starts. The first two thirds are ``params``, parameters at which the kernel is
            about as fast as the recording (the fastest part of a sum like the fast one of two exponentials), and others
            up to 10 times smaller or larger than these; they stop once 3 starts agree on the lowest sum of squares and
            its curve leaves only noise. The last third are near the best so far. If the best curve is still poor, up to
            a third as many more are up to 100 times off. The starts are the same every time, and the best is kept.
        overlap: for the receptors, "restart" or "ignore", as in `synkin.respond`.
        unit: of the trace, such as "pA", for summary and pictures.
        max_nfev: the maximum number of evaluations of the curve in one start.
        progress: whether a long fit reports on stderr how far it is: on a terminal after 2 s, elsewhere every 10 s.

    Returns:
        `Fit`, of plain numbers. It is computed in double precision, whatever JAX's default is.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension, or a recording with nothing
            to fit.

    Parameters, times, weights, delay and trace may be quantities of saiunit; the trace's unit is then that of the
    result.

    Standard errors are those of the linearised problem. They allow for noise that is correlated between neighbouring
    samples, as filtered noise is, and for noise that grows or shrinks with the response, as that of channels does; the
    latter is tested for, and ``message`` says so. From 10 recordings on, the errors of what these share are those of
    the scatter from one recording to the next, whatever the noise within them. If the search finds another minimum of
    the sum of squares that is within the noise (chi^2 is larger by less than 4), ``message`` says where, the errors
    are widened to reach it, and `Fit.profile` and `Fit.bootstrap` begin there too. If the recording does not determine
    a quantity, its standard error is infinite, and ``message`` names the combination that can be known instead and what
    to hold. Of several recordings, one without a response, as at a reversal potential, is named.

    ``message`` begins with how well the curve describes the recording: how much of its variance the curve explains, how
    much is noise, and whether the rest means that the kernel does not describe the recording; samples count by
    ``sigma``. The noise is estimated without the kernel, from the distance of each sample from the line between two
    others. These are at most 1/32 of the recording per spike away, over which a response is nearly straight. Steps of
    the converter that exceed the noise count as noise. A misfit that is as small as the noise is found by the means of
    the residuals over windows along the response, beside the noise where there is no response, or beside the scatter
    between recordings; a clipped recording by its many samples at the extreme. Noise as slow as the response, without a
    stretch that shows it, cannot be distinguished from a response of another shape; ``message`` says so, unless the
    rest is large. If more than noise is left, and scale, offset or onset is held, further fits of 4 starts free them,
    and ``message`` says which of them to free if much less is then left.

    Sources: for the errors under ``loss="soft_l1"``, Huber and Ronchetti 2009, Robust Statistics, ch. 7; in noise that
    is not even, Huber 1967, Proc. 5th Berkeley Symp. 1:221; of several recordings, Liang and Zeger 1986, Biometrika
    73:13.
    """
    began = time.perf_counter()
    check_options(loss, starts, max_nfev)
    progress = check_flag("progress", progress)
    is_sweep = isinstance(times, Recording) and len(times.traces) == 1
    sample_times, traces, own_unit = arrays(times, trace)
    traces, unit = traces[0] if is_sweep else traces, unit or own_unit  # one sweep has one scale, not an array of it
    # A fit is computed at once, also within a function that JAX compiles. The search may try parameters at which the
    # curve overflows; it then turns back.
    with double_precision(), computed_at_once(), np.errstate(over="ignore", invalid="ignore"):
        problem = as_problem(
            kernel,
            params,
            spike_times,
            sample_times,
            traces,
            free=free,
            held={"scale": scale, "offset": offset, "onset": onset},
            weights=weights,
            varying=varying,
            sigma=sigma,
            tie=tie,
            delay=delay,
            bounds=bounds or {},
            overlap=overlap,
            unit=unit,
        )
        found = search(
            problem,
            loss,
            int(starts),
            int(max_nfev),
            progress=progress,
            is_poor=lambda curve: assess(problem, curve, np.inf).quality.is_poor,
        )
        known = with_other_minima(problem, found, estimate_uncertainty(problem, found))
        assessed = assess(problem, found.curve, found.width)
        advice = advise_freeing(problem, found, loss) if assessed.quality.is_poor else ""
    return as_fit(problem, found, known, assessed, advice, time.perf_counter() - began)


# These names can be reached from the public function `synkin.fit` too, as `synkin.fit.load`.
fit.Fit, fit.Profile, fit.Bootstrap, fit.Comparison = Fit, Profile, Bootstrap, Comparison  # type: ignore[attr-defined]
fit.load = Fit.load  # type: ignore[attr-defined]
load = Fit.load


def __dir__() -> list[str]:
    return sorted(__all__)
