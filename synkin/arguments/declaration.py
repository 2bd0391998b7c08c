"""The part of a kernel's declaration that checks of arguments read."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, Protocol, TypeAlias

from jax.typing import DTypeLike

from synkin.arguments import fields
from synkin.arguments.choices import HasMethods
from synkin.arguments.inputs import Input
from synkin.arguments.numbers import Range
from synkin.arguments.units import HasUnits

# The NamedTuples of a kernel. Each kernel has its own fields, which equations read as ``p.tau``, so that a type checker
# can know nothing of them. A field holds numbers, an array, a tracer, or what JAX puts in place of these in a pytree.
AnyParams: TypeAlias = Any
AnyState: TypeAlias = Any
# Any pytree of arrays, such as what a readout returns.
Pytree: TypeAlias = Any


@fields.described
class Parameter(NamedTuple):
    """What is known of a parameter. Checks, fits, the command line, units and tables read it."""

    name: Annotated[str, "as in ``Params``"]
    default: Annotated[Any, "its default; None if it has none"]
    unit: Annotated[str | None, "such as '1/ms/mM'; None if it was not given"]
    positive: Annotated[bool, "whether 0 is out of range too"]
    signed: Annotated[bool, "whether it may be negative; if not, it is fitted on a logarithmic scale"]


class Declaration(HasUnits, Protocol):
    """What a `synkin.Kernel` and `synkin.tsodyks_markram` have in common."""

    @property
    def parameters(self) -> Mapping[str, Range]:
        """What is known of each parameter, by name."""

    @property
    def UNITS(self) -> AnyParams:
        """The unit of each parameter."""

    @property
    def input(self) -> Input:
        """What a spike does."""

    def check_params(self, params: AnyParams) -> None:
        """Raise ValueError if concrete parameters do not fit the equations."""

    def rest_state(self, params: AnyParams, shape: tuple[int, ...], dtype: DTypeLike) -> AnyState:
        """The state at rest, of parameters that have been checked."""


class KernelDeclaration(Declaration, HasMethods, Protocol):
    """What is declared of a kernel."""

    def bare(self, name: str) -> str:
        """What a parameter is called in the part of a sum that it belongs to."""
