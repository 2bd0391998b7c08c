"""What a stretch of time does, against 60 digits and more, and against integrals that are known."""

from decimal import Decimal, localcontext
from math import factorial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synkin.solving.propagators.closed_forms import cascade_response, open_gate, phi, phis
from synkin.solving.propagators.matrix_exponential import (
    affine_change,
    apply_by_squaring,
    markov_propagator,
    squaring_table,
    stationary_distribution,
)
from tests.helpers import matrices

close = np.testing.assert_allclose


def in_digits(f, *values):
    with localcontext() as context:
        context.prec = 100
        return f(*(Decimal(float(value)) for value in values))


# One variable, two, and a gate


def phi_of_order(order, derivative):
    """The series of a derivative of one of the phi functions: phi_order(z) = sum over n of z^n / (n + order)!"""

    def f(z):
        total, n, term = Decimal(0), derivative, Decimal(1)
        while n <= abs(z) + 10 or abs(term) > abs(total) * Decimal(10) ** -30:
            power = z ** (n - derivative) if n > derivative else Decimal(1)
            term = power * factorial(n) / (factorial(n - derivative) * factorial(n + order))
            total, n = total + term, n + 1
        return total

    return f


def test_phi_and_its_derivatives(dtype):
    """Through 0, densely where a series may end, and far out to both sides."""
    z = np.array([0.0, 1e-300, 1e-16, -1e-9, 1e-4, -0.03, *np.linspace(-0.61, 0.61, 123), 1, -3, 8, -40], dtype)
    far = np.array([-700.0, -1e5, -1e30], dtype)

    every = phi, lambda z: phis(z)[0], lambda z: phis(z)[1]
    values = lambda z: [[f(z), jax.grad(f)(z), jax.grad(jax.grad(f))(z)] for f in every]  # noqa: E731
    got = jax.jit(jax.vmap(values))(jnp.append(z, far))
    for order, of_order in zip((1, 1, 2), got, strict=True):
        for derivative, row in enumerate(of_order):
            assert row.dtype == dtype
            # (phi - 1) / z cancels where |z| is small but too large for the series, and each derivative is one such
            # step further. It costs a factor 50 each, and no more.
            tolerance = 4 * np.finfo(dtype).eps * 50 ** (order - 1 + derivative)
            close(row[: len(z)], [float(in_digits(phi_of_order(order, derivative), p)) for p in z], rtol=tolerance)
            assert np.isfinite(row[len(z) :]).all()  # no infinity on the way
    close(got[0][0][len(z) :], -1 / far, rtol=1e-6)
    assert phi(jnp.zeros((2, 3), dtype)).shape == phis(jnp.zeros((2, 3), dtype))[1].shape == (2, 3)


def test_cascade(dtype):
    """The integral of one exponential against the other, its limit at equal rates; either way round."""

    def exact(a, b, h):
        return (-a * h).exp() * h if a == b else ((-a * h).exp() - (-b * h).exp()) / (b - a)

    rates = [(0.2, 0.2), (0.2, 0.2 + 1e-9), (3.0, 1e-5), (1e-5, 8000.0), (0.0, 0.0), (0.0, 2.0)]
    given = np.array([(*pair, h) for pair in rates for h in (0.0, 0.025, 1.0, 300.0)], dtype).T
    for a, b, h in (given, given[[1, 0, 2]]):
        got = np.asarray(cascade_response(*map(jnp.asarray, (a, b, h))))
        assert got.dtype == dtype
        # exp(-z) is as right as z, whose rounding is z roundings.
        off = np.abs(got - [float(in_digits(exact, *at)) for at in zip(a, b, h, strict=True)])
        assert (off <= (8 + 2 * np.minimum(a, b) * h) * np.finfo(dtype).eps * got + np.finfo(dtype).tiny).all()


