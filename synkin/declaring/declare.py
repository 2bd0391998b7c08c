"""`receptor` and `linear`: kernels from their equations.

    def equations(p, y, T):
        return {"g": p.alpha * T * (1 - y.g) - p.beta * y.g}

    ampa = synkin.receptor(equations, Params, State)

`receptor` is for spikes that start a pulse of transmitter, `linear` for inputs that are added to a variable. The result
is a `synkin.Kernel`. The kernels of the library are in `synkin.kernels`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jax import Array

from synkin.arguments import fields
from synkin.arguments.choices import check_choice, check_function
from synkin.arguments.declaration import AnyParams, AnyState, Parameter
from synkin.arguments.inputs import AddsWeight, Input, StartsPulse
from synkin.arguments.known import double_precision
from synkin.arguments.messages import describe
from synkin.arguments.option_values import METHODS
from synkin.declaring.kernel import PULSE_LEFT, Conductance, Equations, Kernel, variables_of
from synkin.solving import structure


def receptor(
    equations: Equations,
    Params: type[AnyParams],
    State: type[AnyState],
    *,
    conductance: Conductance | None = None,
    units: Mapping[str, str] | None = None,
    name: str | None = None,
    positive: Sequence[str] = (),
    signed: Sequence[str] = (),
    in_turn: bool = False,
    methods: Sequence[str] = METHODS,
    source: str | None = None,
    input: str | None = None,
) -> Kernel:
    """A receptor from its equations. A spike starts a pulse of ``T`` mM of transmitter that lasts ``T_dur`` ms.

    With ``input`` there is no transmitter: a spike adds its weight to the variable of that name. The NMDA receptor of
    Brunel and Wang 2001 is an example: a spike adds to x, and x opens a gate that saturates.

    Args:
        equations: a function ``equations(p, y, T)`` or ``equations(p, y)`` of parameters ``p``, variables ``y`` and the
            transmitter ``T`` in mM, which is 0 between pulses. It returns a dict of the derivatives per ms, one for
            each field of ``State`` except ``pulse_left``. They must be linear in the variables, but may depend in any
            way on T and the parameters. One product of two variables is allowed: the last variable may be a gate that
            another variable opens, as in ``p.a * y.x * (1 - y.g)``.
        Params: a NamedTuple class with a default for each parameter, among them ``T`` and ``T_dur``.
        State: a NamedTuple class of the variables and ``pulse_left``.
        conductance: any function ``conductance(p, y)``; by default the variable ``g``.
        units: the units of parameters and variables by name, such as "1/ms/mM". They may also be written with the
            fields, ``alpha: Annotated[float, "binding rate", "1/ms/mM"] = 0.98``, so that ``help`` shows unit and
            meaning. By default ``T`` is in mM, ``T_dur`` and ``pulse_left`` are in ms, a variable g is in mS, and other
            variables are fractions. A parameter without a unit must be given as a plain number, not as a quantity.
        name: the kernel's name; by default that of the function, or that of its module if the function is called
            ``equations``.
        positive: names of parameters that must not be 0.
        signed: names of parameters that may be negative.
        in_turn: only for "exp_euler": whether the step of a variable uses the new values of the variables that it
            depends on, instead of the old ones.
        methods: the methods that the kernel has, the default first: "exp_euler" and "exact", or one of them.
        source: the first lines of the kernel's docstring, such as its paper; by default the docstring of ``equations``.
        input: the name of the variable to which a spike adds its weight. The equations are then ``equations(p, y)`` and
            0 at rest, and there is no ``T``, ``T_dur`` or ``pulse_left``. Weights have the unit of that variable, may
            have any size, and may be differentiated. g is NaN if negative weights make a variable negative that opens a
            gate.

    Returns:
        A `synkin.Kernel`, with ``Params``, ``State``, ``UNITS``, ``init``, ``step`` and ``vector_field``.

    Raises:
        TypeError: an argument is not the function or class that it must be.
        ValueError: names do not match, or the equations cannot be solved as said for ``equations``.

    "exact" solves the equations without an error of the time step, whatever its length. "exp_euler" advances each
    variable by an exponential, as if the other variables were constant during the step.

    Example:
        >>> from collections import namedtuple  # or typing.NamedTuple, with a unit for each field
        >>> Params = namedtuple("Params", ["a", "b", "T", "T_dur"], defaults=[1.0, 0.2, 1.0, 1.0])
        >>> State = namedtuple("State", ["g", "pulse_left"])
        >>> def own(p, y, T):
        ...     return {"g": p.a * T * (1 - y.g) - p.b * y.g}
        >>> kernel = synkin.receptor(own, Params, State)
        >>> print(synkin.respond(kernel, kernel.Params(b=0.1), [1.0], [1.0, 2.0]).round(3))
        [0. 0.606]
    """
    given = dict(units or {})
    if input is None:
        given = {name: unit for name, (_, unit) in fields.PULSE.items()} | given
    for method in methods:
        check_choice("methods", method, METHODS)
    return _declared(
        equations,
        Params,
        State,
        input,
        _Options(conductance, given, name, positive, signed),
        about=source,
        in_turn=bool(in_turn),
        methods=tuple(methods),
    )


def linear(
    equations: Equations,
    Params: type[AnyParams],
    State: type[AnyState],
    *,
    input: str,
    conductance: Conductance | None = None,
    units: Mapping[str, str] | None = None,
    name: str | None = None,
    positive: Sequence[str] = (),
    signed: Sequence[str] = (),
    always_exact: bool = False,
) -> Kernel:
    """A linear synapse from its equations: a spike adds its weight, in mS, to one of the variables.

    Args:
        equations: a function ``equations(p, y)`` of parameters and variables, which returns a dict of the derivatives
            per ms, one for each field of ``State``. They must be linear in the variables and 0 at rest.
        Params: a NamedTuple class with a default for each parameter.
        State: a NamedTuple class of the variables.
        input: the name of the variable to which a spike adds its weight.
        conductance, units, name, positive, signed: as in `synkin.receptor`, but variables are in mS by default.
        always_exact: True if "exp_euler" shall give what "exact" gives.

    Returns:
        A `synkin.Kernel`, with ``Params``, ``State``, ``UNITS``, ``init``, ``step`` and ``vector_field``.

    Raises:
        TypeError: an argument is not the function or class that it must be.
        ValueError: names do not match, or the equations are not linear.

    Example:
        >>> from collections import namedtuple
        >>> Params = namedtuple("Params", ["tau"], defaults=[5.0])
        >>> State = namedtuple("State", ["g"])
        >>> kernel = synkin.linear(lambda p, y: {"g": -y.g / p.tau}, Params, State, input="g", name="own")
        >>> print(synkin.respond(kernel, kernel.Params(), [1.0], [1.0, 6.0]).round(3))
        [1. 0.368]
    """
    options = _Options(conductance, units or {}, name, positive, signed)
    return _declared(equations, Params, State, input, options, always_exact=bool(always_exact), is_linear=True)


class _Options(NamedTuple):
    """What `receptor` and `linear` are given alike."""

    conductance: Conductance | None
    units: Mapping[str, str]
    name: str | None
    positive: Sequence[str]
    signed: Sequence[str]


def _declared(
    equations: Equations,
    Params: type[AnyParams],
    State: type[AnyState],
    input: str | None,
    options: _Options,
    *,
    about: str | None = None,
    methods: tuple[str, ...] = METHODS,
    always_exact: bool = False,
    in_turn: bool = False,
    is_linear: bool = False,
) -> Kernel:
    """A kernel whose spikes add their weights to the variable ``input``, or start pulses if ``input`` is None."""
    conductance, given_units, name, positive, signed = options
    check_function("equations", equations)
    for role, kind in (("Params", Params), ("State", State)):
        if not (isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")):
            raise TypeError(f"Argument `{role}` must be a NamedTuple class, but is {describe(kind)}.")
    home = Params.__module__
    name = name or _name_of(equations, home, "linear" if input is not None else "receptor")
    if not (isinstance(name, str) and name.isidentifier()):
        raise ValueError(f"Argument `name` must be a Python identifier, but is {describe(name)}.")
    names = variables_of(State)
    given_units = fields.units(Params, State) | dict(given_units)
    _check_names(name, Params, State, names, given_units, (*positive, *signed), input)
    equations = _with_T(equations) if input is None else equations
    if conductance is None:
        if "g" not in names:
            raise ValueError(f"Argument `conductance` must be given, as {name} has no variable g, but is not.")
        conductance = field_g

    def state_of(y: tuple[Array, ...]) -> AnyState:
        return State(**(dict.fromkeys(State._fields) | dict(zip(names, y, strict=True))))

    def derivatives(p: AnyParams, y: tuple[Array, ...], T: Array) -> tuple[Array, ...]:
        found = equations(p, state_of(y), *((T,) if input is None else ()))
        if not isinstance(found, Mapping) or set(found) != set(names):
            came = sorted(found) if isinstance(found, Mapping) else describe(found)
            raise ValueError(f"The equations of {name} must be a dict with the keys {sorted(names)}, but give {came}.")
        return tuple(found[n] for n in names)

    def output(p: AnyParams, y: tuple[Array, ...]) -> Array:
        return conductance(p, state_of(y))

    defaults = {field: Params._field_defaults.get(field) for field in Params._fields}
    parameters = {
        field: Parameter(field, default, given_units.get(field), field in positive, field in signed)
        for field, default in defaults.items()
    }

    def find_structure() -> structure.Structure:
        with double_precision():
            options = {"has_transmitter": input is None, "may_be_gate": not is_linear}
            return structure.find(name, names, derivatives, output, Params, signed, **options)

    default = "mS" if is_linear else "1"
    variables = {field: given_units.get(field, "mS" if field == "g" else default) for field in State._fields}
    what_spikes_do: Input = StartsPulse() if input is None else AddsWeight((input,), variables[input])
    kernel = Kernel(
        name=name,
        equations=equations,
        Params=Params,
        State=State,
        input=what_spikes_do,
        parameters=parameters,
        variables=variables,
        methods=methods,
        always_exact=always_exact,
        in_turn=in_turn,
        find_structure=find_structure,
        conductance=conductance,
        home=home,
        about=getattr(equations, "__doc__", None) if about is None else about,
    )
    if not home.startswith("synkin."):  # the library's own equations are solved, and JAX takes a while to trace them
        _ = kernel.structure
    return kernel


def _check_names(
    name: str,
    Params: type[AnyParams],
    State: type[AnyState],
    names: tuple[str, ...],
    given_units: Mapping[str, str],
    flagged: tuple[str, ...],
    input: str | None,
) -> None:
    """Raise ValueError unless the names of fields match: those of T and pulses, the input, the flags and the units."""
    if not names:
        raise ValueError(f"Argument `State` must have a variable, but {name} has none besides {PULSE_LEFT}.")
    if input is None:
        missing = [f"Params.{field}" for field in ("T", "T_dur") if field not in Params._fields]
        missing += [f"State.{PULSE_LEFT}"] * (PULSE_LEFT not in State._fields)
        if missing:
            raise ValueError(
                f"A receptor must have Params.T, Params.T_dur and State.pulse_left, but lacks {missing[0]}."
            )
    elif input not in names:
        raise ValueError(f"Argument `input` must be one of {', '.join(names)}, but is {describe(input)}.")
    elif PULSE_LEFT in State._fields:
        raise ValueError(f"A linear kernel has no pulses, but State of {name} has {PULSE_LEFT}.")
    for field in flagged:
        if field not in Params._fields:
            raise ValueError(f"Arguments `positive` and `signed` must name parameters of {name}, but have {field!r}.")
    for field in given_units:
        if field not in (*Params._fields, *State._fields):
            raise ValueError(f"Argument `units` must name parameters and variables of {name}, but has {field!r}.")


def _name_of(equations: Equations, home: str, otherwise: str) -> str:
    """The name of a kernel that is given none: that of its equations, else that of its module ``home``."""
    given = getattr(equations, "__name__", "equations")
    if given.isidentifier() and given != "equations":
        return given
    return otherwise if home == "__main__" else home.rpartition(".")[2]


def _with_T(equations: Equations) -> Equations:
    """Equations as a function of p, y and T, even if they were written without T."""
    code = getattr(equations, "__code__", None)
    if code is None or code.co_argcount != 2 or code.co_flags & 0x04:
        return equations

    def with_T(p: AnyParams, y: AnyState, T: Array) -> Mapping[str, Array]:
        return equations(p, y)

    with_T.__doc__ = equations.__doc__
    return with_T


def field_g(p: AnyParams, y: AnyState) -> Array:
    """The conductance of a kernel that is declared without one: the variable g."""
    return y.g
