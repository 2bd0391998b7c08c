"""The statements in a scheme's text, or in a KINETIC or PARAMETER block of NMODL.

Comments, units after numbers and declarations of names are removed, and statements over several lines are joined.
"""

import re
from typing import NamedTuple

ARROW = re.compile(r"<->|->|<-|=>|<<|⇌|→")

_BEGINS = re.compile(r"^(?:(?:KINETIC\s+\w+|PARAMETER)\b\s*)?(?:\{\s*)?")
_DECLARES = re.compile(r"^(LOCAL\b|UNITSON$|UNITSOFF$)")
# A number, and its unit in parentheses; in a PARAMETER block also the range of its value.
_UNIT = re.compile(
    r"(?<![\w.])((?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
    r"\s*\(\s*(?:1(?!\w)\s*)?(?:[/A-Za-zµμ%][\w\s/*^.%-]*)?\)"
)
# What is neither per ms nor per mM, in such a unit.
_FOREIGN = re.compile(r"(?<![A-Za-zµμ])(?:[unµμ]?M|molar|[uµμ]?s|sec(?:onds?)?|min)(?![A-Za-z])")
_PARAMETER, _KINETIC = re.compile(r"^PARAMETER\b"), re.compile(r"^KINETIC\b")
_RANGE = re.compile(r"<\s*[-+.\deE]+\s*,\s*[-+.\deE]+\s*>\s*$")
# What follows these words if they are names of states.
_NO_STATE = r"\b(?!\s*(<|=|->|\+))"
_CODE = re.compile(r"^\}?\s*(IF|ELSE|WHILE|FROM|TABLE|VERBATIM|SOLVE|COMPARTMENT|LONGITUDINAL_DIFFUSION)" + _NO_STATE)
_BLOCK = re.compile(
    r"^(NEURON|UNITS|STATE|ASSIGNED|CONSTANT|INITIAL|BREAKPOINT|DERIVATIVE|LINEAR|NONLINEAR|PROCEDURE|FUNCTION|"
    r"FUNCTION_TABLE|NET_RECEIVE|INDEPENDENT|TITLE|DEFINE)" + _NO_STATE
)
_NAMED = re.compile(r"^\w+\s*=")
_GOES_ON, _WENT_ON = re.compile(r"([-+*/=,(]|<->|->)$"), re.compile(r"^([-+*/=,)]|<->)")


class Statement(NamedTuple):
    """A transition, an assignment, a CONSERVE or a call."""

    where: str  # the line, for messages
    text: str
    in_parameters: bool  # whether it stands in a PARAMETER block
    unit: str  # the unit behind its number, if that is not of ms and mM


class _Line(NamedTuple):
    number: int
    shown: str
    text: str
    in_parameters: bool
    unit: str


def read(text: str) -> list[Statement]:
    """The statements of a text.

    Raises:
        ValueError: code that is not run, a block of another kind, a comment without an end.
    """
    joined: list[_Line] = []
    for line in _lines(text):
        if joined and _goes_on(joined[-1].text, line.text):
            before = joined.pop()
            shown, text = f"{before.shown} {line.shown}", f"{before.text} {line.text}"
            joined.append(before._replace(shown=shown, text=text))
        else:
            joined.append(line)
    return [
        Statement(_where(line.number, line.shown), part.strip(), line.in_parameters, line.unit)
        for line in joined
        if not _DECLARES.match(line.text)
        for part in re.split(r"(?<=.)(?=~)", line.text)
    ]


def _lines(text: str) -> list[_Line]:
    lines: list[_Line] = []
    opened: str | None = None  # the line in which the current comment began
    in_parameters = False
    for number, raw in enumerate(text.splitlines(), 1):
        first = raw.split(None, 1)[0] if raw.strip() else ""
        if opened is not None:
            opened = None if first == "ENDCOMMENT" else opened
            continue
        shown = _without_comment(raw)
        if first == "COMMENT":
            opened = _where(number, shown)
            continue
        in_parameters = bool(_PARAMETER.match(shown)) or (in_parameters and not _KINETIC.match(shown))
        text = _BEGINS.sub("", shown)
        if found := _CODE.match(text):
            raise ValueError(
                f"{_where(number, shown)} must be a transition, a value or a CONSERVE, but is code, {found[1]}, which "
                "is not run: leave it out, and give the rates that it sets as numbers, at the held voltage."
            )
        if _BLOCK.match(text):
            raise ValueError(
                f"{_where(number, shown)} must be of a KINETIC or PARAMETER block, but is of another: leave it out."
            )
        units = [found[0].removeprefix(found[1]).strip(" ()") for found in _UNIT.finditer(text)]
        foreign = next(filter(_FOREIGN.search, units), "")
        ends = text.endswith("}")
        text = _RANGE.sub("", _UNIT.sub(r"\1", text.removesuffix("}"))).strip()
        if text:
            lines.append(_Line(number, shown, text, in_parameters, foreign))
        in_parameters = in_parameters and not ends
    if opened is not None:
        raise ValueError(f"{opened} must have an ENDCOMMENT below it, but has none.")
    return lines


def _where(number: int, shown: str) -> str:
    return f"Line {number} of the scheme, `{shown:.80}`,"


def _without_comment(raw: str) -> str:
    """A line without its comment, which begins with "#" or, as in NMODL, with "?" or a ":" that no rates follow."""
    line = re.split("[#?]", raw, maxsplit=1)[0].strip()
    before, _, _ = line.partition(":")
    rates_follow = ARROW.search(before) and not line.startswith("~")
    return line if rates_follow else before.strip()


def _goes_on(line: str, after: str) -> bool:
    """Whether a statement continues in the next line."""
    conserves = line.startswith("CONSERVE") and "=" not in line
    starts = after.startswith(("~", "CONSERVE")) or ARROW.search(after) or _NAMED.match(after)
    if starts and not (conserves and _NAMED.match(after)) and not (after.startswith("<->") and line.startswith("~")):
        return False
    waits = line.startswith("~") and "(" not in line and after.startswith("(")
    is_open = line.count("(") > line.count(")")
    return bool(waits or is_open or _GOES_ON.search(line) or _WENT_ON.match(after))
