"""The step rules against 60-digit arithmetic and against integrals that are known."""

from decimal import Decimal, localcontext
from functools import lru_cache, partial
from math import factorial

import jax
import jax.numpy as jnp
import matrices
import numpy as np
import pytest
import scipy.linalg

from synkin.solving import propagator
from tests.helpers import matrices

# Through zero, densely where a series may end, and far out to both sides.
POINTS = [0.0, 1e-300, 1e-16, -1e-9, 1e-4, -0.03, *np.linspace(-0.61, 0.61, 123), 1, -3, 8, -40]


def exact(z, order, derivative):
    """A derivative of phi (order 1) or phi2 (order 2) at z, from the series in 60 digits.

    phi_order(z) = sum over n of z^n / (n + order)!
    """
    with localcontext() as context:
        context.prec = 60
        z, total, n = Decimal(float(z)), Decimal(0), derivative
        while True:
            power = z ** (n - derivative) if n > derivative else Decimal(1)
            term = power * factorial(n) / (factorial(n - derivative) * factorial(n + order))
            total += term
            n += 1
            if n > abs(z) + 10 and abs(term) <= abs(total) * Decimal(10) ** -30:
                return float(total)


@pytest.mark.parametrize("derivative", [0, 1, 2])
@pytest.mark.parametrize(("function", "order"), [(closed_forms.phi, 1), (closed_forms.phi2, 2)], ids=["phi", "phi2"])
def test_phi_and_its_derivatives(function, order, derivative, dtype):
    z = np.array(POINTS, dtype)
    for _ in range(derivative):
        function = jax.grad(function)
    got = jax.jit(jax.vmap(function))(jnp.asarray(z))
    assert got.dtype == dtype
    # (phi - 1) / z cancels where |z| is small but too large for the series, and each derivative is one such step
    # further. It costs a factor 50 each, and no more.
    tolerance = 4 * np.finfo(dtype).eps * 50 ** (order - 1 + derivative)
    np.testing.assert_allclose(got, [exact(p, order, derivative) for p in z], rtol=tolerance)


def test_phi_far_out(dtype):
    """For a step of very many time constants phi is -1/z, without an infinity or NaN on the way."""
    z = jnp.asarray([-700.0, -1e5, -1e30], dtype)
    np.testing.assert_allclose(closed_forms.phi(z), -1 / z, rtol=1e-6)
    assert np.isfinite(jax.vmap(jax.grad(closed_forms.phi))(z)).all()
    assert np.isfinite(jax.vmap(jax.grad(closed_forms.phi2))(z)).all()


def test_phi_keeps_shape_and_dtype(dtype):
    for shape in ((), (3,), (2, 3)):
        assert closed_forms.phi(jnp.zeros(shape, dtype)).shape == shape
        assert closed_forms.phi2(jnp.zeros(shape, dtype)).dtype == dtype


def test_phi_in_half_precision():
    got = closed_forms.phi(jnp.asarray([-2.0, -0.1, 0.0], "bfloat16"))
    np.testing.assert_allclose(np.asarray(got, float), [0.432332, 0.951626, 1], rtol=2e-2)


def test_relaxation_solves_its_equation(x64):
    """y' = source - rate y from y(0) = 2, its solution written about the steady state source / rate."""
    source, rate, dt = jnp.asarray([0.0, 0.4, 1.5]), jnp.asarray([0.2, 3.0, 1e-3]), jnp.asarray(0.7)
    lost, gained = closed_forms.relaxation(source, rate, dt)
    steady = source / rate
    np.testing.assert_allclose(2 + (gained - lost * 2), steady + (2 - steady) * np.exp(-rate * dt), rtol=1e-12)


def test_relaxation_at_rate_zero_and_over_no_time(x64):
    source, zero, dt = jnp.asarray(0.4), jnp.asarray(0.0), jnp.asarray(0.7)
    np.testing.assert_allclose(closed_forms.relaxation(source, zero, dt), (0, 0.28), rtol=1e-15)
    np.testing.assert_array_equal(closed_forms.relaxation(source, jnp.asarray(3.0), zero), (0, 0))


