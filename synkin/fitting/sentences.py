"""The sentences of the message of a fit by least squares, after the verdict."""

from typing import NamedTuple

import numpy as np

from synkin.fitting.curves import KernelCurve
from synkin.fitting.formatting import listed, rounded
from synkin.fitting.problem import Problem
from synkin.fitting.quality.goodness_of_fit import Assessment
from synkin.fitting.quality.unnamed_filter import unnamed_filter
from synkin.fitting.search.optimizer import SearchResult
from synkin.fitting.uncertainty.differences import differences
from synkin.fitting.uncertainty.standard_errors import ENOUGH_RECORDINGS, Uncertainty
from synkin.runs.events import respond

# The message mentions correlated residuals if at least this many neighbouring samples count as one.
_WORTH_SAYING = 2.0
# The message mentions that recordings differ if their scatter makes errors this many times larger.
_DIFFER = 1.5
# The rounding of a sum of squares, as a fraction of the trace's own.
_ROUNDING = 1e-12


class Advice(NamedTuple):
    """Sentences on what would make a poor curve better; "" if there is nothing to say."""

    free: str  # which of scale, offset and onset to free
    weights: str  # whether to free the weights of the spikes


def sentences(
    problem: Problem, found: SearchResult, known: Uncertainty, assessed: Assessment, advice: Advice, averaged: int
) -> list[str]:
    """The sentences of the message about the search and about what was fitted.

    ``averaged`` is of how many sweeps the recording is the mean; 0 if it is none.
    """
    # Sums of squares count as equal if they differ by less than one independent sample contributes, or by rounding.
    one_sample = found.squares.min() / problem.present.sum() * known.model.inefficiency
    tolerance = one_sample + _ROUNDING * (problem.trace**2).sum()
    agreeing = int((found.squares <= found.squares.min() + tolerance).sum())
    # The agreement of starts says nothing about the curve: they may agree on a poor one.
    search = f"{agreeing} of {found.starts} starts of the search ended at this sum of squares, the lowest found"
    said = [f"{search}{f', so that {found.left_out} more were not needed' if found.left_out else ''}."]
    if not found.success:
        said.append("The search stopped at `max_nfev` evaluations, before it converged.")
    missing = int((~problem.present).sum())
    if missing:
        said.append(f"{missing:,} of {problem.present.size:,} samples are NaN and were left out.")
    if advice.weights:
        said.append(advice.weights)
    # Trade-offs mean little if the curve does not follow the recording.
    said += [advice.free] if advice.free else known.trade_offs
    if not advice.free and known.trade_offs and _onset_is_lost_in_a_jump(problem, found, known):
        said.append(
            f"{problem.name} jumps at a spike, so that every onset between two samples gives the same curve with "
            "another height: hold the onset, or fit a kernel that rises, such as dual_expon."
        )
    said += [] if advice.free else known.other_minima
    freedom = problem.present.sum() / known.model.inefficiency - len(found.point)
    if not advice.free:
        said += differences(problem, found.point, known.stderr, known.correlations, float(freedom))
    if known.silent.any():
        said.append(_without_response(problem, found, known))
    correlated = known.model.inefficiency >= _WORTH_SAYING
    by_misfit = correlated and assessed.alike_by_misfit
    # Where the misfit explains the correlation, it is no sign of a filter.
    if not advice.free and not by_misfit:
        said += filter(None, [unnamed_filter(problem, found.curve, known.model.inefficiency)])
    if found.at_bound.any():
        stuck = [label for label, at in zip(problem.labels, found.at_bound, strict=True) if at]
        said.append(f"At a bound, where standard errors are not valid: {', '.join(stuck)}.")
    alike = f"about {known.model.inefficiency:.0f} samples count as one"
    if by_misfit:
        said.append(
            "The residuals of neighbouring samples are correlated because the curve misses the shape, not because of "
            f"the noise: {alike}, as if the misfit were noise. The standard errors do not include how far the misfit "
            "shifts values."
        )
    elif correlated:
        said.append(
            f"The residuals of neighbouring samples are correlated: {alike}, which the standard errors allow for."
        )
    if known.between > _DIFFER:
        said.append(
            f"The recordings differ from each other by up to {known.between:.2g} times what the noise within them "
            "explains: the standard errors of what they share are those of the scatter between recordings."
        )
    if averaged > 1:
        said.append(
            f"The recording is the mean of {averaged} sweeps: the standard errors are those of the mean's curve alone. "
            "They do not include how much the sweeps differ; those of a fit of all sweeps together do, from "
            f"{ENOUGH_RECORDINGS} sweeps on."
        )
    growth = known.model.growth
    if growth != 1.0:
        where = ("at the peak", "at rest")[:: 1 if growth > 1 else -1]
        said.append(
            f"The noise is {max(growth, 1 / growth):.2g} times as large {where[0]} of the response as {where[1]}, "
            "which the standard errors allow for."
        )
    return said


def _onset_is_lost_in_a_jump(problem: Problem, found: SearchResult, known: Uncertainty) -> bool:
    """Whether a free onset is not known beside a free height, of a kernel whose g jumps at a spike."""
    fitted = problem.curve
    if not isinstance(fitted, KernelCurve) or fitted.jumps or fitted.filters or "onset" not in problem.own:
        return False
    unknown = {name for name, error in zip(problem.names, known.stderr, strict=True) if np.isinf(error)}
    if "onset" not in unknown or len(unknown) < 2:
        return False
    values = {name: float(np.ravel(value)[0]) for name, value in problem.params_at(found.point).items()}
    early, late = np.asarray(respond(fitted.kernel, fitted.as_given(values), np.zeros(1), np.array([1e-9, 1e-6])))
    return bool(abs(early) > abs(late) / 2 > 0)


def _without_response(problem: Problem, found: SearchResult, known: Uncertainty) -> str:
    """A sentence on the recordings without a response."""
    rows = np.flatnonzero(known.silent)
    scales = problem.columns_of("scale")[rows]
    values = [" ± ".join(rounded(found.point[i], known.stderr[i])) for i in scales[:3]]
    labels = [problem.labels[i] for i in scales[:3]]
    several = len(rows) > 1
    more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
    told = listed([f"{label} is {value}" for label, value in zip(labels, values, strict=True)])
    return (
        f"{'Recordings' if several else 'Recording'} {listed([str(r) for r in rows[:3]])}{more}, counted from 0, "
        f"{'have' if several else 'has'} no visible response, as at a reversal potential ({told}): the others "
        "determine what is shared."
    )
