"""Kernels at home in other frameworks: a module each, which needs its framework (an extra of the same name).

from synkin.adapters.brainstate import AMPA, Expon    # brainstate.nn.Dynamics, for programs of brainpy.state
"""
