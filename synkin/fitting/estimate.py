"""From a problem to its `Fit`: the search, the errors, and how good the curve is."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from synkin.arguments.choices import check_flag
from synkin.arguments.known import computed_at_once, double_precision
from synkin.arguments.messages import describe
from synkin.fitting.curves import FunctionCurve, KernelCurve
from synkin.fitting.model import response
from synkin.fitting.problem import Problem
from synkin.fitting.quality.advice import advise_freeing
from synkin.fitting.quality.amplitudes import advise_weights
from synkin.fitting.quality.goodness_of_fit import Assessment, assess, explained_fraction
from synkin.fitting.result import Fit
from synkin.fitting.search.optimizer import SearchResult, check_options, search
from synkin.fitting.sentences import Advice, sentences
from synkin.fitting.uncertainty.other_minima import with_other_minima
from synkin.fitting.uncertainty.standard_errors import Uncertainty, estimate_uncertainty

# How often the noise is estimated anew for what priors weigh, and the change of it below which that is enough.
_ROUNDS, _SAME = 4, 0.01


class Options(NamedTuple):
    """How to search, as in `synkin.fit`."""

    loss: str
    starts: int
    max_nfev: int
    progress: bool


def estimate(pose: Callable[[], Problem], options: Options, averaged: int = 0) -> Fit:
    """The `Fit` of the problem that ``pose`` gives.

    Args:
        pose: gives the problem.
        options: how to search.
        averaged: of how many sweeps the recording is the mean; 0 if it is none.

    Raises:
        TypeError, ValueError: an option or an argument that makes no sense.
    """
    began = time.perf_counter()
    loss, starts, max_nfev, progress = options
    check_options(loss, starts, max_nfev)
    options = options._replace(progress=check_flag("progress", progress))
    # A fit is computed at once, also within a function that JAX compiles. The search may try parameters at which the
    # curve overflows; it then turns back.
    with double_precision(), computed_at_once(), np.errstate(over="ignore", invalid="ignore"):
        problem = pose()
        if isinstance(problem.curve, FunctionCurve):
            problem = _checked(problem)
        found, known = _solved(problem, options)
        # What a prior weighs depends on the noise, and the noise on the curve: both are found in turn.
        for _ in range(_ROUNDS if problem.priors else 0):
            weight = known.noise * np.sqrt(known.model.inefficiency)
            if abs(weight - problem.prior_weight) < _SAME * weight:
                break
            problem = replace(problem, prior_weight=float(weight))
            found, known = _solved(problem, options)
        known = with_other_minima(problem, found, known)
        assessed = assess(problem, found.curve, found.width)
        advice = advise_freeing(problem, found, loss) if assessed.quality.is_poor else ""
        on_weights = ""
        if assessed.quality.is_poor and not advice and not np.isfinite(found.width):
            on_weights = advise_weights(problem, found.point, found.curve)
    said = sentences(problem, found, known, assessed, Advice(advice, on_weights), averaged)
    return _as_fit(problem, found, known, assessed, said, time.perf_counter() - began)


def _solved(problem: Problem, options: Options) -> tuple[SearchResult, Uncertainty]:
    """The best point, and what is known of it."""
    found = search(
        problem,
        options.loss,
        int(options.starts),
        int(options.max_nfev),
        progress=options.progress,
        is_poor=lambda posed, curve: assess(posed, curve, np.inf).quality.is_poor,
    )
    return found, estimate_uncertainty(problem, found)


def _checked(problem: Problem) -> Problem:
    """The problem of a function, which is checked at the start; its curve now says what the function does.

    Raises:
        TypeError: a function that JAX cannot trace or differentiate.
        ValueError: one that gives something else than a finite number, with finite derivatives, for each time.
    """
    curve, times = problem.curve, jnp.asarray(problem.times_of(0))
    assert isinstance(curve, FunctionCurve)
    at = curve.as_given({name: jnp.asarray(float(np.ravel(value)[0])) for name, value in problem.params.items()})
    try:
        found = jax.eval_shape(curve.function, at, times)
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError) as error:
        raise TypeError(
            "Argument `curve` must be a function that JAX can trace, of jax.numpy and without `if` on its numbers, but "
            f"{curve.name} is not."
        ) from error
    if not hasattr(found, "shape") or found.shape != times.shape or not jnp.issubdtype(found.dtype, jnp.floating):
        came = f"{found.dtype} of shape {found.shape}" if hasattr(found, "shape") else describe(found)
        raise ValueError(
            f"Argument `curve` must give a real number for each time, of shape {times.shape}, but gives {came}."
        )
    problem = replace(problem, curve=curve.with_operations(len(times)))
    recordings = len(problem.trace)
    start = [np.broadcast_to(problem.params[name], recordings) for name in problem.fitted]
    points = [np.log(row) if is_log else row for row, is_log in zip(start, problem.logarithmic, strict=True)]
    try:
        value, slope = response(problem, np.column_stack(points), np.zeros(recordings))
    except (TypeError, ValueError, NotImplementedError) as error:
        raise TypeError(
            "Argument `curve` must be a function that JAX can differentiate forwards, without custom_vjp or a "
            f"callback, but {curve.name} is not."
        ) from error
    wrong = [("be finite at `start`, but is", value)]
    for p, name in enumerate(problem.fitted):
        wrong.append((f"have finite derivatives at `start`, but that by `{name}` is", slope[:, :, p]))
    for what, numbers in wrong:
        bad = np.argwhere(~np.isfinite(numbers) & problem.present)
        if bad.size:
            r, m = bad[0]
            where = f"{problem.times_of(r)[m]:g} ms" + ("" if problem.is_single else f" of recording {r}")
            raise ValueError(f"Argument `curve` must {what} {numbers[r, m]} at {where}.")
    return problem


def _as_fit(
    problem: Problem, found: SearchResult, known: Uncertainty, assessed: Assessment, said: list[str], seconds: float
) -> Fit:
    """The `Fit` that a search gives. ``said`` are the sentences of the message after the verdict."""

    def rows(a: np.ndarray) -> np.ndarray:
        return a[0] if problem.is_single else a

    def numbers(name: str, a: np.ndarray) -> float | np.ndarray:
        return float(a[0]) if problem.is_single or name in problem.shared else a

    own = {
        # A held quantity is one number for all recordings.
        name: numbers(name, values) if name in problem.own else problem.held[name]
        for name, values in problem.split(found.point).items()
    }
    params = problem.params_at(found.point)
    trace = np.where(problem.present, problem.trace, np.nan)
    residuals = trace - found.curve.value
    stderr: dict[str, float | np.ndarray] = dict(zip(problem.free, map(float, known.stderr), strict=False))
    stderr |= {name: numbers(name, known.stderr[problem.columns_of(name)]) for name in problem.own}
    return Fit(
        kernel=problem.curve.kernel if isinstance(problem.curve, KernelCurve) else problem.curve.function,
        params=problem.curve.as_given(params),
        scale=own["scale"],
        offset=own["offset"],
        onset=own["onset"],
        delay=problem.delay,
        free={name: (params | own)[name] for name in (*problem.free, *problem.own)},
        stderr=stderr,
        correlations=known.correlations,
        labels=problem.labels,
        r_squared=explained_fraction(problem, found.curve.value),
        noise=known.noise,
        identifiable=known.identifiable,
        verdict=assessed.sentence,
        message=" ".join([assessed.sentence, *said]),
        success=found.success,
        nfev=found.nfev,
        seconds=seconds,
        spike_times=problem.sent,
        concentrations=problem.weights[..., :-1] if problem.jumps else None,
        times=problem.times,
        trace=rows(trace),
        unit=problem.unit,
        predicted=rows(found.curve.value),
        residuals=rows(residuals),
        alike=known.model.inefficiency,
        problem=problem,
        point=found.point,
        width=float(found.width),
        inefficiencies=known.inefficiencies,
        growth=known.model.growth,
        others=known.others,
    )
