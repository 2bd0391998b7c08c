"""Every public name has an example in its docstring, which gives what it says; help and completion show what is needed.

An example leaves out ``import jax``, ``jax.numpy as jnp``, ``numpy as np`` and ``synkin``. It is the last part of a
docstring, under "Example:".
"""

import doctest
import importlib
import inspect
import re
import types
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import synkin
from synkin.declaring.kernel import Kernel
from tests.helpers.precision import as_jax_is

# Classes whose objects are returned, and that have no name of their own in `synkin`.
RETURNED = {
    "Filter": "synkin.solving.filters",
    "Sum": "synkin.declaring.sums",
    "fit.Bootstrap": "synkin.fitting.uncertainty.resampling",
    "fit.Profile": "synkin.fitting.uncertainty.profiles",
    "stepper.ChannelStepper": "synkin.solving.channels.stepper",
    "tsodyks_markram.ReleaseStepper": "synkin.networks.release_stepper",
    "tsodyks_markram.TsodyksMarkram": "synkin.networks.plasticity",
}
ADAPTERS = {
    "brainstate": ("AMPA", "STD", "STP", "Alpha", "BioNMDA", "DualExpon", "Expon", "GABAa", "Synapse", "class_of"),
    "jaxley": ("KernelSynapse",),
}
AMPA = synkin.ampa, synkin.ampa.Params(), 0.1
# An object of each class that shows fewer names than it has.
SHOWN = {
    "Carry": lambda: synkin.stepper(*AMPA).init((2,)),
    "DelayLine": lambda: synkin.delay_line(0.1, 0.1),
    "Kernel": lambda: synkin.ampa,
    "Projection": lambda: synkin.connect([0], [0], shape=(1, 1)),
    "Scheme": lambda: synkin.schemes.nmda5,
    "Stepper": lambda: synkin.stepper(*AMPA),
    "Sum": lambda: synkin.ampa + synkin.gabaa,
    "stepper.ChannelStepper": lambda: synkin.stepper(*AMPA, channels=1),
    "tsodyks_markram.ReleaseStepper": lambda: synkin.tsodyks_markram.stepper(synkin.tsodyks_markram.Params(), 0.1),
    "tsodyks_markram.TsodyksMarkram": lambda: synkin.tsodyks_markram,
}
# The examples of kernels and schemes are generated: a receptor, a linear kernel and a scheme stand for the others.
USUAL = ("ampa", "expon", "schemes.nmda5")
# What takes long to compile.
LONG = ("synkin.events.finding_templates", "synkin.fitting.comparison", "synkin.plot.fits", "synkin.runs.likelihood")
LONG += ("synkin.runs.sampling", "synkin.solving.channels.stepper", "synkin.solving.filters")


def public():
    """Every public function, class and object with a docstring, by name; not those of the adapters."""
    for name in synkin.__all__:
        value = getattr(synkin, name)
        inside = value.__all__ if isinstance(value, types.ModuleType) else ()
        found = {f"{name}.{each}": getattr(value, each) for each in inside} or {name: value}
        yield from ((at, each) for at, each in found.items() if not isinstance(each, str | dict | tuple))
    for name, home in RETURNED.items():
        yield name, getattr(importlib.import_module(home), name.rpartition(".")[2])


def methods(name, kind):
    """The public methods of a class that its objects show."""
    for method in dir(SHOWN[name]() if name in SHOWN else kind):
        found = inspect.getattr_static(kind, method, None)
        found = getattr(found, "__func__", found)
        if isinstance(found, types.FunctionType) and found.__name__ == method and not method.startswith("_"):
            yield f"{name}.{method}", getattr(kind, method)


@cache
def documented():
    """All public names and methods, each once, by name."""
    found = {}
    for name, value in public():
        found[name] = value
        if isinstance(value, type):
            of_class = dict(methods(name, value))
            found |= {at: each for at, each in of_class.items() if each.__module__.startswith("synkin.")}
    return found


def example(text):
    """The example of a docstring, its last part; "" where there is none."""
    return (text or "").partition("\nExample:\n")[2]


def homes():
    """The examples by the module in which they stand, each once; those that are generated of kernels by themselves."""
    found = {}
    for name, value in documented().items():
        if isinstance(value, Kernel):
            found[f"{name} of {value.home}"] = {name: example(value.__doc__)}
        elif text := example(inspect.getdoc(value)):
            here = found.setdefault(value.__module__, {})
            if text not in here.values():
                here[name] = text
    return found


def wide(home):
    generated = " of " in home and home.partition(" of ")[0] not in USUAL
    return [pytest.mark.wide] * (generated or home in LONG)


class Checker(doctest.OutputChecker):
    """Numbers may differ by one unit in their last digit, arrays in how they are spaced."""

    number = re.compile(r"(?<![\w.])-?\d+\.\d*(?:e[+-]?\d+)?")

    def check_output(self, want, got, options):
        want, got = (re.sub(r"\s*([\[\]])\s*", r"\1", text) for text in (want, got))
        pattern = doctest.OutputChecker.check_output(
            self, self.number.sub("#", want), self.number.sub("#", got), options
        )
        wanted, found = self.number.findall(want), self.number.findall(got)
        if len(wanted) != len(found):
            return pattern and "..." in want
        return pattern and all(
            abs(float(a) - float(b)) <= 10.0 ** -len(a.partition(".")[2]) for a, b in zip(wanted, found, strict=True)
        )


