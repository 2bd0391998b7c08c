"""Fits: the parameters with which a kernel follows a recording most closely.

    formatting      numbers and lists as text
    priors          what was known before
    curves          what can be fitted: a kernel under its spikes, or a function
    problem         the recordings, what is free, and the coordinates of the search
    samples         recordings, spike times and protocols, checked
    ties            parameters that follow from others
    functions       what a function to be fitted is given, and whether it gives a curve
    checking        all arguments of a fit, checked and turned into a problem
    model           the curve and its exact derivatives
    search          the search for the lowest sum of squares
    uncertainty     standard errors, trade-offs, profiles and the bootstrap
    quality         how well the curve describes the recording, and what to free if it does not
    sentences       the message of a fit by least squares
    channels        the likelihood of a current with the noise of channels, in place of least squares
    serialization   fits in files
    result          `Fit`
    estimate        from a problem to its `Fit`: search, errors, verdict
    channel_estimate  the same by the likelihood of channels
    comparison      which of several kernels describes a recording best
    batch           many independent fits at once: `synkin.fit_each`

Each imports only from those above it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from jax import Array
from jax.typing import ArrayLike

from synkin.arguments.choices import check_flag
from synkin.arguments.declaration import Pytree
from synkin.declaring.kernel import Kernel
from synkin.fitting.channel_estimate import estimate_with_channels
from synkin.fitting.channels.arguments import as_channels, check_one_by_one, check_options
from synkin.fitting.checking import Asked, function_problem, kernel_problem
from synkin.fitting.comparison import Comparison, compare
from synkin.fitting.estimate import Options, estimate
from synkin.fitting.problem import Problem
from synkin.fitting.result import Fit
from synkin.fitting.uncertainty.profiles import Profile
from synkin.fitting.uncertainty.resampling import Bootstrap
from synkin.recordings.exclusion import Exclude
from synkin.recordings.recording import Recording, arrays
from synkin.runs.protocol import Jumps
from synkin.solving.filters import Filter, known_filters

__all__ = ["Bootstrap", "Comparison", "Fit", "Profile", "compare", "fit", "fit_curve"]


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
    own: str | Sequence[str] = (),
    weights: ArrayLike | str | None = None,
    release: NamedTuple | None = None,
    varying: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    temperature: ArrayLike | None = None,
    filter: Filter | Sequence[Filter] | None = None,
    exclude: Exclude = None,
    sigma: ArrayLike | None = None,
    tie: Mapping[str, str] | None = None,
    reversible: bool = False,
    delay: float = 0.0,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    prior: Mapping[str, tuple[str, float, float]] | None = None,
    loss: str = "linear",
    starts: int = 12,
    overlap: str = "restart",
    channels: bool | float = False,
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
        params: the kernel's ``Params``, scalars: free parameters start there, all others are held there. Those in
            ``own`` may be (R,), one a recording.
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
        own: names of parameters of which each recording has its own value, such as ``("tau_decay",)`` in control and
            drug. Those that are free are fitted to each recording, and ``message`` says whether they differ; the others
            are held at the values in ``params``.
        weights: (K,) or (R, K), as ``spike_times``, 1 each by default: in mS for the linear kernels; for a receptor the
            heights of its pulses in units of T, 0 or more. "free": each spike has a weight of its own that is fitted,
            ``weight_0`` to ``weight_{K-1}`` in the order of time, the same in all recordings. With a free ``scale`` the
            first is held at 1, so that ``weight_1`` is the paired-pulse ratio.
        release: a ``synkin.tsodyks_markram.Params``: the weights are what short-term plasticity releases at the spikes,
            and ``free`` may name its parameters too, as "U", "tau_rec" or "tau_fac".
            Numbers in ``weights`` multiply what is released.
        varying: parameters that vary beside spikes, by name, as in ``{"V": (edges, values)}`` of `synkin.respond`:
            edges (E + 1,) ms, and values (E,), or (R, E), a row for each recording. Onset and delay do not shift these
            edges. For a protocol give the values to `synkin.Jumps`, all of whose edges are shifted.
        temperature: (R,) deg C, of each recording. Rates are then those at the temperature of the first one times
            ``Q10 ** (degrees more / 10)``, time constants over that, and ``free`` may name "Q10", which starts at 2.5;
            ``params`` are those of the first recording. The duration of a pulse does not change.
        filter: what the recording did to the curve, which is then fitted behind it: `synkin.bessel`, `synkin.one_pole`,
            or a tuple of several in a row.
        exclude: stretches (a, b) in ms whose samples are left out, such as an artefact's: a list for all recordings, or
            a list of R such lists.
        sigma: (M,), (R, M), or (R,) with one for each recording: the error of each sample, of which only the ratios
            count, also in R^2 and in the verdict. The size of the errors is estimated from the residuals, and ``noise``
            is that of a sample with an average ``sigma``.
        tie: parameters that follow from free ones, such as ``{"beta2": "beta1", "kd2": "2*kd1"}``: names and numbers
            with + - * / and parentheses.
        reversible: of a scheme, whether to keep each of its cycles microscopically reversible: the product of the rates
            around it is that of the rates back. In each one rate is solved for and no longer free: one that is held, if
            there is one, else the last in ``free``.
        delay: ms, 0 or more, from the spike times to where they act, if it is known. A delay that is to be fitted is an
            onset with bounds, such as ``onset=True, bounds={"onset": (0.0, 5.0)}``: the two are one shift.
        bounds: lower and upper bound of what is free, by name, such as ``{"beta": (0.1, 2.0)}``, in its unit. By
            default a parameter stays within a factor of 10,000 of its start.
        prior: what was known of free quantities before, by name: ``{"tau_decay": ("lognormal", 5.0, 0.3)}`` with the
            median and the standard deviation of the logarithm, or ``("normal", mean, deviation)``. The result is the
            most probable one; errors, profiles and ``log_density`` include what was known.
        loss: "linear", or "soft_l1", on which large outliers have little influence.
        starts: the maximum number of starts. The first two thirds are ``params``, parameters at which the kernel is
            about as fast as the recording (the fastest part of a sum like the fast one of two exponentials), and others
            up to 10 times smaller or larger than these; they stop once 3 starts agree on the lowest sum of squares and
            its curve leaves only noise. The last third are near the best so far. If the best curve is still poor, up to
            a third as many more are up to 100 times off. The starts are the same every time, and the best is kept.
        overlap: for the receptors, "restart" or "ignore", as in `synkin.respond`.
        channels: how many receptors there are that open and close at random. True: fitted, a number: held there. Then
            the fit is not by least squares but maximises `synkin.log_likelihood` of all sweeps, which must come one by
            one, as an average has lost their variance. The sweeps are of one patch: they share all that is fitted, also
            scale, offset and onset. See below.
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

    A fit with ``channels`` begins at the one by least squares, and at the noise that its residuals show. ``channels``,
    ``sigma`` (the noise that is not of gating, independent from sample to sample) and ``unitary = scale / channels``
    are fields of the result. Standard errors are from the observed information, also that of ``unitary``, and
    `Fit.profile` follows the likelihood. ``message`` says how large the noise of gating is, by how much the likelihood
    is above that of constant noise, and whether least squares would have done. Such a fit takes no ``own``,
    ``temperature``, free ``weights``, ``release``, ``filter``, ``sigma``, ``prior`` or other ``loss``.

    Sources: for the errors under ``loss="soft_l1"``, Huber and Ronchetti 2009, Robust Statistics, ch. 7; in noise that
    is not even, Huber 1967, Proc. 5th Berkeley Symp. 1:221; of several recordings, Liang and Zeger 1986, Biometrika
    73:13.

    Example:
        >>> times = np.arange(0.0, 20.0, 0.5)  # ms
        >>> trace = -30.0 * np.exp(-times / 5.0) + 0.1 * np.cos(9 * times)  # pA, a decay from a spike at 0 ms
        >>> result = synkin.fit(
        ...     synkin.expon, synkin.expon.Params(), [0.0], times, trace, free="tau", scale=True, unit="pA"
        ... )
        >>> print(f"{result.params.tau:.2f} ms, {result.scale:.1f} pA")
        5.00 ms, -30.0 pA
        >>> result.stderr["tau"] < 0.05, result.identifiable
        (True, True)
    """
    is_sweep = isinstance(times, Recording) and len(times.traces) == 1
    sample_times, traces, own_unit = arrays(times, trace)
    traces, unit = traces[0] if is_sweep else traces, unit or own_unit  # one sweep has one scale, not an array of it

    number = as_channels(channels)

    def problem() -> Problem:
        held = {"scale": scale, "offset": offset, "onset": onset}
        if number is not False:
            options = {"own": own, "temperature": temperature, "release": release, "filter": filter, "prior": prior}
            given = {name: value is not None and value != () for name, value in options.items()}
            given |= {"sigma": sigma is not None, "weights": isinstance(weights, str), "loss": loss != "linear"}
            check_options(kernel, given)
            check_one_by_one(times)
            held = {name: "shared" if value is True else value for name, value in held.items()}
        return kernel_problem(
            kernel,
            params,
            spike_times,
            sample_times,
            traces,
            Asked(
                free,
                held,
                own,
                bounds,
                sigma,
                tie,
                unit,
                check_flag("reversible", reversible),
                prior,
                known_filters(filter),
                exclude,
            ),
            weights=weights,
            release=release,
            overlap=overlap,
            delay=delay,
            varying=varying,
            temperature=temperature,
        )

    options = Options(loss, starts, max_nfev, progress)
    if number is False:
        return estimate(problem, options)
    return estimate_with_channels(problem, None if number is True else number, options)


