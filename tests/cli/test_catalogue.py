"""The names and descriptions that `list` and the help show without JAX are those of the kernels."""

from synkin import KERNELS
from synkin.cli import catalogue
from synkin.cli.one_kernel import description
from synkin.schemes import SCHEMES


def test_catalogue_is_what_the_kernels_say():
    for shown, kernels in ((catalogue.KERNELS, KERNELS), (catalogue.SCHEMES, SCHEMES)):
        assert list(shown.items()) == [(name, description(kernel)) for name, kernel in kernels.items()]
