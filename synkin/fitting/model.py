"""The curve that is fitted, and its exact derivatives, in double precision."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.fitting.curves import KernelCurve, Stimulus
from synkin.fitting.problem import OWN, Form, Problem

_Result = TypeVar("_Result")
_Values = dict[str, float]


class Curve(NamedTuple):
    """The curve of each of R recordings at M times, and its derivatives."""

    g: np.ndarray  # (R, M) mS
    value: np.ndarray  # (R, M) in the unit of the trace
    derivative: np.ndarray  # (R, M, C) with respect to the coordinates that `Problem.columns` lists


def curve(problem: Problem, point: np.ndarray) -> Curve:
    """The curve at a point (N,), whose coordinates `Problem` lists."""
    own = problem.split(point)
    g, slope = response(problem, problem.parameters_of(point), own["onset"])
    scale = own["scale"][:, None]
    slope = scale[:, :, None] * slope
    derivative = {"scale": g, "offset": np.ones_like(g), "onset": slope[:, :, -1]}
    columns = [slope[:, :, :-1], *(derivative[name][:, :, None] for name in problem.own if name in derivative)]
    return Curve(g, scale * g + own["offset"][:, None], np.concatenate(columns, axis=2))


def response(problem: Problem, parameters: np.ndarray, onset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """g in mS, or the value of a function, and its derivatives.

    Args:
        problem: the problem.
        parameters: (R, P) coordinates of the free parameters.
        onset: (R,) ms.

    Returns:
        g, (R, M), and its derivatives with respect to the parameters' coordinates and onset, (R, M, P + 1).
    """
    recordings, samples = problem.trace.shape
    # Recordings of which all is the same have the same g, which is computed once.
    points = np.column_stack([parameters, onset])
    their_own = [name for name in problem.own if name not in ("scale", "offset", *problem.shared)]
    one = not their_own and not problem.held_own and all(a.ndim == 1 for a in jax.tree.leaves(_given(problem)))
    rows = 1 if one else recordings
    g, slope = _respond(problem.form, _alone(problem), points[:rows], _rows(problem, rows))
    shape = recordings, samples
    g, slope = np.asarray(g)[:, :samples], np.asarray(slope)[:, :samples]
    return np.broadcast_to(g, shape), np.broadcast_to(slope, (*shape, points.shape[1]))


def sums_of_squares(problem: Problem, parameters: np.ndarray, onsets: np.ndarray) -> np.ndarray:
    """The sum of squares of each recording at several onsets, with the best scale and offset where these are free.

    Args:
        problem: the problem.
        parameters: (R, P) coordinates of the free parameters.
        onsets: (R, n) ms.

    Returns:
        (R, n), in the square of the trace's unit.
    """
    recordings = len(problem.trace)
    held = {name: problem.held[name] for name in ("scale", "offset") if name in problem.held}
    found = _sums_of_squares(
        problem.form,
        _alone(problem),
        parameters,
        onsets.T,
        _rows(problem, recordings),
        *(_padded(a) for a in (problem.trace, problem.present, problem.importance)),
        held,
    )
    return np.asarray(found).T


def conductance_of_parts(problem: Problem, parameters: np.ndarray, onset: np.ndarray) -> np.ndarray:
    """g in mS of each of the n parts of a sum, without its relative conductance: (R, n, M).

    Args:
        problem: that of a `synkin.declaring.sums.Sum`.
        parameters: (R, P) coordinates of the free parameters.
        onset: (R,) ms.
    """
    points = np.column_stack([parameters, onset])
    found = _conductance_of_parts(problem.form, _alone(problem), points, _rows(problem, len(points)))
    return np.asarray(found)[..., : problem.trace.shape[1]]


def values_of_recordings(problem: Problem, point: Array) -> tuple[Array, dict[str, Array]]:
    """The curve before scale and offset, (R, M), and scale, offset and onset of each recording, (R,), at a point (N,).

    It is a function of the point that JAX can differentiate and compile, in the precision of the point.
    """
    recordings, samples = problem.trace.shape
    own = {
        name: point[problem.columns_of(name)] if name in problem.own else jnp.full(recordings, value, point.dtype)
        for name, value in (OWN | problem.held).items()
    }
    columns = jnp.column_stack([problem.parameters_of(point), own["onset"]])
    rows = jax.tree.map(lambda a: jnp.asarray(a, point.dtype), _rows(problem, recordings))

    def row(one: Array, given: Stimulus) -> Array:
        return _value(problem.form, _alone(problem), one, given)

    return _each(problem.form, row, columns, rows)[:, :samples], own


def qr_factors(problem: Problem, columns: np.ndarray) -> np.ndarray:
    """The triangular factor of each recording's ``columns``, from the QR decomposition.

    Least squares gives the same result with it as with the columns, because the other factor is a rotation.

    Args:
        problem: tells which samples are present.
        columns: (R, M, n), a row for each sample.

    Returns:
        (R, min(M, n), n): few rows, however long the recording is.
    """
    return np.asarray(np.linalg.qr(np.where(problem.present[:, :, None], columns, 0.0), mode="r"))


def stacked(blocks: np.ndarray, columns: np.ndarray, total: int) -> np.ndarray:
    """The matrices of the recordings stacked into one, (R m, total).

    Args:
        blocks: (R, m, n).
        columns: (R, n), for each column of a block its column in the result.
        total: the number of columns of the result.
    """
    matrix = np.zeros((*blocks.shape[:2], total))
    np.put_along_axis(matrix, columns[:, None, :], blocks, axis=2)
    return matrix.reshape(blocks.shape[0] * blocks.shape[1], total)


def _given(problem: Problem) -> tuple[Any, ...]:
    """The fields of `Stimulus`, of all rows if there is one axis."""
    return problem.spike_times, problem.weights, problem.varying, problem.held_own, problem.times


def _alone(problem: Problem) -> _Values:
    """A number for each parameter. `with_free` puts the values of each recording in its place."""
    return {name: float(np.ravel(value)[0]) for name, value in problem.params.items()}


def _rows(problem: Problem, rows: int) -> Stimulus:
    """What evoked the response of so many recordings, and when it is sampled.

    Spikes of a kernel are padded by times of inf, and samples by the last one, to one of a few lengths, so that
    recordings of about the same length share one compiled program. A function may depend on all of its times, and is
    not padded.
    """
    spike_times, weights, varying, held, times = _given(problem)
    if isinstance(problem.curve, KernelCurve):
        times = _padded(times, "edge")
        if not problem.jumps:
            spike_times, weights = _padded(spike_times, constant_values=np.inf), _padded(weights, constant_values=1.0)
    given = Stimulus(spike_times, weights, varying, {name: value[:, None] for name, value in held.items()}, times)
    given = jax.tree.map(lambda a: np.broadcast_to(a, (rows, a.shape[-1])), given)
    return given._replace(held={name: value[:, 0] for name, value in given.held.items()})


def _padded(a: np.ndarray, mode: Any = "constant", **options: float) -> np.ndarray:
    """``a`` with a last axis of the next of a few lengths: 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, ..."""
    length = a.shape[-1]
    step = 2 ** max(length.bit_length() - 3, 0)
    return np.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, -length % step)], mode, **options)


@partial(jax.jit, static_argnames="form")
def _respond(form: Form, params: _Values, points: Array, rows: Stimulus) -> tuple[Array, Array]:
    """g (rows, M) and its derivatives (rows, M, P + 1) at ``points`` (rows, P + 1): free parameters and onset."""

    def row(point: Array, given: Stimulus) -> tuple[Array, Array]:
        def g(point: Array) -> tuple[Array, Array]:
            g = _value(form, params, point, given)
            return g, g

        slope, value = jax.jacfwd(g, has_aux=True)(point)
        return value, slope

    return _each(form, row, points, rows)


@partial(jax.jit, static_argnames="form")
def _conductance_of_parts(form: Form, params: _Values, points: Array, rows: Stimulus) -> Array:
    """g of each part (rows, n, M) at ``points`` (rows, P + 1): free parameters and onset."""
    assert isinstance(form.curve, KernelCurve)
    part_values = form.curve.part_values

    def row(point: Array, given: Stimulus) -> Array:
        return part_values(with_free(form, params, point, given.held), point[-1], given)

    return _each(form, row, points, rows)


@partial(jax.jit, static_argnames="form")
def _sums_of_squares(
    form: Form,
    params: _Values,
    parameters: Array,
    onsets: Array,
    rows: Stimulus,
    trace: Array,
    present: Array,
    importance: Array,
    held: dict[str, Array],
) -> Array:
    """Sums of squares (n, R) at ``onsets`` (n, R); ``held`` has the values of scale and offset that are not free."""
    root = jnp.where(present, importance, 0.0)
    share = root / jnp.sqrt((root * root).sum(axis=1, keepdims=True))

    def centred(a: Array) -> Array:
        """``a`` over each sample's error, 0 where a sample is missing, and less its mean if the offset is free."""
        a = jnp.where(present, a, 0.0) * root
        return a if "offset" in held else a - (a * share).sum(axis=1, keepdims=True) * share

    def row(point: Array, given: Stimulus) -> Array:
        return _value(form, params, point, given)

    def sums(onset: Array) -> Array:
        g = centred(_each(form, row, jnp.column_stack([parameters, onset]), rows))
        target = centred(trace - held.get("offset", 0.0))
        size = (g * g).sum(axis=1)
        best = (g * target).sum(axis=1) / jnp.where(size > 0, size, 1.0)
        scale = jnp.broadcast_to(held.get("scale", best), best.shape)
        return ((target - scale[:, None] * g) ** 2).sum(axis=1)

    # One onset after the other: all at once would take n times the memory, and no less time.
    return jax.lax.map(sums, onsets)


def _each(form: Form, function: Callable[..., _Result], *rows: Array | Stimulus) -> _Result:
    """``function`` of each row."""
    if form.curve.one_by_one:
        return jax.lax.map(lambda row: function(*row), rows)
    return jax.vmap(function)(*rows)


def with_free(form: Form, params: _Values, point: Array, held: dict[str, Array]) -> dict[str, Any]:
    """The parameters of a recording by name.

    Args:
        form: says what is free and tied.
        params: the values of all that is held.
        point: its first P elements are the free parameters.
        held: what is held at the recording's own value.
    """
    values: dict[str, Any] = {**params, **held}
    for i, name in enumerate(form.fitted):
        values[name] = jnp.exp(point[i]) if form.logarithmic[i] else point[i]
    for tie in form.ties:
        values[tie.name] = tie.rate.of(values)
    return values


def _value(form: Form, params: _Values, point: Array, given: Stimulus) -> Array:
    """The curve (M,) of one recording at ``point`` (P + 1,): free parameters and onset."""
    return form.curve.value(with_free(form, params, point, given.held), point[-1], given)
