"""`Kernel`: the equations of a synapse, and all that is derived from them.

`synkin.declaring.declare` makes kernels from equations, `synkin.declaring.scheme` from states and transitions, and
`synkin.declaring.sums` from other kernels. `synkin.simulate`, `synkin.respond`, `synkin.stepper` and `synkin.fit` take
any kernel.
"""

from __future__ import annotations

import collections
import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from synkin.arguments import fields, units
from synkin.arguments.bind import bind_step
from synkin.arguments.choices import check_method
from synkin.arguments.declaration import AnyParams, AnyState, Parameter
from synkin.arguments.inputs import Input, StartsPulse
from synkin.arguments.numbers import align, as_array, as_real, check_shape, float_dtype
from synkin.arguments.params_and_states import (
    aligned_params,
    check_params,
    check_state,
    nan_if_invalid,
)
from synkin.solving import limits, structure
from synkin.solving.first_carry import carry_from_state
from synkin.solving.rounding import warn_of_rounding
from synkin.solving.stepper import make_stepper

# ``equations(p, y)`` or ``equations(p, y, T)``, to the derivatives by name.
Equations: TypeAlias = Callable[..., Mapping[str, Any]]
Conductance: TypeAlias = Callable[[AnyParams, AnyState], Array]

Value = TypeVar("Value")

