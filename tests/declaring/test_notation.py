"""The notation of schemes: what each spelling says. What it refuses is in `tests/messages`."""

import re

import pytest

from synkin.declaring.scheme_text import Product, Transition, parse

ARROWS = "C0 + glu <-> C1 : 2*kon, koff\nC1 -> D : kd\nD -> C0 : kr"
# The same four transitions.
SPELLINGS = {
    "arrows": ARROWS,
    "spaces and comments": "\n  # all\n\nC0+glu<->C1:2*kon,koff # binds\n\tC1->D :kd\n D  ->  C0:  kr\n\n",
    "the ligand first": "glu + C0 <-> C1 : 2*kon, koff\nC1 -> D : kd\nD -> C0 : kr",
    "the ligand as a factor": "C0 <-> C1 : 2*T*kon, koff\nC1 -> D : kd\nD -> C0 : kr",
    "a number split and in brackets": "C0 + glu <-> C1 : 4*(kon*0.5), koff\nC1 -> D : kd\nD -> C0 : kr",
    "NMODL": "~ C0 <-> C1 (2*kon*T, koff)\n~ C1 -> D (kd)\n~ D -> C0 (kr)",
    "NMODL with a ligand beside": "~ C0 + glu <-> C1 (2*kon, koff)\n~ C1 -> D (kd)\n~ D -> C0 (kr)",
    "a block of NMODL": """
        KINETIC kstates {  : states
            : what binds, (1e3) as there are units
            rb = 2e-3*kon * (1e3) * T : /ms
            ~ C0 <-> C1 (rb, koff) : first
            ~ C1 -> D   (kd)
            ~ D  -> C0  (kr)   # back
            CONSERVE C0 + C1 + D = 1
        }
    """,
    "products with names": "rb = 2*bind\nbind = kon*glu\nC0 <-> C1 : rb, koff\nC1 -> D : kd\nD -> C0 : kr",
    "the other way round": "C1 <-> C0 + glu : koff, 2*kon\nC1 -> D : kd\nD -> C0 : kr",
}


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
    read = parse(f"{ARROWS}\nopen = D, 0.5*C1\nrest = C0\n{numbers}")
    assert (read.open, read.rest) == ({"D": 1.0, "C1": 0.5}, "C0")
    assert read.values == {"kon": 5.0, "koff": 6.0, "V": -60.0, "kd": 1e-3, "T_dur": 0.5, "T": 1.0}


# Transitions as text.
READ = {
    "numbers as rates": (
        "A + glu <-> B : 2, 0.5\nB <-> C : 0, 3*k*k",
        *("A + glu -> B : 2", "B -> A : 0.5", "B -> C : 0", "C -> B : 3*k*k"),
    ),
    "a ligand that leaves does nothing, one that stays drives, as a catalyst": (
        "A + glu -> B : on\nB -> A + glu : off\nB + glu -> C + glu : on2\nC -> B : off2",
        *("A + glu -> B : on", "B -> A : off", "B + glu -> C : on2", "C -> B : off2"),
    ),
    "the ligand is what every pair has": (
        "glu + A <-> B : k1, k2\nB + glu <-> C : k1, k2",
        *("A + glu -> B : k1", "B -> A : k2", "B + glu -> C : k1", "C -> B : k2"),
    ),
    "a state that is called as a factor would be": ("A + glu <-> T : k, l", "A + glu -> T : k", "T -> A : l"),
    "numbers are added up and names spelled out": (
        "A + glu -> B : (1 + a + 2)*s/4\nB -> A : k/(2*r)\ns = a + b\nr = a/3\na = 2.0",
        *("A + glu -> B : 0.25*(a + b)*(3 + a)", "B -> A : 1.5*k/a"),
    ),
    "a rate with and without the ligand is two": (
        "A <-> B : on*(T + w) + k0, off",
        *("A + T -> B : on", "A -> B : on*w + k0", "B -> A : off"),
    ),
    "parallel transitions stay apart": (
        "A + glu <-> B : k, l\nA + glu -> B : m",
        *("A + glu -> B : k", "B -> A : l", "A + glu -> B : m"),
    ),
    # As attributes and keyword arguments are: a micro sign is the Greek letter, a subscript a digit.
    "names as Python reads them": ("C\u2080 + glu <-> C1 : k\u00b5, α", "C0 + glu -> C1 : k\u03bc", "C1 -> C0 : α"),
}


@pytest.mark.parametrize("what", READ)
def test_transitions(what):
    text, *expected = READ[what]
    assert [*map(str, parse(text).transitions)] == expected


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


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("A <-> B : Rb*T, Ru*C", ("Rb", "Ru"), "T"),
        ("A <-> B : Rb*C, Ru", ("Rb", "Ru"), "C"),
        ("A <-> B : GLU, Ru", ("Ru",), "GLU"),
        ("A <-> B : Rb*C*q, Ru", ("Rb",), "C"),  # of which q has no value, as others will say
        ("A <-> B : Rb*Cx*q, Ru*q", ("Rb", "Ru"), "Cx"),  # q drives both ways
        ("A <-> B : Rb*Cx, Ru\nB <-> D : kd*w, kr", ("Rb", "Ru", "kd", "kr"), "Cx"),  # w does not lead out of rest
        ("A <-> B : 1e3*Cx, Ru\nCx2 = 5", ("Ru",), "Cx"),
        ("A <-> B : Rb*P*Q, Ru", ("Rb", "Ru"), "may be `P` or `Q` here: ligand='P', say"),
        ("A <-> B : glu*C*Rb, Ru", ("Rb", "Ru"), "may be `glu` or `C` here"),
        ("A <-> B : Rb*X, tr", ("Rb", "X"), "but has none: ligand=... names it"),  # nor one that leads back to rest
        ("A <-> B : c, d", ("d",), "but has none: ligand=... names it"),
        ("B <-> A : off, Rb*C\nrest = A", ("Rb", "off"), "C"),
        ("A <-> B : Rb, Ru", ("Ru",), "but has none: ligand=... names it"),  # a rate without a value is no ligand
    ],
)
def test_the_ligand_is_found_where_there_is_no_doubt(text, given, expected):
    if " " in expected:
        with pytest.raises(ValueError, match=re.escape(expected)):
            parse(text, None, given)
        return
    assert {way.ligand for way in parse(text, None, given).transitions if way.binds} == {expected}


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
