"""Kernels in other frameworks. Each module is imported only by the programs that use it.

brainstate   synapses for brainstate and brainpy.state
jaxley       synapses for Jaxley
"""
