"""What a kernel is: equations, written down once, from which all else follows.

    def equations(p, y, T):
        return {"g": p.alpha * T * (1 - y.g) - p.beta * y.g}

    ampa = synkin.receptor(equations, Params, State)

`receptor` is for spikes that start a pulse of transmitter, `linear` for inputs that are added. What comes back is a
`Kernel`, which every function here takes: `synkin.simulate`, `synkin.respond`, `synkin.stepper`, `synkin.fit`. Those of
the library are in `synkin.kernels`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import fields, units
from synkin.arguments.choices import METHODS, check_choice, check_function, check_method, check_overlap
from synkin.arguments.inputs import check_spike
from synkin.arguments.known import double_precision
from synkin.arguments.messages import describe
from synkin.arguments.numbers import as_array, as_real
from synkin.arguments.params_and_states import (
    aligned_params,
    check_layout,
    check_params,
    check_state,
    nan_if_invalid,
    nan_if_invalid_state,
)
from synkin.arguments.times import check_dt, nan_if_invalid_dt
from synkin.solving import limits, structure
from synkin.solving.stepper import carry_of, prepared, warn_of_rounding

Equations = Callable[..., Mapping[str, Any]]

_PULSE_LEFT = "pulse_left"


@fields.described
class Parameter(NamedTuple):
    """What is known of a parameter: checks, fits, the command line, units and tables read it here."""

    name: Annotated[str, "as in ``Params``"]
    default: Annotated[Any, "None where there is none"]
    unit: Annotated[str | None, "such as '1/ms/mM'; None where it was not said"]
    positive: Annotated[bool, "whether 0 is out of range too"]
    signed: Annotated[bool, "whether it may be negative; if not, it is fitted on a logarithmic scale"]


@dataclass(frozen=True, eq=False, repr=False)
class Kernel:
    """A synapse's kinetics: made by `receptor` or `linear`, and equal to itself alone.

    Attributes:
        name: such as "ampa".
        Params, State: NamedTuples of arrays, as they were declared.
        UNITS: a ``Params`` of the units' names.
        TAKES_WEIGHTS: whether an input is added (mS), or only starts a pulse of transmitter.
        parameters: what is known of each parameter, a `Parameter` by name.
        variables: the unit of each field of ``State``, by name.
        structure: what kind of equations they are.
    """

    name: str
    equations: Equations
    Params: Any
    State: Any
    UNITS: Any
    TAKES_WEIGHTS: bool
    parameters: Mapping[str, Parameter]
    variables: Mapping[str, str]
    input: int  # which variable, in solving order, an input is added to
    in_turn: bool
    methods: tuple[str, ...]  # those there are, the default first
    always_exact: bool  # whether all of them are "exact"
    structure: structure.Structure
    conductance: Callable[[Any, Any], Any]
    matrix: Callable[[Any, Any], Array] | None  # (params, T) -> rates between states, where these are known one by one
    rest: (
        Callable[[Any], Sequence[Any]] | None
    )  # params -> the variables at rest, in solving order; None where all are 0
    home: str  # the module that holds it

    def init(self, params: Any, shape: int | tuple[int, ...], *, dtype: Any = None) -> Any:
        """State at rest: zeros, unless the kernel says otherwise.

        Args:
            params: ``Params``, checked here.
            shape: shape of the state, for example (1000,).
            dtype: floating dtype, by default JAX's default float.

        Returns:
            ``State``, each field an array of its own.

        Raises:
            TypeError, ValueError: a shape, dtype or parameter that makes no sense.
        """
        params = units.params(self, params)
        shape, dtype = check_layout(params, shape, dtype, self)
        state = self.State(*(jnp.zeros(shape, dtype) for _ in self.State._fields))
        if self.rest is None:
            return state
        at_rest = self.rest(nan_if_invalid(aligned_params(params, state[0], self), self))
        return state._replace(**{name: state[0] + value for name, value in zip(self.order, at_rest, strict=True)})

    def step(
        self,
        params: Any,
        state: Any,
        t: ArrayLike,
        spike: ArrayLike,
        dt: ArrayLike,
        *,
        method: str | None = None,
        overlap: str = "restart",
    ) -> tuple[Any, Array]:
        """Advance by one step: one of a `synkin.stepper`, which a loop should make once and use.

        Args:
            params: ``Params``, units as in ``UNITS``.
            state: ``State`` at ``t``.
            t: time at the start of the step in ms; not needed.
            spike: for a receptor booleans (or 0 and 1), acting from the step's start; for a linear kernel an input in
                mS (or booleans for 1 mS), added at its end. Shape of the state, or broadcasting.
            dt: step in ms.
            method: "exp_euler" (brainpy.state's scheme, and the default where there is one) or "exact".
            overlap: for the receptors, "restart" (a spike during a pulse starts it anew) or "ignore".

        Returns:
            The state and g (mS, or for a receptor the fraction of its maximum), both at ``t + dt``.

        Raises:
            TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.

        All but the options may be quantities of saiunit. If one is, g is a quantity in mS; a state is always plain.
        """
        has_units = units.among(params, state, t, spike, dt)
        self.check_options(method, overlap)
        params, state = units.params(self, params), check_state(self, units.state(state, self))
        units.plain("t", t, "ms")
        dt = nan_if_invalid_dt(check_dt(units.plain("dt", dt, "ms")))
        params = nan_if_invalid(check_params(params, state[0].shape, self), self)
        warn_of_rounding(self, params, dt, method)
        plain = units.plain("spike", spike, units.of_input(self))
        arrays = jax.tree.map(partial(as_array, dtype=state[0].dtype), params)
        spike = check_spike(plain, state[0], takes_weights=self.TAKES_WEIGHTS)
        state = nan_if_invalid_state(state, params, plain, takes_weights=self.TAKES_WEIGHTS)
        dt = as_array(dt, state[0].dtype)
        state, g = _one_step(self, arrays, state, spike, dt, self.solved_by(method), overlap)
        return state, units.quantity(g, "mS") if has_units else g

    def vector_field(self, params: Any, state: Any, T: ArrayLike = 0.0) -> Any:
        """The equations themselves, for other solvers.

        Args:
            params: ``Params``, units as in ``UNITS``.
            state: ``State``.
            T: transmitter in the cleft, mM; for a linear kernel it has no meaning.

        Returns:
            ``State`` of the derivatives, per ms; that of ``pulse_left`` is 0.

        Raises:
            TypeError, ValueError: an argument of the wrong kind, shape or range.
        """
        state = check_state(self, units.state(state, self))
        like = state[0]
        params = aligned_params(units.params(self, params), like, self)
        T = as_array(as_real("T", units.plain("T", T, "mM")), like.dtype)
        y = tuple(getattr(state, name) for name in self.order)
        derivatives = dict(zip(self.order, self.derivatives(params, y, T), strict=True))
        zero = jnp.zeros_like(like)
        return self.State(*(zero + derivatives.get(name, zero) for name in self.State._fields))

    @property
    def parts(self) -> tuple[Kernel, ...]:
        """What it is the sum of: itself alone, unless it is a `synkin.declaring.sums.Sum`."""
        return (self,)

    def params_of(self, params: Any) -> tuple[Any, ...]:
        """The ``Params`` of each part."""
        return (params,)

    def check_params(self, params: Any) -> None:
        """Raise ValueError if parameters, where they are known, do not fit what the equations leave to them."""
        limits.check(self, params)

    def bare(self, name: str) -> str:
        """What a parameter is called in the part of a sum that it belongs to."""
        return name

    def __add__(self, other: Any) -> Kernel:
        """The two side by side at one synapse, as one kernel: see `synkin.declaring.sums`."""
        from synkin.declaring.sums import added  # which stands on this module

        return added(self, other)

    @property
    def order(self) -> tuple[str, ...]:
        """The variables, each after those that drive it: the order in which they are solved."""
        names = _variables(self.State)
        return tuple(names[i] for i in self.structure.order)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The variable that an input is added to: of a sum, one of each part; of a receptor none."""
        return (self.order[self.input],) if self.TAKES_WEIGHTS else ()

    def derivatives(self, params: Any, y: tuple[Any, ...], T: Any) -> tuple[Any, ...]:
        """The equations, from variables in solving order to their derivatives."""
        given = self.equations(params, self._state(y), *(() if self.TAKES_WEIGHTS else (T,)))
        return tuple(given[name] for name in self.order)

    def conductance_of(self, params: Any, y: tuple[Any, ...]) -> Any:
        """g of variables in solving order."""
        return self.conductance(params, self._state(y))

    def solved_by(self, method: str | None) -> str:
        """The method that is used where ``method`` is asked for, or none is."""
        return "exact" if self.always_exact else method or self.methods[0]

    def check_options(self, method: Any, overlap: Any) -> None:
        """Raise ValueError unless ``method`` and ``overlap`` are among what there is."""
        check_method(method, self)
        check_overlap(overlap, takes_weights=self.TAKES_WEIGHTS)

    def _state(self, y: tuple[Any, ...]) -> Any:
        fields = dict.fromkeys(self.State._fields) | dict(zip(self.order, y, strict=True))
        return self.State(**fields)

    def __repr__(self) -> str:
        listed = ", ".join(f"{name}={known.default}" for name, known in self.parameters.items())
        return f"{self.name}({listed})"

    def __reduce__(self) -> str | tuple[Any, ...]:
        # By name, as functions pickle: the equations are code.
        if getattr(sys.modules.get(self.home), self.name, None) is not self:
            raise TypeError(
                f"Kernel `{self.name}` must be a global of its module to be pickled or copied, but {self.home} has no "
                f"such name for it: give `name=` the name that it is assigned to."
            )
        return _named, (self.home, self.name)

    def __copy__(self) -> Kernel:
        return self

    def __deepcopy__(self, memo: Any) -> Kernel:
        return self


@partial(jax.jit, static_argnums=(0, 5, 6))
def _one_step(
    kernel: Kernel, params: Any, state: Any, spike: Array, dt: Array, method: str, overlap: str
) -> tuple[Any, Array]:
    """`Kernel.step` of arguments that have been checked."""
    ready = prepared(kernel, params, dt, method, overlap, dt.dtype, once=True)
    carry, g = ready.step(carry_of(ready, state, at_rest=False), spike)
    return ready.state(carry), g


def receptor(
    equations: Equations,
    Params: Any,
    State: Any,
    *,
    conductance: Callable[[Any, Any], Any] | None = None,
    units: Mapping[str, str] | None = None,
    name: str | None = None,
    positive: Sequence[str] = (),
    signed: Sequence[str] = (),
    in_turn: bool = False,
    methods: Sequence[str] = METHODS,
    source: str | None = None,
) -> Kernel:
    """A receptor from its equations: a spike starts a pulse of ``T`` mM of transmitter that lasts ``T_dur`` ms.

    Args:
        equations: ``equations(p, y, T)`` or ``equations(p, y)``, the derivatives per ms as a dict, one for each field
            of ``State`` but ``pulse_left``; T is the transmitter in mM, 0 between pulses. They are linear in the
            variables (T and the parameters may stand in them in any way), or end in a gate that one variable opens.
        Params: NamedTuple class with a default for each parameter, among them ``T`` and ``T_dur``.
        State: NamedTuple class of the variables, and ``pulse_left``.
        conductance: ``conductance(p, y)``, which may be of any form; by default the field ``g``.
        units: the units of parameters and variables by name, such as "1/ms/mM". T and pulses have theirs, a variable
            called g is in mS and others are fractions; a parameter of which nothing is said takes no quantities. They
            may stand with the fields instead, ``alpha: Annotated[float, "binding rate", "1/ms/mM"] = 0.98``, and
            ``help`` says both.
        name: by default that of the function ``equations`` if it has one of its own, else of the module.
        positive: names of parameters for which 0 is out of range.
        signed: names of parameters that may be negative.
        in_turn: for "exp_euler": whether a variable sees the new values of those that drive it, and not the old ones.
        methods: "exp_euler" and "exact", the default first; or one of them alone.
        source: what ``help`` says first; by default the docstring of the equations.

    Returns:
        `Kernel`, with ``Params``, ``State``, ``UNITS``, ``init``, ``step`` and ``vector_field``.

    Raises:
        TypeError: functions or classes that are none.
        ValueError: names that do not fit each other, or equations of a kind that is not solved.

    "exact" solves the equations in closed form over any step. "exp_euler" moves each variable by its own exponential,
    the others held still.
    """
    given = {name: unit for name, (_, unit) in fields.PULSE.items()} | dict(units or {})
    for method in methods:
        check_choice("methods", method, METHODS)
    kernel = _declared(
        equations, Params, State, conductance, given, name, positive, signed, in_turn, False, None, tuple(methods)
    )
    if source is not None:
        object.__setattr__(kernel, "__doc__", documented(kernel, source))
    return kernel


def linear(
    equations: Equations,
    Params: Any,
    State: Any,
    *,
    input: str,
    conductance: Callable[[Any, Any], Any] | None = None,
    units: Mapping[str, str] | None = None,
    name: str | None = None,
    positive: Sequence[str] = (),
    signed: Sequence[str] = (),
    always_exact: bool = False,
) -> Kernel:
    """A linear synapse from its equations: an input of so many mS is added to one of its variables.

    Args:
        equations: ``equations(p, y)``, the derivatives per ms as a dict, one for each field of ``State``, linear in
            the variables and 0 at rest.
        Params: NamedTuple class with a default for each parameter.
        State: NamedTuple class of the variables.
        input: name of the variable that an input is added to.
        conductance, units, name, positive, signed: as for `receptor`; variables are in mS by default.
        always_exact: whether "exp_euler" is "exact" here, too.

    Returns:
        `Kernel`, with ``Params``, ``State``, ``UNITS``, ``init``, ``step`` and ``vector_field``.

    Raises:
        TypeError: functions or classes that are none.
        ValueError: names that do not fit each other, or equations of a kind that is not solved.
    """
    return _declared(
        equations, Params, State, conductance, units or {}, name, positive, signed, False, always_exact, input
    )


def _declared(
    equations: Equations,
    Params: Any,
    State: Any,
    conductance: Callable[[Any, Any], Any] | None,
    given_units: Mapping[str, str],
    name: str | None,
    positive: Sequence[str],
    signed: Sequence[str],
    in_turn: bool,
    always_exact: bool,
    input: str | None,
    methods: tuple[str, ...] = METHODS,
) -> Kernel:
    check_function("equations", equations)
    for role, kind in (("Params", Params), ("State", State)):
        if not (isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")):
            raise TypeError(f"Argument `{role}` must be a NamedTuple class, but is {describe(kind)}.")
    home = Params.__module__
    name = name or _name_of(equations, home, "linear" if input is not None else "receptor")
    if not (isinstance(name, str) and name.isidentifier()):
        raise ValueError(f"Argument `name` must be a name as Python has them, but is {describe(name)}.")
    names = _variables(State)
    takes_weights = input is not None
    given_units = fields.units(Params, State) | dict(given_units)
    _check_names(name, Params, State, names, given_units, (*positive, *signed), input)
    equations = equations if takes_weights else _with_T(equations)
    if conductance is None:
        if "g" not in names:
            raise ValueError(f"Argument `conductance` must be given, as {name} has no variable g, but is not.")
        conductance = field_g

    def derivatives(p: Any, y: tuple[Any, ...], T: Any) -> tuple[Any, ...]:
        state = State(**(dict.fromkeys(State._fields) | dict(zip(names, y, strict=True))))
        found = equations(p, state, *(() if takes_weights else (T,)))
        if not isinstance(found, Mapping) or set(found) != set(names):
            came = sorted(found) if isinstance(found, Mapping) else describe(found)
            raise ValueError(f"The equations of {name} must be a dict with the keys {sorted(names)}, but give {came}.")
        return tuple(found[n] for n in names)

    def output(p: Any, y: tuple[Any, ...]) -> Any:
        return conductance(p, State(**(dict.fromkeys(State._fields) | dict(zip(names, y, strict=True)))))

    defaults = {field: Params._field_defaults.get(field) for field in Params._fields}
    parameters = {
        field: Parameter(field, defaults[field], given_units.get(field), field in positive, field in signed)
        for field in Params._fields
    }
    with double_precision():
        found = structure.find(
            name,
            names,
            derivatives,
            output,
            Params,
            signed,
            has_transmitter=not takes_weights,
        )
    solved = [names[i] for i in found.order]
    default = "mS" if takes_weights else "1"
    variables = {field: given_units.get(field, "mS" if field == "g" else default) for field in State._fields}
    kernel = Kernel(
        name=name,
        equations=equations,
        Params=Params,
        State=State,
        UNITS=Params(*(known.unit for known in parameters.values())),
        TAKES_WEIGHTS=takes_weights,
        parameters=parameters,
        variables=variables,
        input=solved.index(input) if input is not None else 0,
        in_turn=bool(in_turn),
        methods=methods,
        always_exact=bool(always_exact),
        structure=found,
        conductance=conductance,
        matrix=None,
        rest=None,
        home=home,
    )
    meanings = {} if takes_weights else {field: meaning for field, (meaning, _) in fields.PULSE.items()}
    fields.document(Params, {field: known.unit for field, known in parameters.items()}, meanings)
    fields.document(State, variables, meanings)
    object.__setattr__(kernel, "__doc__", documented(kernel, getattr(equations, "__doc__", None)))
    return kernel


def _check_names(
    name: str,
    Params: Any,
    State: Any,
    names: tuple[str, ...],
    given_units: Mapping[str, str],
    flagged: tuple[str, ...],
    input: str | None,
) -> None:
    if not names:
        raise ValueError(f"Argument `State` must have a variable, but {name} has none besides {_PULSE_LEFT}.")
    if input is None:
        missing = [f"Params.{field}" for field in ("T", "T_dur") if field not in Params._fields]
        missing += [f"State.{_PULSE_LEFT}"] * (_PULSE_LEFT not in State._fields)
        if missing:
            raise ValueError(
                f"A receptor must have Params.T, Params.T_dur and State.pulse_left, but lacks {missing[0]}."
            )
    elif input not in names:
        raise ValueError(f"Argument `input` must be one of {', '.join(names)}, but is {describe(input)}.")
    elif _PULSE_LEFT in State._fields:
        raise ValueError(f"A linear kernel has no pulses, but State of {name} has {_PULSE_LEFT}.")
    for field in flagged:
        if field not in Params._fields:
            raise ValueError(f"Arguments `positive` and `signed` must name parameters of {name}, but have {field!r}.")
    for field in given_units:
        if field not in (*Params._fields, *State._fields):
            raise ValueError(f"Argument `units` must name parameters and variables of {name}, but has {field!r}.")


def _name_of(equations: Equations, home: str, otherwise: str) -> str:
    given = getattr(equations, "__name__", "equations")
    if given.isidentifier() and given != "equations":
        return given
    return otherwise if home == "__main__" else home.rpartition(".")[2]


def _variables(State: Any) -> tuple[str, ...]:
    return tuple(field for field in State._fields if field != _PULSE_LEFT)


def _with_T(equations: Equations) -> Equations:
    """Equations as a function of p, y and T, whether they were written with T or without."""
    code = getattr(equations, "__code__", None)
    if code is None or code.co_argcount != 2 or code.co_flags & 0x04:
        return equations

    def with_T(p: Any, y: Any, T: Any) -> Mapping[str, Any]:
        return equations(p, y)

    with_T.__doc__ = equations.__doc__
    return with_T


def field_g(p: Any, y: Any) -> Any:
    """The conductance of a kernel whose variable g it is."""
    return y.g


def documented(kernel: Kernel, text: str | None) -> str:
    """The docstring: that of the equations, the parameters with their defaults and units, and the variables."""
    lines = [inspect.cleandoc(text) if text else f"The {kernel.name} synapse.", "", "Parameters:"]
    said = fields.said(kernel.Params)
    for name, known in kernel.parameters.items():
        unit = "" if known.unit in (None, "1") else f" {known.unit}"
        meaning = f", {said[name][0]}" if name in said else ""
        lines.append(f"    {name}: {known.default}{unit}{meaning}")
    lines += ["", "State: " + ", ".join(f"{name} ({unit})" for name, unit in kernel.variables.items())]
    return "\n".join(lines)


def _named(home: str, name: str) -> Any:
    """The kernel of that name, for `pickle`."""
    __import__(home)
    return getattr(sys.modules[home], name)
