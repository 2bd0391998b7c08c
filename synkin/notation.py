"""A kinetic scheme as it is written down: from text to states and transitions. `synkin.scheme` makes a kernel of them.

One transition a line, in either spelling; a ligand that binds stands beside the state, or as a factor of the rate:

    C0 + glu <-> C1 : 2*kon, koff       # forward and backward rate
    C1 -> D : kd                        # one way
    ~ C1 <-> C2 (kon*glu, 2*koff)       # as NMODL has it
    CONSERVE C0 + C1 + C2 + D + O = 1   # checked, and otherwise not needed

A line ``kon = 5.0`` gives a rate its value, ``rb = 2*kon*glu`` a product a name, ``open = O1, 0.5*O2`` says what
conducts, ``rest = C0`` where a receptor rests. Text is parsed and never run.
"""

import ast
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Annotated, NamedTuple

from synkin import fields

# What names a factor of a rate that is the transmitter, where no ligand stands beside a state.
TRANSMITTER = "T"
# The pulse's own: a rate that had one of them as a number would be there without transmitter, too.
PULSE = (TRANSMITTER, "T_dur")

_BLOCK = re.compile(r"^(KINETIC\s+\w+\s*)?[{}]?$")
_NMODL = re.compile(r"^~\s*(?P<sides>[^(]*?)\s*\((?P<rates>.*)\)$")
_ARROW = re.compile(r"<->|->|<-|=>|⇌|→")
_ASSIGNED = re.compile(r"^(?P<name>\w+)\s*=\s*(?P<value>[^=]+)$")


@fields.described
class Product(NamedTuple):
    """A number times names, such as ``2*kon``."""

    factor: Annotated[float, "the number"]
    names: Annotated[tuple[str, ...], "of the rates that it is multiplied with"]

    def __str__(self) -> str:
        number = [f"{self.factor:.12g}"] if self.factor != 1 or not self.names else []
        return "*".join([*number, *self.names])


@fields.described
class Transition(NamedTuple):
    """A way from one state to another."""

    source: Annotated[str, "the state that it leaves"]
    target: Annotated[str, "the state that it leads to"]
    rate: Annotated[Product, "a product of numbers and parameters", "/ms, or /ms/mM where it binds"]
    ligand: Annotated[str | None, "what it binds, as the text calls it: the transmitter, or None"]

    @property
    def binds(self) -> bool:
        """Whether it is driven by transmitter."""
        return self.ligand is not None

    def __str__(self) -> str:
        return f"{self.source}{f' + {self.ligand}' if self.binds else ''} -> {self.target} : {self.rate}"

    def __repr__(self) -> str:
        return str(self)


class Notation(NamedTuple):
    """What a text says."""

    states: tuple[str, ...]  # in the order of the text
    transitions: tuple[Transition, ...]
    lines: tuple[str, ...]  # where each transition stands, for messages
    values: dict[str, float]  # of all names that were given one
    open: dict[str, float] | None
    rest: str | None


class _Arrow(NamedTuple):
    line: str
    left: tuple[str, ...]
    right: tuple[str, ...]
    rates: tuple[str | None, str | None]  # forward and backward


