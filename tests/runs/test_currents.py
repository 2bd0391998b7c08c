"""From conductance to current: values, signs, shapes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synkin import currents


def test_coba_and_cuba(dtype):
    """1.5 x 0.2 mS at 40 mV below the reversal: 12 uA into the cell, so -12; cuba knows no voltage."""
    I = currents.coba(jnp.asarray(0.2, dtype), jnp.asarray(-65.0, dtype), E=-25.0, g_max=1.5)
    assert I.dtype == dtype
    np.testing.assert_allclose(I, -12.0, rtol=1e-6)
    np.testing.assert_array_equal(jnp.sign(currents.coba(0.1, np.array([-80.0, -70.0, -60.0]), E=-70.0)), [-1, 0, 1])
    np.testing.assert_allclose(currents.cuba(jnp.asarray([0.0, 0.5]), scale=20.0), [0, 10])
    np.testing.assert_allclose(currents.cuba(0.5), 0.5)


# Half of the channels are free where Mg / b = exp(a (V - V_offset)).
@pytest.mark.parametrize(("Mg", "a", "b", "V_offset"), [(1.2, 0.062, 3.57, 0.0), (1.0, 0.08, 2.0, 12.0)])
def test_mg_block_is_a_sigmoid_of_the_voltage(x64, Mg, a, b, V_offset):
    half = V_offset + np.log(Mg / b) / a
    s = np.array([0.0, 1.0, 25.0])
    up = currents.mg_block(half + s, Mg=Mg, a=a, b=b, V_offset=V_offset)
    down = currents.mg_block(half - s, Mg=Mg, a=a, b=b, V_offset=V_offset)
    np.testing.assert_allclose(up[0], 0.5, rtol=1e-14)
    np.testing.assert_allclose(up, 0.5 + 0.5 * np.tanh(a * s / 2), rtol=1e-14)
    np.testing.assert_allclose(up + down, 1, rtol=1e-14)


def test_mg_block_without_magnesium_and_far_from_rest():
    """No magnesium, no block; and no overflow at voltages that no cell has."""
    np.testing.assert_array_equal(currents.mg_block(jnp.asarray([-90.0, 0.0]), Mg=0.0), 1)
    np.testing.assert_allclose(currents.mg_block(jnp.asarray([-1e4, 1e4])), [0, 1], atol=1e-12)


def _block(V, Mg):
    """By logarithms, in double precision: the formula and its derivatives with respect to V, V twice, and Mg."""
    log = np.logaddexp(0.0, (np.log(Mg) if Mg else -np.inf) - np.log(3.57) - 0.062 * V)
    free, blocked = np.exp(-log), -np.expm1(-log)
    by_Mg = -np.exp(np.clip(-2 * log - 0.062 * V - np.log(3.57), -700, 700))
    return free, 0.062 * free * blocked, 0.062**2 * free * blocked * (blocked - free), by_Mg


@pytest.mark.parametrize(
    ("Mg", "dtype"),
    [
        (0.0, "float32"),
        (1.2, "float64"),
        *(pytest.param(Mg, "float32", marks=pytest.mark.wide) for Mg in (1e-30, 1.2, 1e5)),
        *(pytest.param(Mg, "float64", marks=pytest.mark.wide) for Mg in (0.0, 1e-30, 1e5)),
    ],
    indirect=["dtype"],
)
def test_mg_block_and_its_derivatives_at_every_voltage(Mg, dtype):
    """Also where exp(-a V) is no number, and where there is no magnesium: known and traced, forward and reverse."""
    V, f = jnp.asarray([-1e5, -1500.0, -300.0, -65.0, 0.0, 40.0, 1500.0, 1e5], dtype), currents.mg_block
    free, by_V, twice, by_Mg = np.transpose([_block(v, float(Mg)) for v in np.asarray(V, float)])
    largest = float(np.finfo(dtype).max)
    close = lambda got, expected: np.testing.assert_allclose(  # noqa: E731
        got, expected, rtol={"float32": 1e-5, "float64": 1e-13}[dtype], atol=1e-37
    )
    close(f(V, Mg=Mg), free)
    of_one = lambda v, Mg: f(v, Mg=Mg)  # noqa: E731
    for d in (jax.grad, jax.jacfwd):
        close(jax.jit(jax.vmap(d(lambda v: of_one(v, Mg))))(V), by_V)
        first, by = jax.jit(jax.vmap(lambda v, d=d: d(of_one, argnums=(0, 1))(v, jnp.asarray(Mg, dtype))))(V)
        close(first, by_V)
        there = np.abs(by_Mg) < largest / 1e5
        close(by[there], by_Mg[there])
        assert not np.isnan(by).any()
        close(jax.jit(jax.vmap(jax.grad(d(lambda v: of_one(v, Mg)))))(V), twice)
        close(jax.jit(jax.vmap(jax.grad(lambda v, d=d: d(of_one)(v, jnp.asarray(Mg, dtype)))))(V), twice)


def test_mg_block_of_what_is_no_concentration():
    for name, value in (("Mg", -1.0), ("b", 0.0)):
        allowed = "not negative" if name == "Mg" else "positive"
        sentence = f"^Argument `{name}` must be in mM, finite and {allowed}, but has the value {value}"
        with pytest.raises(ValueError, match=sentence):
            currents.mg_block(-65.0, **{name: value})
        assert np.isnan(jax.jit(currents.mg_block)(-65.0, **{name: value}))


def test_numbers_of_any_kind_and_shape():
    """Lists and foreign byte orders too; shapes broadcast though promotion of ranks is forbidden here."""
    for V in (-65, -65.0, np.float32(-65), jnp.asarray(-65.0), np.array([-65.0, -65.0])):
        assert currents.coba(0.5, V, E=0, g_max=2).shape == np.shape(V)
        np.testing.assert_allclose(currents.coba(0.5, V, E=0, g_max=2), -65.0)
        np.testing.assert_allclose(currents.mg_block(V, Mg=1), 0.05967, atol=5e-6)
    assert currents.coba(jnp.ones((4, 3)), jnp.zeros((4, 1)), E=jnp.ones((1, 3))).shape == (4, 3)
    assert currents.coba(np.ones((4, 3)), np.ones(3), E=np.ones(1)).shape == (4, 3)
    assert currents.cuba(np.ones(3), scale=np.ones((4, 1))).shape == (4, 3)
    assert currents.mg_block(np.ones((4, 3)), Mg=np.ones(3)).shape == (4, 3)
    np.testing.assert_array_equal(currents.coba([1, 2], np.array([3, 5], ">f8"), E=[1, 1]), [2, 8])
    np.testing.assert_array_equal(currents.cuba([1.0, 2.0], scale=np.array([3, 5], ">i4")), [3, 10])
    assert currents.mg_block([-65.0, 0.0], Mg=np.longdouble(1)).shape == (2,)


def test_currents_keep_float32_in_any_mode(x64):
    """A float32 simulation stays one where the parameters are plain numbers."""
    g = V = jnp.ones(3, "float32")
    assert currents.coba(g, V, E=-70.0, g_max=2).dtype == np.float32
    assert currents.cuba(g, scale=2.0).dtype == np.float32
    assert currents.mg_block(V).dtype == np.float32


def test_currents_are_differentiable(x64):
    """dI/dV of the blocked current, its block differentiated by hand: B' = a B (1 - B)."""
    V, E, g, a = -40.0, 5.0, 0.3, 0.062
    B = float(currents.mg_block(V))
    slope = jax.grad(lambda V: currents.coba(currents.mg_block(V) * g, V, E=E))(V)
    np.testing.assert_allclose(slope, g * B + g * (V - E) * a * B * (1 - B), rtol=1e-13)
