"""What a kernel is: equations, a scheme of states and transitions, or a sum of kernels.

kernel             equations, and the kernel that is made of them
sums               kernels side by side at one synapse
scheme             a receptor from its states and transitions
scheme_text        the text of a scheme
statements         its lines
expression         its rates
transition_rates   values, units and checks of rates
reversibility      cycles of a scheme, and whether they are reversible
"""
