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
from synkin.arguments import fields
from synkin.arguments.declaration import Parameter
from synkin.declaring import reversibility, scheme_text
from synkin.schemes import SCHEMES
from synkin.solving.carry import Carry

KINETICS = {**synkin.KERNELS, **SCHEMES, "tsodyks_markram": synkin.tsodyks_markram}
TUPLES = [
    synkin.Measured,
    synkin.Events,
    synkin.Jumps,
    Parameter,
    reversibility.Cycle,
    scheme_text.Product,
    scheme_text.Transition,
    presets.MgBlock,
    presets.Preset,
    presets.ShortTerm,
    Carry,
]
DATACLASSES = [synkin.Fit, synkin.Recording, synkin.Comparison, fit.Profile, fit.Bootstrap]
MODULES = [
    "",
    "events",
    "fitting",
    "objects.environ",
    "runs.currents",
    "kernels",
    "objects",
    "plot",
    "presets",
    "recordings",
]


class Params(NamedTuple):
    alpha: Annotated[float, "binding", "1/ms/mM"] = 1.0
    beta: Annotated[float, "unbinding"] = 0.2
    gamma: float = 0.1
    T: float = 1.0
    T_dur: float = 1.0


class State(NamedTuple):
    O: Annotated[jax.Array, "open"]
    pulse_left: jax.Array


def equations(p, y, T):
    return {"O": p.alpha * T * (1 - y.O) - (p.beta + p.gamma) * y.O}


@pytest.fixture(scope="module")
def own():
    return synkin.receptor(equations, Params, State, conductance=lambda p, y: y.O, units={"gamma": "1/ms"})


@pytest.mark.parametrize("name", KINETICS)
def test_every_parameter_and_variable_says_its_unit(name):
    kernel = KINETICS[name]
    known = kernel.UNITS._asdict() | dict(kernel.variables)
    for kind in (kernel.Params, kernel.State):
        for field in kind._fields:
            text, unit = getattr(kind, field).__doc__, known[field].removeprefix("1")
            assert not text.startswith("Alias"), field
            assert text.endswith(f"({unit})") or text == unit if unit else text, field
            assert text in pydoc.render_doc(kind, renderer=pydoc.plaintext), field


def test_a_rate_of_a_scheme_says_what_it_does():
    assert synkin.schemes.nmda5.Params.kon.__doc__ == "rate of C0 -> C1, C1 -> C2 (/ms/mM)"
    assert synkin.schemes.nmda5.State.D.__doc__ == "part of the receptors in D"
    assert synkin.schemes.kampa2004.Params.V.__doc__ == "mV"


@pytest.mark.parametrize("kind", TUPLES, ids=lambda kind: kind.__name__)
def test_every_field_of_what_is_returned_is_described(kind):
    assert set(fields.said(kind)) == set(kind._fields)
    assert [name for name in kind._fields if getattr(kind, name).__doc__.startswith("Alias")] == []


@pytest.mark.parametrize("kind", DATACLASSES, ids=lambda kind: kind.__name__)
def test_every_attribute_of_what_is_returned_is_described(kind):
    listed = kind.__doc__.partition("\nAttributes:\n")[2]
    assert [name for name in (f.name for f in dataclasses.fields(kind)) if f"    {name}: " not in listed] == []


def test_fields_of_ones_own_say_meaning_and_unit(own):
    assert tuple(own.UNITS) == ("1/ms/mM", None, "1/ms", "mM", "ms")
    assert own.Params.alpha.__doc__ == "binding (/ms/mM)"
    assert own.Params.beta.__doc__ == "unbinding"
    assert own.Params.gamma.__doc__ == "/ms"
    assert own.Params.T.__doc__ == "transmitter concentration during a pulse (mM)"
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


def test_a_dict_of_units_goes_before_the_field():
    class Seconds(NamedTuple):
        tau: Annotated[float, "decay", "second"] = 8.0

    class Held(NamedTuple):
        g: Any

    kernel = synkin.linear(lambda p, y: {"g": -y.g / p.tau}, Seconds, Held, input="g", name="own", units={"tau": "ms"})
    assert kernel.UNITS.tau == "ms"
    assert Seconds.tau.__doc__ == "decay (ms)"


def test_a_docstring_that_is_there_stays():
    class Mine(NamedTuple):
        tau: Annotated[float, "decay", "ms"] = 8.0

    Mine.tau.__doc__ = "mine"
    fields.document(Mine, {})
    assert Mine.tau.__doc__ == "mine"


def test_annotations_that_cannot_be_read_say_nothing():
    class Unknown(NamedTuple):
        tau: "NotThere" = 8.0  # noqa: F821

    assert fields.said(Unknown) == {}
    fields.document(Unknown, {"tau": "ms"})
    assert Unknown.tau.__doc__ == "ms"


@pytest.mark.parametrize(
    ("meaning", "unit", "text"),
    [
        ("rate", "1/ms", "rate (/ms)"),
        ("part", "1", "part"),
        ("", "1", "dimensionless"),
        ("", "mM", "mM"),
        ("part", None, "part"),
        ("", None, ""),
    ],
)
def test_words(meaning, unit, text):
    assert fields.describe_field(meaning, unit) == text


def public():
    """All public functions and classes, and the methods of these, by name."""
    for module in MODULES:
        home = importlib.import_module(f"synkin.{module}".rstrip("."))
        for name in home.__all__:
            value = getattr(home, name)
            if inspect.isclass(value):
                methods = inspect.getmembers(value, inspect.isfunction)
                yield from ((f"{name}.{n}", method) for n, method in methods if not n.startswith("_"))
            if callable(value):
                yield name, value


def test_signatures_are_readable():
    found = dict(public())
    assert {"respond", "Fit.profile", "AMPA", "coba", "traces"} <= set(found)
    for name, value in found.items():
        assert "Union[" not in str(inspect.signature(value)), name
    for kernel in KINETICS.values():
        assert "=" in str(inspect.signature(kernel.Params))
        assert ":" not in str(inspect.signature(kernel.Params))


@pytest.mark.parametrize("name", [*MODULES, "schemes"])
def test_dir_of_a_module_is_its_public_names(name):
    module = importlib.import_module(f"synkin.{name}".rstrip("."))
    names = dir(module)
    assert names == sorted(module.__all__)
    assert not [name for name in names if name.startswith("_") or not hasattr(module, name)]