def run(name, text):
    """Run an example, after the imports that all examples leave out."""
    given = {"synkin": synkin, "jax": jax, "jnp": jnp, "np": np, "__name__": "__main__"}
    parsed = doctest.DocTestParser().get_doctest(text, given, name, None, 0)
    assert parsed.examples, name
    runner = doctest.DocTestRunner(Checker(), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said = []
    # Other packages change how NumPy prints.
    by_default = {"precision": 8, "suppress": False, "linewidth": 120, "threshold": 1000, "edgeitems": 3}
    with as_jax_is(), np.printoptions(**by_default):
        runner.run(parsed, out=said.append)
    assert runner.failures == 0, "".join(said)


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """A folder for what examples write, and pictures that nobody sees."""
    monkeypatch.chdir(tmp_path)
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


@pytest.mark.parametrize("home", [pytest.param(home, marks=wide(home)) for home in homes()])
def test_examples(home, pictures):
    for name, text in homes()[home].items():
        run(name, text)


@pytest.mark.wide
@pytest.mark.parametrize(("framework", "name"), [(each, name) for each, names in ADAPTERS.items() for name in names])
def test_examples_of_adapters(framework, name, pictures):
    pytest.importorskip({"brainstate": "brainpy.state", "jaxley": "jaxley"}[framework])
    module = importlib.import_module(f"synkin.adapters.{framework}")
    assert framework == "jaxley" or set(ADAPTERS["brainstate"]) == set(module.__all__)
    run(name, example(inspect.getdoc(getattr(module, name))))


def test_every_public_name_has_one():
    """Of 3 to 10 lines of code, as its last part."""
    found = {name: example(inspect.getdoc(value)) for name, value in documented().items()}
    assert [name for name, text in found.items() if ">>> " not in text] == []
    assert [
        name for name, text in found.items() if len(re.findall(r"^ *(?:>>>|\.\.\.) ", text, re.MULTILINE)) > 10
    ] == []
    assert [name for name, text in found.items() if re.search(r"^\w+:$", text, re.MULTILINE)] == []


def test_an_example_that_is_wrong_is_seen():
    """Else the tests above could not fail."""
    run("right", ">>> print(np.array([1.0, 2.5]))\n[1. 2.5]\n")
    for said in ("[1. 2.7]", "[1.]", "[1. 2.5] mS"):
        with pytest.raises(AssertionError, match="Expected"):
            run("wrong", f">>> print(np.array([1.0, 2.5]))\n{said}\n")


def test_defaults_are_readable():
    """No memory addresses, nothing that is longer than a line."""
    for name, value in documented().items():
        if callable(value) and not isinstance(value, Kernel) and name.partition(".")[0] in synkin.__all__:
            for argument in inspect.signature(value).parameters.values():
                if argument.default is not argument.empty:
                    assert re.fullmatch(r"[^<>\n]{1,60}", repr(argument.default)), f"{name}: {argument}"


@pytest.mark.parametrize("name", SHOWN)
def test_completion_of_objects(name):
    """What there is and has a meaning to a user, and no more."""
    shown = [each for each in dir(SHOWN[name]()) if not each.startswith("__")]
    assert not [each for each in shown if each.startswith("_") or not hasattr(SHOWN[name](), each)]
    assert 3 <= len(shown) <= 26
    if name == "Kernel":
        assert {"Params", "State", "UNITS", "init", "step", "vector_field", "name", "parameters"} <= set(shown)
        assert not {"check_options", "derivatives", "find_structure", "home", "rest_state", "solved_by"} & set(shown)


# What those classes have besides and do not show: what synkin itself uses. A new method is in one of the two.
OF_KERNELS = """
    always_exact bare check_options check_params conductance_of derivatives find_structure home in_turn inputs matrix
    meanings order params_of relative relative_names rest rest_state solved_by state_of states_of structure sum_of total
    values_of
"""
OF_STEPPERS = (
    "check_carry coefficients event_tables joined matched nan_if_invalid own_coefficients parts relative split"
)
HIDDEN = {
    "Carry": "index parts progress with_parts with_progress",
    "DelayLine": "off_grid remainder rows steps",
    "Kernel": OF_KERNELS,
    "Projection": "blocks columns places rows split",
    "Scheme": f"{OF_KERNELS} checked diagram said",
    "Stepper": OF_STEPPERS,
    "Sum": f"{OF_KERNELS} kernels names",
    "stepper.ChannelStepper": "coefficients conductances propagators",
    "tsodyks_markram.ReleaseStepper": "coefficients declared",
    "tsodyks_markram.TsodyksMarkram": "check_params input rest_state",
}


@pytest.mark.parametrize("name", SHOWN)
def test_what_completion_leaves_out_is_decided(name):
    found = SHOWN[name]()
    every = {each for each in object.__dir__(found) if not each.startswith("_")}
    assert every - set(dir(found)) == set(HIDDEN[name].split())


@pytest.mark.parametrize("name", ["currents", "environ", "plot", "presets", "schemes"])
def test_completion_of_modules(name):
    """Public names, and not what the module imports."""
    module = getattr(synkin, name)
    assert dir(module) == sorted(module.__all__)
    assert not [each for each in dir(module) if isinstance(getattr(module, each), types.ModuleType)]
