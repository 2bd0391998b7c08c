"""`scheme`: a receptor from its states and transitions, written as papers print them.

    nmda5 = synkin.scheme('''
        C0 + glu <-> C1 : kon, koff
        C1 + glu <-> C2 : kon, koff
        C2       <-> D  : kd, kr
        C2       <-> O  : beta, alpha
    ''', open="O", kon=5.0, koff=0.0129, kd=0.0084, kr=0.0068, beta=0.0465, alpha=0.0738)

`synkin.declaring.scheme_text` reads the text. The result is a kernel like any other, and is solved exactly.
"""

from __future__ import annotations

import inspect
import itertools
import sys
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments import units
from synkin.arguments.declaration import AnyParams, AnyState, Parameter
from synkin.arguments.inputs import StartsPulse
from synkin.arguments.known import double_precision
from synkin.arguments.messages import describe
from synkin.arguments.numbers import align, as_float64, check_concentration, float_dtype
from synkin.arguments.params_and_states import aligned_params, check_state, common_shape, nan_if_invalid
from synkin.declaring import reversibility, scheme_text, transition_rates
from synkin.declaring.expression import own_names
from synkin.declaring.kernel import Kernel, set_pickling
from synkin.declaring.scheme_arguments import (
    Frozen,
    check_options,
    check_rates,
    class_of,
    frozen,
    notes_on_calls,
    notes_on_parameters,
    number,
    occupied_at_rest,
    open_weights,
    parameter_values,
)
from synkin.declaring.scheme_text import Transition
from synkin.declaring.state_diagram import StateDiagram
from synkin.declaring.transition_rates import Computed
from synkin.solving import limits, structure

