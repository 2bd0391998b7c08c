"""The structure of a kernel's equations, found when the kernel is declared; it decides which algorithm solves them.

`synkin.declaring.kernel` calls `find` with the equations as they were written. The kinds of equations are:

    relaxation   one variable with constant coefficients
    chain        two, the second driven by the first, and no transmitter: closed forms
    occupancies  the states of a receptor but the resting one: no rate is negative, and all sum to 1
    affine       any other system with constant coefficients
    gate         a variable x as in `relaxation`, and one that it opens: v' = a x (1 - v) - (b + c x) v

Equations of any other kind are refused. JAX records the operations of the equations, and `synkin.tracing.walk` makes
polynomials in the variables of them. The structure is therefore right for all values of parameters, variables and T.
Where that is not certain the more general kind is taken. What depends on the parameters in use, such as the sign of a
gate's rates, is named in `Structure.to_check`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import jax
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from synkin.arguments.declaration import AnyParams
from synkin.tracing.polynomials import Atoms, Monomial, Polynomial
from synkin.tracing.walk import Walk

if TYPE_CHECKING:
    from jax.extend import core

Derivatives: TypeAlias = Callable[[AnyParams, tuple[Array, ...], Array], tuple[ArrayLike, ...]]
# The weight of each variable in g: a number; True if it depends on the parameters; 0 if the variable is not in g.
Output: TypeAlias = tuple[float | bool, ...]

Traced: TypeAlias = ArrayLike | tuple[ArrayLike, ...]  # what a traced function returns

_IN_PYTHON = (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError)


class Structure(NamedTuple):
    """What is known of a kernel's equations; all but `order` itself counts variables in that order."""

    kind: str
    order: tuple[int, ...]  # the variables as the equations list them, each after those that drive it where it can be
    source: tuple[bool, ...]  # whether a variable may have a source of its own, with transmitter
    source_at_rest: tuple[bool, ...]  # the same without transmitter
    drive: tuple[tuple[bool, ...], ...]  # [i][j], whether j may drive i, with transmitter or without
    decays_as: tuple[int, ...]  # for a chain, the first variable with the same rate; else the variable itself
    closing_driven: bool  # for a gate, whether its closing may depend on the variable that opens it
    coupled: bool  # whether variables drive each other, so that none can be solved before the others
    output: Output
    linear_output: bool  # whether g is a weighted sum of the variables
    occupancies: bool  # whether the variables are parts of receptors, which the resting state completes to 1
    to_check: tuple[str, ...] = ()  # what must hold of the parameters in use, see `gate_rates.violations`
    followers: int = 0  # the number of last variables that are no occupancies: what a filter makes of g

    @property
    def size(self) -> int:
        """The number of variables."""
        return len(self.order)

    @property
    def gated(self) -> bool:
        """Whether the last variable is opened by the one before."""
        return self.kind == "gate"

    @property
    def has_matrix(self) -> bool:
        """Whether the solution is the exponential of a matrix."""
        return self.kind in ("occupancies", "affine")

    @property
    def ends_in_g(self) -> bool:
        """Whether g depends only on the last variable, which drives no other."""
        return not self.coupled and all(weight == 0 for weight in self.output[:-1])


