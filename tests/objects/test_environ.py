"""t and dt for the objects: who sees what, and for how long."""

import threading

import jax.numpy as jnp
import numpy as np
import pytest

from synkin import environ


@pytest.fixture(autouse=True)
def nothing_set():
    environ.set(t=None, dt=None)
    yield
    environ.set(t=None, dt=None)


def elsewhere(look):
    """What ``look`` returns in another thread."""
    seen = []
    thread = threading.Thread(target=lambda: seen.append(look()))
    thread.start()
    thread.join()
    return seen[0]


def test_set_and_get():
    environ.set(t=2.0, dt=0.1)
    assert (environ.get("t"), environ.get("dt")) == (2.0, 0.1)
    environ.set(dt=0.2)
    assert (environ.get("t"), environ.get("dt")) == (2.0, 0.2)
    environ.set(t=None)
    assert environ.get("t", None) is None
    assert environ.get("dt") == 0.2


def test_a_value_comes_back_as_a_float():
    for dt in (1, np.float32(0.5), np.array(0.25), jnp.asarray(0.125)):
        environ.set(dt=dt)
        assert type(environ.get("dt")) is float
        assert environ.get("dt") == float(dt)


def test_context_nests_and_ends():
    environ.set(dt=0.1)
    with environ.context(t=1.0):
        with environ.context(dt=0.5):
            assert (environ.get("t"), environ.get("dt")) == (1.0, 0.5)
            with environ.context(t=None):
                assert environ.get("t", "none") == "none"
        assert (environ.get("t"), environ.get("dt")) == (1.0, 0.1)
    assert environ.get("t", None) is None


def test_context_ends_with_an_exception():
    with pytest.raises(ZeroDivisionError), environ.context(dt=0.5):
        raise ZeroDivisionError
    assert environ.get("dt", None) is None


def test_set_within_a_context_shows_after_it():
    with environ.context(dt=0.5):
        environ.set(dt=0.25)
        assert environ.get("dt") == 0.5
    assert environ.get("dt") == 0.25


def test_threads_share_what_is_set_but_not_a_context():
    environ.set(dt=0.1)
    with environ.context(t=3.0, dt=0.5):
        assert elsewhere(lambda: (environ.get("t", None), environ.get("dt"))) == (None, 0.1)
    elsewhere(lambda: environ.set(dt=0.3))
    assert environ.get("dt") == 0.3


def test_contexts_of_two_threads_do_not_mix():
    entered = threading.Barrier(2, timeout=20)
    seen = {}

    def work(dt):
        with environ.context(dt=dt):
            entered.wait()
            seen[dt] = environ.get("dt")
            entered.wait()

    threads = [threading.Thread(target=work, args=(dt,)) for dt in (0.1, 0.2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {0.1: 0.1, 0.2: 0.2}


@pytest.mark.parametrize("key", ["t", "dt"])
def test_what_is_not_set_says_how_to_set_it(key):
    with pytest.raises(ValueError, match=rf"^`{key}` is not set: give it in ms by `synkin.environ.set\({key}=...\)`"):
        environ.get(key)


def test_another_key():
    with pytest.raises(ValueError, match=r"^Argument `key` must be one of 't', 'dt', but is 'time'\.$"):
        environ.get("time")


@pytest.mark.parametrize("change", [environ.set, lambda **given: environ.context(**given).__enter__()])
@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"dt": 0.0}, ValueError, r"Argument `dt` must be a positive number of ms, but is 0\.0\."),
        ({"dt": np.inf}, ValueError, r"Argument `dt` must be a positive number of ms, but is inf\."),
        ({"dt": np.array([0.1, 0.2])}, ValueError, r"Argument `dt` must be a scalar, but has shape \(2,\)\."),
        ({"dt": "0.1"}, TypeError, r"Argument `dt` must be a real number .*, but is '0\.1'\."),
        ({"t": np.nan}, ValueError, r"Argument `t` must be a finite number of ms, but is nan\."),
        ({"t": "now"}, TypeError, r"Argument `t` must be a real number .*, but is 'now'\."),
    ],
)
def test_bad_values_change_nothing(change, given, error, message):
    environ.set(t=1.0, dt=0.1)
    with pytest.raises(error, match=f"^{message}$"):
        change(**given)
    assert (environ.get("t"), environ.get("dt")) == (1.0, 0.1)
