"""How well the recording determines what was fitted.

autocorrelation   how strongly the noise of neighbouring samples is correlated
standard_errors   noise, standard errors and correlations
trade_offs        sentences on parameters that the recording cannot tell apart
differences       whether what each recording has its own value of differs between them
profiles          intervals from profiles of the sum of squares
resampling        intervals from the bootstrap
"""
