"""The notation of schemes: what each spelling says. What it refuses is in `tests/messages`."""

import re
import tomllib
import warnings
from pathlib import Path

import pytest

import synkin
from synkin.declaring.scheme_text import Product, Transition, parse

TEXTS = tomllib.loads(Path(__file__).with_name("notation.toml").read_text(encoding="utf-8"))
SPELLINGS, READ, LIGANDS = (TEXTS[what] for what in ("spellings", "transitions", "ligands"))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spellings_of_the_same(spelling):
    ligand = "glu" if spelling == "products with names" else None
    read = parse(SPELLINGS[spelling], ligand)
    called = "glu" if "glu" in SPELLINGS[spelling] else "T"
    ways = ("C0", "C1", "kon", called), ("C1", "C0", "koff", None), ("C1", "D", "kd", None), ("D", "C0", "kr", None)
    expected = [Transition(a, b, Product(2.0 if by else 1.0, (rate,)), by) for a, b, rate, by in ways]
    assert {*read.transitions} == {*expected}
    assert len(read.transitions) == len(read.lines) == 4
    assert {*read.states} == {"C0", "C1", "D"}
    assert (read.values, read.open, read.rest) == ({}, None, None)


def test_what_is_read_is_in_the_order_of_the_text():
    read = parse("B + glu <-> A : k2, k1\nZ -> A : k3\nA -> Z : k4")
    assert read.states == ("B", "A", "Z")
    assert [*map(str, read.transitions)] == ["B + glu -> A : k2", "A -> B : k1", "Z -> A : k3", "A -> Z : k4"]
    assert read.lines[2] == "Line 2 of the scheme, `Z -> A : k3`,"


def test_values_open_and_rest():
    numbers = "kon = 5.0\nkoff = 2*3\nV = -60\nkd = 1e-3\nT_dur = 0.5\nT = 1"
    read = parse(f"{SPELLINGS['arrows']}\nopen = D, 0.5*C1\nrest = C0\n{numbers}")
    assert (read.open, read.rest) == ({"D": 1.0, "C1": 0.5}, "C0")
    assert read.values == {"kon": 5.0, "koff": 6.0, "V": -60.0, "kd": 1e-3, "T_dur": 0.5, "T": 1.0}


@pytest.mark.parametrize("what", READ)
def test_transitions(what):
    """As text; names are as Python reads them: a micro sign is the Greek letter, a subscript a digit."""
    assert [*map(str, parse(READ[what]["text"]).transitions)] == READ[what]["expected"]


def test_a_ligand_that_is_named_and_a_value_of_a_greek_name():
    way = parse("A <-> B : k1*x, k2", ligand="x").transitions[0]
    assert way == Transition("A", "B", Product(1.0, ("k1",)), "x")
    assert parse("A + glu <-> B : k\u00b5, l\nk\u00b5 = 5.0").values == {"k\u03bc": 5.0}


RATES = (
    ("koff + k2", Product(1.0, (), ((Product(1.0, ("koff",)), Product(1.0, ("k2",))),))),
    ("1/tau", Product(1.0, (), (), ((Product(1.0, ("tau",)),),))),
    ("2*a*(b - c)/d/(e + 1)", None),
    ("a*(b + 2*(c - d/e))", None),
    ("3 - a", None),
    ("-a + b*c", None),
    ("0.5*a", Product(0.5, ("a",))),
)


@pytest.mark.parametrize(("text", "expected"), RATES, ids=[text for text, _ in RATES])
def test_rates_as_text_and_back(text, expected):
    """What a rate says of itself is the same rate, of the value that Python gives it."""
    (way, _) = parse(f"A + glu -> B : {text}\nB -> A : k").transitions
    assert str(way.rate) == text
    assert expected is None or way.rate == expected
    values = {name: 1.0 + i / 7 for i, name in enumerate(sorted({*way.rate.parameters}))}
    assert way.rate.of(values) == pytest.approx(eval(text, {}, values), rel=1e-14)
    assert way.rate.may_be_no_rate == ("-" in text or "/" in text)


@pytest.mark.parametrize("text", LIGANDS)
def test_the_ligand_is_found_where_there_is_no_doubt(text):
    given, found = LIGANDS[text].values()
    if " " in found:
        with pytest.raises(ValueError, match=re.escape(found)):
            parse(text, None, given)
        return
    assert {way.ligand for way in parse(text, None, given).transitions if way.binds} == {found}


def test_words_that_python_keeps():
    read = parse("in + glu <-> is : lambda*in_rate, Ru\nopen = 0.5*is\nrest = in\nlambda = 2\nsigned = if, V")
    assert (read.states, read.open, read.rest) == (("in_", "is_"), {"is_": 0.5}, "in_")
    assert read.transitions[0].rate.names == ("lambda_", "in_rate")
    assert (read.values, read.signed) == ({"lambda_": 2.0}, ("if_", "V"))


def test_two_hundred_states():
    text = "S0 + glu <-> S1 : k, l\n" + "\n".join(f"S{i} <-> S{i + 1} : k, l" for i in range(1, 199))
    read = parse(text + "\nCONSERVE " + " + ".join(f"S{i}" for i in range(200)) + " = 1")
    assert len(read.states) == 200
    assert len(read.transitions) == 398


def test_a_line_of_any_length_is_shown_in_part():
    with pytest.raises(ValueError, match="must have a rate of names and numbers") as raised:
        parse("A -> B : " + "(" * 5000)
    assert len(str(raised.value)) < 400


FILE = """
PARAMETER {
    Erev = 0     (mV)
    Rb   = 13e6  (/M /s)
    Ru   = 5.9   (/s)
    beta = 10    (/ms) : opens
}
KINETIC k {
    rb = Rb * C
    ~ C0 <-> C1 (rb, Ru)
    ~ C1 <-> O  (beta, alpha)
}
"""


def test_a_file_may_have_more_parameters_and_other_units():
    """What no transition uses is named, and numbers that are not of ms and mM, unless a factor converts them."""
    unit = "is in {}, but its number is taken as one of ms and mM"
    with pytest.warns(UserWarning, match="passed over|is in /") as said:
        kernel = synkin.scheme(FILE, open="O", alpha=5.0)
    messages = [str(each.message) for each in said]
    assert kernel.Params._fields == ("Rb", "Ru", "beta", "alpha", "T", "T_dur")
    assert [unit.format("/M /s") in messages[0], unit.format("/s") in messages[1]] == [True, True]
    assert messages[2].startswith("The values of `Erev` are passed over, as no transition uses them")
    assert len(messages) == 3
    right = FILE.replace("Rb * C", "Rb * (1e-6) * C").replace("(/s)", "(/ms)").replace("Erev = 0     (mV)", "")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        synkin.scheme(right, open="O", alpha=5.0)
    with pytest.raises(ValueError, match="Rate `Erev` must be used by a transition"):  # outside of the block
        synkin.scheme(f"Erev = 0\n{right}", open="O", alpha=5.0)