# Schemes by the arguments they were made of, so that equal arguments give the same scheme, which is compiled once.
_made: weakref.WeakValueDictionary[tuple[object, ...], Scheme] = weakref.WeakValueDictionary()


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Scheme(Kernel):
    """A kernel made of states and transitions by `synkin.scheme`. It has everything that a `synkin.Kernel` has, and:

    Attributes:
        states: the names of the states, in the order of the text. The first one is not a field of ``State``: its
            occupancy is 1 minus that of the others.
        transitions: the transitions, one for each direction, with their rates.
        open: the relative conductance of each conducting state, by name.
        computed: the rates that were given as functions of parameters.
        notes: a sentence on each part of the text that was ignored.

    Example:
        >>> nmda5 = synkin.schemes.nmda5
        >>> nmda5.states, nmda5.open
        (('C0', 'C1', 'C2', 'D', 'O'), {'O': 1.0})
        >>> print(nmda5.transitions[0])
        C0 + glu -> C1 : kon
    """

    _shown: ClassVar[tuple[str, ...]] = (
        *Kernel._shown,
        *("computed", "generator", "notes", "occupancies", "open", "reversibility", "states", "steady_state"),
        "transitions",
    )

    states: tuple[str, ...]
    transitions: tuple[Transition, ...]
    open: Mapping[str, float]
    computed: Mapping[str, Computed]
    said: tuple[object, ...]  # the arguments of `scheme_from_record`
    notes: tuple[str, ...]
    diagram: StateDiagram
    checked: tuple[Transition, ...]  # those whose rate may be negative or infinite although all parameters are in range

    def generator(self, params: AnyParams, T: ArrayLike = 0.0) -> Array:
        """The matrix Q of the rates, so that the occupancies p of all states obey ``dp/dt = Q p``.

        Args:
            params: ``Params``, scalars, or arrays that broadcast against each other and against ``T``.
            T: the concentration of transmitter in mM.

        Returns:
            (..., n, n) in /ms: element [i, j] is the rate from state j to state i, in the order of `states`. Columns
            sum to 0.

        Raises:
            TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.

        Example:
            >>> nmda5 = synkin.schemes.nmda5
            >>> Q = nmda5.generator(nmda5.Params(), T=1.0)
            >>> Q.shape
            (5, 5)
            >>> bool(jnp.allclose(Q.sum(axis=0), 0.0, atol=1e-5))
            True
        """
        return self.diagram.matrix(*self._arrays(params, T))

    def occupancies(self, state: AnyState) -> Array:
        """The fraction of the receptors in each state, including the first state.

        Args:
            state: a ``State`` of any shape, for example of a whole run.

        Returns:
            (..., n) in the order of `states`; they add up to 1.

        Raises:
            TypeError, ValueError: not a state of this scheme.

        Example:
            >>> nmda5 = synkin.schemes.nmda5
            >>> state = nmda5.init(nmda5.Params(), (2,))
            >>> print(nmda5.occupancies(state))  # all in the first state
            [[1. 0. 0. 0. 0.]
             [1. 0. 0. 0. 0.]]
        """
        state = check_state(self, units.state(state, self))
        occupied = [getattr(state, name) for name in self.states[1:]]
        return jnp.stack([1 - sum(occupied[1:], occupied[0]), *occupied], axis=-1)

    def steady_state(self, params: AnyParams, T: ArrayLike = 0.0) -> AnyState:
        """The state that is reached in the end at a constant concentration, if there is only one.

        Args:
            params: ``Params``, scalars, or arrays that broadcast against each other and against ``T``.
            T: the concentration of transmitter in mM.

        Returns:
            A ``State`` of occupancies, exact up to rounding, whose ``pulse_left`` is 0. NaN for those synapses that
            have several steady states, if this depends on traced rates or on rates that are 0 at some of the synapses.

        Raises:
            TypeError, ValueError: an argument of the wrong kind, shape, range or dimension, or several steady states.

        Example:
            >>> nmda5 = synkin.schemes.nmda5
            >>> state = nmda5.steady_state(nmda5.Params(), T=1.0)
            >>> round(float(state.O), 3)
            0.22
        """
        found = self.diagram.steady_occupancies(*self._arrays(params, T))
        zero = jnp.zeros_like(found[..., 0])
        occupancies = {state: found[..., i] for i, state in enumerate(self.states) if i}
        return self.State(**occupancies, pulse_left=zero)

    def reversibility(self, params: AnyParams = None, T: ArrayLike = 1.0) -> tuple[reversibility.Cycle, ...]:
        """Whether each cycle of states obeys microscopic reversibility, and if not, by what factor it is off.

        Args:
            params: ``Params``, scalars; by default those of the scheme.
            T: the concentration of transmitter in mM, which matters for cycles that bind more molecules than they
                release.

        Returns:
            The smallest cycles of which all other cycles are made. Each has its ``states``, and as ``ratio`` the
            product of the rates around it divided by the product of the rates in the other direction: 1 for a
            reversible cycle. Empty if there are no cycles.

        Raises:
            TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.

        Example:
            >>> synkin.schemes.nmda5.reversibility()  # a chain has no cycle
            ()
            >>> cycle = synkin.schemes.jonas1993.reversibility()[0]
            >>> round(float(cycle.ratio), 2)
            0.99
        """
        matrix = as_float64("params", self.generator(self.Params() if params is None else params, T))
        if matrix.ndim != 2:
            raise ValueError(f"Argument `params` must be scalars here, but have shape {matrix.shape[:-2]}.")
        return reversibility.find(self.states, matrix)

    def check_params(self, params: AnyParams) -> None:
        """Raise ValueError if concrete parameters, although in range, make a rate negative or infinite."""
        values = params._asdict()
        given = limits.known(params) if self.checked and self.computed else None
        if given is not None:
            values |= limits.computed(_computed, self, given)
        for transition in self.checked:
            transition_rates.check(transition, values)

    def _arrays(self, params: AnyParams, T: ArrayLike) -> tuple[AnyParams, Array]:
        """Checked parameters and concentration, as arrays of one rank."""
        params = units.params(self, params)
        shape = common_shape(params, self)
        concentration = check_concentration("T", units.strip_unit("T", T, "mM"))
        got = np.shape(concentration)
        try:
            shape = np.broadcast_shapes(shape, got)
        except ValueError:
            raise ValueError(
                f"Argument `T` must broadcast with the parameters, of shape {shape}, but has shape {got}."
            ) from None
        like = jnp.zeros(shape, float_dtype(None))
        params = nan_if_invalid(aligned_params(params, like, self), self)
        return params, align(concentration, like)

    def __reduce__(self) -> tuple[Callable[..., Kernel], tuple[object, ...]]:
        # By name if it is a global of its module, else by the arguments of `scheme`, which are text and numbers.
        if getattr(sys.modules.get(self.home), self.name, None) is self:
            return super().__reduce__()
        return scheme_from_record, self.said


