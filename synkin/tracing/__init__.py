"""What a function does that JAX has traced.

walk          what each result is made of, for all values of the inputs
polynomials   the polynomials that this is said in
sameness      whether two traced functions compute and differentiate alike
closures      whether all that a function sees is as it was
readouts      a readout as operations that are compiled once
fingerprint   what operations a function does, as a hash that is the same in every process
"""
