"""A wrong argument is one sentence that says what was expected and what came; never a number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from synkin import alpha, ampa, bionmda, dual_expon, simulate

PARAMS, STATE = ampa.Params(), ampa.init(ampa.Params(), (3,))
SPIKES = np.zeros((5, 3), bool)


def init(shape=3, dtype=None, **params):
    return lambda: ampa.init(ampa.Params(**params), shape, dtype=dtype)


def step(spike=True, dt=0.1, method="exact", **params):
    return lambda: ampa.step(ampa.Params(**params), STATE, 0.0, spike, dt, method=method)


def run(spikes=SPIKES, dt=0.1, kernel=ampa, state=None, params=None, **options):
    return lambda: simulate(kernel, params or kernel.Params(), spikes, dt, state=state, **options)


# What is wrong: the call, the error, the whole sentence.
WRONG = {
    # shapes and dtypes of a state
    "shape negative": (
        init(shape=(2, -1)),
        ValueError,
        "Argument `shape` must not have negative lengths, but is (2, -1).",
    ),
    "shape not whole": (
        init(shape=1.5),
        TypeError,
        "Argument `shape` must be an int or a tuple of ints, but is 1.5.",
    ),
    "shape of floats": (
        init(shape=(2.0,)),
        TypeError,
        "Argument `shape` must be an int or a tuple of ints, but is (2.0,).",
    ),
    "shape a string": (init(shape="3"), TypeError, "Argument `shape` must be an int or a tuple of ints, but is '3'."),
    "dtype whole": (
        init(dtype="int32"),
        TypeError,
        "Argument `dtype` must be a floating dtype, but is int32.",
    ),
    "dtype complex": (
        run(dtype="complex64"),
        TypeError,
        "Argument `dtype` must be a floating dtype, but is complex64.",
    ),
    # parameters
    "rate negative": (
        init(beta=-1.0),
        ValueError,
        "Parameter `beta` must be finite and not negative, but has the value -1.0.",
    ),
    "rate NaN in an array": (
        init(alpha=np.array([1.0, np.nan, 2.0])),
        ValueError,
        "Parameter `alpha` must be finite and not negative, but has the value nan.",
    ),
    "pulse infinite": (
        init(T_dur=np.inf),
        ValueError,
        "Parameter `T_dur` must be finite and not negative, but has the value inf.",
    ),
    "concentration negative, in a step": (
        step(T=-0.5),
        ValueError,
        "Parameter `T` must be finite and not negative, but has the value -0.5.",
    ),
    "time constant 0": (
        lambda: alpha.init(alpha.Params(tau=0.0), 3),
        ValueError,
        "Parameter `tau` must be positive and finite, but has the value 0.0.",
    ),
    "time constant negative, in a run": (
        run(kernel=dual_expon, params=dual_expon.Params(tau_rise=np.array([1.0, -2.0, 3.0]))),
        ValueError,
        "Parameter `tau_rise` must be positive and finite, but has the value -2.0.",
    ),
    "amplitude NaN": (
        lambda: dual_expon.init(dual_expon.Params(amplitude=np.nan), 3),
        ValueError,
        "Parameter `amplitude` must be finite, but has the value nan.",
    ),
    "parameter a string": (
        init(beta="fast"),
        TypeError,
        "Parameter `beta` must be a real number or an array of them, but is 'fast'.",
    ),
    "parameter None": (
        run(params=PARAMS._replace(T=None)),
        TypeError,
        "Parameter `T` must be a real number or an array of them, but is None.",
    ),
    "parameter complex": (
        step(beta=1j),
        TypeError,
        "Parameter `beta` must be a real number or an array of them, but is 1j.",
    ),
    "parameter for other synapses": (
        init(beta=np.ones(4)),
        ValueError,
        "Parameter `beta` must broadcast against shape (3,), but has shape (4,).",
    ),
    "parameter with more axes than the state": (
        step(alpha=np.ones((2, 3))),
        ValueError,
        "Parameter `alpha` must broadcast against shape (3,), but has shape (2, 3).",
    ),
    "parameter for other synapses, in a run": (
        run(params=PARAMS._replace(T_dur=np.ones(2))),
        ValueError,
        "Parameter `T_dur` must broadcast against shape (3,), but has shape (2,).",
    ),
    # dt
    "dt 0": (step(dt=0.0), ValueError, "Argument `dt` must be a positive number of ms, but is 0.0."),
    "dt negative": (run(dt=-0.1), ValueError, "Argument `dt` must be a positive number of ms, but is -0.1."),
    "dt NaN": (step(dt=np.nan), ValueError, "Argument `dt` must be a positive number of ms, but is nan."),
    "dt infinite": (run(dt=np.inf), ValueError, "Argument `dt` must be a positive number of ms, but is inf."),
    "dt many": (run(dt=np.full(5, 0.1)), ValueError, "Argument `dt` must be a scalar, but has shape (5,)."),
    "dt a string": (
        step(dt="0.1"),
        TypeError,
        "Argument `dt` must be a real number or an array of them, but is '0.1'.",
    ),
    "dt missing": (
        run(dt=None),
        TypeError,
        "Argument `dt` must be a real number or an array of them, but is None.",
    ),
    # choices
    "method unknown": (
        run(method="rk4"),
        ValueError,
        "Argument `method` must be one of 'exp_euler', 'exact', but is 'rk4'.",
    ),
    "method missing": (
        step(method=None),
        ValueError,
        "Argument `method` must be one of 'exp_euler', 'exact', but is None.",
    ),
    "overlap unknown": (
        run(overlap="sum"),
        ValueError,
        "Argument `overlap` must be one of 'restart', 'ignore', but is 'sum'.",
    ),
    # one step's input
    "spike of other synapses": (
        step(spike=np.ones(4, bool)),
        ValueError,
        "Argument `spike` must have shape (3,), but has shape (4,).",
    ),
    "spike a string": (
        step(spike="yes"),
        TypeError,
        "Argument `spike` must be a real number or an array of them, but is 'yes'.",
    ),
    "spike complex": (
        step(spike=1j),
        TypeError,
        "Argument `spike` must be a real number or an array of them, but is 1j.",
    ),
    # a run's input
    "spikes without time": (
        run(True),
        ValueError,
        "Argument `spikes` must have shape (T, ...), but has shape ().",
    ),
    "spikes of other synapses": (
        run(np.zeros((5, 4), bool), state=STATE),
        ValueError,
        "Argument `spikes` must have shape (T, 3), but has shape (5, 4).",
    ),
    "spikes without synapses": (
        run(np.zeros(5, bool), state=STATE),
        ValueError,
        "Argument `spikes` must have shape (T, 3), but has shape (5,).",
    ),
    "spikes with fewer axes": (
        run(state=ampa.init(PARAMS, (2, 3))),
        ValueError,
        "Argument `spikes` must have shape (T, 2, 3), but has shape (5, 3).",
    ),
    "spikes between 0 and 1": (
        run(np.float32([[0.0, 0.5, 1.0]])),
        ValueError,
        "Argument `spikes` must be 0 or 1 for a receptor kernel, which takes no weights, "
        "but has values from 0.0 to 1.0.",
    ),
    "spikes counted": (
        run(np.array([[0, 3, 1]])),
        ValueError,
        "Argument `spikes` must be 0 or 1 for a receptor kernel, which takes no weights, but has values from 0 to 3.",
    ),
    "spikes NaN": (
        run(np.float32([[0.0, np.nan, 1.0]])),
        ValueError,
        "Argument `spikes` must be finite, but has NaN or infinite values.",
    ),
    "weights infinite": (
        run(np.float32([[0.0, np.inf, 1.0]]), kernel=alpha),
        ValueError,
        "Argument `spikes` must be finite, but has NaN or infinite values.",
    ),
    "spikes a file name": (
        run("spikes.csv"),
        TypeError,
        "Argument `spikes` must be a real number or an array of them, but is 'spikes.csv'.",
    ),
    "spikes ragged": (
        run([[1, 0], [1]]),
        TypeError,
        "Argument `spikes` must be a real number or an array of them, but is [[1, 0], [1]].",
    ),
    "spikes missing": (
        run(None),
        TypeError,
        "Argument `spikes` must be a real number or an array of them, but is None.",
    ),
    # a run's state
    "state of another kernel": (
        run(kernel=bionmda, state=STATE),
        TypeError,
        "Argument `state` must be a synkin.kernels.bionmda.State, but is a synkin.kernels.ampa.State.",
    ),
    "state a tuple": (
        run(state=tuple(STATE)),
        TypeError,
        "Argument `state` must be a synkin.kernels.ampa.State, but is a builtins.tuple.",
    ),
    "state of whole numbers": (
        run(state=ampa.State(*(jnp.zeros(3, "int32") for _ in STATE))),
        TypeError,
        "Argument `state` must be of one floating dtype, but has int32.",
    ),
    "state of two dtypes": (
        run(state=ampa.State(jnp.zeros(3, "float32"), jnp.zeros(3, "bfloat16"))),
        TypeError,
        "Argument `state` must be of one floating dtype, but has bfloat16, float32.",
    ),
    "another kernel's params": (
        lambda: alpha.init(ampa.Params(), 3),
        TypeError,
        "Argument `params` must be a synkin.kernels.alpha.Params, but is a synkin.kernels.ampa.Params.",
    ),
    "no params": (
        lambda: simulate(ampa, None, SPIKES, 0.1),
        TypeError,
        "Argument `params` must be a synkin.kernels.ampa.Params, but is a builtins.NoneType.",
    ),
    "no kernel": (
        lambda: simulate("ampa", ampa.Params(), SPIKES, 0.1),
        TypeError,
        "Argument `kernel` must be a kernel such as synkin.ampa, but is 'ampa'.",
    ),
    "an overlap that is none, in a step": (
        lambda: ampa.step(ampa.Params(), STATE, 0.0, jnp.zeros(3, bool), 0.1, overlap="sum"),
        ValueError,
        "Argument `overlap` must be one of 'restart', 'ignore', but is 'sum'.",
    ),
    "an overlap without pulses": (
        lambda: simulate(alpha, alpha.Params(), jnp.zeros((4, 3)), 0.1, overlap="ignore"),
        ValueError,
        "Argument `overlap` is for receptors, as a linear kernel has no pulses, but is 'ignore'.",
    ),
    "NaN in a step": (
        lambda: ampa.step(ampa.Params(), STATE, 0.0, jnp.full(3, jnp.nan), 0.1),
        ValueError,
        "Argument `spike` must be finite, but has NaN or infinite values.",
    ),
    "a step from no state": (
        lambda: ampa.step(ampa.Params(), None, 0.0, jnp.zeros(3, bool), 0.1),
        TypeError,
        "Argument `state` must be a synkin.kernels.ampa.State, but is a builtins.NoneType.",
    ),
    "a dtype that is none": (
        lambda: ampa.init(ampa.Params(), 3, dtype="floaty"),
        TypeError,
        "Argument `dtype` must be a floating dtype, but is 'floaty'.",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_one_sentence(what):
    call, error, sentence = WRONG[what]
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == sentence


def test_bound_from_below_alone():
    """0 is a rate, a concentration and a pulse length like any other, and an amplitude may be negative."""
    ampa.init(ampa.Params(alpha=0, beta=0, T=0, T_dur=0), 3)
    dual_expon.init(dual_expon.Params(amplitude=-1.0), 3)


def test_shapes_and_names_are_checked_under_jit():
    with pytest.raises(ValueError, match=r"^Argument `spikes` must have shape \(T, 3\), but has shape \(5, 4\)\."):
        jax.jit(lambda spikes: simulate(ampa, PARAMS, spikes, 0.1, state=STATE))(np.zeros((5, 4)))
    with pytest.raises(ValueError, match="Argument `method` must be one of"):
        jax.jit(lambda dt: ampa.step(PARAMS, STATE, 0.0, True, dt, method="rk4"))(0.1)


def test_values_pass_where_they_are_not_known():
    """A traced number has no value yet: a NaN there is the caller's, and comes out as one."""
    _, gs = jax.jit(lambda beta: simulate(ampa, ampa.Params(beta=beta), SPIKES | True, 0.1))(np.nan)
    assert np.isnan(gs).all()
