"""Steps: what they take for a spike, how long they go on, and whose carry they take."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np

import synkin
from benchmarks.answers import Row
from synkin import ampa, bionmda

warnings.simplefilter("ignore")


def _first_g(call):
    return lambda: f"g = {float(np.ravel(call())[0]):.6g}"


def _stepper(kernel=ampa, dt=0.1, method="exact", **params):
    return synkin.stepper(kernel, kernel.Params(**params), dt, method=method)


def _stepped(spike):
    stepper = _stepper()
    return stepper.step(stepper.init((1,)), spike)[1]


def _updated(spike):
    with synkin.environ.context(dt=0.1):
        return synkin.AMPA(1).update(spike)


@jax.custom_jvp
def _fires(V):
    return (V > 0).astype(V.dtype)


@_fires.defjvp
def _(V, dV):
    return _fires(*V), dV[0] / (1 + jnp.abs(V[0])) ** 2


def _gradient(kernel, fires):
    return lambda: f"gradient {float(jax.grad(lambda V: _g(kernel, fires(V)))(jnp.float32(0.5))):.6g}"


def _g(kernel, spike):
    stepper = _stepper(kernel)
    return stepper.step(stepper.init(()), spike)[1]


def _after_long():
    """As many steps as an int32 counts, of which all but the last few are skipped by setting the counter."""
    stepper = _stepper()
    carry = stepper.init((1,))
    if hasattr(carry, "row"):
        carry = carry._replace(row=jnp.int32(2**30 - 3))
    for _ in range(20):
        carry, g = stepper.step(carry, False)
    return g


def _carry_of(other, traced=False):
    stepper = _stepper()
    carry = other.step(other.init((1,)), True)[0]
    step = jax.jit(stepper.step) if traced else stepper.step
    for _ in range(4):
        carry, g = step(carry, False)
    return g


def _one_tree(method):
    def ask():
        stepper = _stepper(method=method)
        state = stepper.state(stepper.init((1,)))
        options = {"on_grid": True} if method == "exact" and hasattr(stepper.init((1,)), "grid") else {}
        jax.lax.cond(True, lambda: stepper.init((1,)), lambda: stepper.init(state=state, **options))
        return "one tree"

    return ask


def _rounded():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            synkin.simulate(ampa, ampa.Params(T_dur=0.35), np.zeros((2, 1), bool), 0.1)
    return f"{len(caught)} warnings" + "".join(f": {one.message}" for one in caught)


_REFUSED = "a sentence: it must be 0 or 1"

ROWS = (
    *(Row(f"stepper.step(carry, {v}) of ampa", _REFUSED, _first_g(lambda v=v: _stepped(v))) for v in (0.01, -1, 2, 5)),
    Row("the same of 0.3, traced", "g = nan", _first_g(lambda: jax.jit(_stepped)(0.3))),
    Row(
        "ampa.step of 0.3",
        _REFUSED,
        _first_g(lambda: ampa.step(ampa.Params(), ampa.init(ampa.Params(), 1), 0.0, 0.3, 0.1)[1]),
    ),
    Row("AMPA(1).update(0.3)", _REFUSED, _first_g(lambda: _updated(0.3))),
    Row("AMPA(1).update(1.0)", "g = 0.0473946", _first_g(lambda: _updated(1.0))),
    *(
        Row(
            f"gradient through a surrogate into {kernel.name}",
            "a sentence: take a linear kernel",
            _gradient(kernel, _fires),
        )
        for kernel in (ampa, bionmda)
    ),
    Row(
        "gradient through (V > 0).astype(float) into ampa",
        "gradient 0",
        _gradient(ampa, lambda V: (V > 0).astype(float)),
    ),
    Row("g after 2**30 steps without a spike", "g = 0", _first_g(_after_long)),
    Row("a carry of dt 0.2 in steps of 0.1", "a sentence", _first_g(lambda: _carry_of(_stepper(dt=0.2)))),
    Row("the same, traced", "g = nan", _first_g(lambda: _carry_of(_stepper(dt=0.2), traced=True))),
    Row("a carry of T_dur 0.95 in steps of 0.5", "a sentence", _first_g(lambda: _carry_of(_stepper(T_dur=0.95)))),
    Row("a carry of bionmda in steps of ampa", "a sentence", _first_g(lambda: _carry_of(_stepper(bionmda)))),
    Row("a carry of expon in steps of ampa", "a sentence", _first_g(lambda: _carry_of(_stepper(synkin.expon)))),
    Row("lax.cond of init(shape) and init(state=), exp_euler", "one tree", _one_tree("exp_euler")),
    Row("lax.cond of init(shape) and init(state=, on_grid=True), exact", "one tree", _one_tree("exact")),
    Row("simulate with exp_euler, T_dur 0.35, dt 0.1, twice", "1 warning: lasts 0.4 ms", _rounded),
    Row(
        "respond to the train 0, 0, 1, 0, 1",
        "a sentence: np.flatnonzero(train) * dt",
        _first_g(lambda: synkin.respond(ampa, ampa.Params(), [0, 0, 1, 0, 1], [1.0])),
    ),
    Row(
        "respond to booleans",
        "a sentence",
        _first_g(lambda: synkin.respond(ampa, ampa.Params(), np.array([False, True]), [1.0])),
    ),
    Row(
        "respond to spikes at 0 and 1 ms",
        "g = 0.190267",
        _first_g(lambda: synkin.respond(ampa, ampa.Params(), [0, 1], [1.0])),
    ),
)