def fit_curve(
    curve: Callable[[Pytree, Array], Array],
    start: Pytree,
    times: ArrayLike | Recording,
    trace: ArrayLike | None = None,
    *,
    free: str | Sequence[str],
    own: str | Sequence[str] = (),
    scale: bool | float | str = False,
    offset: bool | float | str = False,
    filter: Filter | Sequence[Filter] | None = None,
    exclude: Exclude = None,
    sigma: ArrayLike | None = None,
    tie: Mapping[str, str] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    prior: Mapping[str, tuple[str, float, float]] | None = None,
    units: Mapping[str, str] | None = None,
    loss: str = "linear",
    starts: int = 12,
    unit: str = "",
    max_nfev: int = 300,
    progress: bool = True,
) -> Fit:
    """The parameters with which any function follows a recording most closely, found and judged as by `synkin.fit`.

    The curve ``scale * curve(params, times) + offset`` is fitted by bounded least squares with exact derivatives, from
    several starts. `synkin.fit` is this for the conductance of a kernel, and knows more: spikes, onsets, and initial
    guesses. A function may call `synkin.respond` as often as it likes, as this one of a current during a voltage ramp::

        def current(p, times):
            V = -100.0 + times  # mV
            g = synkin.respond(synkin.schemes.nmda5, synkin.schemes.nmda5.Params(), [0.0], times)
            return p["g_max"] * g * synkin.currents.mg_block(V, Mg=1.0, b=p["b"]) * (V - p["E"])

    It is fitted by ``fit_curve(current, {"g_max": 1.0, "b": 3.57, "E": 0.0}, times, trace, free=("g_max", "E"))``.

    Args:
        curve: a function of parameters and times that JAX can trace: ``curve(params, times)`` gets what ``start`` is,
            and times (M,) in ms, and gives (M,). It must not depend on anything that changes later.
        start: the parameters to start from, numbers in dicts, lists, tuples or NamedTuples: free ones start there, all
            others are held there. A number is called by its place, as ``tau``, ``nmda_tau`` in
            ``{"nmda": {"tau": 5.0}}``, or ``size_0`` for the first of an array; ``value`` where there is no name.
        times: (M,) ms, increasing, evenly spaced or not; or (R, M), or a list of R arrays of any lengths, if each
            recording has its own; or a `Recording`, in place of ``times``, ``trace`` and ``unit``.
        trace: (M,) or, for R recordings at the same times, (R, M), in any unit. NaN samples are left out.
        free: names of the numbers to fit; the name of an array or of a dict stands for all in it. A number that starts
            above 0 stays positive and is fitted on a logarithmic scale, unless its bounds reach below 0.
        own: names of what each recording has its own value of, given with a first axis of the recordings, as (R,), or
            as a number where all start from it.
            Those that are free are fitted to each recording, the others are held, as the voltage of each recording.
        scale: a factor from the function to the trace. True: fitted, False: 1, a number: held there, "shared": one for
            all recordings. Where the curve has a size of its own, True finds it without a search.
        offset: what is added. True: fitted, False: 0, a number: held there, "shared" as for scale.
        filter: what the recording did to the curve, as in `synkin.fit`. The curve must be smooth between samples.
        exclude, sigma, tie, bounds, prior, loss, starts, unit, max_nfev, progress: as in `synkin.fit`. Without bounds a
            positive number stays within a factor of 10,000 of its start, and any other is not bounded.
        units: of the parameters by name, for tables and pictures.

    Returns:
        `Fit`; its ``params`` are like ``start``, ``kernel`` is the function. Errors, profiles, bootstrap, comparison,
        files and pictures are those of `synkin.fit`.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range, or a curve that gives something else than
            a finite number for each time.

    Example:
        >>> times = np.arange(0.0, 20.0, 0.5)
        >>> trace = 3.0 * np.exp(-times / 5.0) + 1.0 + 0.01 * np.cos(9 * times)
        >>> def curve(params, times):
        ...     return jnp.exp(-times / params["tau"])
        >>> result = synkin.fit_curve(curve, {"tau": 2.0}, times, trace, free="tau", scale=True, offset=True)
        >>> print(f"{result.params['tau']:.1f} {result.scale:.1f} {result.offset:.1f}")
        5.0 3.0 1.0
    """
    is_sweep = isinstance(times, Recording) and len(times.traces) == 1
    sample_times, traces, own_unit = arrays(times, trace)
    traces, unit = traces[0] if is_sweep else traces, unit or own_unit

    def problem() -> Problem:
        held = {"scale": scale, "offset": offset, "onset": False}
        asked = Asked(
            free, held, own, bounds, sigma, tie, unit, prior=prior, filters=known_filters(filter), exclude=exclude
        )
        return function_problem(curve, start, sample_times, traces, asked, given_units=units or {})

    return estimate(problem, Options(loss, starts, max_nfev, progress))


# These names can be reached from the public function `synkin.fit` too, as `synkin.fit.load`.
fit.Fit, fit.Profile, fit.Bootstrap, fit.Comparison = Fit, Profile, Bootstrap, Comparison  # type: ignore[attr-defined]
fit.load = Fit.load  # type: ignore[attr-defined]
load = Fit.load


def __dir__() -> list[str]:
    return sorted(__all__)
