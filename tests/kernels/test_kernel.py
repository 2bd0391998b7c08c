"""Declaring kernels: what `synkin.receptor` and `synkin.linear` take, refuse, and give."""

import copy
import inspect
import pickle
import re
import tomllib
from collections import namedtuple
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin import linear, receptor, simulate
from tests.helpers import samples
from tests.helpers.precision import enable_x64

DT = 0.1


class Params(NamedTuple):
    alpha: float = 1.0  # /ms/mM
    beta: float = 0.2  # /ms
    T: float = 1.0  # mM
    T_dur: float = 1.0  # ms


class State(NamedTuple):
    g: jax.Array
    pulse_left: jax.Array


# What `refused.toml` declares with.
TwoStates = namedtuple("TwoStates", "g x pulse_left")
ThreeStates = namedtuple("ThreeStates", "g x y pulse_left")
Hidden = namedtuple("Hidden", "O pulse_left")
PulseAlone = namedtuple("PulseAlone", "pulse_left")
Level = namedtuple("Level", "g")
Cascade = namedtuple("Cascade", "g h")
Decay = namedtuple("Decay", "tau", defaults=(8.0,))
NoPulse = namedtuple("NoPulse", "alpha T", defaults=(1.0, 1.0))
NoTransmitter = namedtuple("NoTransmitter", "alpha T_dur", defaults=(1.0, 1.0))
Plain = type("Plain", (), {"g": 0.0})


def first_order(p, y, T):
    """First order."""
    return {"g": p.alpha * T * (1 - y.g) - p.beta * y.g}


def decay(p, y):
    return {"g": -y.g / p.tau}


def declare(equations=first_order, Params=Params, State=State, **options):
    return receptor(equations, Params, State, **options)


def declare_linear(equations=decay, Params=Decay, State=Level, **options):
    return linear(equations, Params, State, **({"input": "g"} | options))


# What is wrong: the declaration, and the whole sentence.
REFUSED = tomllib.loads(Path(__file__).with_name("refused.toml").read_text())
SHORT = REFUSED.pop("short") | {"module": __name__}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused(what):
    says = re.sub(r"{(\w+)}", lambda found: SHORT[found[1]], REFUSED[what]["says"])
    with pytest.raises(TypeError if says.startswith("TypeError: ") else ValueError) as raised:
        eval(REFUSED[what]["declare"])
    assert str(raised.value) == says.removeprefix("TypeError: ")


# What is declared

own = declare(units={"alpha": "1/ms/mM", "beta": "1/ms"}, name="own")


def test_what_is_known_of_a_kernel():
    assert (own.name, own.Params, own.State, own.input.takes_weights) == ("own", Params, State, False)
    assert tuple(own.UNITS) == ("1/ms/mM", "1/ms", "mM", "ms")
    assert own.parameters["beta"] == ("beta", 0.2, "1/ms", False, False)
    assert dict(own.variables) == {"g": "mS", "pulse_left": "ms"}
    assert own.order == ("g",)
    assert own.structure.kind == "relaxation"
    assert repr(own) == "own(alpha=1.0, beta=0.2, T=1.0, T_dur=1.0)"
    assert own.__doc__ == (
        "First order.\n\nParameters:\n    alpha: 1.0 1/ms/mM\n    beta: 0.2 1/ms\n    T: 1.0 mM\n    T_dur: 1.0 ms\n\n"
        "State: g (mS), pulse_left (ms)\n\nExample:\n    >>> params = own.Params(alpha=1.0)\n"
        "    >>> g = synkin.respond(own, params, [1.0], [0.5, 2.0])  # a spike at 1 ms\n    >>> g.shape\n    (2,)"
    )
    twin = declare(name="own")
    assert own == own
    assert own != twin
    assert len({own, twin, own}) == 2
    with pytest.raises(AttributeError):
        own.name = "other"
    with enable_x64():  # what is found of the equations does not depend on JAX's mode
        assert declare(name="own").structure == own.structure


SIGNATURES = {
    "init": (("params", "shape"), ("dtype",)),
    "step": (("params", "state", "t", "spike", "dt"), ("method", "overlap")),
    "vector_field": (("params", "state"), ()),
}


