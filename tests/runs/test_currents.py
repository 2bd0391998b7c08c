"""From conductance to current: values, signs, shapes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synkin import currents
from tests.contract.table import wide

coba, cuba, mg_block = currents.coba, currents.cuba, currents.mg_block
close, same = np.testing.assert_allclose, np.testing.assert_array_equal


def test_coba_and_cuba(dtype):
    """1.5 x 0.2 mS at 40 mV below the reversal: 12 uA into the cell, so -12; cuba knows no voltage."""
    I = coba(jnp.asarray(0.2, dtype), jnp.asarray(-65.0, dtype), E=-25.0, g_max=1.5)
    assert I.dtype == dtype
    close(I, -12.0, rtol=1e-6)
    same(jnp.sign(coba(0.1, np.array([-80.0, -70.0, -60.0]), E=-70.0)), [-1, 0, 1])
    close(cuba(jnp.asarray([0.0, 0.5]), scale=20.0), [0, 10])
    close(cuba(0.5), 0.5)


# Half of the channels are free where Mg / b = exp(a (V - V_offset)).
@pytest.mark.parametrize(("Mg", "a", "b", "V_offset"), [(1.2, 0.062, 3.57, 0.0), (1.0, 0.08, 2.0, 12.0)])
def test_mg_block_is_a_sigmoid_of_the_voltage(x64, Mg, a, b, V_offset):
    half, s = V_offset + np.log(Mg / b) / a, np.array([0.0, 1.0, 25.0])
    up, down = (mg_block(half + sign * s, Mg=Mg, a=a, b=b, V_offset=V_offset) for sign in (1, -1))
    close(up, 0.5 + 0.5 * np.tanh(a * s / 2), rtol=1e-14)
    close(up + down, 1, rtol=1e-14)
    close(mg_block(-17.58), 0.5, atol=1e-4)  # as it is by default


def _block(V, Mg):
    """By logarithms, in double precision: the formula and its derivatives with respect to V, V twice, and Mg."""
    log = np.logaddexp(0.0, (np.log(Mg) if Mg else -np.inf) - np.log(3.57) - 0.062 * V)
    free, blocked = np.exp(-log), -np.expm1(-log)
    by_Mg = -np.exp(np.clip(-2 * log - 0.062 * V - np.log(3.57), -700, 700))
    return free, 0.062 * free * blocked, 0.062**2 * free * blocked * (blocked - free), by_Mg


EVERY = [(Mg, dtype) for Mg in (0.0, 1e-30, 1.2, 1e5) for dtype in ("float32", "float64")]


@pytest.mark.parametrize(("Mg", "dtype"), wide(EVERY, [(0.0, "float32"), (1.2, "float64")]), indirect=["dtype"])
def test_mg_block_and_its_derivatives_at_every_voltage(Mg, dtype):
    """Also where exp(-a V) is no number, and where there is no magnesium: known and traced, forward and reverse."""
    V = jnp.asarray([-1e5, -1500.0, -300.0, -65.0, 0.0, 40.0, 1500.0, 1e5], dtype)
    free, by_V, twice, by_Mg = np.transpose([_block(v, Mg) for v in np.asarray(V, float)])
    exact = {"rtol": {"float32": 1e-5, "float64": 1e-13}[dtype], "atol": 1e-37}

    def of(v, Mg):
        return mg_block(v, Mg=Mg)

    close(of(V, Mg), free, **exact)
    traced = jnp.asarray(Mg, dtype)
    for d in (jax.grad, jax.jacfwd):

        @jax.jit
        @jax.vmap
        def slopes(v, d=d):
            curved = [jax.grad(d(lambda v: of(v, Mg)))(v), jax.grad(lambda v: d(of)(v, traced))(v)]
            return [d(lambda v: of(v, Mg))(v), d(of)(v, traced)], d(of, argnums=1)(v, traced), curved

        first, by, second = slopes(V)
        for got, expected in ((first, by_V), (second, twice)):
            close(got, np.stack([expected] * 2), **exact)
        there = np.abs(by_Mg) < float(np.finfo(dtype).max) / 1e5
        close(by[there], by_Mg[there], **exact)
        assert not np.isnan(by).any()


def test_mg_block_of_what_is_no_concentration():
    """No magnesium is no block."""
    same(mg_block(jnp.asarray([-90.0, 0.0]), Mg=0.0), 1)
    for name, value, allowed in (("Mg", -1.0, "not negative"), ("b", 0.0, "positive")):
        sentence = f"^Argument `{name}` must be in mM, finite and {allowed}, but has the value {value}"
        with pytest.raises(ValueError, match=sentence):
            mg_block(-65.0, **{name: value})
        assert np.isnan(jax.jit(mg_block)(-65.0, **{name: value}))


def test_numbers_of_any_kind_and_shape():
    """Lists and foreign byte orders too; shapes broadcast though promotion of ranks is forbidden here."""
    for V in (-65, -65.0, np.float32(-65), jnp.asarray(-65.0), np.array([-65.0, -65.0])):
        assert coba(0.5, V, E=0, g_max=2).shape == np.shape(V)
        close(coba(0.5, V, E=0, g_max=2), -65.0)
        close(mg_block(V, Mg=1), 0.05967, atol=5e-6)
    assert coba(jnp.ones((4, 3)), jnp.zeros((4, 1)), E=jnp.ones((1, 3))).shape == (4, 3)
    assert coba(np.ones((4, 3)), np.ones(3), E=np.ones(1)).shape == (4, 3)
    assert cuba(np.ones(3), scale=np.ones((4, 1))).shape == (4, 3)
    assert mg_block(np.ones((4, 3)), Mg=np.ones(3)).shape == (4, 3)
    same(coba([1, 2], np.array([3, 5], ">f8"), E=[1, 1]), [2, 8])
    same(cuba([1.0, 2.0], scale=np.array([3, 5], ">i4")), [3, 10])
    assert mg_block([-65.0, 0.0], Mg=np.longdouble(1)).shape == (2,)


def test_in_double_precision(x64):
    """A float32 simulation stays one where the parameters are plain numbers; dI/dV of the blocked current."""
    g = V = jnp.ones(3, "float32")
    assert {I.dtype for I in (coba(g, V, E=-70.0, g_max=2), cuba(g, scale=2.0), mg_block(V))} == {np.dtype("float32")}
    V, E, g, a = -40.0, 5.0, 0.3, 0.062
    B = float(mg_block(V))
    slope = jax.grad(lambda V: coba(mg_block(V) * g, V, E=E))(V)
    close(slope, g * B + g * (V - E) * a * B * (1 - B), rtol=1e-13)  # B' = a B (1 - B)
