"""The options of ``fit`` that name parameters: what is fitted in each kernel.

If several kernels are compared, a name stands for that parameter of each kernel that has it, and KERNEL.NAME for the
parameter of that kernel alone.
"""

import argparse
from collections.abc import Sequence
from typing import NamedTuple

from synkin.cli import UsageError, options
from synkin.cli.suggestions import did_you_mean
from synkin.declaring.kernel import Kernel
from synkin.fitting.problem import OWN
from synkin.recordings.number_text import decimal_or_not_finite


class Request(NamedTuple):
    """What is fitted in one kernel, and where the search starts."""

    kernel: Kernel
    params: NamedTuple  # of the kernel: the start
    free: list[str]
    tie: dict[str, str]
    bounds: dict[str, tuple[float, float]]
    profile: list[str]

    def fitted(self, arguments: argparse.Namespace) -> list[str]:
        """The names of all quantities that are fitted."""
        noise = ("sigma", "channels", "unitary") if arguments.channels else ()
        first = 1 if arguments.scale is True else 0  # with a scale the weight of the first spike is held
        weights = range(first, len(arguments.spikes)) if arguments.weights == "free" else ()
        own = (name for name in OWN if getattr(arguments, name) is True)
        return [*self.free, *(f"weight_{i}" for i in weights), *own, *noise]


def read_requests(kernels: list[Kernel], arguments: argparse.Namespace) -> tuple[list[Request], list[str]]:
    """The request for each kernel, and the options that apply to only some of the kernels.

    Raises:
        UsageError: a name that no kernel has, or a kernel in which nothing would be fitted.
    """
    several = len(kernels) > 1
    partly: list[str] = []

    def matching(option: str, name: str, known: dict[str, Sequence[str]], what: str) -> tuple[list[str], str]:
        """The kernels whose ``known`` names include that of ``name``, and the name without its kernel."""
        of, dot, own = name.rpartition(".")
        if dot and several and of not in known:
            listed = ", ".join(known)
            raise UsageError(
                f"Option --{option} must name a kernel that is compared ({listed}) before the point, but has {of!r}"
                f"{did_you_mean(of, known)}."
            )
        own = own if several else name
        found = [other for other, names in known.items() if own in names and of in ("", other)]
        if not found:
            names = dict.fromkeys(
                n for other, names in known.items() if of in ("", other) or not several for n in names
            )
            raise UsageError(
                f"Option --{option} must name {what}, {', '.join(names)}, but has {own!r}{did_you_mean(own, names)}."
            )
        if len(found) < len(kernels) and option not in ("set", "free"):
            partly.append(f"--{option} {own}: {', '.join(found)}")
        return found, own

    fields: dict[str, Sequence[str]] = {kernel.name: kernel.Params._fields for kernel in kernels}
    settings: dict[str, list[str]] = {name: [] for name in fields}
    for setting in arguments.set:
        name, equals, value = setting.partition("=")
        chosen, own = matching("set", name, fields, "parameters") if several and equals else (list(fields), name)
        for kernel_name in chosen:
            settings[kernel_name].append(f"{own}{equals}{value}")
    free: dict[str, list[str]] = {name: [] for name in fields}
    for name in arguments.free or []:
        if not several:
            options.check_parameter(kernels[0], name)
        for kernel_name in matching("free", name, fields, "parameters of the kernels")[0]:
            free[kernel_name].append(name.rpartition(".")[2])
    pairs = _tied(arguments.tie)
    if arguments.free is None:
        # By default a parameter that is tied to another is not free.
        tied = {each: {name for name, other in pairs if other in names} for each, names in fields.items()}
        free = {
            kernel.name: [
                name for name in options.typical_free(kernel) if not tied[kernel.name] & {name, f"{kernel.name}.{name}"}
            ]
            for kernel in kernels
        }
    for kernel in kernels:
        if not free[kernel.name]:
            raise UsageError(
                f"Option --free must name a parameter of each kernel, but names none of {kernel.name}, which has "
                f"{', '.join(kernel.Params._fields)}: without --free each kernel has free parameters of its own."
            )
    by_name = {
        kernel.name: Request(kernel, options.params(kernel, settings[kernel.name]), free[kernel.name], {}, {}, [])
        for kernel in kernels
    }
    fitted: dict[str, Sequence[str]] = {name: request.fitted(arguments) for name, request in by_name.items()}
    for name, other in pairs:
        if not several:
            by_name[kernels[0].name].tie[name] = other  # `fit` checks it
            continue
        able = {each: names if other in free[each] else () for each, names in fields.items()}
        if not any(able.values()):
            raise UsageError(f"Option --tie must tie to what is free in one of the kernels, but has {other!r}.")
        chosen, own = matching("tie", name, able, f"parameters beside {other}")
        for kernel_name in chosen:
            by_name[kernel_name].tie[own] = other
    for name, limits in _bounds(arguments.bounds, fitted[kernels[0].name]):
        chosen, own = matching("bounds", name, fitted, "what is fitted")
        for kernel_name in chosen:
            by_name[kernel_name].bounds[own] = limits
    for name in arguments.profile:
        chosen, own = matching("profile", name, fitted, "what is fitted")
        for kernel_name in chosen:
            by_name[kernel_name].profile.append(own)
    return list(by_name.values()), partly


def _tied(settings: list[str]) -> list[tuple[str, str]]:
    """The pairs of --tie, each ``NAME=OTHER``."""
    pairs = [setting.partition("=") for setting in settings]
    for name, _, other in pairs:
        if not (name and other):
            raise UsageError(f"Option --tie needs NAME=OTHER, such as beta2=beta1, but got {name!r}.")
    return [(name, other) for name, _, other in pairs]


def _bounds(settings: list[str], fitted: Sequence[str]) -> list[tuple[str, tuple[float, float]]]:
    """The names and limits of --bounds."""
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
