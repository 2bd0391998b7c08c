"""How well the recording determines what was fitted.

autocorrelation   how strongly the noise of neighbouring samples is correlated
noise_model       that, and whether the noise grows with the response
sandwich          what such noise does to the derivatives of the sum of squares
standard_errors   noise, standard errors and correlations
trade_offs        sentences on parameters that the recording cannot tell apart
differences       whether what each recording has its own value of differs between them
other_minima      other minima within the noise, which errors must reach
profiles          intervals from profiles of the sum of squares
resampling        intervals from the bootstrap
"""
