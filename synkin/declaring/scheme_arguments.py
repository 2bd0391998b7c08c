"""The arguments of `synkin.scheme`: checks, and conversion to values that can be hashed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeGuard

import jax
import numpy as np

from synkin.arguments.declaration import AnyParams
from synkin.arguments.known import concrete_value, double_precision
from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_real
from synkin.declaring import scheme_text, transition_rates
from synkin.declaring.expression import own_names
from synkin.declaring.kernel import named_tuple
from synkin.declaring.scheme_text import Transition
from synkin.declaring.transition_rates import Computed

PULSE_PARAMETERS = ("T", "T_dur")
STEADY = "steady"
# An option of `scheme` that names states, as `frozen` returns it.
Frozen: TypeAlias = str | tuple[str, ...] | tuple[tuple[str, float], ...] | None


def class_of(role: str, name: str, home: str, fields: list[str], defaults: list[float]) -> type[AnyParams]:
    """The class ``Params`` or ``State`` of a scheme; ``role`` is one of the two."""
    try:
        return named_tuple(role, name, home, fields, defaults)
    except ValueError as error:
        what = "rate" if role == "Params" else "state"
        raise ValueError(
            f"A {what} of {name} has a name that cannot be one: {str(error)[0].lower()}{str(error)[1:]}."
        ) from None


def check_options(name: object, open: object, rest: object) -> None:
    """Raise TypeError or ValueError if ``name``, ``open`` or ``rest`` is of a wrong kind."""
    if not (isinstance(name, str) and name.isidentifier()):
        raise ValueError(f"Argument `name` must be a Python identifier, but is {describe(name)}.")
    for role, option, forms in (("open", open, "a state, several"), ("rest", rest, "a state")):
        several = isinstance(option, tuple) and all(isinstance(part, str) for part in option) and role == "open"
        if not (option is None or isinstance(option, str) or several or are_pairs(option)):
            raise TypeError(f"Argument `{role}` must be {forms} or a dict of states, but is {describe(option)}.")


def frozen(value: object) -> Any:
    """An option in a form that can be hashed, names as in the text: a dict as a tuple of pairs, a list as a tuple."""
    if isinstance(value, str):
        return own_names(scheme_text.normal(value)) if value.isidentifier() else scheme_text.normal(value)
    if isinstance(value, Mapping):
        return tuple((frozen(key), part) for key, part in value.items())
    return tuple(map(frozen, value)) if isinstance(value, list | tuple | set | frozenset) else value


def are_pairs(given: object) -> TypeGuard[tuple[tuple[str, float], ...]]:
    """Whether an option was a dict."""
    return isinstance(given, tuple) and all(isinstance(part, tuple) and len(part) == 2 for part in given)


def number(name: str, value: object) -> float:
    """The value of a rate."""
    known = concrete_value(as_real(name, value, "Rate"))
    if known is None or known.shape != () or not np.isfinite(known):
        came = describe(value)
        raise ValueError(f"Rate `{name}` must be a finite number or a function of the parameters, but is {came}.")
    return float(known)


class _Recorder:
    """Parameters that record which of them a function reads."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self._values, self.names = values, list[str]()

    def __getattr__(self, name: str) -> np.float64:
        if name not in self._values:
            raise KeyError(name)
        self.names.append(name)
        return np.float64(self._values[name])


def check_rates(
    read: scheme_text.Notation, used: list[str], computed: Mapping[str, Computed], given: Mapping[str, float]
) -> tuple[list[str], dict[str, np.float64]]:
    """The parameters in the order of the text, and the values of computed rates at the defaults.

    Raises:
        ValueError: a rate without a value, a value that no rate uses, or a computed rate that is no rate.
    """
    own, found = list[str](), dict[str, np.float64]()
    missing: dict[str, str] = {}
    for transition, line in zip(read.transitions, read.lines, strict=True):
        for key in transition.rate.parameters:
            if key not in given and key not in computed:
                missing.setdefault(key, line)
            if key in given and key not in own:
                own.append(key)
    if missing:
        *others, last = (f"`{key}`" for key in missing)
        listed = f"{', '.join(others)} and {last} have" if others else f"{last} has"
        called = f", as {read.calls[0][0].lower()}{read.calls[0][1:]}, which is not run" if read.calls else " "
        raise ValueError(
            f"{next(iter(missing.values()))} must have rates whose values are given, but {listed} none: "
            f"{', '.join(f'{key}=...' for key in missing)}{called}."
        )
    # A computed rate cannot use T and T_dur: they would act between pulses too.
    values = {key: value for key, value in given.items() if key not in PULSE_PARAMETERS}
    for key, function in computed.items():
        if key not in used and key in read.spare:
            continue
        if key not in used:
            raise ValueError(f"Rate `{key}` must stand in a transition, but stands in none.")
        recorder = _Recorder(values)
        try:
            with double_precision(), jax.ensure_compile_time_eval():  # the scheme may be declared under ``jax.jit``
                came = function(recorder)
        except KeyError as error:
            raise ValueError(
                f"Rate `{key}` must be a function of parameters that have values, but asks for {error}."
            ) from None
        known = concrete_value(as_real(key, came, "Rate"))
        if known is None or known.shape != () or not (np.isfinite(known) and known >= 0):
            given_back = describe(came) if known is None or known.shape != () else known
            raise ValueError(
                f"Rate `{key}` must be a function that gives a rate, finite and not negative, but gives {given_back}."
            )
        found[key] = np.float64(known)
        own += [name for name in recorder.names if name not in own]
    for key in given:
        if key not in {*own, *PULSE_PARAMETERS, *read.spare, *read.in_parameters}:
            raise ValueError(f"Rate `{key}` must be used by a transition, but no transition uses it.")
    for key in own:
        if key in read.states:
            raise ValueError(f"A name must be that of a state or of a rate, but `{key}` is the name of both.")
    return own, found