@pytest.mark.parametrize("rates", [(0.2, 0.2), (0.2, 0.2 + 1e-9), (3.0, 1e-5), (1e-5, 8000.0), (0.0, 0.0), (0.0, 2.0)])
def test_passed_on(rates, dtype):
    """The integral of one exponential against the other in 60 digits, its limit at equal rates; either way round."""
    first, then = (float(np.asarray(rate, dtype)) for rate in rates)
    for dt in (0.0, 0.025, 1.0, 300.0):
        dt = float(np.asarray(dt, dtype))
        with localcontext() as context:
            context.prec = 60
            a, b, h = Decimal(first), Decimal(then), Decimal(dt)
            exact = (-a * h).exp() * h if a == b else ((-a * h).exp() - (-b * h).exp()) / (b - a)
        for one, other in ((first, then), (then, first)):
            got = closed_forms.cascade_response(*(jnp.asarray(value, dtype) for value in (one, other, dt)))
            assert got.dtype == dtype
            # exp(-z) is as right as z, whose rounding is z roundings.
            rounding = (8 + 2 * min(first, then) * dt) * np.finfo(dtype).eps
            np.testing.assert_allclose(got, float(exact), rtol=rounding, atol=np.finfo(dtype).tiny)


def test_passed_on_has_derivatives_at_equal_rates(x64):
    """d/da of the integral of exp(-a s) exp(-b (h - s)) at a = b: -h^2/2 exp(-a h), and h^3/3 or h^3/6 of that."""
    rate, h = 0.3, 1.7
    decayed = np.exp(-rate * h)
    at = jnp.asarray([rate, rate])
    for first, second in [(f, s) for f in (jax.jacfwd, jax.jacrev) for s in (jax.jacfwd, jax.jacrev)]:
        slope = first(lambda r: closed_forms.cascade_response(r[0], r[1], h))
        one, two = jax.jit(lambda at, slope=slope, second=second: (slope(at), second(slope)(at)))(at)
        np.testing.assert_allclose(one, -(h**2) / 2 * decayed * np.ones(2), rtol=1e-13)
        expected = h**3 * decayed * np.array([[1 / 3, 1 / 6], [1 / 6, 1 / 3]])
        np.testing.assert_allclose(two, expected, rtol=1e-12)


def opened(g, opening, closing):
    """The open fraction, of and as Decimal."""
    total = opening + closing
    return g if total == 0 else g + (opening / total - g) * (1 - (-total).exp())


def in_digits(f, *values, digits=100):
    with localcontext() as context:
        context.prec = digits
        return f(*(Decimal(float(value)) for value in values))


def test_open_gate_is_right_to_rounding_for_any_rates_and_however_few_are_open(dtype):
    g, opening, closing = np.meshgrid([0, 1e-6, 0.3, 1], [0, 1e-5, 0.05, 4], [0, 1e-3, 0.3], indexing="ij")
    g, opening, closing = (np.asarray(value, dtype) for value in (g, opening, closing))
    got = closed_forms.open_gate(*map(jnp.asarray, (g, opening, closing)))
    assert got.dtype == dtype
    expected = np.vectorize(lambda *at: float(in_digits(opened, *at)))(g, opening, closing)
    np.testing.assert_allclose(got, expected, rtol=16 * np.finfo(dtype).eps)


def decimal_derivatives(f, at, h=Decimal(10) ** -25):
    """Gradient and Hessian of f from central differences in 100 digits."""
    with localcontext() as context:
        context.prec = 100
        at, n = [Decimal(float(value)) for value in at], len(at)

        def moved(*shifts):
            return f(
                *(value + sum((h * size for j, size in shifts if j == i), Decimal(0)) for i, value in enumerate(at))
            )

        slope = [float((moved((i, 1)) - moved((i, -1))) / (2 * h)) for i in range(n)]
        signs = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
        curve = [
            [float(sum(a * b * moved((i, a), (j, b)) for a, b in signs) / (4 * h * h)) for j in range(n)]
            for i in range(n)
        ]
        return np.array(slope), np.array(curve)


# Where nothing happens, on both sides of where the series ends, and far out.
GATES = [
    (g, *rates)
    for g in (0.0, 0.3, 1.0)
    for rates in (
        (0.0, 0.0),
        (1e-9, 0.0),
        (0.0, 2e-6),
        (6e-6, 3.9e-6),
        (6e-6, 4.1e-6),
        (0.0, 0.2),
        (0.7, 0.2),
        (3.0, 40.0),
    )
]


