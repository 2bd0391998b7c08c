"""The search for the parameters with the lowest sum of squares.

initial_guess   parameters at which the kernel is about as fast as the recording
onset           a scan over onsets
optimizer       SciPy's least squares from several starts
"""