def parameter_values(
    name: str, own: Sequence[str], given: Mapping[str, float], signed: Sequence[str], units: Mapping[str, str]
) -> dict[str, float]:
    """The default of each parameter: those of rates in the order of ``own``, then ``T`` and ``T_dur``.

    Args:
        name: that of the scheme, for messages.
        own: the names of the parameters, as `check_rates` returns them.
        given: the value of each name that has one.
        signed, units: the arguments of `scheme`, whose names must be those of parameters.

    Raises:
        ValueError: a value that is negative and not ``signed``, or an unknown name.
    """
    values = {key: given[key] for key in own if key not in PULSE_PARAMETERS} | {
        key: given.get(key, 1.0) for key in PULSE_PARAMETERS
    }
    for key, value in values.items():
        if key not in signed and not value >= 0:
            may_be = "" if key in PULSE_PARAMETERS else f": signed={key!r} is for one that may be, such as a voltage"
            raise ValueError(f"Rate `{key}` must not be negative, but is {value}{may_be}.")
    for role, names in (("signed", signed), ("units", units)):
        for key in names:
            if key not in values:
                raise ValueError(f"Argument `{role}` must name parameters of {name}, but has {key!r}.")
    return values


def notes_on_calls(read: scheme_text.Notation, given: Sequence[str]) -> list[str]:
    """A sentence for each procedure that the text calls, which is not run."""
    taken = f"{', '.join(given)} are as they were given" if given else "all have values in the text"
    return [f"{call}, which is passed over: of the rates that it would set, {taken}." for call in read.calls]


def notes_on_parameters(read: scheme_text.Notation, own: Sequence[str]) -> list[str]:
    """A sentence on the values of a PARAMETER block that no transition uses."""
    idle = [name for name in read.values if name in read.in_parameters and name not in {*own, *PULSE_PARAMETERS}]
    if not idle:
        return []
    return [
        f"The values of {', '.join(f'`{name}`' for name in idle)} are passed over, as no transition uses them: a "
        "conductance multiplies g, a reversal potential is the E of synkin.currents.coba, and the height and length of "
        "a pulse are T and T_dur."
    ]


def open_weights(given: Frozen, in_text: Mapping[str, float] | None, states: tuple[str, ...]) -> dict[str, float]:
    """The relative conductance of each state that conducts."""
    named = in_text if given is None else given
    if not named:
        raise ValueError("Argument `open` must name the states that conduct, such as open='O', but is not given.")
    weights: dict[str, float]
    if isinstance(named, Mapping) or are_pairs(named):
        weights = dict(named)
    else:
        weights = dict.fromkeys((named,) if isinstance(named, str) else map(str, named), 1.0)
    for state, weight in weights.items():
        if state not in states:
            raise ValueError(f"Argument `open` must name states ({', '.join(states)}), but has {state!r}.")
        if not (isinstance(weight, int | float) and math.isfinite(weight) and weight >= 0):
            raise ValueError(
                f"Argument `open` must give finite conductances, not negative, but {state} has {describe(weight)}."
            )
    return {state: float(weight) for state, weight in weights.items()}


def occupied_at_rest(
    given: Frozen, states: tuple[str, ...], transitions: tuple[Transition, ...], at_defaults: Mapping[str, np.float64]
) -> tuple[dict[str, float] | str | None, list[Transition]]:
    """The occupancies at rest, and the transitions out of these states other than binding.

    The occupancies are None if all receptors are in the first state and no transition leads out of it, or "steady". A
    transition whose rate is written as 0 does not count; one whose rate is 0 at the defaults must stay 0.
    """
    if given == STEADY and STEADY not in states:
        return STEADY, []
    occupied: dict[str, float]
    if are_pairs(given):
        occupied = dict(given)
    else:
        occupied = {str(states[0] if given is None else given): 1.0}
    for state, part in occupied.items():
        if state not in states:
            listed = ", ".join(states)
            raise ValueError(f"Argument `rest` must name states ({listed}) or be 'steady', but has {state!r}.")
        if not (isinstance(part, int | float) and 0 <= part <= 1):
            raise ValueError(f"Argument `rest` must have fractions from 0 to 1, but {state} has {describe(part)}.")
    total = sum(occupied.values())
    if not math.isclose(total, 1, rel_tol=1e-6):
        raise ValueError(f"Argument `rest` must have fractions that add up to 1, but they add up to {total}.")
    leaks = [t for t in transitions if occupied.get(t.source) and not t.binds and t.rate.factor]
    values = {name: np.asarray(value) for name, value in at_defaults.items()}
    transition_rates.nothing_leaves(leaks, [np.asarray(transition.rate.of(values)) for transition in leaks])
    return (None if occupied.get(states[0]) == 1 and not leaks else occupied), leaks