@pytest.mark.parametrize("inner", [jax.jacfwd, jax.jacrev])
@pytest.mark.parametrize("outer", [jax.jacfwd, jax.jacrev])
def test_open_gate_s_first_and_second_derivatives(inner, outer, x64):
    slope = inner(lambda at: closed_forms.open_gate(at[0], at[1], at[2]))
    slopes, curves = jax.jit(jax.vmap(lambda at: (slope(at), outer(slope)(at))))(jnp.asarray(GATES))
    for at, one, two in zip(GATES, slopes, curves, strict=True):
        expected_slope, expected_curve = decimal_derivatives(opened, at)
        np.testing.assert_allclose(one, expected_slope, rtol=1e-10, atol=1e-13)
        np.testing.assert_allclose(two, expected_curve, rtol=2e-5, atol=2e-6)


# Matrices. Rates in /ms, from 1e-5 to 8000.

RATES = {
    "two states": {(0, 1): 8000.0, (1, 0): 1e-5},
    "one way": {(0, 1): 8000.0, (1, 2): 1e-5, (2, 3): 0.3},
    "nothing happens": {(0, 1): 0.0, (1, 2): 0.0},
    "AMPA, Destexhe et al. 1998": {
        **{(0, 1): 13.0, (1, 0): 0.0059, (1, 2): 13.0, (2, 1): 86.0, (1, 3): 0.9, (3, 1): 0.064},
        **{(2, 4): 0.9, (4, 2): 0.064, (2, 5): 2.7, (5, 2): 0.2},
    },
    "a ring": {
        **{(i, (i + 1) % 5): rate for i, rate in enumerate((8000.0, 1e-5, 30.0, 0.02, 1.0))},
        **{((i + 1) % 5, i): rate for i, rate in enumerate((3e-4, 700.0, 1e-3, 5.0, 0.1))},
    },
    "any to any": {
        (i, j): rate
        for (i, j), rate in zip(
            [(i, j) for i in range(4) for j in range(4) if i != j],
            10 ** np.random.default_rng(0).uniform(-5, 3.9, 12),
            strict=True,
        )
    },
}
DURATIONS = [0.0, 0.025, 0.1, 1.0, 37.0, 1e4, 1e7]


@lru_cache
def compiled(function):
    return jax.jit(function)


def as_they_are_in(rates, dtype):
    return {key: np.asarray(rate, dtype) for key, rate in rates.items()}


@pytest.mark.parametrize("name", RATES)
def test_occupancies(name, dtype):
    """To rounding against 120 digits, however far rates and durations are apart; columns sum to 1, nothing is negative.

    What is next to nothing is as right as its exponent: an exp(-z) is z roundings off.
    """
    rates = as_they_are_in(RATES[name], dtype)
    eps, tiny = np.finfo(dtype).eps, float(np.finfo(dtype).tiny)
    for duration in DURATIONS:
        given = jnp.asarray(matrices.generator(rates), dtype), jnp.asarray(duration, dtype)
        got = np.asarray(compiled(matrix_exponential.markov_propagator)(*given))
        assert got.dtype == dtype
        assert got.min() >= 0
        np.testing.assert_allclose(got.sum(axis=0), 1, rtol=4 * eps)
        expected = matrices.expm(matrices.exact_generator(rates), float(given[1])).astype(float)
        np.testing.assert_allclose(got, expected, rtol=0, atol=4 * eps)
        there = expected > 1e6 * tiny
        off = np.abs(got - expected)[there] / expected[there]
        assert (off / (1 - np.log(expected[there]))).max() < 16 * eps