def test_cascade_has_derivatives_at_equal_rates(x64):
    """d/da of the integral of exp(-a s) exp(-b (h - s)) at a = b: -h^2/2 exp(-a h), and h^3/3 or h^3/6 of that."""
    rate, h = 0.3, 1.7
    f = lambda r: cascade_response(*r, h)  # noqa: E731
    curves = jax.jit(lambda r: (jax.jacfwd(f)(r), jax.jacrev(f)(r), jax.jacfwd(jax.jacrev(f))(r), jax.hessian(f)(r)))
    *slopes, one, other = curves(jnp.asarray([rate, rate]))
    close(slopes, -(h**2) / 2 * np.exp(-rate * h) * np.ones((2, 2)), rtol=1e-13)
    close([one, other], [h**3 * np.exp(-rate * h) * np.array([[1 / 3, 1 / 6], [1 / 6, 1 / 3]])] * 2, rtol=1e-12)


def opened(g, opening, closing):
    """The open fraction, of and as Decimal."""
    total = opening + closing
    return g if total == 0 else g + (opening / total - g) * (1 - (-total).exp())


def test_a_gate_is_right_to_rounding_however_few_are_open(dtype):
    at = np.meshgrid([0, 1e-6, 0.3, 1], [0, 1e-5, 0.05, 4], [0, 1e-3, 0.3], indexing="ij")
    g, opening, closing = (np.asarray(value, dtype) for value in at)
    got = open_gate(*map(jnp.asarray, (g, opening, closing)))
    assert got.dtype == dtype
    expected = np.vectorize(lambda *at: float(in_digits(opened, *at)))(g, opening, closing)
    close(got, expected, rtol=16 * np.finfo(dtype).eps)


def test_derivatives_of_a_gate(x64):
    """Where nothing happens, on both sides of where the series ends, and far out: differences in 100 digits."""
    rates = (0, 0), (1e-9, 0), (0, 2e-6), (6e-6, 3.9e-6), (6e-6, 4.1e-6), (0, 0.2), (0.7, 0.2), (3, 40)
    points = np.array([(g, *both) for g in (0.0, 0.3, 1.0) for both in rates])
    f = lambda at: open_gate(*at)  # noqa: E731
    forward, reverse = jax.jacfwd(f), jax.jacrev(f)
    modes = forward, reverse, jax.jacfwd(forward), jax.jacrev(forward), jax.jacfwd(reverse), jax.jacrev(reverse)
    *slopes, a, b, c, d = jax.jit(jax.vmap(lambda at: [mode(at) for mode in modes]))(jnp.asarray(points))
    h = Decimal(10) ** -25
    moved = lambda at, *shifts: opened(*(np.array(at) + sum(h * shift for shift in shifts)))  # noqa: E731
    units = np.array([[Decimal(int(i == j)) for j in range(3)] for i in range(3)], object)

    def differences(*at):
        slope = [(moved(at, e) - moved(at, -e)) / (2 * h) for e in units]
        signs = (1, 1), (1, -1), (-1, 1), (-1, -1)
        curve = lambda e, o: sum(s * t * moved(at, s * e, t * o) for s, t in signs) / (4 * h * h)  # noqa: E731
        return slope, [[curve(e, o) for o in units] for e in units]

    for i, at in enumerate(points):
        slope, curve = in_digits(differences, *at)
        close([each[i] for each in slopes], [np.array(slope, float)] * 2, rtol=1e-10, atol=1e-13)
        close([each[i] for each in (a, b, c, d)], [np.array(curve, float)] * 4, rtol=2e-5, atol=2e-6)


# Matrices: systems side by side as one array, which takes one compilation. Rates in /ms, from 1e-5 to 8000.

