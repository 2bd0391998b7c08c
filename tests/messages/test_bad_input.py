"""A wrong argument is one sentence that says what was expected and what came; never a number.

`WRONG` is the corpus: what is called and what is wrong with it, the call, the error, the whole sentence.
"""

import collections
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin import alpha, ampa, bionmda, currents, dual_expon, environ, expon, presets, respond, schemes, simulate
from synkin import tsodyks_markram as tm

FLOAT, COMPLEX = jnp.result_type(float).name, jnp.result_type(complex).name
PARAMS, STATE = ampa.Params(), ampa.init(ampa.Params(), (3,))
SPIKES = np.zeros((5, 3), bool)
TIMES = np.arange(0.0, 20.0, 0.5)
TRACE = np.exp(-TIMES / 5)
MASKED = np.ma.masked_array([1.0, 2.0, 3.0], mask=[False, True, False])
DATES = np.zeros((5, 3), "M8[s]")
OBJECTS = np.full((5, 3), None)
STRINGS = np.full((5, 3), "a")


BOTH = ampa + schemes.nmda5


def named(name, rate):
    """A receptor with a rate and a name of one's choice."""
    fields = collections.namedtuple("Params", [rate, "T", "T_dur"], defaults=[1.0, 1.0, 1.0])
    state = collections.namedtuple("State", ["g", "pulse_left"])
    return synkin.receptor(
        lambda p, y, T: {"g": T * (1 - y.g) - getattr(p, rate) * y.g}, fields, state, name=name, methods=("exp_euler",)
    )


STEPPED = named("stepped", "beta")


def init(shape=3, dtype=None, **params):
    return lambda: ampa.init(ampa.Params(**params), shape, dtype=dtype)


def step(spike=True, dt=0.1, method="exact", params=None, state=STATE, **given):
    return lambda: ampa.step(params or ampa.Params(**given), state, 0.0, spike, dt, method=method)


def run(spikes=SPIKES, dt=0.1, kernel=ampa, state=None, params=None, **options):
    return lambda: simulate(kernel, params or kernel.Params(), spikes, dt, state=state, **options)


def response(spike_times=(1.0, 2.0), times=(3.0,), kernel=ampa, params=None, **options):
    return lambda: respond(kernel, params or kernel.Params(), spike_times, times, **options)


def release(params=None, spike_times=(1.0, 2.0), **options):
    return lambda: tm.release(tm.Params() if params is None else params, spike_times, **options)


def delayed(spikes=SPIKES, delay=0.2, dt=0.1):
    return lambda: synkin.delayed(spikes, delay, dt)


def fit(**given):
    defaults = {
        "kernel": expon, "params": expon.Params(), "spike_times": [0.0], "times": TIMES, "trace": TRACE,
        "free": "tau", "progress": False, "starts": 1,
    }  # fmt: skip
    return lambda: synkin.fit(**defaults | given)


def read(path="cell.csv", **given):
    return lambda: synkin.read_recording(path, **given)


def measured(times=TIMES, trace=TRACE, **given):
    return lambda: synkin.measure(times, trace, **given)


NO_RATE = "must have a rate of names and numbers, with + - * / and parentheses, but has "
PUT_A_NAME = ": put a name in its place, and give that its value at the held voltage, or a function of the parameters."
SCHEME = """C0 + glu <-> C1 : kon, koff
C1 <-> O : beta, alpha
"""


def scheme(*lines, text=SCHEME, open="O", **given):
    """A scheme with further lines, the first of which is line 3."""
    rates = {"kon": 5.0, "koff": 0.1, "beta": 1.0, "alpha": 0.2}
    return lambda: synkin.scheme(text + "\n".join(lines), open=open, **rates | given)


def jumps(edges=(0.0, 1.0), concentrations=(1.0,), times=(2.0,), kernel=schemes.nmda5, params=None, **options):
    return lambda: synkin.concentration_jumps(
        kernel, params or kernel.Params(), edges, concentrations, times, **options
    )


def of_scheme(method, *given, **params):
    return lambda: getattr(schemes.nmda5, method)(schemes.nmda5.Params(**params), *given)


def deconvolved(times=TIMES, trace=TRACE, kernel=expon, params=None, **given):
    return lambda: synkin.deconvolve(kernel, params or kernel.Params(), times, trace, **given)


def update(value, synapse=synkin.AMPA):
    def call():
        with environ.context(dt=0.1):
            synapse(3).update(value)

    return call


def assign(attribute, value):
    return lambda: setattr(synkin.AMPA(3), attribute, value)


def traced(call):
    """The call inside jit, of a traced number: what is said shows nothing of the tracer."""
    return lambda: jax.jit(call)(1.0)


def deleted():
    x = jnp.zeros((5, 3))
    x.delete()
    return x


