"""Sums of kernels: receptors side by side at one synapse, that see the same spikes.

    both = synkin.ampa + synkin.schemes.nmda5
    params = both.Params(ampa_beta=0.2, g_nmda5=0.3)      # g = g of ampa + 0.3 g of nmda5
    gs = synkin.respond(both, params, [10.0, 30.0], [12.0, 40.0])

Each part is solved by its own kernel, as exactly as alone, and the conductances are added. The fields of ``Params`` and
``State`` begin with the name of their part: ``ampa_beta``, ``nmda5_C1``. Each part but the first has a conductance
relative to that of the first, ``g_nmda5``. The first has none, so that a fit can determine the others and ``scale``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from jax import Array
from jax.typing import ArrayLike, DTypeLike

from synkin.arguments import units
from synkin.arguments.declaration import AnyParams, AnyState, Parameter
from synkin.arguments.inputs import AddsWeight, Input
from synkin.arguments.messages import describe
from synkin.arguments.params_and_states import check_params, check_state
from synkin.declaring.kernel import Conductance, Equations, Kernel, named_tuple, set_pickling

Value = TypeVar("Value")


def _none(*given: object) -> NoReturn:
    """In place of the equations and the conductance of a sum."""
    raise NotImplementedError("A sum of kernels has no equations of its own: its parts have.")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Sum(Kernel):
    """A kernel whose g is the sum of that of several kernels at one synapse, as ``synkin.ampa + synkin.schemes.nmda5``.

    Attributes:
        parts: the kernels that are added.
        names: the name of each part, with which the names of its parameters and variables begin.

    Example:
        >>> both = synkin.ampa + synkin.schemes.nmda5  # two receptors that see the same spikes
        >>> params = both.Params(ampa_beta=0.2, g_nmda5=0.5)
        >>> g = synkin.respond(both, params, [1.0], [0.5, 1.5, 20.0])
        >>> print(g.round(3))
        [0. 0.211 0.141]
    """

    kernels: tuple[Kernel, ...]
    names: tuple[str, ...]
    # A sum has no equations and no structure of its own: see its parts.
    equations: Equations = _none
    find_structure: Any = _none
    conductance: Conductance = _none

    def __post_init__(self, about: str | None, meanings: Mapping[str, str]) -> None:
        super().__post_init__(about, meanings)
        object.__setattr__(self, "conductance", self._sum_of_conductances)

    @property
    def parts(self) -> tuple[Kernel, ...]:
        """The kernels, in the order of the sum."""
        return self.kernels

    @property
    def order(self) -> tuple[str, ...]:
        """The variables, part by part, each after those that drive it."""
        return tuple(f"{name}_{own}" for name, part in zip(self.names, self.kernels, strict=True) for own in part.order)

    def bare(self, name: str) -> str:
        """The name of a parameter within the part that it belongs to; "g" for a relative conductance."""
        for before, part in zip(self.names, self.kernels, strict=True):
            own = name.removeprefix(f"{before}_")
            if name == f"g_{before}":
                return "g"
            if name == f"{before}_{own}" and own in part.Params._fields:
                return own
        raise KeyError(name)

    def params_of(self, params: AnyParams) -> tuple[AnyParams, ...]:
        """The ``Params`` of each part."""
        return tuple(
            part.Params(*(getattr(params, f"{name}_{own}") for own in part.Params._fields))
            for name, part in zip(self.names, self.kernels, strict=True)
        )

    def values_of(self, values: Mapping[str, Value]) -> tuple[dict[str, Value], ...]:
        """Of values of some of the parameters, by name, those of each part."""
        return tuple(
            {own: values[f"{name}_{own}"] for own in part.Params._fields if f"{name}_{own}" in values}
            for name, part in zip(self.names, self.kernels, strict=True)
        )

    def check_params(self, params: AnyParams) -> None:
        """Raise ValueError if concrete parameters give a negative rate in one of the parts."""
        for part, own in zip(self.kernels, self.params_of(params), strict=True):
            part.check_params(own)

    def states_of(self, state: AnyState) -> tuple[AnyState, ...]:
        """The ``State`` of each part."""
        return tuple(
            part.State(*(getattr(state, f"{name}_{own}") for own in part.State._fields))
            for name, part in zip(self.names, self.kernels, strict=True)
        )

    def state_of(self, states: Iterable[AnyState]) -> AnyState:
        """The ``State`` of the sum from the ``State`` of each part."""
        return self.State(*(value for state in states for value in state))

    @property
    def relative_names(self) -> tuple[str, ...]:
        """The parameters that `relative` gives: one for each part but the first."""
        return tuple(f"g_{name}" for name in self.names[1:])

    def rest_state(self, params: AnyParams, shape: tuple[int, ...], dtype: DTypeLike) -> AnyState:
        """`init` of arguments that have been checked."""
        own = zip(self.kernels, self.params_of(params), strict=True)
        return self.state_of(part.rest_state(given, shape, dtype) for part, given in own)

    def vector_field(self, params: AnyParams, state: AnyState, T: ArrayLike = 0.0) -> AnyState:
        """The derivatives of the variables of all parts; see `synkin.Kernel.vector_field`.

        Example:
            >>> both = synkin.ampa + synkin.gabaa
            >>> slopes = both.vector_field(both.Params(), both.init(both.Params(), ()), T=1.0)
            >>> print(slopes.ampa_g.round(2), slopes.gabaa_g.round(2))  # alpha T (1 - g) - beta g of each
            0.98 0.53
        """
        state = check_state(self, units.state(state, self))
        params = check_params(units.params(self, params), state[0].shape, self)
        own = zip(self.kernels, self.params_of(params), self.states_of(state), strict=True)
        return self.state_of(part.vector_field(given, at, T) for part, given, at in own)

    def __reduce__(self) -> tuple[Callable[..., Kernel], tuple[Kernel, ...]]:
        return added, self.kernels

    def _sum_of_conductances(self, params: AnyParams, state: AnyState) -> Array:
        own = zip(self.kernels, self.params_of(params), self.states_of(state), strict=True)
        return self.total(self.relative(params), [part.conductance(given, at) for part, given, at in own])


# Sums by their parts. A function is compiled for each kernel, so equal sums must be the same object.
_made: dict[tuple[Kernel, ...], Sum] = {}


def added(*kernels: object) -> Sum:
    """The sum of two or more kernels; a sum among them counts as its parts.

    Raises:
        TypeError: an argument that is no kernel.
        ValueError: receptors together with linear kernels, no method in common, or names that clash.
    """
    parts: tuple[Kernel, ...] = ()
    for kernel in kernels:
        if not isinstance(kernel, Kernel):
            raise TypeError(f"A sum must be of kernels such as synkin.ampa, but has {describe(kernel)}.")
        parts += kernel.parts
    if parts not in _made:
        _made[parts] = _of(parts)
    return _made[parts]


def _of(parts: tuple[Kernel, ...]) -> Sum:
    """The sum of kernels that have one part each."""
    for part in parts[1:]:
        if type(part.input) is not type(parts[0].input):
            receptor, linear = sorted((parts[0], part), key=lambda kernel: kernel.input.takes_weights)
            raise ValueError(
                "A sum must have only receptors or only linear kernels, as a spike acts at the start of a step on the "
                f"former and at its end on the latter, but {receptor.name} is a receptor and {linear.name} is linear."
            )
    methods = tuple(method for method in parts[0].methods if all(method in part.methods for part in parts))
    if not methods:
        listed = " and ".join(f"{part.name} has {' and '.join(part.methods)}" for part in parts)
        raise ValueError(f"Kernels of a sum must have a method in common, but {listed}.")
    given = [part.name for part in parts]
    names = tuple(
        f"{name}{given[: i + 1].count(name)}" if given.count(name) > 1 else name for i, name in enumerate(given)
    )
    parameters: dict[str, Parameter] = {}
    variables: dict[str, str] = {}
    count = 0
    for i, (name, part) in enumerate(zip(names, parts, strict=True)):
        if i:
            parameters[f"g_{name}"] = Parameter(f"g_{name}", 1.0, "1", positive=False, signed=False)
        for known in part.parameters.values():
            parameters[f"{name}_{known.name}"] = known._replace(name=f"{name}_{known.name}")
        variables |= {f"{name}_{own}": unit for own, unit in part.variables.items()}
        count += bool(i) + len(part.parameters)
        if len(parameters) < count:
            raise ValueError(
                f"Kernels of a sum must have names that make their parameters differ, but with {', '.join(names)} two "
                "parameters have the same name: give one of the kernels another `name=`."
            )
    if len(variables) < sum(len(part.variables) for part in parts):
        raise ValueError(
            f"Kernels of a sum must have names that make their variables differ, but with {', '.join(names)} two "
            "variables have the same name: give one of the kernels another `name=`."
        )
    name = "+".join(given)
    defaults = [known.default for known in parameters.values()]
    Params = named_tuple("Params", name, __name__, list(parameters), [] if None in defaults else defaults)
    State = named_tuple("State", name, __name__, list(variables))
    listed = " and ".join([", ".join(names[:-1]), names[-1]])
    kernel = Sum(
        name=name,
        Params=Params,
        State=State,
        input=_input_of(parts, names),
        parameters=parameters,
        variables=variables,
        methods=methods,
        always_exact=all(part.always_exact for part in parts),
        home=__name__,
        about=f"The sum of {listed}, which see the same spikes.\n\n"
        "Relative conductances, as g_ and a part's name, are to that of the first.",
        kernels=parts,
        names=names,
    )
    for name in names[1:]:
        getattr(Params, f"g_{name}").__doc__ = f"conductance relative to that of {names[0]}"
    for kind, role in ((Params, "Params"), (State, "State")):
        for name, part in zip(names, parts, strict=True):
            for own in getattr(part, role)._fields:
                getattr(kind, f"{name}_{own}").__doc__ = getattr(getattr(part, role), own).__doc__
        set_pickling(kind, _rebuilt, parts, role)
    return kernel


def _input_of(parts: tuple[Kernel, ...], names: tuple[str, ...]) -> Input:
    """What a spike does to the sum; the parts are all receptors or all linear kernels."""
    variables = tuple(f"{name}_{own}" for name, part in zip(names, parts, strict=True) for own in part.input.variables)
    if not variables:
        return parts[0].input
    units = {part.input.unit for part in parts}
    return AddsWeight(variables, units.pop() if len(units) == 1 else "1")


def _rebuilt(parts: tuple[Kernel, ...], role: str, values: tuple[object, ...]) -> AnyParams | AnyState:
    """A ``Params`` or ``State``, for `pickle`."""
    return getattr(added(*parts), role)(*values)


Kernel.sum_of = staticmethod(added)
