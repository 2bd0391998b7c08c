"""The curve that is fitted, and its exact derivatives, in double precision."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from synkin.declaring.kernel import Kernel
from synkin.fitting.problem import Form, Problem
from synkin.runs.events import respond
from synkin.runs.protocol import concentration_jumps

_Result = TypeVar("_Result")


class _Rows(NamedTuple):
    """What evoked the response in each row, and when it is sampled; without the first axis, in one row."""

    spike_times: Array  # (rows, K) ms
    weights: Array  # (rows, K)
    varying: dict[str, tuple[Array, Array]]  # edges (rows, E + 1) ms and values (rows, E) of each parameter that varies
    times: Array  # (rows, M) ms


class Curve(NamedTuple):
    """The curve of each of R recordings at M times, and its derivatives."""

    g: np.ndarray  # (R, M) mS
    value: np.ndarray  # (R, M) in the unit of the trace
    derivative: np.ndarray  # (R, M, C) with respect to the coordinates that `Problem.columns` lists


def curve(problem: Problem, point: np.ndarray) -> Curve:
    """The curve at a point (N,), whose coordinates `Problem` lists."""
    own = problem.split(point)
    g, slope = response(problem, point[: len(problem.free)], own["onset"])
    scale = own["scale"][:, None]
    slope = scale[:, :, None] * slope
    derivative = {"scale": g, "offset": np.ones_like(g), "onset": slope[:, :, -1]}
    columns = [slope[:, :, :-1], *(derivative[name][:, :, None] for name in problem.own)]
    return Curve(g, scale * g + own["offset"][:, None], np.concatenate(columns, axis=2))


def response(problem: Problem, parameters: np.ndarray, onset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """g in mS and its derivatives.

    Args:
        problem: the problem.
        parameters: (P,) coordinates of the free parameters.
        onset: (R,) ms.

    Returns:
        g, (R, M), and its derivatives with respect to the parameters' coordinates and onset, (R, M, P + 1).
    """
    recordings, samples = problem.trace.shape
    # Recordings of which all is the same have the same g, which is computed once.
    shifted = "onset" in problem.own and "onset" not in problem.shared
    one = not shifted and all(a.ndim == 1 for a in jax.tree.leaves(_given(problem)))
    rows = 1 if one else recordings
    points = np.column_stack([np.tile(parameters, (rows, 1)), onset[:rows]])
    g, slope = _respond(problem.form, problem.params, points, _rows(problem, rows))
    shape = recordings, samples
    return np.broadcast_to(np.asarray(g), shape), np.broadcast_to(np.asarray(slope), (*shape, points.shape[1]))


def sums_of_squares(problem: Problem, parameters: np.ndarray, onsets: np.ndarray) -> np.ndarray:
    """The sum of squares of each recording at several onsets, with the best scale and offset where these are free.

    Args:
        problem: the problem.
        parameters: (P,) coordinates of the free parameters.
        onsets: (R, n) ms.

    Returns:
        (R, n), in the square of the trace's unit.
    """
    recordings = len(problem.trace)
    held = {name: problem.held[name] for name in ("scale", "offset") if name in problem.held}
    found = _sums_of_squares(
        problem.form,
        problem.params,
        parameters,
        onsets.T,
        _rows(problem, recordings),
        problem.trace,
        problem.present,
        problem.importance,
        held,
    )
    return np.asarray(found).T


def conductance_of_parts(problem: Problem, parameters: np.ndarray, onset: np.ndarray) -> np.ndarray:
    """g in mS of each of the n parts of a sum, without its relative conductance: (R, n, M).

    Args:
        problem: that of a `synkin.declaring.sums.Sum`.
        parameters: (P,) coordinates of the free parameters.
        onset: (R,) ms.
    """
    rows = len(problem.trace)
    points = np.column_stack([np.tile(parameters, (rows, 1)), onset])
    return np.asarray(_conductance_of_parts(problem.form, problem.params, points, _rows(problem, rows)))


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
    """The fields of `_Rows`, of all rows if there is one axis."""
    return problem.spike_times, problem.weights, problem.varying, problem.times


def _rows(problem: Problem, rows: int) -> _Rows:
    """The `_Rows` of so many rows."""
    return _Rows(*jax.tree.map(lambda a: np.broadcast_to(a, (rows, a.shape[-1])), _given(problem)))


@partial(jax.jit, static_argnames="form")
def _respond(form: Form, params: NamedTuple, points: Array, rows: _Rows) -> tuple[Array, Array]:
    """g (rows, M) and its derivatives (rows, M, P + 1) at ``points`` (rows, P + 1): free parameters and onset."""

    def row(point: Array, given: _Rows) -> tuple[Array, Array]:
        def g(point: Array) -> tuple[Array, Array]:
            g = _conductance(form, params, point, given)
            return g, g

        slope, value = jax.jacfwd(g, has_aux=True)(point)
        return value, slope

    return _each(form.kernel, row, points, rows)


@partial(jax.jit, static_argnames="form")
def _conductance_of_parts(form: Form, params: NamedTuple, points: Array, rows: _Rows) -> Array:
    """g of each part (rows, n, M) at ``points`` (rows, P + 1): free parameters and onset."""
    kernel = form.kernel

    def row(point: Array, given: _Rows) -> Array:
        own = kernel.params_of(with_free(form, params, point)), kernel.values_of(given.varying)
        parts = zip(kernel.parts, *own, strict=True)
        return jnp.stack([_response(form, part, p, point[-1], given._replace(varying=v)) for part, p, v in parts])

    return _each(kernel, row, points, rows)


@partial(jax.jit, static_argnames="form")
def _sums_of_squares(
    form: Form,
    params: NamedTuple,
    parameters: Array,
    onsets: Array,
    rows: _Rows,
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

    def row(onset: Array, given: _Rows) -> Array:
        return _conductance(form, params, jnp.append(parameters, onset), given)

    def sums(onset: Array) -> Array:
        g = centred(_each(form.kernel, row, onset, rows))
        target = centred(trace - held.get("offset", 0.0))
        size = (g * g).sum(axis=1)
        best = (g * target).sum(axis=1) / jnp.where(size > 0, size, 1.0)
        scale = jnp.broadcast_to(held.get("scale", best), best.shape)
        return ((target - scale[:, None] * g) ** 2).sum(axis=1)

    # One onset after the other: all at once would take n times the memory, and no less time.
    return jax.lax.map(sums, onsets)


def _each(kernel: Kernel, function: Callable[..., _Result], *rows: Array | _Rows) -> _Result:
    """``function`` of each row.

    If the kernel is solved by matrices, rows are computed one after the other. That is faster, because each row then
    computes only the squarings of its propagators that its own times need.
    """
    if any(part.structure.has_matrix for part in kernel.parts):
        return jax.lax.map(lambda row: function(*row), rows)
    return jax.vmap(function)(*rows)


def with_free(form: Form, params: NamedTuple, point: Array) -> NamedTuple:
    """``params`` with the free parameters, the first P elements of ``point``, and with the parameters tied to them."""
    values = {name: jnp.exp(point[i]) if form.logarithmic[i] else point[i] for i, name in enumerate(form.free)}
    return params._replace(**values, **{name: values[other] for name, other in form.ties})


def _conductance(form: Form, params: NamedTuple, point: Array, given: _Rows) -> Array:
    """g (M,) of one recording at ``point`` (P + 1,): free parameters and onset."""
    return _response(form, form.kernel, with_free(form, params, point), point[-1], given)


def _response(form: Form, kernel: Kernel, params: NamedTuple, onset: Array, given: _Rows) -> Array:
    """g (M,) of a kernel, or of a part of a sum."""
    spike_times, weights, varying, times = given
    spike_times = spike_times + onset
    if form.jumps:
        values = {name: own for name, (_, own) in varying.items()}
        return concentration_jumps(kernel, params, spike_times, weights[:-1], times, varying=values, dtype=times.dtype)
    used = weights if kernel.input.takes_weights or form.weighted else None
    return respond(kernel, params, spike_times, times, weights=used, varying=varying, overlap=form.overlap)