def test_docstring_signatures_copies_and_trees(kernel):
    """Pickles and copies are the kernel itself."""
    assert set(kernel.order) == set(kernel.State._fields) - {"pulse_left"}
    assert isinstance(kernel.UNITS, kernel.Params)
    assert all(f"    {field}: {default}" in kernel.__doc__ for field, default in kernel.Params()._asdict().items())
    assert all(f"{field} ({unit})" in kernel.__doc__ for field, unit in kernel.variables.items())
    assert repr(kernel).startswith(f"{kernel.name}(")
    for one in (kernel, own):
        assert pickle.loads(pickle.dumps(one)) is one
        assert copy.copy(one) is copy.deepcopy(one) is one
    assert jax.tree.leaves(kernel.Params()) == list(kernel.Params())
    assert type(jax.tree.map(lambda leaf: leaf, kernel.init(kernel.Params(), 2))) is kernel.State
    for function, (positional, keywords) in SIGNATURES.items():
        parameters = inspect.signature(getattr(kernel, function)).parameters.values()
        required = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty]
        assert tuple(p.name for p in required) == positional, function
        assert tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY) == keywords, function
    options = inspect.signature(kernel.step).parameters
    assert (options["method"].default, options["overlap"].default) == (None, "restart")


def test_init_is_zeros_and_step_keeps_them(kernel, dtype):
    """Structure, shape and dtype: whatever the dtype of parameters and spikes, the state decides."""
    for shape in ((), (2, 3)):
        state = kernel.init(kernel.Params(), shape, dtype=dtype)
        assert isinstance(state, kernel.State)
        assert {(leaf.shape, leaf.dtype, leaf.any().item()) for leaf in state} == {(shape, np.dtype(dtype), False)}
        params = samples.params(kernel, np.random.default_rng(0), shape[-1:])
        for method, kind in zip([*kernel.methods, None, None], (bool, bool, dtype, np.int32), strict=True):
            step = partial(kernel.step, params, method=method)
            moved, g = jax.eval_shape(step, state, 0.0, np.ones(shape, kind), DT)
            assert type(moved) is kernel.State
            assert {(leaf.shape, leaf.dtype) for leaf in (*moved, g)} == {(shape, np.dtype(dtype))}
    default = kernel.init(kernel.Params(), 3)
    assert (default[0].shape, default[0].dtype) == ((3,), jnp.result_type(float))


def test_names_and_what_is_not_pickled():
    """A kernel is named after its equations, or their module, unless it has a name, by which it is pickled."""

    def equations(p, y, T):
        return first_order(p, y, T)

    for name in (None, "mine"):
        assert declare(equations, name=name).name == (name or "test_kernel")
        assert declare(name=name).name == (name or "first_order")
    mine = declare(name="mine")
    sentence = (
        f"Kernel `mine` must be a global of its module to be pickled or copied, but {__name__} has no such name for "
        "it: give `name=` the name that it is assigned to."
    )
    with pytest.raises(TypeError, match=f"^{re.escape(sentence)}$"):
        pickle.dumps(mine)
    assert copy.copy(mine) is copy.deepcopy(mine) is mine


def test_the_same_kernel_is_compiled_once():
    """However often, from wherever it comes: by its name, a copy, out of a pickle."""
    compilations = []

    def note(event, seconds, **kwargs):
        if "backend_compile" in event:
            compilations.append(event)

    jax.monitoring.register_event_duration_secs_listener(note)
    spikes = np.arange(21) % 5 == 0
    for i, kernel in enumerate((own, copy.deepcopy(own), pickle.loads(pickle.dumps(own)))):
        for beta in (0.1, 0.3):
            simulate(kernel, Params(beta=beta), spikes, 0.1 + beta)
            synkin.respond(kernel, Params(beta=beta), [1.0, 2.0], [3.0, 4.0, 5.5])
        if i == 0:
            assert compilations
            compilations.clear()
    assert not compilations