def scheme(
    text: str,
    *,
    open: str | Sequence[str] | Mapping[str, float] | None = None,
    rest: str | Mapping[str, float] | None = None,
    ligand: str | None = None,
    name: str = "scheme",
    units: Mapping[str, str] | None = None,
    signed: Sequence[str] = (),
    source: str | None = None,
    **rates: float | Computed,
) -> Scheme:
    """A receptor from its states, the transitions between them and their rates, written as text.

    Args:
        text: one transition in each line: ``A <-> B : forward, backward`` or ``A -> B : rate``. ``A + glu <-> B : kon,
            koff`` binds the ligand glu. A rate is made of names and numbers with ``+ - * /`` and parentheses, such as
            ``2*kon``. Comments begin with "#". Lines such as ``open = O``, ``rest = C0``, ``ligand = glu`` or ``signed
            = V`` set the argument of that name. The text may also be the content of a KINETIC or PARAMETER block of an
            NMODL file: ``~ A <-> B (f, b)``, with the ligand as a factor in ``~ A <-> B (kon*T, koff)``, CONSERVE,
            units after numbers, and lines such as ``kon = 5.0`` and ``rb = 2*kon*T``. A call of a procedure is ignored
            with a warning. A name that is a Python keyword, such as ``in``, becomes ``in_``.
        open: the state that conducts, or several states, or ``{state: relative conductance}``. g is the fraction of the
            receptors in these states, each weighted by its relative conductance.
        rest: where the receptors are at rest, by default in the first state: a state from which only binding leads
            away, ``{state: fraction}``, or "steady" for the steady state without transmitter.
        ligand: the name of the transmitter in the text. By default it is the name that is added to states, as glu in
            ``A + glu``; or else "T"; or else a factor in the rates that has no value, if just one can be the
            transmitter. If ``ligand`` is given, other names that are added to states may be a second ligand, as in ``R
            + ant <-> B : kb, ku`` with ``ant=0.2``: its concentration in mM is then a parameter.
        name: the name of the scheme in messages. To pickle the scheme, assign it to a global variable of this name.
        units: units of the parameters that are not rates, by name.
        signed: names of parameters that may be negative, such as a voltage.
        source: the first lines of its docstring: which receptor it is, and from which paper.
        rates: the value of each rate: in /ms, or in /ms/mM for binding; and ``T`` and ``T_dur``, by default 1 mM and 1
            ms. A rate may be a function of parameters, ``block=lambda p: p.Mg * jnp.exp(-p.V / 17)``; then give the
            values of these parameters too. What is given here overrides values in the text.

    Returns:
        A `synkin.Scheme`: a kernel whose only method is "exact". ``Params`` has the rates in the order of the text.
        ``State`` has the occupancy of each state but the first, and ``pulse_left``. The same arguments give the same
        kernel.

    Raises:
        TypeError: ``text`` is not a text, or a rate is not a number.
        ValueError: a line cannot be read; a rate is unknown, unused, negative or infinite; a state is unknown, or not
            connected with the others; it is not clear which name is the ligand; or a state of rest is left without
            transmitter.

    Source of the notation: Destexhe, Mainen and Sejnowski 1994, J. Comput. Neurosci. 1:195; Hines and Carnevale 2000,
    Neural Comput. 12:995.

    Example:
        >>> nmda = synkin.scheme('''
        ...     C0 + glu <-> C1 : 2*kon, koff
        ...     C1 + glu <-> C2 : kon, 2*koff
        ...     C2       <-> O  : beta, alpha
        ... ''', open="O", kon=5.0, koff=0.01, beta=0.05, alpha=0.07, name="nmda")
        >>> nmda.states
        ('C0', 'C1', 'C2', 'O')
        >>> g = synkin.respond(nmda, nmda.Params(beta=0.1), [1.0], [0.0, 20.0])
        >>> print(g.round(4))
        [0. 0.4754]
    """
    if not isinstance(text, str):
        raise TypeError(f"Argument `text` must be text, one transition a line, but is {describe(text)}.")
    for role, given in (("ligand", ligand), ("source", source)):
        if not isinstance(given, str | None):
            raise TypeError(f"Argument `{role}` must be text, but is {describe(given)}.")
    if not isinstance(units or {}, Mapping) or not all(isinstance(unit, str) for unit in (units or {}).values()):
        raise TypeError(f"Argument `units` must be a dict of names and units, but is {describe(units)}.")
    negative = tuple(map(own_names, (signed,) if isinstance(signed, str) else signed))
    home = sys._getframe(1).f_globals.get("__name__", "__main__")
    options = frozen(open), frozen(rest), frozen(ligand), name, home, frozen(units or {}), negative, source
    numbers = {own_names(key): value if callable(value) else number(key, value) for key, value in rates.items()}
    kernel = scheme_from_record(text, *options, tuple(numbers.items()))
    for note in kernel.notes:
        warnings.warn(note, stacklevel=2)
    return kernel