# What is wrong: the call, the error, the whole sentence.
WRONG = {
    # shapes and dtypes of a state
    "init: shape negative": (
        init(shape=(2, -1)),
        ValueError,
        "Argument `shape` must not have negative lengths, but is (2, -1).",
    ),
    "init: shape not whole": (
        init(shape=1.5),
        TypeError,
        "Argument `shape` must be an int or a tuple of ints, but is 1.5.",
    ),
    "init: shape of floats": (
        init(shape=(2.0,)),
        TypeError,
        "Argument `shape` must be an int or a tuple of ints, but is (2.0,).",
    ),
    "init: shape a string": (
        init(shape="3"),
        TypeError,
        "Argument `shape` must be an int or a tuple of ints, but is '3'.",
    ),
    "init: dtype whole": (
        init(dtype="int32"),
        TypeError,
        "Argument `dtype` must be a floating dtype, but is int32.",
    ),
    "simulate: dtype complex": (
        run(dtype="complex64"),
        TypeError,
        "Argument `dtype` must be a floating dtype, but is complex64.",
    ),
    # parameters
    "init: rate negative": (
        init(beta=-1.0),
        ValueError,
        "Parameter `beta` must be finite and not negative, but has the value -1.0.",
    ),
    "init: rate NaN in an array": (
        init(alpha=np.array([1.0, np.nan, 2.0])),
        ValueError,
        "Parameter `alpha` must be finite and not negative, but has the value nan.",
    ),
    "init: pulse infinite": (
        init(T_dur=np.inf),
        ValueError,
        "Parameter `T_dur` must be finite and not negative, but has the value inf.",
    ),
    "step: concentration negative, in a step": (
        step(T=-0.5),
        ValueError,
        "Parameter `T` must be finite and not negative, but has the value -0.5.",
    ),
    "init: time constant 0": (
        lambda: alpha.init(alpha.Params(tau=0.0), 3),
        ValueError,
        "Parameter `tau` must be positive and finite, but has the value 0.0.",
    ),
    "simulate: time constant negative, in a run": (
        run(kernel=dual_expon, params=dual_expon.Params(tau_rise=np.array([1.0, -2.0, 3.0]))),
        ValueError,
        "Parameter `tau_rise` must be positive and finite, but has the value -2.0.",
    ),
    "init: amplitude NaN": (
        lambda: dual_expon.init(dual_expon.Params(amplitude=np.nan), 3),
        ValueError,
        "Parameter `amplitude` must be finite, but has the value nan.",
    ),
    "init: parameter a string": (
        init(beta="fast"),
        TypeError,
        "Parameter `beta` must be a real number or an array of them, but is 'fast'.",
    ),
    "simulate: parameter None": (
        run(params=PARAMS._replace(T=None)),
        TypeError,
        "Parameter `T` must be a real number or an array of them, but is None.",
    ),
    "step: parameter complex": (
        step(beta=1j),
        TypeError,
        "Parameter `beta` must be a real number or an array of them, but is 1j.",
    ),
    "init: parameter for other synapses": (
        init(beta=np.ones(4)),
        ValueError,
        "Parameter `beta` must broadcast against shape (3,), but has shape (4,).",
    ),
    "step: parameter with more axes than the state": (
        step(alpha=np.ones((2, 3))),
        ValueError,
        "Parameter `alpha` must broadcast against shape (3,), but has shape (2, 3).",
    ),
    "simulate: parameter for other synapses, in a run": (
        run(params=PARAMS._replace(T_dur=np.ones(2))),
        ValueError,
        "Parameter `T_dur` must broadcast against shape (3,), but has shape (2,).",
    ),
    # dt
    "step: dt 0": (step(dt=0.0), ValueError, "Argument `dt` must be a positive number of ms, but is 0.0."),
    "simulate: dt negative": (run(dt=-0.1), ValueError, "Argument `dt` must be a positive number of ms, but is -0.1."),
    "step: dt NaN": (step(dt=np.nan), ValueError, "Argument `dt` must be a positive number of ms, but is nan."),
    "simulate: dt infinite": (run(dt=np.inf), ValueError, "Argument `dt` must be a positive number of ms, but is inf."),
    "simulate: dt many": (run(dt=np.full(5, 0.1)), ValueError, "Argument `dt` must be a scalar, but has shape (5,)."),
    "step: dt a string": (
        step(dt="0.1"),
        TypeError,
        "Argument `dt` must be a real number or an array of them, but is '0.1'.",
    ),
    "simulate: dt missing": (
        run(dt=None),
        TypeError,
        "Argument `dt` must be a real number or an array of them, but is None.",
    ),
    # choices
    "simulate: method unknown": (
        run(method="rk4"),
        ValueError,
        "Argument `method` must be one of 'exp_euler', 'exact', but is 'rk4'.",
    ),
    "simulate: overlap unknown": (
        run(overlap="sum"),
        ValueError,
        "Argument `overlap` must be one of 'restart', 'ignore', but is 'sum'.",
    ),
    # one step's input
    "step: spike of other synapses": (
        step(spike=np.ones(4, bool)),
        ValueError,
        "Argument `spike` must have shape (3,), but has shape (4,).",
    ),
    "step: spike a string": (
        step(spike="yes"),
        TypeError,
        "Argument `spike` must be a real number or an array of them, but is 'yes'.",
    ),
    "step: spike complex": (
        step(spike=1j),
        TypeError,
        "Argument `spike` must be a real number or an array of them, but is 1j.",
    ),
    # a run's input
    "simulate: spikes without time": (
        run(True),
        ValueError,
        "Argument `spikes` must have shape (T, ...), but has shape ().",
    ),
    "simulate: spikes of other synapses": (
        run(np.zeros((5, 4), bool), state=STATE),
        ValueError,
        "Argument `spikes` must have shape (T, 3), but has shape (5, 4).",
    ),
    "simulate: spikes without synapses": (
        run(np.zeros(5, bool), state=STATE),
        ValueError,
        "Argument `spikes` must have shape (T, 3), but has shape (5,).",
    ),
    "simulate: spikes with fewer axes": (
        run(state=ampa.init(PARAMS, (2, 3))),
        ValueError,
        "Argument `spikes` must have shape (T, 2, 3), but has shape (5, 3).",
    ),
    "simulate: spikes between 0 and 1": (
        run(np.float32([[0.0, 0.5, 1.0]])),
        ValueError,
        "Argument `spikes` must be 0 or 1 for a receptor kernel, which takes no weights, "
        "but has values from 0.0 to 1.0.",
    ),
    "simulate: spikes counted": (
        run(np.array([[0, 3, 1]])),
        ValueError,
        "Argument `spikes` must be 0 or 1 for a receptor kernel, which takes no weights, but has values from 0 to 3.",
    ),
    "simulate: spikes NaN": (
        run(np.float32([[0.0, np.nan, 1.0]])),
        ValueError,
        "Argument `spikes` must be finite, but has NaN or infinite values.",
    ),
    "simulate: weights infinite": (
        run(np.float32([[0.0, np.inf, 1.0]]), kernel=alpha),
        ValueError,
        "Argument `spikes` must be finite, but has NaN or infinite values.",
    ),
    "simulate: spikes a file name": (
        run("spikes.csv"),
        TypeError,
        "Argument `spikes` must be a real number or an array of them, but is 'spikes.csv'.",
    ),
    "simulate: spikes ragged": (
        run([[1, 0], [1]]),
        TypeError,
        "Argument `spikes` must be a real number or an array of them, but is [[1, 0], [1]].",
    ),
    "simulate: spikes missing": (
        run(None),
        TypeError,
        "Argument `spikes` must be a real number or an array of them, but is None.",
    ),
    # a run's state
    "simulate: state of another kernel": (
        run(kernel=bionmda, state=STATE),
        TypeError,
        "Argument `state` must be a synkin.bionmda.State, but is a synkin.ampa.State.",
    ),
    "simulate: state a tuple": (
        run(state=tuple(STATE)),
        TypeError,
        "Argument `state` must be a synkin.ampa.State, but is a tuple.",
    ),
    "simulate: state of whole numbers": (
        run(state=ampa.State(*(jnp.zeros(3, "int32") for _ in STATE))),
        TypeError,
        "Argument `state` must be of one floating dtype, but has int32.",
    ),
    "simulate: state of two dtypes": (
        run(state=ampa.State(jnp.zeros(3, "float32"), jnp.zeros(3, "bfloat16"))),
        TypeError,
        "Argument `state` must be of one floating dtype, but has bfloat16, float32.",
    ),
    "init: another kernel's params": (
        lambda: alpha.init(ampa.Params(), 3),
        TypeError,
        "Argument `params` must be a synkin.alpha.Params, but is a synkin.ampa.Params.",
    ),
    "simulate: no params": (
        lambda: simulate(ampa, None, SPIKES, 0.1),
        TypeError,
        "Argument `params` must be a synkin.ampa.Params, but is None.",
    ),
    "simulate: no kernel": (
        lambda: simulate("ampa", ampa.Params(), SPIKES, 0.1),
        TypeError,
        "Argument `kernel` must be a kernel such as synkin.ampa, but is 'ampa'.",
    ),
    "step: an overlap that is none, in a step": (
        lambda: ampa.step(ampa.Params(), STATE, 0.0, jnp.zeros(3, bool), 0.1, overlap="sum"),
        ValueError,
        "Argument `overlap` must be one of 'restart', 'ignore', but is 'sum'.",
    ),
    "simulate: an overlap without pulses": (
        lambda: simulate(alpha, alpha.Params(), jnp.zeros((4, 3)), 0.1, overlap="ignore"),
        ValueError,
        "Argument `overlap` is for receptors, as a linear kernel has no pulses, but is 'ignore'.",
    ),
    "step: a part of a spike": (
        step(spike=0.3),
        ValueError,
        "Argument `spike` must be 0 or 1 for a receptor kernel, which takes no weights, "
        "but has values from 0.3 to 0.3.",
    ),
    "release: a part of a spike": (
        lambda: tm.step(tm.Params(), tm.init(tm.Params(), 3), 0.0, 0.3, 0.1),
        ValueError,
        "Argument `spike` must be 0 or 1, as a release is what weighs them, but has values from 0.3 to 0.3.",
    ),
    "respond: a train": (
        response(spike_times=[0.0, 0, 1, 0, 1]),
        ValueError,
        "Argument `spike_times` must be times in ms, but is 5 times 0 or 1, as a train on a grid is: of that, give "
        "np.flatnonzero(train) * dt, or the train itself to synkin.simulate.",
    ),
    "respond: a train without a spike": (
        response(spike_times=np.zeros(1000)),
        ValueError,
        "Argument `spike_times` must be times in ms, but is 1000 times 0 or 1, as a train on a grid is: of that, give "
        "np.flatnonzero(train) * dt, or the train itself to synkin.simulate.",
    ),
    "respond: a train of booleans": (
        response(spike_times=np.array([True, False])),
        TypeError,
        "Argument `spike_times` must be times in ms, but is an array of bool with shape (2,): of a train on a grid, "
        "give np.flatnonzero(train) * dt, or the train itself to synkin.simulate.",
    ),
    "release: a train": (
        release(spike_times=[1, 0, 1]),
        ValueError,
        "Argument `spike_times` must be times in ms, but is 3 times 0 or 1, as a train on a grid is: of that, give "
        "np.flatnonzero(train) * dt, or the train itself to synkin.simulate.",
    ),
    "respond: times of booleans": (
        response(times=[True]),
        TypeError,
        "Argument `times` must be times in ms, but is an array of bool with shape (1,).",
    ),
    "step: NaN in a step": (
        lambda: ampa.step(ampa.Params(), STATE, 0.0, jnp.full(3, jnp.nan), 0.1),
        ValueError,
        "Argument `spike` must be finite, but has NaN or infinite values.",
    ),
    "step: a step from no state": (
        lambda: ampa.step(ampa.Params(), None, 0.0, jnp.zeros(3, bool), 0.1),
        TypeError,
        "Argument `state` must be a synkin.ampa.State, but is None.",
    ),
    "init: a dtype that is none": (
        lambda: ampa.init(ampa.Params(), 3, dtype="floaty"),
        TypeError,
        "Argument `dtype` must be a floating dtype, but is 'floaty'.",
    ),
    # numbers of other kinds
    "init: a parameter masked": (
        init(beta=MASKED),
        ValueError,
        "Parameter `beta` must have no masked entries, but has 1 of them.",
    ),
    "init: a parameter of objects": (
        init(beta=OBJECTS[0]),
        TypeError,
        "Parameter `beta` must be a real number or an array of them, but is an array of objects with shape (3,).",
    ),
    "init: a parameter of strings": (
        init(beta=STRINGS[0]),
        TypeError,
        "Parameter `beta` must be a real number or an array of them, but is an array of strings with shape (3,).",
    ),
    "init: a parameter beyond all floats": (
        init(beta=10**400),
        ValueError,
        "Parameter `beta` must be finite and not negative, but has the value inf.",
    ),
    "init: a list of other length": (
        init(beta=[1.0, 2.0]),
        ValueError,
        "Parameter `beta` must broadcast against shape (3,), but has shape (2,).",
    ),
    "init: a ragged list": (
        init(beta=[[1.0], [2.0, 3.0]]),
        TypeError,
        "Parameter `beta` must be a real number or an array of them, but is [[1.0], [2.0, 3.0]].",
    ),
    "init: a dict": (
        init(beta={"a": 1}),
        TypeError,
        "Parameter `beta` must be a real number or an array of them, but is {'a': 1}.",
    ),
    "init: the class Params": (
        lambda: ampa.init(ampa.Params, 3),
        TypeError,
        "Argument `params` must be a synkin.ampa.Params, but is the class itself: call it, synkin.ampa.Params().",
    ),
    "init: exchanged arguments": (
        lambda: ampa.init(3, ampa.Params()),
        TypeError,
        "Argument `shape` must be an int or a tuple of ints, but is a synkin.ampa.Params.",
    ),
    "init: a traced shape": (
        traced(lambda n: ampa.init(PARAMS, n)),
        TypeError,
        f"Argument `shape` must be an int or a tuple of ints, but is a traced array of {FLOAT} with shape ().",
    ),
    "init: a traced length": (
        traced(lambda n: ampa.init(PARAMS, (2, n))),
        TypeError,
        "Argument `shape` must be an int or a tuple of ints, but is a tuple of traced values.",
    ),
    "init: longdouble": (
        init(dtype=np.longdouble),
        TypeError,
        f"Argument `dtype` must be float32 or float64, but is {np.dtype(np.longdouble).name}.",
    ),
    "simulate: spikes masked": (
        run(np.ma.masked_array(SPIKES, mask=True)),
        ValueError,
        "Argument `spikes` must have no masked entries, but has 15 of them.",
    ),
    "simulate: spikes of objects": (
        run(OBJECTS),
        TypeError,
        "Argument `spikes` must be a real number or an array of them, but is an array of objects with shape (5, 3).",
    ),
    "simulate: spikes of dates": (
        run(DATES),
        TypeError,
        "Argument `spikes` must be a real number or an array of them, "
        "but is an array of datetime64[s] with shape (5, 3).",
    ),
    "simulate: spikes of durations": (
        run(DATES - DATES),
        TypeError,
        "Argument `spikes` must be a real number or an array of them, "
        "but is an array of timedelta64[s] with shape (5, 3).",
    ),
    "simulate: spikes complex": (
        run(SPIKES * 1j),
        TypeError,
        "Argument `spikes` must be a real number or an array of them, but is an array of complex128 with shape (5, 3).",
    ),
    "simulate: random keys": (
        run(jax.random.split(jax.random.key(0), 3)),
        TypeError,
        "Argument `spikes` must be a real number or an array of them, but is an array of key<fry> with shape (3,).",
    ),
    "simulate: spikes deleted": (
        run(deleted()),
        ValueError,
        "Argument `spikes` must be an array that is still there, but was deleted or donated.",
    ),
    "simulate: the class Params": (
        run(params=ampa.Params),
        TypeError,
        "Argument `params` must be a synkin.ampa.Params, but is the class itself: call it, synkin.ampa.Params().",
    ),
    "simulate: a dict as params": (
        run(params={"beta": 0.2}),
        TypeError,
        "Argument `params` must be a synkin.ampa.Params, but is {'beta': 0.2}.",
    ),
    "simulate: the kernel as params": (
        run(params=[ampa]),
        TypeError,
        "Argument `params` must be a synkin.ampa.Params, but is a list of length 1.",
    ),
    "simulate: a state as params": (
        run(params=STATE),
        TypeError,
        "Argument `params` must be a synkin.ampa.Params, but is a synkin.ampa.State.",
    ),
    "simulate: exchanged spikes and dt": (
        run(0.1, SPIKES),
        ValueError,
        "Argument `dt` must be a scalar, but has shape (5, 3).",
    ),
    "simulate: an object as kernel": (
        lambda: simulate(synkin.AMPA(3), PARAMS, SPIKES, 0.1),
        TypeError,
        "Argument `kernel` must be a kernel such as synkin.ampa, but is a synkin.AMPA.",
    ),
    "simulate: a class as kernel": (
        lambda: simulate(synkin.AMPA, PARAMS, SPIKES, 0.1),
        TypeError,
        "Argument `kernel` must be a kernel such as synkin.ampa, but is the class AMPA.",
    ),
    "simulate: a list of traced values that are none": (
        traced(lambda x: run(params=ampa.Params(beta=[x, "fast", x]))()),
        TypeError,
        "Parameter `beta` must be a real number or an array of them, but is 'fast'.",
    ),
    "simulate: a ragged list of traced values": (
        traced(lambda x: run(params=ampa.Params(beta=[x, [x, x]]))()),
        ValueError,
        "Parameter `beta` must have elements of one shape, but has elements of shape () and (2,).",
    ),
    "simulate: dt traced and complex": (
        traced(lambda x: run(dt=x * 1j)()),
        TypeError,
        f"Argument `dt` must be a real number or an array of them, but is a traced array of {COMPLEX} with shape ().",
    ),
    "simulate: a traced method": (
        traced(lambda x: run(method=x)()),
        ValueError,
        f"Argument `method` must be one of 'exp_euler', 'exact', but is a traced array of {FLOAT} with shape ().",
    ),
    "simulate: an array as method": (
        run(method=np.zeros(2)),
        ValueError,
        "Argument `method` must be one of 'exp_euler', 'exact', but is an array of float64 with shape (2,).",
    ),
    "simulate: a traced checkpoint": (
        traced(lambda x: run(checkpoint=x)()),
        TypeError,
        "Argument `checkpoint` must be True, False or a whole number of steps that is known now, "
        f"but is a traced array of {FLOAT} with shape ().",
    ),
    "simulate: a checkpoint below 1": (
        run(checkpoint=-2),
        ValueError,
        "Argument `checkpoint` must be True, False or a whole number of steps, but is -2.",
    ),
    "simulate: a readout that is none": (
        run(readout="mean"),
        TypeError,
        "Argument `readout` must be a function, but is 'mean'.",
    ),
    "simulate: parallel a string": (
        run(parallel="no"),
        TypeError,
        "Argument `parallel` must be True or False, but is 'no'.",
    ),
    "simulate: t0 a string": (
        run(t0="now"),
        TypeError,
        "Argument `t0` must be a real number or an array of them, but is 'now'.",
    ),
    "simulate: t0 infinite": (
        run(t0=np.inf),
        ValueError,
        "Argument `t0` must be a finite number of ms, but is inf.",
    ),
    "simulate: a state with a list of other length": (
        run(state=ampa.State([0.0] * 3, [0.0] * 2)),
        ValueError,
        "Argument `state` must have fields of shape (3,), but `pulse_left` has shape (2,).",
    ),
    "simulate: a state of strings": (
        run(state=ampa.State("a", "b")),
        TypeError,
        "Argument `state.g` must be a real number or an array of them, but is 'a'.",
    ),
    "step: exchanged params and state": (
        step(params=STATE, state=PARAMS),
        TypeError,
        "Argument `state` must be a synkin.ampa.State, but is a synkin.ampa.Params.",
    ),
    "step: the class Params": (
        step(params=ampa.Params),
        TypeError,
        "Argument `params` must be a synkin.ampa.Params, but is the class itself: call it, synkin.ampa.Params().",
    ),
    "step: a spike masked": (
        step(MASKED > 0),
        ValueError,
        "Argument `spike` must have no masked entries, but has 1 of them.",
    ),
    "step: a spike of objects": (
        step(OBJECTS[0]),
        TypeError,
        "Argument `spike` must be a real number or an array of them, but is an array of objects with shape (3,).",
    ),
    "step: NaN closed over in a transformation": (
        (lambda wrong: traced(lambda x: step(wrong, dt=x)()))(jnp.full(3, jnp.nan)),
        ValueError,
        "Argument `spike` must be finite, but has NaN or infinite values.",
    ),
    # respond
    "respond: several trains": (
        response(np.zeros((2, 3))),
        ValueError,
        "Argument `spike_times` must have shape (K,), but has shape (2, 3): several synapses take jax.vmap.",
    ),
    "respond: one spike without a list": (
        response(1.0),
        ValueError,
        "Argument `spike_times` must have shape (K,), but has shape ().",
    ),
    "respond: times of several": (
        response(times=np.zeros((2, 3))),
        ValueError,
        "Argument `times` must have shape (M,), but has shape (2, 3): several synapses take jax.vmap.",
    ),
    "respond: parameters of several": (
        response(params=ampa.Params(beta=np.ones(3))),
        ValueError,
        "Parameter `beta` must broadcast against shape (), but has shape (3,): "
        "several synapses take jax.vmap, or a state of their shape.",
    ),
    "respond: a state of several": (
        response(state=STATE),
        ValueError,
        "Argument `state` must have fields of shape (), but `g` has shape (3,): several synapses take jax.vmap.",
    ),
    "respond: NaN among the spikes": (
        response([1.0, np.nan]),
        ValueError,
        "Argument `spike_times` must be times or inf as padding, but element 1 is nan.",
    ),
    "respond: a spike at -inf": (
        response([-np.inf, 1.0]),
        ValueError,
        "Argument `spike_times` must be times or inf as padding, but element 0 is -inf.",
    ),
    "respond: a sample at inf": (
        response(times=[1.0, np.inf]),
        ValueError,
        "Argument `times` must be finite, but element 1 is inf.",
    ),
    "respond: spikes masked": (
        response(MASKED),
        ValueError,
        "Argument `spike_times` must have no masked entries, but has 1 of them.",
    ),
    "respond: spikes a string": (
        response("spikes.csv"),
        TypeError,
        "Argument `spike_times` must be a real number or an array of them, but is 'spikes.csv'.",
    ),
    "respond: dates": (
        response(times=DATES[0]),
        TypeError,
        "Argument `times` must be a real number or an array of them, but is an array of datetime64[s] with shape (3,).",
    ),
    "respond: weights for a receptor": (
        response(weights=[1.0, 1.0]),
        ValueError,
        "Argument `weights` is for the linear kernels alpha, expon and dual_expon, not a receptor.",
    ),
    "respond: a weight too few": (
        response(kernel=alpha, weights=[1.0]),
        ValueError,
        "Argument `weights` must have shape (2,), but has shape (1,).",
    ),
    "respond: weights infinite": (
        response(kernel=alpha, weights=[1.0, np.inf]),
        ValueError,
        "Argument `weights` must be finite, but has NaN or infinite values.",
    ),
    "respond: a spike before the state": (
        response(state=ampa.init(PARAMS, ()), t0=1.5),
        ValueError,
        "Argument `spike_times` must not come before t0 = 1.5 ms, the time of `state`, but has 1.0.",
    ),
    "respond: t0 several": (
        response(t0=[0.0, 1.0]),
        ValueError,
        "Argument `t0` must be a scalar, but has shape (2,).",
    ),
    "respond: t0 NaN": (
        response(t0=np.nan),
        ValueError,
        "Argument `t0` must be a finite number of ms, but is nan.",
    ),
    # currents
    "coba: shapes": (
        lambda: currents.coba(np.ones(3), np.ones(4), E=0.0),
        ValueError,
        "Arguments `g`, `V`, `E` and `g_max` must broadcast against each other, "
        "but have the shapes (3,), (4,), () and ().",
    ),
    "coba: a string": (
        lambda: currents.coba("g", -65.0, E=0.0),
        TypeError,
        "Argument `g` must be a real number or an array of them, but is 'g'.",
    ),
    "coba: nothing": (
        lambda: currents.coba(0.5, -65.0, E=None),
        TypeError,
        "Argument `E` must be a real number or an array of them, but is None.",
    ),
    "coba: masked": (
        lambda: currents.coba(MASKED, -65.0, E=0.0),
        ValueError,
        "Argument `g` must have no masked entries, but has 1 of them.",
    ),
    "cuba: shapes": (
        lambda: currents.cuba(np.ones(3), scale=np.ones(2)),
        ValueError,
        "Arguments `g` and `scale` must broadcast against each other, but have the shapes (3,) and (2,).",
    ),
    "cuba: complex": (
        lambda: currents.cuba(1j),
        TypeError,
        "Argument `g` must be a real number or an array of them, but is 1j.",
    ),
    "mg_block: shapes": (
        lambda: currents.mg_block(np.ones(3), Mg=np.ones(2)),
        ValueError,
        "Arguments `V`, `Mg`, `a`, `b` and `V_offset` must broadcast against each other, "
        "but have the shapes (3,), (2,), (), () and ().",
    ),
    "mg_block: a preset": (
        lambda: currents.mg_block(presets.MG_BLOCK_JAHR_STEVENS_1990),
        TypeError,
        "Argument `V` must be a real number or an array of them, but is a synkin.presets.MgBlock.",
    ),
    # fit
    "fit: times of other length": (
        fit(trace=TRACE[:5]),
        ValueError,
        "Argument `trace` must have shape (40,) or (R, 40), as `times` has length 40, but has shape (5,).",
    ),
    "fit: the class Params": (
        fit(params=expon.Params),
        TypeError,
        "Argument `params` must be a synkin.expon.Params, but is the class itself: call it, synkin.expon.Params().",
    ),
    "fit: a trace complex": (
        fit(trace=TRACE * 1j),
        TypeError,
        "Argument `trace` must be a real number or an array of them, but is an array of complex128 with shape (40,).",
    ),
    "fit: a trace masked": (
        fit(trace=np.ma.masked_array(TRACE, mask=TIMES < 1)),
        ValueError,
        "Argument `trace` must have no masked entries, but has 2 of them.",
    ),
    "fit: a trace of objects": (
        fit(trace=np.full(40, None)),
        TypeError,
        "Argument `trace` must be a real number or an array of them, but is an array of objects with shape (40,).",
    ),
    "fit: a trace traced": (
        traced(lambda x: fit(trace=TRACE * x)()),
        TypeError,
        "Argument `trace` must be known now, outside jax.jit and the like, "
        f"but is a traced array of {FLOAT} with shape (40,).",
    ),
    "fit: times of dates": (
        fit(times=TIMES.astype("M8[s]")),
        TypeError,
        "Argument `times` must be a real number or an array of them, "
        "but is an array of datetime64[s] with shape (40,).",
    ),
    "fit: parameters traced": (
        traced(lambda x: fit(params=expon.Params(tau=x))()),
        TypeError,
        "Argument `params.tau` must be known now, outside jax.jit and the like, "
        f"but is a traced array of {FLOAT} with shape ().",
    ),
    "fit: starts traced": (
        traced(lambda x: fit(starts=x)()),
        TypeError,
        "Argument `starts` must be a positive whole number that is known now, "
        f"but is a traced array of {FLOAT} with shape ().",
    ),
    "fit: free nothing": (
        fit(free=None),
        TypeError,
        "Argument `free` must be a name of expon's parameters or a list of them (tau), but is None.",
    ),
    "fit: free of another kernel": (
        fit(free="beta"),
        ValueError,
        "Argument `free` must name parameters of expon (tau), but has 'beta'.",
    ),
    "fit: a bound that is none": (
        fit(bounds={"tau": 3}),
        ValueError,
        "Argument `bounds` must have a lower and a higher number for `tau`, but has 3.",
    ),
    "fit: a weight too many": (
        fit(weights=[1.0, 2.0]),
        ValueError,
        "Argument `weights` must have shape (1,), but has shape (2,).",
    ),
    "fit: progress a string": (
        fit(progress="yes"),
        TypeError,
        "Argument `progress` must be True or False, but is 'yes'.",
    ),
    "fit: sigma negative": (
        fit(sigma=-np.ones(40)),
        ValueError,
        "Argument `sigma` must be positive and finite, but has -1.0.",
    ),
    "fit: sigma of other length": (
        fit(sigma=[1.0, 2.0]),
        ValueError,
        "Argument `sigma` must have shape (40,), but has shape (2,).",
    ),
    "fit: sigma traced": (
        traced(lambda x: fit(sigma=TRACE * 0 + x)()),
        TypeError,
        f"Argument `sigma` must be known now, outside jax.jit and the like, but is a traced array of {FLOAT} with "
        "shape (40,).",
    ),
    "fit: a tie that is none": (
        fit(tie="tau"),
        TypeError,
        "Argument `tie` must be a dict from a parameter to a free one, but is 'tau'.",
    ),
    "fit: a tie of what is free": (
        fit(tie={"tau": "tau"}),
        ValueError,
        "Argument `tie` must tie parameters of expon that are not free (none left), but has 'tau'.",
    ),
    "fit: times of one recording more": (
        fit(times=[TIMES, TIMES], trace=TRACE),
        ValueError,
        "Argument `trace` must have shape (2, 40), as `times` has, but has (40,).",
    ),
    "compare: what is no fit": (
        lambda: synkin.compare([expon, expon]),
        TypeError,
        "Argument `fits` must be results of `synkin.fit`, but has a synkin.Kernel.",
    ),
    "compare: a fit alone": (
        lambda: synkin.compare([fit()()]),
        ValueError,
        "Argument `fits` must be two fits or more, but is 1.",
    ),
    "profile: of what is held": (
        lambda: fit()().profile("scale"),
        ValueError,
        "Argument `name` must be one of 'tau', but is 'scale'.",
    ),
    "bootstrap: no draws": (
        lambda: fit()().bootstrap(0),
        ValueError,
        "Argument `n` must be a positive whole number, but is 0.",
    ),
    "predict: a single time": (
        lambda: fit()().predict(1.0),
        ValueError,
        "Argument `times` must have shape (M,), but has shape ().",
    ),
    # objects
    "AMPA: size not whole": (
        lambda: synkin.AMPA(2.5),
        TypeError,
        "Argument `in_size` must be an int or a tuple of ints, but is 2.5.",
    ),
    "AMPA: a rate negative": (
        lambda: synkin.AMPA(3, beta=-1.0),
        ValueError,
        "Parameter `beta` must be finite and not negative, but has the value -1.0.",
    ),
    "AMPA: a rate masked": (
        lambda: synkin.AMPA(3, beta=MASKED),
        ValueError,
        "Parameter `beta` must have no masked entries, but has 1 of them.",
    ),
    "AMPA: a rate traced": (
        traced(lambda x: synkin.AMPA(3, beta=x)),
        RuntimeError,
        "AMPA keeps its state in itself and cannot be made, set or updated inside jax.jit, vmap, grad or scan: "
        "use synkin.stepper or synkin.simulate with synkin.ampa there.",
    ),
    "AMPA: an unknown overlap": (
        lambda: synkin.AMPA(3, overlap="sum"),
        ValueError,
        "Argument `overlap` must be one of 'restart', 'ignore', but is 'sum'.",
    ),
    "DualExpon: normalize a string": (
        lambda: synkin.DualExpon(3, normalize="no"),
        TypeError,
        "Argument `normalize` must be True or False, but is 'no'.",
    ),
    "AMPA.update: spikes of others": (
        update(np.ones(4, bool)),
        ValueError,
        "Argument `spike` must have shape (3,), but has shape (4,).",
    ),
    "AMPA.update: a spike masked": (
        update(MASKED),
        ValueError,
        "Argument `spike` must have no masked entries, but has 1 of them.",
    ),
    "AMPA.update: a spike of objects": (
        update(OBJECTS[0]),
        TypeError,
        "Argument `spike` must be a real number or an array of them, but is an array of objects with shape (3,).",
    ),
    "AMPA.update: no dt": (
        lambda: synkin.AMPA(3).update(True),
        ValueError,
        "`dt` is not set: give it in ms by `synkin.environ.set(dt=...)` or `with synkin.environ.context(dt=...):`.",
    ),
    "AMPA.run: spikes between 0 and 1": (
        lambda: synkin.AMPA(3).run(np.full((2, 3), 0.5), 0.1),
        ValueError,
        "Argument `spikes` must be 0 or 1 for a receptor kernel, which takes no weights, "
        "but has values from 0.5 to 0.5.",
    ),
    "AMPA.state: of another kernel": (
        assign("state", alpha.State(0.0, 0.0)),
        TypeError,
        "Argument `state` must be a State with the fields ('g', 'pulse_left'), but is a synkin.alpha.State.",
    ),
    "AMPA.g: replaced": (
        assign("g", 0.5),
        AttributeError,
        "Attribute `g` cannot be replaced: set `g.value` instead.",
    ),
    "AMPA.g.value: of others": (
        lambda: setattr(synkin.AMPA(3).g, "value", np.ones(4)),
        ValueError,
        "Argument `g` must broadcast to shape (3,), but has shape (4,).",
    ),
    "AMPA.init_state: a batch not whole": (
        lambda: synkin.AMPA(3).init_state(2.5),
        TypeError,
        "Argument `batch_size` must be an int or a tuple of ints, but is 2.5.",
    ),
    "AMPA.add_delta_input": (
        lambda: synkin.AMPA(3).add_delta_input("one", 1.0),
        TypeError,
        "AMPA takes no delta inputs, because a spike only starts a pulse of transmitter: give spikes to `update`.",
    ),
    "Alpha.add_delta_input: a string": (
        lambda: synkin.Alpha(3).add_delta_input("one", "all"),
        TypeError,
        "Argument `inp` must be a real number or an array of them, but is 'all'.",
    ),
    # short-term plasticity
    "release: U above 1": (
        release(tm.Params(U=1.5)),
        ValueError,
        "Parameter `U` must be from 0 to 1, but has the value 1.5.",
    ),
    "release: U in per cent": (
        lambda: tm.init(tm.Params(U=[0.5, 50.0]), 2),
        ValueError,
        "Parameter `U` must be from 0 to 1, but has the value 50.0.",
    ),
    "release: a time constant negative": (
        release(tm.Params(tau_rec=-1.0)),
        ValueError,
        "Parameter `tau_rec` must be finite and not negative, but has the value -1.0.",
    ),
    "release: parameters of several": (
        release(tm.Params(U=np.full(3, 0.5))),
        ValueError,
        "Parameter `U` must broadcast against shape (), but has shape (3,): "
        "several synapses take jax.vmap, or a state of their shape.",
    ),
    "release: a kernel's params": (
        release(PARAMS),
        TypeError,
        "Argument `params` must be a synkin.tsodyks_markram.Params, but is a synkin.ampa.Params.",
    ),
    "release: the class Params": (
        release(tm.Params),
        TypeError,
        "Argument `params` must be a synkin.tsodyks_markram.Params, but is the class itself: call it, "
        "synkin.tsodyks_markram.Params().",
    ),
    "release: a preset": (
        release(presets.DEPRESSING_TSODYKS_1998),
        TypeError,
        "Argument `params` must be a synkin.tsodyks_markram.Params, but is a synkin.presets.ShortTerm.",
    ),
    "release: several trains": (
        release(spike_times=np.zeros((2, 3))),
        ValueError,
        "Argument `spike_times` must have shape (K,), but has shape (2, 3): several synapses take jax.vmap.",
    ),
    "release: NaN among the spikes": (
        release(spike_times=[1.0, np.nan]),
        ValueError,
        "Argument `spike_times` must be times or inf as padding, but element 1 is nan.",
    ),
    "release: a key without sites": (
        release(key=jax.random.key(0)),
        ValueError,
        "Arguments `key` and `n` must be given together, but `n` is not.",
    ),
    "release: sites without a key": (
        release(n=5),
        ValueError,
        "Arguments `key` and `n` must be given together, but `key` is not.",
    ),
    "release: a seed as key": (
        release(key=0, n=5),
        TypeError,
        "Argument `key` must be a single key such as jax.random.key(0), but is 0.",
    ),
    "release: several keys": (
        release(key=jax.random.split(jax.random.key(0), 3), n=5),
        TypeError,
        "Argument `key` must be a single key such as jax.random.key(0), but is an array of key<fry> with shape (3,).",
    ),
    "release: no sites": (
        release(key=jax.random.key(0), n=0),
        ValueError,
        "Argument `n` must be a positive whole number, but is 0.",
    ),
    "release: sites traced": (
        traced(lambda x: release(key=jax.random.key(0), n=x)()),
        TypeError,
        f"Argument `n` must be a positive whole number that is known now, but is a traced array of {FLOAT} "
        "with shape ().",
    ),
    "release: a dtype whole": (
        release(dtype="int32"),
        TypeError,
        "Argument `dtype` must be a floating dtype, but is int32.",
    ),
    "release.run: spikes as weights": (
        lambda: tm.run(tm.Params(), np.full((5, 3), 0.5), 0.1),
        ValueError,
        "Argument `spikes` must be 0 or 1, as a release is what weighs them, but has values from 0.5 to 0.5.",
    ),
    "release.run: a state of others": (
        lambda: tm.run(tm.Params(), SPIKES, 0.1, state=tm.init(tm.Params(), 4)),
        ValueError,
        "Argument `spikes` must have shape (T, 4), but has shape (5, 3).",
    ),
    "release.step: a kernel's state": (
        lambda: tm.step(tm.Params(), STATE, 0.0, True, 0.1),
        TypeError,
        "Argument `state` must be a synkin.tsodyks_markram.State, but is a synkin.ampa.State.",
    ),
    "release.step: dt 0": (
        lambda: tm.step(tm.Params(), tm.init(tm.Params(), 3), 0.0, True, 0.0),
        ValueError,
        "Argument `dt` must be a positive number of ms, but is 0.0.",
    ),
    "release.step: a spike of others": (
        lambda: tm.step(tm.Params(), tm.init(tm.Params(), 3), 0.0, np.ones(4), 0.1),
        ValueError,
        "Argument `spike` must have shape (3,), but has shape (4,).",
    ),
    "release: as a kernel": (
        lambda: simulate(tm, tm.Params(), SPIKES, 0.1),
        TypeError,
        "Argument `kernel` must be a kernel such as synkin.ampa, but is a synkin.tsodyks_markram.TsodyksMarkram.",
    ),
    "release: weights of a receptor": (
        lambda: respond(ampa, PARAMS, [1.0], [2.0], weights=tm.release(tm.Params(), [1.0])),
        ValueError,
        "Argument `weights` is for the linear kernels alpha, expon and dual_expon, not a receptor.",
    ),
    "AMPA: release": (
        lambda: synkin.AMPA(3, release=tm.Params()),
        TypeError,
        "Argument `release` is for Alpha, Expon and DualExpon, and not for AMPA: receptors saturate, so that half of "
        "the transmitter is not half of the response.",
    ),
    "Alpha: release a number": (
        lambda: synkin.Alpha(3, release=0.5),
        TypeError,
        "Argument `release` must be a synkin.tsodyks_markram.Params or None, but is 0.5.",
    ),
    "Alpha: release the class": (
        lambda: synkin.Alpha(3, release=tm.Params),
        TypeError,
        "Argument `release` must be a synkin.tsodyks_markram.Params or None, but is the class Params.",
    ),
    "Alpha: release out of range": (
        lambda: synkin.Alpha(3, release=tm.Params(U=2.0)),
        ValueError,
        "Parameter `U` must be from 0 to 1, but has the value 2.0.",
    ),
    "Alpha: release of others": (
        lambda: synkin.Alpha(3, release=tm.Params(tau_rec=np.ones(4))),
        ValueError,
        "Parameter `tau_rec` must broadcast against shape (3,), but has shape (4,).",
    ),
    "Alpha: release traced": (
        traced(lambda x: synkin.Alpha(3, release=tm.Params(U=x))),
        RuntimeError,
        "Alpha keeps its state in itself and cannot be made, set or updated inside jax.jit, vmap, grad or scan: "
        "use synkin.stepper or synkin.simulate with synkin.alpha there.",
    ),
    "Alpha.release_state: without": (
        lambda: setattr(synkin.Alpha(3), "release_state", tm.init(tm.Params(), 3)),
        AttributeError,
        "Attribute `release_state` cannot be set where `release` is None.",
    ),
    "Alpha.release_state: of another kind": (
        lambda: setattr(synkin.Alpha(3, release=tm.Params()), "release_state", STATE),
        TypeError,
        "Argument `release_state` must be a synkin.tsodyks_markram.State, but is a synkin.ampa.State.",
    ),
    # delays
    "respond: a delay negative": (
        response(delay=-0.5),
        ValueError,
        "Argument `delay` must be a finite number of ms that is not negative, but is -0.5.",
    ),
    "respond: a delay infinite": (
        response(delay=np.inf),
        ValueError,
        "Argument `delay` must be a finite number of ms that is not negative, but is inf.",
    ),
    "respond: a delay for each spike": (
        response(delay=[0.5, 0.6]),
        ValueError,
        "Argument `delay` must be a scalar, but has shape (2,).",
    ),
    "respond: a delay a string": (
        response(delay="1 ms"),
        TypeError,
        "Argument `delay` must be a real number or an array of them, but is '1 ms'.",
    ),
    "delayed: negative": (
        delayed(delay=[0.1, -0.2, 0.3]),
        ValueError,
        "Argument `delay` must be finite and not negative, but has the value -0.2.",
    ),
    "delayed: for others": (
        delayed(delay=[0.1, 0.2]),
        ValueError,
        "Argument `delay` must broadcast to shape (3,), but has shape (2,).",
    ),
    "delayed: None": (
        delayed(delay=None),
        TypeError,
        "Argument `delay` must be a real number or an array of them, but is None.",
    ),
    "delayed: spikes without time": (
        delayed(spikes=True),
        ValueError,
        "Argument `spikes` must have shape (T, ...), but has shape ().",
    ),
    "delayed: weights NaN": (
        delayed(spikes=np.float32([[np.nan, 0.0]])),
        ValueError,
        "Argument `spikes` must be finite, but has NaN or infinite values.",
    ),
    "delayed: dt negative": (
        delayed(dt=-0.1),
        ValueError,
        "Argument `dt` must be a positive number of ms, but is -0.1.",
    ),
    "fit: a delay negative": (
        fit(delay=-1.0),
        ValueError,
        "Argument `delay` must be a finite number of ms that is not negative, but is -1.0.",
    ),
    "fit: a delay to be fitted": (
        fit(delay=True),
        TypeError,
        "Argument `delay` must be a number of ms, but is True: to fit a delay, fit an onset with bounds, "
        "as onset=True, bounds={'onset': (0.0, 5.0)}.",
    ),
    "fit: a delay traced": (
        traced(lambda x: fit(delay=x)()),
        TypeError,
        "Argument `delay` must be known now, outside jax.jit and the like, "
        f"but is a traced array of {FLOAT} with shape ().",
    ),
    "fit: a delay past the end": (
        fit(delay=50.0),
        ValueError,
        "Argument `spike_times` must lie before the end of the recording, 19.5 ms, but has 0.0 and a delay of 50.0 ms.",
    ),
    # presets and environ
    "preset: as kernel": (
        lambda: simulate(presets.AMPA_NEURON, presets.AMPA_NEURON.params, SPIKES, 0.1),
        TypeError,
        "Argument `kernel` must be a kernel such as synkin.ampa, but is a synkin.presets.Preset.",
    ),
    "preset: as params": (
        run(params=presets.AMPA_NEURON),
        TypeError,
        "Argument `params` must be a synkin.ampa.Params, but is a synkin.presets.Preset.",
    ),
    "preset: of another kernel": (
        run(kernel=bionmda, params=presets.GABAA_DESTEXHE_1998.params),
        TypeError,
        "Argument `params` must be a synkin.bionmda.Params, but is a synkin.gabaa.Params.",
    ),
    # recordings
    "read_recording: no path": (read(None), TypeError, "Argument `path` must be the path of a file, but is None."),
    "read_recording: channel negative": (
        read(channel=-1),
        ValueError,
        "Argument `channel` must be 0 or more, but is -1.",
    ),
    "read_recording: channel True": (
        read(channel=True),
        TypeError,
        "Argument `channel` must be a number or a name, but is True.",
    ),
    "read_recording: half a channel": (
        read(channel=1.5),
        TypeError,
        "Argument `channel` must be a number or a name, but is 1.5.",
    ),
    "read_recording: sweeps a word": (
        read(sweeps="all"),
        ValueError,
        "Argument `sweeps` must be such as '0:20' or '0,3,5', but is 'all'.",
    ),
    "read_recording: sweeps in steps of 0": (
        read(sweeps="0:9:0"),
        ValueError,
        "Argument `sweeps` must be such as '0:20' or '0,3,5', but is '0:9:0'.",
    ),
    "read_recording: sweeps a mask": (
        read(sweeps=[True, False]),
        TypeError,
        "Argument `sweeps` must be whole numbers or a slice, but is [True, False].",
    ),
    "read_recording: half a sweep": (
        read(sweeps=0.5),
        TypeError,
        "Argument `sweeps` must be whole numbers or a slice, but is 0.5.",
    ),
    "read_recording: window backwards": (
        read(window=(180, 95)),
        ValueError,
        "Argument `window` must be two times in ms, the first not after the second, but is (180, 95).",
    ),
    "read_recording: window one time": (
        read(window=95),
        ValueError,
        "Argument `window` must be two times in ms, the first not after the second, but is 95.",
    ),
    "read_recording: window open": (
        read(window=(0, np.inf)),
        ValueError,
        "Argument `window` must be two times in ms, the first not after the second, but is (0, inf).",
    ),
    "read_recording: window a text": (
        read(window="95:180"),
        TypeError,
        "Argument `window` must be a real number or an array of them, but is '95:180'.",
    ),
    "read_recording: baseline three times": (
        read(baseline=(1, 2, 3)),
        ValueError,
        "Argument `baseline` must be two times in ms, the first not after the second, but is (1, 2, 3).",
    ),
    "read_recording: average a number": (
        read(average=1),
        TypeError,
        "Argument `average` must be True or False, but is 1.",
    ),
    "read_recording: another name of a unit": (
        read(time_unit="sec"),
        ValueError,
        "Argument `time_unit` must be one of 'ns', 'us', 'ms', 's', 'min', 'h', but is 'sec'.",
    ),
    # what is measured
    "measure: no trace": (
        measured(trace=None),
        TypeError,
        "Argument `trace` must be given beside `times`, but is None.",
    ),
    "measure: a trace beside a recording": (
        measured(synkin.Recording(TIMES, TRACE), 3.0),
        TypeError,
        "Argument `trace` must be left out beside a Recording, but is 3.0.",
    ),
    "measure: trace of another length": (
        measured(trace=TRACE[1:]),
        ValueError,
        "Argument `trace` must have shape (40,) or (R, 40), but has shape (39,).",
    ),
    "measure: trace with times first": (
        measured(trace=np.stack([TRACE] * 2, axis=1)),
        ValueError,
        "Argument `trace` must have shape (40,) or (R, 40), but has shape (40, 2).",
    ),
    "measure: trace too short": (
        measured(times=[0.0, 1.0], trace=[0.0, 1.0]),
        ValueError,
        "Argument `trace` must have at least 3 samples, but has 2.",
    ),
    "measure: trace complex": (
        measured(trace=TRACE * 1j),
        TypeError,
        "Argument `trace` must be a real number or an array of them, but is an array of complex128 with shape (40,).",
    ),
    "measure: trace traced": (
        traced(lambda x: synkin.measure(TIMES, x * TRACE)),
        TypeError,
        "Argument `trace` must be known now, outside jax.jit and the like, "
        f"but is a traced array of {FLOAT} with shape (40,).",
    ),
    "measure: times of two axes": (
        measured(times=np.zeros((2, 40))),
        ValueError,
        "Argument `times` must have shape (M,), but has shape (2, 40).",
    ),
    "measure: times decreasing": (
        measured(times=TIMES[::-1]),
        ValueError,
        "Argument `times` must be increasing, but element 1 (19.0) is not above 19.5.",
    ),
    "measure: times NaN": (
        measured(times=np.where(TIMES == 3.0, np.nan, TIMES)),
        ValueError,
        "Argument `times` must be finite, but element 6 is nan.",
    ),
    "measure: baseline None": (
        measured(baseline=None),
        TypeError,
        "Argument `baseline` must be a number or a window (a, b) in ms, but is None.",
    ),
    "measure: baseline NaN": (
        measured(baseline=np.nan),
        ValueError,
        "Argument `baseline` must be finite or a window, but is nan.",
    ),
    "measure: baseline before the trace": (
        measured(baseline=(-5, -1)),
        ValueError,
        "Argument `baseline` must hold samples, which go from 0 to 19.5 ms, but is (-5, -1).",
    ),
    # what is deconvolved
    "deconvolve: no kernel": (
        lambda: synkin.deconvolve("ampa", PARAMS, TIMES, TRACE),
        TypeError,
        "Argument `kernel` must be a kernel such as synkin.ampa, but is 'ampa'.",
    ),
    "deconvolve: parameters of another kernel": (
        deconvolved(params=PARAMS),
        TypeError,
        "Argument `params` must be a synkin.expon.Params, but is a synkin.ampa.Params.",
    ),
    "deconvolve: parameters traced": (
        traced(lambda x: deconvolved(params=expon.Params(tau=x))()),
        TypeError,
        "Argument `params.tau` must be known now, outside jax.jit and the like, "
        f"but is a traced array of {FLOAT} with shape ().",
    ),
    "deconvolve: a trace traced": (
        traced(lambda x: deconvolved(trace=x * TRACE)()),
        TypeError,
        "Argument `trace` must be known now, outside jax.jit and the like, "
        f"but is a traced array of {FLOAT} with shape (40,).",
    ),
    "deconvolve: no trace": (
        deconvolved(trace=None),
        TypeError,
        "Argument `trace` must be given beside `times`, but is None.",
    ),
    "deconvolve: a trace of other length": (
        deconvolved(trace=TRACE[1:]),
        ValueError,
        "Argument `trace` must have shape (40,) or (R, 40), but has shape (39,).",
    ),
    "deconvolve: times of two axes": (
        deconvolved(times=np.zeros((2, 40))),
        ValueError,
        "Argument `times` must have shape (M,), but has shape (2, 40).",
    ),
    "deconvolve: a trace too short": (
        deconvolved(times=[0.0, 1.0], trace=[0.0, 1.0]),
        ValueError,
        "Argument `trace` must have at least 3 samples, but has 2.",
    ),
    "deconvolve: a time left out": (
        deconvolved(times=np.delete(np.append(TIMES, 20.0), 12)),
        ValueError,
        "Argument `times` must be increasing and evenly spaced, here by 0.512821 ms, but element 12 (6.5) comes 1 ms "
        "after the one before.",
    ),
    "deconvolve: times decreasing": (
        deconvolved(times=TIMES[::-1]),
        ValueError,
        "Argument `times` must be increasing and evenly spaced, here by -0.5 ms, but element 1 (19) comes -0.5 ms "
        "after the one before.",
    ),
    "deconvolve: times NaN": (
        deconvolved(times=np.where(TIMES == 3.0, np.nan, TIMES)),
        ValueError,
        "Argument `times` must be finite, but element 6 is nan.",
    ),
    "deconvolve: NaN in a trace": (
        deconvolved(trace=np.where((TIMES == 3.0) | (TIMES > 19), np.nan, TRACE)),
        ValueError,
        "Argument `trace` must be finite, but has 2 NaN or infinite samples, the first of them element 6: "
        "cut them out, or fill them in.",
    ),
    "deconvolve: infinite in a sweep": (
        deconvolved(trace=np.stack([TRACE, np.where(TIMES == 3.0, np.inf, TRACE)])),
        ValueError,
        "Argument `trace` must be finite, but has 1 NaN or infinite samples, the first of them element 6 of sweep 1: "
        "cut them out, or fill them in.",
    ),
    "deconvolve: no answer": (
        deconvolved(kernel=ampa, params=ampa.Params(T=0.0)),
        ValueError,
        "Argument `params` must give a response to one event, but ampa's is 0.",
    ),
    "deconvolve: an answer that still rises": (
        deconvolved(kernel=alpha, params=alpha.Params(tau=50.0)),
        ValueError,
        "Argument `trace` must be longer than alpha takes to its peak, but the response to one event still rises after "
        "19.5 ms.",
    ),
    "deconvolve: no threshold": (
        deconvolved(threshold=0),
        ValueError,
        "Argument `threshold` must be a positive number of standard deviations, but is 0.",
    ),
    "deconvolve: a threshold in words": (
        deconvolved(threshold="4 SD"),
        TypeError,
        "Argument `threshold` must be a real number or an array of them, but is '4 SD'.",
    ),
    "deconvolve: a size below 0": (
        deconvolved(smallest=-1.0),
        ValueError,
        "Argument `smallest` must be finite and not negative, but is -1.0.",
    ),
    "deconvolve: a sign that is none": (
        deconvolved(sign=0),
        ValueError,
        "Argument `sign` must be 1, -1 or None, but is 0.",
    ),
    "deconvolve: a drift of 0": (
        deconvolved(drift=0.0),
        ValueError,
        "Argument `drift` must be a positive number of ms, but is 0.0.",
    ),
    "deconvolve: a part above 1": (
        deconvolved(mismatch=1.5),
        ValueError,
        "Argument `mismatch` must be from 0 to 1, but is 1.5.",
    ),
    "environ: dt negative": (
        lambda: environ.set(dt=-1.0),
        ValueError,
        "Argument `dt` must be a positive number of ms, but is -1.0.",
    ),
    "environ: dt masked": (
        lambda: environ.set(dt=np.ma.masked_array(0.1, mask=True)),
        ValueError,
        "Argument `dt` must have no masked entries, but has 1 of them.",
    ),
    "environ: t a list": (
        lambda: environ.set(t=[1.0, 2.0]),
        ValueError,
        "Argument `t` must be a scalar, but has shape (2,).",
    ),
    "environ: an array as key": (
        lambda: environ.get(np.zeros(2)),
        ValueError,
        "Argument `key` must be one of 't', 'dt', but is an array of float64 with shape (2,).",
    ),
    # kinetic schemes
    "scheme: no rates": (
        scheme("C1 -> D"),
        ValueError,
        "Line 3 of the scheme, `C1 -> D`, must have rates, as in `A <-> B : forward, backward`, but has none.",
    ),
    "scheme: NMODL without rates": (
        scheme("~ C1 <-> D"),
        ValueError,
        "Line 3 of the scheme, `~ C1 <-> D`, must have rates, as in `A <-> B : forward, backward`, but has none.",
    ),
    "scheme: no arrow": (
        scheme("C1, D"),
        ValueError,
        "Line 3 of the scheme, `C1, D`, must have one arrow, `<->` or `->`, but has no arrow.",
    ),
    "scheme: another arrow": (
        scheme("C1 => D : kd"),
        ValueError,
        "Line 3 of the scheme, `C1 => D : kd`, must have one arrow, `<->` or `->`, but has `=>`.",
    ),
    "scheme: an arrow backwards": (
        scheme("C1 <- D : kd"),
        ValueError,
        "Line 3 of the scheme, `C1 <- D : kd`, must have one arrow, `<->` or `->`, but has `<-`.",
    ),
    "scheme: two arrows": (
        scheme("C1 <-> D <-> O : a, b"),
        ValueError,
        "Line 3 of the scheme, `C1 <-> D <-> O : a, b`, must have one arrow, `<->` or `->`, but has `<->` and `<->`.",
    ),
    "scheme: one rate for two": (
        scheme("C1 <-> D : kd"),
        ValueError,
        "Line 3 of the scheme, `C1 <-> D : kd`, must have two rates, forward and backward, as its arrow is "
        "`<->`, but has 1.",
    ),
    "scheme: two rates for one": (
        scheme("C1 -> D : kd, kr"),
        ValueError,
        "Line 3 of the scheme, `C1 -> D : kd, kr`, must have one rate as its arrow is `->`, but has 2.",
    ),
    "scheme: NMODL with two rates for one": (
        scheme("~ C1 -> D (kd, kr)"),
        ValueError,
        "Line 3 of the scheme, `~ C1 -> D (kd, kr)`, must have one rate as its arrow is `->`, but has 2.",
    ),
    "scheme: an empty rate": (
        scheme("C1 <-> D : kd,"),
        ValueError,
        "Line 3 of the scheme, `C1 <-> D : kd,`, must have two rates, forward and backward, as its arrow is "
        "`<->`, but has 1.",
    ),
    "scheme: nothing on a side": (
        scheme("C1 -> : kd"),
        ValueError,
        "Line 3 of the scheme, `C1 -> : kd`, must have names of states, such as C1, on both sides, but has nothing.",
    ),
    "scheme: a number before a state": (
        scheme("C1 -> 2D : kd"),
        ValueError,
        "Line 3 of the scheme, `C1 -> 2D : kd`, must have names of states, such as C1, on both sides, but has `2D`.",
    ),
    "scheme: three on a side": (
        scheme("C1 + C0 + glu -> D : kd"),
        ValueError,
        "Line 3 of the scheme, `C1 + C0 + glu -> D : kd`, must have one state a side and one ligand at most, "
        "but has C1 + C0 + glu.",
    ),
    "scheme: two ligands": (
        scheme("C1 + gaba -> D : kd"),
        ValueError,
        "Line 3 of the scheme, `C1 + gaba -> D : kd`, must have the ligand of the others, glu, but has C1 + gaba.",
    ),
    "scheme: a ligand twice": (
        scheme("C1 + glu -> D : kon*glu"),
        ValueError,
        "Line 3 of the scheme, `C1 + glu -> D : kon*glu`, must have its ligand once, but has it twice.",
    ),
    "scheme: the pulse's T in a rate": (
        scheme("C1 -> D : kon*T"),
        ValueError,
        "Line 3 of the scheme, `C1 -> D : kon*T`, must have glu as what binds, but has `T` in a rate.",
    ),
    "scheme: the pulse's length in a rate": (
        scheme("C1 -> D : kon*T_dur"),
        ValueError,
        "Line 3 of the scheme, `C1 -> D : kon*T_dur`, must have glu as what binds, but has `T_dur` in a rate.",
    ),
    "scheme: a state in a rate": (
        scheme("C1 -> D : kon*C0"),
        ValueError,
        "Line 3 of the scheme, `C1 -> D : kon*C0`, must have a rate that contains no state, but has `C0`.",
    ),
    "scheme: from a state to itself": (
        scheme("C1 -> C1 : kon"),
        ValueError,
        "Line 3 of the scheme, `C1 -> C1 : kon`, must lead from one state to another, but stays in C1.",
    ),
    "scheme: a negative rate in a transition": (
        scheme("C1 -> D : -2*kon"),
        ValueError,
        "Line 3 of the scheme, `C1 -> D : -2*kon`, must have rates that are not negative, but has `-2*kon`.",
    ),
    "scheme: a rate with a call": (
        scheme("C1 -> D : f(kon)"),
        ValueError,
        f"Line 3 of the scheme, `C1 -> D : f(kon)`, {NO_RATE}`f(kon)`{PUT_A_NAME}",
    ),
    "scheme: a rate with an exponential": (
        scheme("C1 <-> D : exp(V/10, 3), 2"),
        ValueError,
        f"Line 3 of the scheme, `C1 <-> D : exp(V/10, 3), 2`, {NO_RATE}`exp(V/10, 3)`{PUT_A_NAME}",
    ),
    "scheme: a rate with an attribute": (
        scheme("C1 -> D : kon.real"),
        ValueError,
        f"Line 3 of the scheme, `C1 -> D : kon.real`, {NO_RATE}`kon.real`.",
    ),
    "scheme: a rate with a power": (
        scheme("C1 -> D : kon**2"),
        ValueError,
        f"Line 3 of the scheme, `C1 -> D : kon**2`, {NO_RATE}`kon**2`{PUT_A_NAME}",
    ),
    "scheme: a rate with a comparison": (
        scheme("C1 -> D : kon > 2"),
        ValueError,
        f"Line 3 of the scheme, `C1 -> D : kon > 2`, {NO_RATE}`kon > 2`.",
    ),
    "scheme: a rate with a string": (
        scheme("C1 -> D : 'kon'"),
        ValueError,
        f"Line 3 of the scheme, `C1 -> D : 'kon'`, {NO_RATE}`'kon'`.",
    ),
    "scheme: a rate with a lambda": (
        scheme("C1 -> D : lambda: 3"),
        ValueError,
        f"Line 3 of the scheme, `C1 -> D : lambda: 3`, {NO_RATE}`lambda: 3`.",
    ),
    "scheme: a rate with an import": (
        scheme("C1 -> D : __import__('os')"),
        ValueError,
        f"Line 3 of the scheme, `C1 -> D : __import__('os')`, {NO_RATE}`__import__('os')`{PUT_A_NAME}",
    ),
    "scheme: a rate with an index": (
        scheme("C1 -> D : kon[0]"),
        ValueError,
        f"Line 3 of the scheme, `C1 -> D : kon[0]`, {NO_RATE}`kon[0]`.",
    ),
    "scheme: a rate with a complex number": (
        scheme("C1 -> D : 1j"),
        ValueError,
        f"Line 3 of the scheme, `C1 -> D : 1j`, {NO_RATE}`1j`.",
    ),
    "scheme: a rate with a number of Python's": (
        scheme("C1 -> D : 1_0"),
        ValueError,
        f"Line 3 of the scheme, `C1 -> D : 1_0`, {NO_RATE}`1_0`.",
    ),
    "scheme: a rate with a truth value": (
        scheme("C1 -> D : True"),
        ValueError,
        f"Line 3 of the scheme, `C1 -> D : True`, {NO_RATE}`True`.",
    ),
    "scheme: a value with an exponential": (
        scheme("kd = 2*exp(V/10)", "C1 -> D : kd"),
        ValueError,
        f"Line 3 of the scheme, `kd = 2*exp(V/10)`, {NO_RATE}`2*exp(V/10)`: give kd=... instead, its value at the held "
        "voltage, or a function of the parameters.",
    ),
    "scheme: a rate with a keyword": (
        scheme("C1 -> D : in"),
        ValueError,
        "Line 3 of the scheme, `C1 -> D : in`, must have rates whose values are given, but `in_` has none: in_=... .",
    ),
    "scheme: a division by 0": (
        scheme("C1 -> D : kon/(1 - 1)"),
        ValueError,
        "Line 3 of the scheme, `C1 -> D : kon/(1 - 1)`, must not divide by 0, but has `kon/(1 - 1)`.",
    ),
    "scheme: a division by 0 at the defaults": (
        scheme("C1 -> D : kon/tau", tau=0.0),
        ValueError,
        "Line 3 of the scheme, `C1 -> D : kon/tau`, must have a rate that is finite and not negative, but `kon/tau` "
        "is inf where kon is 5 and tau is 0.",
    ),
    "scheme: a difference below 0": (
        scheme("C1 -> D : koff - kon"),
        ValueError,
        "Line 3 of the scheme, `C1 -> D : koff - kon`, must have a rate that is finite and not negative, but "
        "`koff - kon` is -4.9 where koff is 0.1 and kon is 5.",
    ),
    "scheme: a sum of two units": (
        scheme("C1 -> D : koff + V", V=1.0, units={"V": "mV"}),
        ValueError,
        "Line 3 of the scheme, `C1 -> D : koff + V`, must add up what is of one unit, but koff is in 1/ms and V in mV.",
    ),
    "scheme: a ligand below a line": (
        scheme("C1 -> D : kon/glu"),
        ValueError,
        "Line 3 of the scheme, `C1 -> D : kon/glu`, must be proportional to its ligand, glu, but has `kon/glu`.",
    ),
    "scheme: a ligand with a value": (
        scheme(glu=0.5),
        ValueError,
        "A scheme must give its ligand `glu` no value, as its concentration is T=..., but gives it one.",
    ),
    "scheme: code": (
        scheme("IF (V > 0) {"),
        ValueError,
        "Line 3 of the scheme, `IF (V > 0) {`, must be a transition, a value or a CONSERVE, but is code, IF, which "
        "is not run: leave it out, and give the rates that it sets as numbers, at the held voltage.",
    ),
    "scheme: another block": (
        scheme("BREAKPOINT {"),
        ValueError,
        "Line 3 of the scheme, `BREAKPOINT {`, must be of a KINETIC or PARAMETER block, but is of another: "
        "leave it out.",
    ),
    "scheme: a comment without an end": (
        scheme("COMMENT", "C1 -> D : kd"),
        ValueError,
        "Line 3 of the scheme, `COMMENT`, must have an ENDCOMMENT below it, but has none.",
    ),
    "scheme: a name with and without a line": (
        scheme("C1 -> in : kon", "in -> in_ : kon"),
        ValueError,
        "A scheme must not have both `in` and `in_`, as both are `in_` in Python.",
    ),
    "scheme: names that grow": (
        scheme(*(f"a{i} = a{i + 1}*a{i + 1}" for i in range(30)), "a30 = 2*kon", "C1 -> D : a0"),
        ValueError,
        "Line 34 of the scheme, `C1 -> D : a0`, must have rates of at most 10,000 names, but has more once "
        "spelled out.",
    ),
    "scheme: an infinite rate": (
        scheme("C1 -> D : 1e999"),
        ValueError,
        "Line 3 of the scheme, `C1 -> D : 1e999`, must have finite numbers, but has `1e999`.",
    ),
    "scheme: a value again": (
        scheme("kd = 3", "kd = 4"),
        ValueError,
        "Line 4 of the scheme, `kd = 4`, must not give `kd` again, but does.",
    ),
    "scheme: its own factor": (
        scheme("a = 2*b", "b = 3*a", "C1 -> D : a"),
        ValueError,
        "Line 5 of the scheme, `C1 -> D : a`, must have a rate that is not its own factor, but `a` is.",
    ),
    "scheme: a value of no use": (
        scheme("kd = 3"),
        ValueError,
        "Rate `kd` must be used by a transition, but no transition uses it.",
    ),
    "scheme: CONSERVE leaves out": (
        scheme("CONSERVE C0 + C1 = 1"),
        ValueError,
        "Line 3 of the scheme, `CONSERVE C0 + C1 = 1`, must say that all states add up to 1, but leaves out O.",
    ),
    "scheme: CONSERVE to 2": (
        scheme("CONSERVE C0 + C1 + O = 2"),
        ValueError,
        "Line 3 of the scheme, `CONSERVE C0 + C1 + O = 2`, must say that all states add up to 1, but ends in `2`.",
    ),
    "scheme: CONSERVE without a total": (
        scheme("CONSERVE C0 + C1 + O"),
        ValueError,
        "Line 3 of the scheme, `CONSERVE C0 + C1 + O`, must say that all states add up to 1, but has no total.",
    ),
    "scheme: CONSERVE of others": (
        scheme("CONSERVE C0 + C1 + O + Z = 1"),
        ValueError,
        "Line 3 of the scheme, `CONSERVE C0 + C1 + O + Z = 1`, must name states of the scheme, but has `Z`.",
    ),
    "scheme: open of others": (
        scheme("open = O, Z", open=None),
        ValueError,
        "Line 3 of the scheme, `open = O, Z`, must name states, or numbers times states, but has `Z`.",
    ),
    "scheme: open twice": (
        scheme("open = O, 0.5*O", open=None),
        ValueError,
        "Line 3 of the scheme, `open = O, 0.5*O`, must name each state once, but has O twice.",
    ),
    "scheme: no value": (
        scheme("C1 -> D : kd"),
        ValueError,
        "Line 3 of the scheme, `C1 -> D : kd`, must have rates whose values are given, but `kd` has none: kd=... .",
    ),
    "scheme: no transition": (
        scheme(text="# none"),
        ValueError,
        "A scheme must have a transition, such as `A <-> B : forward, backward`, but has none.",
    ),
    "scheme: nothing binds": (
        scheme(text="C0 <-> O : kon, koff"),
        ValueError,
        "A scheme must have a transition that binds transmitter, such as `C0 + T <-> O : kon, koff`, but has none: "
        "ligand=... names it, if it is a factor of rates.",
    ),
    "scheme: no path": (
        scheme("X <-> Y : kon, koff"),
        ValueError,
        "States of a scheme must be joined by transitions, but no path joins `C0` and `X`.",
    ),
    "scheme: text of bytes": (
        lambda: synkin.scheme(b"A -> B : 1", open="B"),
        TypeError,
        "Argument `text` must be text, one transition a line, but is b'A -> B : 1'.",
    ),
    "scheme: a rate of no use": (
        scheme(kd=1.0),
        ValueError,
        "Rate `kd` must be used by a transition, but no transition uses it.",
    ),
    "scheme: a rate negative": (
        scheme(kon=-5.0),
        ValueError,
        "Rate `kon` must not be negative, but is -5.0: signed='kon' is for one that may be, such as a voltage.",
    ),
    "scheme: a concentration negative": (
        scheme(T=-1.0),
        ValueError,
        "Rate `T` must not be negative, but is -1.0.",
    ),
    "scheme: a rate NaN": (
        scheme(kon=np.nan),
        ValueError,
        "Rate `kon` must be a finite number or a function of the parameters, but is nan.",
    ),
    "scheme: a rate of several": (
        scheme(kon=[5.0, 1.0]),
        ValueError,
        "Rate `kon` must be a finite number or a function of the parameters, but is [5.0, 1.0].",
    ),
    "scheme: a rate a string": (
        scheme(kon="5"),
        TypeError,
        "Rate `kon` must be a real number or an array of them, but is '5'.",
    ),
    "scheme: a rate traced": (
        traced(lambda x: scheme(kon=x)()),
        ValueError,
        f"Rate `kon` must be a finite number or a function of the parameters, but is a traced array of "
        f"{FLOAT} with shape ().",
    ),
    "scheme: a function of what is not there": (
        scheme(kon=lambda p: p.V),
        ValueError,
        "Rate `kon` must be a function of parameters that have values, but asks for 'V'.",
    ),
    "scheme: a function of T": (
        scheme(kon=lambda p: p.T),
        ValueError,
        "Rate `kon` must be a function of parameters that have values, but asks for 'T'.",
    ),
    "scheme: a function that gives no rate": (
        scheme(kon=lambda p: -p.koff),
        ValueError,
        "Rate `kon` must be a function that gives a rate, finite and not negative, but gives -0.1.",
    ),
    "scheme: a function that gives nothing": (
        scheme(kon=lambda p: None),
        TypeError,
        "Rate `kon` must be a real number or an array of them, but is None.",
    ),
    "scheme: a function of no use": (
        scheme(kd=lambda p: p.kon),
        ValueError,
        "Rate `kd` must stand in a transition, but stands in none.",
    ),
    "scheme: a name of a state and a rate": (
        scheme("C1 -> kon : koff"),
        ValueError,
        "Line 1 of the scheme, `C0 + glu <-> C1 : kon, koff`, must have a rate that contains no state, but has `kon`.",
    ),
    "scheme: a state that Python cannot name": (
        scheme("C1 -> None : koff"),
        ValueError,
        "A state of scheme has a name that cannot be one: type names and field names cannot be a keyword: 'None'.",
    ),
    "scheme: no open": (
        scheme(open=None),
        ValueError,
        "Argument `open` must name the states that conduct, such as open='O', but is not given.",
    ),
    "scheme: open unknown": (
        scheme(open="Z"),
        ValueError,
        "Argument `open` must name states (C0, C1, O), but has 'Z'.",
    ),
    "scheme: open negative": (
        scheme(open={"O": -1.0}),
        ValueError,
        "Argument `open` must give finite conductances, not negative, but O has -1.0.",
    ),
    "scheme: open a number": (
        scheme(open=5),
        TypeError,
        "Argument `open` must be a state, several or a dict of states, but is 5.",
    ),
    "scheme: open of pairs and names": (
        scheme(open=(("O", 1.0), "C1")),
        TypeError,
        "Argument `open` must be a state, several or a dict of states, but is (('O', 1.0), 'C1').",
    ),
    "scheme: rest unknown": (
        scheme(rest="Z"),
        ValueError,
        "Argument `rest` must name states (C0, C1, O) or be 'steady', but has 'Z'.",
    ),
    "scheme: rest that is left": (
        scheme(rest="O"),
        ValueError,
        "At rest only binding may lead out of a state, but O is left by `O -> C1 : alpha`: rest='steady' is "
        "where that leads.",
    ),
    "scheme: rest of half": (
        scheme(rest={"C0": 0.5}),
        ValueError,
        "Argument `rest` must have fractions that add up to 1, but they add up to 0.5.",
    ),
    "scheme: rest negative": (
        scheme(rest={"C0": 1.5, "C1": -0.5}),
        ValueError,
        "Argument `rest` must have fractions from 0 to 1, but C0 has 1.5.",
    ),
    "scheme: rest a list": (
        scheme(rest=["C0"]),
        TypeError,
        "Argument `rest` must be a state or a dict of states, but is ('C0',).",
    ),
    "scheme: ligand a number": (
        scheme(ligand=5),
        TypeError,
        "Argument `ligand` must be text, but is 5.",
    ),
    "scheme: ligand another": (
        scheme(ligand="gaba"),
        ValueError,
        "Line 1 of the scheme, `C0 + glu <-> C1 : kon, koff`, must have one state a side, and the ligand "
        "gaba, but has C0 + glu.",
    ),
    "scheme: source a number": (
        scheme(source=5),
        TypeError,
        "Argument `source` must be text, but is 5.",
    ),
    "scheme: units a string": (
        scheme(units="mV"),
        TypeError,
        "Argument `units` must be a dict of names and units, but is 'mV'.",
    ),
    "scheme: units of others": (
        scheme(units={"V": "mV"}),
        ValueError,
        "Argument `units` must name parameters of scheme, but has 'V'.",
    ),
    "scheme: signed of others": (
        scheme(signed="V"),
        ValueError,
        "Argument `signed` must name parameters of scheme, but has 'V'.",
    ),
    "scheme: name no name": (
        scheme(name="two words"),
        ValueError,
        "Argument `name` must be a Python identifier, but is 'two words'.",
    ),
    "scheme: method": (
        run(kernel=schemes.nmda5, method="exp_euler"),
        ValueError,
        "Argument `method` must be 'exact', the only one that nmda5 has, but is 'exp_euler'.",
    ),
    "scheme: several steady states": (
        lambda: schemes.vargas2004.steady_state(schemes.vargas2004.Params()),
        ValueError,
        "vargas2004 must have one steady state, but it stays in C0 as it does in CB: no transition of a rate "
        "above 0 leads out of either.",
    ),
    "generator: T negative": (
        of_scheme("generator", -1.0),
        ValueError,
        "Argument `T` must be in mM, finite and not negative, but has the value -1.0.",
    ),
    "generator: T of others": (
        of_scheme("generator", np.ones(2), kon=np.ones(3)),
        ValueError,
        "Argument `T` must broadcast with the parameters, of shape (3,), but has shape (2,).",
    ),
    "reversibility: of several": (
        of_scheme("reversibility", kon=np.ones(3)),
        ValueError,
        "Argument `params` must be scalars here, but have shape (3,).",
    ),
    "jumps: a linear kernel": (
        jumps(kernel=expon),
        ValueError,
        "Argument `kernel` must be a receptor, which has a transmitter, but expon is a linear kernel.",
    ),
    "jumps: edges too few": (
        jumps(edges=(0.0,)),
        ValueError,
        "Argument `edges` must have shape (K + 1,) for `concentrations` of shape (K,), but they have shapes "
        "(1,) and (1,).",
    ),
    "jumps: edges backwards": (
        jumps(edges=(2.0, 1.0)),
        ValueError,
        "Argument `edges` must be in the order of time, but element 1 (1.0) is below 2.0.",
    ),
    "jumps: edges infinite": (
        jumps(edges=(0.0, np.inf)),
        ValueError,
        "Argument `edges` must be finite, but element 1 is inf.",
    ),
    "jumps: a concentration negative": (
        jumps(concentrations=(-1.0,)),
        ValueError,
        "Argument `concentrations` must be in mM, finite and not negative, but has the value -1.0.",
    ),
    "jumps: a concentration NaN": (
        jumps(concentrations=(np.nan,)),
        ValueError,
        "Argument `concentrations` must be in mM, finite and not negative, but has the value nan.",
    ),
    "jumps: a concentration a string": (
        jumps(concentrations=("a",)),
        TypeError,
        "Argument `concentrations` must be a real number or an array of them, but is ('a',).",
    ),
    "jumps: times NaN": (
        jumps(times=(np.nan,)),
        ValueError,
        "Argument `times` must be finite, but element 0 is nan.",
    ),
    "jumps: a time before the state's": (
        jumps(edges=(3.0, 4.0), state=schemes.nmda5.init(schemes.nmda5.Params(), ())),
        ValueError,
        "Argument `times` must not come before t0 = 3.0 ms, the time of `state`, but has 2.0.",
    ),
    "jumps: parameters of several": (
        jumps(params=schemes.nmda5.Params(kon=np.ones(3))),
        ValueError,
        "Parameter `kon` must broadcast against shape (), but has shape (3,): several synapses take "
        "jax.vmap, or a state of their shape.",
    ),
    # sums of kernels
    "sum: a receptor and a linear kernel": (
        lambda: expon + ampa,
        ValueError,
        "Kernels of a sum must be of one kind, as in a step a spike acts at its start on a receptor and at its end on "
        "a linear kernel, but ampa is a receptor and expon a linear kernel.",
    ),
    "sum: a number": (
        lambda: ampa + 1.0,
        TypeError,
        "A sum must be of kernels such as synkin.ampa, but has 1.0.",
    ),
    "sum: parameters of a kernel": (
        lambda: ampa + ampa.Params(),
        TypeError,
        "A sum must be of kernels such as synkin.ampa, but has a synkin.ampa.Params.",
    ),
    "sum: no method in common": (
        lambda: schemes.nmda5 + STEPPED,
        ValueError,
        "Kernels of a sum must have a method in common, but nmda5 has exact and stepped has exp_euler.",
    ),
    "sum: two parameters of one name": (
        lambda: named("a", "b_c") + named("a_b", "c"),
        ValueError,
        "Kernels of a sum must have names with which their parameters differ, but with a, a_b two are called the same: "
        "give one of them another `name=`.",
    ),
    "sum: parameters of a part": (
        run(kernel=BOTH, params=ampa.Params()),
        TypeError,
        "Argument `params` must be an ampa+nmda5.Params, but is a synkin.ampa.Params.",
    ),
    "sum: parameters of a sum": (
        run(kernel=ampa, params=BOTH.Params()),
        TypeError,
        "Argument `params` must be a synkin.ampa.Params, but is an ampa+nmda5.Params.",
    ),
    "sum: a rate negative": (
        response(kernel=BOTH, params=BOTH.Params(nmda5_kd=-1.0)),
        ValueError,
        "Parameter `nmda5_kd` must be finite and not negative, but has the value -1.0.",
    ),
    "sum: a relative conductance negative": (
        run(kernel=BOTH, params=BOTH.Params(g_nmda5=-0.5)),
        ValueError,
        "Parameter `g_nmda5` must be finite and not negative, but has the value -0.5.",
    ),
    "sum: a state of a part": (
        run(kernel=BOTH, state=STATE),
        TypeError,
        "Argument `state` must be an ampa+nmda5.State, but is a synkin.ampa.State.",
    ),
    "sum: a method that a part does not have": (
        run(kernel=BOTH, method="exp_euler"),
        ValueError,
        "Argument `method` must be 'exact', the only one that ampa+nmda5 has, but is 'exp_euler'.",
    ),
    "sum: weights for receptors": (
        response(kernel=BOTH, weights=(1.0, 2.0)),
        ValueError,
        "Argument `weights` is for the linear kernels alpha, expon and dual_expon, not a receptor.",
    ),
    "sum: jumps of linear kernels": (
        jumps(kernel=expon + alpha),
        ValueError,
        "Argument `kernel` must be a receptor, which has a transmitter, but expon+alpha is a linear kernel.",
    ),
    "sum: free without the part's name": (
        fit(kernel=expon + expon, params=(expon + expon).Params()),
        ValueError,
        "Argument `free` must name parameters of expon+expon (expon1_tau, g_expon2, expon2_tau), but has 'tau'.",
    ),
    "sum: free and 0": (
        fit(kernel=expon + expon, params=(expon + expon).Params(g_expon2=0.0), free="g_expon2"),
        ValueError,
        "Parameter `g_expon2` must be positive to be fitted, but starts at 0.0.",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_one_sentence(what):
    call, error, sentence = WRONG[what]
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == sentence


def test_a_sentence_names_the_argument_and_says_what_came():
    for _, _, sentence in WRONG.values():
        # A scheme says which of its lines is wrong, and in one of them it has no arguments.
        of_a_scheme = (
            r"(Line \d|A scheme|A state|At rest|vargas2004|Kernels of a sum|A sum)[^\n]*, but [^\n]*\.|A state [^\n]*\."
        )
        assert re.fullmatch(rf"[^\n]*`\w+(\.\w+)*`[^\n]*\.|(AMPA|Alpha) (keeps|takes)[^\n]*\.|{of_a_scheme}", sentence)
        assert "Tracer" not in sentence
        assert "synkin.kernels" not in sentence


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
