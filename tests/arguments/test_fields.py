"""What ``help`` and ``dir`` say: of every field its meaning and unit, signatures as they are written, public names."""

import dataclasses
import importlib
import inspect
import pydoc
from collections import namedtuple
from typing import Annotated, NamedTuple

import jax
import pytest

import synkin
from synkin import fit, presets
from synkin.arguments.declaration import Parameter
from synkin.arguments.varying import WeightedState
from synkin.declaring.reversibility import Cycle
from synkin.schemes import SCHEMES

KINETICS = {**synkin.KERNELS, **SCHEMES, "tsodyks_markram": synkin.tsodyks_markram}
MODULES = ("", "events", "fitting", "kernels", "objects", "objects.environ", "plot", "presets", "recordings")
MODULES += ("runs.currents", "schemes")


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


def test_every_field_of_what_is_returned_is_described():
    carry = type(synkin.stepper(synkin.expon, synkin.expon.Params(), 0.1).init(()))
    tuples = (synkin.Measured, synkin.Events, synkin.Jumps, presets.MgBlock, presets.Preset, presets.ShortTerm)
    for kind in (*tuples, Parameter, Cycle, WeightedState, carry):
        assert [name for name in kind._fields if getattr(kind, name).__doc__.startswith("Alias")] == [], kind
    for kind in (synkin.Fit, synkin.Recording, synkin.Comparison, fit.Profile, fit.Bootstrap):
        listed = kind.__doc__.partition("\nAttributes:\n")[2]
        assert [f.name for f in dataclasses.fields(kind) if f"    {f.name}: " not in listed] == [], kind


def test_fields_of_schemes_and_of_ones_own_say_meaning_and_unit(own):
    nmda5, kampa2004 = synkin.schemes.nmda5, synkin.schemes.kampa2004
    for kind, field, said in (
        (nmda5.Params, "kon", "rate of C0 -> C1, C1 -> C2 (/ms/mM)"),
        (nmda5.State, "D", "part of the receptors in D"),
        (kampa2004.Params, "V", "mV"),
        (own.Params, "alpha", "binding (/ms/mM)"),
        (own.Params, "beta", "unbinding"),
        (own.Params, "gamma", "/ms"),
        (own.Params, "part", "dimensionless"),
        (own.Params, "T", "transmitter concentration during a pulse (mM)"),
        (own.State, "O", "open"),
        (own.State, "pulse_left", "how long there will still be transmitter (ms)"),
    ):
        assert getattr(kind, field).__doc__ == said
    assert tuple(own.UNITS) == ("1/ms/mM", None, "1/ms", "1", "mM", "ms")
    assert "alpha: 1.0 1/ms/mM, binding\n" in own.__doc__
    assert "gamma: 0.1 1/ms\n" in own.__doc__


def test_a_unit_beside_the_field_is_taken_as_one_in_a_dict_is(own):
    u = pytest.importorskip("saiunit")
    assert own.init(Params(alpha=1000 / (u.second * u.mM)), ()).O == 0
    with pytest.raises(TypeError, match=r"`alpha` must be in 1/ms/mM"):
        own.init(Params(alpha=1 * u.ms), ())


def test_what_goes_before_what_is_said_beside_a_field():
    """A dict of units, and a docstring that is there; an annotation that cannot be read says nothing."""

    class Seconds(NamedTuple):
        tau: Annotated[float, "decay", "second"] = 8.0
        mine: Annotated[float, "share", "1"] = 1.0

    class Unreadable(NamedTuple):
        tau: "NotThere" = 8.0  # noqa: F821

    def decay(params):
        kernel = synkin.linear(lambda p, y: {"g": -y.g / p.tau}, params, Held, input="g", name="own", units=units)
        return kernel.UNITS.tau, params.tau.__doc__

    Held, units = namedtuple("Held", "g"), {"tau": "ms"}
    Seconds.mine.__doc__ = "mine"
    assert decay(Seconds) == ("ms", "decay (ms)")
    assert Seconds.mine.__doc__ == "mine"
    assert decay(Unreadable) == ("ms", "ms")


def test_signatures_are_readable_and_dir_of_a_module_is_its_public_names():
    """Of all public functions and classes, and of the methods of these."""
    found = {}
    for module in MODULES:
        home = importlib.import_module(f"synkin.{module}".rstrip("."))
        assert dir(home) == sorted(home.__all__)
        public = {name: getattr(home, name) for name in home.__all__ if not name.startswith("_")}
        assert len(public) == len(home.__all__)
        for name, value in public.items():
            if inspect.isclass(value):
                methods = inspect.getmembers(value, inspect.isfunction)
                found |= {f"{name}.{n}": method for n, method in methods if not n.startswith("_")}
        found |= {name: value for name, value in public.items() if callable(value)}
    assert {"respond", "Fit.profile", "AMPA", "coba", "traces"} <= set(found)
    assert [name for name, value in found.items() if "Union[" in str(inspect.signature(value))] == []
    for kernel in KINETICS.values():
        assert "=" in (signature := str(inspect.signature(kernel.Params)))
        assert ":" not in signature