PULSE_LEFT = "pulse_left"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Kernel:
    """The kinetics of a synapse, made by `synkin.receptor`, `synkin.linear` or `synkin.scheme`. A kernel equals only
    itself.

    Attributes:
        name: such as "ampa".
        Params, State: the NamedTuple classes of its parameters and of its state.
        input: what a spike does: ``StartsPulse`` of transmitter, or ``AddsWeight`` (mS) to a variable.
        parameters: the default, unit and range of each parameter, by name.
        variables: the unit of each field of ``State``, by name.

    Example:
        >>> synkin.ampa.name, synkin.ampa.methods
        ('ampa', ('exp_euler', 'exact'))
        >>> synkin.ampa.parameters["alpha"].unit
        '1/ms/mM'
        >>> synkin.ampa.Params(beta=0.2)
        Params(alpha=0.98, beta=0.2, T=0.5, T_dur=0.5)
        >>> both = synkin.ampa + synkin.gabaa  # a sum is a kernel too
        >>> both.Params._fields[:5]
        ('ampa_alpha', 'ampa_beta', 'ampa_T', 'ampa_T_dur', 'g_gabaa')
    """

    name: str
    equations: Equations
    Params: type[AnyParams]  # NamedTuple class
    State: type[AnyState]  # NamedTuple class
    input: Input
    parameters: Mapping[str, Parameter]
    variables: Mapping[str, str]
    methods: tuple[str, ...]  # those that it has, the default first
    always_exact: bool = False  # whether "exp_euler" is solved as "exact" is
    in_turn: bool = False  # whether with "exp_euler" a variable sees the new values of those that drive it
    find_structure: Callable[[], structure.Structure]
    conductance: Conductance
    # Takes parameters and T, gives the matrix of the rates between states; None if there are no such rates.
    matrix: Callable[[AnyParams, Array], Array] | None = None
    # Takes parameters, gives the variables at rest in solving order; None if all are 0.
    rest: Callable[[AnyParams], Sequence[ArrayLike]] | None = None
    home: str  # the module that holds it
    about: InitVar[str | None]  # the first lines of its docstring
    meanings: InitVar[Mapping[str, str]] = MappingProxyType({})  # of fields whose declaration gives none

    def __post_init__(self, about: str | None, meanings: Mapping[str, str]) -> None:
        if isinstance(self.input, StartsPulse):
            meanings = {field: meaning for field, (meaning, _) in fields.PULSE.items()} | {**meanings}
        fields.document(self.Params, {field: known.unit for field, known in self.parameters.items()}, meanings)
        fields.document(self.State, self.variables, meanings)
        object.__setattr__(self, "__doc__", _documented(self, about))

    # What a user needs: see `fields.completion`.
    _shown: ClassVar[tuple[str, ...]] = (
        *("Params", "State", "TAKES_WEIGHTS", "UNITS", "conductance", "equations", "init", "input", "methods", "name"),
        *("parameters", "parts", "step", "variables", "vector_field"),
    )

    def __dir__(self) -> list[str]:
        return fields.completion(self._shown, super().__dir__())

    @functools.cached_property
    def structure(self) -> structure.Structure:
        """Which algorithm solves the equations: found when it is first used."""
        return self.find_structure()

    @property
    def UNITS(self) -> AnyParams:
        """A ``Params`` whose values are the names of the units."""
        return self.Params(*(known.unit for known in self.parameters.values()))

    @property
    def TAKES_WEIGHTS(self) -> bool:
        """Whether an input is a weight (mS) and not a spike (0 or 1): ``input.takes_weights``."""
        return self.input.takes_weights

    def init(self, params: AnyParams, shape: int | tuple[int, ...], *, dtype: DTypeLike | None = None) -> AnyState:
        """The state at rest: zeros, unless the kernel was declared with another one.

        Args:
            params: the kernel's ``Params``.
            shape: shape of the synapses, for example (1000,).
            dtype: floating dtype, by default JAX's default float.

        Returns:
            The kernel's ``State``, whose fields are arrays of that shape.

        Raises:
            TypeError, ValueError: a wrong shape or dtype, or an invalid parameter.

        Example:
            >>> state = synkin.ampa.init(synkin.ampa.Params(), (3,))
            >>> print(state.g)
            [0. 0. 0.]
        """
        lengths = check_shape(shape)
        params = check_params(units.params(self, params), lengths, self)
        return self.rest_state(params, lengths, float_dtype(dtype))

    def rest_state(self, params: AnyParams, shape: tuple[int, ...], dtype: DTypeLike) -> AnyState:
        """`init` of arguments that have been checked."""
        state = self.State(*(jnp.zeros(shape, dtype) for _ in self.State._fields))
        if self.rest is None:
            return state
        at_rest = self.rest(nan_if_invalid(jax.tree.map(partial(align, like=state[0]), params), self))
        return state._replace(**{name: state[0] + value for name, value in zip(self.order, at_rest, strict=True)})

    def step(
        self,
        params: AnyParams,
        state: AnyState,
        t: ArrayLike,
        spike: ArrayLike,
        dt: ArrayLike,
        *,
        method: str | None = None,
        overlap: str = "restart",
    ) -> tuple[AnyState, Array]:
        """Advance by one step. In a loop use the ``step`` of a `synkin.stepper`, which is faster.

        Args:
            params: ``Params``, units as in ``UNITS``.
            state: ``State`` at ``t``.
            t: the time in ms at the start of the step; the result does not depend on it.
            spike: for a receptor booleans (or 0 and 1), which act from the start of the step; for a linear kernel an
                input in mS (or booleans for 1 mS), which is added at its end. It has the shape of the state or
                broadcasts to it.
            dt: step in ms.
            method: "exact", or "exp_euler", brainpy.state's scheme, which is the default if the kernel has it.
            overlap: for a receptor: what a spike during a pulse does. "restart": the pulse begins again. "ignore":
                nothing.

        Returns:
            The state and g, both at ``t + dt``. g is in mS; of a receptor it is a fraction of the maximum.

        Raises:
            TypeError, ValueError: an argument of the wrong kind, shape, range or dimension.

        All arguments but ``method`` and ``overlap`` may be quantities of saiunit. If one of them is, g is a quantity in
        mS. A state never has units.

        Example:
            >>> params = synkin.ampa.Params()
            >>> state = synkin.ampa.init(params, (2,))
            >>> state, g = synkin.ampa.step(params, state, 0.0, jnp.array([True, False]), 0.1, method="exact")
            >>> print(g.round(4))
            [0.0474 0.]
        """
        self.check_options(method, overlap)
        given = bind_step(self, params, state, t, spike, dt)
        warn_of_rounding(self, given.given_params, given.given_dt, method)
        after, g = _one_step(self, given.params, given.state, given.spike, given.dt, self.solved_by(method), overlap)
        return after, units.quantity(g, "mS") if given.has_units else g

    def vector_field(self, params: AnyParams, state: AnyState, T: ArrayLike = 0.0) -> AnyState:
        """The derivatives of the variables, for solvers of other packages such as diffrax.

        Args:
            params: ``Params``, units as in ``UNITS``.
            state: ``State``.
            T: the concentration of transmitter in mM; ignored by a linear kernel.

        Returns:
            A ``State`` that holds the derivatives per ms; that of ``pulse_left`` is 0.

        Raises:
            TypeError, ValueError: an argument of the wrong kind, shape or range.

        Example:
            >>> params = synkin.ampa.Params(alpha=1.0, beta=0.2)
            >>> state = synkin.ampa.State(g=0.5, pulse_left=0.0)
            >>> slopes = synkin.ampa.vector_field(params, state, T=1.0)
            >>> round(float(slopes.g), 3)  # alpha T (1 - g) - beta g, per ms
            0.4
        """
        state = check_state(self, units.state(state, self))
        like = state[0]
        params = aligned_params(units.params(self, params), like, self)
        concentration = as_array(as_real("T", units.strip_unit("T", T, "mM")), like.dtype)
        y = tuple(getattr(state, name) for name in self.order)
        derivatives = dict(zip(self.order, self.derivatives(params, y, concentration), strict=True))
        zero = jnp.zeros_like(like)
        return self.State(*(zero + derivatives.get(name, zero) for name in self.State._fields))

    @property
    def parts(self) -> tuple[Kernel, ...]:
        """The kernels that it is the sum of: itself alone, unless it is a `synkin.declaring.sums.Sum`."""
        return (self,)

    def params_of(self, params: AnyParams) -> tuple[AnyParams, ...]:
        """The ``Params`` of each part."""
        return (params,)

    def values_of(self, values: Mapping[str, Value]) -> tuple[dict[str, Value], ...]:
        """Of values of some of the parameters, by name, those of each part."""
        return (dict(values),)

    def states_of(self, state: AnyState) -> tuple[AnyState, ...]:
        """The ``State`` of each part."""
        return (state,)

    def state_of(self, states: Iterable[AnyState]) -> AnyState:
        """The ``State`` of the kernel from the ``State`` of each part."""
        (state,) = states
        return state

    @property
    def relative_names(self) -> tuple[str, ...]:
        """The parameters that `relative` gives: one for each part but the first."""
        return ()

    def relative(self, params: AnyParams) -> tuple[Array, ...]:
        """The conductance of each part but the first, relative to that of the first."""
        return tuple(getattr(params, name) for name in self.relative_names)

    def total(self, relative: Sequence[Array], gs: Sequence[Array]) -> Array:
        """g of the kernel from the g of each part.

        Args:
            relative: as `relative` returns them. Those of several synapses have the last axes of g.
            gs: g of each part.
        """
        g = gs[0]
        for factor, own in zip(relative, gs[1:], strict=True):
            g = g + align(factor, own) * own
        return g

    def check_params(self, params: AnyParams) -> None:
        """Raise ValueError if parameters whose values are known give a negative rate where the equations allow none."""
        limits.check(self, params)

    def bare(self, name: str) -> str:
        """The name of a parameter within the part of a sum that it belongs to."""
        return name

    def __add__(self, other: object) -> Kernel:
        """The sum of two kernels, which act side by side at one synapse: see `synkin.declaring.sums`."""
        return self.sum_of(self, other)

    # `synkin.declaring.sums.added`. That module sets it, because it imports this one.
    sum_of: ClassVar[Callable[..., Kernel]]

    @property
    def order(self) -> tuple[str, ...]:
        """The variables, each after those that drive it: the order in which they are solved."""
        names = variables_of(self.State)
        return tuple(names[i] for i in self.structure.order)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The variables that an input is added to: one for each part of a sum, none for a receptor."""
        return self.input.variables

    def derivatives(self, params: AnyParams, y: tuple[Array, ...], T: object) -> tuple[Array, ...]:
        """The derivatives of the variables, both in solving order."""
        given = self.equations(params, self._state(y), *((T,) if isinstance(self.input, StartsPulse) else ()))
        return tuple(given[name] for name in self.order)

    def conductance_of(self, params: AnyParams, y: tuple[Array, ...]) -> Array:
        """g from the variables in solving order."""
        return self.conductance(params, self._state(y))

    def solved_by(self, method: str | None) -> str:
        """The method that is used for the argument ``method``; None is the default."""
        return "exact" if self.always_exact else method or self.methods[0]

    def check_options(self, method: object, overlap: object) -> None:
        """Raise ValueError unless ``method`` and ``overlap`` are options that the kernel has."""
        check_method(method, self)
        self.input.check_overlap(overlap)

    def _state(self, y: tuple[Array, ...]) -> AnyState:
        fields = dict.fromkeys(self.State._fields) | dict(zip(self.order, y, strict=True))
        return self.State(**fields)

    def __repr__(self) -> str:
        listed = ", ".join(f"{name}={known.default}" for name, known in self.parameters.items())
        return f"{self.name}({listed})"

    def __reduce__(self) -> tuple[Callable[..., Kernel], tuple[object, ...]]:
        # A kernel is pickled by name, as functions are, because its equations are code.
        if getattr(sys.modules.get(self.home), self.name, None) is not self:
            raise TypeError(
                f"Kernel `{self.name}` must be a global of its module to be pickled or copied, but {self.home} has no "
                f"such name for it: give `name=` the name that it is assigned to."
            )
        return _named, (self.home, self.name)

    def __copy__(self) -> Kernel:
        return self

    def __deepcopy__(self, memo: object) -> Kernel:
        return self


@partial(jax.jit, static_argnums=(0, 5, 6))
def _one_step(
    kernel: Kernel, params: AnyParams, state: AnyState, spike: Array, dt: Array, method: str, overlap: str
) -> tuple[AnyState, Array]:
    """`Kernel.step` of arguments that have been checked."""
    ready = make_stepper(kernel, params, dt, method, overlap, dt.dtype, single_step=True)
    carry, g = ready.step(carry_from_state(ready, state, at_rest=False), spike)
    return ready.state(carry), g


def variables_of(State: type[AnyState]) -> tuple[str, ...]:
    """The fields of a ``State`` that have an equation: all but ``pulse_left``."""
    return tuple(field for field in State._fields if field != PULSE_LEFT)


def _documented(kernel: Kernel, text: str | None) -> str:
    """The docstring: ``text``, then the parameters with their defaults and units, and the variables."""
    lines = [inspect.cleandoc(text) if text else f"The {kernel.name} synapse.", "", "Parameters:"]
    said = fields.said(kernel.Params)
    for name, known in kernel.parameters.items():
        unit = "" if known.unit in (None, "1") else f" {known.unit}"
        meaning = f", {said[name][0]}" if name in said else ""
        lines.append(f"    {name}: {known.default}{unit}{meaning}")
    lines += ["", "State: " + ", ".join(f"{name} ({unit})" for name, unit in kernel.variables.items())]
    if "Example:" not in lines[0] and all(known.default is not None for known in kernel.parameters.values()):
        lines += ["", "Example:", *(f"    {line}" for line in _example(kernel))]
    return "\n".join(lines)


def _example(kernel: Kernel) -> list[str]:
    """What a user types to see the kernel's conductance, as in a Python session."""
    name = kernel.name if kernel.name.isidentifier() else "kernel"
    for package, public in (("synkin.kernels.", "synkin"), ("synkin.schemes.", "synkin.schemes")):
        name = f"{public}.{name}" if kernel.home.startswith(package) else name
    first = next(iter(kernel.parameters.values()))
    lines = [f">>> params = {name}.Params({first.name}={first.default})"]
    if "exact" in kernel.methods:
        lines += [f">>> g = synkin.respond({name}, params, [1.0], [0.5, 2.0])  # a spike at 1 ms"]
    else:
        spikes = "[1.0, 0.0]" if kernel.input.takes_weights else "[True, False]"
        lines += [f">>> final, g = synkin.simulate({name}, params, {spikes}, 0.1)  # two steps of 0.1 ms"]
    return [*lines, ">>> g.shape", "(2,)"]


def named_tuple(
    role: str, name: str, home: str, fields: Sequence[str], defaults: Sequence[object] = ()
) -> type[AnyParams]:
    """A class ``Params`` or ``State``, whichever ``role`` says, for the kernel ``name`` of the module ``home``."""
    kind = collections.namedtuple(role, fields, defaults=defaults, module=home)  # type: ignore[misc]
    kind.__qualname__ = f"{name}.{role}"
    return kind


def set_pickling(kind: Any, rebuild: Callable[..., AnyParams], *origin: object) -> None:
    """Let the tuples of the class ``kind`` be pickled as a call of ``rebuild`` with ``origin`` and their values."""
    kind.__reduce__ = lambda values: (rebuild, (*origin, tuple(values)))


def _named(home: str, name: str) -> Kernel:
    """The kernel of that name, for `pickle`."""
    __import__(home)
    return getattr(sys.modules[home], name)
