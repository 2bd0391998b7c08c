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
    """Fit a kernel to a recording: the parameters with which it follows the recording most closely, and their errors.

    The curve is ``scale * g(times) + offset``, where g is what `synkin.respond` gives if every spike comes ``delay +
    onset`` later. It is fitted by least squares within bounds (`scipy.optimize.least_squares`), with exact derivatives
    and from several starts. Several recordings can be fitted together: they share the parameters, and each has its own
    ``scale``, ``offset`` and ``onset``, unless these are held or "shared".

    Args:
        kernel: a kernel such as `synkin.ampa`, or a sum such as ``synkin.ampa + synkin.schemes.nmda5``.
        params: the kernel's ``Params``, scalars: the values from which free parameters start, and at which all others
            are held. Those in ``own`` may be (R,), one for each recording.
        spike_times: (K,) ms, in any order, where inf is ignored; or (R, K), a row for each recording. For a receptor
            also a `synkin.Jumps`, a concentration that changes in steps: one for all recordings, or a list with one for
            each.
        times: (M,) ms, increasing, evenly spaced or not. If each recording has its own times: (R, M), or a list of R
            arrays of any lengths. Or a `synkin.Recording`, which stands for ``times``, ``trace`` and ``unit``.
        trace: (M,), or (R, M) for R recordings: a conductance, current or voltage in any unit. NaN samples are left
            out. If ``times`` is a list of arrays, so is ``trace``.
        free: names of the parameters to fit, such as ``("alpha", "beta")``. They stay positive and are fitted on a
            logarithmic scale, except for the ``amplitude`` of a linear kernel, which may be negative. The names of a
            sum begin with that of the part, as ``ampa_beta``; ``g_nmda5`` is the conductance of a part divided by that
            of the first part.
        scale: the factor from g in mS to the trace, of either sign. True: fitted. False: 1. A number: held there.
            "shared": fitted, the same for all recordings, for example of one patch at several concentrations.
        offset: the baseline in the trace's unit. True: fitted. False: 0. A number: held there. "shared" as for
            ``scale``.
        onset: a shift in ms of all spike times. True: fitted. False: 0. A number: held there. "shared" as for
            ``scale``. It is sought on both sides of 0, up to about twice the width of the response and at least up to 6
            ms. If the kernel jumps at a spike, as `synkin.expon` does, all onsets between two samples give the same
            curve, and the result is the middle between these samples.
        own: names of parameters that each recording has its own value of, such as ``("tau_decay",)`` for control and
            drug. If they are in ``free``, too, they are fitted to each recording, and ``message`` says whether they
            differ. Otherwise they are held at the values in ``params``.
        weights: one number for each spike, (K,) or (R, K), by default 1: in mS for a linear kernel; for a receptor the
            height of its pulse as a multiple of T, 0 or more. "free": the weight of each spike is fitted, ``weight_0``
            to ``weight_{K-1}`` in the order of time, the same for all recordings. If ``scale`` is fitted too, the first
            weight is held at 1; ``weight_1`` is then the paired-pulse ratio.
        release: a ``synkin.tsodyks_markram.Params``: the weight of a spike is then what short-term plasticity releases.
            ``free`` may name its parameters too: "U", "tau_rec", "tau_fac". Numbers in ``weights`` multiply the
            release.
        varying: parameters that vary over time, by name, as ``{"V": (edges, values)}`` in `synkin.respond`: edges (E +
            1,) ms, and values (E,), or (R, E) with a row for each recording. ``onset`` and ``delay`` do not shift these
            edges. With `synkin.Jumps` give the values there instead; those edges are shifted.
        temperature: (R,) in degrees Celsius, one for each recording. ``params`` then hold at the temperature of the
            first recording. At another temperature rates are multiplied by ``Q10 ** (difference / 10)``, and time
            constants are divided by it. ``free`` may name "Q10", which starts at 2.5. The length of a pulse does not
            change.
        filter: the low-pass filter of the recording, through which the curve goes before it is compared with the trace:
            `synkin.bessel`, `synkin.one_pole`, or a tuple of several in a row.
        exclude: stretches (a, b) in ms whose samples are left out, such as those of an artefact: one list for all
            recordings, or a list of R such lists.
        sigma: the error of each sample: (M,), (R, M), or (R,) with one number for each recording. Only ratios count: a
            sample with twice the ``sigma`` has a quarter of the weight. The size of the noise is estimated from the
            residuals.
        tie: parameters that are computed from others, such as ``{"beta2": "beta1", "kd2": "2*kd1"}``: names and numbers
            with + - * / and parentheses.
        reversible: for a scheme: whether its cycles stay microscopically reversible, which means that the product of
            the rates around a cycle is the same in both directions. In each cycle one rate is then computed from the
            others: one that is held if there is one, or else the last one in ``free``.
        delay: a known delay in ms, 0 or more: every spike acts this much later. To fit a delay, fit the onset within
            bounds: ``onset=True, bounds={"onset": (0.0, 5.0)}``.
        bounds: lower and upper bounds of fitted quantities, by name, such as ``{"beta": (0.1, 2.0)}``. By default a
            parameter stays within a factor of 10,000 of its start.
        prior: what is known of fitted quantities beforehand, by name: ``{"tau_decay": ("lognormal", 5.0, 0.3)}`` with
            the median and the standard deviation of the logarithm, or ``("normal", mean, deviation)``. The result is
            then the most probable one, and errors, profiles and ``log_density`` include this knowledge.
        loss: "linear", the usual sum of squares, or "soft_l1", with which large outliers have little influence.
        starts: the maximum number of starts of the search, of which the best is kept. The first is ``params``, the
            second has the speed of the recording, and others are up to 10 times smaller or larger. If 3 starts agree on
            the lowest sum of squares, and its curve leaves only noise, the search stops early. The last third start
            near the best one so far. If the curve is still poor, up to a third as many more start up to 100 times off.
            A fit of the same data always uses the same starts.
        overlap: for a receptor "restart" or "ignore", as in `synkin.respond`.
        channels: the number of channels, which open and close at random. True: fitted. A number: held there. The fit
            then uses the noise of the channels, too: instead of least squares it maximises `synkin.log_likelihood` of
            all sweeps. Give single sweeps, not their average. They are of one patch, so they share all that is fitted,
            also scale, offset and onset. See below.
        unit: the unit of the trace, such as "pA", for the summary and for pictures.
        max_nfev: how often the curve may be evaluated in one start.
        progress: whether a long fit writes to stderr how far it is: in a terminal from 2 s on, elsewhere every 10 s.

    Returns:
        A `synkin.Fit`, which holds NumPy arrays and floats. It is always computed in double precision.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape, range or dimension, or a recording that has too few
            samples or no response.

    Parameters, times, weights, delay and trace may be quantities of saiunit. ``unit`` is then that of the trace.

    Standard errors come from the curvature of the sum of squares. They take into account that filtered noise is
    correlated from sample to sample, and that the noise of channels depends on the size of the response; if it does,
    ``message`` says so. From 10 recordings on, the errors of what the recordings share come from the differences
    between recordings instead.

    Of a mean of sweeps, a `Recording` that was read with ``average=True``, they do not include how much the sweeps
    differ, and ``message`` says so.

    If another minimum of the sum of squares is nearly as low (chi^2 is larger by less than 4), ``message`` says where
    it is. The standard errors are then made large enough to reach it, and `Fit.profile` and `Fit.bootstrap` also start
    from there.

    If the recording does not determine a quantity, its standard error is infinite. ``message`` then says which
    combination of quantities is determined, and what to hold. If one of several recordings has no response, for example
    at the reversal potential, ``message`` names it.

    How good the curve is comes first in ``message``: how much of the variance of the recording the curve explains,
    how much is noise, and whether the rest is so large that the kernel does not describe the recording. The noise is
    estimated without the kernel: by how far each sample is from the line between two nearby samples.

    A misfit that is smaller than the noise is found by averages of the residuals over stretches of the response. They
    are compared with the noise where there is no response, or with the differences between recordings. A clipped
    recording is recognised by its many samples at the extreme value. If the noise is as slow as the response, and no
    part of the recording shows the noise alone, the two cannot be told apart, and ``message`` says so.

    If the curve leaves more than noise, and scale, offset or onset is held, the fit is tried with these fitted too. If
    that is much better, ``message`` says which of them to fit. If it is an amplitude for each spike that would be much
    better, ``message`` says so too.

    With channels the fit starts from the result of least squares. The result has ``channels``, ``sigma`` (the
    standard deviation of the white noise that does not come from channels) and ``unitary = scale / channels``, the
    current of one channel. Standard errors come from the curvature of the likelihood, and `Fit.profile` follows the
    likelihood. ``message`` says how large the channel noise is, how much more likely it makes the recording than
    constant noise would, and whether least squares would have been enough. ``own``, ``temperature``, free ``weights``,
    ``release``, ``filter``, ``sigma``, ``prior`` and ``loss`` cannot be given.

    Sources: for errors under ``loss="soft_l1"``, Huber and Ronchetti 2009, Robust Statistics, ch. 7; for errors in
    noise that changes along the recording, Huber 1967, Proc. 5th Berkeley Symp. 1:221; for errors of several
    recordings, Liang and Zeger 1986, Biometrika 73:13.

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
    averaged = times.averaged if isinstance(times, Recording) else 0
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
        return estimate(problem, options, averaged)
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
    """Fit any function to a recording, with everything that `synkin.fit` does for a kernel.

    ``scale * curve(params, times) + offset`` is fitted by least squares within bounds, with exact derivatives and from
    several starts. For the conductance of a kernel use `synkin.fit`, which also knows about spikes and onsets and finds
    its own initial guesses. The function may call `synkin.respond`, as here for a current during a voltage ramp::

        def current(p, times):
            V = -100.0 + times  # mV
            g = synkin.respond(synkin.schemes.nmda5, synkin.schemes.nmda5.Params(), [0.0], times)
            return p["g_max"] * g * synkin.currents.mg_block(V, Mg=1.0, b=p["b"]) * (V - p["E"])

    To fit it: ``fit_curve(current, {"g_max": 1.0, "b": 3.57, "E": 0.0}, times, trace, free=("g_max", "E"))``.

    Args:
        curve: a function ``curve(params, times)`` that JAX can trace: of parameters in the form of ``start``, and of
            times (M,) in ms. It returns (M,). It must not depend on anything that changes later.
        start: the values from which free parameters start, and at which all others are held: numbers in dicts, lists,
            tuples or NamedTuples. The name of a number says where it is: ``tau``, or ``nmda_tau`` in ``{"nmda": {"tau":
            5.0}}``, or ``size_0`` for the first number of an array. A single number without a name is called ``value``.
        times: (M,) ms, increasing, evenly spaced or not. If each recording has its own times: (R, M), or a list of R
            arrays of any lengths. Or a `synkin.Recording`, which stands for ``times``, ``trace`` and ``unit``.
        trace: (M,), or (R, M) for R recordings, in any unit. NaN samples are left out.
        free: names of the numbers to fit. The name of an array or a dict stands for all numbers in it. A number that
            starts above 0 stays positive and is fitted on a logarithmic scale, unless its lower bound is below 0.
        own: names of what each recording has its own value of, given as (R, ...), or as one number from which all
            start. If they are in ``free``, too, they are fitted to each recording; otherwise they are held, as for
            example the voltage of each recording.
        scale: a factor from the function to the trace. True: fitted, which needs no start value. False: 1. A number:
            held there. "shared": fitted, the same for all recordings.
        offset: the baseline, which is added. True: fitted. False: 0. A number: held there. "shared" as for ``scale``.
        filter: the low-pass filter of the recording, as in `synkin.fit`. The curve must be smooth between samples.
        exclude, sigma, tie, bounds, prior, loss, starts, unit, max_nfev, progress: as in `synkin.fit`. Without bounds a
            positive number stays within a factor of 10,000 of its start; other numbers have no bounds.
        units: units of parameters by name, for tables and pictures.

    Returns:
        A `synkin.Fit`, whose ``params`` have the form of ``start``, and whose ``kernel`` is the function. It has the
        errors, profiles, bootstrap, comparisons, files and pictures of `synkin.fit`.

    Raises:
        TypeError, ValueError: an argument of the wrong kind, shape or range, or the function does not return a finite
            number for each time.

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
    averaged = times.averaged if isinstance(times, Recording) else 0
    sample_times, traces, own_unit = arrays(times, trace)
    traces, unit = traces[0] if is_sweep else traces, unit or own_unit

    def problem() -> Problem:
        held = {"scale": scale, "offset": offset, "onset": False}
        asked = Asked(
            free, held, own, bounds, sigma, tie, unit, prior=prior, filters=known_filters(filter), exclude=exclude
        )
        return function_problem(curve, start, sample_times, traces, asked, given_units=units or {})

    return estimate(problem, Options(loss, starts, max_nfev, progress), averaged)


# These names can be reached from the public function `synkin.fit` too, as `synkin.fit.load`.
fit.Fit, fit.Profile, fit.Bootstrap, fit.Comparison = Fit, Profile, Bootstrap, Comparison  # type: ignore[attr-defined]
fit.load = Fit.load  # type: ignore[attr-defined]
load = Fit.load


def __dir__() -> list[str]:
    return sorted(__all__)
