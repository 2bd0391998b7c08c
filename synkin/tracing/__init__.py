"""What a function computes, as JAX has traced it.

walk          the results of a function as polynomials of its inputs
polynomials   these polynomials
sameness      keys of traced functions, equal where they compute and differentiate the same
closures      keys of all that a function can see
program       a readout as operations that are compiled once
readouts      the program of a readout
fingerprint   a hash of the operations of a function, the same in every process
"""
