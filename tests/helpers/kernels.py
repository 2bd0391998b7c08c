"""The kernels of the library by kind."""

import synkin

_ALL = synkin.KERNELS
RECEPTORS = {name: kernel for name, kernel in _ALL.items() if not kernel.input.takes_weights}
# Linear in their input: a kernel whose input opens a gate takes weights too, but saturates.
LINEAR = {name: kernel for name, kernel in _ALL.items() if kernel.input.takes_weights and not kernel.structure.gated}
# One of those that share their equations, as gabaa does ampa's with other defaults.
_BY_EQUATIONS = {kernel.equations: kernel for kernel in reversed(_ALL.values())}
DISTINCT = {name: kernel for name, kernel in _ALL.items() if kernel in _BY_EQUATIONS.values()}
