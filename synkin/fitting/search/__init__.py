"""The search for the parameters with the lowest sum of squares.

objective       residuals and Jacobian for SciPy's least squares
progress        how far a long fit is, on stderr
initial_guess   parameters at which the kernel is about as fast as the recording
onset           a scan over onsets
optimizer       the search: SciPy's least squares from several starts
"""