def scheme_from_record(
    text: str,
    open: Frozen,
    rest: Frozen,
    ligand: str | None,
    name: str,
    home: str,
    units: tuple[tuple[str, str], ...],
    signed: tuple[str, ...],
    source: str | None,
    rates: tuple[tuple[str, float | Computed], ...],
) -> Scheme:
    """`scheme` of arguments that can be hashed and pickled."""
    said = (text, open, rest, ligand, name, home, units, signed, source, rates)
    try:
        if said in _made:
            return _made[said]
    except TypeError:  # an argument that cannot be hashed, which is refused below
        pass
    check_options(name, open, rest)
    at_rest_in = rest if isinstance(rest, str) else None
    read = scheme_text.parse(text, ligand, [key for key, _ in rates], at_rest_in)
    states, transitions = read.states, read.transitions
    computed = {key: value for key, value in rates if callable(value)}
    given = read.values | {key: value for key, value in rates if not callable(value)}
    given = {key: value for key, value in given.items() if key not in computed}
    used = [key for transition in transitions for key in transition.rate.parameters]
    own, found = check_rates(read, used, computed, given)
    signed = (*signed, *(key for key in read.signed if key not in signed))
    values = parameter_values(name, own, given, signed, dict(units))
    Params = class_of("Params", name, home, list(values), list(values.values()))
    State = class_of("State", name, home, [*states[1:], "pulse_left"], [])
    known_units = transition_rates.units_of(transitions, computed, values, read.others)
    known_units |= dict(units) | dict.fromkeys(("T", *read.others), "mM") | {"T_dur": "ms"}
    parameters = {
        key: Parameter(key, value, known_units.get(key), False, key in signed) for key, value in values.items()
    }
    at_defaults = {key: np.float64(value) for key, value in values.items()} | found
    for transition, line in zip(transitions, read.lines, strict=True):
        transition_rates.check(transition, at_defaults, line)
        transition_rates.check_units(transition.rate, known_units, line)
    weights = open_weights(open, read.open, states)
    linear = states[0] not in weights
    resting, leaks = occupied_at_rest(rest if rest is not None else read.rest, states, transitions, at_defaults)
    with double_precision():
        doubtful = {
            key
            for key, function in computed.items()
            if not structure.never_negative(f"Rate `{key}`", function, Params, signed)
        }
    may_be_none = tuple(transition_rates.may_be_none(transition, parameters, doubtful) for transition in transitions)
    rates_of = partial(transition_rates.values, transitions, may_be_none, computed)
    diagram = StateDiagram(name, states, transitions, rates_of)

    at_rest: Callable[[AnyParams], Sequence[ArrayLike]] | None = None
    if isinstance(resting, str):
        diagram.closed(diagram.possible(None, binding=False))  # raises unless there is one steady state
        at_rest = partial(_steady_at_rest, diagram)
    elif resting is not None:
        at_rest = partial(_occupied_at_rest, diagram, resting, tuple(leaks))
    listed = "\n".join(f"    {transition}" for transition in transitions)
    kernel = Scheme(
        name=name,
        equations=diagram.derivatives,
        Params=Params,
        State=State,
        input=StartsPulse(),
        parameters=parameters,
        variables=dict.fromkeys(states[1:], "1") | {"pulse_left": "ms"},
        methods=("exact",),
        always_exact=True,
        find_structure=partial(
            structure.of_states,
            states[1:],
            any(t.source == states[0] and not t.binds and t.rate.factor for t in transitions),
            tuple(weights.get(state, 0) if linear else True for state in states[1:]),
            linear=linear,
        ),
        conductance=partial(_conductance, states, weights),
        matrix=diagram.matrix,
        rest=at_rest,
        home=home,
        about=f"{inspect.cleandoc(source or 'A kinetic scheme.')}\n\nTransitions:\n{listed}",
        meanings=transition_rates.uses(transitions) | {state: f"part of the receptors in {state}" for state in states},
        states=states,
        transitions=transitions,
        open=weights,
        computed={key: function for key, function in computed.items() if key in used},
        said=said,
        notes=(
            *read.unused,
            *notes_on_parameters(read, own),
            *notes_on_calls(read, [key for key, _ in rates if key in used]),
        ),
        diagram=diagram,
        checked=tuple(itertools.compress(transitions, may_be_none)),
    )
    for kind, role in ((Params, "Params"), (State, "State")):
        set_pickling(kind, _rebuilt, kernel, role)
    _made[said] = kernel
    return kernel