def find(
    name: str,
    names: tuple[str, ...],
    derivatives: Derivatives,
    conductance: Callable[[AnyParams, tuple[Array, ...]], ArrayLike],
    Params: type[Any],
    signed: Sequence[str],
    *,
    has_transmitter: bool,
    may_be_gate: bool = True,
) -> Structure:
    """The structure of equations.

    Args:
        name: of the kernel, for messages.
        names: of the variables.
        derivatives: from parameters, variables and T (mM) to their derivatives, in the order of ``names``.
        conductance: from parameters and variables to g.
        Params: the class of the parameters.
        signed: names of those that may be negative.
        has_transmitter: whether the equations depend on T.
        may_be_gate: whether they may end in a gate.

    Raises:
        ValueError: equations of none of these kinds, or that JAX cannot trace.
    """
    n, count = len(names), len(Params._fields)
    atoms = Atoms()
    inputs = [atoms.input(field, not_negative=field not in signed) for field in Params._fields]
    inputs += [atoms.input(variable) for variable in names]
    at_T, none = atoms.input("T", not_negative=True), atoms.number(0)
    variables = range(count, count + n)
    walk = Walk(atoms, frozenset(variables))

    def of_values(f: Callable[..., Traced]) -> Callable[..., Traced]:
        return lambda *values: f(Params(*values[:count]), values[count : count + n], *values[count + n :])

    traced = _traced(f"The equations of {name}", names, of_values(derivatives), len(inputs) + 1)
    active, resting = (
        [_Equation(result, variables) for result in walk.results(traced, [*inputs, T])] for T in (at_T, none)
    )
    drive = np.array([[i != j and equation.drives[j] for j in range(n)] for i, equation in enumerate(active)])
    order = _order(drive)
    coupled = bool(np.triu(drive[np.ix_(order, order)], 1).any())
    bent = [equation.is_bent for equation in active]
    if has_transmitter and active == resting:
        raise ValueError(f"The equations of {name} must depend on T, the transmitter, but are the same without it.")
    if not has_transmitter and any(equation.source for equation in active):
        which = names[next(i for i, equation in enumerate(active) if equation.source)]
        raise ValueError(f"The equations of {name} must be 0 at rest, but `{which}` changes there without input.")

    are_occupancies = has_transmitter and not any(bent) and _are_occupancies(active, none)
    to_check: tuple[str, ...] = ()
    rates: Mapping[str, Polynomial] | None = None
    if any(bent):
        rates = _gate(order, active, resting, none) if may_be_gate else None
        if rates is None:
            # The message names the first one, as the others may follow from it.
            which = names[order[0] if bent[order[0]] else bent.index(True)]
            raise ValueError(
                f"The equations of {name} must be linear in the variables, or end in a gate as in "
                f"v' = a x (1 - v) - b v that one linear variable x opens, but `{which}` is neither."
            )
        kind = "gate"
        to_check = tuple(rate for rate, value in rates.items() if not value.not_negative)
        to_check += ("at_rest",) * bool(resting[order[0]].source)
    elif n == 1:
        kind = "relaxation"
    elif has_transmitter:
        kind = "occupancies" if are_occupancies else "affine"
    else:
        kind = "chain" if n == 2 and not coupled else "affine"

    traced = _traced(f"The conductance of {name}", ("g",), of_values(conductance), len(inputs))
    output, linear = _output(_Equation(walk.results(traced, inputs)[0], variables), order)
    return Structure(
        kind=kind,
        order=tuple(order),
        source=tuple(bool(active[i].source) for i in order),
        source_at_rest=tuple(bool(resting[i].source) for i in order),
        drive=tuple(tuple(map(bool, row)) for row in drive[np.ix_(order, order)]),
        decays_as=_decays_as(order, active) if kind == "chain" else tuple(range(n)),
        closing_driven=rates is not None and bool(rates["c"]),
        coupled=coupled or kind == "occupancies",
        output=output,
        linear_output=linear,
        occupancies=are_occupancies,
        to_check=to_check,
    )


def never_negative(
    what: str, function: Callable[[AnyParams], ArrayLike], Params: type[Any], signed: Sequence[str]
) -> bool:
    """Whether a function of the parameters is known not to be negative for any parameters.

    Args:
        what: the name of the function, for messages.
        function: of ``Params``.
        Params: the class of the parameters.
        signed: names of those that may be negative.

    Raises:
        ValueError: JAX cannot trace it.
    """
    atoms, count = Atoms(), len(Params._fields)
    inputs = [atoms.input(field, not_negative=field not in signed) for field in Params._fields]
    traced = _traced(what, (what,), lambda *values: function(Params(*values)), count)
    return Walk(atoms, frozenset()).results(traced, inputs)[0].not_negative


def of_states(names: tuple[str, ...], is_left: bool, output: Output, *, linear: bool) -> Structure:
    """The structure of a receptor whose states and transitions are known.

    Args:
        names: of the variables: all states but the resting one.
        is_left: whether the resting state is left without transmitter.
        output: see `Structure.output`.
        linear: see `Structure.linear_output`.
    """
    n = len(names)
    several = n > 1
    return Structure(
        kind="occupancies" if several else "relaxation",
        order=tuple(range(n)),
        source=(True,) * n,
        source_at_rest=(is_left,) * n,
        drive=tuple(tuple(i != j for j in range(n)) for i in range(n)),
        decays_as=tuple(range(n)),
        closing_driven=False,
        coupled=several,
        output=output,
        linear_output=linear,
        occupancies=True,
    )


