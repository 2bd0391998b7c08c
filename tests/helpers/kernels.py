"""The kernels of the library by kind."""

import synkin

RECEPTORS = {name: kernel for name, kernel in synkin.KERNELS.items() if not kernel.input.takes_weights}
LINEAR = {name: kernel for name, kernel in synkin.KERNELS.items() if kernel.input.takes_weights}
# One of those that share their equations, as gabaa does ampa's with other defaults.
_BY_EQUATIONS = {kernel.equations: kernel for kernel in reversed(synkin.KERNELS.values())}
DISTINCT = {name: kernel for name, kernel in synkin.KERNELS.items() if kernel in _BY_EQUATIONS.values()}