AMPA = {  # Destexhe et al. 1998
    **{(0, 1): 13.0, (1, 0): 0.0059, (1, 2): 13.0, (2, 1): 86.0, (1, 3): 0.9, (3, 1): 0.064},
    **{(2, 4): 0.9, (4, 2): 0.064, (2, 5): 2.7, (5, 2): 0.2},
}
RING = {
    **{(i, (i + 1) % 6): rate for i, rate in enumerate((8000.0, 1e-5, 30.0, 0.02, 1.0, 2.0))},
    **{((i + 1) % 6, i): rate for i, rate in enumerate((3e-4, 700.0, 1e-3, 5.0, 0.1, 0.4))},
}
_WAYS = [(i, j) for i in range(6) for j in range(6) if i != j]
ANY_TO_ANY = dict(zip(_WAYS, 10 ** np.random.default_rng(0).uniform(-5, 3.9, 30), strict=True))
TWO_STATES, ONE_WAY, NOTHING = (
    {(0, 1): 8000.0, (1, 0): 1e-5},
    {(0, 1): 8000.0, (1, 2): 1e-5, (2, 3): 0.3},
    {(0, 1): 0.0},
)
SCHEMES = [AMPA, RING, ANY_TO_ANY, TWO_STATES, ONE_WAY, NOTHING]
DURATIONS = [0.0, 0.025, 0.1, 1.0, 37.0, 1e4, 1e7]


def rounded(schemes, dtype):
    return [{way: float(np.asarray(rate, dtype)) for way, rate in rates.items()} for rates in schemes]


def generators(schemes, dtype=float):
    return jnp.asarray(np.stack([matrices.generator(rates, 6) for rates in schemes]), dtype)


def exactly(schemes, durations):
    """Propagators in 80 digits, (S, D, 6, 6)."""
    exact = [matrices.generator(rates, 6, Decimal) for rates in schemes]
    return np.array([[matrices.expm(q, float(t)) for t in durations] for q in exact], float)


def applied_to(matrices, y, durations, **options):
    """Each system's y after each duration, by one table of squarings."""
    table, which = squaring_table(matrices, **options), jnp.arange(len(matrices), dtype="int32")
    over_time = jax.vmap(lambda i, t: apply_by_squaring(table, i, y, t), (None, 0))
    return jax.vmap(lambda i: over_time(i, durations))(which)


def test_occupancies_and_the_table_of_squarings(dtype):
    """To rounding, however far rates and durations are apart; columns sum to 1, nothing is negative.

    What is next to nothing is as right as its exponent: an exp(-z) is z roundings off.
    """
    schemes, eps = rounded(SCHEMES, dtype), np.finfo(dtype).eps
    q, durations = generators(schemes, dtype), jnp.asarray([*DURATIONS, 1e-12, 0.3, 12345.678], dtype)
    y = jnp.asarray(np.arange(1, 7) / 21, dtype)

    @jax.jit
    def run(q):
        return markov_propagator(q[:, None], durations), applied_to(q, y, durations, conserved=q.shape[-1])

    got, applied = map(np.asarray, run(q))
    expected = exactly(schemes, durations)
    assert got.dtype == applied.dtype == dtype
    assert got.min() >= 0
    assert applied.min() >= 0
    close(got.sum(axis=-2), 1, rtol=4 * eps)
    close(got, expected, rtol=0, atol=4 * eps)
    there = expected > 1e6 * float(np.finfo(dtype).tiny)
    off = np.abs(got - expected)[there] / expected[there]
    assert (off / (1 - np.log(expected[there]))).max() < 16 * eps
    close(applied, expected @ np.asarray(y, float), rtol=0, atol=30 * eps)
    close(applied.sum(axis=-1), float(y.sum()), rtol=8 * eps)