@pytest.mark.parametrize("name", RATES)
def test_occupancies_derivatives(name, x64):
    """Along all rates at once, forward and reverse, against the derivative of the exponential in 120 digits."""
    rates = RATES[name]
    at = jnp.asarray(list(rates.values()))
    towards = at * jnp.cos(jnp.arange(at.size, dtype=float)) + jnp.where(at == 0, 1e-4, 0.0)
    start, end = map(np.array, zip(*rates, strict=True))

    def build(values):
        matrix = jnp.zeros((max(map(max, rates)) + 1,) * 2).at[end, start].add(values)
        return matrix - jnp.diag(matrix.sum(axis=0))

    @jax.jit
    def both(duration):
        f = lambda values: matrix_exponential.markov_propagator(build(values), duration)  # noqa: E731
        _, forward = jax.jvp(f, (at,), (towards,))
        p, pullback = jax.vjp(f, at)
        weights = jnp.cos(jnp.arange(p.size, dtype=float)).reshape(p.shape)
        return forward, weights, pullback(weights)[0]

    exactly = matrices.exact_generator(rates)
    direction = matrices.exact_generator(dict(zip(rates, np.asarray(towards), strict=True)))
    for duration in (0.0, 0.025, 1.0, 37.0, 1e4):
        forward, weights, reverse = both(duration)
        expected = matrices.frechet(exactly, direction, duration)
        np.testing.assert_allclose(forward, expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(jnp.vdot(reverse, towards), jnp.vdot(weights, forward), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["two states", "AMPA, Destexhe et al. 1998", "a ring", "any to any"])
def test_steady(name, dtype):
    """Relative to each occupancy, however small, against the null vector in 100 digits."""
    rates = as_they_are_in(RATES[name], dtype)
    got = np.asarray(
        compiled(matrix_exponential.stationary_distribution)(jnp.asarray(matrices.generator(rates), dtype))
    )
    assert got.dtype == dtype
    with localcontext() as context:
        context.prec = 100
        q = matrices.exact_generator(rates)
        n = len(q)
        # The last equation follows from the others; the first occupancy is 1 until all are summed.
        a, b = [list(row) for row in q[:-1, 1:]], [-x for x in q[:-1, 0]]
        for k in range(n - 1):
            pivot = max(range(k, n - 1), key=lambda i: abs(a[i][k]))
            a[k], a[pivot], b[k], b[pivot] = a[pivot], a[k], b[pivot], b[k]
            for i in range(n - 1):
                if i != k and a[i][k]:
                    factor = a[i][k] / a[k][k]
                    a[i] = [x - factor * y for x, y in zip(a[i], a[k], strict=True)]
                    b[i] -= factor * b[k]
        p = [Decimal(1)] + [b[k] / a[k][k] for k in range(n - 1)]
        expected = [float(x / sum(p)) for x in p]
    np.testing.assert_allclose(got, expected, rtol=40 * np.finfo(dtype).eps, atol=float(np.finfo(dtype).tiny))


def test_steady_of_many_and_where_there_is_none(x64):
    """A matrix each; NaN where a state does not lead to the first. Its derivative is that of the null vector."""
    one, none = np.array([[-2.0, 0.5], [2.0, -0.5]]), np.array([[-2.0, 0.0], [2.0, 0.0]])
    got = matrix_exponential.stationary_distribution(jnp.asarray([[one], [none]]))
    assert got.shape == (2, 1, 2)
    np.testing.assert_allclose(got[0, 0], [0.2, 0.8], rtol=1e-15)
    assert np.isnan(got[1, 0].sum())
    slope = jax.grad(
        lambda k: matrix_exponential.stationary_distribution(
            jnp.asarray([[-1.0, 0.5], [1.0, -0.5]]) * jnp.stack([k, 1.0])[None]
        )[0]
    )(2.0)
    np.testing.assert_allclose(slope, -0.5 / 2.5**2, rtol=1e-14)


@pytest.mark.parametrize("name", RATES)
def test_apply_by_squaring(name, dtype):
    """A start of all states over any duration, against 120 digits; what they sum to is kept."""
    rates = as_they_are_in(RATES[name], dtype)
    eps, n = np.finfo(dtype).eps, max(map(max, rates)) + 1
    y = jnp.asarray(np.arange(1, n + 1) / sum(range(n + 1)), dtype)
    given = jnp.asarray(matrices.generator(rates), dtype)
    durations = jnp.asarray([*DURATIONS, 1e-12, 0.3, 12345.678], dtype)
    got = np.asarray(applied_by_squaring(given[None], y, durations))
    assert got.dtype == dtype
    assert got.min() >= 0
    exactly = matrices.exact_generator(rates)
    expected = np.array([matrices.expm(exactly, float(t)).astype(float) @ np.asarray(y, float) for t in durations])
    np.testing.assert_allclose(got, expected, rtol=0, atol=30 * eps)
    np.testing.assert_allclose(got.sum(axis=1), float(y.sum()), rtol=8 * eps)


@jax.jit
def applied_by_squaring(matrix, y, durations):
    table = matrix_exponential.squaring_table(matrix, conserved=True)
    return jax.vmap(lambda t: matrix_exponential.apply_by_squaring(table, jnp.int32(0), y, t))(durations)


def test_derivatives_of_apply_by_squaring(x64):
    """Of first and second order in time: Q y and Q Q y, also where a rung begins and at 0; in a rate as Fréchet's."""
    q = matrices.generator(RATES["AMPA, Destexhe et al. 1998"])
    y = np.array([0.1, 0.3, 0.2, 0.1, 0.2, 0.1])
    step = 1 / -q.diagonal().min()

    @jax.jit
    @partial(jax.vmap, in_axes=(0, None))
    def slopes(t, size):
        def at(t, size):
            table = matrix_exponential.squaring_table((q * size)[None], conserved=True)
            return matrix_exponential.apply_by_squaring(table, 0, jnp.asarray(y), t)

        f, in_size = partial(at, size=size), partial(at, t)
        return jax.jacfwd(f)(t), jax.jacrev(f)(t), jax.jacfwd(jax.jacrev(f))(t), jax.jacrev(in_size)(size)

    times = np.array([0.0, step, 4 * step, 0.3, 37.0, 2e3])
    for t, first, reverse, second, in_size in zip(times, *slopes(times, 1.0), strict=True):
        now = scipy.linalg.expm(q * t) @ y
        scale = {"rtol": 1e-9, "atol": 1e-11}
        np.testing.assert_allclose(first, q @ now, **scale)
        np.testing.assert_allclose(reverse, q @ now, **scale)
        np.testing.assert_allclose(second, q @ q @ now, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(in_size, t * (q @ now), rtol=1e-8, atol=1e-9)


def test_apply_by_squaring_of_affine_systems(dtype):
    """A change and not a state: the oscillator and GABA-B over short and long stretches."""
    for name in ("an oscillator", "a chain", "GABA-B", "slow beside fast"):
        matrix = np.asarray(AFFINE[name], dtype)
        y = jnp.asarray(np.arange(1.0, len(matrix) + 1), dtype)
        table = matrix_exponential.squaring_table(jnp.asarray(matrix)[None], conserved=False)
        durations = jnp.asarray([0.0, 0.01, 1.0, 37.0], dtype)
        got = jax.jit(jax.vmap(lambda t, table=table, y=y: matrix_exponential.apply_by_squaring(table, 0, y, t)))(
            durations
        )
        for row, t in zip(got, durations, strict=True):
            expected = np.asarray(y, float) + matrices.change(matrix, float(t)) @ np.asarray(y, float)
            np.testing.assert_allclose(row, expected, rtol=60 * np.finfo(dtype).eps, atol=60 * np.finfo(dtype).eps)


AFFINE = {
    "an oscillator": [[-0.05, -0.3], [0.3, -0.05]],
    "a chain": [[-1.0, 0, 0], [1.0, -0.3, 0], [0, 0.3, -0.02]],
    "equal rates": [[-0.3, 0, 0], [1.0, -0.3, 0], [0, 1.0, -0.3]],
    "GABA-B": [[0, 0, 0], [0.045, -0.0462, 0], [0, 0.18, -0.034]],
    "slow beside fast": [[-1e-5, 0, 0], [3.0, -8000.0, 2.0], [0, 1e-3, -30.0]],
    "growth": [[0.1, 0.2], [0.0, 0.05]],
    "nothing": [[0.0, 0.0], [0.0, 0.0]],
}


@pytest.mark.parametrize("name", AFFINE)
def test_affine_change(name, dtype):
    """Against 120 digits, each row of it relative to its largest element: a slow variable keeps its digits."""
    matrix = np.asarray(AFFINE[name], dtype)
    for duration in (0.0, 0.025, 0.1, 1.0, 37.0):
        given = jnp.asarray(matrix), jnp.asarray(duration, dtype)
        got = np.asarray(compiled(matrix_exponential.affine_change)(*given))
        assert got.dtype == dtype
        expected = matrices.change(matrix, float(given[1]))
        size = np.abs(expected).max(axis=1, keepdims=True)
        off = np.abs(got - expected) / np.where(size == 0, 1, size)
        assert off.max() < 8 * np.finfo(dtype).eps


@pytest.mark.parametrize("name", [name for name in AFFINE if name != "growth"])
def test_affine_change_over_ten_million_ms(name, dtype):
    """All is at rest, but for what a source holds up."""
    matrix = np.asarray(AFFINE[name], dtype)
    got = np.asarray(compiled(matrix_exponential.affine_change)(jnp.asarray(matrix), jnp.asarray(1e7, dtype)))
    expected = matrices.change(matrix, 1e7)
    np.testing.assert_allclose(got, expected, rtol=0, atol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", AFFINE)
def test_affine_change_derivatives(name, x64):
    matrix = np.asarray(AFFINE[name])
    direction = matrix * np.cos(np.arange(matrix.size)).reshape(matrix.shape) + 0.01
    weights = np.sin(1 + np.arange(matrix.size)).reshape(matrix.shape)

    @jax.jit
    def both(duration):
        f = lambda matrix: matrix_exponential.affine_change(matrix, duration)  # noqa: E731
        _, forward = jax.jvp(f, (jnp.asarray(matrix),), (jnp.asarray(direction),))
        return forward, jax.vjp(f, jnp.asarray(matrix))[1](jnp.asarray(weights))[0]

    for duration in (0.0, 0.025, 1.0, 37.0):
        forward, reverse = both(duration)
        expected = matrices.frechet(matrix, direction, duration)
        scale = np.abs(expected).max() + (duration == 0)
        assert np.abs(forward - expected).max() < 1e-11 * scale
        np.testing.assert_allclose(
            np.vdot(reverse, direction), np.vdot(weights, forward), rtol=1e-9, atol=1e-11 * scale
        )
        theirs = scipy.linalg.expm_frechet(matrix * duration, direction * duration, compute_expm=False)
        if name != "slow beside fast":
            assert np.abs(forward - theirs).max() < 1e-9 * scale


@pytest.mark.parametrize("function", [matrix_exponential.markov_propagator, matrix_exponential.affine_change])
def test_matrices_of_many_synapses(function, dtype):
    """Under vmap, and with axes in front that broadcast against those of the durations, of whatever rank."""
    rates = np.random.default_rng(1).uniform(0.01, 20, (2, 1, 3, 3))
    rates[..., np.arange(3), np.arange(3)] = 0
    many = rates - np.eye(3) * rates.sum(axis=-2)[..., None, :]
    if function is matrix_exponential.affine_change:
        many = many - np.eye(3)  # by rounding a generator's columns would have a sum, which grows
    function = compiled(function)
    many, durations = jnp.asarray(many, dtype), jnp.asarray([[0.1, 1.0, 30.0]], dtype)
    whole = function(many, durations)
    assert whole.shape == (2, 3, 3, 3)
    tolerance = {"rtol": 1e-5 if dtype == "float32" else 1e-13, "atol": 1e-6 if dtype == "float32" else 1e-14}
    for i in range(2):
        mapped = jax.vmap(function, (None, 0))(many[i, 0], durations[0])
        np.testing.assert_allclose(mapped, whole[i], **tolerance)
        np.testing.assert_allclose(function(many[i, 0], durations[0]), whole[i], **tolerance)
        for j in range(3):
            np.testing.assert_allclose(function(many[i, 0], durations[0, j]), whole[i, j], **tolerance)
    np.testing.assert_allclose(function(many[:, 0], durations[0, 1]), whole[:, 1], **tolerance)


@pytest.mark.parametrize("degree", [0, 1, 2, 9, 16])
def test_chebyshev_is_exact_for_polynomials(degree):
    nodes, matrix, powers = gate_tables.chebyshev(degree)
    assert nodes.shape == (degree + 1,)
    assert (np.abs(nodes) < 1).all()
    for power in range(degree + 1):
        coefficients = matrix @ nodes**power
        # Chebyshev's first is 1 and his second x.
        expected = {0: [1.0], 1: [0.0, 1.0]}.get(power, coefficients)
        np.testing.assert_allclose(coefficients, [*expected, *[0.0] * (degree + 1 - len(expected))], atol=1e-14)
        x = np.linspace(-1, 1, 23)
        got = np.polynomial.polynomial.polyval(x, powers @ coefficients)
        np.testing.assert_allclose(got, x**power, rtol=0, atol=1e-13)


def test_chebyshev_of_what_is_no_polynomial():
    nodes, matrix, powers = gate_tables.chebyshev(16)
    x = np.linspace(-1, 1, 23)
    got = np.polynomial.polynomial.polyval(x, powers @ (matrix @ np.exp(-1.5 * nodes)))
    np.testing.assert_allclose(got, np.exp(-1.5 * x), rtol=0, atol=1e-14)


@pytest.mark.parametrize("nodes", [1, 4, 6])
def test_gauss_legendre_is_exact_for_polynomials(nodes):
    x, w = gate_integrals.gauss_legendre(nodes)
    assert ((x > 0) & (x < 1)).all()
    for degree in range(2 * nodes):
        np.testing.assert_allclose((w * x**degree).sum(), 1 / (degree + 1), rtol=1e-13)
