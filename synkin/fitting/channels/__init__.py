"""Fits by the likelihood of a current with the noise of channels that open and close, in place of least squares.

arguments    what `synkin.fit` is given with ``channels``, checked
likelihood   the logarithm of the likelihood and its exact derivatives
ascent       the search for the highest likelihood
start        where it begins: how the variance of the residuals depends on the current
errors       the observed information, and errors from it
profiles     the highest likelihood as one quantity is held
message      what is said of the noise

A place is where the search is: the coordinates of a `Problem`, followed by the logarithm of sigma and, if the number
of channels is fitted, that of it. All sweeps are of the same channels and share all of these.
"""