def test_derivatives_of_occupancies(x64):
    """Along all rates at once, forward and reverse, against the derivative of the exponential in 80 digits."""
    durations = [0.0, 0.025, 1.0, 37.0, 1e4]
    ways = [[np.cos(i) * rate + (rate == 0) * 1e-4 for i, rate in enumerate(rates.values())] for rates in SCHEMES]
    towards = [dict(zip(rates, way, strict=True)) for rates, way in zip(SCHEMES, ways, strict=True)]
    weights, dq = jnp.cos(jnp.arange(36.0)).reshape(6, 6), generators(towards)

    @jax.jit
    def both(q, dq):
        f = lambda q: markov_propagator(q[:, None], jnp.asarray(durations))  # noqa: E731
        p, pullback = jax.vjp(f, q)
        of_each = jnp.eye(len(durations))[:, None, :, None, None] * weights
        return jax.jvp(f, (q,), (dq,))[1], jax.vmap(lambda w: pullback(jnp.broadcast_to(w, p.shape))[0])(of_each)

    with jax.numpy_rank_promotion("allow"):
        forward, reverse = both(generators(SCHEMES), dq)
    for i, (rates, way) in enumerate(zip(SCHEMES, towards, strict=True)):
        exact, direction = (matrices.generator(one, 6, Decimal) for one in (rates, way))
        for j, t in enumerate(durations):
            close(forward[i, j], matrices.frechet(exact, direction, t), rtol=1e-9, atol=1e-12)
            close(jnp.vdot(reverse[j, i], dq[i]), jnp.vdot(weights, forward[i, j]), rtol=1e-9, atol=1e-12)


def test_stationary_distribution(dtype):
    """Relative to each occupancy, however small, against the null vector in 80 digits.

    NaN where a state does not lead to the first. Its derivative is that of the null vector.
    """
    schemes, run, eps = rounded(SCHEMES[:3], dtype), jax.jit(stationary_distribution), np.finfo(dtype).eps
    got = run(generators(schemes, dtype))
    assert got.dtype == dtype
    # A time in which all comes to rest, of which the slowest rates here leave nothing in 80 digits.
    expected = exactly(schemes, [1e12])[:, 0, :, 0]
    close(got, expected, rtol=40 * eps, atol=float(np.finfo(dtype).tiny))
    got = run(jnp.asarray([[[[-2.0, 0.5], [2.0, -0.5]]], [[[-2.0, 0.0], [2.0, 0.0]]]], dtype))
    assert got.shape == (2, 1, 2)
    close(got[0, 0], [0.2, 0.8], rtol=8 * eps)
    assert np.isnan(got[1, 0].sum())
    of = lambda k: run(jnp.asarray([[-1.0, 0.5], [1.0, -0.5]], dtype) * jnp.stack([k, jnp.ones_like(k)])[None])[0]  # noqa: E731
    close(jax.grad(of)(jnp.asarray(2.0, dtype)), -0.5 / 2.5**2, rtol=64 * eps)


def test_derivatives_of_the_table_of_squarings(x64):
    """First and second in time: Q y and Q Q y, also where a squaring begins and at 0; and in the size of all rates."""
    q, y = matrices.generator(AMPA), np.array([0.1, 0.3, 0.2, 0.1, 0.2, 0.1])

    def f(t, size):
        return apply_by_squaring(squaring_table((q * size)[None], conserved=len(q)), 0, jnp.asarray(y), t)

    @jax.jit
    @jax.vmap
    def slopes(t):
        (reverse, in_size), (second, _) = jax.jvp(jax.jacrev(f, (0, 1)), (t, 1.0), (1.0, 0.0))
        return jax.jvp(f, (t, 1.0), (1.0, 0.0))[1], reverse, second, in_size

    step = 1 / -q.diagonal().min()
    times = np.array([0.0, step, 4 * step, 0.3, 37.0, 2e3])
    for t, first, reverse, second, in_size in zip(times, *slopes(times), strict=True):
        now = matrices.expm(q, t).astype(float) @ y
        close([first, reverse], [q @ now] * 2, rtol=1e-9, atol=1e-11)
        close([second, in_size], [q @ q @ now, t * (q @ now)], rtol=1e-8, atol=1e-9)


AFFINE = np.zeros((7, 3, 3))
AFFINE[0, :2, :2] = [[-0.05, -0.3], [0.3, -0.05]]  # an oscillator
AFFINE[1] = [[-1.0, 0, 0], [1.0, -0.3, 0], [0, 0.3, -0.02]]  # a chain
AFFINE[2] = [[0, 0, 0], [0.045, -0.0462, 0], [0, 0.18, -0.034]]  # GABA-B
AFFINE[3] = [[-1e-5, 0, 0], [3.0, -8000.0, 2.0], [0, 1e-3, -30.0]]  # slow beside fast
AFFINE[4] = [[-0.3, 0, 0], [1.0, -0.3, 0], [0, 1.0, -0.3]]  # equal rates
AFFINE[6, :2, :2] = [[0.1, 0.2], [0.0, 0.05]]  # growth; of the one before nothing happens


