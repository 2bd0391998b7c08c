"""The text of a kinetic scheme, parsed into states and transitions. `synkin.scheme` makes a kernel of them.

Each line has one transition, in either notation. A ligand that binds stands beside the state, or is a factor of the
rate:

    C0 + glu <-> C1 : 2*kon, koff       # forward and backward rate
    C1 -> D : kd                        # one way
    ~ C1 <-> C2 (kon*glu, 2*koff)       # the notation of NMODL
    CONSERVE C0 + C1 + C2 + D + O = 1   # only checked

A line ``kon = 5.0`` gives a rate its value, ``rb = 2*kon*glu`` gives a product a name, ``open = O1, 0.5*O2`` lists the
states that conduct, and ``rest = C0`` is the state at rest. The text is parsed and never executed.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, NamedTuple

from synkin.arguments import fields
from synkin.declaring import expression, statements
from synkin.declaring.expression import Product, own_names
from synkin.declaring.statements import ARROW

# The name of the transmitter as a factor of a rate, where no ligand stands beside a state.
TRANSMITTER = "T"
# Parameters of the pulse. They are no factors of rates, which would then act without transmitter too.
PULSE = (TRANSMITTER, "T_dur")
# Names that published files use for a transmitter, in lower case; the short ones may also be names of rates.
_SHORT = {"c", "l", "tr", "conc"}
_LIGANDS = {
    *("ligand", "agonist", "trans", "transmitter", "xmtr", *_SHORT),
    *("ach", "gaba", "glu", "glut", "glutamate", "gly", "glycine"),
}

# The end of the messages for rates that are not products of numbers and names.
_HELD = "its value at the held voltage, or a function of the parameters"

_NMODL = re.compile(r"^~\s*(?P<sides>[^(]*?)\s*\((?P<rates>.*)\)$")
_CALL = re.compile(r"^\w+\s*\(.*\)$")
_ASSIGNED = re.compile(r"^(?P<name>\w+)\s*=\s*(?P<value>[^=]+)$")
# A factor between units, as NMODL has them.
_CONVERTS = re.compile(r"\(\s*[\d.]+(?:[eE][-+]?\d+)?\s*\)")
_OPTIONS = ("open", "rest")
# These are options if names follow, else values.
_OPTIONS_OF_NAMES = ("ligand", "signed")


@fields.described
class Transition(NamedTuple):
    """A transition from one state to another."""

    source: Annotated[str, "the state that it leaves"]
    target: Annotated[str, "the state that it leads to"]
    rate: Annotated[Product, "products and sums of numbers and parameters", "/ms, or /ms/mM where it binds"]
    ligand: Annotated[str | None, "the transmitter's name in the text if the transition binds it, else None"]

    @property
    def binds(self) -> bool:
        """Whether it binds transmitter."""
        return self.ligand is not None

    def __str__(self) -> str:
        return f"{self.source}{f' + {self.ligand}' if self.binds else ''} -> {self.target} : {self.rate}"

    def __repr__(self) -> str:
        return str(self)


class Notation(NamedTuple):
    """The content of a text."""

    states: tuple[str, ...]  # in the order of the text
    transitions: tuple[Transition, ...]
    lines: tuple[str, ...]  # the line of each transition, for messages
    values: dict[str, float]  # of all names with a value
    open: dict[str, float] | None
    rest: str | None
    signed: tuple[str, ...]
    calls: tuple[str, ...]  # messages on calls of procedures, which are not executed
    unused: tuple[str, ...]  # messages on products that no transition uses, and on units that are not ms and mM
    spare: frozenset[str]  # names in such products, and in values that `given` replaces
    in_parameters: frozenset[str]  # names with a value in a PARAMETER block, which may have more than the scheme needs
    others: tuple[str, ...] = ()  # ligands besides the transmitter, whose concentrations are parameters


class _Arrow(NamedTuple):
    line: str
    left: tuple[str, ...]
    right: tuple[str, ...]
    rates: tuple[str | None, str | None]  # forward and backward


class _Way(NamedTuple):
    """One direction of an arrow, with the products in its rate written out."""

    line: str
    source: str
    target: str
    beside: bool  # whether the ligand stands beside the source
    rate: Product


def parse(text: str, ligand: str | None = None, given: Collection[str] = (), rest: str | None = None) -> Notation:
    """The states and transitions of a text.

    Args:
        text: the lines.
        ligand: the name of the transmitter in the text; by default the name beside states, or the only factor of rates
            that can be it.
        given: names whose values are given elsewhere and replace those in the text.
        rest: the state at rest, if it is given elsewhere.

    Raises:
        ValueError: a line in none of the forms above, two ligands, no ligand that binds, or states that no path joins.
    """
    arrows: list[_Arrow] = []
    conserved: list[tuple[str, str]] = []
    calls: list[str] = []
    assigned: dict[str, tuple[str, str]] = {}
    said = statements.read(normal(text))
    expression.check_names(statement.text for statement in said)
    for where, line, _, _ in said:
        if line.startswith("CONSERVE"):
            conserved.append((where, line.removeprefix("CONSERVE").strip()))
        elif (found := _ASSIGNED.match(line)) and not ARROW.search(line):
            name = own_names(found["name"])
            if name in assigned:
                raise ValueError(f"{where} must not give `{found['name']}` a second time, but does.")
            assigned[name] = where, found["value"].strip()
        elif _CALL.match(line):
            calls.append(f"{where} calls a procedure")
        else:
            arrows.append(_arrow(where, line))
    if not arrows:
        raise ValueError("A scheme must have a transition, such as `A <-> B : forward, backward`, but has none.")
    options = {name: assigned.pop(name) for name in _OPTIONS if name in assigned}
    for name in _OPTIONS_OF_NAMES:
        if name in assigned and all(part.strip().isidentifier() for part in _split(assigned[name][1])):
            options[name] = assigned.pop(name)
    named_ligand = own_names(ligand or options.get("ligand", ("", ""))[1]) or None
    others = _other_ligands(arrows, named_ligand, {*given, *assigned})
    arrows = [_without_ligands(arrow, others) for arrow in arrows]
    ligand = _ligand(arrows, named_ligand)
    states = _states(arrows, ligand)
    written = {
        name: expression.product(where, value, f": give {name}=... instead, {_HELD}")
        for name, (where, value) in assigned.items()
        if name not in given
    }
    values = {name: product.factor for name, product in written.items() if not product.parameters}
    named = {name: product for name, product in written.items() if product.parameters}
    used = set[str]()
    ways = [way for arrow in arrows for way in _ways(arrow, states, named, used)]
    if rest is None and "rest" in options:
        rest = own_names(options["rest"][1])
    if ligand is None:
        ligand = _among_factors(ways, states, {*values, *given}, rest if rest in states else states[0])
    elif ligand not in PULSE and (ligand in values or ligand in given):
        raise ValueError(
            f"A scheme must give its ligand `{ligand}` no value, as its concentration is T=..., but gives it one."
        )
    transitions, lines = [], []
    for way in ways:
        for transition in _transitions(way, ligand, states):
            transitions.append(transition)
            lines.append(way.line)
    _check_joined(states, transitions)
    for where, sum_ in conserved:
        _check_conserved(where, sum_, states)
    if not any(transition.binds for transition in transitions):
        raise ValueError(
            "A scheme must have a transition that binds transmitter, such as "
            f"`{states[0]} + {ligand} <-> {states[1]} : kon, koff`, but has none: ligand=... names it, if it is a "
            "factor of rates."
        )
    return Notation(
        states=states,
        transitions=tuple(transitions),
        lines=tuple(lines),
        values=values,
        open=_open(*options["open"], states) if "open" in options else None,
        rest=rest,
        signed=tuple(own_names(name.strip()) for name in _split(options.get("signed", ("", ""))[1]) if name),
        calls=tuple(calls),
        unused=tuple(
            f"{assigned[name][0]} is passed over, as no transition has `{name}`: a published file may have meant it in "
            "a transition where another rate stands."
            for name in named
            if name not in used
        )
        + _foreign_units(said, values),
        spare=frozenset(
            word
            for name, (_, value) in assigned.items()
            if name in given or (name in named and name not in used)
            for word in re.findall(r"\w+", own_names(value))
        ),
        in_parameters=frozenset(
            own_names(found["name"]) for each in said if each.in_parameters and (found := _ASSIGNED.match(each.text))
        ),
        others=others,
    )


def _foreign_units(said: Sequence[statements.Statement], values: Collection[str]) -> tuple[str, ...]:
    """Messages on numbers whose unit is not of ms and mM, where no factor such as ``(1e3)`` converts them."""
    found = []
    for each in said:
        assigned = _ASSIGNED.match(each.text)
        if not each.unit or assigned is None or own_names(assigned["name"]) not in values:
            continue
        name = assigned["name"]
        uses = [other.text for other in said if re.search(rf"\b{re.escape(name)}\b", other.text) and other is not each]
        if any(not _CONVERTS.search(use) for use in uses):
            found.append(
                f"{each.where} is in {each.unit}, but its number is taken as one of ms and mM: convert it, as "
                "1e6 /M /s are 1 /mM /ms, and 100 /s are 0.1 /ms."
            )
    return tuple(found)


def _other_ligands(arrows: Sequence[_Arrow], ligand: str | None, valued: Collection[str]) -> tuple[str, ...]:
    """The names beside states that have a value, their concentration, where the transmitter is named."""
    sides = [side for arrow in arrows for side in (arrow.left, arrow.right)]
    alone = {side[0] for side in sides if len(side) == 1}
    beside = dict.fromkeys(name for side in sides if len(side) == 2 for name in side if name not in alone)
    return tuple(name for name in beside if name in valued and name != ligand) if ligand else ()


def _without_ligands(arrow: _Arrow, others: Collection[str]) -> _Arrow:
    """An arrow in which ligands that are no transmitter are factors of the rates, and not beside states."""
    sides, rates = [], []
    for side, rate in zip((arrow.left, arrow.right), arrow.rates, strict=True):
        binding = [name for name in side if name in others]
        sides.append(tuple(name for name in side if name not in others))
        rates.append(rate if rate is None or not binding else f"({rate})*{binding[0]}")
    return arrow._replace(left=sides[0], right=sides[1], rates=(rates[0], rates[1]))


def _ways(arrow: _Arrow, states: Collection[str], named: Mapping[str, Product], used: set[str]) -> list[_Way]:
    """One or both directions of an arrow; the names of products that they use are added to ``used``."""
    one, other = (next(name for name in side if name in states) for side in (arrow.left, arrow.right))
    if one == other:
        raise ValueError(f"{arrow.line} must lead from one state to another, but stays in {one}.")
    ways = []
    for side, source, target, text in (
        (arrow.left, one, other, arrow.rates[0]),
        (arrow.right, other, one, arrow.rates[1]),
    ):
        if text is not None:
            rate = expression.product(arrow.line, text, f": put a name in its place, and give that {_HELD}")
            spelled = expression.spelled_out(arrow.line, rate, named, used)
            ways.append(_Way(arrow.line, source, target, len(side) > 1, spelled))
    return ways


def _transitions(way: _Way, ligand: str, states: Collection[str]) -> list[Transition]:
    """The transitions of one direction: two if its rate is the sum of a part with the ligand and one without."""
    bound, free = expression.without(way.line, way.rate, ligand)
    if way.beside and bound is not None:
        raise ValueError(f"{way.line} must have its ligand once, but has it twice.")
    if way.beside:
        bound, free = free, None
    found = []
    for rate, own in ((bound, ligand), (free, None)):
        if rate is None:
            continue
        for name in rate.parameters:
            if name in states:
                raise ValueError(f"{way.line} must have a rate that contains no state, but has `{name}`.")
            if name in PULSE:
                raise ValueError(f"{way.line} must have {ligand} as its ligand, but has `{name}` in a rate.")
        if rate.factor < 0 and not rate.is_sum:
            raise ValueError(f"{way.line} must have rates that are not negative, but has `{rate}`.")
        found.append(Transition(way.source, way.target, rate, own))
    return found


def _among_factors(ways: list[_Way], states: Collection[str], valued: Collection[str], rest: str) -> str:
    """The factor of rates that is the transmitter, if only one can be.

    It is T, if that is a factor. Else it has no value, is in a rate that leads out of rest, and is not in both rates of
    a pair of states. Of such names it is the one that is usual for a transmitter, or else the only one that always
    multiplies something.

    Raises:
        ValueError: several names can be the transmitter.
    """
    driven: dict[str, list[_Way]] = {}
    for way in ways:
        for name in dict.fromkeys(way.rate.parameters):
            driven.setdefault(name, []).append(way)
    if TRANSMITTER in driven:
        return TRANSMITTER
    may_be = [
        name
        for name, found in driven.items()
        if name not in valued
        and name not in states
        and any(way.source == rest for way in found)
        and not _both_ways(found)
    ]
    factors = [
        name for name in may_be if all(len(way.rate.parameters) > 1 or way.rate.factor != 1 for way in driven[name])
    ]
    called_so = [name for name in may_be if name.lower() in (_LIGANDS if name in factors else _LIGANDS - _SHORT)]
    found = called_so or factors
    if len(found) == 1:
        return found[0]
    if not found:
        return TRANSMITTER
    listed = " or ".join(f"`{name}`" for name in found)
    raise ValueError(
        f"A scheme must have one transmitter that binds, but that may be {listed} here: ligand={found[0]!r}, say, "
        "tells which."
    )


def _both_ways(ways: list[_Way]) -> bool:
    pairs = {(way.source, way.target) for way in ways}
    return any(pair[::-1] in pairs for pair in pairs)


def normal(text: str) -> str:
    """The text with names as Python normalises them: a micro sign becomes the Greek letter, and C₀ becomes C0."""
    return unicodedata.normalize("NFKC", text)


def _arrow(where: str, line: str) -> _Arrow:
    """The two sides of a transition and its rates."""
    nmodl = _NMODL.match(line)
    if nmodl:
        sides, rates = nmodl["sides"], nmodl["rates"]
    else:
        sides, colon, rates = line.removeprefix("~").partition(":")
        if ARROW.search(sides) and not colon:
            raise ValueError(f"{where} must have rates, as in `A <-> B : forward, backward`, but has none.")
    found = ARROW.findall(sides)
    if len(found) != 1 or found[0] not in ("<->", "->"):
        came = "no arrow" if not found else " and ".join(f"`{arrow}`" for arrow in found)
        raise ValueError(f"{where} must have one arrow, `<->` or `->`, but has {came}.")
    left, right = (_terms(where, side) for side in sides.split(found[0]))
    given = [rate.strip() for rate in _split(rates)]
    expected = 2 if found[0] == "<->" else 1
    if len(given) != expected or not all(given):
        wanted = "two rates, forward and backward," if expected == 2 else "one rate"
        count = len([*filter(None, given)])
        raise ValueError(f"{where} must have {wanted} as its arrow is `{found[0]}`, but has {count}.")
    return _Arrow(where, left, right, (given[0], given[1] if expected == 2 else None))


def _split(rates: str) -> list[str]:
    """The parts between commas that are not within parentheses."""
    parts, depth = [""], 0
    for sign in rates:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _terms(where: str, side: str) -> tuple[str, ...]:
    terms = tuple(own_names(term.strip()) for term in side.split("+"))
    for term in terms:
        if not term.isidentifier():
            came = f"`{term}`" if term else "nothing"
            raise ValueError(f"{where} must have names of states, such as C1, on both sides, but has {came}.")
    if len(terms) > 2:
        raise ValueError(f"{where} must have one state a side and one ligand at most, but has {' + '.join(terms)}.")
    return terms


def _ligand(arrows: list[_Arrow], given: str | None) -> str | None:
    """The name that stands beside a state wherever two names are added; None if there are no such pairs."""
    pairs = [(arrow.line, side) for arrow in arrows for side in (arrow.left, arrow.right) if len(side) == 2]
    if given is not None or not pairs:
        return given
    alone = {side[0] for arrow in arrows for side in (arrow.left, arrow.right) if len(side) == 1}
    candidates = [name for name in reversed(pairs[0][1]) if name not in alone]
    shared = [name for name in candidates if all(name in side for _, side in pairs)]
    if shared:
        return shared[0]
    first = candidates[0] if candidates else pairs[0][1][1]
    where, side = next((where, side) for where, side in pairs if first not in side)
    raise ValueError(f"{where} must have the ligand of the others, {first}, but has {' + '.join(side)}.")


def _states(arrows: list[_Arrow], ligand: str | None) -> tuple[str, ...]:
    states: dict[str, None] = {}
    for arrow in arrows:
        for side in (arrow.left, arrow.right):
            own = [name for name in side if name != ligand]
            if len(own) != 1:
                came = " + ".join(side)
                raise ValueError(
                    f"{arrow.line} must have one state a side, and the ligand {ligand}, but has {came}: a "
                    "second ligand needs a value, its concentration in mM."
                )
            states[own[0]] = None
    return tuple(states)


def _open(where: str, text: str, states: Iterable[str]) -> dict[str, float]:
    weights = {}
    for part in _split(text):
        product = expression.product(where, part)
        if len(product.parameters) != 1 or product.parameters != product.names or product.names[0] not in states:
            raise ValueError(f"{where} must name states, or numbers times states, but has `{part.strip()}`.")
        if product.names[0] in weights:
            raise ValueError(f"{where} must name each state once, but has {product.names[0]} twice.")
        weights[product.names[0]] = product.factor
    return weights


def _check_joined(states: tuple[str, ...], transitions: list[Transition]) -> None:
    joined, left = {states[0]}, list(transitions)
    while True:
        more = {t.source for t in left if t.target in joined} | {t.target for t in left if t.source in joined}
        if more <= joined:
            break
        joined |= more
    apart = [state for state in states if state not in joined]
    if apart:
        raise ValueError(
            f"States of a scheme must be joined by transitions, but no path joins `{states[0]}` and `{apart[0]}`."
        )


def _check_conserved(where: str, said: str, states: tuple[str, ...]) -> None:
    sum_, _, total = said.partition("=")
    named = {own_names(term.strip()) for term in sum_.split("+")}
    for name in sorted(named - {*states}):
        raise ValueError(f"{where} must name states of the scheme, but has `{name}`.")
    missing = [state for state in states if state not in named]
    try:
        is_one = expression.product(where, total) == Product(1.0, ())
    except ValueError:
        is_one = False
    if missing or not is_one:
        ends = f"ends in `{total.strip()}`" if total else "has no total"
        came = f"leaves out {missing[0]}" if missing else ends
        raise ValueError(f"{where} must say that all states add up to 1, but {came}.")
