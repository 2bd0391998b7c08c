"""Kernels: from equations, from a scheme of states and transitions, or as a sum of kernels.

kernel             `Kernel`: the equations of a synapse, and all that is derived from them
filtered           a kernel with filters behind its g
declare            `receptor` and `linear`: kernels from their equations
sums               sums of kernels, side by side at one synapse
scheme             `scheme`: a receptor from its states and transitions
scheme_arguments   checks of the arguments of `scheme`
state_diagram      states and transitions: the matrix of rates, and the steady state
scheme_text        from the text of a scheme to states and transitions
statements         from the text to single statements
expression         from the text of a rate to a product
transition_rates   values, units and checks of rates
reversibility      cycles of a scheme, and how far each is from reversibility
"""

from synkin.declaring import sums

__all__ = ["sums"]  # importing it defines the addition of kernels
