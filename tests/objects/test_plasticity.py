"""STP and STD as objects: brainpy.state's scheme and the exact one by plain loops, and what any object does."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin import environ

DT = 0.5
GIVEN = {"STP": {"U": 0.3, "tau_f": 40.0, "tau_d": np.array([25.0, 60.0, 9.0])}, "STD": {"U": 0.4, "tau": 30.0}}
both = pytest.mark.parametrize("name", GIVEN)


@pytest.fixture(autouse=True)
def dt():
    environ.set(dt=DT)


@pytest.fixture
def spikes():
    return np.random.default_rng(3).random((60, 2, 3)) < 0.15


def make(name, **options):
    made = getattr(synkin, name)(3, **GIVEN[name], **options)
    made.init_state(2)
    return made


def by_hand(name, spikes, method, dt=DT):
    """Releases, and x at the end."""
    given = GIVEN[name]
    U, tau_d = given["U"], given.get("tau_d", given.get("tau"))
    u, x, found = np.full(spikes.shape[1:], U), np.ones(spikes.shape[1:]), []
    for row in spikes:
        later_u, later_x = u * np.exp(-dt / given.get("tau_f", np.inf)), 1 - (1 - x) * np.exp(-dt / tau_d)
        from_u, from_x = (u, x) if method == "exp_euler" else (later_u, later_x)
        u = later_u + row * U * (1 - from_u) if name == "STP" else u
        found.append(row * later_x * (u if name == "STP" else 1))
        x = later_x - row * u * from_x
    return np.array(found), x


@both
@pytest.mark.parametrize("method", ["exp_euler", "exact"])
def test_updates_and_runs_are_the_equations(name, method, spikes, x64):
    stepped, ran = make(name, method=method), make(name, method=method)
    expected, x = by_hand(name, spikes, method)
    for row, released in zip(spikes, expected, strict=True):
        np.testing.assert_allclose(stepped(row.astype(float)), released, rtol=1e-12)
    np.testing.assert_allclose(np.concatenate([ran.run(spikes[:20]), ran.run(spikes[20:], DT)]), expected, rtol=1e-12)
    np.testing.assert_allclose([ran.x.value, stepped.x.value], [x, x], rtol=1e-12)
    assert ran.run(np.zeros((0, 2, 3))).shape == (0, 2, 3)


@both
def test_it_is_an_object_as_the_others(name, spikes):
    made = make(name)
    field = "tau_d" if name == "STP" else "tau"
    assert repr(made).startswith(f"{name}(3, name='{name}")
    assert "batch_size=2" in repr(made)
    assert (made.in_size, made.out_size, made.varshape, made.batch_size, made.method) == ((3,),) * 3 + (2, "exp_euler")
    assert (made.x.value == 1).all()
    assert all(f"    {each}: " in type(made).__doc__ for each in ("in_size", "U", field, "method"))
    assert "\nSource: " in type(made).__doc__
    made.run(spikes[:30])
    expected = None
    for other in (copy.deepcopy(made), pickle.loads(pickle.dumps(made)), made):
        assert repr(other) == repr(made)
        released = other.run(spikes[30:])
        np.testing.assert_array_equal(released, released if expected is None else expected)
        expected = released
    made.reset_state()
    assert made.x.value.shape == (2, 3)
    assert (made.x.value == 1).all()
    made.x.value = 0.5
    held, again = made.state, copy.deepcopy(made)
    setattr(again, field, 1e-3)  # x has recovered at the end of the step
    first, second = (float(each.update(True)[0, 0]) for each in (made, again))
    assert second == pytest.approx(first / 0.5, rel=0.02)
    made.state = held
    assert (made.x.value == 0.5).all()


@both
def test_no_tracer_gets_in(name, spikes):
    made, row = make(name), jnp.asarray(spikes[0], float)
    message = rf"^{name} keeps its state .*: use synkin\.tsodyks_markram\.stepper or .*\.run there\."
    for call in (made.update, lambda x: made.run(x[None]), lambda x: getattr(synkin, name)(3, U=x[0, 0])):
        with pytest.raises(RuntimeError, match=message):
            jax.jit(call)(row)
    assert made.update(row).shape == (2, 3)


@both
def test_quantities(name, spikes):
    u = pytest.importorskip("saiunit")
    times = {key: value * u.ms for key, value in GIVEN[name].items() if key != "U"}
    made = getattr(synkin, name)(3, U=GIVEN[name]["U"], **times)
    made.init_state(2)
    field = next(iter(times))
    assert u.math.allclose(getattr(made, field), times[field])
    np.testing.assert_allclose(made.run(spikes, 0.5e-3 * u.second), make(name).run(spikes), rtol=1e-5)
