"""The step rules against 60-digit arithmetic and against integrals that are known."""

from decimal import Decimal, localcontext
from math import factorial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synkin import propagator

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
@pytest.mark.parametrize(("function", "order"), [(propagator.phi, 1), (propagator.phi2, 2)], ids=["phi", "phi2"])
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
    np.testing.assert_allclose(propagator.phi(z), -1 / z, rtol=1e-6)
    assert np.isfinite(jax.vmap(jax.grad(propagator.phi))(z)).all()
    assert np.isfinite(jax.vmap(jax.grad(propagator.phi2))(z)).all()


def test_phi_keeps_shape_and_dtype(dtype):
    for shape in ((), (3,), (2, 3)):
        assert propagator.phi(jnp.zeros(shape, dtype)).shape == shape
        assert propagator.phi2(jnp.zeros(shape, dtype)).dtype == dtype


def test_phi_in_half_precision():
    got = propagator.phi(jnp.asarray([-2.0, -0.1, 0.0], "bfloat16"))
    np.testing.assert_allclose(np.asarray(got, float), [0.432332, 0.951626, 1], rtol=2e-2)


def test_relaxation_solves_its_equation(x64):
    """y' = source - rate y from y(0) = 2, its solution written about the steady state source / rate."""
    source, rate, dt = jnp.asarray([0.0, 0.4, 1.5]), jnp.asarray([0.2, 3.0, 1e-3]), jnp.asarray(0.7)
    lost, gained = propagator.relaxation(source, rate, dt)
    steady = source / rate
    np.testing.assert_allclose(2 + (gained - lost * 2), steady + (2 - steady) * np.exp(-rate * dt), rtol=1e-12)


def test_relaxation_at_rate_zero_and_over_no_time(x64):
    source, zero, dt = jnp.asarray(0.4), jnp.asarray(0.0), jnp.asarray(0.7)
    np.testing.assert_allclose(propagator.relaxation(source, zero, dt), (0, 0.28), rtol=1e-15)
    np.testing.assert_array_equal(propagator.relaxation(source, jnp.asarray(3.0), zero), (0, 0))


def opened(g, opening, closing, dt):
    """The open fraction after dt in 60 digits."""
    with localcontext() as context:
        context.prec = 60
        g, opening, closing, dt = (Decimal(float(value)) for value in (g, opening, closing, dt))
        rate = opening + closing
        return float(g if rate == 0 else g + (opening / rate - g) * (1 - (-rate * dt).exp()))


def test_open_gate_is_right_to_rounding_for_any_rates_and_however_few_are_open(dtype):
    g, opening, closing = np.meshgrid([0, 1e-6, 0.3, 1], [0, 1e-4, 0.5, 40], [0, 0.01, 3], indexing="ij")
    g, opening, closing, dt = (np.asarray(value, dtype) for value in (g, opening, closing, 0.1))
    got = propagator.open_gate(*map(jnp.asarray, (g, opening, closing, dt)))
    assert got.dtype == dtype
    np.testing.assert_allclose(got, np.vectorize(opened)(g, opening, closing, dt), rtol=16 * np.finfo(dtype).eps)


@pytest.mark.parametrize("rates", [(0.0, 0.0), (0.0, 0.2), (0.7, 0.0), (1e-9, 1e-9), (0.7, 0.2)], ids=str)
def test_open_gate_s_derivatives(x64, rates):
    """Against a one-sided difference of second order, as no rate is negative."""
    at, h = (0.3, *rates, 0.8), 1e-5
    slopes = jax.grad(propagator.open_gate, argnums=(0, 1, 2, 3))(*map(jnp.asarray, at))
    for i, slope in enumerate(slopes):
        moved = [opened(*(value + k * h * (i == j) for j, value in enumerate(at))) for k in range(3)]
        np.testing.assert_allclose(slope, (-3 * moved[0] + 4 * moved[1] - moved[2]) / (2 * h), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("nodes", [1, 4, 6])
def test_gauss_legendre_is_exact_for_polynomials(nodes):
    x, w = propagator.gauss_legendre(nodes)
    assert ((x > 0) & (x < 1)).all()
    for degree in range(2 * nodes):
        np.testing.assert_allclose((w * x**degree).sum(), 1 / (degree + 1), rtol=1e-13)


@pytest.mark.parametrize("rate", [0.1, 1.0, 30.0, 1000.0])
def test_tanh_sinh_follows_a_decay_at_either_end(rate):
    x, w = propagator.tanh_sinh(64)
    integral = -np.expm1(-rate) / rate
    np.testing.assert_allclose((w * np.exp(-rate * x)).sum(), integral, rtol=1e-7)
    np.testing.assert_allclose((w * np.exp(-rate * (1 - x))).sum(), integral, rtol=1e-7)
