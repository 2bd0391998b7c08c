"""Fits in files.

identity    what identifies a kernel in a file
functions   what identifies a function
fit_files   all of a `Fit` as JSON
"""
