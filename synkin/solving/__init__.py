"""What time does to a kernel's variables: which algorithm solves them, the coefficients of a step, and runs of steps.

structure          what kind of equations a kernel has
limits             what is left to the parameters in use
propagator         the exponential of a matrix, and its relatives in closed form
gate               the exact step of a gate that another variable opens
pulses             how much of a step the transmitter is there
coefficients       the coefficients of a step, and the step
stepper            a kernel made ready for one dt
loops              scans over the rows of a run
run                the run over a grid, with its derivative
parallel_in_time   the same run in log(T) passes
"""
