"""From a problem to its `Fit`: the search, the errors, and how good the curve is."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from synkin.arguments.choices import check_flag
from synkin.arguments.known import computed_at_once, double_precision
from synkin.fitting.curves import FunctionCurve
from synkin.fitting.functions import check_function
from synkin.fitting.problem import Problem
from synkin.fitting.quality.advice import advise_freeing
from synkin.fitting.quality.goodness_of_fit import assess
from synkin.fitting.result import Fit, as_fit
from synkin.fitting.search.optimizer import SearchResult, check_options, search
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


def estimate(pose: Callable[[], Problem], options: Options) -> Fit:
    """The `Fit` of the problem that ``pose`` gives.

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
            check_function(problem)
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
    return as_fit(problem, found, known, assessed, advice, time.perf_counter() - began)


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
