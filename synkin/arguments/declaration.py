"""What is declared of a kernel, as far as the checks of arguments need it."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, Protocol, TypeAlias

from jax.typing import DTypeLike

from synkin.arguments import fields
from synkin.arguments.choices import HasMethods
from synkin.arguments.inputs import Input

# A kernel's NamedTuples, whose fields are its own: numbers, arrays, tracers, or pytrees of what JAX makes of these.
AnyParams: TypeAlias = Any
AnyState: TypeAlias = Any
# Any pytree of arrays, such as what a readout returns.
Pytree: TypeAlias = Any


@fields.described
class Parameter(NamedTuple):
    """What is known of a parameter: checks, fits, the command line, units and tables read it here."""

    name: Annotated[str, "as in ``Params``"]
    default: Annotated[Any, "None where there is none"]
    unit: Annotated[str | None, "such as '1/ms/mM'; None where it was not said"]
    positive: Annotated[bool, "whether 0 is out of range too"]
    signed: Annotated[bool, "whether it may be negative; if not, it is fitted on a logarithmic scale"]


class Range(Protocol):
    """Of what is known of a parameter, what its values are checked against; where it has ``most`` against that too."""

    @property
    def unit(self) -> str | None:
        """None where it was not said."""

    @property
    def positive(self) -> bool:
        """Whether 0 is out of range too."""

    @property
    def signed(self) -> bool:
        """Whether it may be negative."""


class Declaration(Protocol):
    """What a `synkin.Kernel` and `synkin.tsodyks_markram` have in common."""

    @property
    def name(self) -> str:
        """Such as "ampa"."""

    @property
    def Params(self) -> Any:
        """NamedTuple class of the parameters."""

    @property
    def State(self) -> Any:
        """NamedTuple class of the variables."""

    @property
    def parameters(self) -> Mapping[str, Range]:
        """What is known of each parameter, by name."""

    @property
    def variables(self) -> Mapping[str, str]:
        """The unit of each field of ``State``, by name."""

    @property
    def input(self) -> Input:
        """What a spike does."""

    def check_params(self, params: AnyParams) -> None:
        """Raise ValueError if parameters, where they are known, do not fit the equations."""

    def rest_state(self, params: AnyParams, shape: tuple[int, ...], dtype: DTypeLike) -> AnyState:
        """The state at rest, of parameters that have been checked."""


class KernelDeclaration(Declaration, HasMethods, Protocol):
    """What is declared of a kernel."""