def parse(text: str, ligand: str | None = None) -> Notation:
    """The states and transitions of a text.

    Args:
        text: the lines.
        ligand: the name of the transmitter in it; by default what stands beside states.

    Raises:
        ValueError: a line that is none of those above, two ligands or none that binds, states that no path joins.
    """
    text = normal(text)
    arrows: list[_Arrow] = []
    conserved: list[tuple[str, str]] = []
    assigned: dict[str, tuple[str, str]] = {}
    for number, raw in enumerate(text.splitlines(), 1):
        line = _without_comment(raw)
        where = f"Line {number} of the scheme, `{line:.80}`,"
        if _BLOCK.match(line):
            continue
        if line.startswith("CONSERVE"):
            conserved.append((where, line.removeprefix("CONSERVE").strip()))
        elif (found := _ASSIGNED.match(line)) and not _ARROW.search(line):
            if found["name"] in assigned:
                raise ValueError(f"{where} must not give `{found['name']}` again, but does.")
            assigned[found["name"]] = where, found["value"].strip()
        else:
            arrows.append(_arrow(where, line))
    if not arrows:
        raise ValueError("A scheme must have a transition, such as `A <-> B : forward, backward`, but has none.")
    ligand = _ligand(arrows, ligand)
    states = _states(arrows, ligand)
    options = {name: assigned.pop(name) for name in ("open", "rest") if name in assigned}
    products = {name: _product(where, value) for name, (where, value) in assigned.items()}
    values = {name: product.factor for name, product in products.items() if not product.names}
    named = {name: product for name, product in products.items() if product.names}
    transitions, lines, used = [], [], set[str]()
    for arrow in arrows:
        one, other = (next(name for name in side if name in states) for side in (arrow.left, arrow.right))
        if one == other:
            raise ValueError(f"{arrow.line} must lead from one state to another, but stays in {one}.")
        ways = (arrow.left, one, other), (arrow.right, other, one)
        for (side, source, target), rate in zip(ways, arrow.rates, strict=True):
            if rate is None:
                continue
            factors = _spelled_out(arrow.line, _product(arrow.line, rate), named, used)
            binds = [*(name for name in side if name not in states), *(n for n in factors.names if n == ligand)]
            if len(binds) > 1:
                raise ValueError(f"{arrow.line} must have its ligand once, but has it twice.")
            product = factors._replace(names=tuple(name for name in factors.names if name != ligand))
            for name in product.names:
                if name in states:
                    raise ValueError(f"{arrow.line} must have a rate that contains no state, but has `{name}`.")
                if name in PULSE:
                    raise ValueError(f"{arrow.line} must have {ligand} as what binds, but has `{name}` in a rate.")
            if product.factor < 0:
                raise ValueError(f"{arrow.line} must have rates that are not negative, but has `{product}`.")
            transitions.append(Transition(source, target, product, ligand if binds else None))
            lines.append(arrow.line)
    _check_joined(states, transitions)
    for where, said in conserved:
        _check_conserved(where, said, states)
    for name in named:
        if name not in used:
            raise ValueError(f"{assigned[name][0]} must name a product that is used, but no transition has `{name}`.")
    if not any(transition.binds for transition in transitions):
        raise ValueError(
            "A scheme must have a transition that binds transmitter, such as "
            f"`{states[0]} + {ligand} <-> {states[1]} : kon, koff`, but has none."
        )
    opened = _open(*options["open"], states) if "open" in options else None
    return Notation(states, tuple(transitions), tuple(lines), values, opened, options.get("rest", (None, None))[1])


def normal(text: str) -> str:
    """Names as Python reads them: a micro sign is the Greek letter there, and C₀ is C0."""
    return unicodedata.normalize("NFKC", text)


def _without_comment(raw: str) -> str:
    """A line without what follows a "#" or, as in NMODL, a ":" other than that between a transition and its rates."""
    line = raw.split("#", 1)[0].strip()
    before, _, _ = line.partition(":")
    rates_follow = _ARROW.search(before) and not line.startswith("~")
    return line if rates_follow else before.strip()


def _arrow(where: str, line: str) -> _Arrow:
    """The two sides of a transition and its rates."""
    nmodl = _NMODL.match(line)
    if nmodl:
        sides, rates = nmodl["sides"], nmodl["rates"]
    else:
        sides, colon, rates = line.removeprefix("~").partition(":")
        if _ARROW.search(sides) and not colon:
            raise ValueError(f"{where} must have rates, as in `A <-> B : forward, backward`, but has none.")
    found = _ARROW.findall(sides)
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
    return rates.split(",")


