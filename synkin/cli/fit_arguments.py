"""What is to be fitted of each kernel: the options of ``fit`` that name parameters.

Where several kernels are compared a name is meant for each that has it, and KERNEL.NAME for that one alone.
"""

import argparse
from collections.abc import Sequence
from typing import Any, NamedTuple

from synkin.arguments.number_text import decimal_or_not_finite
from synkin.cli import UsageError, options
from synkin.cli.suggestions import meant
from synkin.fitting.problem import OWN


class Asked(NamedTuple):
    """What is to be fitted of one kernel."""

    kernel: Any
    params: Any
    free: list[str]
    tie: dict[str, str]
    bounds: dict[str, tuple[float, float]]
    profile: list[str]

    def fitted(self, arguments: argparse.Namespace) -> list[str]:
        """The names of what is fitted."""
        return [*self.free, *(name for name in OWN if getattr(arguments, name) is True)]


def asked(kernels: list[Any], arguments: argparse.Namespace) -> tuple[list[Asked], list[str]]:
    """What is to be fitted of each kernel, and what of the options is for some of them alone.

    Raises:
        UsageError: names that none of the kernels has, or of which none is fitted.
    """
    several = len(kernels) > 1
    partly: list[str] = []

    def those(option: str, name: str, known: dict[str, Sequence[str]], what: str) -> tuple[list[str], str]:
        """The kernels for which ``name`` is meant, of those in which it is ``known``, and its name there."""
        of, dot, own = name.rpartition(".")
        if dot and several and of not in known:
            listed = ", ".join(known)
            raise UsageError(
                f"Option --{option} must name a kernel that is compared ({listed}) before the point, but has {of!r}"
                f"{meant(of, known)}."
            )
        own = own if several else name
        found = [other for other, names in known.items() if own in names and of in ("", other)]
        if not found:
            names = dict.fromkeys(
                n for other, names in known.items() if of in ("", other) or not several for n in names
            )
            raise UsageError(
                f"Option --{option} must name {what}, {', '.join(names)}, but has {own!r}{meant(own, names)}."
            )
        if len(found) < len(kernels) and option not in ("set", "free"):
            partly.append(f"--{option} {own}: {', '.join(found)}")
        return found, own

    fields: dict[str, Sequence[str]] = {kernel.name: kernel.Params._fields for kernel in kernels}
    settings: dict[str, list[str]] = {name: [] for name in fields}
    for setting in arguments.set:
        name, equals, value = setting.partition("=")
        meant_for, own = those("set", name, fields, "parameters") if several and equals else (list(fields), name)
        for kernel in meant_for:
            settings[kernel].append(f"{own}{equals}{value}")
    free: dict[str, list[str]] = {name: [] for name in fields}
    for name in arguments.free or []:
        if not several:
            options.parameter(kernels[0], name)
        for kernel in those("free", name, fields, "parameters of the kernels")[0]:
            free[kernel].append(name.rpartition(".")[2])
    pairs = _tied(arguments.tie)
    if arguments.free is None:
        # What is tied to another is not free, unless somebody says so.
        tied = {kernel: {name for name, other in pairs if other in names} for kernel, names in fields.items()}
        free = {
            kernel.name: [
                name for name in options.typical_free(kernel) if not tied[kernel.name] & {name, f"{kernel.name}.{name}"}
            ]
            for kernel in kernels
        }
    for kernel in kernels:
        if not free[kernel.name]:
            raise UsageError(
                f"Option --free must name a parameter of each kernel, but none of {kernel.name}, which has "
                f"{', '.join(kernel.Params._fields)}: leave it out, and each has its own."
            )
    found_for = {
        kernel.name: Asked(kernel, options.params(kernel, settings[kernel.name]), free[kernel.name], {}, {}, [])
        for kernel in kernels
    }
    fitted: dict[str, Sequence[str]] = {name: each.fitted(arguments) for name, each in found_for.items()}
    for name, other in pairs:
        if not several:
            found_for[kernels[0].name].tie[name] = other  # what is wrong with it, the fit says
            continue
        able = {kernel: fields[kernel] if other in free[kernel] else () for kernel in fields}
        if not any(able.values()):
            raise UsageError(f"Option --tie must tie to what is free in one of the kernels, but has {other!r}.")
        meant_for, own = those("tie", name, able, f"parameters beside {other}")
        for kernel in meant_for:
            found_for[kernel].tie[own] = other
    for name, limits in _bounds(arguments.bounds, fitted[kernels[0].name]):
        meant_for, own = those("bounds", name, fitted, "what is fitted")
        for kernel in meant_for:
            found_for[kernel].bounds[own] = limits
    for name in arguments.profile:
        meant_for, own = those("profile", name, fitted, "what is fitted")
        for kernel in meant_for:
            found_for[kernel].profile.append(own)
    return list(found_for.values()), partly


def _tied(settings: list[str]) -> list[tuple[str, str]]:
    """What --tie says, ``NAME=OTHER`` each."""
    pairs = [setting.partition("=") for setting in settings]
    for name, _, other in pairs:
        if not (name and other):
            raise UsageError(f"Option --tie needs NAME=OTHER, such as beta2=beta1, but got {name!r}.")
    return [(name, other) for name, _, other in pairs]


def _bounds(settings: list[str], fitted: Sequence[str]) -> list[tuple[str, tuple[float, float]]]:
    """What --bounds says, each name and its limits."""
    bounds = []
    for setting in settings:
        name, _, limits = setting.partition("=")
        low, colon, high = limits.partition(":")
        try:
            bounds.append((name, (decimal_or_not_finite(low or "-inf"), decimal_or_not_finite(high or "inf"))))
        except ValueError:
            colon = ""
        if not colon:
            example = f"{fitted[0]}=0.1:2"
            raise UsageError(f"Option --bounds needs NAME=LOW:HIGH, such as {example}, but got {setting!r}.")
    return bounds
