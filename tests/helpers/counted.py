"""What JAX traces and XLA compiles, counted.

Of a program as XLA's optimizer leaves it. Where most optimizations are off, as tests have it, the numbers are the
same, as what is switched off works within a command.
"""

import re
from collections import Counter
from typing import Any

import jax

FREE = ("parameter", "constant", "tuple", "get-tuple-element", "bitcast")

_compilations: list[str] = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, seconds, **_: _compilations.append(event) if "backend_compile" in event else None
)


def compilations() -> int:
    """How often XLA has compiled since this was last asked."""
    number = len(_compilations)
    _compilations.clear()
    return number


def equations(value: Any) -> int:
    """The number of operations of a jaxpr, or of the jaxprs in a parameter of one, with all those within."""
    if isinstance(value, tuple | list):
        return sum(map(equations, value))
    jaxpr = getattr(value, "jaxpr", value)
    if not hasattr(jaxpr, "eqns"):
        return 0
    return sum(1 + sum(map(equations, equation.params.values())) for equation in jaxpr.eqns)


class Program:
    """A compiled program's text."""

    def __init__(self, executable: Any) -> None:
        self._computations: dict[str, list[str]] = {}
        for line in executable.as_text().splitlines():
            head = re.match(r"(ENTRY )?%?([\w.-]+) \(.*\{$", line)
            if head:
                here = self._computations[head[2]] = []
                if head[1]:
                    self._entry = head[2]
            elif line.startswith(" "):
                here.append(line)

    def loops(self) -> list[tuple[Counter[str], int, int | None]]:
        """For each loop that holds no other: how often each operation stands in its body, how many commands that is to
        XLA's CPU, and how often it is run."""
        found = []
        for line in (line for lines in self._computations.values() for line in lines):
            body = re.search(r" while\(.*body=%?([\w.-]+)", line)
            if body and not self._operations(body[1])["while"]:
                own = Counter(_operation(line) for line in self._computations[body[1]])
                number = sum(number for name, number in own.items() if name not in FREE)
                found.append((self._operations(body[1]), number, _trips(line)))
        return found

    def commands(self, name: str | None = None) -> int:
        """How many commands XLA's CPU runs in all: those of a loop as often as it is run, or once where that is not
        known. A condition is one and its shortest branch: the others are for steps that are rare."""
        total = 0
        for line in self._computations[name or self._entry]:
            operation = _operation(line)
            if operation in FREE:
                continue
            total += 1
            if operation == "while":
                total += (_trips(line) or 1) * self.commands(re.search(r"body=%?([\w.-]+)", line)[1])
            elif operation == "conditional":
                total += min(map(self.commands, _branches(line)))
            elif operation == "call":
                total += self.commands(re.search(r"to_apply=%?([\w.-]+)", line)[1]) - 1
        return total

    def _operations(self, name: str) -> Counter[str]:
        lines = self._computations[name]
        called = re.findall(r"(?:calls|to_apply|body|condition)=%?([\w.-]+)", "\n".join(lines))
        return sum(map(self._operations, called), Counter(map(_operation, lines)))


def _operation(line: str) -> str:
    found = re.match(r"\s+(?:ROOT )?%?[\w.-]+ = .*? ([a-z][a-z-]*)\(", line)
    return found[1] if found else "constant"


def _trips(line: str) -> int | None:
    found = re.search(r'"known_trip_count":{"n":"(\d+)"', line)
    return int(found[1]) if found else None


def _branches(line: str) -> list[str]:
    several = re.search(r"branch_computations={([^}]*)}", line)
    found = several[1].split(",") if several else re.findall(r"(?:true|false)_computation=%?([\w.-]+)", line)
    return [name.strip().lstrip("%") for name in found]