def _conductance(states: tuple[str, ...], weights: Mapping[str, float], p: AnyParams, y: AnyState) -> Array:
    """g: the sum of the occupancies, each times the relative conductance of its state."""
    first = [weights[states[0]] * (1 - sum(getattr(y, state) for state in states[1:]))] if states[0] in weights else []
    parts = first + [weight * getattr(y, state) for state, weight in weights.items() if state != states[0]]
    return sum(parts[1:], parts[0])


def _rebuilt(kernel: Scheme, role: str, values: tuple[object, ...]) -> AnyParams | AnyState:
    """A ``Params`` or ``State``, for `pickle`."""
    return getattr(kernel, role)(*values)


def _steady_at_rest(diagram: StateDiagram, params: AnyParams) -> Sequence[Array]:
    """The variables of a scheme that rests in its steady state without transmitter."""
    found = diagram.steady_occupancies(params, jnp.zeros_like(params.T))
    return [found[..., i] for i in range(1, len(diagram.states))]


def _occupied_at_rest(
    diagram: StateDiagram, resting: Mapping[str, float], leaks: Sequence[Transition], params: AnyParams
) -> Sequence[ArrayLike]:
    """The variables of a scheme that rests in given states; NaN if a rate out of these (``leaks``) is not 0."""
    occupied = [resting.get(state, 0.0) for state in diagram.states[1:]]
    if not leaks:
        return occupied
    rates = zip(diagram.transitions, diagram.rates_of(params, params.T), strict=True)
    still = transition_rates.nothing_leaves(leaks, [rate for transition, rate in rates if transition in leaks])
    return [part + still for part in occupied]


def _computed(kernel: Scheme, params: AnyParams) -> dict[str, ArrayLike]:
    """The values of the rates that are functions of the parameters."""
    return {name: function(params) for name, function in kernel.computed.items()}