class _Equation:
    """One result as a polynomial in the variables."""

    def __init__(self, result: Polynomial, variables: Sequence[int]) -> None:
        self.parts = result.by(frozenset(variables))
        none, known = result.atoms.number(0), result.atoms.known
        self.source = self.parts.get((), none)
        self.slopes = [self.parts.get(((variable, 1),), none) for variable in variables]
        linear = {(), *(((variable, 1),) for variable in variables)}
        self.is_bent = not self.parts.keys() <= linear
        self.drives = [
            any(variable in known[atom].inputs for product in self.parts for atom, _ in product)
            for variable in variables
        ]
        self._variables = variables

    def both(self, i: int, j: int) -> Polynomial:
        """The coefficient of the product of two variables."""
        return self.parts.get(self._product(i, j), self.source.atoms.number(0))

    def is_made_of(self, i: int, j: int) -> bool:
        """Whether it is a sum of two variables and of their product, each with a coefficient."""
        one, other = ((self._variables[k], 1) for k in (i, j))
        return self.parts.keys() <= {(one,), (other,), self._product(i, j)}

    def _product(self, i: int, j: int) -> Monomial:
        return tuple(sorted((self._variables[k], 1) for k in (i, j)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Equation) and self.parts == other.parts

    __hash__ = None  # type: ignore[assignment]


def _traced(what: str, results: Sequence[str], function: Callable[..., Traced], count: int) -> "core.ClosedJaxpr":
    """The operations of a function of ``count`` scalars.

    Raises:
        ValueError: it cannot be traced, or a result is not a single number.
    """
    # A strict promotion that the user has set applies to runs, not to this trace.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        try:
            closed = jax.make_jaxpr(function)(*(np.float64(1),) * count)
        except _IN_PYTHON as error:
            raise ValueError(
                f"{what} must be made of operations that JAX can trace, and not look at values in Python: write "
                "jnp.where for `if`, jnp.maximum and jnp.minimum for `max` and `min`, jax.numpy for math and NumPy."
            ) from error
    for result, aval in zip(results, closed.out_avals, strict=True):
        if aval.shape != ():
            raise ValueError(f"{what} must be single numbers, but `{result}` has shape {aval.shape}.")
    return closed


def _order(drive: np.ndarray) -> list[int]:
    """Each variable after those that drive it; in a circle of variables, the order in which they come."""
    left, order = list(range(len(drive))), []
    while left:
        free = next((i for i in left if not any(drive[i, j] for j in left if j != i)), None)
        # In a circle, where no variable is free of the others, the first one.
        order.append(left[0] if free is None else free)
        left.remove(order[-1])
    return order


def _gate(
    order: Sequence[int], active: Sequence[_Equation], resting: Sequence[_Equation], none: Polynomial
) -> Mapping[str, Polynomial] | None:
    """The rates of a linear x and of a gate v' = a x (1 - v) - (b + c x) v; None if the equations are no such gate."""
    if len(order) != 2:
        return None
    x, v = order
    opening, gate = active[x], active[v]
    # Transmitter must act on x only.
    if opening.is_bent or opening.drives[v] or not gate.is_made_of(x, v) or gate != resting[v]:
        return None
    a, b = gate.slopes[x], -gate.slopes[v]
    return {"source": opening.source, "a": a, "b": b, "c": -gate.both(x, v) - a}


def _are_occupancies(active: Sequence[_Equation], none: Polynomial) -> bool:
    """Whether no rate of entering a state can be negative, for any parameters.

    The resting state holds what is in no other state, so that its rate of entry makes each column sum to 0.
    """
    sources = [equation.source for equation in active]
    columns = [[equation.slopes[j] for equation in active] for j in range(len(active))]
    to_rest = [-sum([*sources, *column], none) for column in columns]
    into = [
        slope + source
        for j, column in enumerate(columns)
        for i, (slope, source) in enumerate(zip(column, sources, strict=True))
        if i != j
    ]
    return all(rate.not_negative for rate in [*sources, *into, *to_rest])


def _decays_as(order: Sequence[int], equations: Sequence[_Equation]) -> tuple[int, ...]:
    """For each variable the first one whose rate is the same for all parameters."""
    rates = [equations[i].slopes[i] for i in order]
    return tuple(rates.index(rate) for rate in rates)


def _output(g: _Equation, order: Sequence[int]) -> tuple[Output, bool]:
    """`Structure.output` and `Structure.linear_output`."""
    linear = not g.is_bent and not g.source
    weights = [g.slopes[i].constant for i in order]
    output = (
        (True if not linear or weight is None else weight) if g.drives[i] else 0
        for i, weight in zip(order, weights, strict=True)
    )
    return tuple(output), linear
