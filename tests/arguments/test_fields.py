"""What ``help`` and ``dir`` say: of every field its meaning and unit, signatures as they are written, public names."""

import dataclasses
import importlib
import inspect
import pydoc
from typing import Annotated, Any, NamedTuple

import jax
import numpy as np
import pytest

import synkin
from synkin import fit, presets
from synkin.arguments.declaration import Parameter
from synkin.declaring.reversibility import Cycle
from synkin.schemes import SCHEMES

KINETICS = {**synkin.KERNELS, **SCHEMES, "tsodyks_markram": synkin.tsodyks_markram}
TUPLES = [synkin.Measured, synkin.Events, synkin.Jumps, Parameter, Cycle]
TUPLES += [presets.MgBlock, presets.Preset, presets.ShortTerm]
DATACLASSES = [synkin.Fit, synkin.Recording, synkin.Comparison, fit.Profile, fit.Bootstrap]
MODULES = ["", "events", "fitting", "kernels", "objects", "objects.environ", "plot", "presets", "recordings"]
MODULES += ["runs.currents", "schemes"]


class Params(NamedTuple):
    alpha: Annotated[float, "binding", "1/ms/mM"] = 1.0
    beta: Annotated[float, "unbinding"] = 0.2
    gamma: float = 0.1
    part: float = 1.0
    T: float = 1.0
    T_dur: float = 1.0


class State(NamedTuple):
    O: Annotated[jax.Array, "open", "1"]
    pulse_left: jax.Array


@pytest.fixture(scope="module")
def own():
    def equations(p, y, T):
        return {"O": p.part * p.alpha * T * (1 - y.O) - (p.beta + p.gamma) * y.O}

    units = {"gamma": "1/ms", "part": "1"}
    return synkin.receptor(equations, Params, State, conductance=lambda p, y: y.O, units=units)


@pytest.mark.parametrize("name", KINETICS)
def test_every_parameter_and_variable_says_its_unit(name):
    kernel = KINETICS[name]
    known = kernel.UNITS._asdict() | dict(kernel.variables)
    for kind in (kernel.Params, kernel.State):
        page = pydoc.render_doc(kind, renderer=pydoc.plaintext)
        for field in kind._fields:
            text, unit = getattr(kind, field).__doc__, known[field].removeprefix("1")
            assert not text.startswith("Alias"), field
            assert text.endswith(f"({unit})") or text == unit if unit else text, field
            assert text in page, field


def test_a_rate_of_a_scheme_says_what_it_does():
    assert synkin.schemes.nmda5.Params.kon.__doc__ == "rate of C0 -> C1, C1 -> C2 (/ms/mM)"
    assert synkin.schemes.nmda5.State.D.__doc__ == "part of the receptors in D"
    assert synkin.schemes.kampa2004.Params.V.__doc__ == "mV"


def test_every_field_of_what_is_returned_is_described():
    carry = synkin.stepper(synkin.expon, synkin.expon.Params(), 0.1).init(())
    for kind in (*TUPLES, type(carry)):
        assert [name for name in kind._fields if getattr(kind, name).__doc__.startswith("Alias")] == [], kind
    for kind in DATACLASSES:
        listed = kind.__doc__.partition("\nAttributes:\n")[2]
        assert [f.name for f in dataclasses.fields(kind) if f"    {f.name}: " not in listed] == [], kind


def test_fields_of_ones_own_say_meaning_and_unit(own):
    assert tuple(own.UNITS) == ("1/ms/mM", None, "1/ms", "1", "mM", "ms")
    said = {name: getattr(own.Params, name).__doc__ for name in ("alpha", "beta", "gamma", "part", "T")}
    assert said == {
        "alpha": "binding (/ms/mM)",
        "beta": "unbinding",
        "gamma": "/ms",
        "part": "dimensionless",
        "T": "transmitter concentration during a pulse (mM)",
    }
    assert own.State.O.__doc__ == "open"
    assert own.State.pulse_left.__doc__ == "transmitter still to come (ms)"
    assert "alpha: 1.0 1/ms/mM, binding\n" in own.__doc__
    assert "gamma: 0.1 1/ms\n" in own.__doc__


def test_a_unit_beside_the_field_is_taken_as_one_in_a_dict_is(own):
    u = pytest.importorskip("saiunit")
    with_unit = synkin.respond(own, Params(alpha=1000 / (u.second * u.mM)), [1.0], [2.0])
    np.testing.assert_array_equal(with_unit.mantissa, synkin.respond(own, Params(), [1.0], [2.0]))
    with pytest.raises(TypeError, match=r"`alpha` must be in 1/ms/mM"):
        synkin.respond(own, Params(alpha=1 * u.ms), [1.0], [2.0])


def test_what_goes_before_what_is_said_beside_a_field():
    """A dict of units, and a docstring that is there; an annotation that cannot be read says nothing."""

    class Seconds(NamedTuple):
        tau: Annotated[float, "decay", "second"] = 8.0
        mine: Annotated[float, "share", "1"] = 1.0

    class Unreadable(NamedTuple):
        tau: "NotThere" = 8.0  # noqa: F821

    class Held(NamedTuple):
        g: Any

    def decay(params, **given):
        kernel = synkin.linear(lambda p, y: {"g": -y.g / p.tau}, params, Held, input="g", name="own", **given)
        return kernel.UNITS.tau

    Seconds.mine.__doc__ = "mine"
    assert decay(Seconds, units={"tau": "ms"}) == "ms"
    assert (Seconds.tau.__doc__, Seconds.mine.__doc__) == ("decay (ms)", "mine")
    assert decay(Unreadable, units={"tau": "ms"}) == "ms"
    assert Unreadable.tau.__doc__ == "ms"


def test_signatures_are_readable():
    """Of all public functions and classes, and of the methods of these."""
    found = {}
    for module in MODULES:
        home = importlib.import_module(f"synkin.{module}".rstrip("."))
        for name in home.__all__:
            value = getattr(home, name)
            if inspect.isclass(value):
                methods = inspect.getmembers(value, inspect.isfunction)
                found |= {f"{name}.{n}": method for n, method in methods if not n.startswith("_")}
            if callable(value):
                found[name] = value
    assert {"respond", "Fit.profile", "AMPA", "coba", "traces"} <= set(found)
    assert [name for name, value in found.items() if "Union[" in str(inspect.signature(value))] == []
    for kernel in KINETICS.values():
        assert "=" in str(inspect.signature(kernel.Params))
        assert ":" not in str(inspect.signature(kernel.Params))


def test_dir_of_a_module_is_its_public_names():
    for name in MODULES:
        module = importlib.import_module(f"synkin.{name}".rstrip("."))
        assert dir(module) == sorted(module.__all__)
        assert [name for name in dir(module) if name.startswith("_") or not hasattr(module, name)] == []
