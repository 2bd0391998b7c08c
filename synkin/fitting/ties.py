"""Parameters that follow from others: those that `synkin.fit` ties, and rates that close the cycles of a scheme."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from synkin.arguments.messages import describe
from synkin.declaring.expression import Product, product
from synkin.declaring.kernel import Kernel
from synkin.declaring.scheme import Scheme
from synkin.fitting.curves import AnyCurve
from synkin.fitting.formatting import listed
from synkin.fitting.problem import Tie


def as_ties(
    curve: AnyCurve, free: tuple[str, ...], cannot: tuple[str, ...], given: Mapping[str, str] | None
) -> tuple[Tie, ...]:
    """The ties that the argument ``tie`` of a fit asks for.

    Args:
        curve: what is fitted.
        free: the names of the free parameters.
        cannot: parameters that cannot be tied, as they vary or are each recording's own.
        given: the argument.

    Raises:
        TypeError, ValueError: anything but names of parameters that are not free, each with an expression of others.
    """
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        raise TypeError(f"Argument `tie` must be a dict from a parameter to a free one, but is {describe(given)}.")
    ties = []
    known = curve.known
    for name, text in given.items():
        held = [one for one in known if one not in free and one not in cannot]
        if name not in held:
            those = ", ".join(held) or "none left"
            raise ValueError(
                f"Argument `tie` must tie parameters of {curve.name} that are not free ({those}), but has {name!r}."
            )
        if not isinstance(text, str):
            raise TypeError(f"Argument `tie` must tie `{name}` to a name or a text, but has {describe(text)}.")
        tied = product(f"Argument `tie` for `{name}`", text)
        others = dict.fromkeys(tied.parameters)
        for other in others:
            if other not in known or other in given:
                raise ValueError(f"Argument `tie` must tie to what is free ({', '.join(free)}), but has {other!r}.")
        if not any(other in free for other in others):
            raise ValueError(f"Argument `tie` must tie to what is free ({', '.join(free)}), but has {text!r}.")
        signs = {known[one].signed for one in (name, *others)}
        if not known[name].signed and not _is_positive(tied):
            raise ValueError(
                f"Argument `tie` for `{name}`, which is positive, must be positive whatever the free parameters are, "
                f"and so without a minus, but is `{text}`."
            )
        if len(signs) > 1:
            raise ValueError(
                f"Parameters {listed([f'`{one}`' for one in (name, *others)])} must all be positive, or all of any "
                "sign, to be tied, but are not."
            )
        ties.append(Tie(name, tied))
    return tuple(ties)


def reversible_ties(
    kernel: Kernel, params: dict[str, Any], free: tuple[str, ...], taken: tuple[str, ...]
) -> tuple[Tie, ...]:
    """A rate for each cycle of a scheme, so that each cycle is microscopically reversible.

    The product of the rates around a cycle is then that of the rates back, as it must be where nothing drives the
    receptor around (Colquhoun et al. 2004, Biophys. J. 86:3510). In each cycle one rate is solved for: one that is not
    free, if there is one, else the last of those that are.

    Args:
        kernel: a scheme, or a sum with schemes in it.
        params: the values of all parameters by name.
        free: the names of the free parameters.
        taken: parameters that cannot be solved for, as they are tied already or vary.

    Raises:
        ValueError: no scheme, a cycle whose rates are sums or functions, or one that cannot be closed.
    """
    schemes = [part for part in kernel.parts if isinstance(part, Scheme)]
    if not schemes:
        raise ValueError(f"Argument `reversible` must be for a scheme, but {kernel.name} is none.")
    rows: list[tuple[dict[str, float], float]] = []
    for part, before in zip(kernel.parts, getattr(kernel, "names", ("",)), strict=True):
        if not isinstance(part, Scheme):
            continue
        names = {own: f"{before}_{own}" if before else own for own in part.Params._fields}
        own_params = part.Params(*(float(np.mean(params[names[own]])) for own in part.Params._fields))
        for cycle in part.reversibility(own_params):
            rows.append(_balance(part, cycle.states, names))
    order = [*(name for name in params if name not in free), *reversed(free)]
    solved: dict[str, tuple[dict[str, float], float]] = {}
    for powers, log_factor in rows:
        powers, log_factor = _without(powers, log_factor, solved)
        if not powers:
            if abs(log_factor) > 1e-9:
                raise ValueError(
                    "Argument `reversible` must be for a scheme that can be reversible, but the numbers in its rates "
                    "forbid it."
                )
            continue
        can_be = [name for name in order if powers.get(name) and name not in taken]
        if not can_be:
            raise ValueError(
                f"Argument `reversible` must leave one of {listed(sorted(powers))} to be solved for, but all are "
                "tied, vary or are each recording's own."
            )
        without_roots = [name for name in can_be if not any(power % powers[name] for power in powers.values())]
        name = (without_roots or can_be)[0]
        # sum(power * log(parameter)) = log_factor, solved for the logarithm of this one.
        share = powers.pop(name)
        answer = {other: -power / share for other, power in powers.items()}, log_factor / share
        solved = {key: _without({**own[0]}, own[1], {name: answer}, sign=1) for key, own in solved.items()}
        solved[name] = answer
    return tuple(Tie(name, _as_product(name, *answer)) for name, answer in solved.items())


def _balance(scheme: Scheme, states: tuple[str, ...], names: dict[str, str]) -> tuple[dict[str, float], float]:
    """Powers of parameters and the logarithm of a number whose product is 1 in a reversible cycle."""
    around = list(zip(states, (*states[1:], states[0]), strict=True))
    powers: dict[str, float] = {}
    log_factor = 0.0
    for pairs, sign in ((around, 1.0), ([(b, a) for a, b in around], -1.0)):
        for source, target in pairs:
            rates = [way.rate for way in scheme.transitions if (way.source, way.target) == (source, target)]
            if len(rates) != 1 or not _is_product(rates[0]) or set(rates[0].parameters) & {*scheme.computed}:
                raise ValueError(
                    f"Argument `reversible` must be for rates that are products, but the cycle {' - '.join(states)} "
                    f"has {source} -> {target} : {' + '.join(map(str, rates)) or 'no rate'}."
                )
            for name, power in _powers(rates[0]).items():
                powers[names[name]] = powers.get(names[name], 0.0) + sign * power
            log_factor -= sign * float(np.log(_number(rates[0])))
    return {name: power for name, power in powers.items() if power}, log_factor


def _without(
    powers: dict[str, float], log_factor: float, solved: dict[str, tuple[dict[str, float], float]], sign: int = -1
) -> tuple[dict[str, float], float]:
    """A balance in which what is ``solved`` is replaced by what it is; with ``sign`` 1 a solution instead."""
    found = {name: power for name, power in powers.items() if name not in solved}
    for name in powers.keys() & solved.keys():
        others, number = solved[name]
        for other, power in others.items():
            found[other] = found.get(other, 0.0) + powers[name] * power
        log_factor += sign * powers[name] * number
    return {name: power for name, power in found.items() if abs(power) > 1e-9}, log_factor


def _as_product(name: str, powers: dict[str, float], log_factor: float) -> Product:
    """The product of powers of parameters."""
    if any(power != np.rint(power) for power in powers.values()):
        raise ValueError(
            f"Argument `reversible` must be for cycles that have each rate once, but `{name}` would be a root."
        )
    above = [other for other, power in powers.items() for _ in range(int(max(power, 0)))]
    below = [other for other, power in powers.items() for _ in range(int(max(-power, 0)))]
    return Product(float(np.exp(log_factor)), tuple(above), (), tuple((Product(1.0, (other,)),) for other in below))


def _is_product(given: Product) -> bool:
    """Whether it is a positive number times and over names."""
    plain = all(len(terms) == 1 and _is_product(terms[0]) for terms in given.over)
    return given.factor > 0 and not given.times and plain


def _is_positive(given: Product) -> bool:
    """Whether it is positive for all positive values of its names."""
    return given.factor > 0 and all(_is_positive(term) for terms in (*given.times, *given.over) for term in terms)


def _powers(given: Product) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in given.names:
        found[name] = found.get(name, 0.0) + 1.0
    for (term,) in given.over:
        for name, power in _powers(term).items():
            found[name] = found.get(name, 0.0) - power
    return found


def _number(given: Product) -> float:
    below = [_number(term) for (term,) in given.over]
    return given.factor / float(np.prod(below))