def _terms(where: str, side: str) -> tuple[str, ...]:
    terms = tuple(term.strip() for term in side.split("+"))
    for term in terms:
        if not term.isidentifier():
            came = f"`{term}`" if term else "nothing"
            raise ValueError(f"{where} must have names of states, such as C1, on both sides, but has {came}.")
    if len(terms) > 2:
        raise ValueError(f"{where} must have one state a side and one ligand at most, but has {' + '.join(terms)}.")
    return terms


def _ligand(arrows: list[_Arrow], given: str | None) -> str:
    """The name of the transmitter: what stands beside a state in every pair."""
    pairs = [(arrow.line, side) for arrow in arrows for side in (arrow.left, arrow.right) if len(side) == 2]
    if given is not None or not pairs:
        return given or TRANSMITTER
    alone = {side[0] for arrow in arrows for side in (arrow.left, arrow.right) if len(side) == 1}
    candidates = [name for name in reversed(pairs[0][1]) if name not in alone]
    shared = [name for name in candidates if all(name in side for _, side in pairs)]
    if shared:
        return shared[0]
    first = candidates[0] if candidates else pairs[0][1][1]
    where, side = next((where, side) for where, side in pairs if first not in side)
    raise ValueError(f"{where} must have the ligand of the others, {first}, but has {' + '.join(side)}.")


def _states(arrows: list[_Arrow], ligand: str) -> tuple[str, ...]:
    states: dict[str, None] = {}
    for arrow in arrows:
        for side in (arrow.left, arrow.right):
            own = [name for name in side if name != ligand]
            if len(own) != 1:
                came = " + ".join(side)
                raise ValueError(f"{arrow.line} must have one state a side, and the ligand {ligand}, but has {came}.")
            states[own[0]] = None
    return tuple(states)


def _product(where: str, text: str) -> Product:
    """A product of names and numbers, parsed and never run."""

    def read(node: ast.AST) -> Product:
        if isinstance(node, ast.Name):
            return Product(1.0, (node.id,))
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return Product(float(node.value), ())
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            found = read(node.operand)
            return found._replace(factor=-found.factor)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            one, other = read(node.left), read(node.right)
            return Product(one.factor * other.factor, one.names + other.names)
        raise SyntaxError

    try:
        found = read(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(
            f"{where} must have a product of names and numbers, such as 2*kon, but has `{text.strip():.80}`."
        ) from None
    if not math.isfinite(found.factor):
        raise ValueError(f"{where} must have finite numbers, but has `{text.strip():.80}`.")
    return found


def _spelled_out(
    where: str, product: Product, named: Mapping[str, Product], used: set[str], inside: tuple[str, ...] = ()
) -> Product:
    """A product in which names of other products are replaced by these, which are added to ``used``."""
    factor, names = product.factor, list[str]()
    for name in product.names:
        if name in inside:
            raise ValueError(f"{where} must have a rate that is not its own factor, but `{name}` is.")
        if name not in named:
            names.append(name)
            continue
        used.add(name)
        part = _spelled_out(where, named[name], named, used, (*inside, name))
        factor *= part.factor
        names += part.names
    return Product(factor, tuple(names))


def _open(where: str, text: str, states: Iterable[str]) -> dict[str, float]:
    weights = {}
    for part in _split(text):
        product = _product(where, part)
        if len(product.names) != 1 or product.names[0] not in states:
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
    named = {term.strip() for term in sum_.split("+")}
    for name in sorted(named - {*states}):
        raise ValueError(f"{where} must name states of the scheme, but has `{name}`.")
    missing = [state for state in states if state not in named]
    try:
        is_one = float(total) == 1
    except ValueError:
        is_one = False
    if missing or not is_one:
        ends = f"ends in `{total.strip()}`" if total else "has no total"
        came = f"leaves out {missing[0]}" if missing else ends
        raise ValueError(f"{where} must say that all states add up to 1, but {came}.")
