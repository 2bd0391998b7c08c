"""What a kernel is: equations, a scheme of states and transitions, or a sum of kernels.

kernel             what all kernels are and do
declare            `receptor` and `linear`: kernels of equations
sums               kernels side by side at one synapse
scheme             a receptor from its states and transitions
scheme_arguments   what `scheme` is given
state_diagram      states and transitions: the matrix of rates, and the steady state
scheme_text        the text of a scheme
statements         its lines
expression         its rates
transition_rates   values, units and checks of rates
reversibility      cycles of a scheme, and whether they are reversible
"""

from synkin.declaring import sums

__all__ = ["sums"]  # with it two kernels can be added
