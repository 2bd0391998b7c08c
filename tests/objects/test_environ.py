"""t and dt for the objects: who sees what, and for how long."""

import threading

import jax.numpy as jnp
import numpy as np
import pytest

from synkin import environ


def now():
    return environ.get("t", None), environ.get("dt", None)


def elsewhere(*looks):
    """What each function returns in a thread of its own, all at the same time."""
    seen = [None] * len(looks)
    threads = [threading.Thread(target=lambda i=i: seen.__setitem__(i, looks[i]())) for i in range(len(looks))]
    for act in (threading.Thread.start, threading.Thread.join):
        for thread in threads:
            act(thread)
    return seen


def test_set_and_context():
    """A context hides what is set, nests, and ends, with an exception too; what is set within shows after it."""
    for dt in (1, np.float32(0.5), np.array(0.25), jnp.asarray(0.125)):
        environ.set(dt=dt)
        assert type(environ.get("dt")) is float
        assert environ.get("dt") == float(dt)
    environ.set(t=2.0, dt=0.1)
    environ.set(dt=0.2)
    assert now() == (2.0, 0.2)
    environ.set(t=None)
    assert now() == (None, 0.2)
    with environ.context(t=1.0):
        with environ.context(dt=0.5):
            environ.set(dt=0.25)
            assert now() == (1.0, 0.5)
            with environ.context(t=None):
                assert environ.get("t", "none") == "none"
        assert now() == (1.0, 0.25)
    with pytest.raises(ZeroDivisionError), environ.context(dt=0.5):
        raise ZeroDivisionError
    assert now() == (None, 0.25)


def test_threads_share_what_is_set_but_no_context():
    environ.set(dt=0.1)
    with environ.context(t=3.0, dt=0.5):
        assert elsewhere(now) == [(None, 0.1)]
    elsewhere(lambda: environ.set(dt=0.3))
    assert environ.get("dt") == 0.3
    entered = threading.Barrier(2, timeout=20)

    def within(dt):
        with environ.context(dt=dt):
            entered.wait()
            seen = environ.get("dt")
            entered.wait()
        return seen

    assert elsewhere(lambda: within(0.1), lambda: within(0.2)) == [0.1, 0.2]


@pytest.mark.parametrize("change", [environ.set, lambda **given: environ.context(**given).__enter__()])
def test_bad_values_change_nothing(change):
    environ.set(t=1.0, dt=0.1)
    for given in ({"dt": 0.0}, {"dt": np.inf}, {"dt": np.array([0.1, 0.2])}, {"t": np.nan}, {"t": "now"}):
        with pytest.raises((TypeError, ValueError), match=f"^Argument `{min(given)}` must be a "):
            change(**given)
    assert now() == (1.0, 0.1)
