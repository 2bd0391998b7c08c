"""Propagators: how a kernel's equations are solved over a stretch of time, by numbers or by matrices.

equations            what is read off a kernel's equations: matrices, and how g is made of the variables
closed_forms         exact solutions of one variable, a chain of two, and a gate
matrix_exponential   exact solutions of any number of variables
of_kernel            the propagator of a kernel, for the stretches of one step
step_mean            g averaged over a step, for the stretches of a step
quadrature           nodes and weights
gate_rates           the rates of a gate, read off a kernel's equations
gate_integrals       the integrals of a gate's opening and closing over stretches of any length
gate_tables          the same over a step, as polynomials
any_duration         the variables of a kernel after stretches of any length
"""