def test_affine_change(dtype):
    """Each row relative to its largest element: a slow variable keeps its digits. After 1e7 ms all is at rest."""
    eps, given = np.finfo(dtype).eps, AFFINE.astype(dtype)
    durations, y = jnp.asarray([0.0, 0.01, 0.025, 0.1, 1.0, 37.0, 1e7], dtype), np.arange(1.0, 4)

    @jax.jit
    def run(matrix):
        applied = applied_to(matrix[:4], jnp.asarray(y, dtype), durations[:6], conserved=0)
        return affine_change(matrix[:, None], durations), applied

    got, applied = map(np.asarray, run(jnp.asarray(given)))
    assert got.dtype == applied.dtype == dtype
    expected = np.array([[matrices.change(m, float(t)) for t in durations[:6]] for m in given])
    size = np.abs(expected).max(axis=-1, keepdims=True)
    assert (np.abs(got[:, :6] - expected) / np.where(size == 0, 1, size)).max() < 8 * eps
    close(applied, y + expected[:4] @ y, rtol=60 * eps, atol=60 * eps)
    close(got[:6, 6], [matrices.change(m, 1e7) for m in given[:6]], rtol=0, atol=8 * eps)


def test_derivatives_of_an_affine_change(x64):
    durations = [0.0, 0.025, 1.0, 37.0]
    towards = AFFINE * np.cos(np.arange(9)).reshape(3, 3) + 0.01
    weights = np.sin(1 + np.arange(9)).reshape(3, 3)

    @jax.jit
    def both(t):
        f, at = lambda matrix: affine_change(matrix, t), jnp.asarray(AFFINE)
        pulled = jax.vjp(f, at)[1](jnp.broadcast_to(weights, AFFINE.shape))[0]
        return jax.jvp(f, (at,), (jnp.asarray(towards),))[1], pulled

    for t in durations:
        for matrix, direction, forward, reverse in zip(AFFINE, towards, *both(t), strict=True):
            expected = matrices.frechet(matrix, direction, t)
            scale = np.abs(expected).max() + (t == 0)
            assert np.abs(forward - expected).max() < 1e-11 * scale
            close(np.vdot(reverse, direction), np.vdot(weights, forward), rtol=1e-9, atol=1e-11 * scale)


@pytest.mark.parametrize("function", [markov_propagator, affine_change])
def test_matrices_of_many_synapses(function, x64):
    """Axes in front broadcast against those of the durations, of whatever rank; under vmap too."""
    rates = np.random.default_rng(1).uniform(0.01, 20, (2, 1, 3, 3))
    rates[..., np.arange(3), np.arange(3)] = 0
    # An affine system with a leak: by rounding a generator's columns would have a sum, which grows.
    leak = float(function is affine_change)
    many = jnp.asarray(rates - np.eye(3) * (rates.sum(axis=-2) + leak)[..., None, :])
    t = jnp.asarray([0.1, 1.0, 30.0])

    @jax.jit
    def run(many):
        alone, pairs = many[1, 0], many[:, 0]
        whole, mapped = function(many, t[None]), jax.vmap(function, (None, 0))(alone, t)
        return whole, mapped, function(alone, t), function(pairs, t[1]), function(alone, t[1])

    whole, mapped, of_one, at_once, alone = run(many)
    assert whole.shape == (2, 3, 3, 3)
    for got, expected in ((mapped, whole[1]), (of_one, whole[1]), (at_once, whole[:, 1]), (alone, whole[1, 1])):
        close(got, expected, rtol=1e-13, atol=1e-14)
