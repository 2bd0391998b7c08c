"""`synkin.log_likelihood` against a filter in NumPy, against all numbers of open receptors, and its derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import synkin
from synkin import schemes
from tests.helpers import differences, occupancies
from tests.helpers.precision import enable_x64

TIMES = np.sort(np.random.default_rng(0).uniform(0.0, 60.0, 80))
SPIKES = np.array([5.0, 22.0, 22.6])
SEEN = {"scale": -50.0, "offset": 3.0, "sigma": 0.7, "channels": 60.0}


def wide(*case):
    """A case that takes long and has a shorter neighbour."""
    return pytest.param(*case, marks=pytest.mark.wide)


def recorded(kernel, protocol=SPIKES, times=TIMES, seed=1, seen=SEEN, **rates):
    """A sweep of channels that open and close."""
    channels = round(seen["channels"])
    g = synkin.sample(kernel, kernel.Params(**rates), protocol, times, channels=channels, key=jax.random.key(seed))
    noise = np.random.default_rng(seed).normal(size=len(times))
    return seen["scale"] * np.asarray(g, float) + seen["offset"] + seen["sigma"] * noise


@pytest.mark.parametrize("name", ["ampa", wide("nmda5"), wide("gabaa5")])
def test_it_is_the_filter(name, x64):
    kernel = getattr(schemes, name, None) or getattr(synkin, name)
    params, trace = kernel.Params(), recorded(kernel)
    trace[[3, 50]] = np.nan
    course = occupancies.pieces(params, SPIKES)
    expected = occupancies.log_likelihood(kernel, params, *course, TIMES, trace, **SEEN)
    found = synkin.log_likelihood(kernel, params, SPIKES, TIMES, trace, **SEEN)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    jumps = synkin.Jumps(*course)
    np.testing.assert_allclose(synkin.log_likelihood(kernel, params, jumps, TIMES, trace, **SEEN), expected, rtol=1e-9)


@pytest.mark.wide
def test_against_all_numbers_of_open_receptors(x64):
    """What the one approximation makes: with three receptors some, with a hundred hardly anything."""
    kernel, times = synkin.ampa, np.arange(0.25, 12.0, 0.25)
    params = kernel.Params(T_dur=2.0)
    course = occupancies.pieces(params, [1.0, 6.0])
    off = {}
    for n in (3, 100):
        seen = {"scale": 10.0, "offset": -1.0, "sigma": 0.5}
        trace = recorded(kernel, [1.0, 6.0], times, seen=seen | {"channels": n}, T_dur=2.0)
        found = synkin.log_likelihood(kernel, params, [1.0, 6.0], times, trace, channels=n, **seen)
        exact = occupancies.log_likelihood_of_counts(params, *course, times, trace, kernel, channels=n, **seen)
        off[n] = (float(found) - exact) / len(times)
    assert abs(off[100]) < 2e-3 < 0.2 < abs(off[3])
    # Where noise of the amplifier hides the steps, nothing is left of it.
    seen = {"scale": 1.0, "offset": 0.0, "sigma": 5.0}
    trace = recorded(kernel, [1.0, 6.0], times, seen=seen | {"channels": 3}, T_dur=2.0)
    found = synkin.log_likelihood(kernel, params, [1.0, 6.0], times, trace, channels=3, **seen)
    exact = occupancies.log_likelihood_of_counts(params, *course, times, trace, kernel, channels=3, **seen)
    assert abs(float(found) - exact) < 1e-3


@pytest.mark.wide
def test_it_prefers_what_is_true(x64):
    """Of thirty sweeps, the number of channels and the current of one, where the mean alone knows neither."""
    kernel, times = schemes.gabaa5, np.arange(0.5, 25, 0.5)
    sweeps = np.stack([recorded(kernel, [1.0], times, seed) for seed in range(30)])

    @jax.jit
    def of(channels):
        options = SEEN | {"channels": channels}
        each = jax.vmap(lambda y: synkin.log_likelihood(kernel, kernel.Params(), [1.0], times, y, **options))
        return each(jnp.asarray(sweeps)).sum()

    best = max(np.arange(30.0, 120.0, 2.0), key=of)
    assert 50 < best < 72
    none = jax.vmap(
        lambda y: synkin.log_likelihood(kernel, kernel.Params(), [1.0], times, y, **SEEN | {"channels": None})
    )
    assert of(60.0) > none(jnp.asarray(sweeps)).sum() + 1000


ARGUMENTS = {"spikes": SPIKES, **SEEN}


@pytest.mark.parametrize(
    ("name", "mode"),
    [("ampa", "reverse"), wide("ampa", "forward"), wide("nmda5", "reverse"), wide("nmda5", "forward")],
)
def test_derivatives_of_spikes(name, mode, x64):
    """By parameters, spike times, scale, offset, sigma and channels, in reverse and forward."""
    kernel = getattr(schemes, name, None) or getattr(synkin, name)
    trace = jnp.asarray(recorded(kernel))
    flat, unravel = ravel_pytree((jax.tree.map(jnp.asarray, kernel.Params()), ARGUMENTS))

    def f(flat):
        params, given = unravel(flat)
        return synkin.log_likelihood(kernel, params, given.pop("spikes"), TIMES, trace, **given)

    reverse = jax.jit(jax.grad(f))(flat)
    if mode == "reverse":
        assert differences.relative_error(reverse, differences.gradient(f, flat, h=1e-5)) < 1e-5
    else:
        along = jnp.cos(jnp.arange(flat.size))
        forward = jax.jit(lambda x: jax.jvp(f, (x,), (along,))[1])(flat)
        np.testing.assert_allclose(forward, reverse @ along, rtol=1e-9)


@pytest.mark.parametrize("name", [wide("ampa"), wide("kampa2004")])
def test_derivatives_of_jumps_and_of_what_varies(name, x64):
    """By edges, concentrations and voltages, or a rate."""
    kernel = getattr(schemes, name, None) or getattr(synkin, name)
    times = np.arange(0.3, 60, 2.0)
    begin = {"edges": jnp.array([2.0, 4.1, 30.0]), "concentrations": jnp.array([1.0, 0.1])}
    begin["varying"] = {"V": jnp.array([40.0, -20.0])} if name == "kampa2004" else {"beta": jnp.array([0.1, 0.3])}
    trace = jnp.asarray(recorded(kernel, synkin.Jumps(**begin), times))
    flat, unravel = ravel_pytree(begin)

    def f(flat):
        jumps = synkin.Jumps(**unravel(flat))
        return synkin.log_likelihood(kernel, kernel.Params(), jumps, times, trace, **SEEN)

    expected = differences.gradient(f, flat, h=1e-5)
    assert differences.relative_error(jax.jit(jax.grad(f))(flat), expected) < 1e-5


@pytest.mark.wide
def test_derivative_by_the_length_of_pulses_that_end_on_samples():
    """Rounding must not lose it in float32, as the time to the end of a pulse is a sum of stretches."""
    kernel, times = synkin.ampa, np.arange(0.0, 20, 0.05)
    trace = recorded(kernel, [5.0, 12.0], times, T_dur=1.0)

    def slope(dtype):
        def f(T_dur):
            params = kernel.Params(T_dur=T_dur)
            return synkin.log_likelihood(kernel, params, [5.0, 12.0], times, trace, dtype=dtype, **SEEN)

        return jax.grad(f)(jnp.asarray(1.0, dtype))

    with enable_x64(True):
        expected = slope("float64")
    with enable_x64(False):
        np.testing.assert_allclose(slope("float32"), expected, rtol=1e-2)


@pytest.mark.parametrize(("channels", "sigma"), [wide(60.0, 0.7), wide(1e6, 1e-3), wide(3.0, 20.0), wide(1e9, 1.0)])
def test_float32_is_right(channels, sigma):
    """To what a sum of a thousand terms is known to, also where the noise is nearly all of gating."""
    kernel, times = schemes.nmda5, np.arange(0, 100, 0.1)
    seen = SEEN | {"channels": channels, "sigma": sigma}
    trace = recorded(kernel, SPIKES, times, seen=seen)

    def both(dtype):
        def f(seen):
            return synkin.log_likelihood(kernel, kernel.Params(), SPIKES, times, trace, dtype=dtype, **seen)

        return jax.tree.map(np.asarray, jax.value_and_grad(f)(jax.tree.map(lambda x: jnp.asarray(x, dtype), seen)))

    with enable_x64(True):
        value, gradient = both("float64")
    with enable_x64(False):
        rough, rough_gradient = both("float32")
    assert rough.dtype == "float32"
    np.testing.assert_allclose(rough, value, atol=5e-4 * len(times))
    for name in seen:
        assert abs(rough_gradient[name] - gradient[name]) * seen[name] < 2e-3 * len(times), name


@pytest.mark.parametrize("kernel", [synkin.ampa, wide(schemes.gabaa5)])
def test_samples_that_are_not_there_and_their_order(kernel, x64):
    """NaN is as if it were left out, wherever times are cut; times may come in any order."""
    trace, holes = recorded(kernel), np.arange(len(TIMES)) % 3 == 1
    of = lambda times, trace: synkin.log_likelihood(kernel, kernel.Params(), SPIKES, times, trace, **SEEN)  # noqa: E731
    expected = of(TIMES[~holes], trace[~holes])
    np.testing.assert_allclose(of(TIMES, np.where(holes, np.nan, trace)), expected, rtol=1e-12)
    order = np.random.default_rng(3).permutation(len(TIMES))
    np.testing.assert_allclose(of(TIMES[order], trace[order]), of(TIMES, trace), rtol=1e-12)
    gradient = jax.grad(lambda y: of(TIMES, y))(jnp.where(jnp.asarray(holes), jnp.nan, trace))
    assert np.isfinite(gradient).all()
    assert of(TIMES, np.full_like(TIMES, np.nan)) == 0
    assert of([], []) == 0


def test_many_channels_have_the_likelihood_of_the_mean(x64):
    kernel = schemes.nmda5
    trace = recorded(kernel)
    options = {name: SEEN[name] for name in ("scale", "offset", "sigma")}
    for protocol in (SPIKES, synkin.Jumps(*occupancies.pieces(kernel.Params(), SPIKES))):
        found = [
            synkin.log_likelihood(kernel, kernel.Params(), protocol, TIMES, trace, channels=n, **options)
            for n in (1e14, None)
        ]
        np.testing.assert_allclose(*found, rtol=1e-9)


@pytest.mark.parametrize("kernel", [synkin.dual_expon, wide(synkin.bionmda), wide(synkin.ampa + schemes.nmda5)])
def test_without_channels_it_is_that_of_any_kernel_s_response(kernel, x64):
    g = np.asarray(synkin.respond(kernel, kernel.Params(), SPIKES, TIMES))
    trace = -50.0 * g + 3.0 + np.random.default_rng(0).normal(size=len(g))
    trace[4] = np.nan
    found = synkin.log_likelihood(kernel, kernel.Params(), SPIKES, TIMES, trace, scale=-50.0, offset=3.0, sigma=0.7)
    off = np.delete((trace - 3.0 + 50.0 * g) / 0.7, 4)
    expected = -(off @ off) / 2 - len(off) * np.log(0.7 * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.wide)], indirect=True)
def test_the_unit_of_the_trace_does_not_matter(dtype):
    """In amperes as in picoamperes, in float32 too: only the density is per another unit."""
    kernel = schemes.nmda5
    trace = recorded(kernel)
    small = {name: value * (1e-12 if name != "channels" else 1) for name, value in SEEN.items()}
    found = [
        synkin.log_likelihood(kernel, kernel.Params(), SPIKES, TIMES, y, dtype=dtype, **seen)
        for y, seen in ((trace, SEEN), (trace * 1e-12, small))
    ]
    np.testing.assert_allclose(
        found[1] - len(TIMES) * np.log(1e12), found[0], rtol=1e-4 if dtype == "float32" else 1e-10
    )


@pytest.mark.wide
@pytest.mark.parametrize("dtype", ["float32"])  # float64 takes as long to compile again
def test_under_jit_vmap_and_scan(dtype):
    kernel = schemes.ampa5
    sweeps = np.stack([recorded(kernel, seed=seed) for seed in range(3)]).astype(dtype)
    params = kernel.Params()

    def of(trace, seen=SEEN, params=params, spikes=SPIKES, times=TIMES):
        return synkin.log_likelihood(kernel, params, spikes, times, trace, dtype=dtype, **seen)

    expected = np.stack([of(trace) for trace in sweeps])
    assert expected.dtype == dtype
    close = {"rtol": 1e-4 if dtype == "float32" else 1e-10}
    np.testing.assert_allclose(jax.vmap(of)(jnp.asarray(sweeps)), expected, **close)
    traced = jax.jit(of)(sweeps[0], SEEN, params, jnp.asarray(SPIKES, dtype), jnp.asarray(TIMES, dtype))
    np.testing.assert_allclose(traced, expected[0], rtol=1e-3 if dtype == "float32" else 1e-10)
    _, scanned = jax.lax.scan(lambda carry, trace: (carry, of(trace)), 0, jnp.asarray(sweeps))
    np.testing.assert_allclose(scanned, expected, **close)
    slopes = jax.vmap(jax.grad(lambda trace, n: of(trace, SEEN | {"channels": n}), argnums=1), in_axes=(0, None))
    one = jax.grad(lambda n: of(sweeps[1], SEEN | {"channels": n}))(jnp.asarray(60.0, dtype))
    np.testing.assert_allclose(slopes(jnp.asarray(sweeps), jnp.asarray(60.0, dtype))[1], one, rtol=1e-3)


def test_traced_numbers_out_of_range_give_nan():
    kernel = synkin.ampa
    trace = recorded(kernel)

    @jax.jit
    def of(seen, beta=0.18):
        return synkin.log_likelihood(kernel, kernel.Params(beta=beta), SPIKES, TIMES, trace, **seen)

    assert np.isfinite(of(SEEN))
    for name, wrong in (("sigma", 0.0), ("sigma", -1.0), ("channels", 0.0), ("channels", -3.0), ("scale", np.nan)):
        assert np.isnan(of(SEEN | {name: wrong})), name
    assert np.isnan(of(SEEN, -1.0))