def test_declared_inside_jit():
    """Trying the equations out stages nothing and meets no tracer, though they call jax.numpy."""

    def equations(p, y, T):
        return {"g": jnp.exp(jnp.asarray(0.0)) * p.alpha * T * (1 - y.g) - p.beta * y.g}

    def run(beta):
        return simulate(declare(equations, name="mine"), Params(beta=beta), np.arange(5) == 1, DT)[1]

    expected = simulate(own, Params(beta=0.3), np.arange(5) == 1, DT)[1]
    np.testing.assert_allclose(jax.jit(run)(0.3), expected, rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(run)(jnp.asarray([0.3, 0.5]))[0], expected, rtol=1e-6)
    assert jax.jit(jax.grad(lambda beta: run(beta).sum()))(0.3) < 0


def voltage_dependent(p, y, T):
    """Rates of parameters in any way, by jax.numpy."""
    return {"g": p.k0 * jnp.exp(p.V / p.slope) * jnp.sqrt(T) * (1 - y.g) - p.beta * jnp.log1p(p.gain) * y.g}


# Binding rate at 0 mV, mV, mV, 1, /ms, mM, ms.
VoltageParams = namedtuple("VoltageParams", "k0 V slope gain beta T T_dur", defaults=(0.5, -20.0, 20.0, 2.0, 0.2, 1, 1))
voltage_dependent = receptor(
    voltage_dependent, VoltageParams, State, conductance=lambda p, y: p.gain * y.g,
    units={"V": "mV", "slope": "mV", "gain": "1", "g": "1"}, positive=("slope",), signed=("V",),
)  # fmt: skip


def test_ranges_and_defaults_are_as_declared():
    Bare = namedtuple("Bare", "alpha beta T T_dur", defaults=(1.0, 1.0))
    assert repr(declare(Params=Bare, name="mine")) == "mine(alpha=None, beta=None, T=1.0, T_dur=1.0)"
    simulate(voltage_dependent, VoltageParams(V=-80.0), np.zeros(3, bool), DT)
    for params, says in (
        (VoltageParams(slope=0.0), "Parameter `slope` must be positive and finite, but has the value 0.0."),
        (VoltageParams(k0=-1.0), "Parameter `k0` must be finite and not negative, but has the value -1.0."),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(says)}$"):
            voltage_dependent.init(params, 2)
    with pytest.raises(TypeError, match=f"^Argument `params` must be an own.Params, but is a {__name__}.VoltageParams"):
        simulate(own, VoltageParams(), np.zeros(3, bool), DT)
    with pytest.raises(TypeError, match=r"^Argument `state` must be an own\.State, but is a synkin\.expon\.State\.$"):
        own.step(Params(), synkin.expon.State(0.0), 0.0, True, DT)


def test_quantities():
    """Of what has a unit; of what was declared without one a plain number is asked for."""
    u, bare = pytest.importorskip("saiunit"), declare(name="bare")
    assert bare.init(Params(T=1 * u.mM), 2).g.shape == (2,)
    sentence = "must be a plain number, as bare was declared without its unit (units=), but is a quantity."
    with pytest.raises(TypeError, match=f"^Parameter `beta` {re.escape(sentence)}$"):
        bare.init(Params(beta=300 * u.Hz), 2)
    with pytest.raises(TypeError, match=r"^Parameter `V` must be in mV, but is in ms\.$"):
        voltage_dependent.init(VoltageParams(V=1 * u.ms), 2)


def test_without_a_state_of_rest_one_is_asked_for():
    """A receptor that opens by itself: off the grid nobody can tell since when it has."""
    opening = declare(lambda p, y, T: {"g": (p.alpha * T + 0.1) * (1 - y.g) - p.beta * y.g}, name="opening")
    params, times = Params(beta=0.4), [1.0, 2.0]
    sentence = (
        "Kernel `opening` must be at rest where its variables are 0, as no state is given, but there `g` changes "
        "without transmitter."
    )
    for run in (
        lambda: synkin.respond(opening, params, [0.5], times),
        lambda: synkin.concentration_jumps(opening, params, [0.5, 1.0], [1.0], times),
        lambda: synkin.fit(opening, params, [0.5], times, [0.1, 0.2], free="beta"),
    ):
        with pytest.raises(ValueError, match=re.escape(sentence)):
            run()
    steady = State(np.float32(0.2), np.float32(0.0))
    np.testing.assert_allclose(synkin.respond(opening, params, [1.5], [1.0], state=steady), 0.2, rtol=1e-6)
