"""The rates of a scheme's transitions: their values, their units, and whether they are finite and not negative."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.declaration import AnyParams, Parameter
from synkin.arguments.known import concrete_value
from synkin.declaring.expression import Product
from synkin.declaring.scheme_text import Transition

# A rate that is a function of the parameters.
Computed: TypeAlias = Callable[[AnyParams], ArrayLike]


def may_be_none(transition: Transition, parameters: Mapping[str, Parameter], doubtful: Collection[str]) -> bool:
    """Whether a rate may be negative or infinite although its parameters are in range.

    Args:
        transition: the transition of that rate.
        parameters: what is known of each parameter.
        doubtful: names of computed rates that may be negative.
    """
    rate = transition.rate
    signed = {key for key, known in parameters.items() if known.signed} | {*doubtful}
    return rate.may_be_no_rate or not signed.isdisjoint(rate.parameters)


def check(transition: Transition, values: Mapping[str, ArrayLike], line: str | None = None) -> None:
    """Raise ValueError if a rate is concrete and negative or infinite; ``line`` is its line in a text, if any."""
    rate = transition.rate
    used = {key: concrete_value(values[key]) if key in values else None for key in rate.parameters}
    known = {key: value.astype(float) for key, value in used.items() if value is not None}
    if len(known) < len(used):
        return
    with np.errstate(all="ignore"):
        found = np.asarray(rate.of(known))
    bad = ~(np.isfinite(found) & (found >= 0))
    if not bad.any():
        return
    at = [
        f"{key} is {np.broadcast_to(value, found.shape)[bad].flat[0]:g}"
        for key, value in known.items()
        if key != str(rate)
    ]
    where = f"{line} must have a rate that is finite and not negative, but `{rate}`"
    if line is None:
        way = f"{transition.source} -> {transition.target}"
        where = f"Rate `{rate}` of {way} must be finite and not negative, but"
    raise ValueError(f"{where} is {found[bad].flat[0]:g}{' where ' if at else ''}{' and '.join(at)}.")


def nothing_leaves(leaks: Sequence[Transition], rates: Sequence[ArrayLike]) -> ArrayLike:
    """0 if only binding leads out of the states at rest, else NaN.

    Args:
        leaks: the other transitions out of these states.
        rates: the rate of each.

    Raises:
        ValueError: a rate is concrete, and not 0.
    """
    still: ArrayLike = 0.0
    for transition, rate in zip(leaks, rates, strict=True):
        known = concrete_value(rate)
        if known is None:
            still = still + jnp.where(rate == 0, jnp.zeros_like(rate), jnp.nan)
        elif (known != 0).any():
            raise ValueError(
                f"At rest only binding may lead out of a state, but {transition.source} is left by `{transition}`: "
                "use rest='steady' for the state that it leads to."
            )
    return still


def values(
    transitions: tuple[Transition, ...],
    may_be_none: Sequence[bool],
    computed: Mapping[str, Computed],
    p: AnyParams,
    T: Array,
) -> list[Array]:
    """The rate of each transition, /ms; NaN if it is negative or infinite, where ``may_be_none`` is True."""
    values = p._asdict() | {name: or_nan(function(p)) for name, function in computed.items()}
    rates = []
    for transition, guarded in zip(transitions, may_be_none, strict=True):
        rate = transition.rate.of(values, T if transition.binds else None)
        rate = jnp.full_like(p.T, rate) if isinstance(rate, float) else rate
        rates.append(or_nan(rate) if guarded else rate)
    return rates


def or_nan(rate: ArrayLike) -> Array:
    """A rate, NaN if it is negative or infinite; its derivatives are NaN too."""
    rate = jnp.asarray(rate)
    return rate * jnp.where((rate >= 0) & (rate < jnp.inf), jnp.ones_like(rate), jnp.nan)


def units_of(
    transitions: tuple[Transition, ...],
    computed: Mapping[str, Computed],
    values: Mapping[str, float],
    ligands: Collection[str] = (),
) -> dict[str, str]:
    """The unit of each parameter that follows from its place in a rate: alone, or with computed rates as factors.

    ``ligands`` are the names of concentrations other than the transmitter's.
    """
    found: dict[str, set[str]] = {}
    terms = [
        (term, transition.binds or not set(ligands).isdisjoint(term.parameters))
        for transition in transitions
        for term in transition.rate.terms
    ]
    for term, binds in terms:
        plain = [part for part in term.times if any(not one.parameters for one in part)]  # a number has no unit
        for part in plain:
            for name in _single(part):
                found.setdefault(name, set()).add("1")
        if len(plain) < len(term.times):
            continue
        alone = [key for key in term.names if key not in computed and key not in ligands]
        if len(alone) == 1 and not term.over:
            found.setdefault(alone[0], set()).add("1/ms/mM" if binds else "1/ms")
        elif not alone and len(term.over) == 1 and len(_single(term.over[0])) == len(term.over[0]) == 1:
            found.setdefault(_single(term.over[0])[0], set()).add("ms*mM" if binds else "ms")
    known = {key: unit.pop() for key, unit in found.items() if len(unit) == 1 and key in values}
    for term, _ in terms:
        others = [key for key in term.parameters if key not in found and key not in computed]
        is_plain = not term.times and not term.over
        if is_plain and len(others) == 1 and any(key in known for key in term.names):
            known.setdefault(others[0], "1")
    return known


def _single(terms: Sequence[Product]) -> list[str]:
    """The names that are terms of a sum, alone or with a number as a factor."""
    return [one.names[0] for one in terms if len(one.parameters) == len(one.names) == 1]


def check_units(rate: Product, known_units: Mapping[str, str], line: str, *, is_rate: bool = True) -> None:
    """Raise ValueError if a sum has terms whose units are known and differ."""
    for term in rate.terms:
        for part in (*term.times, *term.over):
            check_units(Product(1.0, (), (part,)), known_units, line, is_rate=False)
    found = {known_units[name]: name for name in _single(rate.terms) if name in known_units}
    if not is_rate and any(not term.parameters for term in rate.terms):
        found.setdefault("1", "a number")
    if len(found) > 1:
        (unit, name), (other, another) = [*found.items()][:2]
        raise ValueError(
            f"{line} must add numbers of the same unit, but {name} is {units.describe_unit(unit)} and {another} "
            f"{units.describe_unit(other)}."
        )


def uses(transitions: tuple[Transition, ...]) -> dict[str, str]:
    """What each rate does, by name, such as "rate of C0 -> C1"."""
    uses: dict[str, list[str]] = {}
    for transition in transitions:
        for key in dict.fromkeys(transition.rate.parameters):
            uses.setdefault(key, []).append(f"{transition.source} -> {transition.target}")
    return {key: f"rate of {', '.join(ways)}" for key, ways in uses.items()}
