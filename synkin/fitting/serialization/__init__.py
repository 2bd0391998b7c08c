"""Fits in files.

identity    what identifies a kernel in a file
fit_files   all of a `Fit` as JSON
"""
