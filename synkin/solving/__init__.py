"""How a kernel's variables change in time: structure, propagators, the coefficients of a step, and runs of steps.

structure          what kind of equations a kernel has
kernel_protocol    what this package knows of a kernel
channels           how many receptors of a population are in each state, drawn at random
limits             what must hold of the parameters in use
propagators        solutions of the equations over a stretch of time
filters            what a recording does to g
pulses             how much of a step the transmitter is there
coefficients       the coefficients of a step
steps              one step
mean_output        g averaged over a step
true_indices       which entries of a long mask are true
carry              what a stepper hands from step to step
rounding           the warning that "exp_euler" rounds the length of a pulse
first_carry        the carry of the first step, from a state
off_grid           a step with a spike within it
stepper            a kernel made ready for one dt
loops              scans over the rows of a run
run                the run over a grid, with its derivative
gate_derivative    that derivative for a gate, many steps at once
parallel_in_time   the same run in log(T) passes
"""
